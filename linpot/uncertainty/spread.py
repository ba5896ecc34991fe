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
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure
from linpot.uncertainty.posterior import Posterior

Floats = NDArray[np.float64]


CHUNK = 2000
"""Atoms whose features are held at a time."""


@dataclass(frozen=True)
class Spread:
    """
    Standard deviations under the posterior of the coefficients, noise not included.

    Attributes
    ----------
    energy : float, eV
    atomic_energies : float64[n_atoms], eV
    forces : float64[n_atoms, 3] or None, eV/A
    virial : float64[6] or None, eV
        xx yy zz yz xz xy.
    """

    energy: float
    atomic_energies: Floats
    forces: Floats | None = None
    virial: Floats | None = None

    @property
    def misfit_energy(self) -> float:
        """
        Deviation of the energy if those of the atoms were independent, eV.

        The posterior has seen energies of whole structures and takes the errors of atoms to
        cancel; what the model cannot express does not, and adds up like the root of the number of
        atoms.
        """
        return float(np.sqrt((self.atomic_energies**2).sum()))

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
    atomic = np.zeros(batch.n_atoms)
    sums = np.zeros((len(structures), engine.basis.n_features))
    by_species = engine.features_by_species(batch, threads=threads)
    for (begin, end), (atoms, features) in zip(pairwise(starts), by_species, strict=True):
        for first in range(0, len(atoms), CHUNK):
            own = atoms[first : first + CHUNK]
            rows = features[first : first + CHUNK]
            if len(starts) > 2:  # more species than one: columns of the others are zero
                wide = np.zeros((len(own), engine.basis.n_features))
                wide[:, begin:end] = rows
                rows = wide
            atomic[own] = posterior.std(rows)
            places = batch.structure[own]
            ends = np.flatnonzero(np.diff(places, prepend=-1))
            sums[places[ends]] += np.add.reduceat(rows, ends, axis=0)
    energies = posterior.std(sums)
    parts = [slice(a, b) for a, b in pairwise(batch.first_atoms.tolist())]
    if not forces:
        return [Spread(float(e), atomic[part]) for e, part in zip(energies, parts, strict=True)]
    spreads = []
    for energy, part, rows in zip(energies, parts, engine.design_rows(batch), strict=True):
        std = posterior.std(rows[1:])
        spreads.append(Spread(float(energy), atomic[part], std[6:].reshape(-1, 3), std[:6]))
    return spreads
