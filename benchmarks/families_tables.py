"""Tables of docs/families.md and docs/mtp.md from committed results."""

from __future__ import annotations

from typing import Any

from benchmarks.record import load_if_there, surroundings

Rows = list[dict[str, Any]]

_PUBLISHED = ", published"


def families() -> str:
    """Return what was measured; nothing where it was not."""
    results = load_if_there("families")
    parts = [
        _accuracy(results["accuracy"], results.get("cost", [])) if "accuracy" in results else "",
        _speed(results["speed"]) if "speed" in results else "",
        _mixing(results["mixing"]) if "mixing" in results else "",
        _elements(results["elements"]) if "elements" in results else "",
        _origin(results) if results else "",
    ]
    return "\n\n".join(filter(None, parts))


def moment_tensors() -> str:
    """Return the generated part of docs/mtp.md; nothing where it was not measured."""
    results = load_if_there("mtp")
    parts = [
        _published(results["published"]) if "published" in results else "",
        _learning(results["learning"]) if "learning" in results else "",
        _origin(results) if results else "",
    ]
    return "\n\n".join(filter(None, parts))


def _origin(results: dict[str, Any]) -> str:
    commits = {row.get("commit") for part in results.values() if isinstance(part, list)
               for row in part} - {None}  # fmt: skip
    return (
        f"<sub>`python -m benchmarks.{results['benchmark']}`, {results['date']}, commits "
        f"{', '.join(sorted(commits or {results['commit']}))}, {surroundings(results)}</sub>"
    )


def _errors(row: dict[str, Any]) -> str:
    return f"{1e3 * row['energy_mae']:.2f} / {row['forces_mae']:.4f}"


def _accuracy(rows: Rows, costs: Rows) -> str:
    times = {(row["element"], row["family"]): row["us_per_atom"] for row in costs}
    published = {
        (row["element"], row["family"].removesuffix(_PUBLISHED)): row
        for row in rows
        if row["family"].endswith(_PUBLISHED)
    }
    lines = [
        "Families on the sets of Zuo et al. (2020): the default recipe but for the family, and for",
        "the sizes and cutoffs of what was published with these sets. Test MAE of energies",
        "(meV/atom) / forces (eV/A); relative to the published potential of that size, evaluated",
        "here on the same test set; time of energies and forces in linpot, one thread. The",
        "smallest error of forces comes last.",
        "",
        "| | family | functions | cutoff (A) | test | over published | us/atom |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in sorted(rows, key=lambda row: (row["element"], -row["forces_mae"])):
        key = row["element"], row["family"]
        time = f"{times[key]:.1f}" if key in times else ""
        ratio = ""
        if key in published:
            other = published[key]
            energy, forces = (row[k] / other[k] for k in ("energy_mae", "forces_mae"))
            ratio = f"{energy:.2f} / {forces:.2f}"
        lines.append(
            f"| {row['element']} | {row['family']} | {row['functions']} | {row['cutoff']:.2f} | "
            f"{_errors(row)} | {ratio} | {time} |"
        )
    return "\n".join(lines)


def _speed(rows: Rows) -> str:
    lines = [
        "Published SNAP potentials, us per atom and step on one core, in turns in one run: medians",
        "and the smallest ratio of any turn.",
        "",
        "| | functions | linpot | LAMMPS | ratio | smallest |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['potential']} | {row['functions']} | {row['linpot_us']:.1f} | "
        f"{row['lammps_us']:.0f} | {row['ratio']:.1f} | {row['smallest_ratio']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def _mixing(rows: Rows) -> str:
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


def _elements(rows: Rows) -> str:
    lines = [
        "Eight elements, body order 4, degrees 6, 4, 3; time of energies and forces on one thread.",
        "",
        "| basis | functions per element | generated in (s) | us/atom |",
        "|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            f"{row[k]:.1f}" if k in row else "" for k in ("seconds_to_generate", "us_per_atom")
        ]
        lines.append(f"| {row['basis']} | {row['functions']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _published(rows: Rows) -> str:
    lines = [
        "Published potentials of Zuo et al. (2020) in linpot: test MAE of energies (meV/atom) /",
        "forces (eV/A), us per atom and step on one core, and the same over the time of SNAP Si",
        "(2J = 8) of LAMMPS that took turns with it; in brackets that of ML-MTP in LAMMPS, found",
        "in another run on such a core.",
        "",
        "| | functions | cutoff (A) | test | us/atom | over SNAP Si |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        test = row.get("test")
        cells = [
            f"{test['energy_mae']:.2f} / {test['forces_mae']:.4f}" if test else "",
            f"{row['us_per_atom']:.1f}",
            f"{row['over_snap_si']:.2f} ({row['ml_mtp_over_snap_si_earlier']:.2f})"
            if "over_snap_si" in row
            else "",
        ]
        head = f"| {row['element']} | {row['functions']} | {row['cutoff']:.1f} | "
        lines.append(head + " | ".join(cells) + " |")
    return "\n".join(lines)


def _learning(rows: Rows) -> str:
    lines = [
        "Level 16, 92 functions: test MAE by rounds of learning.",
        "",
        "| | rounds | test |",
        "|---|---|---|",
    ]
    lines += [
        f"| {row['element']} | {row['rounds_of_learning']} | {row['test']['energy_mae']:.2f} / "
        f"{row['test']['forces_mae']:.4f} |"
        for row in rows
    ]
    return "\n".join(lines)
