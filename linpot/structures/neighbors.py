"""
Neighbor pairs under any periodicity.

The pairs themselves come from `vesin`; here they get linpot's order (by centre, then neighbor,
then shift), so that sums over them never depend on how a list was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from vesin import NeighborList

from linpot.errors import InputError
from linpot.kernels.lists import sort_list
from linpot.structures.structure import Structure

MOST_NEIGHBORS = 200_000
"""Of one atom: a cutoff of 80 A in a metal."""


@dataclass(frozen=True)
class Neighbors:
    """
    All ordered pairs (centre, neighbor) closer than a cutoff.

    Attributes
    ----------
    cutoff : float, A
    offsets : int64[n_atoms + 1]
        Pairs of centre i are ``offsets[i]:offsets[i + 1]``.
    neighbors : int64[n_pairs]
        Every pair appears from both of its ends; an atom may neighbor its own images.
    shifts : float64[n_pairs, 3]
        Whole numbers of lattice vectors from the neighbor's cell to the centre's.
    """

    cutoff: float
    offsets: NDArray[np.int64]
    neighbors: NDArray[np.int64]
    shifts: NDArray[np.float64]

    @property
    def n_pairs(self) -> int:
        """Number of ordered pairs."""
        return len(self.neighbors)

    @cached_property
    def centers(self) -> NDArray[np.int64]:
        """Centre of every pair: int64[n_pairs]."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def vectors(
        self, positions: NDArray[np.float64], cell: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """
        Return the vectors ``r_j - r_i + S h`` of the pairs.

        Parameters
        ----------
        positions : float64[n_atoms, 3], A
            May have moved since the list was made.
        cell : float64[3, 3], A

        Returns
        -------
        float64[n_pairs, 3], A
        """
        vectors = positions[self.neighbors] - positions[self.centers]
        if self.shifts.any():
            vectors += self.shifts @ cell
        return np.ascontiguousarray(vectors)


def find_neighbors(structure: Structure, cutoff: float) -> Neighbors:
    """
    Find all pairs closer than `cutoff`, in any subset of periodic axes and any cell.

    Parameters
    ----------
    structure : Structure
    cutoff : float, A
        0 gives an empty list.

    Returns
    -------
    Neighbors

    Raises
    ------
    InputError
        If an atom would have more than about `MOST_NEIGHBORS`: there is no memory for such pairs.
    """
    if cutoff == 0.0:  # of models that need no pairs
        offsets = np.zeros(structure.n_atoms + 1, dtype=np.int64)
        return Neighbors(0.0, offsets, np.zeros(0, dtype=np.int64), np.zeros((0, 3)))
    cell = complete_cell(structure.cell, structure.pbc)
    _refuse_crowds(structure, cell, float(cutoff))
    search = NeighborList(cutoff=float(cutoff), full_list=True, n_threads=1)
    found = search.compute(structure.positions, cell, structure.pbc, "ijS")
    return Neighbors(float(cutoff), *sort_list(structure.n_atoms, *found))


def _refuse_crowds(structure: Structure, cell: NDArray[np.float64], cutoff: float) -> None:
    """Refuse cutoffs whose ball, as flat as the periodicity, holds too many images."""
    d = sum(structure.pbc)
    ball = (1.0, 2.0 * cutoff, np.pi * cutoff**2, 4.0 / 3.0 * np.pi * cutoff**3)[d]
    n = structure.n_atoms * ball / abs(np.linalg.det(cell))
    if d and n > MOST_NEIGHBORS:
        raise InputError(
            f"{structure.name}: `cutoff` must leave at most {MOST_NEIGHBORS:,} neighbors of an "
            f"atom, got {cutoff:g} A with about {n:.1g}; lower it, or check the unit of the cell"
        )


def complete_cell(cell: NDArray[np.float64], pbc: tuple[bool, bool, bool]) -> NDArray[np.float64]:
    """
    Give every non-periodic direction a unit vector orthogonal to the periodic ones.

    Parameters
    ----------
    cell : float64[3, 3], A
    pbc : tuple of 3 bool

    Returns
    -------
    float64[3, 3], A
        Invertible; its periodic rows are those of `cell`.
    """
    if all(pbc):
        return cell
    if not any(pbc):
        return np.eye(3)
    complete = np.where(np.array(pbc)[:, None], cell, 0.0)
    for axis in np.flatnonzero(~np.array(pbc)):
        others = complete[np.linalg.norm(complete, axis=1) > 0.0]
        candidates = np.eye(3)
        if len(others):
            q, _ = np.linalg.qr(others.T)
            candidates = candidates - candidates @ q @ q.T
        best = candidates[np.argmax(np.linalg.norm(candidates, axis=1))]
        complete[axis] = best / np.linalg.norm(best)
    return complete
