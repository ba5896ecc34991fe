"""What a solved fit is, and what leaving groups out says of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.model.protocol import EnergyModel

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """
    A solved fit.

    Attributes
    ----------
    potential : EnergyModel
        The learned part, plus the baseline if there is one.
    coefficients : float64[n_features], eV
    penalty : float or None
        None for solvers without.
    solver : dict
        What provenance records of the solver.
    errors : dict of (group, property) to float
        Root mean squares on the training rows: energies in eV per atom, forces in eV/A, virials in
        eV per atom. The group is "" where groups share factors; those are in units of the weights.
    """

    potential: EnergyModel
    coefficients: Floats
    penalty: float | None
    solver: dict[str, Any]
    errors: dict[tuple[str, str], float]


@dataclass(frozen=True)
class GroupWorth:
    """
    What each group of the data is worth to each group.

    Attributes
    ----------
    groups : tuple of str
    complete : dict of (group, property) to float
        Errors of the fit to all groups; see `Solution`.
    without : dict of group to dict of (group, property) to float
        Errors of the fit that has not seen a group.
    """

    groups: tuple[str, ...]
    complete: dict[tuple[str, str], float]
    without: dict[str, dict[tuple[str, str], float]]

    def ratio(self, left_out: str, tested: str, name: str) -> float:
        """Return by how much an error grows when a group is left out."""
        return self.without[left_out][tested, name] / self.complete[tested, name]
