"""
Bispectrum components of densities on the sphere in four dimensions, as bilinear programs.

The densities ``A[j, l, m] = sum_k f(r_k) sin^l t_k C^(l+1)_(2j-l)(cos t_k) Y_lm`` become matrix
elements ``u_j[m, m']`` of rotations by the angle 2 t around the direction of the neighbor, by a
linear map; two of them are coupled to a third by Clebsch-Gordan coefficients of both indices,

    ``T(1, 2, 3) = 1/(2 j3 + 1) sum conj(u_3[m, m']) sum C_m C_m' u_1 u_2``,

symmetric in its three factors. Angular momenta j are whole numbers here, twice their values. Half
of the matrix elements are nodes, real and imaginary parts: ``u[-m, -m']`` is ``conj u[m, m']`` up
to the sign ``(-1)^(m - m')``.

References
----------
Bartok et al., Phys. Rev. B 87, 184115 (2013), eq. 21-31; Thompson et al., J. Comput. Phys. 285, 316
(2015), eq. 4-6; Cusentino et al., J. Phys. Chem. A 124, 5456 (2020), eq. 6 (of several species);
Varshalovich et al., Quantum Theory of Angular Momentum (1988), section 4.5 (the linear map).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import combinations_with_replacement
from math import factorial, sqrt

import numpy as np
from numpy.typing import NDArray

from linpot.basis.clebsch_gordan import half_clebsch_gordan, real_from_complex
from linpot.basis.program import Program

Factor = tuple[int, int]
"""j (twice the angular momentum) and kind of density."""
Triple = tuple[Factor, Factor, Factor]
Term = tuple[int, int, int, float]
"""Target, left and right node, coefficient."""

_ROUNDING = 1e-13  # coefficients below this are sums of Clebsch-Gordan products that cancel


def bispectrum_triples(highest: int, n_kinds: int) -> list[Triple]:
    """
    List the distinct components, factors ascending.

    Parameters
    ----------
    highest : int
        2J.
    n_kinds : int
        Kinds of densities: one, or one per neighbor species.
    """
    factors = [(j, kind) for j in range(highest + 1) for kind in range(n_kinds)]
    return [
        (a, b, c)
        for a, b, c in combinations_with_replacement(factors, 3)
        if c[0] <= a[0] + b[0] and (a[0] + b[0] + c[0]) % 2 == 0
    ]


def density_norm(j: int, l: int) -> float:
    """
    Return the factor of the densities (j, l) in matrix elements of j.

    ``(2 l + 1)/(j + 1) chi / (sin^l C)`` of the generalized character chi, over ``sqrt(2 l + 1)``
    of our harmonics.
    """
    ratio = factorial(j - l) / factorial(j + l + 1)
    return sqrt((2 * l + 1) * (j + 1) * ratio) * 2**l * factorial(l) / (j + 1)


def radial_index(highest: int, j: int, l: int) -> int:
    """Return the index q of the radial function of (j, l), as `fill_hyperspherical` counts."""
    return l * (highest + 1) - l * (l - 1) // 2 + j - l


@lru_cache(maxsize=8)
def bispectrum_program(
    highest: int, weights: tuple[tuple[float, ...], ...], square: bool
) -> Program:
    """
    Build the program of all components, without self terms: see `with_self_terms`.

    Parameters
    ----------
    highest : int
        2J.
    weights : float[n_kinds][n_species]
        Of every neighbor species in every kind of density.
    square : bool
        Products of two components as well, by rows of the upper triangle.

    Returns
    -------
    Program
    """
    n_kinds, elements = len(weights), _MatrixElements(highest, len(weights))
    triples = bispectrum_triples(highest, n_kinds)
    coupled = _CoupledPairs(elements)
    outer: list[list[Term]] = []
    for triple in triples:
        pair, last = _split(triple)
        outer.append(coupled.contract(*pair, last))
    first = coupled.next_node
    terms = elements.terms + coupled.terms
    for k, component in enumerate(outer):
        terms += [(first + k, 0, 0, 0.0)]  # the place of its value for an isolated atom
        terms += [(first + k, left, right, c) for _, left, right, c in component]
    target, left, right = np.array([t[:3] for t in terms], dtype=np.int64).T
    n_linear = len(triples)
    leaves = [(first + k, 0) for k in range(n_linear)]
    factors = [list(triple) for triple in triples]
    if square:
        for a, b in combinations_with_replacement(range(n_linear), 2):
            leaves.append((first + a, first + b))
            factors.append([*triples[a], *triples[b]])
    rows = np.full((len(factors), 6 if square else 3, 3), -1, dtype=np.int64)
    for row, own in zip(rows, factors, strict=True):
        row[: len(own)] = [(kind, 0, j) for j, kind in own]
    shells = [
        (l, j, kind)
        for l in range(highest + 1)
        for j in range(l, highest + 1)
        for kind in range(n_kinds)
    ]
    n = len(leaves)
    return Program(
        channel_radial=np.array(
            [radial_index(highest, j, l) for l, j, _ in shells], dtype=np.int64
        ),
        channel_angular=np.array([l * l for l, _, _ in shells], dtype=np.int64),
        channel_size=np.array([2 * l + 1 for l, _, _ in shells], dtype=np.int64),
        channel_start=np.array([elements.start[shell] for shell in shells], dtype=np.int64),
        channel_weights=np.array(
            [[weights[kind][z] for _, _, kind in shells] for z in range(len(weights[0]))]
        ),
        density_constants=np.zeros(elements.n_densities),
        term_target=np.ascontiguousarray(target),
        term_left=np.ascontiguousarray(left),
        term_right=np.ascontiguousarray(right),
        term_coefficient=np.array([t[3] for t in terms]),
        n_nodes=first + n_linear,
        leaf_left=np.array([a for a, _ in leaves], dtype=np.int64),
        leaf_right=np.array([b for _, b in leaves], dtype=np.int64),
        feature_offsets=np.arange(n + 1, dtype=np.int64),
        feature_leaf=np.arange(n, dtype=np.int64),
        feature_coefficient=np.ones(n),
        factors=rows,
    )


def with_self_terms(
    program: Program, highest: int, own_kinds: tuple[int, ...], n_kinds: int
) -> Program:
    """
    Add the centre to its densities, and take the components of an isolated atom off.

    Parameters
    ----------
    program : Program
        Of `bispectrum_program`.
    highest : int
        2J.
    own_kinds : tuple of int
        Kinds of densities that count the centre.
    n_kinds : int

    Returns
    -------
    Program
        Its features vanish for an isolated atom.
    """
    elements = _MatrixElements(highest, n_kinds)
    constants, coefficients = program.density_constants.copy(), program.term_coefficient.copy()
    for kind in own_kinds:
        for j in range(highest + 1):
            constants[elements.start[0, j, kind] - 1] = j + 1.0  # C^1_j(1): a neighbor at r = 0
    places = np.flatnonzero((program.term_left == 0) & (program.term_right == 0))
    for place, triple in zip(places, bispectrum_triples(highest, n_kinds), strict=True):
        coefficients[place] = -1.0 if all(kind in own_kinds for _, kind in triple) else 0.0
    return replace(program, density_constants=constants, term_coefficient=coefficients)


def _split(triple: Triple) -> tuple[tuple[Factor, Factor], Factor]:
    """Choose which two factors are coupled: equal ones take half the products."""
    a, b, c = triple
    return ((b, c), a) if b == c and a != b else ((a, b), c)


class _MatrixElements:
    """
    Nodes of densities and of matrix elements.

    Attributes
    ----------
    start : dict of (l, j, kind) to int
        Node of the density m = -l.
    n_densities, next_node : int
    terms : list of Term
        The linear map.
    """

    def __init__(self, highest: int, n_kinds: int) -> None:
        self.start: dict[tuple[int, int, int], int] = {}
        node = 1
        for l in range(highest + 1):
            for j in range(l, highest + 1):
                for kind in range(n_kinds):
                    self.start[l, j, kind] = node
                    node += 2 * l + 1
        self.n_densities = node - 1
        self._place: dict[tuple[int, int, int, int], tuple[int, int]] = {}
        self.terms: list[Term] = []
        for j in range(highest + 1):
            for kind in range(n_kinds):
                for m, k in half_of(j):
                    is_real = m == k == 0
                    self._place[j, kind, m, k] = (node, 0 if is_real else node + 1)
                    self._map(j, kind, m, k, node)
                    node += 1 if is_real else 2
        # terms that share a density follow each other
        self.terms.sort(key=lambda term: (term[1], term[0]))
        self.next_node = node

    def _map(self, j: int, kind: int, m: int, k: int, node: int) -> None:
        """Add ``u_j[m, k] = sum_l norm (-i)^l <j k l (m - k) | j m> conj A[j, l, m - k]``."""
        order = (m - k) // 2
        for l in range(abs(order), j + 1):
            factor = density_norm(j, l) * half_clebsch_gordan(j, k, 2 * l, m - k, j, m)
            for a in {-order, order}:
                value = factor * (-1j) ** l * real_from_complex(l)[l + a, l + order]
                density = self.start[l, j, kind] + l + a
                for part, coefficient in ((0, value.real), (1, value.imag)):
                    if abs(coefficient) > _ROUNDING:
                        self.terms.append((node + part, density, 0, float(coefficient)))

    def parts(self, factor: Factor, m: int, k: int) -> tuple[tuple[int, float], tuple[int, float]]:
        """Return node and sign of the real and the imaginary part; sign 0 for a part that is 0."""
        j, kind = factor
        sign = imaginary = 1.0
        if (j, kind, m, k) not in self._place:
            sign = -1.0 if (m - k) // 2 % 2 else 1.0
            m, k, imaginary = -m, -k, -1.0
        real, other = self._place[j, kind, m, k]
        return (real, sign), (other, sign * imaginary if other else 0.0)


def half_of(j: int) -> Iterator[tuple[int, int]]:
    """Yield (m, m'), twice their values, of which the others are conjugates up to a sign."""
    for k in range(-j, 1, 2):
        for m in range(-j, j + 1, 2):
            if k < 0 or m <= 0:
                yield m, k


class _CoupledPairs:
    """
    Pairs of matrix elements coupled to a third angular momentum; components share them.

    Attributes
    ----------
    terms : list of Term
    next_node : int
    """

    def __init__(self, elements: _MatrixElements) -> None:
        self._elements = elements
        self._known: dict[tuple[Factor, Factor, int], dict[tuple[int, int], int]] = {}
        self.terms: list[Term] = []
        self.next_node = elements.next_node

    def contract(self, a: Factor, b: Factor, last: Factor) -> list[Term]:
        """Return the products of a coupled pair with a third factor; targets are left open."""
        nodes = self._couple(a, b, last[0])
        terms: list[Term] = []
        for (m, k), node in nodes.items():
            weight = (1.0 if m == k == 0 else 2.0) / (last[0] + 1)
            for part, (other, sign) in enumerate(self._elements.parts(last, m, k)):
                if sign:
                    terms.append((-1, node + part, other, weight * sign))
        return terms

    def _couple(self, a: Factor, b: Factor, j: int) -> dict[tuple[int, int], int]:
        """Return the nodes of the real parts; imaginary ones follow, but at (0, 0)."""
        key = (a, b, j)
        if key in self._known:
            return self._known[key]
        nodes: dict[tuple[int, int], int] = {}
        own: list[Term] = []
        for m, k in half_of(j):
            nodes[m, k] = self.next_node
            sums: tuple[dict[tuple[int, int], float], ...] = ({}, {})
            for m1, c in _couplings(a[0], b[0], j, m):
                for k1, d in _couplings(a[0], b[0], j, k):
                    first = self._elements.parts(a, m1, k1)
                    second = self._elements.parts(b, m - m1, k - k1)
                    for p, (x, sign) in enumerate(first):
                        for q, (y, other) in enumerate(second):
                            value = c * d * sign * other * (-1.0 if p and q else 1.0)
                            if value:
                                pair, total = (min(x, y), max(x, y)), sums[(p + q) % 2]
                                total[pair] = total.get(pair, 0.0) + value
            for part, total in enumerate(sums[: 1 if m == k == 0 else 2]):
                own += [
                    (nodes[m, k] + part, x, y, value)
                    for (x, y), value in total.items()
                    if abs(value) > _ROUNDING
                ]
                self.next_node += 1
        self.terms += sorted(own, key=lambda term: (term[1], term[2], term[0]))
        self._known[key] = nodes
        return nodes


@lru_cache(maxsize=4096)
def _couplings(j1: int, j2: int, j: int, m: int) -> tuple[tuple[int, float], ...]:
    """Return m1 and ``<j1 m1 j2 (m - m1) | j m>`` of all that contribute."""
    return tuple(
        (m1, half_clebsch_gordan(j1, m1, j2, m - m1, j, m))
        for m1 in range(max(-j1, m - j2), min(j1, m + j2) + 1, 2)
    )


def sorted_triple(factors: NDArray[np.int64] | list[Factor]) -> Triple:
    """Return a component's factors in the order of `bispectrum_triples`."""
    a, b, c = sorted((int(j), int(kind)) for j, kind in factors)
    return a, b, c
