"""Tables of docs/validation.md from committed results; what was not measured is left out."""

from __future__ import annotations

from typing import Any

from benchmarks.record import load_if_there, measured_at, origin


def measured() -> str:
    """Return the generated part of docs/validation.md."""
    return "\n\n".join(filter(None, [_laws(), _silicon()]))


def _laws() -> str:
    results = load_if_there("verify")
    if not results:
        return ""
    lines = [
        "### Laws",
        "",
        f"Potentials of the default recipe with {results['n_functions']} functions per element; "
        "crystals with a random search",
        "while fitting, of other cells, and isolated atoms where a README states them. Largest",
        "deviation over its tolerance, and the check it belongs to;",
        f"rough use (of crystals) with {results['n_random']} random cells.",
        "",
        "| | baseline | structures | checks | failed | nearest to its tolerance | rough use | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results["sets"].items():
        made = [check for check in row["checks"] if check["status"] != "left out"]
        failed = ", ".join(c["name"] for c in made if c["status"] == "failed") or "none"
        rough = [c for c in made if c["name"] in ("random search", "compression", "heat")]
        lines.append(
            f"| {name} | {row['baseline']} | {row['n_structures']} | {len(made)} | {failed} | "
            f"{_nearest(made)} | {'yes' if rough else 'no'} | {row['seconds']:.0f} |"
        )
    lines += measured_at((name, row["commit"]) for name, row in results["sets"].items())
    lines += ["", "With one planted fault in the first of these potentials:", ""]
    lines += [
        f"* {name}: " + (f"`{own['check']}` says: {own['told'][0]}" if own["found"] else "missed")
        for name, own in results["broken"].items()
    ]
    return "\n".join([*lines, "", origin(results)])


def _nearest(made: list[dict[str, Any]]) -> str:
    shares = {
        check["name"]: abs(check["worst"]["value"]) / check["worst"]["tolerance"]
        for check in made
        if check["worst"] and check["worst"]["value"] is not None and check["worst"]["tolerance"]
    }
    name = max(shares, key=lambda n: shares[n])
    return f"{shares[name]:.2g} ({name})"


def _silicon() -> str:
    results = load_if_there("validation")
    if not results:
        return ""
    known = load_if_there("silicon_references")["settings"]
    inside, lowest = results["share_inside"], results["lowest_phonon_THz"]
    lines = [
        "### Silicon beside the DFT of its data",
        "",
        f"The shipped data with small strains and vibrations beside ({results['n_structures']} "
        "structures in all,",
        f"`benchmarks.silicon_crystal`), the default recipe ({results['n_functions']} functions); "
        "references",
        f"by {known['code']} ({known['functional']},",
        f"{known['pseudopotential']}, {known['cutoff_ry']:.0f} Ry) in the same cells, of 16 atoms "
        "for phonons and the vacancy. Units: A, GPa, THz, eV.",
        "",
        f"| | DFT | linpot | {100 * results['level']:.0f} % interval | inside | difference |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results["same_cell"].items():
        low, high = row["interval"]
        lines.append(
            f"| {name} | {row['reference']:.3f} | {row['value']:.3f} | {low:.3f} to {high:.3f} | "
            f"{'yes' if row['inside'] else 'no'} | {_difference(row)} |"
        )
    lines += [
        "",
        f"{100 * inside:.0f} % of the references lie inside their intervals; largest error of an "
        f"elastic constant {100 * results['largest_elastic_error']:.1f} %, of",
        f"the vacancy {results['vacancy_error_eV']:.3f} eV; lowest frequency anywhere "
        f"{lowest:.2g} THz ({'imaginary' if lowest < 0.0 else 'none is imaginary'}).",
        "",
        "Error bars calibrated on left-out groups of the data, or on left-out fifths:",
        "",
        "| functions | left out | test, meV/atom / eV/A | worst of C11, C12, C44 | vacancy, eV "
        "| inside |",
        "|---|---|---|---|---|---|",
    ]
    for own in sorted([results, *results["others"]], key=lambda own: own["n_functions"]):
        left_out = "groups" if own["folds"] == "groups" else "fifths"
        energy, forces = 1e3 * own["test"]["energy_mae"], own["test"]["forces_mae"]
        lines.append(
            f"| {own['n_functions']} | {left_out} | {energy:.1f} / {forces:.3f} | "
            f"{100 * own['largest_elastic_error']:.1f} % | {own['vacancy_error_eV']:.3f} | "
            f"{sum(r['inside'] for r in own['same_cell'].values())} of {len(own['same_cell'])} |"
        )
    return "\n".join([*lines, "", origin(results)])


def _difference(row: dict[str, Any]) -> str:
    return f"{row['value'] - row['reference']:+.3f} ({100 * row['relative_error']:+.1f} %)"
