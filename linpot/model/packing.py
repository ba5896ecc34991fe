"""From structures and neighbor lists to a batch of pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.kernels.pairs import pack_pairs
from linpot.model.pair_batch import PairBatch
from linpot.parallel import cut, run_tasks
from linpot.structures.neighbors import Neighbors, find_neighbors
from linpot.structures.structure import Structure

CLOSEST = 0.01
"""Atoms closer than this, in A, are taken for a mistake."""

PAIRS_PER_RUN = 100_000
"""Listed pairs that a thread takes at a time, or more."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def pack(
    structures: Sequence[Structure],
    elements: tuple[str, ...],
    cutoffs: Floats,
    neighbors: Sequence[Neighbors | None] | None = None,
    *,
    threads: int = 1,
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
    threads : int

    Returns
    -------
    PairBatch

    Raises
    ------
    InputError
        For an unknown element, or atoms on top of each other.
    """
    lists = complete_lists(structures, float(cutoffs.max()), neighbors)
    return pack_listed(structures, elements, cutoffs, lists, threads=threads)


def pack_listed(
    structures: Sequence[Structure],
    elements: tuple[str, ...],
    cutoffs: Floats,
    lists: Sequence[Neighbors],
    *,
    threads: int = 1,
) -> PairBatch:
    """Put structures whose neighbors are all listed into one batch; see `pack`."""
    numbers = _joined([s.numbers for s in structures])
    first_atoms = np.zeros(len(structures) + 1, dtype=np.int64)
    np.cumsum([len(s.numbers) for s in structures], out=first_atoms[1:])
    species = _species(numbers, elements, structures, first_atoms)
    n_atoms = len(numbers)
    offsets = _joined_offsets(lists, first_atoms)
    listed = _joined([own.neighbors for own in lists])
    shifts, cells = np.empty((0, 3)), np.zeros((len(structures), 3, 3))
    if any(True in s.pbc for s in structures):
        shifts = _joined([own.shifts for own in lists])
        cells = _joined([s.cell for s in structures]).reshape(-1, 3, 3)
    positions = _joined([s.positions for s in structures])
    structure = np.repeat(np.arange(len(structures)), np.diff(first_atoms))
    kept = np.zeros(len(listed), dtype=np.int64)  # unused places stay indices of atoms
    vectors = np.empty((len(listed), 3))
    counts = np.zeros((n_atoms, len(elements)), dtype=np.int64)
    smallest = []

    def work(run: tuple[int, int]) -> None:
        smallest.append(
            pack_pairs(
                *run, offsets, listed, shifts, first_atoms, positions, cells, structure, species,
                cutoffs, kept, vectors, counts,
            )
        )  # fmt: skip

    runs = len(listed) // PAIRS_PER_RUN  # short lists are not worth waking up a thread
    run_tasks(work, cut(n_atoms, min(4 * threads, runs) if threads > 1 else 1), threads)
    if min(smallest) < CLOSEST**2:
        _refuse_overlap(structures, lists)
    return PairBatch(
        elements, cutoffs, species, structure, first_atoms, offsets[:-1], counts, kept, vectors
    )


def complete_lists(
    structures: Sequence[Structure],
    cutoff: float,
    neighbors: Sequence[Neighbors | None] | None = None,
) -> Sequence[Neighbors]:
    """Return the lists that are given, and find those that are not."""
    if neighbors is None:
        return [find_neighbors(structure, cutoff) for structure in structures]
    return [
        find_neighbors(structure, cutoff) if given is None else given
        for structure, given in zip(structures, neighbors, strict=True)
    ]


def species_indices(structure: Structure, elements: tuple[str, ...]) -> Ints:
    """
    Return the index into `elements` of every atom: int64[n_atoms].

    Raises
    ------
    InputError
        Naming the first element that is not among them.
    """
    return _species(structure.numbers, elements, [structure], np.array([0, structure.n_atoms]))


def _species(
    numbers: Ints, elements: tuple[str, ...], structures: Sequence[Structure], first_atoms: Ints
) -> Ints:
    known = np.full(len(chemical_symbols) + 1, -1, dtype=np.int64)
    known[[atomic_numbers[symbol] for symbol in elements]] = np.arange(len(elements))
    species = known[np.clip(numbers, 0, len(chemical_symbols))]
    if species.min() < 0:
        place = int(np.argmin(species))
        k = int(np.searchsorted(first_atoms, place, side="right")) - 1
        symbol = chemical_symbols[int(numbers[place])]
        raise InputError(
            f"element {symbol!r} (atom {place - first_atoms[k]} of {structures[k].name}) is not in "
            f"this potential (elements: {', '.join(elements)}); refit with data that hold {symbol}"
        )
    return species


def _joined(arrays: list[NDArray]) -> NDArray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _joined_offsets(lists: Sequence[Neighbors], first_atoms: Ints) -> Ints:
    if len(lists) == 1:
        return lists[0].offsets
    joined = np.concatenate([own.offsets for own in lists])
    n_structures = len(lists)
    ends = first_atoms[1:] + np.arange(n_structures)  # where each list's own end stands
    before = np.cumsum(joined[ends])
    inside = np.ones(len(joined), dtype=bool)
    inside[ends[:-1]] = False
    offsets = joined[inside]
    offsets[first_atoms[1] : -1] += np.repeat(before[:-1], np.diff(first_atoms)[1:])
    offsets[-1] = before[-1]
    return offsets


def _refuse_overlap(structures: Sequence[Structure], lists: Sequence[Neighbors]) -> None:
    for structure, own in zip(structures, lists, strict=True):
        vectors = own.vectors(structure.positions, structure.cell)
        squares = (vectors**2).sum(axis=1)
        if len(squares) and squares.min() < CLOSEST**2:
            pair = int(np.argmin(squares))
            raise InputError(
                f"atoms {own.centers[pair]} and {own.neighbors[pair]} of {structure.name} must be "
                f"at least {CLOSEST} A apart, got {squares[pair] ** 0.5:.3g} A"
            )
