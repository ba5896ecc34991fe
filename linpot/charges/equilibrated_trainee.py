"""Equilibrated charges to first order in their parameters: energies, forces and charges."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from linpot.charges.charge_energy import self_hardness
from linpot.charges.constrained import Response
from linpot.charges.equilibrated_charges import EquilibratedCharges
from linpot.charges.equilibrated_parameters import EquilibratedParameters
from linpot.charges.pair_coupling import CoupledPairs
from linpot.charges.training import Linearisation
from linpot.electrostatics.coulomb_sum import CoulombSum
from linpot.errors import ConvergenceError
from linpot.fitting.priors import SmoothnessPrior
from linpot.model.pair_batch import PairBatch
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

LEAST_CURVATURE = 0.3
"""V/e: models whose energy is flatter than this for some structure are not stepped onto."""

_STEP = 1e-4  # of log widths in differences: errors of 1e-8
_WIDTH_ACCURACY = 1e-12  # of the sums that are subtracted from each other


@dataclass(frozen=True, eq=False)
class _Interaction:
    """
    The Coulomb operator of one structure as dense arrays, for some widths.

    Attributes
    ----------
    widths : float64[n_species], A
    total : CoulombSum
    fields : float64[n_atoms, 3, n_atoms], V/(A e)
        ``fields[i, :, j]``: field at atom i of a unit charge at atom j.
    by_width : float64[n_species, n_atoms, n_atoms] or None, V/e
        Derivatives of the matrix by log widths.
    fields_by_width : float64[n_species, n_atoms, 3, n_atoms] or None
    """

    widths: Floats
    total: CoulombSum
    fields: Floats
    by_width: Floats | None
    fields_by_width: Floats | None


@dataclass(frozen=True, eq=False)
class _State:
    """One structure with its charges at their minimum."""

    batch: PairBatch
    pairs: CoupledPairs | None
    interaction: _Interaction
    charges: Floats
    response: Response
    energy: float


@dataclass(frozen=True, eq=False)
class EquilibratedTrainee:
    """
    Trains an `EquilibratedCharges`.

    With ``H = d2E/dq2``, its inverse P on charges of zero sum, and ``T = d2E/dq dc``,

        dq/dc = -P T        dE/dc = (explicit)        dF/dc = (explicit) + d2E/dR dq P T

    Attributes
    ----------
    layout : EquilibratedParameters
        What is trained.
    model : EquilibratedCharges
    interactions : dict of int to _Interaction
        By place in the data; filled when they are first needed.
    starts : dict of int to float64[n_atoms]
        Charges of the last call, from which the next search begins.
    """

    layout: EquilibratedParameters
    model: EquilibratedCharges
    interactions: dict[int, _Interaction] = field(default_factory=dict)
    starts: dict[int, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, model: EquilibratedCharges, free: tuple[str, ...]) -> EquilibratedTrainee:
        """Return the trainee of some groups of a model's parameters."""
        return cls(EquilibratedParameters(model, free), model)

    @property
    def parameters(self) -> Floats:
        """Those of the free groups: float64[n_parameters]."""
        return self.layout.of(self.model)

    def with_parameters(self, parameters: Floats) -> EquilibratedTrainee:
        """Return the trainee of a model with other parameters."""
        return replace(self, model=self.layout.model(parameters))

    def scales(self, prior: SmoothnessPrior) -> Floats:
        """Return the sizes that the prior expects of parameters, up to a factor."""
        return self.layout.scales(prior)

    def radii(self) -> Floats:
        """Return how far one step may go, about, for each parameter."""
        return self.layout.radii()

    def linearise(self, place: int, structure: Structure) -> Linearisation:
        """
        Return energy, forces and charges with derivatives; see `Trainable.linearise`.

        Raises
        ------
        ConvergenceError
            If there is no minimum, or one that is flatter than `LEAST_CURVATURE`.
        """
        model = self.model
        state = self._settle(place, structure)
        q, interaction, n_atoms = state.charges, state.interaction, structure.n_atoms
        T, explicit = self._by_parameters(state)
        forces, mixed = self._features(state.batch, q, explicit[1:])
        field = interaction.fields @ q  # [atom, axis]
        forces = forces + (q[:, None] * field).ravel()
        mixed -= (q[:, None, None] * interaction.fields).reshape(3 * n_atoms, n_atoms)
        rows = np.arange(3 * n_atoms)
        mixed[rows, rows // 3] -= field.ravel()
        if state.pairs is not None:
            assert model.coupling is not None
            c, n, directions = state.pairs.centers, state.pairs.neighbors, state.pairs.directions
            slopes = (state.pairs.slope(model.coupling) * q[n])[:, None] * directions
            _add_gradients(mixed, c, n, slopes, n_atoms)
            forces = forces + state.pairs.forces(model.coupling, q)[0].ravel()
        d_charges = -state.response(T)
        explicit[1:] -= mixed @ d_charges
        return Linearisation(np.append(state.energy, forces), explicit, q, d_charges)

    def linearise_charges(self, place: int, structure: Structure) -> tuple[Floats, Floats]:
        """
        Return the charges alone, and their derivatives; see `linearise`.

        Returns
        -------
        charges : float64[n_atoms], e
        d_charges : float64[n_atoms, n_parameters]
        """
        state = self._settle(place, structure)
        return state.charges, -state.response(self._by_parameters(state)[0])

    def _settle(self, place: int, structure: Structure) -> _State:
        model = self.model
        interaction = self._interaction(place, structure)
        batch = model.packed(structure)
        pairs = model.coupled_pairs(batch)
        energy = model.energy_of(structure, batch, pairs, total=interaction.total)
        q = model.equilibrium(structure, energy, self.starts.get(place)).charges
        response = Response(energy.hessian(q))
        least = response.smallest_curvature()
        if least < LEAST_CURVATURE:
            raise ConvergenceError(
                f"the charges of {structure.name} are nearly free: the smallest curvature of their "
                f"energy must be at least {LEAST_CURVATURE} V/e, got {least:.3g}",
                iterations=0,
                residual=0.0,
            )
        self.starts[place] = q
        return _State(batch, pairs, interaction, q, response, energy.energy(q))

    def _interaction(self, place: int, structure: Structure) -> _Interaction:
        widths = self.model.by_species("widths")
        assert widths is not None
        known = self.interactions.get(place)
        if known is not None and np.array_equal(known.widths, widths):
            return known
        species = self.model.species_of(structure)

        def sum_with(own: Floats, accuracy: float) -> CoulombSum:
            return CoulombSum(structure, widths=own[species], accuracy=accuracy)

        total = sum_with(widths, self.model.accuracy)
        by_width, fields_by_width = None, None
        if self.layout.has("widths"):
            steps = []
            for z in range(len(widths)):
                factors = np.where(np.arange(len(widths)) == z, _STEP, 0.0)
                ends = [
                    sum_with(widths * np.exp(sign * factors), _WIDTH_ACCURACY) for sign in (1, -1)
                ]
                up, down = ((own.matrix, _unit_fields(own)) for own in ends)
                steps.append([(a - b) / (2.0 * _STEP) for a, b in zip(up, down, strict=True)])
            by_width = np.stack([own[0] for own in steps])
            fields_by_width = np.stack([own[1] for own in steps])
        found = _Interaction(widths, total, _unit_fields(total), by_width, fields_by_width)
        self.interactions[place] = found
        return found

    def _by_parameters(self, state: _State) -> tuple[Floats, Floats]:
        """Return T, and the explicit derivatives of energy and forces but those of features."""
        model, layout, at = self.model, self.layout, self.layout.slices
        q, interaction, z = state.charges, state.interaction, state.batch.species
        n_atoms = len(q)
        T = np.zeros((n_atoms, layout.n_parameters))
        explicit = np.zeros((1 + 3 * n_atoms, layout.n_parameters))
        if layout.has("electronegativity") or layout.has("environment_hardness"):
            design = model.function.design(state.batch)
            if layout.has("electronegativity"):
                T[:, at["electronegativity"]] = design
                explicit[0, at["electronegativity"]] = q @ design
            if layout.has("environment_hardness"):
                columns = design[:, layout.pair_columns]
                T[:, at["environment_hardness"]] = q[:, None] * columns
                explicit[0, at["environment_hardness"]] = 0.5 * q**2 @ columns
        hardness, atoms = model.by_species("hardness"), np.arange(n_atoms)
        assert hardness is not None
        powers: dict[str, tuple[int, Floats]] = {
            "hardness": (2, hardness[z]),
            "widths": (2, -self_hardness(interaction.widths)[z]),
            "cubic": (3, np.ones(n_atoms)),
            "quartic": (4, np.ones(n_atoms)),
        }
        for name, (power, factor) in powers.items():
            if layout.has(name):
                T[atoms, at[name].start + z] = factor * q ** (power - 1)
                np.add.at(explicit[0], at[name].start + z, factor * q**power / power)
        if interaction.by_width is not None and interaction.fields_by_width is not None:
            potentials = interaction.by_width @ q  # [species, atom]
            T[:, at["widths"]] += potentials.T
            explicit[0, at["widths"]] += 0.5 * potentials @ q
            moved = q[:, None] * (interaction.fields_by_width @ q)  # [species, atom, axis]
            explicit[1:, at["widths"]] += moved.reshape(len(moved), -1).T
        if state.pairs is not None and layout.has("coupling"):
            self._add_coupling(state.pairs, q, T, explicit)
        return T, explicit

    def _add_coupling(
        self, pairs: CoupledPairs, q: Floats, T: Floats, explicit: Floats
    ) -> None:
        """Add the columns of the coupling."""
        at = self.layout.slices["coupling"]
        n_radial = pairs.values.shape[1]
        c, n = pairs.centers, pairs.neighbors
        both = q[c] * q[n]
        for k in range((at.stop - at.start) // n_radial):
            own = np.flatnonzero(pairs.species == k)
            columns = slice(at.start + k * n_radial, at.start + (k + 1) * n_radial)
            to_center, to_neighbor = (
                csr_array((np.ones(len(own)), (a[own], np.arange(len(own)))), (len(q), len(own)))
                for a in (c, n)
            )
            T[:, columns] = to_center @ (pairs.values[own] * q[n[own], None])
            explicit[0, columns] = 0.5 * both[own] @ pairs.values[own]
            pull = 0.5 * both[own, None, None] * pairs.directions[own, :, None]
            pull = (pull * pairs.slopes[own, None, :]).reshape(len(own), -1)
            explicit[1:, columns] = ((to_center - to_neighbor) @ pull).reshape(-1, n_radial)

    def _features(
        self, batch: PairBatch, q: Floats, explicit: Floats
    ) -> tuple[Floats, Floats]:
        """
        Return forces of features at fixed charges and their d2E/dR dq; fill explicit force rows.

        Returns
        -------
        forces : float64[3 n_atoms], eV/A
        mixed : float64[3 n_atoms, n_atoms], V/A
        """
        layout, function, n_atoms = self.layout, self.model.function, len(q)
        at = layout.slices
        _, gradients = function.engine.feature_gradients(batch)
        species = batch.species[gradients.centers]
        mixed = np.zeros((3 * n_atoms, n_atoms))
        forces = np.zeros(3 * n_atoms)
        hard = np.full(function.basis.n_features, -1)
        hard[layout.pair_columns] = np.arange(len(layout.pair_columns))
        for z, (a, b) in enumerate(pairwise(function.basis.feature_offsets)):
            own = np.flatnonzero(species == z)
            if not len(own) or a == b:
                continue
            c, n = gradients.centers[own], gradients.neighbors[own]
            values = np.ascontiguousarray(gradients.values[own, :, : b - a])  # [pair, axis, f]
            # minus the derivative by positions: a centre moves against its pairs
            signs = np.repeat([1.0, -1.0], len(own))
            places = (np.concatenate([c, n]), np.tile(np.arange(len(own)), 2))
            scatter = csr_array((signs, places), shape=(n_atoms, len(own)))

            def rows(values: Floats, by_pair: Floats, scatter: csr_array = scatter) -> Floats:
                weighted = values * by_pair[:, None, None]
                found = scatter @ weighted.reshape(len(values), -1)
                return found.reshape(3 * n_atoms, -1)

            if layout.has("electronegativity"):
                first = at["electronegativity"].start
                explicit[:, first + a : first + b] = rows(values, q[c])
            slopes = values @ function.coefficients[0, a:b]  # dchi_center by the pair vector
            pulled = slopes * q[c, None]
            if layout.has_environment:
                kept = np.flatnonzero(hard[a:b] >= 0)
                pair_values = np.ascontiguousarray(values[:, :, kept])
                if layout.has("environment_hardness"):
                    places_of = at["environment_hardness"].start + hard[a:b][kept]
                    explicit[:, places_of] = rows(pair_values, 0.5 * q[c] ** 2)
                stiffer = pair_values @ function.coefficients[1, a:b][kept] * q[c, None]
                slopes = slopes + stiffer
                pulled = pulled + 0.5 * stiffer * q[c, None]
            forces += (scatter @ pulled).ravel()
            _add_gradients(mixed, c, n, slopes, n_atoms)
        return forces, mixed


def _add_gradients(mixed: Floats, c: Floats, n: Floats, slopes: Floats, n_atoms: int) -> None:
    """Add the derivatives of dE/dq of centres by the vectors to their neighbors."""
    for axis in range(3):
        for atoms, sign in ((n, 1.0), (c, -1.0)):
            places = (3 * atoms + axis) * n_atoms + c
            found = np.bincount(places, slopes[:, axis], minlength=mixed.size)
            mixed += sign * found.reshape(mixed.shape)


def _unit_fields(total: CoulombSum) -> Floats:
    """Return the field at every atom of a unit charge at every other: [atom, axis, source]."""
    fields = []
    for unit in np.eye(total.structure.n_atoms):
        found = total.evaluate(unit).fields
        assert found is not None
        fields.append(found)
    return np.stack(fields, axis=2)
