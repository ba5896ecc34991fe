"""
Charges on a mesh: B-splines there and back, and the convolution in between.

Smooth particle mesh of Essmann et al., J. Chem. Phys. 103, 8577 (1995). Rows of the mesh run along
the third axis; the eight points that a charge reaches there are one value of lanes, whatever the
order (weights beyond the order are zero). Rows are eight points longer than the mesh; what is
written there is added to the beginning. An offset of all points against Essmann's changes nothing,
since charges are spread and potentials read with the same one.
"""

from __future__ import annotations

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.elementary import exponential
from linpot.kernels.lanes import (
    aligned,
    at,
    fma,
    larger,
    load,
    load_from,
    splat,
    store,
    store_from,
)

PADDING = 8


@kernel
def sort_into_columns(fractions, sizes):
    """
    Return the order of charges by mesh column, so that neighbors in memory meet.

    Parameters
    ----------
    fractions : float64[n_atoms, 3]
        0 <= fraction < 1.
    sizes : int64[3]
        Points along each axis.

    Returns
    -------
    order : int64[n_atoms]
    planes : int64[sizes[0] + 1]
        Charges of plane x are ``order[planes[x]:planes[x + 1]]``.
    """
    n = len(fractions)
    columns = np.empty(n, dtype=np.int64)
    starts = np.zeros(sizes[0] * sizes[1] + 1, dtype=np.int64)
    for i in range(n):
        x = min(int(fractions[i, 0] * sizes[0]), sizes[0] - 1)
        y = min(int(fractions[i, 1] * sizes[1]), sizes[1] - 1)
        columns[i] = x * sizes[1] + y
        starts[columns[i] + 1] += 1
    starts = np.cumsum(starts)
    planes = starts[:: sizes[1]].copy()
    order = np.empty(n, dtype=np.int64)
    for i in range(n):
        order[starts[columns[i]]] = i
        starts[columns[i]] += 1
    return order, planes


@kernel
def _spline(t, powers, first):
    """
    Return the B-splines that reach a point 0 <= t < 1 behind a mesh point, or their slopes: lanes.

    Polynomials in t - 1/2, from `powers[first]` for values (0) and slopes (1).
    """
    u = t - 0.5
    table = powers[first]
    value = load(table[7], 0)
    for k in range(6, -1, -1):
        value = fma(value, u, load(table[k], 0))
    return value


@kernel
def spread(first, last, charges, fractions, order, planes, powers, degree, mesh):
    """
    Put charges on some planes of the mesh.

    Parameters
    ----------
    first, last : int
        Range of planes; every point sums its charges in one fixed order.
    charges : float64[n_atoms], e
    fractions : float64[n_atoms, 3]
    order, planes
        From `sort_into_columns`.
    powers : float64[2, 8, 8]
        Coefficients of the splines and their slopes by power and by mesh point.
    degree : int
        Order p of the splines, 4 to 8.
    mesh : float64[sizes[0], sizes[1], sizes[2] + PADDING], out
    """
    n_x, n_y, n_z = mesh.shape[0], mesh.shape[1], mesh.shape[2] - PADDING
    flat = mesh.reshape(-1)
    length = n_z + PADDING
    for p in range(first * n_y * length, last * n_y * length):
        flat[p] = 0.0
    wx, wy, lines = aligned(8), aligned(8), np.empty(8, dtype=np.int64)
    for back in range(last - first + degree - 1):
        # charges of plane x reach planes x .. x + degree - 1
        x = (last - 1 - back) % n_x
        if back >= n_x:
            break
        for place in range(planes[x], planes[x + 1]):
            i = order[place]
            u, v, w = fractions[i, 0] * n_x, fractions[i, 1] * n_y, fractions[i, 2] * n_z
            y, z = min(int(v), n_y - 1), min(int(w), n_z - 1)
            store(wx, 0, _spline(u - x, powers, 0))
            store(wy, 0, _spline(v - y, powers, 0))
            along = _spline(w - z, powers, 0) * charges[i]
            for b in range(degree):
                line = y + b
                line -= n_y if line >= n_y else 0
                lines[b] = line * length + z
            for a in range(degree):
                plane = x + a
                plane -= n_x if plane >= n_x else 0
                if plane < first or plane >= last:
                    continue
                begin, weighted = plane * n_y * length, along * wx[a]
                for b in range(degree):
                    place_of = begin + at(lines, b)
                    value = fma(weighted, at(wy, b), load_from(flat, place_of))
                    store_from(flat, place_of, value)
    for x in range(first, last):
        for y in range(n_y):
            for z in range(PADDING):
                mesh[x, y, z] += mesh[x, y, n_z + z]


