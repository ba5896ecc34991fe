"""What training keeps of a structure: its Coulomb operator, and gradients of features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from linpot.charges.atom_function import AtomFunction
from linpot.electrostatics.coulomb_sum import CoulombSum
from linpot.model.pair_batch import PairBatch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Interaction:
    """
    The Coulomb operator of one structure as dense matrices; it does not change in training.

    Attributes
    ----------
    matrix : float64[n_atoms, n_atoms], V/e
        Potentials of unit charges.
    fields : float64[n_atoms, 3, n_atoms], V/(A e)
        ``fields[i, :, j]``: field at atom i of a unit charge at atom j.
    """

    matrix: Floats
    fields: Floats

    @classmethod
    def of(cls, total: CoulombSum) -> Interaction:
        """Evaluate a sum for every unit charge."""
        potentials, fields = [], []
        for unit in np.eye(total.structure.n_atoms):
            found = total.evaluate(unit)
            assert found.fields is not None
            potentials.append(found.potentials)
            fields.append(found.fields)
        matrix = np.array(potentials)
        return cls(0.5 * (matrix + matrix.T), np.stack(fields, axis=2))


@dataclass(frozen=True, eq=False)
class SpeciesGradients:
    """
    Gradients of the features of all centres of one species.

    Attributes
    ----------
    columns : slice
        Of these features among all.
    centers : int64[n_pairs]
    values : float64[n_pairs, 3, n_features], 1/A
        By the vector to a neighbor.
    scatter : sparse [n_atoms, n_pairs]
        From what belongs to pairs to minus the derivative by positions: a centre moves against its
        pairs.
    """

    columns: slice
    centers: Ints
    values: Floats
    scatter: csr_matrix

    def forces(self, adjoint: Floats) -> Floats:
        """
        Return ``-sum_i adjoint_i dB_ik/dR`` over these centres: float64[3 n_atoms, n_features].

        Parameters
        ----------
        adjoint : float64[n_atoms]
        """
        weighted = self.values * adjoint[self.centers, None, None]
        spread = self.scatter @ weighted.reshape(len(weighted), -1)
        return np.asarray(spread).reshape(-1, weighted.shape[2])


def gradients_by_species(function: AtomFunction, batch: PairBatch) -> Iterator[SpeciesGradients]:
    """
    Yield the gradients of features, by centre species; species without pairs are left out.

    Parameters
    ----------
    function : AtomFunction
        Its coefficients do not matter.
    batch : PairBatch
        Of one structure.

    Yields
    ------
    SpeciesGradients
    """
    _, found = function.engine.feature_gradients(batch)
    species = batch.species[found.centers]
    for z, (a, b) in enumerate(pairwise(function.basis.feature_offsets.tolist())):
        own = np.flatnonzero(species == z)
        if not len(own) or a == b:
            continue
        centers, neighbors = found.centers[own], found.neighbors[own]
        signs = np.concatenate([np.ones(len(own)), -np.ones(len(own))])
        places = (np.concatenate([centers, neighbors]), np.tile(np.arange(len(own)), 2))
        scatter = csr_matrix((signs, places), shape=(batch.n_atoms, len(own)))
        yield SpeciesGradients(slice(a, b), centers, found.values[own, :, : b - a], scatter)
