"""Tables of docs/families.md from committed results."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.record import RESULTS


def families() -> str:
    """Return what was measured; nothing where it was not."""
    path = RESULTS / "families.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    parts = {
        "accuracy": _accuracy,
        "speed": _speed,
        "mixing": _mixing,
        "elements": _elements,
    }
    return "\n\n".join(make(results[name]) for name, make in parts.items() if name in results)


def _errors(row: dict[str, Any]) -> str:
    return f"{1e3 * row['energy_mae']:.2f} / {row['forces_mae']:.4f}"


def _accuracy(rows: list[dict[str, Any]]) -> str:
    lines = [
        "Families on the sets of Zuo et al. (2020), default recipe but for family and cutoff. Test",
        "MAE of energies (meV/atom) / forces (eV/A); time of energies and forces on one thread.",
        "",
        "| | family | functions | test | us/atom |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['element']} | {row['family']} | {row['functions']} | {_errors(row)} | "
        f"{row['us_per_atom']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def _speed(rows: list[dict[str, Any]]) -> str:
    lines = [
        "Published SNAP potentials, us per atom and step on one core, in turns in one run.",
        "",
        "| | functions | linpot | LAMMPS | ratio |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['potential']} | {row['functions']} | {row['linpot_us']:.1f} | "
        f"{row['lammps_us']:.0f} | {row['ratio']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def _mixing(rows: list[dict[str, Any]]) -> str:
    lines = [
        "One mixture of two species, body order 4; test MAE as above, forces over those of all",
        "species with 500 functions.",
        "",
        "| | basis | functions per element | test | forces |",
        "|---|---|---|---|---|",
    ]
    whole = {row["set"]: row for row in rows if row["basis"] == "all species"}
    lines += [
        f"| {row['set']} | {row['basis']} | {row['functions']} | {_errors(row)} | "
        f"{row['forces_mae'] / whole[row['set']]['forces_mae']:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)


def _elements(rows: list[dict[str, Any]]) -> str:
    lines = [
        "Eight elements, body order 4, degrees 6, 4, 3; time of energies and forces on one thread.",
        "",
        "| mixtures | functions per element | us/atom |",
        "|---|---|---|",
    ]
    lines += [
        f"| {row['mixtures'] or 'none'} | {row['functions']} | {row['us_per_atom']:.1f} |"
        if "us_per_atom" in row
        else f"| none | {row['functions']} | |"
        for row in rows
    ]
    return "\n".join(lines)
