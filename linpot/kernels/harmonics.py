"""
Real spherical harmonics with Y_00 = 1 of many unit vectors at once, and their gradients.

``Y_lm = P_l^|m|(z) (c_m or s_m)``, ``c_m + i s_m = (x + i y)^m``: on the unit sphere P is a
polynomial of z alone and nothing is singular on the z axis. For every m the normalised P follow
from a recurrence in l whose last values stay in registers. Gradients are those of the polynomials
in (x, y, z), made tangential at the end.
"""

from __future__ import annotations

import math

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import filled, fma, load_pairs, store


def harmonic_recurrence(l_max):
    """
    Coefficients of ``P_l^m = a z P_{l-1}^m + b P_{l-2}^m``, normalised.

    Parameters
    ----------
    l_max : int

    Returns
    -------
    float64[l_max + 1, l_max + 1, 2]
        Entry [m, l] holds a and b; a of [m, m] is ``P_m^m`` itself.

    Notes
    -----
    With ``N_lm = sqrt((2 l + 1) (l - m)! / (l + m)! (2 if m else 1))`` and the associated Legendre
    functions divided by ``sin^m``: ``(l - m) Q_l = (2 l - 1) z Q_{l-1} - (l + m - 1) Q_{l-2}``.
    """

    def norm(l, m):
        ratio = math.factorial(l - m) / math.factorial(l + m)
        return math.sqrt((2 * l + 1) * ratio * (2.0 if m else 1.0))

    table = np.zeros((l_max + 1, l_max + 1, 2))
    for m in range(l_max + 1):
        double_factorial = math.prod(range(2 * m - 1, 0, -2))
        table[m, m, 0] = norm(m, m) * double_factorial
        for l in range(m + 1, l_max + 1):
            table[m, l, 0] = (2 * l - 1) / (l - m) * norm(l, m) / norm(l - 1, m)
            if l > m + 1:
                table[m, l, 1] = -(l + m - 1) / (l - m) * norm(l, m) / norm(l - 2, m)
    return table


@kernel
def fill_harmonics(x, y, z, recurrence, harmonics):
    """
    Evaluate all harmonics up to l_max.

    Parameters
    ----------
    x, y, z : lanes or pairs
        Components of unit vectors.
    recurrence : float64[l_max + 1, l_max + 1, 2]
        See `harmonic_recurrence`.
    harmonics : float64[(l_max + 1)^2 * width of x], out
        Index l (l + 1) + m.

    References
    ----------
    Bigi et al., J. Chem. Phys. 159, 064802 (2023), eq. 8-12.
    """
    size = len(recurrence)
    cosine, sine = filled(x, 1.0), filled(x, 0.0)
    for m in range(size):
        row = recurrence[m]
        before, value = filled(x, 0.0), filled(x, row[m, 0])
        for l in range(m, size):
            if l > m:
                before, value = value, fma(z * value, row[l, 0], before * row[l, 1])
            centre = l * (l + 1)
            store(harmonics, centre + m, value * cosine)
            if m > 0:
                store(harmonics, centre - m, value * sine)
        cosine, sine = x * cosine - y * sine, x * sine + y * cosine


@kernel
def fill_harmonic_gradients(x, y, z, recurrence, harmonics, gradients):
    """
    Evaluate every ``Y_lm(r / |r|)`` and ``|r|`` times its gradient.

    Parameters
    ----------
    x, y, z, recurrence, harmonics
        As in `fill_harmonics`.
    gradients : float64[(l_max + 1)^2 * 3 * width of x], out
        Index 3 (l (l + 1) + m) + axis; tangential to the unit vector.
    """
    size = len(recurrence)
    cosine, sine = filled(x, 1.0), filled(x, 0.0)
    cosine_below, sine_below = filled(x, 0.0), filled(x, 0.0)
    for m in range(size):
        row = recurrence[m]
        before, value = filled(x, 0.0), filled(x, row[m, 0])
        d_before, d_value = filled(x, 0.0), filled(x, 0.0)
        for l in range(m, size):
            if l > m:
                slope = fma(z, d_value, value)
                d_before, d_value = d_value, fma(slope, row[l, 0], d_before * row[l, 1])
                before, value = value, fma(z * value, row[l, 0], before * row[l, 1])
            centre = l * (l + 1)
            turned = value * float(m)
            _store_tangential(
                x, y, z, value * cosine, turned * cosine_below, turned * sine_below * (-1.0),
                d_value * cosine, centre + m, harmonics, gradients,
            )  # fmt: skip
            if m > 0:
                _store_tangential(
                    x, y, z, value * sine, turned * sine_below, turned * cosine_below,
                    d_value * sine, centre - m, harmonics, gradients,
                )  # fmt: skip
        cosine_below, sine_below = cosine, sine
        cosine, sine = x * cosine - y * sine, x * sine + y * cosine


