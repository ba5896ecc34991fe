"""The generated part of docs/uncertainty.md; written by `benchmarks.tables`."""

from __future__ import annotations

from typing import Any

KINDS = ("posterior", "pops")
PROPERTIES = ("forces", "energy", "stress")


def uncertainty(results: dict[str, Any]) -> str:
    """Return coverage, ranks, left-out groups and properties."""
    parts = [_coverage(results), _ranks(results), _groups(results)]
    return "\n\n".join([*parts, _remarks(results)])


def _coverage(results: dict[str, Any]) -> str:
    lines = [
        f"Test sets, {results['n_functions']} functions, nominal coverage {results['level']:g}: "
        "found coverage,",
        "in brackets the mean width over the best constant one. Inflation: root mean square of",
        "left-out force errors over that of the deviations.",
        "",
        "| | " + " | ".join(f"{k}: {p}" for k in KINDS for p in PROPERTIES) + " | inflation |",
        "|---|" + "---|" * (len(KINDS) * len(PROPERTIES) + 1),
    ]
    for run in results["elements"]:
        cells = [_covered(run[kind].get(name)) for kind in KINDS for name in PROPERTIES]
        growth = " / ".join(f"{run[kind]['forces']['inflation']:.1f}" for kind in KINDS)
        lines.append(f"| {run['element']} | " + " | ".join(cells) + f" | {growth} |")
    cells = [_covered(results["pooled"][kind].get(name)) for kind in KINDS for name in PROPERTIES]
    lines.append("| all | " + " | ".join(cells) + " | |")
    return "\n".join(lines)


def _covered(row: dict[str, Any] | None) -> str:
    if row is None:
        return "no labels"
    width = row.get("width_over_best_constant_per_element", row.get("width_over_best_constant"))
    return f"{row['coverage']:.3f} ({width:.2f})"


def _ranks(results: dict[str, Any]) -> str:
    lines = [
        "Rank correlation of forces per atom, inside groups, then averaged:",
        "",
        "| | posterior | POPS | committee |",
        "|---|---|---|---|",
    ]
    rows = []
    for run in results["elements"]:
        own = [run[kind]["forces"]["rank_correlation_inside_groups"] for kind in KINDS]
        rows.append([*own, run["committee"]["rank_correlation_inside_groups"]])
        lines.append(f"| {run['element']} | " + " | ".join(f"{v:.3f}" for v in rows[-1]) + " |")
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    lines.append("| mean | " + " | ".join(f"{v:.3f}" for v in means) + " |")
    return "\n".join(lines)


def _groups(results: dict[str, Any]) -> str:
    lines = [
        "Forces of a group that was not trained on, calibrated by groups: coverage, in brackets",
        "the mean half-width over the mean error; energies likewise.",
        "",
        "| | without | forces | energies |",
        "|---|---|---|---|",
    ]
    for run in results["elements"]:
        for row in run["without_groups"]:
            cells = [
                f"{row[name]['coverage']:.2f} ({row[name]['half_width_over_mean_error']:.1f})"
                for name in ("forces", "energy")
            ]
            lines.append(f"| {run['element']} | {row['without']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _remarks(results: dict[str, Any]) -> str:
    lines = [
        "A property without labels: differences of energies per atom inside groups, at 0.9 covered",
        "by posterior / POPS times inflation: "
        + ", ".join(
            f"{run['element']} "
            + " / ".join(f"{run[kind]['energy_differences']['coverage']:.2f}" for kind in KINDS)
            for run in results["elements"]
        )
        + ".",
    ]
    splits = results["pooled"].get("repeated_splits")
    if splits:
        low, high = splits["between"]
        lines += [
            "",
            f"Test sets have few energies. Of {splits['energies']} in random eighths of the",
            "training data, calibrated on blocks of the rest, "
            f"{splits['coverage_energy']:.3f} are covered (chance alone: {low} to {high}).",
        ]
    return "\n".join(lines)
