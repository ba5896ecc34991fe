"""Tables of docs/dispersion.md from committed results."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.record import RESULTS


def dispersion() -> str:
    """Return learning curves; nothing where they were not measured."""
    path = RESULTS / "dispersion.json"
    if not path.exists():
        return ""
    results: dict[str, Any] = json.loads(path.read_text())
    water, delta = results["water"]["found"], results["delta"]["found"]
    parts = [
        _curves(
            "Liquid water, RPBE-D3: what is taken off before the fit, against structures.",
            water["curves"],
        ),
        _curves("Liquid water, with and without fixed charges.", results["charges"]["found"]),
        _curves("Ethanol of rMD17, PBE without dispersion.", results["ethanol"]["found"]),
        _curves(
            "The same ethanol, learned whole or as the difference to GFN1-xTB, with and without "
            f"ZBL. At 50 structures force errors fall by {delta['forces_mae_ratio_at_50']:.1f}.",
            delta["curves"],
        ),
        _source(results),
    ]
    return "\n\n".join(parts)


def _curves(title: str, curves: dict[str, dict[str, dict[str, float]]]) -> str:
    sizes = list(next(iter(curves.values())))
    lines = [
        f"{title} Test MAE, meV/atom / meV/A.",
        "",
        "| taken off | " + " | ".join(sizes) + " |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    for label, rows in curves.items():
        cells = [f"{rows[n]['energy_mae']:.2f} / {rows[n]['forces_mae']:.1f}" for n in sizes]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _source(results: dict[str, Any]) -> str:
    functions = ", ".join(f"{name} {n}" for name, n in results["n_functions"].items())
    commits = ", ".join(
        f"{name} {results[name]['commit']}" for name in ("water", "charges", "ethanol", "delta")
    )
    return (
        f"<sub>`python -m benchmarks.dispersion`, functions per element: {functions}; commits: "
        f"{commits}</sub>"
    )
