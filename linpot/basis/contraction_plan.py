"""
How contractions of moments are evaluated: products of two, with shared intermediates.

A contraction of several moments is cut into two connected parts; each part is a tensor whose open
indices are summed with those of the other, ``T[p] += multiplicity A[p'] B[p'']``. Components of a
tensor are monomials, one per moment, so that indices of one moment commute; components that a
symmetry of the contraction exchanges are one. Of all cuts that with the fewest new terms is taken:
intermediates that exist already cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product

from linpot.basis.contractions import Contraction
from linpot.basis.unit_moments import Monomial, monomials, multinomial

Component = tuple[Monomial, ...]
"""Monomials of the open indices of every moment."""
Node = tuple[Contraction, Component]
"""A component of a contraction, both in standard order."""
Sum = dict[tuple[Node, Node], int]
"""Products of two nodes with their multiplicities."""
Part = tuple[int, ...]
"""Some moments of a contraction."""


class ContractionPlan:
    """
    Plans contractions one after the other, using again what is there.

    Attributes
    ----------
    sums : dict of Node to Sum
        Terms of every node that is needed, each after those it is made of. Components of single
        moments are not among them.
    """

    def __init__(self) -> None:
        self.sums: dict[Node, Sum] = {}
        self._cuts: dict[Contraction, tuple[Part, Part]] = {}

    def add(self, contraction: Contraction) -> Sum:
        """
        Plan a scalar contraction.

        Parameters
        ----------
        contraction : Contraction
            In standard order, connected, without open indices, of two moments or more.

        Returns
        -------
        Sum
            Its terms, whose nodes are planned; it is not a node itself.
        """
        self._settle(contraction)
        terms = _terms(contraction, self._cuts[contraction], scalar_component(contraction))
        for pair in terms:
            for node in pair:
                self._need(node)
        return terms

    def add_node(self, contraction: Contraction) -> Node:
        """Plan a scalar contraction that is to be a node; see `add`."""
        node = (contraction, scalar_component(contraction))
        if contraction.n_moments > 1:
            self._settle(contraction)
        self._need(node)
        return node

    def _need(self, node: Node) -> None:
        contraction, component = node
        if contraction.n_moments == 1 or node in self.sums:
            return
        terms = _terms(contraction, self._cuts[contraction], component)
        for pair in terms:
            for factor in pair:
                self._need(factor)
        self.sums[node] = terms

    def _settle(self, contraction: Contraction) -> None:
        """Choose the cut of a contraction and of all parts that it brings."""
        if contraction.n_moments == 1 or contraction in self._cuts:
            return
        cut = min(_cuts(contraction), key=lambda c: self._cost(contraction, c))
        self._cuts[contraction] = cut
        for part in cut:
            self._settle(_part(contraction, part)[0])

    def _cost(self, contraction: Contraction, cut: tuple[Part, Part]) -> int:
        parts = {_part(contraction, part)[0] for part in cut}
        return _n_terms(contraction, cut) + sum(map(self._new_terms, parts))

    def _new_terms(self, contraction: Contraction) -> int:
        if contraction.n_moments == 1 or contraction in self._cuts:
            return 0
        return min(self._cost(contraction, cut) for cut in _cuts(contraction))


def scalar_component(contraction: Contraction) -> Component:
    """Return the one component of a contraction without open indices."""
    return ((0, 0, 0),) * contraction.n_moments


@cache
def _cuts(contraction: Contraction) -> tuple[tuple[Part, Part], ...]:
    """List the ways to cut a contraction into two connected parts."""
    everything = range(contraction.n_moments)
    found = []
    for size in range(1, contraction.n_moments // 2 + 1):
        for left in combinations(everything, size):
            right = tuple(v for v in everything if v not in left)
            if len(left) == len(right) and left > right:
                continue
            if _is_connected(contraction, left) and _is_connected(contraction, right):
                found.append((left, right))
    return tuple(found)


def _is_connected(contraction: Contraction, part: Part) -> bool:
    reached, waiting = {part[0]}, [part[0]]
    while waiting:
        v = waiting.pop()
        new = [w for w in part if contraction.edges[v][w] and w not in reached]
        reached.update(new)
        waiting += new
    return len(reached) == len(part)


@cache
def _part(contraction: Contraction, part: Part) -> tuple[Contraction, tuple[int, ...]]:
    """Return a part in standard order, and which moment of the whole is each of its moments."""
    cut, order = contraction.part(part).canonical()
    return cut, tuple(part[k] for k in order)


@cache
def _n_terms(contraction: Contraction, cut: tuple[Part, Part]) -> int:
    return sum(len(_terms(contraction, cut, p)) for p in _components(contraction))


def _components(contraction: Contraction) -> Iterator[Component]:
    """Yield the components of a contraction, one of those that a symmetry exchanges."""
    for component in product(*map(monomials, contraction.open_indices)):
        if component == _standard(contraction, component):
            yield component


def _standard(contraction: Contraction, component: Component) -> Component:
    symmetries = contraction.automorphisms()
    if len(symmetries) == 1:
        return component
    return min(tuple(component[v] for v in order) for order in symmetries)


def _terms(contraction: Contraction, cut: tuple[Part, Part], component: Component) -> Sum:
    """Write one component of a contraction as a sum of products of components of two parts."""
    parts = [_part(contraction, part) for part in cut]
    crossing = [(v, w) for v in cut[0] for w in cut[1] if contraction.edges[v][w]]
    terms: Sum = {}
    for shared in product(*(monomials(contraction.edges[v][w]) for v, w in crossing)):
        indices = [list(monomial) for monomial in component]
        multiplicity = 1
        for (v, w), monomial in zip(crossing, shared, strict=True):
            multiplicity *= multinomial(monomial)
            for axis in range(3):
                indices[v][axis] += monomial[axis]
                indices[w][axis] += monomial[axis]
        a, b = (
            (part, _standard(part, tuple((x, y, z) for x, y, z in (indices[v] for v in order))))
            for part, order in parts
        )
        pair = (a, b) if a <= b else (b, a)
        terms[pair] = terms.get(pair, 0) + multiplicity
    return terms
