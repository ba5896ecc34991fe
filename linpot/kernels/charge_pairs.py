"""
Sums over pairs of charges inside a radius, sixteen pairs at a time.

Pairs come from `boxes`; every pair is evaluated from both of its ends, so that centres share
nothing and the bits do not depend on threads.
"""

from __future__ import annotations

import math

import numpy as np

from linpot.kernels.boxes import collect_row
from linpot.kernels.compile import kernel
from linpot.kernels.elementary import erfc_and_gaussian
from linpot.kernels.lanes import (
    aligned,
    filled,
    fma,
    larger,
    load,
    load_pairs,
    smaller,
    splat,
    square_root,
    store,
)

_TWO_BY_ROOT_PI = 2.0 / math.sqrt(math.pi)


@kernel
def _interaction(square, alpha, width, damping):
    """
    Return f(r) and f'(r)/r of one unit charge seen by another.

    Parameters
    ----------
    square : lanes, A^2
    alpha : float or None, 1/A
        The long-range part erf(alpha r)/r is taken away.
    width : lanes or None, A^2
        Sum of the squared widths of two Gaussian clouds.
    damping : float or None, A
        Below this distance 1/r is replaced by its Taylor series in r^2.
    """
    inverse = 1.0 / square_root(square)
    r = square * inverse
    by_square = inverse * inverse
    if alpha is not None:
        complement, gaussian = erfc_and_gaussian(r * alpha)
        f = complement * inverse
        g = fma(gaussian, _TWO_BY_ROOT_PI * alpha, f) * by_square * (-1.0)
    else:
        f = inverse
        g = inverse * by_square * (-1.0)
    if width is not None:
        # clouds narrower than this are points: beta r is beyond the end of erfc
        beta = 1.0 / square_root(larger(width * 2.0, 1e-12))
        complement, gaussian = erfc_and_gaussian(r * beta)
        taken = complement * inverse
        f = f - taken
        g = fma(fma(gaussian, beta * _TWO_BY_ROOT_PI, taken), by_square, g)
    if damping is not None:
        # u = 1 - r^2/R^2, clamped: outside both replacements cancel exactly
        u = larger(fma(square, -1.0 / (damping * damping), 1.0), 0.0)
        series = fma(fma(fma(u, 0.3125, 0.375), u, 0.5), u, 1.0)
        slope = fma(fma(u, 0.9375, 0.75), u, 0.5)
        inner = larger(inverse, 1.0 / damping)
        f = f + (series * (1.0 / damping) - inner)
        g = g + (inner * inner * inner - slope * (2.0 / damping**3))
    return f, g


