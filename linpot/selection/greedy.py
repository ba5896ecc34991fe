"""
Greedy choice of structures in passes over a pool, the same for any memory.

What a structure is worth can only fall while others are chosen. Its last score is therefore a
bound, and a pass has to keep the rows of the best structures only: they are chosen from in memory
until the bound of one that was not kept is above them (lazy evaluation; Minoux, in: Optimization
Techniques (1978), p. 234). The result is that of a search through all scores for every choice.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from linpot.selection.row_stream import RowStream, StructureRows

Floats = NDArray[np.float64]


class Criterion(Protocol):
    """What a structure is worth beside those that are chosen; never more than before."""

    def score(self, structure: StructureRows) -> float:
        """Return what it is worth now."""

    def take(self, structure: StructureRows) -> tuple[float, Floats]:
        """Choose it; return what it brings, and how new each of its atoms is."""


@dataclass(frozen=True)
class Found:
    """
    One chosen structure.

    Attributes
    ----------
    index : int
        In the pool.
    name : str
    gain : float
        What it brings, in the unit of the criterion.
    novelty : float64[n_atoms]
        How new each atom is, beside what was chosen before.
    """

    index: int
    name: str
    gain: float
    novelty: Floats


def choose(
    stream: RowStream,
    criterion: Criterion,
    n: int,
    *,
    progress: Callable[[int], None] | None = None,
) -> list[Found]:
    """
    Choose structures one after the other, the most valuable next; among equals the first.

    Parameters
    ----------
    stream : RowStream
        Surveyed, with at least `n` structures.
    criterion : Criterion
    n : int
    progress : callable, optional
        Called with the number chosen.

    Returns
    -------
    list of Found
        In the order of choice.
    """
    found: list[Found] = []
    bounds: dict[int, float] = {}
    while len(found) < n:
        taken = {f.index for f in found}
        held, outside = _pass(stream, criterion, bounds, taken)
        fresh = dict.fromkeys(held, len(found))
        heap = [(-bounds[index], index) for index in held]
        heapq.heapify(heap)
        while heap and len(found) < n and heap[0] <= outside:
            index = heap[0][1]
            if fresh[index] < len(found):
                bounds[index] = criterion.score(held[index])
                fresh[index] = len(found)
                heapq.heapreplace(heap, (-bounds[index], index))
                continue
            heapq.heappop(heap)
            chosen = held.pop(index)
            found.append(Found(index, chosen.name, *criterion.take(chosen)))
            if progress is not None:
                progress(len(found))
    return found


_NONE = (np.inf, 0)


def _pass(
    stream: RowStream, criterion: Criterion, bounds: dict[int, float], taken: set[int]
) -> tuple[dict[int, StructureRows], tuple[float, int]]:
    """
    Score the pool and hold the rows of the best.

    Returns
    -------
    held : dict of index to rows
    outside : (float, int)
        Minus the bound of the best that is not held, and its index.
    """
    held: dict[int, StructureRows] = {}
    worst: list[tuple[float, int]] = []  # scores and minus indices of what is held
    n_bytes = 0
    everything = stream.is_kept

    def wanted(index: int) -> bool:
        if index in taken:
            return False
        is_full = not everything and n_bytes > 0.9 * stream.budget
        return not (is_full and (bounds.get(index, np.inf), -index) < worst[0])

    for structure in stream.rows(wanted):
        index = structure.index
        bounds[index] = criterion.score(structure)
        held[index] = structure
        heapq.heappush(worst, (bounds[index], -index))
        n_bytes += structure.n_bytes
        stream.hold(n_bytes)
        while not everything and n_bytes > stream.budget and len(held) > 1:
            _, minus = heapq.heappop(worst)
            n_bytes -= held.pop(-minus).n_bytes
    outside = min(
        ((-b, index) for index, b in bounds.items() if index not in held and index not in taken),
        default=_NONE,
    )
    return held, outside
