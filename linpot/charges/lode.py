"""
Potentials of species as features: what is far away enters the energy linearly.

The densities of a species, wherever its atoms are, have a potential at every atom. It is coupled
with features of the environment of that atom; the energy stays linear in all coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.charges.atom_function import AtomFunction
from linpot.charges.feature_slopes import feature_slopes
from linpot.charges.interaction import Interaction
from linpot.charges.joint_training import train_jointly
from linpot.charges.local_charges import DEFAULT_WIDTH, width_per_species
from linpot.charges.local_trainee import constants_and_features
from linpot.charges.training import ChargeRung, Linearisation, Training, charge_basis
from linpot.electrostatics.coulomb_sum import DEFAULT_ACCURACY, CoulombSum, check_accuracy
from linpot.errors import InputError
from linpot.fitting.priors import SmoothnessPrior
from linpot.model.packing import pack
from linpot.model.prediction import FULL, Prediction
from linpot.model.protocol import EnergyModel
from linpot.model.registry import register_model
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


@register_model
@dataclass(frozen=True, eq=False)
class LodePotential(EnergyModel):
    """
    ``E = sum_i sum_t f_t(i) V_t(i)``.

    V_t(i) is the potential at atom i of unit clouds on all atoms of species t. f_t is a constant of
    the species of atom i plus a linear function of its features: the field (its value, l = 0)
    coupled with the local density. An atom does not see its own cloud. In periodic cells a uniform
    background neutralises the clouds.

    Attributes
    ----------
    function : AtomFunction
        f, e; one output per species.
    widths : mapping of str to float, A
        Standard deviation of the Gaussian cloud of each species.
    accuracy : float
        Of lattice sums; see `CoulombSum`.

    Raises
    ------
    InputError
        If widths are missing or out of range, or the outputs are not those of the species.

    References
    ----------
    Grisafi and Ceriotti, J. Chem. Phys. 151, 204105 (2019), eq. 3 (potentials of species
    densities as features).
    """

    function: AtomFunction
    widths: Mapping[str, float]
    accuracy: float = DEFAULT_ACCURACY
    kind = "lode"

    def __post_init__(self) -> None:
        if self.function.n_outputs != len(self.elements):
            raise InputError(
                f"`function` must have one output per species, {len(self.elements)}, got "
                f"{self.function.n_outputs}"
            )
        for symbol in self.elements:
            if symbol not in self.widths:
                raise InputError(f"`widths` must name {symbol!r}, got {sorted(self.widths)}")
            checks.non_negative(f"widths[{symbol!r}]", self.widths[symbol], "length in A")
        check_accuracy(self.accuracy)

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, by atomic number."""
        return self.function.basis.elements

    @property
    def cutoff(self) -> float:
        """Largest cutoff of the features, A; potentials need no list."""
        return float(self.function.cutoffs.max())

    @cached_property
    def _widths(self) -> Floats:
        return np.array([float(self.widths[s]) for s in self.elements])

    def sum_of(self, structure: Structure) -> CoulombSum:
        """Return the linear operator from charges to potentials of one structure."""
        widths = self._widths[self.species_of(structure)]
        return CoulombSum(structure, widths=widths, accuracy=self.accuracy)

    def clouds_of(self, structure: Structure) -> Floats:
        """Return the unit clouds of every species: float64[n_atoms, n_species], e."""
        species = self.species_of(structure)
        return (species[:, None] == np.arange(len(self.elements))).astype(float)

    def predict(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Prediction:
        """Evaluate the model; see `EnergyModel.predict`."""
        function = self.function
        batch = pack([structure], self.elements, function.cutoffs, [neighbors], threads=threads)
        values = function.values(batch, threads=threads)
        clouds, total = self.clouds_of(structure), self.sum_of(structure)
        potentials = np.zeros_like(values)
        found, virial = np.zeros((structure.n_atoms, 3)), np.zeros((3, 3))
        for t in range(clouds.shape[1]):
            both, one, other = (
                total.evaluate(q, forces=forces, threads=threads)
                for q in (values[:, t] + clouds[:, t], values[:, t], clouds[:, t])
            )
            potentials[:, t] = other.potentials
            if forces:
                # a form of two sets of charges from three energies of one
                found += both.forces - one.forces - other.forces  # type: ignore[operator]
                virial += both.virial - one.virial - other.virial  # type: ignore[operator]
        atomic = (values * potentials).sum(axis=1)
        if not forces:
            return Prediction(float(atomic.sum()), None, None, atomic)
        moving, virials = function.pull_back(batch, potentials, threads=threads)
        virial = virial + virials.sum(axis=0)[FULL]
        return Prediction(float(atomic.sum()), found + moving, virial, atomic)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return header and arrays."""
        header, arrays = self.function.to_state()
        header |= {
            "widths": {s: float(self.widths[s]) for s in self.elements},
            "accuracy": self.accuracy,
        }
        return header, arrays

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> LodePotential:
        """Rebuild from what `to_state` returned."""
        widths = {str(k): float(v) for k, v in header["widths"].items()}
        return cls(AtomFunction.from_state(header, arrays), widths, float(header["accuracy"]))


@dataclass(frozen=True, eq=False)
class LodeTrainee:
    """
    Trains a `LodePotential`: its energy is linear in its parameters.

    Attributes
    ----------
    model : LodePotential
    interactions : dict of int to Interaction
        By place in the data; filled when they are first needed.
    """

    model: LodePotential
    interactions: dict[int, Interaction] = field(default_factory=dict)

    @property
    def parameters(self) -> Floats:
        """Those of every output, one after the other."""
        return self.model.function.parameters.ravel()

    def with_parameters(self, parameters: Floats) -> LodeTrainee:
        """Return the trainee of a model with other parameters."""
        function = self.model.function
        function = function.with_parameters(parameters.reshape(function.n_outputs, -1))
        return replace(self, model=replace(self.model, function=function))

    def scales(self, prior: SmoothnessPrior) -> Floats:
        """Return those of local charges, for every output."""
        function = self.model.function
        return np.tile(constants_and_features(prior, function.basis), function.n_outputs)

    def radii(self) -> Floats:
        """Return inf: the energy is linear in its parameters."""
        return np.full(len(self.parameters), np.inf)

    def linearise(self, place: int, structure: Structure) -> Linearisation:
        """Return energy and forces with derivatives; there are no charges."""
        model, function = self.model, self.model.function
        if place not in self.interactions:
            self.interactions[place] = Interaction.of(model.sum_of(structure))
        interaction, n_atoms = self.interactions[place], structure.n_atoms
        batch = pack([structure], model.elements, function.cutoffs)
        D = function.design(batch)
        of_features = interaction.fields @ D  # [atom, axis, parameter]
        clouds = model.clouds_of(structure)
        potentials = interaction.matrix @ clouds
        fields = interaction.fields @ clouds
        slopes = list(feature_slopes(function.engine, batch))
        blocks = []
        for t in range(clouds.shape[1]):
            fixed = D[:, None, :] * fields[:, :, t, None]
            fixed += clouds[:, t, None, None] * of_features
            forces = fixed.reshape(3 * n_atoms, -1)
            for own in slopes:
                forces[:, own.columns] += own.rows(potentials[:, t])
            blocks.append(np.vstack([potentials[:, t] @ D, forces]))
        jacobian = np.hstack(blocks)
        return Linearisation(
            jacobian @ self.parameters,
            jacobian,
            np.zeros(n_atoms),
            np.zeros((n_atoms, jacobian.shape[1])),
        )


@dataclass(frozen=True)
class LodeRung(ChargeRung):
    """
    Potentials of species densities as features, from energies and forces; no charges.

    Attributes
    ----------
    n_functions : int
        Per centre species and species of clouds.
    body_order : int
    cutoff : float or None, A
        None takes those of the learned part.
    width : float, A
        Of the Gaussian clouds.
    joint_functions : int
        Of the learned part that stands beside them in training.
    accuracy : float
        Of lattice sums.
    """

    n_functions: int = 10
    body_order: int = 2
    cutoff: float | None = None
    width: float = DEFAULT_WIDTH
    joint_functions: int = 100
    accuracy: float = DEFAULT_ACCURACY
    name: ClassVar[str] = "lode"

    def __post_init__(self) -> None:
        checks.integer("charges.n_functions", self.n_functions, low=1)
        checks.integer("charges.body_order", self.body_order, low=2)
        checks.integer("charges.joint_functions", self.joint_functions, low=1)

    def train(self, training: Training) -> LodePotential:
        """Fit the potential; see `ChargeRung.train`."""
        basis = charge_basis(training.basis, self.n_functions, self.body_order, self.cutoff)
        widths = width_per_species(basis.elements, self.width)
        function = AtomFunction.zero(basis, len(basis.elements))
        trainee = LodeTrainee(LodePotential(function, widths, self.accuracy))
        smaller = training.beside(self.joint_functions)
        # linear: one step finds it, a second follows the choice of penalties
        return train_jointly(trainee, smaller, most_steps=2).trainee.model
