"""Dimer curves: whether every pair repels when it comes close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.model.protocol import EnergyModel
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DimerCurve:
    """
    The energy of two atoms against their distance.

    Attributes
    ----------
    pair : (str, str)
    r : float64[n], A
        Ascending.
    energies : float64[n], eV
        Less those of the separated atoms.
    shortest : float, A
        Shortest distance in the training data; the check looks below it.
    """

    pair: tuple[str, str]
    r: Floats
    energies: Floats
    shortest: float

    @property
    def hole(self) -> float:
        """Largest fall of the energy on the way in from `shortest`, eV; 0 if it only rises."""
        inner = self.energies[self.r <= self.shortest][::-1]  # from outside to inside
        if len(inner) < 2:
            return 0.0
        return float(max(0.0, (np.maximum.accumulate(inner) - inner).max()))

    @property
    def is_repulsive(self) -> bool:
        """Whether the energy rises all the way in from the shortest training distance."""
        return self.hole <= 1e-6

    @property
    def wall(self) -> float:
        """Energy at the closest distance over that at `shortest`, eV."""
        return float(self.energies[0] - np.interp(self.shortest, self.r, self.energies))


def dimer_curve(
    model: EnergyModel,
    pair: tuple[str, str],
    shortest: float,
    *,
    n_points: int = 200,
    r: Floats | None = None,
) -> DimerCurve:
    """
    Scan a dimer from a third of the shortest distance to the cutoff.

    Parameters
    ----------
    model : EnergyModel
    pair : (str, str)
    shortest : float, A
    n_points : int
    r : float64[n], A, optional
        Distances to scan instead, ascending.

    Returns
    -------
    DimerCurve
    """
    numbers = np.array([atomic_numbers[s] for s in pair])
    if r is None:
        r = np.linspace(shortest / 3.0, max(model.cutoff, 1.2 * shortest) + 0.5, n_points)
    atoms = [_cluster(numbers[k : k + 1], np.zeros((1, 3))) for k in range(2)]
    dimers = [dimer(numbers, d) for d in r.tolist()]
    predictions = model.predict_many([*atoms, *dimers], forces=False)
    energies = np.array([prediction.energy for prediction in predictions])
    return DimerCurve(pair, r, energies[2:] - energies[:2].sum(), shortest)


def dimer(numbers: NDArray[np.int64], r: float) -> Structure:
    """Return two atoms of given atomic numbers at a distance, A."""
    return _cluster(numbers, np.array([[0.0, 0.0, 0.0], [0.0, 0.0, r]]))


def check_dimers(model: EnergyModel, shortest: Mapping[tuple[str, str], float]) -> list[DimerCurve]:
    """
    Scan all pairs.

    Parameters
    ----------
    model : EnergyModel
    shortest : mapping of pair to float, A
        Shortest distance of each pair in the training data.

    Returns
    -------
    list of DimerCurve
    """
    return [dimer_curve(model, pair, distance) for pair, distance in shortest.items()]


def _cluster(numbers: NDArray[np.int64], positions: Floats) -> Structure:
    return Structure(numbers, positions, np.zeros((3, 3)), (False, False, False))
