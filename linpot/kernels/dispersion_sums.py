"""
Reciprocal space of lattice sums of powers of the distance.

Structure factors are kept per species, ``S_z(k) = sum_{i of z} exp(i k.r_i)``: every atom adds to
one of them, so that they cost what a single one does, and any matrix of coefficients is a
quadratic form of them. Lanes are eight atoms of one species. Vectors k are listed in rows: same
first two indices, the third one consecutive, half of all k.
"""

from __future__ import annotations

import math

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import filled, fma, load, store


@kernel
def list_rows(reciprocal, largest, reach):
    """
    List half of the reciprocal vectors inside a sphere, in rows.

    Parameters
    ----------
    reciprocal : float64[3, 3], 1/A
        Rows: reciprocal lattice vectors with 2 pi.
    largest : float, 1/A
        Radius.
    reach : int64[3]
        Largest index along each vector.

    Returns
    -------
    int64[n_rows, 5]
        First and second index, first and last third index, and the place of the first one in
        lists of all k. The zero vector is not among them.
    """
    third = reciprocal[2]
    a = (third * third).sum()
    rows = np.empty(((reach[0] + 1) * (2 * reach[1] + 1), 5), dtype=np.int64)
    count, total = 0, 0
    for h in range(reach[0] + 1):
        for k in range(0 if h == 0 else -reach[1], reach[1] + 1):
            start = h * reciprocal[0] + k * reciprocal[1]
            b = (start * third).sum()
            inside = b * b - a * ((start * start).sum() - largest * largest)
            if inside < 0.0:
                continue
            width = math.sqrt(inside) / a
            lowest = max(np.int64(math.ceil(-b / a - width)), -reach[2])
            highest = min(np.int64(math.floor(-b / a + width)), reach[2])
            if h == 0 and k == 0:
                lowest = 1
            if highest < lowest:
                continue
            rows[count, 0], rows[count, 1] = h, k
            rows[count, 2], rows[count, 3], rows[count, 4] = lowest, highest, total
            total += highest - lowest + 1
            count += 1
    return rows[:count]


@kernel
def fill_phases(first, last, fractions, weights, reach, x_phases, y_phases, z_phases):
    """
    Tabulate ``exp(2 pi i m f)`` along the three reciprocal vectors.

    Parameters
    ----------
    first, last : int
        Range of blocks.
    fractions : float64[3, n_blocks, 8]
        Fractional coordinates.
    weights : float64[n_blocks, 8]
        1 for an atom, 0 for an empty place: `x_phases` carry them.
    reach : int64[3]
    x_phases : float64[n_blocks, 2 (reach + 1) 8], out
        Real and imaginary lanes of m = 0, 1, ...
    y_phases, z_phases : float64[n_blocks, 2 (2 reach + 1) 8], out
        The same from m = -reach.
    """
    cosines, sines = np.empty(8), np.empty(8)
    for block in range(first, last):
        for axis in range(3):
            for lane in range(8):
                angle = 2.0 * math.pi * (fractions[axis, block, lane] % 1.0)
                cosines[lane], sines[lane] = math.cos(angle), math.sin(angle)
            c, s = load(cosines, 0), load(sines, 0)
            if axis == 0:
                table, center = x_phases[block], 0
                real = load(weights[block], 0)
            else:
                table = y_phases[block] if axis == 1 else z_phases[block]
                center = reach[axis]
                real = filled(c, 1.0)
            imaginary = filled(c, 0.0)
            for m in range(reach[axis] + 1):
                store(table, 2 * (center + m), real)
                store(table, 2 * (center + m) + 1, imaginary)
                if axis > 0:
                    store(table, 2 * (center - m), real)
                    store(table, 2 * (center - m) + 1, imaginary * (-1.0))
                real, imaginary = (
                    fma(real, c, imaginary * s * (-1.0)),
                    fma(real, s, imaginary * c),
                )


@kernel
def fill_structure_factors(
    first, last, rows, species_blocks, reach, x_phases, y_phases, z_phases, factors
):
    """
    Sum the phases of every species.

    Parameters
    ----------
    first, last : int
        Range of rows.
    rows : int64[n_rows, 5]
    species_blocks : int64[n_species + 1]
        Blocks of species z are ``species_blocks[z]:species_blocks[z + 1]``.
    reach : int64[3]
    x_phases, y_phases, z_phases : as `fill_phases` left them
    factors : float64[n_species, 2, n_k], out
        Real and imaginary parts.
    """
    sums = np.empty((2 * (2 * reach[2] + 1), 8))
    flat = sums.reshape(-1)
    for row in range(first, last):
        h, k, lowest, highest, place = rows[row]
        n = highest - lowest + 1
        start = lowest + reach[2]
        for species in range(len(species_blocks) - 1):
            sums[: 2 * n] = 0.0
            for block in range(species_blocks[species], species_blocks[species + 1]):
                x, y, z = x_phases[block], y_phases[block], z_phases[block]
                xr, xi = load(x, 2 * h), load(x, 2 * h + 1)
                yr, yi = load(y, 2 * (k + reach[1])), load(y, 2 * (k + reach[1]) + 1)
                real = fma(xr, yr, xi * yi * (-1.0))
                imaginary = fma(xr, yi, xi * yr)
                opposite = imaginary * (-1.0)
                for l in range(n):
                    zr, zi = load(z, 2 * (start + l)), load(z, 2 * (start + l) + 1)
                    store(flat, 2 * l, load(flat, 2 * l) + fma(real, zr, opposite * zi))
                    store(flat, 2 * l + 1, load(flat, 2 * l + 1) + fma(real, zi, imaginary * zr))
            for l in range(n):
                factors[species, 0, place + l] = sums[2 * l].sum()
                factors[species, 1, place + l] = sums[2 * l + 1].sum()


