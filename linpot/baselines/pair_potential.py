"""Central pair potentials: a baseline gives e(r) and de/dr, the sums are written once here."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial

import numpy as np
from numpy.typing import NDArray

from linpot.kernels.pairs import gather_pairs, sum_central_pairs
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import Predictions, Work
from linpot.model.protocol import BatchModel
from linpot.parallel import cut

CENTERS_PER_TASK = 256

Floats = NDArray[np.float64]


class PairPotential(BatchModel):
    """
    An energy that is a sum over pairs, each pair once; half of it belongs to either atom.

    A subclass gives `cutoffs`, symmetric, and `pair_energies`.
    """

    @abstractmethod
    def pair_energies(
        self, r: Floats, first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """
        Evaluate pairs.

        Parameters
        ----------
        r : float64[n_pairs], A
            Below the cutoff.
        first, second : int64[n_pairs]
            Species indices.

        Returns
        -------
        energies : float64[n_pairs], eV
        derivatives : float64[n_pairs], eV/A
        """

    def work_on(self, batch: PairBatch, *, forces: bool = True) -> Work:
        """Cut the sum over all pairs into tasks; see `BatchModel.work_on`."""
        species = batch.species_among(self.elements)
        ends = batch.starts + batch.counts.sum(axis=1)
        atomic, virials = np.zeros(batch.n_atoms), np.zeros((batch.n_atoms, 6))
        summed = np.zeros((batch.n_atoms, 3))
        # where all atoms are centres, every pair is there from both of its ends: each centre gets
        # all of its force from its own
        one_ended = batch.n_centers < batch.n_atoms

        def add(first: int, last: int) -> None:
            most = int(ends[last - 1] - batch.starts[first]) + 1
            centers, others = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
            r, vectors = np.empty(most), np.empty((most, 3))
            n = gather_pairs(
                first, last, batch.pairs, species, self.cutoffs, centers, others, r, vectors
            )
            centers, others, r, vectors = centers[:n], others[:n], r[:n], vectors[:n]
            energies, derivatives = self.pair_energies(r, species[centers], species[others])
            sum_central_pairs(centers, r, vectors, energies, derivatives, atomic, summed, virials)
            if one_ended:
                halves = (0.5 * derivatives / r)[:, None] * vectors
                np.subtract.at(summed, centers, halves)
                np.subtract.at(summed, others, halves)

        n_tasks = 1 if one_ended else batch.n_atoms // CENTERS_PER_TASK  # one writes to neighbors
        return Work(
            [partial(add, *run) for run in cut(batch.n_centers, n_tasks)],
            lambda: Predictions.of_atoms(
                batch.first_atoms, atomic, *((summed, virials) if forces else ())
            ),
        )
