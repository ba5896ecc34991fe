"""Central pair potentials: a baseline gives e(r) and de/dr, the sums are written once here."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from linpot.model.pair_batch import pack
from linpot.model.protocol import BatchModel, Prediction
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


class PairPotential(BatchModel):
    """
    An energy that is a sum over pairs, each pair once; half of it belongs to either atom.

    A subclass gives `cutoffs` and `pair_energies`.
    """

    @property
    @abstractmethod
    def cutoffs(self) -> Floats:
        """Cutoff of each pair of species: float64[n_species, n_species], symmetric, A."""

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

    @property
    def cutoff(self) -> float:
        """Largest cutoff, A."""
        return float(self.cutoffs.max())

    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> list[Prediction]:
        """Sum over all pairs of many structures; see `EnergyModel.predict_many`."""
        batch = pack(structures, self.elements, self.cutoffs, neighbors)
        n_atoms = len(batch.species)
        centers = np.repeat(np.arange(n_atoms), np.diff(batch.offsets))
        r = np.sqrt(np.einsum("pa,pa->p", batch.vectors, batch.vectors))
        energies, derivatives = self.pair_energies(
            r, batch.species[centers], batch.species[batch.neighbors]
        )
        # every pair is seen from both ends
        atomic = np.bincount(centers, weights=0.5 * energies, minlength=n_atoms).astype(np.float64)
        gradients = (0.5 * derivatives / r)[:, None] * batch.vectors if forces else None
        return batch.predictions(atomic, gradients)
