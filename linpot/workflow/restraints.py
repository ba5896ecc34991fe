"""
Rows that keep the learned part out of the repulsive wall.

Below the shortest distance of the data nothing but the prior holds the learned part, and two atoms
alone are an environment that no dense data resemble. A few dimers that ask the learned part to
vanish there leave the wall to the baseline, at next to no cost on the data: see docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase.data import atomic_numbers

from linpot.structures.distances import PairDistances
from linpot.structures.structure import Labels, Structure

GROUP = "restraint"
N_DISTANCES = 12


def wall_dimers(
    distances: Mapping[tuple[str, str], PairDistances], start: float, weight: float
) -> list[Structure]:
    """
    Make dimers below the shortest distance of each pair whose learned energy should vanish.

    Parameters
    ----------
    distances : mapping of pair to PairDistances
    start : float
        First distance in units of the shortest; the last is the shortest itself.
    weight : float, 1/eV
        Of their energy per atom.

    Returns
    -------
    list of Structure
        With energy 0; none if `weight` is 0.
    """
    if weight == 0.0:
        return []
    dimers = []
    for pair, seen in distances.items():
        numbers = np.array([atomic_numbers[s] for s in pair])
        for r in np.linspace(start, 1.0, N_DISTANCES) * seen.shortest:
            dimers.append(
                Structure(
                    numbers,
                    np.array([[0.0, 0.0, 0.0], [0.0, 0.0, r]]),
                    np.zeros((3, 3)),
                    (False, False, False),
                    labels=Labels(energy=0.0),
                    group=GROUP,
                    weight=weight,
                    name=f"the {'-'.join(pair)} dimer at {r:.2f} A",
                )
            )
    return dimers
