"""A flat list of centres with their packed pairs, laid out for the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.kernels.lanes import WIDTH
from linpot.kernels.pairs import fill_blocks, pack_pairs, sum_pair_gradients
from linpot.model.protocol import Prediction, species_indices
from linpot.structures.neighbors import Neighbors, find_neighbors
from linpot.structures.structure import Structure

CLOSEST = 0.01
"""Atoms closer than this, in A, are taken for a mistake."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Blocks:
    """
    Centres side by side: `WIDTH` of one species to a block.

    Attributes
    ----------
    ranges : int64[n_species + 1]
        Blocks of centre species z are ``ranges[z]:ranges[z + 1]``.
    centers : int64[n_blocks, WIDTH]
        Atoms, -1 for padding.
    slots : int64[n_blocks, n_species + 1]
        First slot of each neighbor species, and the end.
    vectors : float64[n_slots * 3 * WIDTH], A
        Lanes ``3 slot + axis``; padding lies at the cutoff.
    neighbors : int64[n_slots, WIDTH]
        Atoms, -1 for padding.
    places : int64[n_pairs]
        Where the x component of every pair lies in `vectors`.
    """

    ranges: Ints
    centers: Ints
    slots: Ints
    vectors: Floats
    neighbors: Ints
    places: Ints


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
    counts : int64[n_atoms, n_species]
        Pairs of each centre by neighbor species.
    cutoffs : float64[n_species, n_species], A
    """

    species: Ints
    structure: Ints
    n_structures: int
    offsets: Ints
    neighbors: Ints
    vectors: Floats
    counts: Ints
    cutoffs: Floats

    @cached_property
    def blocks(self) -> Blocks:
        """The same pairs laid out in lanes, centres with alike neighbor counts together."""
        n_species = len(self.cutoffs)
        order = np.lexsort((*self.counts.T[::-1], self.species))
        per_species = np.bincount(self.species, minlength=n_species)
        n_blocks = -(-per_species // WIDTH)
        ranges = np.concatenate([[0], np.cumsum(n_blocks)]).astype(np.int64)
        centers = np.full((int(ranges[-1]), WIDTH), -1, dtype=np.int64)
        first = 0
        for species, count in enumerate(per_species.tolist()):
            mine = centers[ranges[species] : ranges[species + 1]].reshape(-1)
            mine[:count] = order[first : first + count]
            first += count
        padded = np.concatenate([self.counts, np.zeros((1, n_species), dtype=np.int64)])
        widths = padded[centers].max(axis=1)  # [block, species]
        ends = np.cumsum(widths.ravel()).reshape(widths.shape)
        slots = np.concatenate([ends[:, :1] - widths[:, :1], ends], axis=1)
        n_slots = int(slots[-1, -1]) if len(slots) else 0
        vectors = np.empty(n_slots * 3 * WIDTH)
        neighbors = np.empty((n_slots, WIDTH), dtype=np.int64)
        places = np.empty(len(self.neighbors), dtype=np.int64)
        fill_blocks(
            centers,
            slots,
            self.offsets,
            self.neighbors,
            self.vectors,
            self.counts,
            np.repeat(self.cutoffs, n_blocks, axis=0),
            vectors,
            neighbors,
            places,
        )
        return Blocks(ranges, centers, slots, vectors, neighbors, places)

    def predictions(self, atomic: Floats, gradients: Floats | None) -> list[Prediction]:
        """
        Sum up and split by structure.

        Parameters
        ----------
        atomic : float64[n_atoms], eV
        gradients : as in `forces_and_virials`, or None

        Returns
        -------
        list of Prediction
        """
        n_atoms = np.bincount(self.structure, minlength=self.n_structures)
        ends = np.cumsum(n_atoms)
        ranges = list(zip((ends - n_atoms).tolist(), ends.tolist(), strict=True))
        if gradients is None:
            return [
                Prediction(float(atomic[a:b].sum()), None, None, atomic[a:b]) for a, b in ranges
            ]
        forces, virials = self.forces_and_virials(gradients)
        return [
            Prediction(float(atomic[a:b].sum()), forces[a:b], virial, atomic[a:b])
            for (a, b), virial in zip(ranges, virials, strict=True)
        ]

    def by_pair(self, lanes: Floats) -> Floats:
        """
        Reorder what the engine wrote in lanes.

        Parameters
        ----------
        lanes : float64[n_slots * 3 * WIDTH]

        Returns
        -------
        float64[n_pairs, 3]
            In the order of `neighbors` and `vectors`.
        """
        return lanes[self.blocks.places[:, None] + WIDTH * np.arange(3)]

    def forces_and_virials(self, gradients: Floats) -> tuple[Floats, Floats]:
        """
        Sum derivatives by pair vectors, in a fixed order.

        Parameters
        ----------
        gradients : float64[n_pairs, 3] or float64[n_slots * 3 * WIDTH], eV/A
            In the order of the pairs, or as the engine writes them.

        Returns
        -------
        forces : float64[n_atoms, 3], eV/A
        virials : float64[n_structures, 3, 3], eV
        """
        forces = np.zeros((len(self.species), 3))
        virials = np.zeros((self.n_structures, 3, 3))
        by_pair = gradients.ndim == 2
        places = 3 * np.arange(len(self.neighbors)) if by_pair else self.blocks.places
        sum_pair_gradients(
            self.offsets,
            self.neighbors,
            self.vectors,
            places,
            1 if by_pair else WIDTH,
            gradients.reshape(-1),
            self.structure,
            forces,
            virials,
        )
        return forces, virials


def pack(
    structures: Sequence[Structure],
    elements: tuple[str, ...],
    cutoffs: Floats,
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
        counts=np.concatenate([b.counts for b in batches]),
        cutoffs=cutoffs,
    )


def _pack_one(
    structure: Structure,
    elements: tuple[str, ...],
    cutoffs: Floats,
    neighbors: Neighbors | None,
) -> PairBatch:
    species = species_indices(structure, elements)
    if neighbors is None:
        neighbors = find_neighbors(structure, float(cutoffs.max()))
    offsets = np.empty(structure.n_atoms + 1, dtype=np.int64)
    packed = np.empty(neighbors.n_pairs + 1, dtype=np.int64)
    packed_vectors = np.empty((neighbors.n_pairs + 1, 3))
    counts = np.empty((structure.n_atoms, len(elements)), dtype=np.int64)
    smallest = pack_pairs(
        neighbors.offsets,
        neighbors.neighbors,
        neighbors.shifts,
        structure.positions,
        structure.cell,
        species,
        cutoffs,
        offsets,
        packed,
        packed_vectors,
        counts,
    )
    if smallest < CLOSEST**2:
        vectors = neighbors.vectors(structure.positions, structure.cell)
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
        counts=counts,
        cutoffs=cutoffs,
    )
