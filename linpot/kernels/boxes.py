"""
Atoms and their images sorted into boxes, and who is near whom, without a neighbor list.

Boxes that follow one another along the third axis are contiguous, so that a centre meets its
candidates in a few runs; eight distances are looked at together. A molecule is the case of one box.
"""

from __future__ import annotations

import math

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import at, fma, load_from, mask_below, put

# for every set of eight lanes: those inside, and then whatever; and how many are inside
_INSIDE = np.array(
    [sorted(range(8), key=lambda lane: not mask >> lane & 1) for mask in range(256)], dtype=np.int8
)
_COUNTS = np.array([mask.bit_count() for mask in range(256)], dtype=np.int64)


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
    frame = (fractions, margins, divisions, reach)
    sizes = divisions + 2 * reach
    counts = np.zeros(sizes[0] * sizes[1] * sizes[2] + 1, dtype=np.int64)
    _walk(frame, positions, cell, counts[1:], None, None, None, None)
    starts = np.cumsum(counts)
    coordinates = np.zeros((3, starts[-1] + 8))  # lanes reach beyond the last one
    atoms = np.empty(starts[-1], dtype=np.int64)
    places, boxes = np.empty(n_atoms, dtype=np.int64), np.empty(n_atoms, dtype=np.int64)
    _walk(frame, positions, cell, starts[:-1].copy(), coordinates, atoms, places, boxes)
    order = np.argsort(places)
    return starts, coordinates, atoms, places[order], boxes[order]


@kernel
def _walk(frame, positions, cell, ends, coordinates, atoms, places, boxes):
    """Advance the end of the box of every image by one; where asked for, put the image there."""
    fractions, margins, divisions, reach = frame
    sizes = divisions + 2 * reach
    shifts = np.ceil(margins).astype(np.int64)
    for i in range(len(fractions)):
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
                    place = ends[box]
                    ends[box] += 1
                    if atoms is None:
                        continue
                    atoms[place] = i
                    for axis in range(3):
                        coordinates[axis, place] = (
                            positions[i, axis]
                            + a * cell[0, axis]
                            + b * cell[1, axis]
                            + c * cell[2, axis]
                        )
                    if a == 0 and b == 0 and c == 0:
                        places[i], boxes[i] = place, box


@kernel
def _box(fraction, margin, divisions, reach):
    """Box of an image along one axis, -1 if it is not needed."""
    if fraction < -margin or fraction >= 1.0 + margin:
        return -1
    return min(max(math.floor(fraction * divisions) + reach, 0), divisions + 2 * reach - 1)


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
def collect_row(k, images, runs, limit, values, squares, row, columns):
    """
    Collect the images within a squared radius of centre k.

    `row` has squared distance, charge, vector and (with `squares`) squared width, one after the
    other; it is filled up to whole pairs of lanes with charges of zero. `columns` has their places.
    Returns how many there are.
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
            mask = mask_below(fma(a, a, fma(b, b, c * c)), limit)
            mask &= (1 << min(8, end - first)) - 1
            # eight written in any case, those inside first: no branch to mispredict
            for k in range(8):
                put(columns, count + k, first + np.int64(_INSIDE[mask, k]))
            count += _COUNTS[mask]
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
        put(columns, kept, place)
        kept += 1 if place != own else 0
    if squares is not None:
        for p in range(kept):
            put(width, p, at(squares, at(atoms, at(columns, p))))
    for p in range(kept, (kept + 15) // 16 * 16):
        r2[p], charge[p], x[p], y[p], z[p], width[p] = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    return kept
