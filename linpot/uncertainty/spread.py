"""Standard deviations of what a linear potential says about structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.structures.structure import Structure
from linpot.uncertainty.posterior import Posterior

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """
    Standard deviations under the posterior of the coefficients, noise not included.

    Attributes
    ----------
    energy : float, eV
    forces : float64[n_atoms, 3], eV/A
    virial : float64[6], eV
        xx yy zz yz xz xy.
    """

    energy: float
    forces: Floats
    virial: Floats

    def stress(self, structure: Structure) -> Floats:
        """
        Return the deviation of the stress: float64[6], eV/A^3, xx yy zz yz xz xy.

        Raises
        ------
        InputError
            If the structure is not periodic in three dimensions.
        """
        if not structure.is_bulk:
            raise InputError(
                "the deviation of a stress needs periodicity in all three directions, "
                f"got pbc={list(structure.pbc)} for {structure.name}"
            )
        return self.virial / structure.volume


def spread_of(
    engine: FeatureEngine, posterior: Posterior, structures: Sequence[Structure]
) -> list[Spread]:
    """
    Return the deviations of structures from their design rows, ``|T^-T x|`` for each row x.

    Parameters
    ----------
    engine : FeatureEngine
    posterior : Posterior
        Of the coefficients of the engine's basis; E0 and baselines are taken as exact.
    structures : sequence of Structure

    Returns
    -------
    list of Spread
    """
    batch = pack(structures, engine.basis.elements, engine.cutoffs)
    spreads = []
    for rows in engine.design_rows(batch):
        std = posterior.std(rows)
        spreads.append(Spread(float(std[0]), std[7:].reshape(-1, 3), std[1:7]))
    return spreads


def atomic_energy_std(engine: FeatureEngine, posterior: Posterior, structure: Structure) -> Floats:
    """
    Return the deviations of atomic energies: float64[n_atoms], eV.

    Parameters
    ----------
    engine : FeatureEngine
    posterior : Posterior
    structure : Structure

    Returns
    -------
    float64[n_atoms], eV
    """
    batch = pack([structure], engine.basis.elements, engine.cutoffs)
    starts = engine.basis.feature_offsets
    rows = np.zeros((structure.n_atoms, engine.basis.n_features))
    for row, own, z in zip(rows, engine.features(batch), batch.species.tolist(), strict=True):
        row[starts[z] : starts[z + 1]] = own
    return posterior.std(rows)
