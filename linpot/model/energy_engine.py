"""Programs in the form that the kernels take: energies and forces of packed pairs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot.kernels.engine import evaluate_blocks
from linpot.model.kernel_program import KernelProgram
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import Predictions, Work
from linpot.parallel import cut

BLOCKS_PER_TASK = 16
"""Threads take about so many blocks at a time, or more ..."""
MOST_TASKS = 16
"""... so that there are not many more tasks than this: each has its own sums of forces."""

Floats = NDArray[np.float64]
Task = tuple[int, int, int]
"""Centre species, first and last block."""


class EnergyEngine:
    """
    Evaluates programs on batches of pairs.

    Parameters
    ----------
    programs : list of KernelProgram
        One per centre species; all with an embedding, or none.
    cutoffs : float64[n_species, n_species], A
        Of each ordered pair of species.
    """

    def __init__(self, programs: list[KernelProgram], cutoffs: Floats) -> None:
        self.programs = programs
        self.cutoffs = cutoffs

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
        return [p.leaf_weights(c) for p, c in zip(self.programs, coefficients, strict=True)]

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

        Programs with an embedding have one output, the embedded energy.

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
        if any(program.embedding is not None for program in self.programs):
            n_outputs = 1
            if adjoint is not None:
                raise ValueError("`adjoint` must not be given with an embedding, which has its own")
        else:
            n_outputs = len(weights[0])
            if forces and adjoint is None and n_outputs > 1:
                raise ValueError("`adjoint` must be given for the forces of several outputs")
        layout = batch.blocks.layout
        energies = np.zeros((batch.n_atoms, n_outputs))

        def add(task: Task, own_forces: Floats | None, virials: Floats) -> None:
            species, first, last = task
            program = self.programs[species]
            evaluate_blocks(
                first, last, layout, batch.pairs, program.arrays, program.leaves, weights[species],
                program.embedding, adjoint, energies, own_forces, virials,
            )  # fmt: skip

        tasks = self.tasks(batch)
        if forces:
            return batch.summed(tasks, add, partial(result, energies))
        unused = np.empty((0, 6))
        return Work([partial(add, task, None, unused) for task in tasks], lambda: result(energies))

    def tasks(self, batch: PairBatch) -> list[Task]:
        """
        Cut the blocks of a batch into tasks, the same for any number of threads.

        The order in which forces are summed depends on it.
        """
        ranges = batch.blocks.ranges.tolist()
        size = max(BLOCKS_PER_TASK, -(-ranges[-1] // MOST_TASKS))
        return [
            (species, begin + first, begin + last)
            for species, (begin, end) in enumerate(pairwise(ranges))
            for first, last in cut(end - begin, round((end - begin) / size))
        ]