@kernel
def add_reciprocal(
    first, last, rows, block_species, reach, x_phases, y_phases, z_phases, reciprocal, potentials,
    slopes, places, atomic, forces, virials,
):  # fmt: skip
    """
    Give atoms their energies, forces and virials from the potentials of all k.

    With ``T_z(k) = sum_z' M_zz'(k) S_z'(k)``, the energy of atom i is
    ``1/2 Re sum_k exp(-i k.r_i) T(k)``; M counts k and -k.

    Parameters
    ----------
    first, last : int
        Range of blocks.
    rows : int64[n_rows, 5]
    block_species : int64[n_blocks]
    reach : int64[3]
    x_phases, y_phases, z_phases : as `fill_phases` left them
    reciprocal : float64[3, 3], 1/A
    potentials : float64[n_species, 2, n_k], eV
        T, real and imaginary.
    slopes : float64[n_species, 2, n_k], eV A^2
        The same with ``1/k dM/dk`` in place of M.
    places : int64[n_blocks, 8]
        Atom of every place, -1 where there is none.
    atomic : float64[n_atoms], out (added to), eV
    forces : float64[n_atoms, 3], out (added to), eV/A
    virials : float64[n_atoms, 6], out (added to), eV
    """
    c0, c1, c2 = reciprocal[2, 0], reciprocal[2, 1], reciprocal[2, 2]
    sums = np.empty((10, 8))
    for block in range(first, last):
        x, y, z = x_phases[block], y_phases[block], z_phases[block]
        potential, slope = potentials[block_species[block]], slopes[block_species[block]]
        zero = filled(load(x, 0), 0.0)
        energy, fx, fy, fz = zero, zero, zero, zero
        xx, yy, zz, yz, xz, xy = zero, zero, zero, zero, zero, zero
        for row in range(len(rows)):
            h, k, lowest, highest, place = rows[row]
            start = lowest + reach[2]
            a0 = h * reciprocal[0, 0] + k * reciprocal[1, 0] + lowest * c0
            a1 = h * reciprocal[0, 1] + k * reciprocal[1, 1] + lowest * c1
            a2 = h * reciprocal[0, 2] + k * reciprocal[1, 2] + lowest * c2
            xr, xi = load(x, 2 * h), load(x, 2 * h + 1)
            yr, yi = load(y, 2 * (k + reach[1])), load(y, 2 * (k + reach[1]) + 1)
            real = fma(xr, yr, xi * yi * (-1.0))
            imaginary = fma(xr, yi, xi * yr)
            opposite = imaginary * (-1.0)
            # sums over the row, times 1, l and l^2: its vectors are a + l c
            e, q, lq, v, lv, llv = zero, zero, zero, zero, zero, zero
            for l in range(highest - lowest + 1):
                zr, zi = load(z, 2 * (start + l)), load(z, 2 * (start + l) + 1)
                pr, pi = fma(real, zr, opposite * zi), fma(real, zi, imaginary * zr)
                tr, ti = potential[0, place + l], potential[1, place + l]
                number = float(l)
                e = fma(pr, tr, fma(pi, ti, e))
                across = fma(pr, ti, pi * (-tr))
                q, lq = q + across, fma(across, number, lq)
                along = fma(pr, slope[0, place + l], pi * slope[1, place + l])
                scaled = along * number
                v, lv, llv = v + along, lv + scaled, fma(scaled, number, llv)
            energy = energy + e
            fx = fx - fma(q, a0, lq * c0)
            fy = fy - fma(q, a1, lq * c1)
            fz = fz - fma(q, a2, lq * c2)
            xx = xx + e + fma(v, a0 * a0, fma(lv, 2.0 * a0 * c0, llv * (c0 * c0)))
            yy = yy + e + fma(v, a1 * a1, fma(lv, 2.0 * a1 * c1, llv * (c1 * c1)))
            zz = zz + e + fma(v, a2 * a2, fma(lv, 2.0 * a2 * c2, llv * (c2 * c2)))
            yz = yz + fma(v, a1 * a2, fma(lv, a1 * c2 + a2 * c1, llv * (c1 * c2)))
            xz = xz + fma(v, a0 * a2, fma(lv, a0 * c2 + a2 * c0, llv * (c0 * c2)))
            xy = xy + fma(v, a0 * a1, fma(lv, a0 * c1 + a1 * c0, llv * (c0 * c1)))
        store(sums[0], 0, energy)
        store(sums[1], 0, fx)
        store(sums[2], 0, fy)
        store(sums[3], 0, fz)
        store(sums[4], 0, xx)
        store(sums[5], 0, yy)
        store(sums[6], 0, zz)
        store(sums[7], 0, yz)
        store(sums[8], 0, xz)
        store(sums[9], 0, xy)
        for lane in range(8):
            atom = places[block, lane]
            if atom < 0:
                continue
            atomic[atom] += 0.5 * sums[0, lane]
            for k in range(3):
                forces[atom, k] += sums[1 + k, lane]
            for k in range(6):
                virials[atom, k] += 0.5 * sums[4 + k, lane]
