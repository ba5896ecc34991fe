"""Tables of docs/selection.md and of the grades in docs/uncertainty.md, from committed results."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.record import RESULTS


def selection() -> str:
    """Return what choices are worth."""
    results = json.loads((RESULTS / "selection.json").read_text())
    lines = [
        f"Fits of {results['n_functions']} functions to {results['chosen']} structures of a pool,",
        "which is a training set; test RMSE of forces (eV/A). Basis and baseline are those of the",
        "pool. Random: mean and smallest of the draws. As many atoms: draws of more structures,",
        "with the atoms of the D-optimal choice.",
        "",
        "| | pool | random | d-optimal | beats draws | fps | cur, mean | as many atoms | all |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in results["sets"]:
        draws = [one["force_rmse"] for one in row["random"]]
        cells = (
            row["set"],
            str(row["pool"]),
            f"{_three(row['random_mean_force_rmse'])} ({_three(min(draws))})",
            _three(row["d-optimal"]["force_rmse"]),
            f"{row['random_draws_beaten']} of {len(draws)}",
            _three(row["fps"]["force_rmse"]),
            _three(row["cur_mean_force_rmse"]),
            _three(row["random_same_atoms_mean_force_rmse"]),
            _three(row["complete"]["force_rmse"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _origin("selection", results)])


def _three(value: float) -> str:
    return f"{value:.3g}"


def _origin(name: str, results: dict[str, Any]) -> str:
    return (
        f"<sub>`python -m benchmarks.{name}`, {results['date']}, "
        f"numba {results['versions']['numba']}</sub>"
    )
