"""
Figures of docs/benchmarks.md, drawn from the committed results.

    python -m benchmarks.comparison_figures
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

from benchmarks.comparison_tables import PUBLISHED, points
from benchmarks.figures import ACCENT, FOLDER, INK
from benchmarks.front import Point
from benchmarks.learning_tables import draw as draw_learning
from benchmarks.materials_tables import FIGURE, material_points

ELEMENT = "Si"
SHADES = (
    *("#33415c", "#5b7fa6", "#9aa5b1", "#7a9e7e", "#b98b3e"),
    *("#8a6fa8", "#e0a899", "#4f7c82", "#a65e7a", "#6b6b6b"),
)
MARKERS = "sD^vPX*<>p"


def draw_front(
    path: Path, title: str, known: list[Point], published: dict[str, tuple[float, float]]
) -> None:
    """Errors against the cost of a step, in units of SNAP Si of LAMMPS in the same run."""
    methods: dict[str, list[Point]] = {}
    for point in known:
        if point.cost is not None:
            methods.setdefault(point.method, []).append(point)
    figure, panels = plt.subplots(1, 2, figsize=(10.0, 4.0))
    quantities = ("energies (meV/atom)", "forces (eV/A)")
    for panel, (ax, quantity) in enumerate(zip(panels, quantities, strict=True)):
        others = cycle(zip(SHADES, MARKERS, strict=True))
        for method, own in methods.items():
            costs = [point.cost for point in own]
            errors = [(point.energy, point.forces)[panel] for point in own]
            if method == "linpot":
                ax.plot(costs, errors, "o-", color=ACCENT, label=method, zorder=3)
                for k, point in enumerate(own):
                    falls = k == 0 or errors[k] < errors[k - 1]  # and leaves this side free
                    ax.annotate(
                        point.label.split(", ")[1].split(" ")[0],
                        (costs[k], errors[k]),
                        xytext=(-5, -3) if falls else (5, 3),
                        textcoords="offset points",
                        ha="right" if falls else "left",
                        va="top" if falls else "bottom",
                        fontsize=7,
                    )
            else:
                color, marker = next(others)
                ax.plot(costs, errors, marker, color=color, label=method)
        for (name, errors_of_both), line in zip(published.items(), (":", "--"), strict=False):
            ax.axhline(errors_of_both[panel], color=INK, ls=line, lw=0.8)
            ax.annotate(
                f"{name}, published",
                (0.995, errors_of_both[panel]),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
                fontsize=7,
                color=INK,
            )
        ax.margins(0.09)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
        ax.yaxis.set_minor_formatter(mpl.ticker.FormatStrFormatter("%g"))
        ax.tick_params(labelsize=7, which="both", axis="y")
        ax.set_xlabel("time of a step, one core; SNAP Si (2J = 8) of LAMMPS = 1")
        ax.set_ylabel(f"test MAE of {quantity}")
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    mpl.use("agg")
    mpl.rcParams["savefig.facecolor"] = "white"
    title = f"{ELEMENT}, data and split of Zuo et al. (2020)"
    draw_front(FOLDER / "accuracy_cost.png", title, points(ELEMENT), PUBLISHED[ELEMENT])
    title = f"{FIGURE}, data of the tutorial of ACEpotentials"
    draw_front(FOLDER / "accuracy_cost_alloy.png", title, material_points(FIGURE), {})
    draw_learning(FOLDER / "learning.png")


if __name__ == "__main__":
    main()
