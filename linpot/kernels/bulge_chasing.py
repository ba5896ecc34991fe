"""
From a band to a bidiagonal matrix: reflections of one row and one column, and the bulges they push.

Rows of the band are stored side by side with all that the bulges fill: element (r, c) of the matrix
stands at ``band[r, c - r + width]``. Behind the matrix come 2 `width` rows of zeros, so that every
reflection has the same length. Sums go over eight lanes, which processors add at once.
"""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel


@kernel
def chase_bulges(band, n, width, target, reflectors, v, sums):
    """
    Reduce an upper band matrix A to ``B = Q^T A P`` with B upper bidiagonal.

    Parameters
    ----------
    band : float64[n + 2 width, 3 width + 1]
        Of A, with zeros elsewhere. Afterwards of B.
    n, width : int
        Superdiagonals of A; a multiple of eight.
    target : float64[n + 2 width]
        y and zeros; becomes ``Q^T y``.
    reflectors : float64[n, n], Fortran order
        Below its diagonal: the reflections that P is made of, for `multiply_by_p`.
    v, sums : float64[width], float64[2 width]
        Work space.

    References
    ----------
    Murata and Horikoshi, Inf. Process. Jpn. 15, 108 (1975) (sweeps over bulges); Haidar, Ltaief,
    Luszczek and Dongarra, IPDPS 2012 (bidiagonal form in two stages).
    """
    for sweep in range(n - 1):
        row = sweep
        for first in range(sweep + 1, n, width):
            tau = _reflect_row(band, row, first, width, v)
            end = min(first + width, n)
            reflectors[first, sweep] = tau
            for c in range(first + 1, end):
                reflectors[c, sweep] = v[c - first]
            if tau != 0.0:
                for r in range(row + 1, first + width):
                    at = first - r + width
                    _apply_to_row(band[r, at : at + width], tau, v)
            tau = _reflect_column(band, first, width, v)
            if tau != 0.0:
                _apply_to_rows(band, first, width, tau, v, sums, target)
            row = first


@kernel
def multiply_by_p(reflectors, n, width, vector):
    """
    Multiply a vector by P of `chase_bulges`, in place.

    Parameters
    ----------
    reflectors : float64[n, n], Fortran order
    n, width : int
    vector : float64[n]
    """
    for sweep in range(n - 2, -1, -1):
        count = (n - sweep - 2) // width
        for bulge in range(count, -1, -1):
            first = sweep + 1 + bulge * width
            tau = reflectors[first, sweep]
            if tau == 0.0:
                continue
            end = min(first + width, n)
            total = vector[first]
            for c in range(first + 1, end):
                total += reflectors[c, sweep] * vector[c]
            total *= tau
            vector[first] -= total
            for c in range(first + 1, end):
                vector[c] -= total * reflectors[c, sweep]


@kernel
def _reflect_row(band, row, first, width, v):
    """Make a row end at column `first`; v and tau of the reflection ``1 - tau v v^T``."""
    at = first - row + width
    square = 0.0
    for k in range(1, width):
        v[k] = band[row, at + k]
        square += v[k] * v[k]
        band[row, at + k] = 0.0
    tau, band[row, at] = _finish(band[row, at], square, width, v)
    return tau


@kernel
def _reflect_column(band, first, width, v):
    """Make a column end at its diagonal; v and tau of the reflection ``1 - tau v v^T``."""
    square = 0.0
    for k in range(1, width):
        v[k] = band[first + k, width - k]
        square += v[k] * v[k]
        band[first + k, width - k] = 0.0
    tau, band[first, width] = _finish(band[first, width], square, width, v)
    return tau


@kernel
def _finish(alpha, square, width, v):
    v[0] = 1.0
    if square == 0.0:
        return 0.0, alpha
    beta = -math.copysign(math.sqrt(alpha * alpha + square), alpha)
    scale = 1.0 / (alpha - beta)
    for k in range(1, width):
        v[k] *= scale
    return (beta - alpha) / beta, beta


@kernel
def _apply_to_row(row, tau, v):
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for k in range(0, len(v), 8):
        s0 += row[k] * v[k]
        s1 += row[k + 1] * v[k + 1]
        s2 += row[k + 2] * v[k + 2]
        s3 += row[k + 3] * v[k + 3]
        s4 += row[k + 4] * v[k + 4]
        s5 += row[k + 5] * v[k + 5]
        s6 += row[k + 6] * v[k + 6]
        s7 += row[k + 7] * v[k + 7]
    total = tau * (((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)))
    for k in range(len(v)):
        row[k] -= total * v[k]


@kernel
def _apply_to_rows(band, first, width, tau, v, sums, target):
    """Apply a reflection from the left to the columns behind `first`, and to the target."""
    total = 0.0
    for k in range(width):
        total += v[k] * target[first + k]
    for k in range(width):
        target[first + k] -= tau * total * v[k]
    sums[:] = 0.0
    for k in range(width):
        at = width + 1 - k  # of column first + 1
        row, factor = band[first + k, at : at + 2 * width], v[k]
        for c in range(2 * width):
            sums[c] += factor * row[c]
    for k in range(width):
        at = width + 1 - k
        row, factor = band[first + k, at : at + 2 * width], tau * v[k]
        for c in range(2 * width):
            row[c] -= factor * sums[c]
