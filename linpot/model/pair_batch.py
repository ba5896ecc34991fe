"""A flat list of centres with their packed pairs: what the engine works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.kernels.pairs import pack_pairs, sum_pair_gradients
from linpot.model.protocol import species_indices
from linpot.structures.neighbors import Neighbors, find_neighbors
from linpot.structures.structure import Structure

CLOSEST = 0.01
"""Atoms closer than this, in A, are taken for a mistake."""


@dataclass(frozen=True)
class PairBatch:
    """
    Centres of one or many structures.

    Attributes
    ----------
    species : int64[n_atoms]
        Species index of every atom.
    structure : int64[n_atoms]
        Which structure an atom belongs to.
    n_structures : int
    offsets : int64[n_atoms + 1]
    neighbors : int64[n_pairs]
        Atom indices of the flat list; pairs of a centre are sorted by neighbor species.
    vectors : float64[n_pairs, 3], A
    """

    species: NDArray[np.int64]
    structure: NDArray[np.int64]
    n_structures: int
    offsets: NDArray[np.int64]
    neighbors: NDArray[np.int64]
    vectors: NDArray[np.float64]

    @property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Offsets, neighbors and vectors as the engine takes them."""
        return self.offsets, self.neighbors, self.vectors

    def forces_and_virials(
        self, gradients: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """
        Sum derivatives by pair vectors, in a fixed order.

        Parameters
        ----------
        gradients : float64[n_pairs, 3], eV/A

        Returns
        -------
        forces : float64[n_atoms, 3], eV/A
        virials : float64[n_structures, 3, 3], eV
        """
        forces = np.zeros((len(self.species), 3))
        virials = np.zeros((self.n_structures, 3, 3))
        sum_pair_gradients(
            self.offsets, self.neighbors, self.vectors, gradients, self.structure, forces, virials
        )
        return forces, virials


def pack(
    structures: Sequence[Structure],
    elements: tuple[str, ...],
    cutoffs: NDArray[np.float64],
    neighbors: Sequence[Neighbors | None] | None = None,
) -> PairBatch:
    """
    Put structures into one batch; pairs beyond their cutoff are dropped.

    Parameters
    ----------
    structures : sequence of Structure
    elements : tuple of str
        Species indices follow this order.
    cutoffs : float64[n_species, n_species], A
    neighbors : sequence of Neighbors or None, optional
        One per structure; found where missing.

    Returns
    -------
    PairBatch

    Raises
    ------
    InputError
        For an unknown element, or atoms on top of each other.
    """
    batches = [
        _pack_one(structure, elements, cutoffs, given)
        for structure, given in zip(structures, neighbors or [None] * len(structures), strict=True)
    ]
    if len(batches) == 1:
        return batches[0]
    n_atoms = np.cumsum([0] + [len(b.species) for b in batches])
    n_pairs = np.cumsum([0] + [len(b.neighbors) for b in batches])
    return PairBatch(
        species=np.concatenate([b.species for b in batches]),
        structure=np.repeat(np.arange(len(batches)), np.diff(n_atoms)),
        n_structures=len(batches),
        offsets=np.concatenate(
            [b.offsets[:-1] + start for b, start in zip(batches, n_pairs, strict=False)]
            + [n_pairs[-1:]]
        ),
        neighbors=np.concatenate(
            [b.neighbors + start for b, start in zip(batches, n_atoms, strict=False)]
        ),
        vectors=np.concatenate([b.vectors for b in batches]),
    )


def _pack_one(
    structure: Structure,
    elements: tuple[str, ...],
    cutoffs: NDArray[np.float64],
    neighbors: Neighbors | None,
) -> PairBatch:
    species = species_indices(structure, elements)
    if neighbors is None:
        neighbors = find_neighbors(structure, float(cutoffs.max()))
    vectors = neighbors.vectors(structure.positions, structure.cell)
    offsets = np.empty(structure.n_atoms + 1, dtype=np.int64)
    packed = np.empty(neighbors.n_pairs, dtype=np.int64)
    packed_vectors = np.empty((neighbors.n_pairs, 3))
    smallest = pack_pairs(
        neighbors.offsets,
        neighbors.neighbors,
        vectors,
        species,
        cutoffs,
        offsets,
        packed,
        packed_vectors,
    )
    if smallest < CLOSEST**2:
        pair = int(np.argmin((vectors**2).sum(axis=1)))
        raise InputError(
            f"atoms {neighbors.centers[pair]} and {neighbors.neighbors[pair]} of {structure.name} "
            f"must be at least {CLOSEST} A apart, got {smallest**0.5:.3g} A"
        )
    count = int(offsets[-1])
    return PairBatch(
        species=species,
        structure=np.zeros(structure.n_atoms, dtype=np.int64),
        n_structures=1,
        offsets=offsets,
        neighbors=packed[:count],
        vectors=packed_vectors[:count],
    )
