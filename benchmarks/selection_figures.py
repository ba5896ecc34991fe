"""
Figures of docs/uncertainty.md and docs/selection.md, drawn from the committed results.

    python -m benchmarks.selection_figures
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.figures import ACCENT, FOLDER, INK
from benchmarks.record import RESULTS

GRAY, BLUE = "#9aa5b1", "#5b7fa6"


def draw_selection(path: Path, results: dict[str, Any]) -> None:
    """Test force errors of fits to 50 structures: random draws and choices."""
    rows = results["sets"]
    figure, axes = plt.subplots(1, len(rows), figsize=(2.1 * len(rows), 3.2))
    for ax, row in zip(np.atleast_1d(axes), rows, strict=True):
        kinds = (
            ("random", [one["force_rmse"] for one in row["random"]], GRAY),
            ("cur", [one["force_rmse"] for one in row["cur"]], BLUE),
            ("fps", [row["fps"]["force_rmse"]], INK),
            ("by atoms", [row["d-optimal-atoms"]["force_rmse"]], "#e0a899"),
            ("d-optimal", [row["d-optimal"]["force_rmse"]], ACCENT),
        )
        rng = np.random.default_rng(0)
        for place, (_, values, color) in enumerate(kinds):
            spread = rng.uniform(-0.22, 0.22, len(values)) if len(values) > 1 else [0.0]
            ax.plot(place + np.asarray(spread), values, "o", ms=3.5, color=color, alpha=0.75)
            if len(values) > 1:
                ax.hlines(np.mean(values), place - 0.35, place + 0.35, color=color, lw=1.5)
        ax.axhline(row["complete"]["force_rmse"], color=INK, ls=":", lw=0.8)
        values = [v for _, own, _ in kinds for v in own]
        if max(values) > 3.0 * min(values):
            ax.set_yscale("log")
        ax.set_xticks(range(len(kinds)), [name for name, _, _ in kinds], rotation=60, ha="right")
        ax.tick_params(labelsize=7, which="both")
        ax.set_title(row["set"], fontsize=10)
        ax.spines[["top", "right"]].set_visible(False)
    np.atleast_1d(axes)[0].set_ylabel("test force RMSE (eV/A)", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def draw_heating(path: Path, results: dict[str, Any]) -> None:
    """Grades and force errors against the temperature of the thermostat."""
    panels = (("cold", "fitted without hot structures"), ("all", "fitted to all structures"))
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 4.6), sharex=True, sharey="row")
    for column, (name, title) in enumerate(panels):
        part = results[name]
        limit = results["times_test_error"] * part["test_force_rmse"]
        upper, lower = axes[0, column], axes[1, column]
        for run in part["runs"]:
            kelvin = [look["thermostat_K"] for look in run["looks"]]
            upper.semilogy(kelvin, [look["grade"] for look in run["looks"]], color=ACCENT, lw=0.8)
            lower.semilogy(
                kelvin, [look["force_error"] for look in run["looks"]], color=INK, lw=0.8
            )
            _mark(axes[:, column], run["grade_crosses_at_K"], ACCENT)
            _mark(axes[:, column], run["error_crosses_at_K"], INK)
        upper.axhline(results["threshold"], color=ACCENT, ls="--", lw=0.8)
        lower.axhline(limit, color=INK, ls="--", lw=0.8)
        upper.set_title(title, fontsize=9)
        lower.set_xlabel("thermostat (K)", fontsize=8)
    axes[0, 0].set_ylabel("largest grade", fontsize=8)
    axes[1, 0].set_ylabel("force error (eV/A)", fontsize=8)
    for ax in axes.flat:
        ax.tick_params(labelsize=7, which="both")
        ax.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def _mark(axes: list[Axes], kelvin: float | None, color: str) -> None:
    if kelvin is not None:
        for ax in axes:
            ax.axvline(kelvin, color=color, lw=0.8, alpha=0.4)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "linpot"
    mpl.rcParams["savefig.facecolor"] = "white"
    for name, draw in (("selection", draw_selection), ("heating", draw_heating)):
        results = RESULTS / f"{name}.json"
        if results.exists():
            draw(FOLDER / f"{name}.svg", json.loads(results.read_text()))


if __name__ == "__main__":
    main()
