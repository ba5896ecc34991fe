"""
Sums over pairs of charges inside a radius, without a neighbor list.

Atoms and those of their images that can be reached are sorted into boxes a half or so of the radius
wide; boxes that follow one another along the last axis are contiguous, so that a centre meets its
candidates in a few runs. Pairs inside the radius are collected and evaluated eight at a time. A
molecule is the case of one box.
"""

from __future__ import annotations

import math

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.elementary import erfc_and_gaussian
from linpot.kernels.lanes import (
    aligned,
    at,
    filled,
    fma,
    larger,
    load,
    load_from,
    load_pairs,
    put,
    smaller,
    splat,
    square_root,
    store,
    store_from,
)

_TWO_BY_ROOT_PI = 2.0 / math.sqrt(math.pi)


@kernel
def place_images(positions, fractions, cell, margins, divisions, reach):
    """
    Sort atoms and their images into boxes.

    Parameters
    ----------
    positions : float64[n_atoms, 3], A
        Inside the cell.
    fractions : float64[n_atoms, 3]
        The same in units of the lattice vectors, 0 <= fraction < 1.
    cell : float64[3, 3], A
    margins : float64[3]
        Images are taken up to this far outside the cell, in units of the lattice vectors.
    divisions, reach : int64[3]
        Boxes inside the cell, and those beyond on either side that hold the margin.

    Returns
    -------
    starts : int64[n_boxes + 1]
        Images in box b are ``starts[b]:starts[b + 1]``.
    coordinates : float64[3, n_images + 8], A
    atoms : int64[n_images]
        Which atom an image is of.
    centers, boxes : int64[n_atoms]
        Where atoms themselves stand among the images, and in which box.
    """
    n_atoms = len(positions)
    sizes = divisions + 2 * reach
    counts = np.zeros(sizes[0] * sizes[1] * sizes[2] + 1, dtype=np.int64)
    shifts = np.empty(3, dtype=np.int64)
    for axis in range(3):
        shifts[axis] = int(math.ceil(margins[axis]))
    for i in range(n_atoms):
        for a in range(-shifts[0], shifts[0] + 1):
            x = _box(fractions[i, 0] + a, margins[0], divisions[0], reach[0])
            if x < 0:
                continue
            for b in range(-shifts[1], shifts[1] + 1):
                y = _box(fractions[i, 1] + b, margins[1], divisions[1], reach[1])
                if y < 0:
                    continue
                for c in range(-shifts[2], shifts[2] + 1):
                    z = _box(fractions[i, 2] + c, margins[2], divisions[2], reach[2])
                    if z >= 0:
                        counts[(x * sizes[1] + y) * sizes[2] + z + 1] += 1
    starts = np.cumsum(counts)
    filled_to = starts[:-1].copy()
    n_images = starts[-1]
    coordinates = np.zeros((3, n_images + 8))  # lanes reach beyond the last one
    atoms = np.empty(n_images, dtype=np.int64)
    place_of, box_of = np.empty(n_atoms, dtype=np.int64), np.empty(n_atoms, dtype=np.int64)
    for i in range(n_atoms):
        for a in range(-shifts[0], shifts[0] + 1):
            x = _box(fractions[i, 0] + a, margins[0], divisions[0], reach[0])
            if x < 0:
                continue
            for b in range(-shifts[1], shifts[1] + 1):
                y = _box(fractions[i, 1] + b, margins[1], divisions[1], reach[1])
                if y < 0:
                    continue
                for c in range(-shifts[2], shifts[2] + 1):
                    z = _box(fractions[i, 2] + c, margins[2], divisions[2], reach[2])
                    if z < 0:
                        continue
                    box = (x * sizes[1] + y) * sizes[2] + z
                    place = filled_to[box]
                    filled_to[box] += 1
                    atoms[place] = i
                    for axis in range(3):
                        coordinates[axis, place] = (
                            positions[i, axis]
                            + a * cell[0, axis]
                            + b * cell[1, axis]
                            + c * cell[2, axis]
                        )
                    if a == 0 and b == 0 and c == 0:
                        place_of[i], box_of[i] = place, box
    order = np.argsort(place_of)
    return starts, coordinates, atoms, place_of[order], box_of[order]


