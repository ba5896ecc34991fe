"""
Error bars: coverage, width, ranks and cost, elements of Zuo et al. (2020).

Calibrated on blocked folds of the training data, or on left-out groups; test sets are evaluated
once.

    python -m benchmarks.uncertainty [--elements Si,Mo] [--size 300] [--splits 4]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest
from scipy.stats import t as student

import linpot
from benchmarks.record import data_folder, write_results
from benchmarks.uncertainty_parts import (
    LEVEL,
    N_MEMBERS,
    costs,
    covered,
    energy_differences,
    repeated_splits,
    without_groups,
)
from linpot.uncertainty.extrapolation import find_active_set
from linpot.workflow.calibration import KINDS, CalibratedFit, calibrated_fit
from linpot.workflow.reliability import rank_correlations

ELEMENTS = ("Ni", "Cu", "Mo", "Si")
Arrays = dict[str, np.ndarray]


def measure(
    element: str, n_functions: int, splits: int
) -> tuple[dict[str, Any], dict[str, dict[str, Arrays]]]:
    folder = data_folder() / "zuo2020"
    train = linpot.read_dataset(folder / f"{element}_train.extxyz.gz")
    test = linpot.read_dataset(folder / f"{element}_test.extxyz.gz")
    settings = linpot.FitSettings(n_functions=n_functions)
    start = time.perf_counter()
    linpot.prepare_fit(train, settings=settings).solve()
    row: dict[str, Any] = {
        "element": element,
        "structures": len(test),
        "seconds_fit": round(time.perf_counter() - start, 1),
    }
    parts = {}
    for kind in KINDS:
        start = time.perf_counter()
        found = calibrated_fit(train, settings=settings, kind=kind, level=LEVEL)
        seconds = time.perf_counter() - start
        row[kind], parts[kind] = coverage(found, test)
        row[kind]["seconds_calibrated_fit"] = round(seconds, 1)
        row[kind]["energy_differences"] = energy_differences(found, test)
        if kind == "posterior":
            row["committee"] = committee_ranks(found, test)
            row |= sizes(found, train, test)
    row["without_groups"] = without_groups(train, test, settings)
    if splits:
        row["repeated_splits"] = repeated_splits(train, settings, splits)
    return row, parts


def coverage(
    found: CalibratedFit, test: linpot.Dataset
) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """How the intervals hold on the test set, by property."""
    row: dict[str, Any] = {}
    arrays = {}
    for name, n_components in (("energy", 1), ("forces", 3), ("stress", 6)):
        if name not in found.calibrations:
            continue
        scales, errors, widths = covered(found, test, name)
        groups = [s.group for s in test for _ in range(s.n_atoms if name == "forces" else 1)]
        ranks = rank_correlations(scales, errors, groups, n_components)
        own = found.calibrations[name]
        row[name] = {
            "coverage": round(float(np.mean(errors <= widths)), 4),
            "width_over_best_constant": round(width_ratio(errors, widths), 4),
            "factor": round(own.factor(LEVEL), 3),
            "floor": float(f"{own.floor:.3g}"),
            "inflation": round(own.inflation, 2),
            "uncalibrated_coverage_of_1.645_std": round(
                float(np.mean(errors <= 1.645 * scales)), 4
            ),
            "rank_correlation_inside_groups": round(float(np.mean(list(ranks.values()))), 3),
            "rank_correlation": {group: round(value, 3) for group, value in ranks.items()},
        }
        arrays[name] = {"errors": errors, "widths": widths}
    return row, arrays


def committee_ranks(found: CalibratedFit, test: linpot.Dataset) -> dict[str, Any]:
    """Rank correlation of a committee's forces, coverage of its energies times their inflation."""
    potential = found.fit.solution.potential
    members = linpot.Committee(potential, found.fit.posterior.draw(N_MEMBERS))
    wide = found.calibrations["energy"].inflation * student.ppf(0.5 + 0.5 * LEVEL, N_MEMBERS)
    scales, errors, groups, inside = [], [], [], []
    for structure in test:
        mean, said = potential.predict(structure), members.predict(structure)
        scales.append(np.sqrt(np.mean((said.forces - mean.forces) ** 2, axis=0)).ravel())
        errors.append(np.abs(mean.forces - structure.labels.forces).ravel())
        groups += [structure.group] * structure.n_atoms
        spread = np.sqrt(np.mean((said.energies - mean.energy) ** 2))
        inside.append(abs(mean.energy - structure.labels.energy) <= wide * spread)
    ranks = rank_correlations(np.concatenate(scales), np.concatenate(errors), groups, 3)
    return {
        "members": N_MEMBERS,
        "coverage_of_inflated_energies": round(float(np.mean(inside)), 4),
        "rank_correlation_inside_groups": round(float(np.mean(list(ranks.values()))), 3),
    }


