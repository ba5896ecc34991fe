"""Local charges to first order in their parameters: energies, forces and charges."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.charges.feature_slopes import add_gradients, feature_slopes
from linpot.charges.interaction import Interaction
from linpot.charges.local_charges import LocalCharges
from linpot.charges.projection import project, pull_back_projection
from linpot.charges.training import Linearisation
from linpot.fitting.priors import SmoothnessPrior
from linpot.model.packing import pack
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

CONSTANT_SCALE = 30.0
"""How much larger constants of species are expected to be than coefficients of features: the prior
hardly holds them."""


@dataclass(frozen=True, eq=False)
class LocalTrainee:
    """
    Trains the charges of a `LocalCharges`.

    With ``q = D theta + s Q`` (projected features D, shares s), ``phi = G q`` and fields E[.] of
    charges,

        dE/dtheta_k = D_k . phi
        dF_a/dtheta_k = D_ak E_a[q] + q_a E_a[D_k]
                        - sum_i (G D_k)'_i dp_i/dR_a - sum_i phi'_i dB_ik/dR_a

    where ' is the way back through the projection. The last two terms are how charges move.

    Attributes
    ----------
    model : LocalCharges
    interactions : dict of int to Interaction
        By place in the data; filled when they are first needed.
    """

    model: LocalCharges
    interactions: dict[int, Interaction] = field(default_factory=dict)

    @property
    def parameters(self) -> Floats:
        """Coefficients by centre species, then the constant of every species, e."""
        return self.model.function.parameters[0]

    def with_parameters(self, parameters: Floats) -> LocalTrainee:
        """Return the trainee of a model with other parameters."""
        function = self.model.function.with_parameters(parameters[None])
        return replace(self, model=self.model.with_function(function))

    def scales(self, prior: SmoothnessPrior) -> Floats:
        """Return the scales of coefficients, and a large one of constants."""
        return constants_and_features(prior, self.model.function.basis)

    def radii(self) -> Floats:
        """Return inf: charges are linear in all parameters."""
        return np.full(len(self.parameters), np.inf)

    def linearise(self, place: int, structure: Structure) -> Linearisation:
        """Return energy, forces and charges with derivatives; see `Trainable.linearise`."""
        model, function = self.model, self.model.function
        if place not in self.interactions:
            self.interactions[place] = Interaction.of(model.sum_of(structure))
        interaction = self.interactions[place]
        shares, n_atoms = model.shares_of(structure), structure.n_atoms
        batch = pack([structure], model.elements, function.cutoffs)
        design = function.design(batch)
        charges = project(design @ self.parameters, shares, structure.net_charge)
        D = project(design, shares, 0.0)
        potentials = interaction.matrix @ charges
        field = interaction.fields @ charges  # [atom, axis]
        adjoint = pull_back_projection(potentials, shares)
        fixed = D[:, None, :] * field[:, :, None]
        fixed += charges[:, None, None] * (interaction.fields @ D)
        responses = pull_back_projection(interaction.matrix @ D, shares)
        jacobian = fixed.reshape(3 * n_atoms, -1)
        mixed = np.zeros((3 * n_atoms, n_atoms))  # dp by positions
        for own in feature_slopes(function.engine, batch):
            jacobian[:, own.columns] += own.rows(adjoint)
            slopes = own.values @ self.parameters[own.columns]  # dp_center by the pair vector
            add_gradients(mixed, own.centers, own.neighbors, slopes)
        forces = (charges[:, None] * field).ravel() - mixed @ adjoint
        jacobian -= mixed @ responses
        energy = 0.5 * float(charges @ potentials)
        return Linearisation(
            np.append(energy, forces), np.vstack([potentials @ D, jacobian]), charges, D
        )


def constants_and_features(prior: SmoothnessPrior, basis: Basis) -> Floats:
    """Return the scales of the parameters of an `AtomFunction` of one output."""
    own = prior.scales(basis)
    largest = own.max(initial=0.0) or 1.0
    return np.append(own, np.full(len(basis.elements), CONSTANT_SCALE * largest))
