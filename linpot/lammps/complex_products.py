"""
Monomials of real densities as products of complex ones, in the half basis of ``.yace`` files.

Real harmonics are ``Y_a = sum_m U[a, m] Y^m`` with two terms at most, so a monomial is a sum of up
to 2^rank products. Only real parts are kept, and the product of all -m is the complex conjugate of
the product of all m (their sum being zero): one of the two stands for both. Equal densities
commute: their m are sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from linpot.basis.clebsch_gordan import real_from_complex
from linpot.errors import InputError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_ROUNDING = 1e-11  # what cancels in an invariant is below this, relative to the largest term


def complex_products(
    ls: Sequence[int], classes: Sequence[int], monomials: Ints, coefficients: Floats
) -> tuple[Ints, Floats]:
    """
    Rewrite sums of monomials of one block.

    Parameters
    ----------
    ls : sequence of int
        Angular momentum of each factor.
    classes : sequence of int
        Equal numbers mark equal channels; equal channels are adjacent.
    monomials : int64[n_monomials, rank]
        Real component m of each factor.
    coefficients : float64[n_functions, n_monomials]

    Returns
    -------
    components : int64[n_products, rank]
        Sorted; the first m other than zero is positive.
    coefficients : float64[n_functions, n_products]
        Of the real parts.

    Raises
    ------
    InputError
        If a function has products that no rotation-invariant, parity-even one has.
    """
    rank = len(ls)
    signs = np.array(list(product((1, -1), repeat=rank)), dtype=np.int64)  # [2^rank, rank]
    components = signs[None] * monomials[:, None, :]  # [monomial, sign, rank]
    # m = 0 has one term: of its two signs, the second counts nothing
    factors = np.where((monomials[:, None, :] == 0) & (signs[None] < 0), 0.0 + 0.0j, 1.0)
    for t, l in enumerate(ls):
        factors[:, :, t] *= real_from_complex(l)[l + monomials[:, None, t], l + components[:, :, t]]
    weights = factors.prod(axis=2).ravel()
    components = components.reshape(-1, rank)
    used = np.flatnonzero(weights)
    owners, components, weights = used // len(signs), components[used], weights[used]
    terms = coefficients[:, owners] * weights  # [function, term]
    rounding = _ROUNDING * np.abs(terms).max(axis=1, initial=0.0, keepdims=True)
    zero_sum = components.sum(axis=1) == 0
    _, others = _totals(_sorted(components[~zero_sum], classes), terms[:, ~zero_sum])
    if (np.abs(others) > rounding).any():
        raise InputError("only rotation-invariant functions can be written as products of A")
    folded, conjugated = _half_basis(components[zero_sum], classes)
    terms = terms[:, zero_sum]
    canonical, totals = _totals(folded, np.where(conjugated, terms.conj(), terms))
    if (np.abs(totals.imag) > rounding).any():
        raise InputError("only parity-even functions can be written as real parts of products")
    totals[np.abs(totals) <= 1e-4 * rounding] = 0.0
    kept = (totals != 0.0).any(axis=0)
    return canonical[kept], np.ascontiguousarray(totals.real[:, kept])


def half_basis_sums(
    classes: Sequence[int], components: Ints, coefficients: Floats
) -> tuple[Ints, Floats]:
    """
    Bring products of any file to the form of `complex_products`, equal ones added up.

    Parameters
    ----------
    classes : sequence of int
    components : int64[n_products, rank]
    coefficients : float64[n_products]

    Returns
    -------
    components : int64[n, rank]
    coefficients : float64[n]
    """
    folded, _ = _half_basis(components, classes)
    canonical, totals = _totals(folded, coefficients[None].astype(np.complex128))
    return canonical, totals[0].real.copy()


def _totals(rows: Ints, terms: NDArray[np.complex128]) -> tuple[Ints, NDArray[np.complex128]]:
    """Add up terms [function, row] of equal rows: the distinct rows, and their totals."""
    distinct, index = np.unique(rows, axis=0, return_inverse=True)
    totals = np.zeros((len(terms), len(distinct)), dtype=np.complex128)
    np.add.at(totals.T, index.ravel(), terms.T)
    return distinct, totals


def _half_basis(components: Ints, classes: Sequence[int]) -> tuple[Ints, NDArray[np.bool_]]:
    """Sort m inside classes, descending; take the larger of m and -m, and say where it is -m."""
    plus, minus = _sorted(components, classes), _sorted(-components, classes)
    differ = plus != minus
    first = differ.argmax(axis=1)
    rows = np.arange(len(components))
    larger = differ.any(axis=1) & (minus[rows, first] > plus[rows, first])
    return np.where(larger[:, None], minus, plus), larger


def _sorted(components: Ints, classes: Sequence[int]) -> Ints:
    result = components.copy()
    for number in set(classes):
        members = [t for t, c in enumerate(classes) if c == number]
        result[:, members] = -np.sort(-result[:, members], axis=1)
    return result