def sizes(found: CalibratedFit, train: linpot.Dataset, test: linpot.Dataset) -> dict[str, Any]:
    """Grades, times and file sizes; for silicon also what error bars cost in use."""
    potential = found.fit.solution.potential
    learned = linpot.learned_part(potential)
    start = time.perf_counter()
    active = find_active_set(learned.engine, train)
    chosen = time.perf_counter() - start
    bars = linpot.ErrorBars(learned, found.fit.posterior, found.calibrations, active)
    with_bars = bars.attached_to(potential)
    row = {
        "seconds_active_set": round(chosen, 1),
        "directions_without_data": int((active.sources[0] < 0).sum()),
        "largest_grade_train": round(max(bars.grades(s).max() for s in train), 3),
        "largest_grade_test": round(max(bars.grades(s).max() for s in test), 3),
        "file_kB_plain": file_size(learned),
        "file_kB_with_error_bars": file_size(bars.attached_to(learned)),
    }
    return row | ({"costs": costs(with_bars)} if "Si" in learned.elements else {})


def file_size(potential: linpot.EnergyModel) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "potential.linpot"
        linpot.save(potential, path)
        return round(path.stat().st_size / 1e3)


def width_ratio(errors: np.ndarray, widths: np.ndarray) -> float:
    """Mean half-width over that of the constant interval that covers as much of the same errors."""
    return float(widths.mean() / np.quantile(errors, np.mean(errors <= widths)))


def pooled(runs: list[dict[str, Any]], parts: list[dict[str, dict[str, Arrays]]]) -> dict[str, Any]:
    """Figures over all elements."""
    result: dict[str, Any] = {}
    for kind in KINDS:
        row: dict[str, Any] = {}
        for name in ("energy", "forces", "stress"):
            own = [p[kind][name] for p in parts if name in p[kind]]
            if not own:
                continue
            errors, widths = (np.concatenate([p[k] for p in own]) for k in ("errors", "widths"))
            # constant width: one number per element, as the calibration has one factor per element
            constant = [np.quantile(p["errors"], np.mean(p["errors"] <= p["widths"])) for p in own]
            best = np.average(constant, weights=[len(p["errors"]) for p in own])
            ranks = [
                run[kind][name]["rank_correlation_inside_groups"]
                for run in runs
                if name in run[kind]
            ]
            row[name] = {
                "n": len(errors),
                "coverage": round(float(np.mean(errors <= widths)), 4),
                "width_over_best_constant_per_element": round(float(widths.mean() / best), 4),
                "rank_correlation_inside_groups": round(float(np.mean(ranks)), 3),
            }
            if name == "energy":  # one per structure, so that chance is that of coins
                row[name]["between"] = chance(int((errors <= widths).sum()), len(errors))
        result[kind] = row
    if all("repeated_splits" in run for run in runs):
        splits = [run["repeated_splits"] for run in runs]
        energies = [own["energies"] for own in splits]
        result["repeated_splits"] = {
            "energies": sum(energies),
            "coverage_energy": round(
                float(np.average([own["coverage_energy"] for own in splits], weights=energies)), 4
            ),
            "between": chance(
                sum(round(own["coverage_energy"] * own["energies"]) for own in splits),
                sum(energies),
            ),
        }
    return result


def chance(inside: int, n: int) -> list[float]:
    """Coverages that chance alone leaves possible, 95 % (Clopper and Pearson)."""
    limits = binomtest(inside, n).proportion_ci()
    return [round(float(limits.low), 3), round(float(limits.high), 3)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--elements", default=",".join(ELEMENTS))
    parser.add_argument("--size", type=int, default=300)
    parser.add_argument("--splits", type=int, default=4, help="of 8 random parts; 0 leaves it out")
    arguments = parser.parse_args()
    runs, parts = [], []
    for element in arguments.elements.split(","):
        row, arrays = measure(element, arguments.size, arguments.splits)
        runs.append(row)
        parts.append(arrays)
        print(row, flush=True)
        total = pooled(runs, parts)
        document = {
            "n_functions": arguments.size,
            "level": LEVEL,
            "elements": runs,
            "pooled": total,
        }
        write_results("uncertainty", document)  # after each, so that an interrupt costs little
    print(total)


if __name__ == "__main__":
    main()
