"""What every training of charges is given, and what a trainable model offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from linpot.basis.ace import Basis
from linpot.fitting.priors import SmoothnessPrior
from linpot.fitting.weights import Weights
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


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
    threads: int = 1
    say: Callable[[str], None] = lambda line: None


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

    def linearise(self, place: int, structure: Structure) -> Linearisation:
        """
        Return energy, forces and charges of a structure, with derivatives by parameters.

        Parameters
        ----------
        place : int
            Of the structure in the data, for what is kept between calls.
        structure : Structure
        """
