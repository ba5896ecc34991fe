"""
Contractions of moment tensors to scalars: which there are up to a level.

A contraction of the moments ``M_{mu, nu}`` is a multigraph without loops: a vertex is a moment, an
edge an index that two moments share, so nu is the number of edges at a vertex. Contractions that
differ only in the order of their moments are one. The level is that of Shapeev, the sum of
``2 + 4 mu + nu`` over the moments.

References
----------
Shapeev, Multiscale Model. Simul. 14, 1153 (2016), eq. 3.3 (moments) and section 3.2 (contractions,
there the symmetric matrices alpha).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, permutations, product

from linpot.checks import integer
from linpot.errors import InputError

MAX_LEVEL = 40
"""Beyond it, there are too many to be of use: 2455 of body order 5 at level 28."""

Edges = tuple[tuple[int, ...], ...]
"""Number of edges between two vertices: a symmetric matrix."""


@dataclass(frozen=True, order=True)
class Contraction:
    """
    A contraction of some moments, perhaps with indices left over.

    Attributes
    ----------
    radial : tuple of int
        mu of every moment.
    open_indices : tuple of int
        How many indices of every moment are not contracted.
    edges : tuple of tuple of int
        How many indices two moments share.
    """

    radial: tuple[int, ...]
    open_indices: tuple[int, ...]
    edges: Edges

    @property
    def n_moments(self) -> int:
        """Number of moments: the degree of the contraction as a polynomial."""
        return len(self.radial)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Rank nu of every moment."""
        return tuple(o + sum(row) for o, row in zip(self.open_indices, self.edges, strict=True))

    @property
    def level(self) -> int:
        """Sum of ``2 + 4 mu + nu``."""
        return sum(2 + 4 * mu for mu in self.radial) + sum(self.ranks)

    def canonical(self) -> tuple[Contraction, tuple[int, ...]]:
        """
        Return the same contraction with its moments in a standard order, and that order.

        Returns
        -------
        contraction : Contraction
        order : tuple of int
            Moment k of the result is moment ``order[k]`` of this one.
        """
        return _canonical(self)

    def automorphisms(self) -> tuple[tuple[int, ...], ...]:
        """Return the orders of the moments that leave the contraction as it is."""
        return _automorphisms(self)

    def part(self, vertices: Sequence[int]) -> Contraction:
        """Return what remains of some moments if the edges to all others are cut."""
        inside = set(vertices)
        cut = [
            self.open_indices[v] + sum(n for w, n in enumerate(self.edges[v]) if w not in inside)
            for v in vertices
        ]
        edges = tuple(tuple(self.edges[v][w] for w in vertices) for v in vertices)
        return Contraction(tuple(self.radial[v] for v in vertices), tuple(cut), edges)


Scalar = tuple[Contraction, ...]
"""A product of connected contractions without open indices, in ascending order."""


def scalar_contractions(level: int, max_moments: int) -> list[Scalar]:
    """
    List every scalar contraction up to a level once.

    Parameters
    ----------
    level : int
        2 .. `MAX_LEVEL`; levels of contractions are even.
    max_moments : int
        Largest number of moments in a contraction, one less than its body order.

    Returns
    -------
    list of tuple of Contraction
        By ascending level, then number of moments.

    Raises
    ------
    InputError
        If the level is out of range.
    """
    integer("level", level, low=2, high=MAX_LEVEL)
    if level % 2:
        raise InputError(f"`level` must be even as levels of contractions are, got {level}")
    connected = connected_contractions(level, max_moments)
    scalars = [scalar for scalar in _products(connected, level, max_moments, 0) if scalar]
    return sorted(scalars, key=lambda s: (sum(c.level for c in s), sum(c.n_moments for c in s), s))


