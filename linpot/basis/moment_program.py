"""
Sums of products of moment tensors as bilinear programs.

The moments are ``M_mu[a, b, c] = sum_j f_mu(r_ij) x^a y^b z^c`` with (x, y, z) the unit vector from
i to j; all neighbor species share a density, whose radial functions differ between them. A moment
is a sum of densities, a node with a term for each, but for ranks 0 and 1, which are densities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.basis.program import Program
from linpot.basis.unit_moments import Monomial, monomial_expansion, monomials

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scaled:
    """
    A node and the factor by which it has to be multiplied.

    Attributes
    ----------
    node : int
    factor : float
    """

    node: int
    factor: float = 1.0


ONE = Scaled(0)
"""The constant."""

Terms = Sequence[tuple[Scaled, Scaled, float]]
"""Products of two with coefficients."""


class MomentProgram:
    """
    Builds a program node by node.

    Parameters
    ----------
    ranks : sequence of int
        Largest rank nu of the moments of every mu; -1 where there are none.
    """

    def __init__(self, ranks: Sequence[int]) -> None:
        self._radial = [mu for mu, rank in enumerate(ranks) if rank >= 0]
        # channels that share angular functions follow each other, the wider first
        self._radial.sort(key=lambda mu: (-ranks[mu], mu))
        self._sizes = [(ranks[mu] + 1) ** 2 for mu in self._radial]
        starts = 1 + np.cumsum([0, *self._sizes])
        self._starts = dict(zip(self._radial, starts.tolist(), strict=False))
        self._n_densities = sum(self._sizes)
        self.n_nodes = 1 + self._n_densities
        self._terms: list[tuple[int, int, int, float]] = []  # target, left, right, coefficient
        self._moments: dict[tuple[int, Monomial], Scaled] = {}
        self._leaves: dict[tuple[int, int], int] = {}
        self._features: list[dict[int, float]] = []
        self._factors: list[tuple[tuple[int, int], ...]] = []

    def moment(self, mu: int, monomial: Monomial) -> Scaled:
        """Return a component of a moment; its node is made when it is first asked for."""
        key = (mu, monomial)
        if key not in self._moments:
            self._moments[key] = self._new_moment(mu, monomial)
        return self._moments[key]

    def _new_moment(self, mu: int, monomial: Monomial) -> Scaled:
        rank = sum(monomial)
        row = monomial_expansion(rank)[monomials(rank).index(monomial)]
        used = np.flatnonzero(row)
        start = self._starts[mu]
        if len(used) == 1:
            return Scaled(start + int(used[0]), float(row[used[0]]))
        return self.node([(ONE, Scaled(start + int(a)), float(row[a])) for a in used])

    def node(self, terms: Terms) -> Scaled:
        """Add a node that is a sum of products."""
        target = self.n_nodes
        self.n_nodes += 1
        for a, b, coefficient in terms:
            self._terms.append((target, a.node, b.node, coefficient * a.factor * b.factor))
        return Scaled(target)

    def feature(self, terms: Terms, factors: Sequence[tuple[int, int]]) -> None:
        """
        Add a feature that is a sum of products.

        Parameters
        ----------
        terms : sequence of (Scaled, Scaled, float)
        factors : sequence of (mu, nu)
            Moments that are multiplied.
        """
        entries: dict[int, float] = {}
        for a, b, coefficient in terms:
            pair = (min(a.node, b.node), max(a.node, b.node))
            leaf = self._leaves.setdefault(pair, len(self._leaves))
            entries[leaf] = entries.get(leaf, 0.0) + coefficient * a.factor * b.factor
        self._features.append(entries)
        self._factors.append(tuple(factors))

    def build(self, n_species: int) -> Program:
        """
        Return the program.

        Parameters
        ----------
        n_species : int
            Of neighbors; all of them see all densities.

        Returns
        -------
        Program
        """
        sizes = np.array(self._sizes, dtype=np.int64)
        terms = np.array([t[:3] for t in self._terms], dtype=np.int64).reshape(-1, 3)
        terms, order = _staged(terms, self.n_nodes)
        leaves = np.array(list(self._leaves), dtype=np.int64).reshape(-1, 2)
        entries = [sorted(feature.items()) for feature in self._features]
        widest = max((len(f) for f in self._factors), default=1)
        factors = np.full((len(entries), widest, 3), -1, dtype=np.int64)
        for f, own in enumerate(self._factors):
            for k, (mu, nu) in enumerate(own):
                factors[f, k] = 0, mu, nu
        return Program(
            channel_radial=np.array(self._radial, dtype=np.int64),
            channel_angular=np.zeros(len(sizes), dtype=np.int64),
            channel_size=sizes,
            channel_start=1 + np.cumsum(sizes) - sizes,
            channel_weights=np.ones((n_species, len(sizes))),
            density_constants=np.zeros(self._n_densities),
            term_target=np.ascontiguousarray(terms[:, 0]),
            term_left=np.ascontiguousarray(terms[:, 1]),
            term_right=np.ascontiguousarray(terms[:, 2]),
            term_coefficient=np.array([t[3] for t in self._terms])[order],
            n_nodes=self.n_nodes,
            leaf_left=np.ascontiguousarray(leaves[:, 0]),
            leaf_right=np.ascontiguousarray(leaves[:, 1]),
            feature_offsets=np.cumsum([0, *map(len, entries)]).astype(np.int64),
            feature_leaf=np.array([leaf for own in entries for leaf, _ in own], dtype=np.int64),
            feature_coefficient=np.array([c for own in entries for _, c in own], dtype=np.float64),
            factors=factors,
        )


def _staged(terms: Ints, n_nodes: int) -> tuple[Ints, Ints]:
    """
    Order terms by stages, whose targets depend on nodes of earlier stages only.

    Inside a stage, terms that share a factor follow one another, so that kernels load it once; of
    the two factors, the one with more terms in the stage is the left one.

    Returns
    -------
    terms : int64[n_terms, 3]
    order : int64[n_terms]
        Of the terms given.
    """
    stage = np.zeros(n_nodes, dtype=np.int64)
    for target, left, right in terms.tolist():  # factors come before their products
        stage[target] = max(stage[target], stage[left] + 1, stage[right] + 1)
    own = stage[terms[:, 0]]
    terms = terms.copy()
    for k in range(1, int(own.max(initial=0)) + 1):
        mine = np.flatnonzero(own == k)
        uses = np.bincount(terms[mine, 1:].ravel(), minlength=n_nodes)
        uses[0] = 0
        swapped = mine[uses[terms[mine, 2]] > uses[terms[mine, 1]]]
        terms[swapped, 1:] = terms[swapped, 2:0:-1]
    order = np.lexsort((terms[:, 0], terms[:, 2], terms[:, 1], own))
    return terms[order], order


def mixed_ranks(moments: Mapping[int, int]) -> list[int]:
    """Return the largest rank of every mu from 0 on, -1 where there is none."""
    return [moments.get(mu, -1) for mu in range(max(moments) + 1)]
