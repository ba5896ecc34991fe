"""A basis in the form that the kernels take, and the calls into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot.basis.ace import Basis
from linpot.basis.program import Program
from linpot.kernels.engine import add_design_rows, evaluate_blocks, fill_block_features
from linpot.kernels.harmonics import harmonic_norms
from linpot.model.jacobian_pattern import JacobianPattern, compile_jacobian
from linpot.model.pair_batch import PairBatch

CHUNK = 8
"""Blocks per task of a thread."""

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

    @property
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

    def evaluate(
        self,
        batch: PairBatch,
        weights: list[Floats],
        adjoint: Floats | None = None,
        *,
        gradients: bool = True,
        threads: int = 1,
    ) -> tuple[Floats, Floats | None]:
        """
        Evaluate K outputs per atom, and the gradient of their sum weighted by an adjoint.

        Parameters
        ----------
        batch : PairBatch
        weights : list of float64[K, n_leaves], eV
            One per centre species; see `leaf_weights`.
        adjoint : float64[n_atoms, K], optional
            Needed if gradients of more than one output are wanted; ones for K = 1.
        gradients : bool
        threads : int

        Returns
        -------
        energies : float64[n_atoms, K], eV
        gradients : float64[n_slots * 3 * WIDTH] or None, eV/A
            Derivative of ``sum_ik adjoint[i, k] energies[i, k]`` by every pair vector, laid out
            as the batch's blocks: see `PairBatch.forces_and_virials`.
        """
        n_outputs = len(weights[0])
        if gradients and adjoint is None and n_outputs > 1:
            raise ValueError("`adjoint` must be given for the gradient of several outputs")
        blocks = batch.blocks
        energies = np.zeros((len(batch.species), n_outputs))
        slopes = np.empty(len(blocks.vectors)) if gradients else None

        def work(task: Task) -> None:
            species, first, last = task
            program = self._programs[species]
            evaluate_blocks(
                first,
                last,
                (blocks.centers, blocks.slots, blocks.vectors),
                program.arrays,
                program.leaves,
                weights[species],
                adjoint,
                energies,
                slopes,
            )

        _run(work, self._tasks(batch, threads), threads)
        return energies, slopes

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
        blocks = batch.blocks
        counts = [p.n_features for p in self.basis.programs]
        features = np.zeros((len(batch.species), max(counts)))

        def work(task: Task) -> None:
            species, first, last = task
            program = self._programs[species]
            fill_block_features(
                first,
                last,
                (blocks.centers, blocks.slots, blocks.vectors),
                program.arrays,
                program.readout,
                features,
            )

        _run(work, self._tasks(batch, threads), threads)
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
                (blocks.centers, blocks.slots, blocks.vectors),
                blocks.neighbors,
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

    def _tasks(self, batch: PairBatch, threads: int) -> Iterator[Task]:
        """Cut the blocks into tasks; a block's result does not depend on the cut."""
        ranges = batch.blocks.ranges.tolist()
        for species, (begin, end) in enumerate(pairwise(ranges)):
            size = CHUNK if threads > 1 else max(1, end - begin)
            for first in range(begin, end, size):
                yield species, first, min(first + size, end)


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
            harmonic_norms(program.l_max),
        )
        channels = (
            offsets,
            program.channel_radial[channel],
            program.channel_weights[species, channel],
            program.channel_start[channel],
            program.channel_angular[channel],
            program.channel_size[channel],
        )
        products = (
            program.term_target,
            program.term_left,
            program.term_right,
            program.term_coefficient,
            program.n_nodes,
        )
        by_angular = _by_angular(channels, (program.l_max + 1) ** 2)
        self.arrays = (radials, channels, by_angular, program.density_constants, products)
        # leaves in the order of their left node, so that they share it
        self._order = np.lexsort((program.leaf_right, program.leaf_left))
        left, first = np.unique(program.leaf_left[self._order], return_index=True)
        leaf_offsets = np.append(first, program.n_leaves).astype(np.int64)
        self.leaves = (left, leaf_offsets, program.leaf_right[self._order])
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


def _by_angular(
    channels: tuple[NDArray, ...], n_angular: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sort densities by neighbor species and angular function: see `pull_back_densities`."""
    offsets, _, _, start, angular, size = channels
    n_species = len(offsets) - 1
    ends = np.zeros((n_species, n_angular + 1), dtype=np.int64)
    channel: list[int] = []
    node: list[int] = []
    for z in range(n_species):
        ends[z, 0] = len(channel)
        for a in range(n_angular):
            for c in range(offsets[z], offsets[z + 1]):
                if angular[c] <= a < angular[c] + size[c]:
                    channel.append(c - offsets[z])
                    node.append(start[c] + a - angular[c])
            ends[z, a + 1] = len(channel)
    return ends, np.array(channel, dtype=np.int64), np.array(node, dtype=np.int64)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix="linpot")


def _run(work: Callable[[Task], None], tasks: Iterator[Task], threads: int) -> None:
    """Run independent tasks, each of which writes only its own centres."""
    if threads <= 1:
        for task in tasks:
            work(task)
    else:
        for _ in _pool(threads).map(work, tasks):
            pass
