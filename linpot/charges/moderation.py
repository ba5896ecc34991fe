"""
What functions that decide about charges are held to where there are no data.

Energies are quadratic in charges or electronegativities, and these are polynomials of the density:
pushed together, atoms would take charges of many e, and fall into holes that the learned part has
to fill at the cost of the data. In environments that no data show such a function shall stay as
near the mean of its species as all of its values are to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.charges.atom_function import AtomFunction
from linpot.fitting.factors import TriangularFactor
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

_SAME = 1e-10  # of squares: a variance that may be rounding


@dataclass(frozen=True, eq=False)
class Moderation:
    """
    How much a function varies over the data, and how far from its mean it goes elsewhere.

    Attributes
    ----------
    mean : float64[n_parameters]
        Of what multiplies the parameters, over all atoms of the data.
    squares : float64[n_parameters, n_parameters]
        Mean outer product of the same.
    unseen : float64[k, n_parameters]
        Triangular factor of the same for atoms elsewhere, less the mean over the data's atoms of
        their species.
    """

    mean: Floats
    squares: Floats
    unseen: Floats

    @classmethod
    def of(
        cls,
        function: AtomFunction,
        data: Iterable[Structure],
        unseen: Sequence[Structure],
        *,
        threads: int = 1,
    ) -> Moderation:
        """
        Evaluate features of data and of environments that are not among them.

        Parameters
        ----------
        function : AtomFunction
            Its parameters do not matter.
        data : iterable of Structure
        unseen : sequence of Structure
        threads : int
        """
        if not unseen:
            data = ()  # nothing will be asked of it
        n, n_species = function.n_parameters, len(function.basis.elements)
        sums, counts, squares = np.zeros((n_species, n)), np.zeros(n_species), np.zeros((n, n))
        for _, design, species in function.designs(data, threads=threads):
            np.add.at(sums, species, design)
            counts += np.bincount(species, minlength=n_species)
            squares += design.T @ design
        means = sums / np.maximum(counts, 1.0)[:, None]
        n_seen = max(float(counts.sum()), 1.0)
        elsewhere = TriangularFactor(n)
        for _, design, species in function.designs(unseen, threads=threads):
            known = counts[species] > 0.0
            away = (design - means[species])[known]
            elsewhere.add(away[:, :-1], away[:, -1])
        return cls(sums.sum(axis=0) / n_seen, squares / n_seen, elsewhere.rows())

    def rows(self, parameters: Floats) -> Floats:
        """
        Return rows whose products with parameters should be about one, at most.

        Parameters
        ----------
        parameters : float64[n_parameters]
            That say how much values differ in the data.

        Returns
        -------
        float64[k, n_parameters]
            None where all values are the same.
        """
        square = float(parameters @ self.squares @ parameters)
        variance = square - float(self.mean @ parameters) ** 2
        if variance <= _SAME * square:
            return np.zeros((0, len(parameters)))
        return self.unseen / np.sqrt(variance)


def outside_rows(rows: Floats, noise: float, parameters: Floats) -> Floats:
    """
    Return rows `[J residual]` of a linearised problem that count as one label each.

    Parameters
    ----------
    rows : float64[k, n_parameters]
        Whose products with the parameters should be about one at most; see `Moderation.rows`.
    noise : float
        Of the weighted rows of the data.
    parameters : float64[n_parameters]
        About which the problem is linear.

    Returns
    -------
    float64[k, n_parameters + 1]
    """
    return noise * np.column_stack([rows, -rows @ parameters])
