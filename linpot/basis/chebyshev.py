"""The radial functions of MLIP: Chebyshev polynomials of the distance times a parabola."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ChebyshevRadial:
    """
    ``phi_k(r) = scaling T_k(xi) (cutoff - r)^2``, zero from the cutoff on.

    ``xi = (2 r - nearest - cutoff)/(cutoff - nearest)``; below `nearest` the polynomials go on.
    Energies are once continuously differentiable at the cutoff.

    Attributes
    ----------
    nearest, cutoff : float, A
    scaling : float, 1/A^2

    References
    ----------
    Novikov et al., Mach. Learn.: Sci. Technol. 2, 025002 (2021), eq. 5 (without
    the scaling).
    """

    nearest: float
    cutoff: float
    scaling: float = 1.0
    taper_start = taper_end = 0.0
    continuity: ClassVar[int] = 1

    def __post_init__(self) -> None:
        checks.positive("cutoff", self.cutoff, "length in A")
        checks.non_negative("nearest", self.nearest, "length in A")
        if not self.nearest < self.cutoff:
            raise InputError(
                f"`nearest` must be less than `cutoff`, got {self.nearest} and {self.cutoff}"
            )
        if not np.isfinite(self.scaling):
            raise InputError(f"`scaling` must be finite, got {self.scaling}")

    def values_and_slopes(self, r: Floats, n_radial: int) -> tuple[Floats, Floats]:
        """
        Evaluate the first functions and their derivatives.

        Parameters
        ----------
        r : float64[n], A
        n_radial : int

        Returns
        -------
        float64[n, n_radial], float64[n, n_radial] (1/A)
        """
        by_width = 2.0 / (self.cutoff - self.nearest)
        xi = (r - self.nearest) * by_width - 1.0
        polynomials, slopes = np.zeros((2, len(r), n_radial))
        polynomials[:, :1] = 1.0
        if n_radial > 1:
            polynomials[:, 1], slopes[:, 1] = xi, by_width
        for k in range(2, n_radial):
            polynomials[:, k] = 2.0 * xi * polynomials[:, k - 1] - polynomials[:, k - 2]
            slopes[:, k] = (
                2.0 * (by_width * polynomials[:, k - 1] + xi * slopes[:, k - 1]) - slopes[:, k - 2]
            )
        inside = np.where(r < self.cutoff, self.cutoff - r, 0.0)[:, None]
        envelope, d_envelope = self.scaling * inside**2, -2.0 * self.scaling * inside
        return envelope * polynomials, envelope * slopes + d_envelope * polynomials
