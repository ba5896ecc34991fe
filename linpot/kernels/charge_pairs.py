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
    at,
    filled,
    fma,
    larger,
    load,
    load_pairs,
    put,
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
def store_pairs(
    images, runs, longest, cutoff, alpha, damping, squares, offsets, places, values, slopes
):
    """
    Write f(r) of all pairs within a radius as rows of a sparse matrix, centre after centre.

    Parameters
    ----------
    images, runs, longest, cutoff, alpha, damping, squares
        As in `sum_pairs`.
    offsets : int64[n_centers + 1], out
        Entries of centre k are ``offsets[k]:offsets[k + 1]``.
    places : int32[n_centers * longest], out
        Image of every entry; those beyond the last entry are not written.
    values : float64[n_centers * longest], out, 1/A
        f(r).
    slopes : float64[n_centers * longest] or None, out, 1/A^3
        f'(r)/r.

    Returns
    -------
    float
        Smallest squared distance, A^2; at most 1.
    """
    atoms, centers = images[2], images[3]
    row = _new_row(longest)
    columns, none = np.empty(longest, dtype=np.int64), np.zeros(len(centers))
    r2, found, found_slopes, _, _, width = row
    closest = filled(load_pairs(r2, 0), 1.0)
    total = 0
    for k in range(len(centers)):
        offsets[k] = total
        count = collect_row(k, images, runs, cutoff * cutoff, none, squares, row, columns)
        own = 0.0 if squares is None else squares[atoms[centers[k]]]
        for b in range((count + 15) // 16):
            square = load_pairs(r2, b)
            closest = smaller(closest, square)
            both = None if squares is None else load_pairs(width, b) + own
            f, g = _interaction(square, alpha, both, damping)
            store(found, b, f)
            if slopes is not None:
                store(found_slopes, b, g)
        for p in range(count):
            put(places, total + p, np.int32(at(columns, p)))
            put(values, total + p, at(found, p))
        if slopes is not None:
            for p in range(count):
                put(slopes, total + p, at(found_slopes, p))
        total += count
    offsets[len(centers)] = total
    store(r2, 0, closest)
    smallest = 1.0
    for lane in range(16):
        smallest = min(smallest, r2[lane])
    return smallest


@kernel
def _row_sum(begin, end, places, values, charges):
    """Sum values times charges of images in a fixed order, four sums side by side."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = begin + (end - begin) // 4 * 4
    for p in range(begin, whole, 4):
        a += at(values, p) * at(charges, at(places, p))
        b += at(values, p + 1) * at(charges, at(places, p + 1))
        c += at(values, p + 2) * at(charges, at(places, p + 2))
        d += at(values, p + 3) * at(charges, at(places, p + 3))
    for p in range(whole, end):
        a += at(values, p) * at(charges, at(places, p))
    return (a + b) + (c + d)


@kernel
def apply_pairs(first, last, images, offsets, places, values, charges, potentials):
    """
    Multiply stored pairs with charges, for a range of centres.

    Parameters
    ----------
    first, last, images
        As in `sum_pairs`.
    offsets, places, values
        From `store_pairs`.
    charges : float64[n_images], e
        Of images.
    potentials : float64[n_atoms], out, e/A
    """
    atoms, centers = images[2], images[3]
    for k in range(first, last):
        potentials[atoms[centers[k]]] = _row_sum(
            offsets[k], offsets[k + 1], places, values, charges
        )


@kernel
def sum_stored(
    first, last, images, longest, offsets, places, values, slopes, charges, potentials, fields,
    moments,
):  # fmt: skip
    """
    Sum what `sum_pairs` does, from stored pairs.

    Parameters
    ----------
    first, last, images, longest
        As in `sum_pairs`.
    offsets, places, values, slopes
        From `store_pairs`.
    charges : float64[n_images], e
        Of images.
    potentials, fields, moments
        As in `sum_pairs`; not None.
    """
    coordinates, atoms, centers = images[1], images[2], images[3]
    xs, ys, zs = coordinates[0], coordinates[1], coordinates[2]
    row = _new_row(longest)
    _, weights, x, y, z, _ = row
    sums = aligned(80)
    for k in range(first, last):
        own, begin, count = centers[k], offsets[k], offsets[k + 1] - offsets[k]
        i, x0, y0, z0 = atoms[own], xs[own], ys[own], zs[own]
        potentials[i] += _row_sum(begin, begin + count, places, values, charges)
        for p in range(count):
            place = at(places, begin + p)
            put(weights, p, at(slopes, begin + p) * at(charges, place))
            put(x, p, at(xs, place) - x0)
            put(y, p, at(ys, place) - y0)
            put(z, p, at(zs, place) - z0)
        for p in range(count, (count + 7) // 8 * 8):
            weights[p], x[p], y[p], z[p] = 0.0, 0.0, 0.0, 0.0
        _add_moments(count, row, sums)
        for axis in range(3):
            fields[i, axis] += _total(sums, axis)
        for entry in range(6):
            moments[i, entry] += 0.5 * _total(sums, 3 + entry)


@kernel
def solve_by_polynomial(
    images, offsets, places, values, factor, own, middle, half, degree, pulls, result
):
    """
    Solve ``(own + factor f) x = b`` about, by Chebyshev iteration after Jacobi scaling.

    Parameters
    ----------
    images
        As in `sum_pairs`.
    offsets, places, values
        From `store_pairs`.
    factor : float
        Of f.
    own : float64[n_atoms]
        Diagonal, positive.
    middle, half : float
        Of the interval in which the spectrum lies, of the matrix scaled by `own`.
    degree : int
        Number of steps.
    pulls : float64[n_atoms]
        b.
    result : float64[n_atoms], out
        x.

    References
    ----------
    Saad, Iterative Methods for Sparse Linear Systems, 2nd ed. (2003), algorithm 12.1.
    """
    atoms, centers = images[2], images[3]
    n_atoms, n_images = len(pulls), len(atoms)
    step, of_images = np.empty(n_atoms), np.empty(n_images)
    slope = middle / half
    shrink = 1.0 / slope
    for i in range(n_atoms):
        step[i] = pulls[i] / own[i] / middle
        result[i] = step[i]
    for _ in range(degree - 1):
        shorter = 1.0 / (2.0 * slope - shrink)
        for place in range(n_images):
            of_images[place] = result[atoms[place]]
        for k in range(len(centers)):
            i = atoms[centers[k]]
            felt = factor * _row_sum(offsets[k], offsets[k + 1], places, values, of_images)
            left = (pulls[i] - felt) / own[i] - result[i]
            step[i] = shorter * shrink * step[i] + (2.0 * shorter / half) * left
        for i in range(n_atoms):
            result[i] += step[i]
        shrink = shorter
