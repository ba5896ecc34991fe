"""Tables of docs/charges.md, from committed results."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.record import RESULTS, load_if_there

DIMERS = {"CC": "charged-charged", "CA": "charged-apolar", "PA": "polar-apolar"}
KINDS = ("repeat", "local", "fixed", "latent", "lode")


def local_charges() -> str:
    """Return what local and latent charges reach; nothing where it was not measured."""
    results = load_if_there("charges_local")
    if not results:
        return ""
    parts = [
        make(results)
        for name, make in (
            ("random_charges", _points),
            ("moving_charges", _moving),
            ("dimers_CC", _dimers),
            ("spice_dipeptides", _dipoles),
            ("spice_trade_off", _trade_off),
            ("water_rpbe_d3", _water),
        )
        if name in results
    ]
    origin = (
        f"<sub>`python -m benchmarks.charges_local`, {results['date']}, commit "
        f"{results['commit']}, {results['machine']['processor']}</sub>"
    )
    return "\n\n".join([*parts, origin, *_equilibrated(), *_cost(), *_dynamics()])


def _equilibrated() -> list[str]:
    """Return what charges reach that flow through the whole structure."""
    parts = []
    for path in sorted(RESULTS.glob("charges_qeq_charges_*.json")):
        name, results = path.stem.removeprefix("charges_qeq_charges_"), json.loads(path.read_text())
        found = results[name]
        parts.append(
            f"`{name}`, charges fitted to charges, {found['n_functions']} functions, test RMSE "
            f"(me): local {found['local']:.1f}, `qeq` {found['qeq']:.2f}, `self_consistent` "
            f"{found['self_consistent']:.2f}. {_measured('charges', results)}"
        )
    for path in sorted(RESULTS.glob("charges_qeq_joint_*.json")):
        name, results = path.stem.removeprefix("charges_qeq_joint_"), json.loads(path.read_text())
        found = results[name]
        lines = [
            f"`{name}`, everything trained jointly ({found['n_train']} structures, "
            f"{found['n_functions']} functions), test RMSE.",
            "",
            "| charges | energies (meV/atom) | forces (meV/A) | charges (me) |",
            "|---|---|---|---|",
        ]
        for rung, row in found.items():
            if not isinstance(row, dict):
                continue
            charges = row.get("charges_rmse_me")
            label = "none, joint E0" if rung == "none_joint_e0" else rung
            lines.append(
                f"| {label} | {row['energy_rmse_meV_per_atom']:.2f} | "
                f"{row['forces_rmse_meV_per_A']:.0f} | "
                f"{'' if charges is None else f'{charges:.1f}'} |"
            )
        parts += ["\n".join(lines), _measured("joint", results)]
    return parts


def _cost() -> list[str]:
    """Return what a step costs; nothing where it was not measured."""
    results = load_if_there("charges_qeq_cost")
    if not results:
        return []
    lines = [
        "A step of QEq on one core: features, pairs, charges to a residual of 1e-8, forces and "
        "virial; water-like cells, the neighbor list given.",
        "",
        "| atoms | cold (ms) | warm (ms) | cold (us/atom) |",
        "|---|---|---|---|",
    ]
    for n_atoms, own in results.items():
        if isinstance(own, dict) and "cold_ms" in own:
            lines.append(
                f"| {int(n_atoms):,} | {own['cold_ms']:.0f} | {own['warm_ms']:.0f} | "
                f"{own['cold_us_per_atom']:.0f} |"
            )
    return ["\n".join(lines), _measured("cost", results)]


def _dynamics() -> list[str]:
    """Return drifts of NVE runs; nothing where they were not measured."""
    results = load_if_there("charges_qeq_dynamics")
    if not results:
        return []
    lines = [
        "Energy in NVE runs, steps of 1 fs: clusters under potentials trained jointly on "
        f"{results['n_train']} structures of `xtb_nacl`, and a molten salt, periodic, with QEq "
        "charges of a made-up model.",
        "",
        "| | atoms | ps | K | drift (meV/atom/ps) |",
        "|---|---|---|---|---|",
    ]
    for name, own in results.items():
        if isinstance(own, dict) and "drift_meV_per_atom_ps" in own:
            lines.append(
                f"| {name} | {own['n_atoms']} | {own['ps']:g} | {own['final_temperature_K']:.0f} | "
                f"{own['drift_meV_per_atom_ps']:.1g} |"
            )
    return ["\n".join(lines), _measured("dynamics", results)]


def _measured(part: str, results: dict[str, Any]) -> str:
    return (
        f"<sub>`python -m benchmarks.charges_qeq --part {part}`, {results['date']}, commit "
        f"{results['commit']}</sub>"
    )


def _points(results: dict[str, Any]) -> str:
    found = results["random_charges"]
    lines = [
        "Random point charges of +-1 e, no labels of charges: test RMSE of forces (meV/A), largest",
        "error of a charge (e), up to the common sign.",
        "",
        "| | forces | charges |",
        "|---|---|---|",
    ]
    for name, own in found.items():
        if isinstance(own, dict):
            charges = own.get("charges_max_error")
            lines.append(
                f"| {name} | {1e3 * own['forces_rmse']:.3g} | "
                f"{'' if charges is None else f'{charges:.1e}'} |"
            )
    return "\n".join(lines)


def _moving(results: dict[str, Any]) -> str:
    found = results["moving_charges"]
    low, high = found["charges"]
    forces = {kind: f"{1e3 * found[kind]['forces_rmse']:.3g}" for kind in ("latent", "local")}
    rmse, largest = found["charges_rmse"], found["charges_max_error"]
    return "\n".join(
        [
            f"Charges of {low:.2f} to {high:.2f} e that depend on the environment (known model),",
            f"from energies and forces of {found['n_train']} cells: RMSE {rmse:.1e} e, largest",
            f"error {largest:.1e} e; test RMSE of forces {forces['latent']} meV/A, without charges",
            f"{forces['local']} meV/A.",
        ]
    )


def _dimers(results: dict[str, Any]) -> str:
    lines = [
        "Two molecules, trained up to 11 or 12 A, tested farther apart: test RMSE of forces",
        "(meV/A), of the net force on a molecule (meV/A), of energies (meV).",
        "",
        "| | | forces | net force | energy |",
        "|---|---|---|---|---|",
    ]
    for name, title in DIMERS.items():
        found = results.get(f"dimers_{name}", {})
        for kind in KINDS:
            if kind not in found:
                continue
            own = found[kind]
            net, energy = own.get("net_fragment_force_rmse"), own.get("energy_rmse")
            lines.append(
                f"| {title} | {kind} | {1e3 * own['forces_rmse']:.3g} | "
                f"{'' if net is None else f'{1e3 * net:.3g}'} | "
                f"{'' if energy is None else f'{1e3 * energy:.3g}'} |"
            )
    return "\n".join(lines)


def _dipoles(results: dict[str, Any]) -> str:
    found = results["spice_dipeptides"]
    labels = found["labels"]
    lines = [
        "Dipeptides, local charges fitted to MBIS charges and dipoles, by the weights of the two:",
        "test RMSE of charges (e) and of components of dipoles (e A), whose RMS is",
        f"{labels['dipole_rms']:.2f}. Dipoles of the reference charges themselves are",
        f"{labels['dipole_of_charges_rmse']:.3f} off.",
        "",
        "| weights (charges, dipole) | charges | dipole |",
        "|---|---|---|",
    ]
    for name, own in found.items():
        if name.startswith("weights"):
            errors = f"{own['charges_rmse']:.4f} | {own['dipole_rmse']:.4f}"
            lines.append(f"| {name.removeprefix('weights ')} | {errors} |")
    return "\n".join(lines)


def _trade_off(results: dict[str, Any]) -> str:
    lines = [
        "The same functions, dipoles with the weight 1, penalties chosen on the validation set by "
        "its dipoles: test RMSE.",
        "",
        "| weight of charges | penalty | charges | dipole |",
        "|---|---|---|---|",
    ]
    for weight, own in results["spice_trade_off"].items():
        lines.append(
            f"| {weight} | {own['penalty']:g} | {own['test_charges_rmse']:.4f} | "
            f"{own['test_dipole_rmse']:.4f} |"
        )
    return "\n".join(lines)


def _water(results: dict[str, Any]) -> str:
    found = results["water_rpbe_d3"]
    spread = found["charges_std"]
    return (
        f"Liquid water: test RMSE of charges {1e3 * found['charges_rmse']:.2g} me, which vary by "
        f"{1e3 * spread['H']:.2g} me (H) and {1e3 * spread['O']:.2g} me (O)."
    )
