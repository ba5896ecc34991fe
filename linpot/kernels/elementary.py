"""Exponential, sine and cosine of lanes, to rounding, on the ranges that radial functions need."""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import add_exactly, filled, fma, power_of_two, subtract_exactly

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490  # 33 bits of ln 2, so that n times it is exact
_LN2_LOW = 1.90821492927058770002e-10
_SHIFT = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to a whole number

_EXP = tuple(1.0 / math.factorial(k) for k in range(14))
_COS = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(12))
_SIN = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(12))


@kernel
def exponential(x):
    """
    Return exp(x) for |x| < 700.

    Parameters
    ----------
    x : lanes or pairs

    Returns
    -------
    as x
        Relative error below 3e-16: after ``x = n ln 2 + r``, |r| < 0.35, the Taylor series to r^13
        leaves 4e-18.
    """
    shifted = add_exactly(x * _LOG2_E, _SHIFT)
    n = subtract_exactly(shifted, _SHIFT)
    r = fma(n, -_LN2_HIGH, x)
    r = fma(n, -_LN2_LOW, r)
    value = filled(x, _EXP[13])
    for k in range(12, -1, -1):
        value = fma(value, r, _EXP[k])
    return value * power_of_two(shifted)


@kernel
def quarter_turn(u):
    """
    Return cos(pi u / 2) and sin(pi u / 2) for 0 <= u <= 1.

    Parameters
    ----------
    u : lanes or pairs

    Returns
    -------
    tuple of two, as u
        Absolute error below 3e-16: the Taylor series to the 22nd and 23rd power.
    """
    x = u * (0.5 * math.pi)
    square = x * x
    cosine, sine = filled(u, _COS[11]), filled(u, _SIN[11])
    for k in range(10, -1, -1):
        cosine = fma(cosine, square, _COS[k])
        sine = fma(sine, square, _SIN[k])
    return cosine, sine * x
