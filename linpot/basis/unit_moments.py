"""
Monomials of unit vectors, and what they are in real spherical harmonics.

On the unit sphere ``x^a y^b z^c`` of degree nu = a + b + c is a sum of harmonics with l = nu,
nu - 2, ..., so that densities of harmonics carry the moments of moment tensor potentials. The
coefficients are means over the sphere of ``x^a y^b z^c Y_lm``, found in exact fractions.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import numpy as np
from numpy.typing import NDArray

Monomial = tuple[int, int, int]
"""Exponents of x, y and z."""
Polynomial = dict[Monomial, Fraction]


@cache
def monomials(degree: int) -> tuple[Monomial, ...]:
    """Return all monomials of a degree, those with high powers of x first, then of y."""
    return tuple(
        (a, b, degree - a - b) for a in range(degree, -1, -1) for b in range(degree - a, -1, -1)
    )


def multinomial(monomial: Monomial) -> int:
    """Return how many components of a symmetric tensor the monomial stands for: (a+b+c)!/a!b!c!."""
    a, b, c = monomial
    return math.comb(a + b + c, c) * math.comb(a + b, b)


@cache
def monomial_expansion(degree: int) -> NDArray[np.float64]:
    """
    Expand unit-vector monomials in harmonics.

    Parameters
    ----------
    degree : int

    Returns
    -------
    float64[n_monomials, (degree + 1)^2]
        Columns l (l + 1) + m; normalisation of docs/conventions.md. Entries that vanish by parity
        are exact zeros.
    """
    rows = monomials(degree)
    table = np.zeros((len(rows), (degree + 1) ** 2))
    for l in range(degree % 2, degree + 1, 2):
        for m in range(-l, l + 1):
            polynomial, squared_norm = _harmonic(l, m)
            norm = math.sqrt(squared_norm)
            for k, row in enumerate(rows):
                total = sum(
                    (c * _sphere_mean(_product(row, powers)) for powers, c in polynomial.items()),
                    Fraction(0),
                )
                table[k, l * (l + 1) + m] = float(total) * norm
    table.flags.writeable = False
    return table


def _product(a: Monomial, b: Monomial) -> Monomial:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@cache
def _sphere_mean(powers: Monomial) -> Fraction:
    """Mean of a monomial over the unit sphere: (a-1)!! (b-1)!! (c-1)!! / (a+b+c+1)!!, all even."""
    if any(p % 2 for p in powers):
        return Fraction(0)
    top = math.prod(_double_factorial(p - 1) for p in powers)
    return Fraction(top, _double_factorial(sum(powers) + 1))


def _double_factorial(n: int) -> int:
    return math.prod(range(n, 0, -2))


@cache
def _harmonic(l: int, m: int) -> tuple[Polynomial, int | Fraction]:
    """
    Return Y_lm as a polynomial without its norm, and the square of the norm.

    ``Q_l^|m|(z)`` by ``(l - m) Q_l = (2 l - 1) z Q_{l-1} - (l + m - 1) Q_{l-2}``, times the real or
    imaginary part of ``(x + i y)^|m|``, as the kernels have it.
    """
    order = abs(m)
    below: dict[int, Fraction] = {}
    legendre = {0: Fraction(_double_factorial(2 * order - 1))}  # power of z -> coefficient
    for k in range(order + 1, l + 1):
        following: dict[int, Fraction] = {}
        for power, c in legendre.items():
            following[power + 1] = following.get(power + 1, Fraction(0)) + c * (2 * k - 1)
        for power, c in below.items():
            following[power] = following.get(power, Fraction(0)) - c * (k + order - 1)
        below, legendre = legendre, {p: c / (k - order) for p, c in following.items() if c}
    polynomial: Polynomial = {}
    for k in range(order + 1):  # i^k x^(order - k) y^k
        if (k % 2 == 0) != (m >= 0):
            continue
        sign = (-1) ** (k // 2) * math.comb(order, k)
        for power, c in legendre.items():
            polynomial[order - k, k, power] = sign * c
    ratio = Fraction(math.factorial(l - order), math.factorial(l + order))
    return polynomial, (2 * l + 1) * ratio * (2 if m else 1)
