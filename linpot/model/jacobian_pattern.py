"""The static sparsity of d(features)/d(densities), compiled once per program."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from linpot.basis.program import Program

_WORTHWHILE = 2.0  # a sweep must save half of the operations: it has entries of its own

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JacobianPattern:
    """
    Operations that differentiate a program by its densities.

    Nodes own one entry per density they depend on, every feature one row entry; sweeps back have
    entries of their own. An operation adds ``coefficient * node * entry[source]`` to its target.

    Attributes
    ----------
    node_ops : tuple of (target, node, source, coefficient)
        Targets are entries.
    feature_ops : tuple of (offsets, target, node, source, coefficient)
        Operations of feature f are ``offsets[f]:offsets[f + 1]``; targets count inside its row and
        appear first in ascending order.
    uses : tuple of (offsets, entry, density)
        Row entries of feature f that see neighbors of species z, and their densities:
        ``offsets[f * n_species + z]`` to the next.
    n_entries : int
        Of all nodes and sweeps.
    widest : int
        Entries of the longest feature row.
    """

    node_ops: tuple[Ints, Ints, Ints, Floats]
    feature_ops: tuple[Ints, Ints, Ints, Ints, Floats]
    uses: tuple[Ints, Ints, Ints]
    n_entries: int
    widest: int


@lru_cache(maxsize=16)
def compile_jacobian(program: Program) -> JacobianPattern:
    """
    Find the sparsity pattern of a program's Jacobian; once for species that share a program.

    Parameters
    ----------
    program : Program

    Returns
    -------
    JacobianPattern
    """
    nodes = _NodeEntries(program)
    ops: list[tuple[int, int, int]] = []
    coefficients: list[float] = []
    offsets, rows = [0], []
    left, right = program.leaf_left.tolist(), program.leaf_right.tolist()
    leaf, coefficient = program.feature_leaf.tolist(), program.feature_coefficient.tolist()
    starts = program.feature_offsets.tolist()
    for f in range(program.n_features):
        row: dict[int, int] = {}  # density -> place in the row
        for e in range(starts[f], starts[f + 1]):
            a, b = left[leaf[e]], right[leaf[e]]
            for factor, other in ((a, b), (b, a)):
                for density, source in nodes.entries[factor].items():
                    ops.append((row.setdefault(density, len(row)), other, source))
                    coefficients.append(coefficient[e])
        offsets.append(len(ops))
        rows.append(list(row))
    target, node, source = _columns(ops)
    return JacobianPattern(
        node_ops=(*_columns(nodes.ops), np.array(nodes.coefficients, dtype=np.float64)),
        feature_ops=(
            np.array(offsets, dtype=np.int64),
            target,
            node,
            source,
            np.array(coefficients, dtype=np.float64),
        ),
        uses=_uses(program, rows),
        n_entries=nodes.count,
        widest=max((len(row) for row in rows), default=1),
    )


class _NodeEntries:
    """
    Which densities the nodes of leaves depend on, and the operations that differentiate them.

    A node is differentiated forward, from the entries of its factors, or by a sweep back through
    all nodes below it, whatever takes fewer operations: products of a few densities go forward,
    deep sums of products (SNAP, MTP) go back. Either is a list of the same operations: a sweep has
    an entry for the derivative of its node by each node below.
    """

    def __init__(self, program: Program) -> None:
        self.entries: list[dict[int, int]] = [{} for _ in range(program.n_nodes)]
        self.ops: list[tuple[int, int, int]] = []
        self.coefficients: list[float] = []
        self.count = self._n_densities = program.n_densities
        for k in range(program.n_densities):
            self.entries[1 + k][k] = k
        self._terms: dict[int, list[tuple[int, int, float]]] = {}
        for t, a, b, c in zip(
            program.term_target.tolist(),
            program.term_left.tolist(),
            program.term_right.tolist(),
            program.term_coefficient.tolist(),
            strict=True,
        ):
            self._terms.setdefault(t, []).append((a, b, c))
        order = _by_completion(program)
        self._rank = {t: rank for rank, t in enumerate(order)}
        goes_back = self._choose(program, order)
        for t in order:
            if t in goes_back:
                (self._go_back if goes_back[t] else self._go_forward)(t)

    def _choose(self, program: Program, order: list[int]) -> dict[int, bool]:
        """Return the nodes whose entries are needed, and whether they are found by a sweep."""
        support = [0] * program.n_nodes  # bit k: density k
        for k in range(program.n_densities):
            support[1 + k] = 1 << k
        for t in order:
            for a, b, _ in self._terms[t]:
                support[t] |= support[a] | support[b]
        width = [mask.bit_count() for mask in support]
        needed = set(program.leaf_left.tolist()) | set(program.leaf_right.tolist())
        factors = {t: {n for a, b, _ in self._terms[t] for n in (a, b)} for t in order}
        users = Counter(node for t in order for node in factors[t])
        forward: dict[int, float] = {}  # operations; those of factors are shared by all their users
        for t in order:
            forward[t] = sum(width[a] + width[b] for a, b, _ in self._terms[t])
            forward[t] += sum(forward.get(node, 0.0) / users[node] for node in factors[t])
        chosen: dict[int, bool] = {}
        for t in reversed(order):
            if t in needed:
                # a sweep has two operations for each term of the node already
                chosen[t] = forward[t] > 2 * _WORTHWHILE * len(self._terms[t]) and (
                    forward[t] > _WORTHWHILE * self._sweep(t)
                )
                needed.update(() if chosen[t] else factors[t])
        return chosen

    def _sweep(self, t: int) -> int:
        """Count the operations of a sweep."""
        return sum((a != 0) + (b != 0) for u in self._below(t) for a, b, _ in self._terms[u])

    def _below(self, t: int) -> list[int]:
        """List a product node and the product nodes under it."""
        found, waiting = {t}, [t]
        while waiting:
            for a, b, _ in self._terms[waiting.pop()]:
                for node in (a, b):
                    if node in self._terms and node not in found:
                        found.add(node)
                        waiting.append(node)
        return list(found)

    def _go_forward(self, t: int) -> None:
        for a, b, c in self._terms[t]:
            for factor, other in ((a, b), (b, a)):
                for density, source in self.entries[factor].items():
                    if density not in self.entries[t]:
                        self.entries[t][density] = self.count
                        self.count += 1
                    self._add(self.entries[t][density], other, source, c)

    def _go_back(self, t: int) -> None:
        place = {t: self.count}
        self._add(self.count, 0, 0, 1.0)  # node 0 and the entry of the first density are 1
        self.count += 1
        for node in sorted(self._below(t), key=self._rank.__getitem__, reverse=True):
            for a, b, c in self._terms[node]:
                for factor, other in ((a, b), (b, a)):
                    if factor == 0:
                        continue
                    if factor not in place:
                        place[factor] = self.count
                        self.count += 1
                    self._add(place[factor], other, place[node], c)
        self.entries[t] = {
            node - 1: place[node] for node in sorted(place) if node <= self._n_densities
        }

    def _add(self, target: int, node: int, source: int, coefficient: float) -> None:
        self.ops.append((target, node, source))
        self.coefficients.append(coefficient)


def _by_completion(program: Program) -> list[int]:
    """List the product nodes in the order in which their last terms are added."""
    last = np.full(program.n_nodes, -1, dtype=np.int64)
    np.maximum.at(last, program.term_target, np.arange(len(program.term_target)))
    products = np.unique(program.term_target)
    return [int(t) for t in products[np.argsort(last[products], kind="stable")]]


def _uses(program: Program, rows: list[list[int]]) -> tuple[Ints, Ints, Ints]:
    """Sort the entries of every feature's row by the neighbor species that they see."""
    sees = np.zeros((len(program.channel_weights), program.n_densities), dtype=bool)
    for c, start in enumerate(program.channel_start - 1):
        seen = program.channel_weights[:, c] != 0.0
        sees[seen, start : start + program.channel_size[c]] = True
    offsets: list[int] = [0]
    places: list[NDArray[np.int64]] = []
    densities: list[NDArray[np.int64]] = []
    for row in rows:
        own = np.array(row, dtype=np.int64)
        for species in range(len(sees)):
            used = np.flatnonzero(sees[species, own])
            places.append(used)
            densities.append(own[used])
            offsets.append(offsets[-1] + len(used))
    empty = np.zeros(0, dtype=np.int64)
    return (
        np.array(offsets, dtype=np.int64),
        np.concatenate([empty, *places]),
        np.concatenate([empty, *densities]),
    )


def _columns(ops: list[tuple[int, int, int]]) -> tuple[Ints, Ints, Ints]:
    table = np.array(ops, dtype=np.int64).reshape(-1, 3).T
    return tuple(np.ascontiguousarray(column) for column in table)  # type: ignore[return-value]
