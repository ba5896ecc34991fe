"""The rungs whose charges are functions of the environment: local and latent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.charges.atom_function import AtomFunction
from linpot.charges.charge_fit import fit_charges
from linpot.charges.interaction import Interaction
from linpot.charges.joint_training import train_jointly
from linpot.charges.latent import SpeciesProducts
from linpot.charges.local_charges import DEFAULT_WIDTH, LocalCharges, width_per_species
from linpot.charges.local_trainee import LocalTrainee
from linpot.charges.moderation import Moderation
from linpot.charges.training import JOINT_CHARGES, ChargeRung, Training, charge_basis
from linpot.electrostatics.coulomb_sum import DEFAULT_ACCURACY
from linpot.errors import InputError

Floats = NDArray[np.float64]

_LEAST_START = 1e-3  # e


@dataclass(frozen=True)
class LocalRung(ChargeRung):
    """
    Charges from reference charges and dipoles, as functions of the environment.

    Attributes
    ----------
    n_functions : int
        Of the charges, per centre species.
    body_order : int
    cutoff : float or None, A
        None takes those of the learned part.
    width : float, A
        Of the Gaussian clouds.
    joint : bool
        Whether the charges are then trained on energies and forces too, beside the learned part.
    joint_functions : int
        Of the learned part that stands beside them in joint training.
    joint_charges : float
        Weights of charges and dipoles there, over those of the fit: energies and forces decide.
    accuracy : float
        Of lattice sums.
    """

    n_functions: int = 200
    body_order: int = 4
    cutoff: float | None = None
    width: float = DEFAULT_WIDTH
    joint: bool = False
    joint_functions: int = 100
    joint_charges: float = JOINT_CHARGES
    accuracy: float = DEFAULT_ACCURACY
    name: ClassVar[str] = "local"

    def __post_init__(self) -> None:
        checks.non_negative("charges.joint_charges", self.joint_charges)
        _check_sizes(self.n_functions, self.body_order, self.joint_functions)

    def train(self, training: Training) -> LocalCharges:
        """Fit the charges; see `ChargeRung.train`."""
        empty = _empty(self, training)
        moderation = _moderation(empty, training)
        model = fit_charges(
            empty,
            training.data,
            weights=training.weights,
            prior=training.prior,
            moderation=moderation,
            threads=training.threads,
        )
        if not self.joint:
            return model
        beside = training.beside(self.joint_functions, self.joint_charges)
        outside = moderation.rows(model.function.parameters[0])
        return train_jointly(
            LocalTrainee(model), beside, with_charges=True, outside=outside
        ).trainee.model


@dataclass(frozen=True)
class LatentRung(ChargeRung):
    """
    Charges from energies and forces alone, as functions of the environment.

    They start as charges of species, whose products enter linearly, and are trained beside the
    learned part. Their common sign is free.

    Attributes
    ----------
    n_functions, body_order, cutoff, width, joint_functions, accuracy
        See `LocalRung`.
    """

    n_functions: int = 40
    body_order: int = 3
    cutoff: float | None = None
    width: float = DEFAULT_WIDTH
    joint_functions: int = 100
    accuracy: float = DEFAULT_ACCURACY
    name: ClassVar[str] = "latent"

    def __post_init__(self) -> None:
        _check_sizes(self.n_functions, self.body_order, self.joint_functions)

    def train(self, training: Training) -> LocalCharges:
        """Find the charges; see `ChargeRung.train`."""
        model = _empty(self, training)
        interactions: dict[int, Interaction] = {}
        smaller = training.beside(self.joint_functions)
        products = train_jointly(
            SpeciesProducts.zero(model, interactions), smaller, most_steps=2
        ).trainee
        charges = products.leading_charges()
        if np.abs(charges).max() < _LEAST_START:
            raise InputError(
                "energies and forces show no charges: products of charges of species are below "
                f"{_LEAST_START**2:g} e^2; leave `charges` out, or give reference charges"
            )
        training.say(
            "latent charges start at "
            + ", ".join(f"{s} {q:.3f} e" for s, q in zip(model.elements, charges, strict=True))
        )
        start = np.append(np.zeros(model.function.basis.n_features), charges)
        trainee = LocalTrainee(model, interactions).with_parameters(start)
        outside = _moderation(model, training).rows(start)
        return train_jointly(trainee, smaller, outside=outside).trainee.model


def _empty(rung: LocalRung | LatentRung, training: Training) -> LocalCharges:
    basis = charge_basis(training.basis, rung.n_functions, rung.body_order, rung.cutoff)
    widths = width_per_species(basis.elements, rung.width)
    shares = dict.fromkeys(basis.elements, 1.0)
    return LocalCharges(AtomFunction.zero(basis), shares, widths, rung.accuracy)


def _moderation(model: LocalCharges, training: Training) -> Moderation:
    return Moderation.of(model.function, training.data, training.unseen, threads=training.threads)


def _check_sizes(n_functions: int, body_order: int, joint_functions: int) -> None:
    checks.integer("charges.n_functions", n_functions, low=1)
    checks.integer("charges.body_order", body_order, low=2)
    checks.integer("charges.joint_functions", joint_functions, low=1)
