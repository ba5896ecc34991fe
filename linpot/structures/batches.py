"""Runs of structures that are worked on together, and samples of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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


def evenly_spaced(
    structures: Iterable[Structure], rows: Sequence[int], n_rows: float
) -> list[Structure]:
    """
    Take structures at equal intervals, as few as have about so many rows.

    Parameters
    ----------
    structures : iterable of Structure
    rows : sequence of int
        That each structure has.
    n_rows : float

    Returns
    -------
    list of Structure
        All if they have fewer rows.
    """
    stride = max(1, int(sum(rows) // max(1.0, n_rows)))
    return [structure for k, structure in enumerate(structures) if k % stride == 0]
