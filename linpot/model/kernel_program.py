"""One centre species' program as tuples of arrays in the order the kernels expect."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.basis.program import Program
from linpot.kernels.harmonics import harmonic_recurrence
from linpot.model.jacobian_pattern import JacobianPattern, compile_jacobian

WIDEST_GROUP = 3
"""Angular functions that the way back contracts together."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class KernelProgram:
    """
    A program prepared for the kernels.

    Parameters
    ----------
    program : Program
    parameters : float64[n_species, n]
        Of the radial functions with each neighbor species.
    recurrence : float64[n_species, >= n_radial, 3], optional
        As in `linpot.kernels.radial.fill_radial`.
    table : float64[n_species, n_nodes, 2, >= n_radial], optional
        As in `linpot.kernels.tables.fill_from_table`, in place of a recurrence. Without either,
        radial functions are those of `linpot.kernels.hyperspherical.fill_hyperspherical`.
    embedding : float64[n], optional
        As in `linpot.kernels.embedding.embed`, of the features as densities.

    Attributes
    ----------
    arrays : tuple
        `program` of `linpot.kernels.engine.evaluate_blocks`.
    leaves : tuple
        As in `linpot.kernels.products.pull_back_leaves`.
    readout : tuple
        As in `linpot.kernels.products.feature`.
    embedding : float64[n] or None
    """

    def __init__(
        self,
        program: Program,
        parameters: Floats,
        recurrence: Floats | None = None,
        table: Floats | None = None,
        embedding: Floats | None = None,
    ) -> None:
        self._program = program
        self.embedding = embedding
        n_species = len(parameters)
        by_radial = np.argsort(program.channel_radial, kind="stable")
        # neighbor species, channel: those that see the species, by ascending radial function
        seen = [
            (z, c) for z in range(n_species) for c in by_radial if program.channel_weights[z, c]
        ]
        species = np.array([z for z, _ in seen], dtype=np.int64)
        channel = np.array([c for _, c in seen], dtype=np.int64)
        offsets = np.searchsorted(species, np.arange(n_species + 1)).astype(np.int64)
        radials = (
            np.ascontiguousarray(parameters),
            None if recurrence is None else np.ascontiguousarray(recurrence[:, : program.n_radial]),
            harmonic_recurrence(program.l_max),
            table,
        )
        channels = (
            offsets,
            program.channel_radial[channel],
            program.channel_weights[species, channel],
            program.channel_start[channel],
            program.channel_angular[channel],
            program.channel_size[channel],
        )
        left, term_offsets = _runs(program.term_left)
        products = (
            left,
            term_offsets,
            program.term_target,
            program.term_right,
            program.term_coefficient,
            program.n_nodes,
        )
        groups = _angular_groups(channels, (program.l_max + 1) ** 2)
        self.arrays: tuple[Any, ...] = (
            radials,
            channels,
            groups,
            program.density_constants,
            products,
        )
        self.leaves, self._order = _grouped(program.leaf_left, program.leaf_right)
        self.readout = (
            program.feature_offsets,
            program.leaf_left[program.feature_leaf],
            program.leaf_right[program.feature_leaf],
            program.feature_coefficient,
        )

    def with_table(self, table: Floats) -> KernelProgram:
        """Return the same program with other radial functions, tabulated at the same places."""
        other = copy(self)
        radials, *rest = self.arrays
        other.arrays = ((*radials[:3], table), *rest)
        return other

    def leaf_weights(self, coefficients: Floats) -> Floats:
        """Fold coefficients float64[n_outputs, n_features] into leaves, in kernel order."""
        return np.ascontiguousarray(self._program.leaf_weights(coefficients)[:, self._order])

    @cached_property
    def pattern(self) -> JacobianPattern:
        """Compiled when rows are first asked for."""
        return compile_jacobian(self._program)


def _grouped(left: Ints, right: Ints) -> tuple[tuple[Ints, Ints, Ints, Ints], Ints]:
    """
    Order leaves for `pull_back_leaves`, each under that node of its two that has more leaves.

    Returns
    -------
    leaves : tuple of (fours, twos, ones, right)
    order : int64[n_leaves]
    """
    degree = np.bincount(np.concatenate([left, right]))
    swapped = degree[right] > degree[left]
    shared, other = np.where(swapped, right, left), np.where(swapped, left, right)
    order = np.lexsort((other, shared))
    _, ends = _runs(shared[order])
    lengths = np.diff(ends)
    inside = np.arange(len(order)) - np.repeat(ends[:-1], lengths)
    rest = np.repeat(lengths, lengths) % 4
    in_four = inside < np.repeat(lengths, lengths) - rest
    in_two = ~in_four & (rest - (inside % 4) > rest % 2)
    kind = np.where(in_four, 0, np.where(in_two, 1, 2))
    order = order[np.argsort(kind, kind="stable")]
    counts = np.bincount(kind, minlength=3)
    fours, twos, ones = np.split(shared[order], np.cumsum(counts)[:2])
    groups = [np.ascontiguousarray(nodes) for nodes in (fours[::4], twos[::2], ones)]
    return (groups[0], groups[1], groups[2], np.ascontiguousarray(other[order])), order


def _runs(values: Ints) -> tuple[Ints, Ints]:
    """Return the value of every run of equal neighbors, and where the runs start and end."""
    first = np.flatnonzero(np.diff(values, prepend=values[:1] - 1))
    return values[first], np.append(first, len(values)).astype(np.int64)


def _angular_groups(
    channels: tuple[NDArray, ...], n_angular: int
) -> tuple[Ints, Ints, Ints, Ints, Ints, Ints]:
    """Gather angular functions that occur in the same channels: see `pull_back_densities`."""
    offsets, _, _, start, angular, size = channels
    first_group = [0]
    groups: list[tuple[int, list[list[int]]]] = []  # angular function; channels, one list for each
    for z in range(len(offsets) - 1):
        own: list[tuple[int, list[list[int]]]] = []
        for a in range(n_angular):
            seen = [c for c in range(offsets[z], offsets[z + 1]) if 0 <= a - angular[c] < size[c]]
            if own and own[-1][1][0] == seen and len(own[-1][1]) < WIDEST_GROUP:
                own[-1][1].append(seen)
            else:
                own.append((a, [seen]))
        groups += own
        first_group.append(len(groups))
    entries = np.cumsum([0] + [len(seen[0]) for _, seen in groups])
    z_of = np.repeat(np.arange(len(offsets) - 1), np.diff(first_group))
    channel = [c - offsets[z] for z, (_, seen) in zip(z_of, groups, strict=True) for c in seen[0]]
    node = [
        start[c] + a + k - angular[c]
        for a, seen in groups
        for c in seen[0]
        for k in range(len(seen))
    ]

    def array(values: list[int]) -> Ints:
        return np.array(values, dtype=np.int64)

    return (
        array(first_group),
        array([a for a, _ in groups]),
        array([len(seen) for _, seen in groups]),
        entries.astype(np.int64),
        array(channel),
        array(node),
    )