@kernel
def _box(fraction, margin, divisions, reach):
    """Box of an image along one axis, -1 if it is not needed."""
    if fraction < -margin or fraction >= 1.0 + margin:
        return -1
    return min(max(int(math.floor(fraction * divisions)) + reach, 0), divisions + 2 * reach - 1)


@kernel
def longest_row(images, runs):
    """
    Return how many candidates a centre has at most, room for lanes included.

    Parameters
    ----------
    images : tuple
        As `place_images` returns it.
    runs : int64[n_runs, 2]
        First and last box of each run to look at, relative to the centre's.

    Returns
    -------
    int
    """
    starts, boxes = images[0], images[4]
    longest, last = 0, -1
    for k in range(len(boxes)):
        if boxes[k] == last:
            continue
        last = boxes[k]
        count = 0
        for run in range(len(runs)):
            count += starts[last + runs[run, 1] + 1] - starts[last + runs[run, 0]]
        longest = max(longest, count)
    return longest + 32


@kernel
def _collect_row(k, images, runs, limit, values, squares, row, columns):
    """
    Collect the images within a squared radius of centre k.

    `row` has squared distance, charge, vector and (with `squares`) squared width, one after the
    other; it is filled up to whole pairs of lanes with charges of zero. Returns how many there are.
    """
    starts, coordinates, atoms, centers, boxes = images
    xs, ys, zs = coordinates[0], coordinates[1], coordinates[2]
    own, box = centers[k], boxes[k]
    x0, y0, z0 = xs[own], ys[own], zs[own]
    r2, charge, x, y, z, width = row
    count = 0
    for run in range(len(runs)):
        begin, end = starts[box + runs[run, 0]], starts[box + runs[run, 1] + 1]
        for first in range(begin, end, 8):
            a, b = load_from(xs, first) - x0, load_from(ys, first) - y0
            c = load_from(zs, first) - z0
            # for now the first unused places of the row: what is kept is written there later
            store_from(width, 0, fma(a, a, fma(b, b, c * c)))
            for lane in range(min(8, end - first)):
                # written in any case and overwritten by the next: no branch to mispredict
                put(columns, count, first + lane)
                count += 1 if at(width, lane) < limit else 0
    kept = 0
    for p in range(count):
        place = at(columns, p)
        a, b, c = at(xs, place) - x0, at(ys, place) - y0, at(zs, place) - z0
        j = at(atoms, place)
        put(x, kept, a)
        put(y, kept, b)
        put(z, kept, c)
        put(r2, kept, a * a + b * b + c * c)
        put(charge, kept, at(values, j))
        put(columns, kept, j)
        kept += 1 if place != own else 0
    if squares is not None:
        for p in range(kept):
            put(width, p, at(squares, at(columns, p)))
    for p in range(kept, (kept + 15) // 16 * 16):
        r2[p], charge[p], x[p], y[p], z[p], width[p] = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    return kept


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
    r2, charge, x, y, z, width = row
    columns = np.empty(longest, dtype=np.int64)
    sums = aligned(80)
    smallest = 1.0
    for k in range(first, last):
        i = atoms[centers[k]]
        count = _collect_row(k, images, runs, cutoff * cutoff, charges, squares, row, columns)
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
        counts[i] = _collect_row(k, images, runs, cutoff * cutoff, none, None, row, columns)


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
        count = _collect_row(k, images, runs, cutoff * cutoff, none, squares, row, columns)
        for b in range((count + 15) // 16):
            both = None if squares is None else load_pairs(row[5], b) + squares[i]
            f, _ = _interaction(load_pairs(row[0], b), alpha, both, damping)
            store(row[1], b, f)
        for p in range(count):
            others[offsets[i] + p] = columns[p]
            values[offsets[i] + p] = row[1][p]
