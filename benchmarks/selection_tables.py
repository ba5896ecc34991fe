"""Tables of docs/selection.md, and of grades in docs/uncertainty.md, from committed results."""

from __future__ import annotations

from typing import Any

from benchmarks.record import load_if_there

KEYS = ("force_rmse", "force_rmse_same_basis")


def selection() -> str:
    """Return what choices are worth; nothing where it was not measured."""
    results = load_if_there("selection")
    if not results:
        return ""
    lines = [
        f"Fits of {results['n_functions']} functions to {results['chosen']} structures of a pool,",
        "which is a training set; test RMSE of forces (eV/A). Random: mean and smallest of the",
        "draws; cur: mean. In brackets: with basis and baseline of the fit to the whole pool.",
        "More structures: random draws with the atoms of the D-optimal choice.",
        "",
        "| | pool | random | smallest | d-optimal | beats draws | d-optimal-atoms | fps | cur |"
        " more structures | whole pool |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in results["sets"]:
        draws = [one["force_rmse"] for one in row["random"]]
        cells = (
            row["set"],
            str(row["pool"]),
            _both(*(row[f"random_mean_{key}"] for key in KEYS)),
            f"{min(draws):.3g}",
            _both(*(row["d-optimal"][key] for key in KEYS)),
            f"{row['random_draws_beaten']} of {len(draws)}",
            _both(*(row["d-optimal-atoms"][key] for key in KEYS)),
            _both(*(row["fps"][key] for key in KEYS)),
            _both(*(row[f"cur_mean_{key}"] for key in KEYS)),
            f"({row[f'random_same_atoms_mean_{KEYS[1]}']:.3g})",
            f"{row['complete']['force_rmse']:.3g}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    figure = (
        "![Test force errors of fits to 50 structures](figures/selection.svg)\n\n"
        "Dots: single draws or choices; bars: means; dotted: all of the pool."
    )
    return "\n".join([*lines, "", _origin("selection", results), "", figure])


def grades() -> str:
    """Return cost of grades, and what they say in heated silicon."""
    return "\n\n".join(part for part in (_cost(), _heating()) if part)


def _cost() -> str:
    results = load_if_there("grades")
    if not results:
        return ""
    lines = [
        f"Cost on one thread, silicon, cutoff {results['cutoff_A']:g} A (us per atom):",
        "",
        "| functions | step | features | grades | grades / step | with grades every 10 / step |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['n_functions']} | {row['step_us_per_atom']:.2f} | "
        f"{row['features_us_per_atom']:.2f} | {row['grades_us_per_atom']:.2f} | "
        f"{row['grades_over_step']:.2f} | {row['step_with_grades_every_10_over_step']:.2f} |"
        for row in results["sizes"]
    ]
    if all("energy_std_over_step" in row for row in results["sizes"]):
        lines += ["", *_error_bar_costs(results["sizes"])]
    return "\n".join([*lines, "", _origin("grades", results)])


def _error_bar_costs(rows: list[dict[str, Any]]) -> list[str]:
    return [
        "Deviation of the energy over a step; ten members over one, energies alone, and forces:",
        "",
        "| functions | energy_std / step | energies of 10 / energy | forces of 10 / step |",
        "|---|---|---|---|",
        *(
            f"| {row['n_functions']} | {row['energy_std_over_step']:.2f} | "
            f"{row['energies_of_10_over_energy']:.2f} | {row['forces_of_10_over_step']:.2f} |"
            for row in rows
        ),
    ]


def _heating() -> str:
    results = load_if_there("heating")
    if not results:
        return ""
    lines = [
        f"Silicon ({results['n_atoms']} atoms) heated from 300 to 4000 K in "
        f"{results['picoseconds']:g} ps by potentials of {results['n_functions']}",
        "functions: temperature of the thermostat where the largest grade passes "
        f"{results['threshold']:g}, and where the force",
        f"RMSE against {results['n_functions_reference']} functions passes "
        f"{results['times_test_error']:g} test errors, per seed (-: never).",
        "",
        "| fitted to | structures | test error (eV/A) | grade (K) | force error (K) |",
        "|---|---|---|---|---|",
    ]
    for name, title in (("cold", "no hot structures"), ("all", "all structures")):
        part = results[name]
        kelvin = [
            ", ".join(
                "-" if run[f"{what}_crosses_at_K"] is None else f"{run[f'{what}_crosses_at_K']:.0f}"
                for run in part["runs"]
            )
            for what in ("grade", "error")
        ]
        error = f"{part['test_force_rmse']:.3f}"
        lines.append(f"| {title} | {part['structures']} | {error} | {' | '.join(kelvin)} |")
    figure = "![Grades and force errors of heated silicon](figures/heating.svg)"
    return "\n".join([*lines, "", _origin("heating", results), "", figure])


def _both(own: float, same_basis: float) -> str:
    return f"{own:.3g} ({same_basis:.3g})"


def _origin(name: str, results: dict[str, Any]) -> str:
    return (
        f"<sub>`python -m benchmarks.{name}`, {results['date']}, "
        f"numba {results['versions']['numba']}</sub>"
    )
