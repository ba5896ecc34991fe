"""Labels beside predictions, for figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.model.protocol import EnergyModel
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """
    Labels and predictions of a data set.

    Attributes
    ----------
    name : str
        "train" or "test", for the legend.
    energies : float64[2, n_structures], eV/atom
        Labels, predictions; isolated atoms, far from all others, are left out.
    forces : float64[2, n_components], eV/A
        Labels, predictions.
    """

    name: str
    energies: Floats
    forces: Floats


def compare(
    model: EnergyModel, structures: Iterable[Structure], name: str, *, threads: int = 1
) -> Comparison:
    """
    Predict what a data set has labels for.

    Parameters
    ----------
    model : EnergyModel
    structures : iterable of Structure
    name : str
    threads : int

    Returns
    -------
    Comparison
    """
    energies: list[tuple[float, float]] = []
    forces: list[Floats] = [np.zeros((2, 0))]
    for structure in structures:
        labels = structure.labels
        prediction = model.predict(structure, threads=threads)
        if labels.energy is not None and not _is_isolated_atom(structure, model.cutoff):
            pair = (labels.energy / structure.n_atoms, prediction.energy / structure.n_atoms)
            energies.append(pair)
        if labels.forces is not None and prediction.forces is not None:
            forces.append(np.stack([labels.forces.ravel(), prediction.forces.ravel()]))
    return Comparison(name, np.array(energies).reshape(-1, 2).T, np.concatenate(forces, axis=1))


def _is_isolated_atom(structure: Structure, cutoff: float) -> bool:
    return structure.n_atoms == 1 and find_neighbors(structure, cutoff).n_pairs == 0
