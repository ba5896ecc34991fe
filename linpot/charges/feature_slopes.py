"""Derivatives of the features of one structure by positions, contracted with numbers of atoms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from linpot.model.feature_engine import FeatureEngine
from linpot.model.pair_batch import PairBatch

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureSlopes:
    """
    What moving neighbors does to the features of centres of one species.

    Attributes
    ----------
    columns : slice
        Of the basis, those of the species.
    centers, neighbors : int64[n_pairs]
    values : float64[n_pairs, 3, n_features], 1/A
        Derivatives of the features of centres by the vectors to neighbors.
    scatter : sparse array [n_atoms, n_pairs]
        Minus the derivative of pair vectors by positions.
    """

    columns: slice
    centers: Ints
    neighbors: Ints
    values: Floats
    scatter: csr_array

    def rows(self, weights: Floats, kept: Ints | slice = slice(None)) -> Floats:
        """
        Return minus the derivatives of ``sum_i w_i B_i`` by positions at fixed weights.

        Parameters
        ----------
        weights : float64[n_atoms]
        kept : int64[n] or slice
            Which features.

        Returns
        -------
        float64[3 n_atoms, n], 1/A
        """
        values = self.values[:, :, kept]
        weighted = values * weights[self.centers, None, None]
        found = self.scatter @ weighted.reshape(len(values), -1)
        return np.asarray(found.reshape(3 * self.scatter.shape[0], -1))


def feature_slopes(engine: FeatureEngine, batch: PairBatch) -> Iterator[FeatureSlopes]:
    """
    Yield the derivatives of features by centre species; species without pairs are left out.

    Parameters
    ----------
    engine : FeatureEngine
    batch : PairBatch
        Of one structure, packed to the cutoffs of the engine.
    """
    _, gradients = engine.feature_gradients(batch)
    species = batch.species[gradients.centers]
    for z, (a, b) in enumerate(pairwise(engine.basis.feature_offsets.tolist())):
        own = np.flatnonzero(species == z)
        if not len(own) or a == b:
            continue
        c, n = gradients.centers[own], gradients.neighbors[own]
        # a centre moves against its pairs
        signs = np.repeat([1.0, -1.0], len(own))
        places = (np.concatenate([c, n]), np.tile(np.arange(len(own)), 2))
        scatter = csr_array((signs, places), shape=(batch.n_atoms, len(own)))
        values = np.ascontiguousarray(gradients.values[own, :, : b - a])
        yield FeatureSlopes(slice(a, b), c, n, values, scatter)


def add_gradients(mixed: Floats, centers: Ints, neighbors: Ints, slopes: Floats) -> None:
    """
    Add derivatives by positions of numbers that belong to centres.

    Parameters
    ----------
    mixed : float64[3 n_atoms, n_atoms], changed
        Derivative of the number of every atom (column) by every coordinate (row).
    centers, neighbors : int64[n_pairs]
    slopes : float64[n_pairs, 3]
        Derivative of the number of the centre by the vector to the neighbor.
    """
    n_atoms = mixed.shape[1]
    for axis in range(3):
        for atoms, sign in ((neighbors, 1.0), (centers, -1.0)):
            places = (3 * atoms + axis) * n_atoms + centers
            found = np.bincount(places, slopes[:, axis], minlength=mixed.size)
            mixed += sign * found.reshape(mixed.shape)