@kernel
def interpolate(first, last, fractions, order, powers, degree, mesh, potentials, gradients):
    """
    Read potentials and their gradients off the mesh for some charges.

    Parameters
    ----------
    first, last : int
        Range of places in `order`.
    fractions, order, powers, degree
        As in `spread`.
    mesh : float64[sizes[0], sizes[1], sizes[2] + PADDING]
        The end of each row repeats its beginning.
    potentials : float64[n_atoms], out
    gradients : float64[n_atoms, 3] or None, out
        By fractions.
    """
    n_x, n_y, n_z = mesh.shape[0], mesh.shape[1], mesh.shape[2] - PADDING
    flat = mesh.reshape(-1)
    length = n_z + PADDING
    wx, wy, dx, dy = aligned(8), aligned(8), aligned(8), aligned(8)
    lines, sums = np.empty(8, dtype=np.int64), aligned(32)
    for place in range(first, last):
        i = order[place]
        u, v, w = fractions[i, 0] * n_x, fractions[i, 1] * n_y, fractions[i, 2] * n_z
        x, y, z = min(int(u), n_x - 1), min(int(v), n_y - 1), min(int(w), n_z - 1)
        store(wx, 0, _spline(u - x, powers, 0))
        store(wy, 0, _spline(v - y, powers, 0))
        store(dx, 0, _spline(u - x, powers, 1))
        store(dy, 0, _spline(v - y, powers, 1))
        for b in range(degree):
            line = y + b
            line -= n_y if line >= n_y else 0
            lines[b] = line * length + z
        plain, by_x, by_y = splat(0.0), splat(0.0), splat(0.0)
        for a in range(degree):
            plane = x + a
            plane -= n_x if plane >= n_x else 0
            begin = plane * n_y * length
            inner, slope = splat(0.0), splat(0.0)
            for b in range(degree):
                values = load_from(flat, begin + at(lines, b))
                inner = fma(values, at(wy, b), inner)
                if gradients is not None:
                    slope = fma(values, at(dy, b), slope)
            plain = fma(inner, at(wx, a), plain)
            if gradients is not None:
                by_x = fma(inner, at(dx, a), by_x)
                by_y = fma(slope, at(wx, a), by_y)
        along = _spline(w - z, powers, 0)
        store(sums, 0, plain * along)
        store(sums, 1, by_x * along)
        store(sums, 2, by_y * along)
        store(sums, 3, plain * _spline(w - z, powers, 1))
        p, g0, g1, g2 = 0.0, 0.0, 0.0, 0.0
        for k in range(8):
            p += sums[k]
            g0 += sums[8 + k]
            g1 += sums[16 + k]
            g2 += sums[24 + k]
        potentials[i] = p
        if gradients is not None:
            gradients[i, 0] = n_x * g0
            gradients[i, 1] = n_y * g1
            gradients[i, 2] = n_z * g2


