"""A basis in the form that the kernels take, and the calls into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from linpot.basis.ace import Basis
from linpot.basis.program import Program
from linpot.kernels.engine import add_design_rows, evaluate_centers, fill_center_features
from linpot.kernels.harmonics import harmonic_norms
from linpot.model.jacobian_pattern import JacobianPattern, compile_jacobian
from linpot.model.pair_batch import PairBatch

CHUNK = 64
"""Centres per task: fixed, so that results do not depend on the number of threads."""

Floats = NDArray[np.float64]


class FeatureEngine:
    """
    Evaluates a basis on batches of pairs.

    Parameters
    ----------
    basis : Basis
    """

    def __init__(self, basis: Basis) -> None:
        self.basis = basis
        self._kernel_programs = [_KernelProgram(p, basis) for p in basis.programs]

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
        return [p.leaf_weights(c) for p, c in zip(self.basis.programs, coefficients, strict=True)]

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
        gradients : float64[n_pairs, 3] or None, eV/A
            Derivative of ``sum_ik adjoint[i, k] energies[i, k]`` by every pair vector.
        """
        n_outputs = len(weights[0])
        if gradients and adjoint is None and n_outputs > 1:
            raise ValueError("`adjoint` must be given for the gradient of several outputs")
        energies = np.zeros((len(batch.species), n_outputs))
        slopes = np.zeros((len(batch.neighbors), 3)) if gradients else None

        def work(task: tuple[int, NDArray[np.int64]]) -> None:
            species, centers = task
            k = self._kernel_programs[species]
            evaluate_centers(
                centers,
                batch.pairs,
                batch.species,
                k.radials,
                k.channels,
                k.products,
                k.leaves,
                weights[species],
                adjoint,
                energies,
                slopes,
            )

        _run(work, self._tasks(batch), threads)
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
        features: list[Floats] = [np.zeros(0)] * len(batch.species)

        def work(task: tuple[int, NDArray[np.int64]]) -> None:
            species, centers = task
            k = self._kernel_programs[species]
            values = np.empty((len(centers), self.basis.programs[species].n_features))
            fill_center_features(
                centers,
                batch.pairs,
                batch.species,
                k.radials,
                k.channels,
                k.products,
                k.leaves,
                k.readout,
                values,
            )
            for atom, row in zip(centers.tolist(), values, strict=True):
                features[atom] = row

        _run(work, self._tasks(batch), threads)
        return features

    def design_rows(self, batch: PairBatch) -> Floats:
        """
        Design rows of one structure for a coefficient of 1 each.

        Parameters
        ----------
        batch : PairBatch
            Of one structure.

        Returns
        -------
        float64[7 + 3 n_atoms, n_features]
            Energy (eV), virial xx yy zz yz xz xy (eV), force components (eV/A); a view in
            Fortran order, columns by centre species.
        """
        if batch.n_structures != 1:
            raise ValueError(f"`batch` must hold one structure, got {batch.n_structures}")
        rows = np.zeros((self.basis.n_features, 7 + 3 * len(batch.species)))
        starts = self.basis.feature_offsets
        for species, program in enumerate(self._kernel_programs):
            centers = np.flatnonzero(batch.species == species)
            if len(centers) == 0:
                continue
            pattern = program.pattern
            add_design_rows(
                centers,
                batch.pairs,
                batch.species,
                program.radials,
                program.channels,
                program.products,
                program.leaves,
                program.readout,
                (
                    pattern.node_ops,
                    pattern.feature_ops,
                    pattern.n_entries,
                    pattern.offsets,
                    pattern.densities,
                ),
                (pattern.node_coefficients, pattern.feature_coefficients),
                pattern.ranges,
                rows[starts[species] : starts[species + 1]],
            )
        return rows.T

    def _tasks(self, batch: PairBatch) -> Iterator[tuple[int, NDArray[np.int64]]]:
        for species in range(len(self._kernel_programs)):
            centers = np.flatnonzero(batch.species == species)
            for start in range(0, len(centers), CHUNK):
                yield species, centers[start : start + CHUNK]


class _KernelProgram:
    """Tuples of arrays in the order the kernels expect."""

    def __init__(self, program: Program, basis: Basis) -> None:
        self._program = program
        self.radials = (
            basis.radial_parameters,
            np.ascontiguousarray(basis.radial_recurrence[:, :, : program.n_radial]),
            harmonic_norms(program.l_max),
        )
        self.channels = (
            program.channel_radial,
            program.channel_angular,
            program.channel_size,
            program.channel_start,
            program.channel_weights,
            program.density_constants,
        )
        self.products = (
            program.term_target,
            program.term_left,
            program.term_right,
            program.term_coefficient,
            program.n_nodes,
        )
        self.leaves = (program.leaf_left, program.leaf_right)
        self.readout = (
            program.feature_offsets,
            program.feature_leaf,
            program.feature_coefficient,
        )

    @cached_property
    def pattern(self) -> JacobianPattern:
        """Compiled when rows are first asked for."""
        return compile_jacobian(self._program)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix="linpot")


def _run(
    work: Callable[[tuple[int, NDArray[np.int64]]], None],
    tasks: Iterator[tuple[int, NDArray[np.int64]]],
    threads: int,
) -> None:
    """Run independent tasks, each of which writes only its own centres."""
    if threads <= 1:
        for task in tasks:
            work(task)
    else:
        for _ in _pool(threads).map(work, tasks):
            pass
