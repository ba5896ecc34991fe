"""A flat list of centres with their packed pairs, of one or many structures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from linpot.kernels.pairs import select_pairs
from linpot.model.blocks import Blocks, arrange
from linpot.model.prediction import Predictions, Work

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Task = TypeVar("Task")


@dataclass(frozen=True, eq=False)
class PairBatch:
    """
    Centres of one or many structures.

    The centres are the first atoms; those behind them, if there are any, are only neighbors: they
    have no energy of their own, but forces act on them.

    Attributes
    ----------
    elements : tuple of str
        What species indices mean.
    cutoffs : float64[n_species, n_species], A
    species : int64[n_atoms]
        Species index of every atom.
    structure : int64[n_atoms]
        Which structure an atom belongs to.
    first_atoms : int64[n_structures + 1]
        Atoms of structure k are ``first_atoms[k]:first_atoms[k + 1]``.
    starts : int64[n_centers]
        First pair of every centre.
    counts : int64[n_centers, n_species]
        Pairs of each centre by neighbor species, in which order they follow each other.
    neighbors : int64[n_places]
        Atom indices of the flat list. There may be unused places between centers, which hold 0.
    vectors : float64[n_places, 3], A
    """

    elements: tuple[str, ...]
    cutoffs: Floats
    species: Ints
    structure: Ints
    first_atoms: Ints
    starts: Ints
    counts: Ints
    neighbors: Ints
    vectors: Floats

    @property
    def n_atoms(self) -> int:
        """Number of centres and of atoms that are only neighbors."""
        return len(self.species)

    @property
    def n_centers(self) -> int:
        """Number of centres."""
        return len(self.counts)

    def species_among(self, elements: tuple[str, ...]) -> Ints:
        """Return the species of every atom, numbered by `elements`: int64[n_atoms]."""
        if elements == self.elements:
            return self.species
        return np.array([elements.index(e) for e in self.elements], dtype=np.int64)[self.species]

    def within(self, elements: tuple[str, ...], cutoffs: Floats) -> PairBatch:
        """
        Return the pairs inside smaller cutoffs, species numbered by `elements`.

        Parameters
        ----------
        elements : tuple of str
            All elements of the batch, and perhaps others.
        cutoffs : float64[n, n], A

        Returns
        -------
        PairBatch
            This one where nothing changes.
        """
        if elements == self.elements and np.array_equal(cutoffs, self.cutoffs):
            return self
        species = self.species_among(elements)
        counts = np.empty((self.n_centers, len(elements)), dtype=np.int64)
        neighbors, vectors = np.zeros_like(self.neighbors), np.empty_like(self.vectors)
        select_pairs(0, self.n_centers, self.pairs, species, cutoffs, neighbors, vectors, counts)
        return PairBatch(
            elements, cutoffs, species, self.structure, self.first_atoms, self.starts, counts,
            neighbors, vectors,
        )  # fmt: skip

    @cached_property
    def blocks(self) -> Blocks:
        """Which centres the engine takes side by side."""
        return arrange(self.species[: self.n_centers], self.counts, self.cutoffs)

    @property
    def pairs(self) -> tuple[Ints, Ints, Ints, Floats]:
        """What kernels take."""
        return self.starts, self.counts, self.neighbors, self.vectors

    def summed(
        self,
        tasks: Sequence[Task],
        add: Callable[[Task, Floats, Floats], None],
        result: Callable[[Floats, Floats], Predictions],
    ) -> Work:
        """
        Make work of tasks that add forces, whose sum does not depend on threads.

        Parameters
        ----------
        tasks : sequence
            The same for any number of threads.
        add : callable
            ``add(task, forces, virials)`` adds what a task contributes to forces
            float64[n_atoms, 3], and sets its own centres' rows of virials float64[n_atoms, 6].
        result : callable
            Takes all forces (eV/A) and virials (eV, of every atomic energy, xx yy zz yz xz xy).

        Returns
        -------
        Work
        """
        forces = np.zeros((len(tasks), self.n_atoms, 3))
        virials = np.zeros((self.n_atoms, 6))

        def task(k: int) -> Callable[[], None]:
            return lambda: add(tasks[k], forces[k], virials)

        return Work(
            [task(k) for k in range(len(tasks))],
            lambda: result(forces[0] if len(tasks) == 1 else forces.sum(axis=0), virials),
        )
