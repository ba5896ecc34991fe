"""Equilibrated charges to first order in their parameters: energies, forces and charges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from linpot.charges.charge_energy import self_hardness
from linpot.charges.constrained import Response
from linpot.charges.equilibrated_charges import EquilibratedCharges
from linpot.charges.equilibrated_parameters import EquilibratedParameters
from linpot.charges.feature_slopes import FeatureSlopes, add_gradients, feature_slopes
from linpot.charges.interaction import Interaction
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

MOST_KEPT_BYTES = 2**29
"""Derivatives of features beyond are evaluated in every step."""

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
class _Terms:
    """
    What one structure keeps through the training.

    Attributes
    ----------
    batch : PairBatch
    pairs : CoupledPairs or None
    design : float64[n_atoms, n_parameters of the function]
    slopes : list of FeatureSlopes
        Empty until it is needed, and where there is no room.
    """

    batch: PairBatch
    pairs: CoupledPairs | None
    design: Floats
    slopes: list[FeatureSlopes]


@dataclass(frozen=True, eq=False)
class _State:
    """One structure with its charges at their minimum."""

    terms: _Terms
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
    terms : dict of int to _Terms
        Features, likewise.
    starts : dict of int to float64[n_atoms]
        Charges of the last call, from which the next search begins.
    kept_bytes : list of one int
        Size of the derivatives of features that are kept, at most `MOST_KEPT_BYTES`.
    """

    layout: EquilibratedParameters
    model: EquilibratedCharges
    interactions: dict[int, _Interaction] = field(default_factory=dict)
    terms: dict[int, _Terms] = field(default_factory=dict)
    starts: dict[int, Floats] = field(default_factory=dict)
    kept_bytes: list[int] = field(default_factory=lambda: [0])

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
        forces, mixed = self._features(state.terms, q, explicit[1:])
        field = interaction.fields @ q  # [atom, axis]
        forces = forces + (q[:, None] * field).ravel()
        mixed -= (q[:, None, None] * interaction.fields).reshape(3 * n_atoms, n_atoms)
        rows = np.arange(3 * n_atoms)
        mixed[rows, rows // 3] -= field.ravel()
        if state.terms.pairs is not None:
            assert model.coupling is not None
            c, n, directions = (
                state.terms.pairs.centers,
                state.terms.pairs.neighbors,
                state.terms.pairs.directions,
            )
            slopes = (state.terms.pairs.slope(model.coupling) * q[n])[:, None] * directions
            add_gradients(mixed, c, n, slopes)
            forces = forces + state.terms.pairs.forces(model.coupling, q)[0].ravel()
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
        interaction, terms = self._interaction(place, structure), self._terms(place, structure)
        energy = model.energy_of(
            structure,
            terms.batch,
            terms.pairs,
            total=interaction.total,
            values=terms.design @ model.function.parameters.T,
        )
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
        return _State(terms, interaction, q, response, energy.energy(q))

    def _terms(self, place: int, structure: Structure) -> _Terms:
        if place not in self.terms:
            batch = self.model.packed(structure)
            design = self.model.function.design(batch)
            self.terms[place] = _Terms(batch, self.model.coupled_pairs(batch), design, [])
        return self.terms[place]

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
                up, down = (Interaction.of(own) for own in ends)
                steps.append(
                    Interaction(
                        (up.matrix - down.matrix) / (2.0 * _STEP),
                        (up.fields - down.fields) / (2.0 * _STEP),
                    )
                )
            by_width = np.stack([own.matrix for own in steps])
            fields_by_width = np.stack([own.fields for own in steps])
        fields = Interaction.of(total).fields
        found = _Interaction(widths, total, fields, by_width, fields_by_width)
        self.interactions[place] = found
        return found

    def _by_parameters(self, state: _State) -> tuple[Floats, Floats]:
        """Return T, and the explicit derivatives of energy and forces but those of features."""
        model, layout, at = self.model, self.layout, self.layout.slices
        q, interaction, z = state.charges, state.interaction, state.terms.batch.species
        n_atoms = len(q)
        T = np.zeros((n_atoms, layout.n_parameters))
        explicit = np.zeros((1 + 3 * n_atoms, layout.n_parameters))
        if layout.has("electronegativity") or layout.has("environment_hardness"):
            design = state.terms.design
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
        if state.terms.pairs is not None and layout.has("coupling"):
            self._add_coupling(state.terms.pairs, q, T, explicit)
        return T, explicit

    def _add_coupling(self, pairs: CoupledPairs, q: Floats, T: Floats, explicit: Floats) -> None:
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
            pull = (pull * pairs.slopes[own, None, :]).reshape(len(own), 3 * n_radial)
            explicit[1:, columns] = ((to_center - to_neighbor) @ pull).reshape(-1, n_radial)

    def _features(self, terms: _Terms, q: Floats, explicit: Floats) -> tuple[Floats, Floats]:
        """
        Return forces of features at fixed charges and their d2E/dR dq; fill explicit force rows.

        Returns
        -------
        forces : float64[3 n_atoms], eV/A
        mixed : float64[3 n_atoms, n_atoms], V/A
        """
        layout, function, n_atoms = self.layout, self.model.function, len(q)
        chi, hardness = layout.slices["electronegativity"], layout.slices["environment_hardness"]
        mixed = np.zeros((3 * n_atoms, n_atoms))
        forces = np.zeros(3 * n_atoms)
        for own in self._slopes(terms):
            a, b, c = own.columns.start, own.columns.stop, own.centers
            if layout.has("electronegativity"):
                explicit[:, chi.start + a : chi.start + b] = own.rows(q)
            slopes = own.values @ function.coefficients[0, a:b]  # dchi_center by the pair vector
            pulled = slopes * q[c, None]
            if layout.has_environment:
                among = (layout.pair_columns >= a) & (layout.pair_columns < b)
                kept = layout.pair_columns[among] - a
                if layout.has("environment_hardness"):
                    places = hardness.start + np.flatnonzero(among)
                    explicit[:, places] = own.rows(0.5 * q**2, kept)
                stiffer = own.values @ function.coefficients[1, a:b] * q[c, None]
                slopes = slopes + stiffer
                pulled = pulled + 0.5 * stiffer * q[c, None]
            forces += (own.scatter @ pulled).ravel()
            add_gradients(mixed, c, own.neighbors, slopes)
        return forces, mixed

    def _slopes(self, terms: _Terms) -> Iterable[FeatureSlopes]:
        """Return derivatives of features, kept for the next step as long as there is room."""
        if terms.slopes:
            return terms.slopes
        found = list(feature_slopes(self.model.function.engine, terms.batch))
        size = sum(own.values.nbytes for own in found)
        if self.kept_bytes[0] + size <= MOST_KEPT_BYTES:
            self.kept_bytes[0] += size
            terms.slopes.extend(found)
        return found
