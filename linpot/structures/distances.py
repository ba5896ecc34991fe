"""What the distances of a data set say about the scale of its chemistry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from numpy.typing import NDArray

from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

_REACH = 1.7
"""Search radius in units of the sum of covalent radii: wide enough for the first shell of all but
van der Waals crystals; pairs never seen inside it get a guess from the radii."""

_MOST = 2**20
"""Distances of a pair that are held: a median needs no more."""


@dataclass(frozen=True)
class PairDistances:
    """
    Distances of one unordered pair of elements.

    Attributes
    ----------
    shortest : float, A
        Shortest distance seen.
    typical : float, A
        Median over atoms of the distance to their nearest neighbor of the other element; over
        evenly spread ones of many.
    seen : bool
        Whether the data hold such a pair inside the search radius; else both are guesses.
    """

    shortest: float
    typical: float
    seen: bool


def survey_distances(
    structures: Iterable[Structure], elements: tuple[str, ...]
) -> dict[tuple[str, str], PairDistances]:
    """
    Find shortest and typical distances of every pair of elements.

    Parameters
    ----------
    structures : iterable of Structure
    elements : tuple of str
        In the order of their atomic numbers.

    Returns
    -------
    dict of (str, str) to PairDistances
        One entry per unordered pair, the lighter element first.
    """
    numbers = [chemical_symbols.index(s) for s in elements]
    radii = {pair: _sum_of_radii(*pair) for pair in _pairs(numbers)}
    reach = _REACH * max(radii.values())
    nearest = {pair: _Sample() for pair in radii}
    for structure in structures:
        neighbors = find_neighbors(structure, reach)
        vectors = neighbors.vectors(structure.positions, structure.cell)
        r = np.linalg.norm(vectors, axis=1)
        first = structure.numbers[neighbors.centers]
        second = structure.numbers[neighbors.neighbors]
        for a, b in radii:
            mask = (first == a) & (second == b)
            if mask.any():
                best = np.full(structure.n_atoms, np.inf)
                np.minimum.at(best, neighbors.centers[mask], r[mask])
                nearest[a, b].add(best[np.isfinite(best)])
    result = {}
    for (a, b), found in nearest.items():
        name = (chemical_symbols[a], chemical_symbols[b])
        if found.shortest < np.inf:
            result[name] = PairDistances(found.shortest, found.median, True)
        else:
            guess = radii[a, b]
            result[name] = PairDistances(0.8 * guess, guess, False)
    return result


class _Sample:
    """The shortest of all distances, and the median of up to `_MOST` of them, evenly spread."""

    def __init__(self) -> None:
        self.shortest = np.inf
        self._parts: list[NDArray[np.float64]] = []
        self._held = self._seen = 0
        self._step = 1

    @property
    def median(self) -> float:
        return float(np.median(np.concatenate(self._parts)))

    def add(self, distances: NDArray[np.float64]) -> None:
        self.shortest = min(self.shortest, float(distances.min()))
        kept = distances[-self._seen % self._step :: self._step]
        self._seen += len(distances)
        self._parts.append(kept)
        self._held += len(kept)
        while self._held > _MOST:  # every other one is left
            self._parts = [np.concatenate(self._parts)[::2]]
            self._held, self._step = len(self._parts[0]), 2 * self._step


def _pairs(numbers: list[int]) -> list[tuple[int, int]]:
    return [(a, b) for i, a in enumerate(numbers) for b in numbers[i:]]


def _sum_of_radii(a: int, b: int) -> float:
    return float(covalent_radii[a] + covalent_radii[b])
