"""Runs of structures that are worked on together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from linpot.structures.structure import Structure


def batches_of_atoms(structures: Sequence[Structure], size: int) -> Iterator[list[Structure]]:
    """
    Cut structures into runs of at least `size` atoms, the last one excepted.

    Parameters
    ----------
    structures : sequence of Structure
    size : int
        Atoms; one structure alone may have more.

    Yields
    ------
    list of Structure
        In their order.
    """
    batch: list[Structure] = []
    n_atoms = 0
    for structure in structures:
        batch.append(structure)
        n_atoms += structure.n_atoms
        if n_atoms >= size:
            yield batch
            batch, n_atoms = [], 0
    if batch:
        yield batch
