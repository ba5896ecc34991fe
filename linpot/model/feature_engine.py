"""A basis in the form that the kernels take, and the calls into them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot.basis.ace import Basis
from linpot.basis.program import Program
from linpot.kernels.engine import add_design_rows, evaluate_blocks, fill_block_features
from linpot.kernels.harmonics import harmonic_recurrence
from linpot.model.jacobian_pattern import JacobianPattern, compile_jacobian
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import Predictions, Work
from linpot.parallel import cut, run_tasks

BLOCKS_PER_TASK = 16
"""Threads take about so many blocks at a time, or more ..."""
MOST_TASKS = 16
"""... so that there are not many more tasks than this: each has its own sums of forces."""

WIDEST_GROUP = 3
"""Angular functions that the way back contracts together."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Task = tuple[int, int, int]
"""Centre species, first and last block."""


class FeatureEngine:
    """
    Evaluates a basis on batches of pairs.

    Parameters
    ----------
    basis : Basis
    """

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self._programs = [_KernelProgram(p, basis, z) for z, p in enumerate(basis.programs)]

    @cached_property
    def cutoffs(self) -> Floats:
        """Cutoff of each ordered pair of species: float64[n_species, n_species], A."""
        return np.ascontiguousarray(self.basis.radial_parameters[:, :, 0])

    def leaf_weights(self, coefficients: list[Floats]) -> list[Floats]:
        """
        Fold coefficients into the leaves of each centre species.

        Parameters
        ----------
        coefficients : list of float64[n_outputs, n_features], eV
            One per centre species.

        Returns
        -------
        list of float64[n_outputs, n_leaves], eV
        """
        return [p.leaf_weights(c) for p, c in zip(self._programs, coefficients, strict=True)]

    def work_on(
        self,
        batch: PairBatch,
        weights: list[Floats],
        result: Callable[..., Predictions],
        adjoint: Floats | None = None,
        *,
        forces: bool = True,
    ) -> Work:
        """
        Evaluate K outputs per atom, and the forces of their sum weighted by an adjoint.

        Parameters
        ----------
        batch : PairBatch
            Numbered by the elements of the basis, packed to its cutoffs.
        weights : list of float64[K, n_leaves], eV
            One per centre species; see `leaf_weights`.
        result : callable
            Takes energies float64[n_atoms, K] (eV) and, where forces are wanted, the forces
            float64[n_atoms, 3] of ``sum_ik adjoint[i, k] energies[i, k]`` (eV/A) and what each
            centre contributes to the virial of that sum, float64[n_atoms, 6] (eV).
        adjoint : float64[n_atoms, K], optional
            Needed if forces of more than one output are wanted; ones for K = 1.
        forces : bool

        Returns
        -------
        Work
        """
        n_outputs = len(weights[0])
        if forces and adjoint is None and n_outputs > 1:
            raise ValueError("`adjoint` must be given for the forces of several outputs")
        layout = batch.blocks.layout
        energies = np.zeros((batch.n_atoms, n_outputs))

        def add(task: Task, own_forces: Floats | None, virials: Floats) -> None:
            species, first, last = task
            program = self._programs[species]
            evaluate_blocks(
                first, last, layout, batch.pairs, program.arrays, program.leaves, weights[species],
                adjoint, energies, own_forces, virials,
            )  # fmt: skip

        tasks = self._tasks(batch)
        if forces:
            return batch.summed(tasks, add, partial(result, energies))
        unused = np.empty((0, 6))
        return Work([partial(add, task, None, unused) for task in tasks], lambda: result(energies))

    def features(self, batch: PairBatch, *, threads: int = 1) -> list[Floats]:
        """
        Evaluate all features.

        Parameters
        ----------
        batch : PairBatch
        threads : int

        Returns
        -------
        list of float64[n_features]
            One per atom; their lengths differ between centre species.
        """
        layout = batch.blocks.layout
        counts = [p.n_features for p in self.basis.programs]
        features = np.zeros((len(batch.species), max(counts)))

        def work(task: Task) -> None:
            species, first, last = task
            program = self._programs[species]
            fill_block_features(
                first, last, layout, batch.pairs, program.arrays, program.readout, features
            )

        run_tasks(work, self._tasks(batch), threads)
        return [row[: counts[z]] for row, z in zip(features, batch.species.tolist(), strict=True)]

    def design_rows(self, batch: PairBatch) -> list[Floats]:
        """
        Design rows of the structures of a batch for a coefficient of 1 each.

        Parameters
        ----------
        batch : PairBatch

        Returns
        -------
        list of float64[7 + 3 n_atoms, n_features]
            Per structure: energy (eV), virial xx yy zz yz xz xy (eV), force components (eV/A);
            views in Fortran order, columns by centre species.
        """
        blocks = batch.blocks
        n_atoms = np.bincount(batch.structure, minlength=batch.n_structures)
        ends = np.cumsum(7 + 3 * n_atoms)
        starts = ends - (7 + 3 * n_atoms)
        first_atoms = np.cumsum(n_atoms) - n_atoms
        energy_rows = starts[batch.structure]
        inside = np.arange(len(batch.species)) - first_atoms[batch.structure]
        rows = np.zeros((self.basis.n_features, int(ends[-1])))
        columns = self.basis.feature_offsets
        for species, program in enumerate(self._programs):
            first, last = blocks.ranges[species], blocks.ranges[species + 1]
            if first == last:
                continue
            pattern = program.pattern
            add_design_rows(
                first,
                last,
                blocks.layout,
                batch.pairs,
                program.arrays,
                program.readout,
                pattern.node_ops,
                pattern.feature_ops,
                pattern.uses,
                (pattern.n_entries, pattern.widest),
                energy_rows + 7 + 3 * inside,
                energy_rows,
                rows[columns[species] : columns[species + 1]],
            )
        return [rows[:, a:b].T for a, b in zip(starts, ends, strict=True)]

    def _tasks(self, batch: PairBatch) -> list[Task]:
        """Cut the blocks into tasks, the same for any number of threads: forces depend on it."""
        ranges = batch.blocks.ranges.tolist()
        size = max(BLOCKS_PER_TASK, -(-ranges[-1] // MOST_TASKS))
        return [
            (species, begin + first, begin + last)
            for species, (begin, end) in enumerate(pairwise(ranges))
            for first, last in cut(end - begin, round((end - begin) / size))
        ]


class _KernelProgram:
    """One centre species' program as tuples of arrays in the order the kernels expect."""

    def __init__(self, program: Program, basis: Basis, center: int) -> None:
        self._program = program
        n_species = len(basis.elements)
        by_radial = np.argsort(program.channel_radial, kind="stable")
        # neighbor species, channel: those that see the species, by ascending radial function
        seen = [
            (z, c) for z in range(n_species) for c in by_radial if program.channel_weights[z, c]
        ]
        species = np.array([z for z, _ in seen], dtype=np.int64)
        channel = np.array([c for _, c in seen], dtype=np.int64)
        offsets = np.searchsorted(species, np.arange(n_species + 1)).astype(np.int64)
        radials = (
            np.ascontiguousarray(basis.radial_parameters[center]),
            np.ascontiguousarray(basis.radial_recurrence[center, :, : program.n_radial]),
            harmonic_recurrence(program.l_max),
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
        self.arrays = (radials, channels, groups, program.density_constants, products)
        self.leaves, self._order = _grouped(program.leaf_left, program.leaf_right)
        self.readout = (
            program.feature_offsets,
            program.leaf_left[program.feature_leaf],
            program.leaf_right[program.feature_leaf],
            program.feature_coefficient,
        )

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
