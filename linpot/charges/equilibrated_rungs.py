"""The rungs whose charges minimise an energy: QEq and self-consistent charges."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from linpot import checks
from linpot.charges.atom_function import AtomFunction
from linpot.charges.equilibrated_charges import EquilibratedCharges
from linpot.charges.equilibrated_fit import fit_equilibrated
from linpot.charges.equilibrated_parameters import EquilibratedParameters
from linpot.charges.equilibrated_trainee import EquilibratedTrainee
from linpot.charges.joint_training import train_jointly
from linpot.charges.moderation import Moderation
from linpot.charges.training import JOINT_CHARGES, ChargeRung, Training, charge_basis
from linpot.electrostatics.coulomb_sum import DEFAULT_ACCURACY

Floats = NDArray[np.float64]

_CHARGE_STEPS, _CHARGE_TOLERANCE = 8, 5e-3
"""Reference charges alone need not be fitted to the end when joint training follows."""


@dataclass(frozen=True)
class EquilibratedRung(ChargeRung):
    """
    Charge equilibration (QEq, CENT): chi linear in features, hardness per species.

    Reference charges and dipoles come first: chi by one linear fit, then the hardness too.
    Joint training follows, of one energy beside the learned part.

    Attributes
    ----------
    n_functions : int
        Of chi, per centre species.
    body_order : int
    cutoff : float or None, A
        None takes those of the learned part.
    hardness : float, V/e
        To start with, without that of the clouds.
    width : float or None, A
        Of the Gaussian clouds; None takes covalent radii.
    fit_widths : bool
    joint : bool
        Whether energies and forces are used, not only charges and dipoles.
    joint_functions : int
        Of the learned part that stands beside the charges in joint training.
    joint_steps : int
        At most so many.
    joint_charges : float
        Weights of charges and dipoles in joint training, over those of the fit. Energies and forces
        decide about charges, which are not quite those of the labels.
    accuracy : float
        Of lattice sums.
    """

    n_functions: int = 100
    body_order: int = 4
    cutoff: float | None = None
    hardness: float = 5.0
    width: float | None = None
    fit_widths: bool = False
    joint: bool = True
    joint_functions: int = 100
    joint_steps: int = 15
    joint_charges: float = JOINT_CHARGES
    accuracy: float = DEFAULT_ACCURACY
    name: ClassVar[str] = "qeq"

    def __post_init__(self) -> None:
        for field in ("n_functions", "joint_functions", "joint_steps"):
            checks.integer(f"charges.{field}", getattr(self, field), low=1)
        checks.integer("charges.body_order", self.body_order, low=2)
        checks.positive("charges.hardness", self.hardness)
        checks.non_negative("charges.joint_charges", self.joint_charges)
        if self.width is not None:
            checks.positive("charges.width", self.width, "length in A")

    @property
    def free(self) -> tuple[str, ...]:
        """Groups of parameters that are trained."""
        widths = ("widths",) if self.fit_widths else ()
        return ("electronegativity", "hardness", *widths)

    def start(self, training: Training) -> EquilibratedCharges:
        """Return a model without electronegativities."""
        basis = charge_basis(training.basis, self.n_functions, self.body_order, self.cutoff)
        widths = {s: float(self.width or covalent_radii[atomic_numbers[s]]) for s in basis.elements}
        hardness = dict.fromkeys(basis.elements, self.hardness)
        function = AtomFunction.zero(basis)
        return EquilibratedCharges(function, hardness, widths, accuracy=self.accuracy)

    def extended(self, model: EquilibratedCharges) -> EquilibratedCharges:
        """Return the model with all terms of the rung, those that are new zero."""
        return model

    def train(self, training: Training) -> EquilibratedCharges:
        """
        Find the charges; see `ChargeRung.train`.

        Raises
        ------
        InputError
            If no structure has charges or a dipole: at q = 0 energies and forces do not say where
            to go.
        """

        def fitted(
            model: EquilibratedCharges,
            free: tuple[str, ...],
            steps: int,
            tolerance: float,
            outside: Floats | None = None,
        ) -> EquilibratedCharges:
            return fit_equilibrated(
                model,
                training.data,
                free=free,
                weights=training.weights,
                prior=training.prior,
                outside=outside,
                most_steps=steps,
                tolerance=tolerance,
                say=training.say,
            )

        model = fitted(self.start(training), ("electronegativity",), 1, 0.0)
        steps, tolerance = (_CHARGE_STEPS, _CHARGE_TOLERANCE) if self.joint else (30, 1e-4)
        model = self.extended(model)
        moderation = Moderation.of(
            model.function, training.data, training.unseen, threads=training.threads
        )
        outside = EquilibratedParameters(model, self.free).outside(moderation)
        model = fitted(model, self.free, steps, tolerance, outside)
        if not self.joint:
            return model
        found = train_jointly(
            EquilibratedTrainee.of(model, self.free),
            training.beside(self.joint_functions, self.joint_charges),
            with_charges=True,
            outside=outside,
            most_steps=self.joint_steps,
        )
        return found.trainee.model


@dataclass(frozen=True)
class SelfConsistentRung(EquilibratedRung):
    """
    QEq and more: hardness from the environment, coupling of neighbors, cubic and quartic terms.

    Attributes
    ----------
    n_radial : int
        Radial functions of the coupling, per pair of species; 0 for none.
    environment : bool
        Whether hardness depends on the environment.
    anharmonic : bool
        Whether there are cubic and quartic terms.
    n_functions, body_order, cutoff, hardness, width, fit_widths, joint, joint_functions, \
joint_steps, joint_charges, accuracy
        See `EquilibratedRung`.
    """

    n_radial: int = 4
    environment: bool = True
    anharmonic: bool = True
    name: ClassVar[str] = "self_consistent"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.integer("charges.n_radial", self.n_radial, low=0)

    @property
    def free(self) -> tuple[str, ...]:
        """Groups of parameters that are trained; those that the model lacks are empty."""
        return (*super().free, "environment_hardness", "coupling", "cubic", "quartic")

    def extended(self, model: EquilibratedCharges) -> EquilibratedCharges:
        """Return the model with all terms of the rung, those that are new zero."""
        function, n = model.function, len(model.elements)
        if self.environment:
            rows = np.vstack([function.parameters, np.zeros((1, function.n_parameters))])
            function = function.with_parameters(rows)
        coupling = np.zeros((n * (n + 1) // 2, self.n_radial)) if self.n_radial else None
        zeros = dict.fromkeys(model.elements, 0.0) if self.anharmonic else None
        return replace(model, function=function, coupling=coupling, cubic=zeros, quartic=zeros)
