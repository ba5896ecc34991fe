"""
Real spherical harmonics with Y_00 = 1 of eight unit vectors, and their gradients, without angles.

Solid harmonics are ``S_lm = N_lm Q_l^|m|(z, r^2) (c_m or s_m)`` with ``c_m + i s_m = (x + i y)^m``;
their gradients are combinations of solid harmonics of l - 1. Nothing is singular on the z axis.
"""

from __future__ import annotations

import math

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import fma, load, splat, store


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
def fill_legendre(z, l_max, legendre):
    """
    Evaluate ``Q_l^m`` on the unit sphere.

    Parameters
    ----------
    z : lanes
    l_max : int
    legendre : float64[(l_max + 1) (l_max + 2) / 2 * 8], out
        Index l (l + 1) / 2 + m.
    """
    store(legendre, 0, splat(1.0))
    diagonal = 1.0
    for l in range(1, l_max + 1):
        row = l * (l + 1) // 2
        above, second = row - l, row - 2 * l + 1
        for m in range(l - 1):
            value = z * load(legendre, above + m) * (2.0 * l - 1.0)
            value = value - load(legendre, second + m) * (l + m - 1.0)
            store(legendre, row + m, value * (1.0 / (l - m)))
        diagonal *= 2.0 * l - 1.0
        store(legendre, row + l - 1, z * diagonal)
        store(legendre, row + l, splat(diagonal))


@kernel
def fill_harmonics(x, y, z, norms, legendre, harmonics):
    """
    Evaluate all harmonics up to l_max.

    Parameters
    ----------
    x, y, z : lanes
        Components of unit vectors.
    norms : float64[l_max + 1, l_max + 1]
    legendre : float64[(l_max + 1) (l_max + 2) / 2 * 8], out
    harmonics : float64[(l_max + 1)^2 * 8], out
        Index l (l + 1) + m.

    References
    ----------
    Bigi et al., J. Chem. Phys. 159, 064802 (2023), eq. 8-12.
    """
    l_max = len(norms) - 1
    fill_legendre(z, l_max, legendre)
    cosine, sine = splat(1.0), splat(0.0)
    for m in range(l_max + 1):
        for l in range(m, l_max + 1):
            centre = l * (l + 1)
            value = load(legendre, centre // 2 + m) * norms[l, m]
            store(harmonics, centre + m, value * cosine)
            if m > 0:
                store(harmonics, centre - m, value * sine)
        following = x * cosine - y * sine
        sine = x * sine + y * cosine
        cosine = following


@kernel
def fill_harmonic_gradients(x, y, z, norms, legendre, harmonics, gradients):
    """
    Evaluate ``|r|`` times the gradient of every ``Y_lm(r / |r|)``.

    Parameters
    ----------
    x, y, z, norms
        As in `fill_harmonics`.
    legendre, harmonics
        As `fill_harmonics` left them.
    gradients : float64[(l_max + 1)^2 * 3 * 8], out
        Index 3 (l (l + 1) + m) + axis; tangential to the unit vector.

    References
    ----------
    Bigi et al., J. Chem. Phys. 159, 064802 (2023), eq. 13-17.
    """
    l_max = len(norms) - 1
    cosine, sine = splat(1.0), splat(0.0)
    cosine_below, sine_below = splat(0.0), splat(0.0)
    for m in range(l_max + 1):
        for l in range(m, l_max + 1):
            centre = l * (l + 1)
            below = l * (l - 1) // 2 + m  # legendre of l - 1
            norm = norms[l, m]
            value = load(legendre, centre // 2 + m) * (norm * m)
            up, side = splat(0.0), splat(0.0)
            if m < l:
                up = load(legendre, below) * (norm * (l + m))
            if m + 1 < l:
                side = load(legendre, below + 1) * (-norm)
            own = load(harmonics, centre + m) * float(l)
            k = 3 * (centre + m)
            store(gradients, k, side * x * cosine + value * cosine_below - own * x)
            store(gradients, k + 1, side * y * cosine - value * sine_below - own * y)
            store(gradients, k + 2, up * cosine - own * z)
            if m > 0:
                own = load(harmonics, centre - m) * float(l)
                k = 3 * (centre - m)
                store(gradients, k, side * x * sine + value * sine_below - own * x)
                store(gradients, k + 1, side * y * sine + value * cosine_below - own * y)
                store(gradients, k + 2, up * sine - own * z)
        cosine_below, sine_below = cosine, sine
        cosine = x * cosine_below - y * sine_below
        sine = x * sine_below + y * cosine_below


@kernel
def pull_back_harmonics(x, y, z, inverse, norms, legendre, by_radial, by_slope, slot, gradients):
    """
    Combine contracted adjoints with harmonics and their gradients, storing neither.

    The derivative by the pair vector is ``u sum_a Q_a Y_a + 1/r sum_a P_a (r grad Y_a)``.

    Parameters
    ----------
    x, y, z : lanes
        Unit vectors u.
    inverse : lanes, 1/A
        1 / r.
    norms : float64[l_max + 1, l_max + 1]
    legendre : float64[(l_max + 1) (l_max + 2) / 2 * 8], scratch
    by_radial, by_slope : float64[(l_max + 1)^2 * 8]
        P and Q.
    slot : int
    gradients : float64[n_slots * 3 * 8], out, eV/A
        Lanes ``3 slot + axis`` are written.
    """
    l_max = len(norms) - 1
    fill_legendre(z, l_max, legendre)
    cosine, sine = splat(1.0), splat(0.0)
    cosine_below, sine_below = splat(0.0), splat(0.0)
    along, inward, side = splat(0.0), splat(0.0), splat(0.0)
    gx, gy, gz = splat(0.0), splat(0.0), splat(0.0)
    for m in range(l_max + 1):
        with_cosine, with_sine = splat(0.0), splat(0.0)
        for l in range(m, l_max + 1):
            centre = l * (l + 1)
            below = l * (l - 1) // 2 + m
            norm = norms[l, m]
            value = load(legendre, centre // 2 + m) * norm
            p = load(by_radial, centre + m)
            turned = p * cosine
            sloped = load(by_slope, centre + m) * cosine
            if m > 0:
                p_sine = load(by_radial, centre - m)
                turned = fma(p_sine, sine, turned)
                sloped = fma(load(by_slope, centre - m), sine, sloped)
                with_cosine = fma(value, p, with_cosine)
                with_sine = fma(value, p_sine, with_sine)
            along = fma(value, sloped, along)
            inward = fma(value * float(l), turned, inward)
            if m < l:
                gz = fma(load(legendre, below) * (norm * (l + m)), turned, gz)
            if m + 1 < l:
                side = fma(load(legendre, below + 1) * norm, turned, side)
        if m > 0:
            gx = gx + (with_cosine * cosine_below + with_sine * sine_below) * float(m)
            gy = gy + (with_sine * cosine_below - with_cosine * sine_below) * float(m)
        cosine_below, sine_below = cosine, sine
        cosine = x * cosine_below - y * sine_below
        sine = x * sine_below + y * cosine_below
    outward = along - inward * inverse
    store(gradients, 3 * slot, fma(gx - x * side, inverse, outward * x))
    store(gradients, 3 * slot + 1, fma(gy - y * side, inverse, outward * y))
    store(gradients, 3 * slot + 2, fma(gz, inverse, outward * z))
