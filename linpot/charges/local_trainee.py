"""Local charges to first order in their parameters: energies, forces and charges."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

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
class Interaction:
    """
    The Coulomb operator of one structure as dense matrices; it does not change in training.

    Attributes
    ----------
    matrix : float64[n_atoms, n_atoms], V/e
        Potentials of unit charges.
    fields : float64[n_atoms, 3, n_atoms], V/(A e)
        ``fields[i, :, j]``: field at atom i of a unit charge at atom j.
    """

    matrix: Floats
    fields: Floats

    @classmethod
    def of(cls, model: LocalCharges, structure: Structure) -> Interaction:
        """Evaluate the sum for every unit charge."""
        total = model.sum_of(structure)
        potentials, fields = [], []
        for unit in np.eye(structure.n_atoms):
            found = total.evaluate(unit)
            assert found.fields is not None
            potentials.append(found.potentials)
            fields.append(found.fields)
        matrix = np.array(potentials)
        return cls(0.5 * (matrix + matrix.T), np.stack(fields, axis=2))


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
        basis = self.model.function.basis
        own = prior.scales(basis)
        largest = own.max(initial=0.0) or 1.0
        return np.append(own, np.full(len(basis.elements), CONSTANT_SCALE * largest))

    def radii(self) -> Floats:
        """Return inf: charges are linear in all parameters."""
        return np.full(len(self.parameters), np.inf)

    def linearise(self, place: int, structure: Structure) -> Linearisation:
        """Return energy, forces and charges with derivatives; see `Trainable.linearise`."""
        model, function = self.model, self.model.function
        if place not in self.interactions:
            self.interactions[place] = Interaction.of(model, structure)
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
        forces = charges[:, None] * field
        jacobian = fixed.reshape(3 * n_atoms, -1)
        _, gradients = function.engine.feature_gradients(batch)
        species = batch.species[gradients.centers]
        for z, (a, b) in enumerate(pairwise(function.basis.feature_offsets)):
            own = np.flatnonzero(species == z)
            if not len(own) or a == b:
                continue
            centers, neighbors = gradients.centers[own], gradients.neighbors[own]
            values = gradients.values[own, :, : b - a]  # [pair, axis, feature]
            # minus the derivative by positions: a centre moves against its pairs
            signs = np.concatenate([np.ones(len(own)), -np.ones(len(own))])
            places = (np.concatenate([centers, neighbors]), np.tile(np.arange(len(own)), 2))
            scatter = csr_matrix((signs, places), shape=(n_atoms, len(own)))
            weighted = values * adjoint[centers, None, None]
            jacobian[:, a:b] += (scatter @ weighted.reshape(len(own), -1)).reshape(-1, b - a)
            slopes = values @ self.parameters[a:b]  # dp_center by the pair vector
            forces += scatter @ (slopes * adjoint[centers, None])
            of_center = csr_matrix(
                (np.ones(len(own)), (np.arange(len(own)), centers)), shape=(len(own), n_atoms)
            )
            for axis in range(3):
                moved = scatter @ (of_center.multiply(slopes[:, axis, None]).tocsr())
                jacobian[axis::3] += moved @ responses
        energy = 0.5 * float(charges @ potentials)
        return Linearisation(
            np.append(energy, forces.ravel()), np.vstack([potentials @ D, jacobian]), charges, D
        )
