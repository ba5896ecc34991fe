"""Pair coefficients of dispersion with their damping, in the form that sums take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainccinv

from linpot.kernels.dispersion_pairs import (
    BECKE_JOHNSON,
    POWERS,
    TANG_TOENNIES,
    UNDAMPED,
)

Floats = NDArray[np.float64]

MODES = {None: UNDAMPED, "becke-johnson": BECKE_JOHNSON, "tang-toennies": TANG_TOENNIES}

SPACING = 2.5
"""Distance of neighbors, A, to which estimates of what a cutoff leaves out are related."""


@dataclass(frozen=True, eq=False)
class DampedPairs:
    """
    ``-C6 f6(r)/r^6 - C8 f8(r)/r^8`` for all pairs of species.

    Attributes
    ----------
    mode : int
        Of the kernels: UNDAMPED, BECKE_JOHNSON or TANG_TOENNIES.
    c6, c8 : float64[n_species, n_species]
        Symmetric, eV A^6 and eV A^8.
    parameters : float64[n_species, n_species]
        Of the damping: radius R (A), or decay b (1/A).
    """

    mode: int
    c6: Floats
    c8: Floats
    parameters: Floats

    @cached_property
    def powers(self) -> dict[int, Floats]:
        """Matrices of c_n, eV A^n, of all powers that reach far, those that are zero left out."""
        matrices = [self.c6, self.c8, np.zeros_like(self.c6), np.zeros_like(self.c8)]
        if self.mode == BECKE_JOHNSON:  # 1/(r^n + R^n) = 1/r^n - R^n/r^2n + ...
            matrices[2] = -self.c6 * self.parameters**6
            matrices[3] = -self.c8 * self.parameters**8
        return {n: matrix for n, matrix in zip(POWERS, matrices, strict=True) if matrix.any()}

    @cached_property
    def table(self) -> Floats:
        """What kernels take, one row per ordered pair: float64[n_species^2, 6]."""
        zero = np.zeros_like(self.c6)
        damping = {
            UNDAMPED: (zero, zero),
            BECKE_JOHNSON: (self.parameters**6, self.parameters**8),
            TANG_TOENNIES: (self.parameters, zero),
        }[self.mode]
        tails = (self.powers.get(12, zero), self.powers.get(16, zero))
        return np.stack([m.ravel() for m in (self.c6, self.c8, *damping, *tails)], axis=1)

    def needed_cutoff(self, accuracy: float) -> float:
        """
        Return the distance, A, beyond which damping is no more than what lattice sums know of it.

        What is left beyond it is at most `accuracy` of a sum of C6/r^6 at a spacing of 2.5 A.
        """
        largest = 0.0
        for c6, c8, parameter in zip(
            self.c6.ravel(), self.c8.ravel(), self.parameters.ravel(), strict=True
        ):
            ratio = c8 / c6 if c6 > 0.0 else 1.0
            if self.mode == TANG_TOENNIES:
                order = 7.0 if c8 == 0.0 else 9.0
                largest = max(largest, float(gammainccinv(order, accuracy)) / parameter)
            elif self.mode == BECKE_JOHNSON:
                # tails of C6 R^12/r^18 and C8 R^16/r^24 over that of C6/r^6
                next6 = parameter**12 * SPACING**3 / 5.0 if c6 > 0.0 else 0.0
                next8 = ratio * parameter**16 * SPACING**3 / 7.0
                largest = max(
                    largest, (next6 / accuracy) ** (1 / 15), (next8 / accuracy) ** (1 / 21)
                )
        return math.ceil(100.0 * largest) / 100.0
