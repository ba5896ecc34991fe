"""The static sparsity of d(features)/d(densities), compiled once per program."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from linpot.basis.program import Program

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JacobianPattern:
    """
    Operations that differentiate a program by its densities.

    Every node owns one entry per density it depends on, every feature one row entry. An operation
    adds ``coefficient * node * entry[source]`` to its target.

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
        Of all nodes.
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
    """Which densities each node depends on, and the operations that differentiate it."""

    def __init__(self, program: Program) -> None:
        self.entries: list[dict[int, int]] = [{} for _ in range(program.n_nodes)]
        self.ops: list[tuple[int, int, int]] = []
        self.coefficients: list[float] = []
        for k in range(program.n_densities):
            self.entries[1 + k][k] = k
        self.count = program.n_densities
        for t, a, b, c in zip(
            program.term_target.tolist(),
            program.term_left.tolist(),
            program.term_right.tolist(),
            program.term_coefficient.tolist(),
            strict=True,
        ):
            for factor, other in ((a, b), (b, a)):
                for density, source in self.entries[factor].items():
                    if density not in self.entries[t]:
                        self.entries[t][density] = self.count
                        self.count += 1
                    self.ops.append((self.entries[t][density], other, source))
                    self.coefficients.append(c)


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
