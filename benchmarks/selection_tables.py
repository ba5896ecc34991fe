"""Tables of docs/selection.md and of the grades in docs/uncertainty.md, from committed results."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.record import RESULTS

KEYS = ("force_rmse", "force_rmse_same_basis")


def selection() -> str:
    """Return what choices are worth."""
    results = json.loads((RESULTS / "selection.json").read_text())
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
    return "\n".join([*lines, "", _origin("selection", results)])


def _both(own: float, same_basis: float) -> str:
    return f"{own:.3g} ({same_basis:.3g})"


def _origin(name: str, results: dict[str, Any]) -> str:
    return (
        f"<sub>`python -m benchmarks.{name}`, {results['date']}, "
        f"numba {results['versions']['numba']}</sub>"
    )
