"""Sequences of structures that are made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from linpot.structures.structure import Structure


class LazyStructures(Sequence[Structure]):
    """
    Structures by their place, none of them held.

    Parameters
    ----------
    make : callable
        From place to structure; equal places give equal structures.
    n_structures : int
    """

    def __init__(self, make: Callable[[int], Structure], n_structures: int) -> None:
        self._make = make
        self._n_structures = n_structures

    def __len__(self) -> int:
        return self._n_structures

    def __getitem__(self, index: int) -> Structure:  # type: ignore[override]  # no slices
        place = index + self._n_structures if index < 0 else index
        if not 0 <= place < self._n_structures:
            raise IndexError(f"structure {index} of {self._n_structures}")
        return self._make(place)


def structure_bytes(structure: Structure) -> int:
    """Return about how much memory a structure takes."""
    labels = structure.labels
    arrays = (
        structure.numbers,
        structure.positions,
        structure.cell,
        structure.charges,
        labels.forces,
        labels.stress,
        labels.charges,
        labels.dipole,
    )
    return 1200 + sum(0 if array is None else array.nbytes for array in arrays)
