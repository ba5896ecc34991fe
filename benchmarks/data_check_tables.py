"""Table of docs/data.md, from committed results."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.record import load, origin


def data_check() -> str:
    """Return what `linpot data check` finds in public sets, and in copies that were spoilt."""
    results = load("data_check")
    lines = [
        "Public sets as they are, training and test files together:",
        "",
        "| set | structures | findings | named in its description |",
        "|---|---|---|---|",
    ]
    for name, row in results["as_published"].items():
        named = ", ".join(row["named_in_description"])
        lines.append(f"| {name} | {row['n_structures']} | {_told(row)} | {named} |")
    lines += [
        "",
        "Copies that were spoilt on purpose:",
        "",
        "| copy | structures | findings |",
        "|---|---|---|",
    ]
    for name, row in results["spoilt"].items():
        lines.append(f"| {name} | {row['n_structures']} | {_told(row)} |")
    return "\n".join([*lines, "", origin(results)])


def _told(row: dict[str, Any]) -> str:
    """Return kinds of findings, how many of each, and where."""
    counts = Counter(one["kind"] for one in row["findings"])
    places: dict[str, list[str]] = {}
    for one in row["findings"]:
        if one["group"] and one["group"] not in places.setdefault(one["kind"], []):
            places[one["kind"]].append(one["group"])
    told = []
    for kind, count in counts.items():
        where = f": {', '.join(places[kind])}" if places.get(kind) else ""
        told.append(f"{count} {kind}{where}" if count > 1 or not where else f"{kind}{where}")
    return "; ".join(told) or "none"