@kernel
def sum_pairs(
    first, last, images, runs, longest, cutoff, alpha, damping, charges, squares, potentials,
    fields, moments,
):  # fmt: skip
    """
    Sum potentials, fields and moments of all pairs within a radius over a range of centres.

    Parameters
    ----------
    first, last : int
        Range of centres, in the order of boxes.
    images : tuple
        As `place_images` returns it.
    runs, longest
        Runs of boxes to look at, and what `longest_row` says of them.
    cutoff : float, A
    alpha : float or None, 1/A
        The pairs' interaction is ``erfc(alpha r)/r``; ``1/r`` without.
    damping : float or None, A
    charges : float64[n_atoms], e
    squares : float64[n_atoms] or None, A^2
        Squared widths of the clouds; None for points.
    potentials : float64[n_atoms], out (added to), e/A
        ``sum_j q_j f(r_ij)``.
    fields : float64[n_atoms, 3] or None, out (added to), e/A^2
        ``sum_j q_j f'(r)/r r_ij``, minus the gradient of the potential.
    moments : float64[n_atoms, 6], out (added to), e/A, or None with `fields`
        ``1/2 sum_j q_j f'(r)/r r_ij r_ij``, xx yy zz yz xz xy.

    Returns
    -------
    float
        Smallest squared distance, A^2; at most 1.
    """
    atoms, centers = images[2], images[3]
    row = _new_row(longest)
    r2, charge, _, _, _, width = row
    columns = np.empty(longest, dtype=np.int64)
    sums = aligned(80)
    smallest = 1.0
    for k in range(first, last):
        i = atoms[centers[k]]
        count = collect_row(k, images, runs, cutoff * cutoff, charges, squares, row, columns)
        # two blocks of lanes at a time: each waits for its own recurrences
        s = filled(load_pairs(r2, 0), 0.0)
        closest = filled(s, 1.0)
        for b in range((count + 15) // 16):
            square, q = load_pairs(r2, b), load_pairs(charge, b)
            closest = smaller(closest, square)
            both = None if squares is None else load_pairs(width, b) + squares[i]
            f, g = _interaction(square, alpha, both, damping)
            s = fma(q, f, s)
            if fields is not None:
                store(charge, b, q * g)
        store(sums, 0, s)
        store(sums, 1, closest)
        potentials[i] += _total(sums, 0) + _total(sums, 1)
        for lane in range(16):
            smallest = min(smallest, sums[16 + lane])
        if fields is not None:
            _add_moments(count, row, sums)
            for axis in range(3):
                fields[i, axis] += _total(sums, axis)
            for entry in range(6):
                moments[i, entry] += 0.5 * _total(sums, 3 + entry)
    return smallest


@kernel
def _new_row(longest):
    return (
        aligned(longest), aligned(longest), aligned(longest), aligned(longest), aligned(longest),
        aligned(longest),
    )  # fmt: skip


@kernel
def _add_moments(count, row, sums):
    """Sum g r and g r r over a row whose charges have become g = q f'(r)/r."""
    _, weights, x, y, z, _ = row
    sx, sy, sz = splat(0.0), splat(0.0), splat(0.0)
    xx, yy, zz, yz, xz, xy = (
        splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0), splat(0.0),
    )  # fmt: skip
    for b in range((count + 7) // 8):
        g, a, c, d = load(weights, b), load(x, b), load(y, b), load(z, b)
        ga, gc, gd = g * a, g * c, g * d
        sx, sy, sz = sx + ga, sy + gc, sz + gd
        xx, yy, zz = fma(ga, a, xx), fma(gc, c, yy), fma(gd, d, zz)
        yz, xz, xy = fma(gc, d, yz), fma(ga, d, xz), fma(ga, c, xy)
    store(sums, 0, sx)
    store(sums, 1, sy)
    store(sums, 2, sz)
    store(sums, 3, xx)
    store(sums, 4, yy)
    store(sums, 5, zz)
    store(sums, 6, yz)
    store(sums, 7, xz)
    store(sums, 8, xy)


@kernel
def _total(sums, k):
    total = 0.0
    for lane in range(8):
        total += sums[8 * k + lane]
    return total


@kernel
def count_pairs(first, last, images, runs, longest, cutoff, counts):
    """
    Count the images within a radius of each centre.

    Parameters
    ----------
    first, last, images, runs, longest, cutoff
        As in `sum_pairs`.
    counts : int64[n_atoms], out
        By atom.
    """
    row = _new_row(longest)
    columns, none = np.empty(longest, dtype=np.int64), np.zeros(len(counts))
    for k in range(first, last):
        i = images[2][images[3][k]]
        counts[i] = collect_row(k, images, runs, cutoff * cutoff, none, None, row, columns)


@kernel
def fill_interactions(
    first, last, images, runs, longest, cutoff, alpha, damping, squares, offsets, others, values
):
    """
    Write f(r) of all pairs within a radius as rows of a sparse matrix.

    Parameters
    ----------
    first, last, images, runs, longest, cutoff, alpha, damping, squares
        As in `sum_pairs`.
    offsets : int64[n_atoms + 1]
        From `count_pairs`.
    others : int64[n_pairs], out
        Column of every entry; images of one atom follow as entries of their own.
    values : float64[n_pairs], out, 1/A
    """
    row = _new_row(longest)
    columns, none = np.empty(longest, dtype=np.int64), np.zeros(len(offsets))
    for k in range(first, last):
        i = images[2][images[3][k]]
        count = collect_row(k, images, runs, cutoff * cutoff, none, squares, row, columns)
        for b in range((count + 15) // 16):
            both = None if squares is None else load_pairs(row[5], b) + squares[i]
            f, _ = _interaction(load_pairs(row[0], b), alpha, both, damping)
            store(row[1], b, f)
        for p in range(count):
            others[offsets[i] + p] = columns[p]
            values[offsets[i] + p] = row[1][p]
