"""
Charges of species from energies and forces: where latent charges start.

Charges enter the energy in products. Those of species, ``A_st = a_s a_t``, enter linearly: they are
fitted, and the factor of rank one nearest to them is the start. At q = 0 all derivatives vanish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from linpot.charges.interaction import Interaction
from linpot.charges.local_charges import LocalCharges
from linpot.charges.projection import project
from linpot.charges.training import Linearisation
from linpot.fitting.priors import SmoothnessPrior
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpeciesProducts:
    """
    ``E = 1/2 sum_st A_st v_s G v_t`` as a trainable model that is linear in A.

    v_s are the indicators of species, projected to sum 0; a total charge adds one more, that of the
    charge spread by the shares.

    Attributes
    ----------
    model : LocalCharges
        Gives shares and widths; its charges do not matter.
    parameters : float64[n (n + 1) / 2], e^2
        The upper triangle of A, row by row, n = species + 1.
    interactions : dict of int to Interaction
    """

    model: LocalCharges
    parameters: Floats
    interactions: dict[int, Interaction]

    @classmethod
    def zero(cls, model: LocalCharges, interactions: dict[int, Interaction]) -> SpeciesProducts:
        """Return the model without any charge."""
        n = len(model.elements) + 1
        return cls(model, np.zeros(n * (n + 1) // 2), interactions)

    def with_parameters(self, parameters: Floats) -> SpeciesProducts:
        """Return the model with other products."""
        return replace(self, parameters=parameters)

    def scales(self, prior: SmoothnessPrior) -> Floats:
        """Return ones: all products may be of one size."""
        return np.ones(len(self.parameters))

    @property
    def matrix(self) -> Floats:
        """A: float64[n, n], e^2."""
        n = len(self.model.elements) + 1
        upper = np.zeros((n, n))
        upper[np.triu_indices(n)] = self.parameters
        return upper + np.triu(upper, 1).T

    def radii(self) -> Floats:
        """Return inf: charges are linear in all parameters."""
        return np.full(len(self.parameters), np.inf)

    def linearise(self, place: int, structure: Structure) -> Linearisation:
        """Return energy and forces, linear in the products; there are no charges yet."""
        if place not in self.interactions:
            self.interactions[place] = Interaction.of(self.model.sum_of(structure))
        interaction, n_atoms = self.interactions[place], structure.n_atoms
        species = self.model.species_of(structure)
        shares = self.model.shares_of(structure)
        indicators = (species[:, None] == np.arange(len(self.model.elements))).astype(float)
        v = np.column_stack([project(indicators, shares, 0.0), shares * structure.net_charge])
        phi = interaction.matrix @ v
        fields = interaction.fields @ v  # [atom, axis, s]
        columns = []
        for s, t in zip(*np.triu_indices(v.shape[1]), strict=True):
            both = 0.5 if s == t else 1.0
            forces = v[:, s, None] * fields[:, :, t] + v[:, t, None] * fields[:, :, s]
            columns.append(both * np.append(v[:, s] @ phi[:, t], forces.ravel()))
        jacobian = np.column_stack(columns)
        return Linearisation(
            jacobian @ self.parameters,
            jacobian,
            np.zeros(n_atoms),
            np.zeros((n_atoms, len(self.parameters))),
        )

    def leading_charges(self) -> Floats:
        """
        Return charges of species whose products are nearest to those found: float64[n_species], e.

        The sign is free; where structures are charged, it is that of their charge.
        """
        values, vectors = np.linalg.eigh(self.matrix)
        charges = vectors[:, -1] * np.sqrt(max(float(values[-1]), 0.0))
        if charges[-1] < 0.0:
            charges = -charges
        return np.asarray(charges[:-1])
