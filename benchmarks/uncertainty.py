"""
Coverage and width of calibrated force intervals, elements of Zuo et al. (2020).

Calibrated on blocked folds of the training data; nothing is chosen by the test sets.

    python -m benchmarks.uncertainty [--elements Si,Mo] [--size 300]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import linpot
from benchmarks.record import data_folder, write_results
from linpot.uncertainty.extrapolation import find_active_set
from linpot.workflow.calibration import calibrated_fit, deviations_and_residuals

ELEMENTS = ("Ni", "Cu", "Mo", "Si")
LEVEL = 0.9
FORBIDDEN = 1e-8  # eV/A: force errors that symmetry makes zero have no order


def measure(element: str, n_functions: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    folder = data_folder() / "zuo2020"
    train = linpot.read_dataset(folder / f"{element}_train.extxyz.gz")
    test = linpot.read_dataset(folder / f"{element}_test.extxyz.gz")
    settings = linpot.FitSettings(n_functions=n_functions)
    start = time.perf_counter()
    linpot.prepare_fit(train, settings=settings).solve()
    plain = time.perf_counter() - start
    start = time.perf_counter()
    found = calibrated_fit(train, settings=settings)
    calibrated = time.perf_counter() - start
    learned = linpot.learned_part(found.fit.solution.potential)
    start = time.perf_counter()
    active = find_active_set(learned.engine, list(train))
    chosen = time.perf_counter() - start
    bars = linpot.ErrorBars(learned, found.fit.posterior, found.calibrations, active)
    pairs = list(deviations_and_residuals(found.session, found.fit, list(test)))
    per_atom = [(row, s.group) for row, s in zip(pairs, test, strict=True)]
    std = np.concatenate([row["forces"][0] for row, _ in per_atom])
    errors = np.abs(np.concatenate([row["forces"][1] for row, _ in per_atom]))
    forces = found.calibrations["forces"]
    widths = forces.half_widths(std, LEVEL)
    energy_std = np.concatenate([row["energy"][0] for row, _ in per_atom])
    energy_errors = np.abs(np.concatenate([row["energy"][1] for row, _ in per_atom]))
    energies = found.calibrations["energy"].half_widths(energy_std, LEVEL)
    groups = np.repeat([group for _, group in per_atom], [s.n_atoms for s in test])
    correlations = rank_correlations(std, errors, groups)
    row = {
        "element": element,
        "coverage_forces": round(float(np.mean(errors <= widths)), 4),
        "coverage_energy": round(float(np.mean(energy_errors <= energies)), 4),
        "structures": len(test),
        "width_over_best_constant": round(width_ratio(errors, widths), 4),
        "factor_forces": round(forces.factor(LEVEL), 3),
        "floor_over_rms_std": round(forces.floor / float(np.sqrt(np.mean(std**2))), 3),
        "uncalibrated_coverage_of_1.645_std": round(float(np.mean(errors <= 1.645 * std)), 4),
        "rank_correlation_inside_groups": round(float(np.mean(list(correlations.values()))), 3),
        "rank_correlation": {name: round(value, 3) for name, value in correlations.items()},
        "seconds_fit": round(plain, 1),
        "seconds_calibrated_fit": round(calibrated, 1),
        "seconds_active_set": round(chosen, 1),
        "directions_without_data": int((active.sources[0] < 0).sum()),
        "largest_grade_train": round(max(bars.grades(s).max() for s in train), 3),
        "largest_grade_test": round(max(bars.grades(s).max() for s in test), 3),
        "file_kB_plain": file_size(learned),
        "file_kB_with_error_bars": file_size(bars.attached_to(learned)),
    }
    return row, {"errors": errors, "widths": widths}


def file_size(potential: linpot.EnergyModel) -> int:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "potential.linpot"
        linpot.save(potential, path)
        return round(path.stat().st_size / 1e3)


def width_ratio(errors: np.ndarray, widths: np.ndarray) -> float:
    """Mean half-width over that of the constant interval that covers as much of the same errors."""
    return float(widths.mean() / np.quantile(errors, np.mean(errors <= widths)))


def rank_correlations(std: np.ndarray, errors: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Spearman's, per atom: |dF| against the root of the summed variances."""
    std, errors = (np.sqrt((v.reshape(-1, 3) ** 2).sum(axis=1)) for v in (std, errors))
    found = {}
    for group in sorted(set(groups.tolist())):
        own = (groups == group) & (errors > FORBIDDEN)
        if own.sum() > 2:
            found[group] = float(spearmanr(std[own], errors[own])[0])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--elements", default=",".join(ELEMENTS))
    parser.add_argument("--size", type=int, default=300)
    arguments = parser.parse_args()
    runs, parts = [], []
    for element in arguments.elements.split(","):
        row, arrays = measure(element, arguments.size)
        runs.append(row)
        parts.append(arrays)
        print(row, flush=True)
    errors, widths = (np.concatenate([p[name] for p in parts]) for name in ("errors", "widths"))
    # constant width: one number per element, as the calibration has one factor per element
    constant = [np.quantile(p["errors"], np.mean(p["errors"] <= p["widths"])) for p in parts]
    sizes = [len(p["errors"]) for p in parts]
    pooled = {
        "coverage_forces": round(float(np.mean(errors <= widths)), 4),
        "width_over_best_constant_per_element": round(
            float(widths.mean() / np.average(constant, weights=sizes)), 4
        ),
        "width_over_one_constant": round(width_ratio(errors, widths), 4),
        "rank_correlation_inside_groups": round(
            float(np.mean([run["rank_correlation_inside_groups"] for run in runs])), 3
        ),
    }
    print(pooled)
    document = {"n_functions": arguments.size, "level": LEVEL, "elements": runs, "pooled": pooled}
    print(write_results("uncertainty", document))


if __name__ == "__main__":
    main()
