"""
What a potential costs per atom and step, estimated from its basis; and the size that a cost allows.

Densities are summed over neighbors, products over nothing: two terms and a constant meet the
measured time of the learned part from 60 to 4000 functions (benchmarks/results/engine.json, one
thread of a 2.6 GHz server with AVX-512) within a tenth. A ratio of two estimates says more than
one of them: processors differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from linpot import checks
from linpot.basis.basis import Basis
from linpot.basis.families import build_basis
from linpot.basis.specification import symbols_of
from linpot.errors import InputError
from linpot.structures.dataset import Dataset
from linpot.structures.distances import survey_distances
from linpot.structures.neighbors import find_neighbors
from linpot.workflow.defaults import Distances
from linpot.workflow.plan import specify_basis
from linpot.workflow.settings import FitSettings

_PER_ATOM = 0.45  # us
_PER_DENSITY_AND_NEIGHBOR = 0.0038 / 28.0
_PER_PRODUCT = 1.9e-4
_SAMPLE = 10  # structures whose neighbors are counted
_CLOSE = 0.03  # relative
_LARGEST = 10_000


class CostModel:
    """
    Estimates costs for the environments of a data set.

    Parameters
    ----------
    data : Dataset
    """

    def __init__(self, data: Dataset) -> None:
        self._elements = symbols_of(data.elements)
        self._distances: Distances = survey_distances(data, self._elements)
        self._sample = list(data[:: max(1, len(data) // _SAMPLE)])
        self._shares = [n / data.n_atoms for n in data.contents.atoms_of.values()]

    def cost(self, basis: Basis) -> float:
        """
        Return the time of energies and forces of the learned part.

        Parameters
        ----------
        basis : Basis

        Returns
        -------
        float, us
            Per atom and step, mean over the atoms of the data, on one thread.
        """
        n_pairs = sum(find_neighbors(s, basis.cutoff).n_pairs for s in self._sample)
        n_neighbors = n_pairs / sum(s.n_atoms for s in self._sample)
        return estimate_cost(basis, n_neighbors, self._shares)

    def sized(self, settings: FitSettings, us_per_atom: float) -> FitSettings:
        """
        Return the settings with as many functions as a cost allows.

        Parameters
        ----------
        settings : FitSettings
        us_per_atom : float, us

        Returns
        -------
        FitSettings
            The same number for every element.

        Raises
        ------
        InputError
            If less is asked for than a few functions cost, or more than `_LARGEST` do.
        """
        checks.positive("us_per_atom", us_per_atom, "time in us")
        largest = settings.n_functions
        low, high = 1, max(largest.values()) if isinstance(largest, Mapping) else largest
        while self._cost_of(replace(settings, n_functions=high)) <= us_per_atom:
            low, high = high, 2 * high
            if high > _LARGEST:
                raise InputError(
                    f"`us_per_atom` must be a time that {_LARGEST} functions would exceed, "
                    f"got {us_per_atom}; give `n_functions`"
                )
        while high - low > max(1, _CLOSE * low / 2):  # high costs too much
            middle = (low + high) // 2
            if self._cost_of(replace(settings, n_functions=middle)) <= us_per_atom:
                low = middle
            else:
                high = middle
        for n_functions in range(low, 0, -1):
            sized = replace(settings, n_functions=n_functions)
            if self._cost_of(sized) <= us_per_atom:
                return sized
        raise InputError(
            f"`us_per_atom` must be a time in which some functions can be evaluated, "
            f"got {us_per_atom}"
        )

    def _cost_of(self, settings: FitSettings) -> float:
        """Return a cost; infinite for a number that blocks of functions cannot meet within 3 %."""
        try:
            return self.cost(build_basis(specify_basis(self._distances, settings, self._elements)))
        except InputError:
            return np.inf


def estimate_cost(basis: Basis, n_neighbors: float, shares: Sequence[float]) -> float:
    """
    Estimate the time per atom of the learned part, in us.

    Parameters
    ----------
    basis : Basis
    n_neighbors : float
        Inside the cutoff; each is seen by the densities of its species.
    shares : sequence of float
        Of the atoms of each element.
    """
    costs = [
        _PER_ATOM
        + _PER_DENSITY_AND_NEIGHBOR * n_neighbors * program.n_densities / len(basis.programs)
        + _PER_PRODUCT * program.n_leaves
        for program in basis.programs
    ]
    return float(np.dot(costs, shares))
