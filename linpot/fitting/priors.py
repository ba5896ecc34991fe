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
from linpot.basis.ace import Basis
from linpot.basis.program import Program


@dataclass(frozen=True)
class SmoothnessPrior:
    """
    Coefficients decay with degree, so that the potential is smooth.

    ``scale = order_strength^(b - 2) / (1 + sum over factors of (n^power + (angular l)^power))``
    for body order b.

    Attributes
    ----------
    power : float
    angular : float
        How much faster angular resolution is penalised than radial.
    order_strength : float
    """

    power: float = 3.0
    angular: float = 1.0
    order_strength: float = 0.05

    def __post_init__(self) -> None:
        checks.non_negative("prior.power", self.power)
        checks.non_negative("prior.angular", self.angular)
        checks.positive("prior.order_strength", self.order_strength)

    def scales(self, basis: Basis) -> NDArray[np.float64]:
        """Return the scale of every column: float64[n_features]."""
        return np.concatenate([self._scales(program) for program in basis.programs])

    def _scales(self, program: Program) -> NDArray[np.float64]:
        present = program.factors[:, :, 0] >= 0
        n = np.where(present, program.factors[:, :, 1], 0).astype(float)
        l = np.where(present, program.factors[:, :, 2], 0) * self.angular
        roughness = np.where(present, n**self.power + l**self.power, 0.0).sum(axis=1)
        return self.order_strength ** (program.body_orders - 2) / (1.0 + roughness)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for provenance."""
        return {
            "power": self.power,
            "angular": self.angular,
            "order_strength": self.order_strength,
        }
