"""
Priors: what is known of coefficients before data.

A prior is a scale per column: ``c = scale * u`` with u of equal variance, so that solvers see a
standard problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.basis.basis import Basis
from linpot.basis.program import Program
from linpot.errors import InputError

FORMS = ("algebraic", "exponential", "gaussian")


@dataclass(frozen=True)
class SmoothnessPrior:
    """
    Coefficients decay with degree, so that the potential is smooth.

    ``scale = strength(b) / penalty``, with b the body order and the sum over factors in

    * algebraic: ``penalty = 1 + sum (n^power + (angular l)^power)``
    * exponential: ``penalty = exp(rate sum (n + angular l))``
    * gaussian: ``penalty = exp(rate sum (n^2 + (angular l)^2))``

    Attributes
    ----------
    power : float
        Of the algebraic form.
    angular : float
        How much faster angular resolution is penalised than radial.
    order_strength : float or tuple of float
        ``strength(b) = order_strength^(b - 2)``, or the strengths of body orders 2, 3, ...
    form : {"algebraic", "exponential", "gaussian"}
    rate : float
        Of the other forms.

    References
    ----------
    Witt et al., J. Chem. Phys. 159, 164101 (2023) (smoothness priors of the three forms).
    """

    power: float = 3.0
    angular: float = 1.0
    order_strength: float | tuple[float, ...] = 0.05
    form: str = "algebraic"
    rate: float = 0.3

    def __post_init__(self) -> None:
        checks.one_of("prior.form", self.form, FORMS)
        checks.non_negative("prior.power", self.power)
        checks.non_negative("prior.angular", self.angular)
        checks.non_negative("prior.rate", self.rate)
        if isinstance(self.order_strength, tuple):
            for strength in self.order_strength:
                checks.positive("prior.order_strength", strength)
        else:
            checks.positive("prior.order_strength", self.order_strength)

    def scales(self, basis: Basis) -> NDArray[np.float64]:
        """
        Return the scale of every column: float64[n_features].

        Raises
        ------
        InputError
            If strengths are given for fewer body orders than the basis has.
        """
        return np.concatenate([self._scales(program) for program in basis.programs])

    def strengths(self, highest: int) -> NDArray[np.float64]:
        """
        Return the strengths of body orders 2 to `highest`: float64[highest - 1].

        Raises
        ------
        InputError
            If fewer are given.
        """
        if not isinstance(self.order_strength, tuple):
            return self.order_strength ** np.arange(highest - 1.0)
        if len(self.order_strength) < highest - 1:
            raise InputError(
                f"`prior.order_strength` must have a number for each body order from 2 to "
                f"{highest}, got {len(self.order_strength)}"
            )
        return np.array(self.order_strength[: highest - 1])

    def _scales(self, program: Program) -> NDArray[np.float64]:
        present = program.factors[:, :, 0] >= 0
        n = np.where(present, program.factors[:, :, 1], 0).astype(float)
        l = np.where(present, program.factors[:, :, 2], 0) * self.angular
        power = {"algebraic": self.power, "exponential": 1.0, "gaussian": 2.0}[self.form]
        roughness = np.where(present, n**power + l**power, 0.0).sum(axis=1)
        if self.form == "algebraic":
            decay = 1.0 / (1.0 + roughness)
        else:
            decay = np.exp(-self.rate * roughness)
        orders = program.body_orders
        return np.asarray(self.strengths(int(orders.max(initial=2)))[orders - 2] * decay)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for provenance."""
        strength = self.order_strength
        return {
            "form": self.form,
            "power": self.power,
            "rate": self.rate,
            "angular": self.angular,
            "order_strength": list(strength) if isinstance(strength, tuple) else strength,
        }


def body_orders(basis: Basis) -> NDArray[np.int64]:
    """Return the body order of every column: int64[n_features]."""
    return np.concatenate([program.body_orders for program in basis.programs])