@cache
def connected_contractions(level: int, max_moments: int) -> tuple[Contraction, ...]:
    """
    List the connected scalar contractions up to a level, by ascending level.

    Each grows from one with an edge less, or with a vertex of one edge less: every connected
    multigraph does.
    """
    found: set[Contraction] = set()
    waiting = [Contraction((mu,), (0,), ((0,),)) for mu in range((level - 2) // 4 + 1)]
    while waiting:
        contraction = waiting.pop()
        if contraction in found or contraction.level > level:
            continue
        found.add(contraction)
        room = level - contraction.level
        grown = [*_with_edge(contraction)] if room >= 2 else []
        if contraction.n_moments < max_moments:
            for mu in range((room - 4) // 4 + 1):  # the vertex takes 2 + 4 mu, its edge 2
                grown += _with_vertex(contraction, mu)
        waiting += [larger.canonical()[0] for larger in grown]
    return tuple(sorted(found, key=lambda c: (c.level, c.n_moments, c)))


def _with_edge(contraction: Contraction) -> Iterator[Contraction]:
    for v in range(contraction.n_moments):
        for w in range(v):
            edges = [list(row) for row in contraction.edges]
            edges[v][w] += 1
            edges[w][v] += 1
            yield Contraction(
                contraction.radial, contraction.open_indices, tuple(map(tuple, edges))
            )


def _with_vertex(contraction: Contraction, mu: int) -> Iterator[Contraction]:
    n = contraction.n_moments
    for v in range(n):
        edges = [[*row, int(w == v)] for w, row in enumerate(contraction.edges)]
        edges.append([int(w == v) for w in range(n)] + [0])
        yield Contraction(
            (*contraction.radial, mu), (*contraction.open_indices, 0), tuple(map(tuple, edges))
        )


def _products(
    connected: Sequence[Contraction], level: int, max_moments: int, first: int
) -> Iterator[Scalar]:
    """Yield all multisets of connected contractions from `first` on, the empty one included."""
    yield ()
    for k in range(first, len(connected)):
        level_left = level - connected[k].level
        if level_left < 0:
            return
        moments_left = max_moments - connected[k].n_moments
        if moments_left >= 0:
            for rest in _products(connected, level_left, moments_left, k):
                yield (connected[k], *rest)


def _classes(contraction: Contraction) -> list[list[int]]:
    """Sort the vertices into classes that no renumbering mixes, by a refined signature."""
    n = contraction.n_moments
    color: list[int] = [0] * n
    signature: list[tuple] = [
        (contraction.radial[v], contraction.open_indices[v], sum(contraction.edges[v]))
        for v in range(n)
    ]
    while True:
        names = {s: k for k, s in enumerate(sorted(set(signature)))}
        refined = [names[s] for s in signature]
        if len(names) == len(set(color)) and refined == color:
            break
        color = refined
        signature = [
            (color[v], *sorted((contraction.edges[v][w], color[w]) for w in range(n)))
            for v in range(n)
        ]
    by_color = sorted(range(n), key=lambda v: color[v])
    return [list(group) for _, group in groupby(by_color, key=lambda v: color[v])]


def _orders(contraction: Contraction) -> Iterator[tuple[int, ...]]:
    for parts in product(*(permutations(c) for c in _classes(contraction))):
        yield tuple(v for part in parts for v in part)


@cache
def _canonical(contraction: Contraction) -> tuple[Contraction, tuple[int, ...]]:
    order = min(_orders(contraction), key=lambda o: _edges_in(contraction, o))
    return _renumbered(contraction, order), order


@cache
def _automorphisms(contraction: Contraction) -> tuple[tuple[int, ...], ...]:
    identity = tuple(range(contraction.n_moments))
    # orders put classes in one fixed sequence; two that give the same matrix differ by a symmetry
    first = next(_orders(contraction))
    own = _edges_in(contraction, first)
    place = {v: k for k, v in enumerate(first)}
    found = [
        tuple(order[place[v]] for v in identity)
        for order in _orders(contraction)
        if _edges_in(contraction, order) == own
    ]
    return tuple(sorted(found))


def _edges_in(contraction: Contraction, order: Sequence[int]) -> Edges:
    return tuple(tuple(contraction.edges[v][w] for w in order) for v in order)


def _renumbered(contraction: Contraction, order: Sequence[int]) -> Contraction:
    return Contraction(
        tuple(contraction.radial[v] for v in order),
        tuple(contraction.open_indices[v] for v in order),
        _edges_in(contraction, order),
    )
