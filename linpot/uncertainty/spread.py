"""Standard deviations of what a linear potential says about structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.parallel import one_blas_thread
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure
from linpot.uncertainty.posterior import Posterior

Floats = NDArray[np.float64]


CHUNK = 2000
"""Atoms whose features are sketched at a time."""


@dataclass(frozen=True)
class Spread:
    """
    Standard deviations under the posterior of the coefficients, noise not included.

    Attributes
    ----------
    energy : float, eV
    misfit_energy : float, eV
        What the deviation of the energy would be if atoms were independent. The posterior has seen
        energies of whole structures and takes the errors of atoms to cancel; what the model cannot
        express does not, and adds up like the root of the number of atoms. By
        `Posterior.sketch`: to a few percent.
    forces : float64[n_atoms, 3] or None, eV/A
    virial : float64[6] or None, eV
        xx yy zz yz xz xy.
    """

    energy: float
    misfit_energy: float
    forces: Floats | None = None
    virial: Floats | None = None

    def stress(self, structure: Structure) -> Floats:
        """
        Return the deviation of the stress: float64[6], eV/A^3, xx yy zz yz xz xy.

        Raises
        ------
        InputError
            If the structure is not periodic in three dimensions, or no virial was asked for.
        """
        if not structure.is_bulk:
            raise InputError(
                "the deviation of a stress needs periodicity in all three directions, "
                f"got pbc={list(structure.pbc)} for {structure.name}"
            )
        if self.virial is None:
            raise InputError("the deviation of a stress needs a spread made with `forces=True`")
        return self.virial / structure.volume


def spread_of(
    engine: FeatureEngine,
    posterior: Posterior,
    structures: Sequence[Structure],
    neighbors: Sequence[Neighbors | None] | None = None,
    *,
    forces: bool = True,
    threads: int = 1,
) -> list[Spread]:
    """
    Return the deviations of structures from their design rows, ``|T^-T x|`` for each row x.

    Parameters
    ----------
    engine : FeatureEngine
    posterior : Posterior
        Of the coefficients of the engine's basis; E0 and baselines are taken as exact.
    structures : sequence of Structure
    neighbors : sequence of Neighbors or None, optional
        As in `EnergyModel.predict_many`.
    forces : bool
        Whether forces and virials are wanted; energies alone need no derivatives.
    threads : int
        For the features.

    Returns
    -------
    list of Spread
    """
    batch = pack(structures, engine.basis.elements, engine.cutoffs, neighbors)
    starts = engine.basis.feature_offsets
    squares = np.zeros(len(structures))
    sums = np.zeros((len(structures), engine.basis.n_features))
    by_species = engine.features_by_species(batch, threads=threads)
    for (begin, end), (atoms, features) in zip(pairwise(starts), by_species, strict=True):
        for first in range(0, len(atoms), CHUNK):
            places = batch.structure[atoms[first : first + CHUNK]]
            rows = features[first : first + CHUNK]
            with one_blas_thread():
                sketched = rows @ posterior.sketch[begin:end]
            ends = np.flatnonzero(np.diff(places, prepend=-1))
            sums[places[ends], begin:end] += np.add.reduceat(rows, ends, axis=0)
            own = np.einsum("ij,ij->i", sketched, sketched)
            squares[places[ends]] += np.add.reduceat(own, ends)
    energies, misfits = posterior.std(sums).tolist(), np.sqrt(squares).tolist()
    if not forces:
        return [Spread(*both) for both in zip(energies, misfits, strict=True)]
    spreads = []
    for energy, misfit, rows in zip(energies, misfits, engine.design_rows(batch), strict=True):
        std = posterior.std(rows[1:])
        spreads.append(Spread(energy, misfit, std[6:].reshape(-1, 3), std[:6]))
    return spreads
