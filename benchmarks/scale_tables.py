"""Table of docs/fitting.md, from committed results."""

from __future__ import annotations

import json

from benchmarks.record import RESULTS


def scale() -> str:
    """Return the memory that large fits were told to take, and took."""
    results = json.loads((RESULTS / "scale.json").read_text())
    lines = [
        "Memory, of the whole process:",
        "",
        "| | rows | all rows (GB) | announced (GB) | peak (GB) |",
        "|---|---|---|---|---|",
    ]
    for run in results["rows"]["runs"]:
        lines.append(
            f"| {run['n_structures']} structures from a file, {run['n_atoms']} atoms | "
            f"{run['n_rows']} | {run['rows_GB']:.2f} | {run['announced_GB']:.2f} | "
            f"{run['peak_GB']:.2f} |"
        )
    run = results["columns"]
    rows_GB = 8e-9 * run["n_rows"] * run["n_columns"]
    lines.append(
        f"| {run['n_columns']} columns, {run['n_keys']} keys | {run['n_rows']} | {rows_GB:.2f} | "
        f"{run['announced_GB']:.2f} | {run['peak_GB']:.2f} |"
    )
    commits = " and ".join(dict.fromkeys(results[p]["commit"] for p in ("rows", "columns")))
    origin = f"`python -m benchmarks.scale`, {results['date']}, commits {commits}"
    return "\n".join([*lines, "", f"<sub>{origin}</sub>"])