@kernel
def _store_tangential(x, y, z, value, gx, gy, gz, a, harmonics, gradients):
    """Store harmonic a and what is left of its gradient across the unit vector."""
    outward = x * gx + y * gy + z * gz
    store(harmonics, a, value)
    store(gradients, 3 * a, gx - outward * x)
    store(gradients, 3 * a + 1, gy - outward * y)
    store(gradients, 3 * a + 2, gz - outward * z)


@kernel
def pull_back_harmonics(x, y, z, inverse, recurrence, by_radial, by_slope, slot, gradients):
    """
    Combine contracted adjoints with harmonics and their gradients, storing neither.

    The derivative by the pair vector is ``u sum_a Q_a Y_a + 1/r sum_a P_a (r grad Y_a)``.

    Parameters
    ----------
    x, y, z : pairs
        Unit vectors u.
    inverse : pairs, 1/A
        1 / r.
    recurrence : float64[l_max + 1, l_max + 1, 2]
        See `harmonic_recurrence`.
    by_radial, by_slope : float64[(l_max + 1)^2 * 16]
        P and Q.
    slot : int
    gradients : float64[n_slots * 3 * 16], out, eV/A
        Pairs ``3 slot + axis`` are written.
    """
    size = len(recurrence)
    zero = filled(x, 0.0)
    cosine, sine = filled(x, 1.0), zero
    cosine_below, sine_below = zero, zero
    along, gx, gy, gz = zero, zero, zero, zero
    for m in range(size):
        row = recurrence[m]
        before, value, d_before, d_value = zero, filled(x, row[m, 0]), zero, zero
        p_cosine, q_cosine, d_cosine = zero, zero, zero
        p_sine, q_sine, d_sine = zero, zero, zero
        for l in range(m, size):
            if l > m:
                slope = fma(z, d_value, value)
                d_before, d_value = d_value, fma(slope, row[l, 0], d_before * row[l, 1])
                before, value = value, fma(z * value, row[l, 0], before * row[l, 1])
            centre = l * (l + 1)
            p = load_pairs(by_radial, centre + m)
            p_cosine = fma(value, p, p_cosine)
            d_cosine = fma(d_value, p, d_cosine)
            q_cosine = fma(value, load_pairs(by_slope, centre + m), q_cosine)
            if m > 0:
                p = load_pairs(by_radial, centre - m)
                p_sine = fma(value, p, p_sine)
                d_sine = fma(d_value, p, d_sine)
                q_sine = fma(value, load_pairs(by_slope, centre - m), q_sine)
        along = along + q_cosine * cosine + q_sine * sine
        gz = gz + d_cosine * cosine + d_sine * sine
        gx = gx + (p_cosine * cosine_below + p_sine * sine_below) * float(m)
        gy = gy + (p_sine * cosine_below - p_cosine * sine_below) * float(m)
        cosine_below, sine_below = cosine, sine
        cosine, sine = x * cosine - y * sine, x * sine + y * cosine
    outward = along - inverse * (x * gx + y * gy + z * gz)
    store(gradients, 3 * slot, fma(x, outward, inverse * gx))
    store(gradients, 3 * slot + 1, fma(y, outward, inverse * gy))
    store(gradients, 3 * slot + 2, fma(z, outward, inverse * gz))
