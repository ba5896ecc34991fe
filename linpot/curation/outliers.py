"""Single structures whose labels do not fit to the others of their unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.curation.references import least_absolute
from linpot.model.linear_potential import LinearPotential
from linpot.structures.batches import batches_of_atoms
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

FEWEST = 20  # structures of a unit that tell what is usual
_BATCH = 1000  # atoms
_ENERGY, _FORCES = 40.0, 25.0  # times the median deviation of the unit
_LEAST_ENERGY = 0.05  # eV/atom
_LEAST_FORCE = 1.0  # eV/A, root mean square of a structure
_SHARE = 0.7  # of the labels: what the fit leaves of forces that belong to other atoms or units


@dataclass(frozen=True)
class Outlier:
    """
    A structure whose labels do not fit.

    Attributes
    ----------
    place : int
        In the sequence.
    unit : str
    label : {"energy", "forces"}
    deviation : float
        eV/atom, or root mean square in eV/A.
    usual : float
        Median of the unit.
    """

    place: int
    unit: str
    label: str
    deviation: float
    usual: float


def find_outliers(
    structures: Sequence[Structure],
    units: Sequence[str],
    basis: Basis,
    coefficients: Floats,
    *,
    force_divisors: Mapping[str, float],
    energy_divisors: Mapping[str, float],
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[Outlier]:
    """
    Compare every structure with the quick fit, and its deviation with that of its unit.

    Parameters
    ----------
    structures : sequence of Structure
    units : sequence of str
    basis : Basis
    coefficients : float64[n_features], eV
    force_divisors, energy_divisors : mapping of unit to float
        What labels are divided by first.
    threads : int
    progress : callable, optional

    Returns
    -------
    list of Outlier
    """
    potential = LinearPotential(basis, coefficients, dict.fromkeys(basis.elements, 0.0))
    numbers = basis.specification.numbers
    energies: dict[str, list[tuple[int, float, Floats]]] = {}
    forces: dict[str, list[tuple[int, float, float]]] = {}
    done = 0
    for batch in batches_of_atoms(structures, _BATCH):
        predictions = potential.predict_many(batch, threads=threads)
        for place, (s, predicted) in enumerate(zip(batch, predictions, strict=True), start=done):
            unit = units[place]
            if s.labels.energy is not None and s.n_atoms > 1:
                counts = np.array([np.count_nonzero(s.numbers == z) for z in numbers]) / s.n_atoms
                label = s.labels.energy / energy_divisors.get(unit, 1.0)
                left = (label - predicted.energy) / s.n_atoms
                energies.setdefault(unit, []).append((place, left, counts))
            if s.labels.forces is not None and predicted.forces is not None:
                label_forces = s.labels.forces / force_divisors.get(unit, 1.0)
                left = float(np.sqrt(((label_forces - predicted.forces) ** 2).mean()))
                size = float(np.sqrt((label_forces**2).mean()))
                forces.setdefault(unit, []).append((place, left, size))
        done += len(batch)
        if progress is not None:
            progress(done)
    found = []
    for unit, own in energies.items():
        if len(own) >= FEWEST:
            found += _energy_outliers(unit, own)
    for unit, of_forces in forces.items():
        if len(of_forces) >= FEWEST:
            usual = float(np.median([left for _, left, _ in of_forces]))
            found += [
                Outlier(place, unit, "forces", left, usual)
                for place, left, size in of_forces
                if left > max(_FORCES * usual, _LEAST_FORCE) and left > _SHARE * size
            ]
    return found


def _energy_outliers(unit: str, own: list[tuple[int, float, Floats]]) -> list[Outlier]:
    left = np.array([value for _, value, _ in own])
    counts = np.array([c for _, _, c in own])
    # what the composition of most explains is no deviation
    deviation = left - counts @ least_absolute(counts, left, np.ones(len(left)))
    usual = float(np.median(np.abs(deviation)))
    limit = max(_ENERGY * usual, _LEAST_ENERGY)
    return [
        Outlier(place, unit, "energy", float(d), usual)
        for (place, _, _), d in zip(own, deviation, strict=True)
        if abs(d) > limit
    ]
