"""What every training of charges is given, and what a trainable model offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.basis.families import build_basis
from linpot.basis.specification import BasisSpecification
from linpot.errors import InputError
from linpot.fitting.priors import SmoothnessPrior
from linpot.fitting.weights import Weights
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

JOINT_CHARGES = 0.3
"""Of the weights of charges and dipoles that is left beside energies and forces: they guide."""

MOST_ATOMS = 1000
"""Of a structure in joint training: its dense fields take 24 n^2 bytes."""


@dataclass(frozen=True)
class Training:
    """
    Data, and the fit that the charges are part of.

    Attributes
    ----------
    data : Dataset
    basis : Basis
        Of the learned part that will stand beside the charges.
    baseline : EnergyModel or None
        What else is subtracted from labels.
    e0 : str or mapping of str to float, eV
        Rule for the energies of isolated atoms.
    weights : Weights
    prior : SmoothnessPrior
    unseen : sequence of Structure
        Environments that no data show, in which charges are held in check.
    threads : int
    say : callable
        Takes a line about progress.
    """

    data: Dataset
    basis: Basis
    baseline: EnergyModel | None = None
    e0: str | Mapping[str, float] = "auto"
    weights: Weights = field(default_factory=Weights)
    prior: SmoothnessPrior = field(default_factory=SmoothnessPrior)
    unseen: Sequence[Structure] = ()
    threads: int = 1
    say: Callable[[str], None] = lambda line: None

    def beside(self, n_functions: int, charges: float = 1.0) -> Training:
        """
        Return the training of charges beside a learned part.

        Parameters
        ----------
        n_functions : int
            Of the learned part, at most.
        charges : float
            What weights of charges and dipoles are multiplied with.

        Returns
        -------
        Training

        Raises
        ------
        InputError
            If a structure is too large for joint training.
        """
        largest = int(self.data.contents.sizes.max())
        if largest > MOST_ATOMS:
            raise InputError(
                f"joint training of charges is for structures of at most {MOST_ATOMS} atoms, got "
                f"{largest}; leave larger ones out of it"
            )
        own = self.weights
        weights = replace(own, charges=charges * own.charges, dipole=charges * own.dipole)
        basis = self.basis
        if max(basis.n_functions.values()) > n_functions:
            basis = charge_basis(basis, n_functions, None)
        return replace(self, basis=basis, weights=weights)


@dataclass(frozen=True)
class Linearisation:
    """
    A model of charges to first order in its parameters, on one structure.

    Attributes
    ----------
    values : float64[1 + 3 n_atoms]
        Energy (eV) and force components (eV/A).
    jacobian : float64[1 + 3 n_atoms, n_parameters]
    charges : float64[n_atoms], e
    d_charges : float64[n_atoms, n_parameters]
    """

    values: Floats
    jacobian: Floats
    charges: Floats
    d_charges: Floats


Own = TypeVar("Own", bound="Trainable")


class Trainable(Protocol):
    """A model of charges as joint training sees it."""

    @property
    def parameters(self) -> Floats:
        """float64[n_parameters]."""

    def with_parameters(self: Own, parameters: Floats) -> Own:
        """Return the model with other parameters."""

    def scales(self, prior: SmoothnessPrior) -> Floats:
        """Return the sizes that the prior expects of parameters, up to a factor: float64[n]."""

    def radii(self) -> Floats:
        """Return how far one step may go, about, for each parameter: inf where it is linear."""

    def linearise(self, place: int, structure: Structure) -> Linearisation:
        """
        Return energy, forces and charges of a structure, with derivatives by parameters.

        Parameters
        ----------
        place : int
            Of the structure in the data, for what is kept between calls.
        structure : Structure

        Raises
        ------
        ConvergenceError
            If there are no charges for these parameters; the step is then shortened.
        """


class ChargeRung(ABC):
    """
    A way to find charges, with its settings: one step of the ladder.

    Subclasses are frozen dataclasses whose fields are what a user may set; `name` is how they are
    called on the command line.
    """

    name: ClassVar[str]

    @abstractmethod
    def train(self, training: Training) -> EnergyModel:
        """
        Find the charges, and return the model of their energy.

        The learned part is fitted to the rest afterwards.

        Raises
        ------
        InputError
            If the data lack what the rung needs.
        """

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for provenance."""
        return {"rung": self.name, **{f.name: getattr(self, f.name) for f in fields(self)}}  # type: ignore[arg-type]


def charge_basis(
    basis: Basis, n_functions: int, body_order: int | None, cutoff: float | None = None
) -> Basis:
    """
    Return a smaller basis with the radial functions of another one.

    Parameters
    ----------
    basis : Basis
        Of the ACE family.
    n_functions : int
        Per centre species.
    body_order : int or None
        As that of the basis if None.
    cutoff : float or None, A
        For all pairs, instead of those of the basis.

    Returns
    -------
    Basis

    Raises
    ------
    InputError
        If the basis is not of the ACE family, or its specification refuses a value.
    """
    specification = basis.specification
    if not isinstance(specification, BasisSpecification):
        raise InputError(
            f"`charges` need a learned part of the ACE family, got {specification.family!r}"
        )
    radial = specification.radial
    if cutoff is not None:
        radial = {pair: replace(own, cutoff=cutoff) for pair, own in radial.items()}
    return build_basis(
        replace(
            specification,
            radial=radial,
            body_order=body_order or specification.body_order,
            n_functions=n_functions,
            max_degree=None,
        )
    )
