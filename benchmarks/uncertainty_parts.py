"""Parts of `benchmarks.uncertainty`: left-out groups, repeated splits, costs, properties."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ase.build import bulk

import linpot
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import structure_from_atoms
from linpot.workflow.calibration import CalibratedFit, calibrated_fit, deviations_and_residuals
from linpot.workflow.cross_validation import assign_folds

LEVEL = 0.9
EIGHTHS = 8
LEFT_OUT = ("Surface", "Vacancy")
N_MEMBERS = 10


def covered(
    found: CalibratedFit, structures: linpot.Dataset, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scales, sizes of errors and half-widths of one property."""
    seen = [
        own[name]
        for own in deviations_and_residuals(found.session, found.fit, structures)
        if name in own
    ]
    scales = np.concatenate([own.scale for own in seen])
    errors = np.abs(np.concatenate([own.residuals for own in seen]))
    return scales, errors, found.calibrations[name].half_widths(scales, LEVEL)


def without_groups(
    train: linpot.Dataset, test: linpot.Dataset, settings: linpot.FitSettings
) -> list[dict[str, Any]]:
    """Train without a group, calibrate on the other groups, predict all of the group."""
    rows = []
    everything = [*train, *test]
    for group in LEFT_OUT:
        known = linpot.Dataset([s for s in train if s.group != group])
        unknown = linpot.Dataset([s for s in everything if s.group == group])
        found = calibrated_fit(known, settings=settings, folds="groups", level=LEVEL)
        row: dict[str, Any] = {"without": group, "structures": len(unknown)}
        for name in ("forces", "energy"):
            _, errors, widths = covered(found, unknown, name)
            own = found.calibrations[name]
            row[name] = {
                "coverage": round(float(np.mean(errors <= widths)), 4),
                "half_width_over_mean_error": round(float(widths.mean() / errors.mean()), 3),
                "factor": round(own.factor(LEVEL), 2),
                "inflation": round(own.inflation, 2),
            }
        rows.append(row)
    return rows


def repeated_splits(
    train: linpot.Dataset, settings: linpot.FitSettings, n_splits: int
) -> dict[str, Any]:
    """
    Coverage on random eighths of the training data, calibrated on blocks of the rest.

    Test sets have 23 to 31 energies; these are several times as many.
    """
    eighth_of = assign_folds([s.group for s in train], EIGHTHS, 0)
    inside: dict[str, list[np.ndarray]] = {"energy": [], "forces": []}
    for k in range(n_splits):
        rest = linpot.Dataset([s for s, own in zip(train, eighth_of, strict=True) if own != k])
        left = linpot.Dataset([s for s, own in zip(train, eighth_of, strict=True) if own == k])
        found = calibrated_fit(rest, settings=settings, level=LEVEL)
        for name, shares in inside.items():
            _, errors, widths = covered(found, left, name)
            shares.append(errors <= widths)
    shares = {name: np.concatenate(own) for name, own in inside.items()}
    return {
        "splits": n_splits,
        "energies": len(shares["energy"]),
        "coverage_energy": round(float(shares["energy"].mean()), 4),
        "coverage_forces": round(float(shares["forces"].mean()), 4),
    }


def energy_differences(found: CalibratedFit, test: linpot.Dataset) -> dict[str, Any]:
    """
    Coverage of a property without labels: differences of energies per atom inside groups.

    The spread of the posterior times the inflation, as `with_error_bar` has it; differences are
    linear in the coefficients, so that no committee is needed.
    """
    inflation = max(own.inflation for own in found.calibrations.values())
    potential = found.fit.solution.potential
    rows, errors, groups = [], [], []
    for structure in test:
        features = linpot.learned_part(potential).design(structure)[0]
        rows.append(features / structure.n_atoms)
        difference = potential.predict(structure, forces=False).energy - structure.labels.energy
        errors.append(difference / structure.n_atoms)
        groups.append(structure.group)
    inside, widths = [], []
    for i in range(len(rows)):
        for j in range(i):
            if groups[i] == groups[j]:
                std = inflation * found.fit.posterior.std((rows[i] - rows[j])[None])[0]
                inside.append(abs(errors[i] - errors[j]) <= 1.645 * std)
                widths.append(1.645 * std / max(abs(errors[i] - errors[j]), 1e-12))
    return {
        "pairs": len(inside),
        "inflation": round(inflation, 2),
        "coverage": round(float(np.mean(inside)), 4),
        "median_half_width_over_error": round(float(np.median(widths)), 2),
    }


def costs(potential: linpot.EnergyModel, calls: int = 9) -> dict[str, Any]:
    """Processor time of error bars over that of the potential; 512 atoms of silicon, one thread."""
    atoms = bulk("Si", cubic=True) * (4, 4, 4)
    atoms.rattle(0.1, seed=0)
    structure = structure_from_atoms(atoms)
    neighbors = find_neighbors(structure, potential.cutoff + 0.5)
    bars = linpot.ErrorBars.of(potential)
    committee = bars.committee(potential, n_members=N_MEMBERS)
    energy, forces, members, all_forces, std, forces_std = interleaved(
        [
            lambda: potential.predict(structure, neighbors, forces=False),
            lambda: potential.predict(structure, neighbors),
            lambda: committee.predict(structure, neighbors, forces=False),
            lambda: committee.predict(structure, neighbors),
            lambda: bars.energy_half_width(structure, LEVEL, neighbors),
            lambda: bars.half_widths(structure, LEVEL),
        ],
        calls,
    )
    return {
        "atoms": len(atoms),
        "n_functions": linpot.learned_part(potential).n_functions["Si"],
        "energy_ms": round(1e3 * energy, 3),
        "forces_ms": round(1e3 * forces, 3),
        "committee_of_10_energies_over_energy": round(members / energy, 3),
        "committee_of_10_forces_over_forces": round(all_forces / forces, 3),
        "energy_std_over_forces": round(std / forces, 3),
        "forces_std_over_forces": round(forces_std / forces, 1),
    }


def interleaved(works: list[Callable[[], object]], calls: int) -> list[float]:
    """Median processor times of several works, one call of each after the other, s."""
    times: list[list[float]] = [[] for _ in works]
    for call in range(calls + 1):
        for work, own in zip(works, times, strict=True):
            begin = time.thread_time()
            work()
            if call:  # the first may compile
                own.append(time.thread_time() - begin)
    return [float(np.median(own)) for own in times]
