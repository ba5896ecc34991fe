"""Tables of alloys and others in docs/benchmarks.md; what was not measured is left out."""

from __future__ import annotations

from benchmarks.front import Point, three_digits
from benchmarks.record import load_if_there, measured_at, origin

FIGURE = "TiAl"  # whose front is drawn


def material_points(name: str) -> list[Point]:
    """Return what `benchmarks.materials` measured of one set."""
    found = load_if_there("materials").get("sets", {}).get(name, {"rows": []})
    return [
        Point(
            row["method"],
            f"{row['method']}, {row['label']}",
            1e3 * row["test"]["energy_mae"],
            row["test"]["forces_mae"],
            row["us"],
            found["snap_si_us"],
            f"{row['cpu_seconds']:.0f} s",
        )
        for row in found["rows"]
    ]


def materials() -> str:
    """Return errors, cost and time of the fit of every set."""
    results = load_if_there("materials")
    if not results:
        return ""
    lines = [
        "### Alloys and others",
        "",
        "Energies, forces, stresses, isolated atoms and the structures named are the same for all;",
        "where GAP would take hours, all have every k-th structure, linpot and pypolymlp also all",
        "of them. MAE on the whole test sets.",
        "",
        "| | structures | potential | energy (meV/atom) | forces (eV/A) | us/atom/step | "
        "of SNAP Si | fit: CPU time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    sets = results["sets"]
    for name, found in sets.items():
        for row, point in zip(found["rows"], material_points(name), strict=True):
            assert point.us is not None
            assert point.cost is not None
            lines.append(
                f"| {name} | {row['n_train']} | {point.label} | {point.energy:.2f} | "
                f"{point.forces:.4f} | {three_digits(point.us)} | {three_digits(point.cost)} | "
                f"{point.made} |"
            )
    lines.append("")
    if FIGURE in sets:
        lines += [f"![Errors against cost for {FIGURE}](figures/accuracy_cost_alloy.png)", ""]
    soaps = ", ".join(f"{n} {s['soap']['n_max']}, {s['soap']['l_max']}" for n, s in sets.items())
    lines.append(f"Largest n, l of SOAP in GAP: {soaps}.")
    lines += measured_at((name, found["commit"]) for name, found in sets.items())
    return "\n".join([*lines, "", origin(results)])