@kernel
def convolve(first, last, waves, n_z, reciprocal, decay, corrections, virials):
    """
    Multiply some planes of transformed charges with ``exp(-k^2 decay)/k^2`` and the spline factors.

    Parameters
    ----------
    first, last : int
        Range of planes along the first axis.
    waves : float64[sizes[0], sizes[1], 2 * (sizes[2] // 2 + 1)], changed
        Real and imaginary parts.
    n_z : int
        Points along the third axis.
    reciprocal : float64[3, 3], 1/A
        Reciprocal lattice vectors as rows, 2 pi included.
    decay : float, A^2
        ``1/(4 alpha^2)``.
    corrections : tuple of three float64[n]
        Squared spline factors |b(m)|^2 along each axis; zero leaves a mode out. The third is as
        long as whole lanes.
    virials : float64[sizes[0], 7], out, e^2/A^2
        ``sum g |Q|^2`` and ``sum 2 (1/k^2 + decay) g |Q|^2 k k``, xx yy zz yz xz xy, of each plane.
    """
    n_x, n_y, half = waves.shape[0], waves.shape[1], waves.shape[2] // 2
    by_x, by_y, by_z = corrections
    blocks = (half + 7) // 8
    numbers, green, squares = aligned(8 * blocks), aligned(8 * blocks), aligned(8 * blocks)
    for k in range(8 * blocks):
        numbers[k] = float(k)
    a, b, c = reciprocal[0], reciprocal[1], reciprocal[2]
    for x in range(first, last):
        m = x if 2 * x <= n_x else x - n_x
        for entry in range(7):
            virials[x, entry] = 0.0
        for y in range(n_y):
            n = y if 2 * y <= n_y else y - n_y
            kx, ky, kz = m * a[0] + n * b[0], m * a[1] + n * b[1], m * a[2] + n * b[2]
            factor = by_x[x] * by_y[y]
            for block in range(blocks):
                number = load(numbers, block)
                px, py, pz = (
                    fma(number, c[0], splat(kx)),
                    fma(number, c[1], splat(ky)),
                    fma(number, c[2], splat(kz)),
                )
                square = px * px + py * py + pz * pz
                store(squares, block, square)
                value = exponential(larger(square * (-decay), -690.0)) * load(by_z, block) * factor
                store(green, block, value / square)
            if x == 0 and y == 0:
                green[0] = 0.0
            row = waves[x, y]
            total, flat, tilted, tall = 0.0, 0.0, 0.0, 0.0
            for z in range(half):
                p, q, g = row[2 * z], row[2 * z + 1], green[z]
                size = (p * p + q * q) * g
                # conjugate modes are not stored, except of the planes that are their own
                size *= 1.0 if z == 0 or 2 * z == n_z else 2.0
                row[2 * z], row[2 * z + 1] = p * g, q * g
                total += size
                slope = 2.0 * size * (1.0 / squares[z] + decay) if size > 0.0 else 0.0
                flat += slope
                tilted += slope * z
                tall += slope * z * z
            virials[x, 0] += total
            # k = (kx, ky, kz) + z c: sums of k k from those of 1, z, z^2
            virials[x, 1] += flat * kx * kx + 2.0 * tilted * kx * c[0] + tall * c[0] * c[0]
            virials[x, 2] += flat * ky * ky + 2.0 * tilted * ky * c[1] + tall * c[1] * c[1]
            virials[x, 3] += flat * kz * kz + 2.0 * tilted * kz * c[2] + tall * c[2] * c[2]
            virials[x, 4] += flat * ky * kz + tilted * (ky * c[2] + kz * c[1]) + tall * c[1] * c[2]
            virials[x, 5] += flat * kx * kz + tilted * (kx * c[2] + kz * c[0]) + tall * c[0] * c[2]
            virials[x, 6] += flat * kx * ky + tilted * (kx * c[1] + ky * c[0]) + tall * c[0] * c[1]


@kernel
def copy_row_ends(first, last, values, mesh):
    """
    Copy potentials into rows whose end repeats their beginning, for some planes.

    Parameters
    ----------
    first, last : int
    values : float64[sizes[0], sizes[1], sizes[2]]
    mesh : float64[sizes[0], sizes[1], sizes[2] + PADDING], out
    """
    n_z = values.shape[2]
    for x in range(first, last):
        for y in range(values.shape[1]):
            for z in range(n_z):
                mesh[x, y, z] = values[x, y, z]
            for z in range(PADDING):
                mesh[x, y, n_z + z] = values[x, y, z]
