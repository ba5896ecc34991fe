"""
Radial functions: an envelope times orthogonal polynomials of a transformed distance.

The family is the span of the LAMMPS `pace` radials "ChebExpCos" with an inner cutoff of type
"distance", so that every potential can be exported exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError

_N_QUADRATURE = 400
MAX_RADIAL = _N_QUADRATURE // 2
"""Radial functions that the quadrature can keep orthogonal."""


@cache
def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(_N_QUADRATURE)


@dataclass(frozen=True)
class RadialParameters:
    """
    The radial functions of one unordered pair of species.

    ``R_n(r) = s(r) e(r) (1 - x) p_n(x)`` with

    * ``x(r) = 1 - 2 (exp(-decay r / cutoff) - exp(-decay)) / (1 - exp(-decay))``, -1 at r = 0 and
      1 at the cutoff,
    * ``e(r) = (1 + cos(pi r / cutoff)) / 2``; with the factor (1 - x) the third power of
      (cutoff - r) remains: energies are twice continuously differentiable there,
    * ``s(r)`` the quintic switch from 0 at `taper_start` to 1 at `taper_end`,
    * ``p_n`` polynomials orthonormal for the weight ``(s e (1 - x))^2 3 r^2 / cutoff^3``.

    Attributes
    ----------
    cutoff : float, A
    decay : float
        Larger values resolve short distances more finely.
    taper_start, taper_end : float, A
        Below the first the learned part of the pair vanishes, above the second it is whole; both
        0 for none.

    References
    ----------
    Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021), eq. 24-27 (the family);
    docs/conventions.md (the switch).
    """

    cutoff: float
    decay: float = 2.0
    taper_start: float = 0.0
    taper_end: float = 0.0
    continuity: ClassVar[int] = 2

    def __post_init__(self) -> None:
        checks.positive("cutoff", self.cutoff, "length in A")
        checks.positive("decay", self.decay)
        checks.non_negative("taper_start", self.taper_start, "length in A")
        checks.non_negative("taper_end", self.taper_end, "length in A")
        if not (self.taper_start < self.taper_end < self.cutoff or self.taper_end == 0.0):
            raise InputError(
                "`taper_start` < `taper_end` < `cutoff` must hold, or both be 0 for no taper, got "
                f"{self.taper_start}, {self.taper_end}, {self.cutoff}"
            )

    def as_row(self) -> NDArray[np.float64]:
        """Return cutoff, decay, taper_start, taper_end as the kernels take them."""
        return np.array([self.cutoff, self.decay, self.taper_start, self.taper_end])

    def transform(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Return x(r).

        Parameters
        ----------
        r : float64[n], A

        Returns
        -------
        float64[n]
        """
        floor = np.exp(-self.decay)
        return 1.0 - 2.0 * (np.exp(-self.decay * r / self.cutoff) - floor) / (1.0 - floor)

    def envelope(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``s(r) e(r) (1 - x)``, zero from the cutoff on."""
        smooth = 0.5 * (1.0 + np.cos(np.pi * r / self.cutoff)) * (1.0 - self.transform(r))
        return np.where(r < self.cutoff, self.switch(r) * smooth, 0.0)

    def switch(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the quintic switch: 0 below `taper_start`, 1 above `taper_end`."""
        if self.taper_end == 0.0:
            return np.ones_like(r)
        t = np.clip((r - self.taper_start) / (self.taper_end - self.taper_start), 0.0, 1.0)
        return t**3 * (10.0 - 15.0 * t + 6.0 * t * t)

    def recurrence(self, n_radial: int) -> NDArray[np.float64]:
        """
        Coefficients of ``p_n = (a x + b) p_{n-1} - c p_{n-2}``; ``p_0 = a``.

        Parameters
        ----------
        n_radial : int

        Returns
        -------
        float64[n_radial, 3]
            Columns a, b, c.

        Raises
        ------
        InputError
            If more are wanted than the quadrature can keep orthogonal.

        Notes
        -----
        Discretised Stieltjes procedure (Gautschi, Orthogonal Polynomials, 2004, section 2.2.3.1)
        on Gauss-Legendre nodes between `taper_start` and the cutoff.
        """
        if n_radial > MAX_RADIAL:
            raise InputError(
                f"`n_radial` must be at most {MAX_RADIAL}, got {n_radial}; "
                "raise `body_order`, or ask for fewer functions"
            )
        nodes, weights = _quadrature()
        half = 0.5 * (self.cutoff - self.taper_start)
        r = self.taper_start + half * (nodes + 1.0)
        measure = weights * half * self.envelope(r) ** 2 * 3.0 * r**2 / self.cutoff**3
        x = self.transform(r)
        table = np.zeros((n_radial, 3))
        previous = np.zeros_like(x)
        current = np.full_like(x, 1.0 / np.sqrt(measure.sum()))
        norm = 0.0
        if n_radial:
            table[0, 0] = current[0]
        for n in range(1, n_radial):
            mean = measure @ (x * current**2)
            raw = (x - mean) * current - norm * previous
            new_norm = float(np.sqrt(measure @ raw**2))
            table[n] = 1.0 / new_norm, -mean / new_norm, norm / new_norm
            previous, current, norm = current, raw / new_norm, new_norm
        return table

    def values(self, r: NDArray[np.float64], n_radial: int) -> NDArray[np.float64]:
        """
        Return R_n(r), the readable way.

        Parameters
        ----------
        r : float64[n], A
        n_radial : int

        Returns
        -------
        float64[n, n_radial]
        """
        x, table = self.transform(r), self.recurrence(n_radial)
        values = np.zeros((len(r), n_radial))
        previous, current = np.zeros_like(x), self.envelope(r)
        for n, (a, b, c) in enumerate(table):
            if n == 0:
                current = a * current
            else:
                previous, current = current, (a * x + b) * current - c * previous
            values[:, n] = current
        return values

    def values_and_slopes(
        self, r: NDArray[np.float64], n_radial: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """
        Return R_n(r) and their derivatives.

        Parameters
        ----------
        r : float64[n], A
        n_radial : int

        Returns
        -------
        float64[n, n_radial], float64[n, n_radial] (1/A)
        """
        by_length, floor = self.decay / self.cutoff, np.exp(-self.decay)
        x = self.transform(r)
        dx = 2.0 * by_length * np.exp(-by_length * r) / (1.0 - floor)
        angle = np.pi * r / self.cutoff
        cosine, d_cosine = 1.0 + np.cos(angle), -np.pi / self.cutoff * np.sin(angle)
        d_switch = np.zeros_like(r)
        if self.taper_end:
            width = self.taper_end - self.taper_start
            t = np.clip((r - self.taper_start) / width, 0.0, 1.0)
            d_switch = 30.0 * (t * (1.0 - t)) ** 2 / width
        slope = d_switch * cosine * (1.0 - x) + self.switch(r) * (
            d_cosine * (1.0 - x) - cosine * dx
        )
        before, d_before = np.zeros((2, len(r)))
        value, d_value = self.envelope(r), np.where(r < self.cutoff, 0.5 * slope, 0.0)
        values, slopes = np.zeros((2, len(r), n_radial))
        for n, (a, b, c) in enumerate(self.recurrence(n_radial)):
            if n == 0:
                value, d_value = a * value, a * d_value
            else:
                factor = a * x + b
                d_next = factor * d_value + a * dx * value - c * d_before
                before, value = value, factor * value - c * before
                d_before, d_value = d_value, d_next
            values[:, n], slopes[:, n] = value, d_value
        return values, slopes
