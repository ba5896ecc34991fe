"""
Real spherical harmonics with Y_00 = 1, and their gradients, without angles.

Solid harmonics are ``S_lm = N_lm Q_l^|m|(z, r^2) (c_m or s_m)`` with ``c_m + i s_m = (x + i y)^m``.
Nothing is singular on the z axis.
"""

from __future__ import annotations

import math

import numpy as np

from linpot.kernels.compile import kernel


def harmonic_norms(l_max):
    """
    Normalisation ``sqrt((2 l + 1) (l - m)! / (l + m)! (2 if m else 1))``.

    Parameters
    ----------
    l_max : int

    Returns
    -------
    float64[l_max + 1, l_max + 1]
        Entry [l, m]; zero for m > l.
    """
    norms = np.zeros((l_max + 1, l_max + 1))
    for l in range(l_max + 1):
        for m in range(l + 1):
            ratio = math.factorial(l - m) / math.factorial(l + m)
            norms[l, m] = math.sqrt((2 * l + 1) * ratio * (2.0 if m else 1.0))
    return norms


@kernel
def fill_harmonics(x, y, z, norms, legendre, harmonics, d_harmonics):
    """
    Evaluate all harmonics up to l_max for a unit vector.

    Parameters
    ----------
    x, y, z : float
        Components of the unit vector.
    norms : float64[l_max + 1, l_max + 1]
    legendre : float64[l_max + 2, l_max + 3], scratch
        Entries [l, m > l] must be zero.
    harmonics : float64[(l_max + 1)^2], out
        Index l (l + 1) + m.
    d_harmonics : float64[3, (l_max + 1)^2] or None, out
        ``r`` times the gradient of ``Y(r / |r|)``: tangential to the unit vector.

    References
    ----------
    Bigi et al., J. Chem. Phys. 159, 064802 (2023), eq. 8-17 (recurrences and derivatives).
    """
    l_max = len(norms) - 1
    legendre[0, 0] = 1.0
    for l in range(1, l_max + 1):
        legendre[l, l] = (2 * l - 1) * legendre[l - 1, l - 1]
        legendre[l, l - 1] = (2 * l - 1) * z * legendre[l - 1, l - 1]
        for m in range(l - 1):
            legendre[l, m] = (
                (2 * l - 1) * z * legendre[l - 1, m] - (l + m - 1) * legendre[l - 2, m]
            ) / (l - m)
    cos_m, sin_m = 1.0, 0.0
    cos_below, sin_below = 0.0, 0.0
    for m in range(l_max + 1):
        for l in range(m, l_max + 1):
            norm = norms[l, m]
            value = norm * legendre[l, m]
            centre = l * (l + 1)
            harmonics[centre + m] = value * cos_m
            if m > 0:
                harmonics[centre - m] = value * sin_m
            if d_harmonics is not None:
                side = 0.0
                up = 0.0
                if l > 0:
                    side = -norm * legendre[l - 1, m + 1]
                    up = norm * (l + m) * legendre[l - 1, m]
                d_harmonics[0, centre + m] = side * x * cos_m + value * m * cos_below
                d_harmonics[1, centre + m] = side * y * cos_m - value * m * sin_below
                d_harmonics[2, centre + m] = up * cos_m
                if m > 0:
                    d_harmonics[0, centre - m] = side * x * sin_m + value * m * sin_below
                    d_harmonics[1, centre - m] = side * y * sin_m + value * m * cos_below
                    d_harmonics[2, centre - m] = up * sin_m
        cos_below, sin_below = cos_m, sin_m
        cos_m, sin_m = x * cos_below - y * sin_below, x * sin_below + y * cos_below
    if d_harmonics is not None:
        for l in range(l_max + 1):
            for k in range(l * l, (l + 1) * (l + 1)):
                radial_part = l * harmonics[k]
                d_harmonics[0, k] -= radial_part * x
                d_harmonics[1, k] -= radial_part * y
                d_harmonics[2, k] -= radial_part * z
