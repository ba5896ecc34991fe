"""
Clebsch-Gordan coefficients, exact, for complex and for real harmonics.

Racah's formula is summed in integers; the only rounding is the last conversion to float64.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import factorial, sqrt

import numpy as np
from numpy.typing import NDArray


@cache
def clebsch_gordan_squared(
    l1: int, m1: int, l2: int, m2: int, l3: int, m3: int
) -> tuple[int, Fraction]:
    """
    Return sign and exact square of ``<l1 m1 l2 m2 | l3 m3>``.

    References
    ----------
    Racah, Phys. Rev. 62, 438 (1942), eq. 16; Varshalovich et al., Quantum Theory of Angular
    Momentum (1988), section 8.2.1, eq. 3.
    """
    return half_clebsch_gordan_squared(2 * l1, 2 * m1, 2 * l2, 2 * m2, 2 * l3, 2 * m3)


@cache
def half_clebsch_gordan_squared(
    j1: int, m1: int, j2: int, m2: int, j3: int, m3: int
) -> tuple[int, Fraction]:
    """Return `clebsch_gordan_squared` for angular momenta given as twice their values."""
    if m1 + m2 != m3 or not abs(j1 - j2) <= j3 <= j1 + j2 or (j1 + j2 + j3) % 2:
        return 0, Fraction(0)
    if any(abs(m) > j or (j + m) % 2 for j, m in ((j1, m1), (j2, m2), (j3, m3))):
        return 0, Fraction(0)
    total = Fraction(0)
    for k in range((j1 + j2 - j3) // 2 + 1):
        arguments = (
            k,
            (j1 + j2 - j3) // 2 - k,
            (j1 - m1) // 2 - k,
            (j2 + m2) // 2 - k,
            (j3 - j2 + m1) // 2 + k,
            (j3 - j1 - m2) // 2 + k,
        )
        if min(arguments) >= 0:
            denominator = 1
            for argument in arguments:
                denominator *= factorial(argument)
            total += Fraction((-1) ** k, denominator)
    square = Fraction(
        (j3 + 1)
        * factorial((j1 + j2 - j3) // 2)
        * factorial((j1 - j2 + j3) // 2)
        * factorial((-j1 + j2 + j3) // 2)
        * factorial((j1 + m1) // 2)
        * factorial((j1 - m1) // 2)
        * factorial((j2 + m2) // 2)
        * factorial((j2 - m2) // 2)
        * factorial((j3 + m3) // 2)
        * factorial((j3 - m3) // 2),
        factorial((j1 + j2 + j3) // 2 + 1),
    )
    sign = (total > 0) - (total < 0)
    return sign, square * total * total


def half_clebsch_gordan(j1: int, m1: int, j2: int, m2: int, j3: int, m3: int) -> float:
    """Return `clebsch_gordan` for angular momenta given as twice their values."""
    sign, square = half_clebsch_gordan_squared(j1, m1, j2, m2, j3, m3)
    return sign * sqrt(square)


def clebsch_gordan(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int) -> float:
    """Return ``<l1 m1 l2 m2 | l3 m3>`` with the Condon-Shortley convention."""
    sign, square = clebsch_gordan_squared(l1, m1, l2, m2, l3, m3)
    return sign * sqrt(square)


@cache
def real_from_complex(l: int) -> NDArray[np.complex128]:
    """
    Matrix U with ``Y_real = U Y_complex``.

    ``Y_lm = sqrt2 (-1)^m Re Y_l^m`` for m > 0 and ``sqrt2 (-1)^m Im Y_l^|m|`` for m < 0
    (docs/conventions.md).

    Returns
    -------
    complex128[2 l + 1, 2 l + 1]
        Rows: real m = -l .. l; columns: complex m = -l .. l.
    """
    u = np.zeros((2 * l + 1, 2 * l + 1), dtype=np.complex128)
    u[l, l] = 1.0
    for m in range(1, l + 1):
        sign = (-1) ** m
        # conj(Y_l^m) = (-1)^m Y_l^-m turns real and imaginary parts into sums over +-m
        u[l + m, l + m] = sign / sqrt(2.0)
        u[l + m, l - m] = 1.0 / sqrt(2.0)
        u[l - m, l + m] = -1j * sign / sqrt(2.0)
        u[l - m, l - m] = 1j / sqrt(2.0)
    return u


@cache
def real_clebsch_gordan(l1: int, l2: int, l3: int) -> NDArray[np.float64]:
    """
    Coupling of two sets of real harmonics to a third, up to one phase per (l1, l2, l3).

    Returns
    -------
    float64[2 l1 + 1, 2 l2 + 1, 2 l3 + 1]
        For even l1 + l2 + l3 the usual coupling; for odd sums the complex coupling is imaginary
        in the real basis and -i times it is returned, a pseudo-tensor.
    """
    table = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(max(-l2, -l3 - m1), min(l2, l3 - m1) + 1):
            table[l1 + m1, l2 + m2, l3 + m1 + m2] = clebsch_gordan(l1, m1, l2, m2, l3, m1 + m2)
    coupled = np.einsum(
        "abc,ia,jb,kc->ijk",
        table,
        real_from_complex(l1).conj(),
        real_from_complex(l2).conj(),
        real_from_complex(l3),
        optimize=True,
    )
    return np.ascontiguousarray(coupled.real if (l1 + l2 + l3) % 2 == 0 else coupled.imag)
