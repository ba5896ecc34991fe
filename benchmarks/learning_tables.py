"""Learning curves in docs/benchmarks.md; what was not measured is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.record import load_if_there, origin

QUANTITIES = {
    "energy_mae": ("energies (meV/atom)", 1e3),
    "forces_mae": ("forces (eV/A)", 1.0),
}


def learning() -> str:
    """Return test errors by the number of training structures."""
    results = load_if_there("learning")
    if not results:
        return ""
    names = list(dict.fromkeys(n for own in results["elements"].values() for n in _curves(own)))
    lines = [
        "### Learning curves",
        "",
        "Test MAE of energies (meV/atom) / forces (eV/A) by the number of training structures, the "
        "first of one drawn order;",
        "test sets are the whole ones. Times: CPU time of the fit.",
        "",
        "| | structures | " + " | ".join(names) + " |",
        "|---|---" + "|---" * len(names) + "|",
    ]
    for element, own in results["elements"].items():
        curves = _curves(own)
        for count in dict.fromkeys(row["n_train"] for row in own["rows"]):
            cells = [_cell(curves[name][count]) for name in names]
            lines.append(f"| {element} | {count} | {' | '.join(cells)} |")
    lines += ["", "![Learning curves](figures/learning.png)", ""]
    return "\n".join([*lines, origin(results)])


def draw(path: Path) -> None:
    """Draw the curves, if measured: a row of panels per quantity, a column per element."""
    elements = load_if_there("learning").get("elements", {})
    if not elements:
        return
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    from benchmarks.figures import ACCENT, INK

    figure, panels = plt.subplots(
        len(QUANTITIES),
        len(elements),
        figsize=(4.6 * len(elements), 6.4),
        squeeze=False,
        sharex="col",
    )
    for column, (element, own) in enumerate(elements.items()):
        curves = _curves(own)
        n_linpot = sum("linpot" in name for name in curves)
        for row, (quantity, (text, unit)) in enumerate(QUANTITIES.items()):
            ax = panels[row][column]
            for k, (name, curve) in enumerate(curves.items()):
                style = {"color": ACCENT, "alpha": (k + 1) / n_linpot, "marker": "o"}
                if "linpot" not in name:
                    style = {"color": INK, "ls": "--", "marker": "s"}
                errors = [unit * point["test"][quantity] for point in curve.values()]
                ax.plot(list(curve), errors, label=name, ms=4, **style)
            ax.set_xscale("log")
            ax.set_yscale("log")
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
                axis.set_minor_formatter(mpl.ticker.NullFormatter())
            ax.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
            ticks = list(next(iter(curves.values())))
            ax.set_xticks(ticks, [str(tick) for tick in ticks])
            ax.spines[["top", "right"]].set_visible(False)
            ax.set_ylabel(f"test MAE of {text}")
        panels[0][column].set_title(element, fontsize=10)
        panels[-1][column].set_xlabel("training structures")
    panels[0][0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def _curves(own: dict[str, Any]) -> dict[str, dict[int, dict[str, Any]]]:
    """Return the rows of each method by the number of structures."""
    curves: dict[str, dict[int, dict[str, Any]]] = {}
    for row in sorted(own["rows"], key=lambda row: row["method"] != "linpot"):
        size = f", {row['n_functions']} functions" if "n_functions" in row else ""
        curves.setdefault(row["method"] + size, {})[row["n_train"]] = row
    return curves


def _cell(row: dict[str, Any]) -> str:
    errors = f"{1e3 * row['test']['energy_mae']:.2f} / {row['test']['forces_mae']:.4f}"
    return f"{errors}, {row['cpu_seconds']:.0f} s"
