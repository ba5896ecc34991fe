"""Exponential, sine, cosine and error function of lanes, to rounding, on the ranges in use."""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import add_exactly, filled, fma, power_of_two, smaller, subtract_exactly

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490  # 33 bits of ln 2, so that n times it is exact
_LN2_LOW = 1.90821492927058770002e-10
_SHIFT = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to a whole number

_EXP = tuple(1.0 / math.factorial(k) for k in range(14))
_COS = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(12))
_SIN = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(12))

# (1 + 2 x) exp(x^2) erfc(x) in powers of (x - K)/(x + K): the form of Shepherd and Laframboise,
# Math. Comp. 36, 249 (1981); coefficients from Chebyshev interpolation in 60 digits
_ERFC_K = 3.75
_ERFC_END = 26.0  # exp(-26^2) is 1e-294
_ERFC = (
    1.2375126308378275,
    -0.14024059858554522,
    0.0035854154854663067,
    0.08227673848999159,
    -0.10880393014193915,
    0.09230432116435616,
    -0.058693398584491845,
    0.028362277371370044,
    -0.00974657962081509,
    0.0017556261692276722,
    0.00029371408777227685,
    -0.0002901553656394713,
    5.164737123871838e-05,
    2.238759272534769e-05,
    -1.143961526007595e-05,
    -9.79297529099823e-07,
    1.7438577411359181e-06,
    -5.0816911811698186e-08,
    -2.4996538037405243e-07,
    1.8778501156468795e-08,
    3.256499083798513e-08,
    -1.952790162974837e-09,
    -2.7293941332533855e-09,
)


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


@kernel
def erfc_and_gaussian(x):
    """
    Return erfc(x) and exp(-x^2) for x >= 0; above 26 their values at 26, below 1e-293.

    Parameters
    ----------
    x : lanes or pairs

    Returns
    -------
    tuple of two, as x
        Absolute errors below 1e-15, relative ones below 3e-15 for x < 8.
    """
    x = smaller(x, _ERFC_END)
    gaussian = exponential(x * x * (-1.0))
    shifted, scale = x + _ERFC_K, fma(x, 2.0, 1.0)
    inverse = 1.0 / (shifted * scale)  # of both at once: divisions are slow
    t = (x - _ERFC_K) * scale * inverse
    value = filled(x, _ERFC[22])
    for k in range(21, -1, -1):
        value = fma(value, t, _ERFC[k])
    return value * gaussian * shifted * inverse, gaussian
