"""
Sums of charges over reciprocal lattice vectors.

Vectors stand in rows of fixed (n1, n2) with n3 = -m .. m; of each pair k and -k one is there. With
``Z = exp(2 pi i (n1 s1 + n2 s2))`` and ``e = exp(2 pi i n3 s3)`` the terms of n3 and -n3 share four
real products, Re Z Re e, Im Z Im e, Re Z Im e, Im Z Re e: two multiply-adds per vector and atom.
Lanes are atoms, in their order; empty places have charge zero.
"""

from __future__ import annotations

import math

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import aligned, fma, load, splat, store


@kernel
def fill_phases(first, last, fractions, phases):
    """
    Fill ``exp(2 pi i n s)`` for n from 0 up, by recurrence.

    Parameters
    ----------
    first, last : int
        Range of atoms.
    fractions : float64[n_atoms]
        Along one lattice vector.
    phases : float64[n_max + 1, 2, n_places], out
        Real and imaginary parts.
    """
    for i in range(first, last):
        angle = 2.0 * math.pi * fractions[i]
        c, s = math.cos(angle), math.sin(angle)
        a, b = 1.0, 0.0
        for n in range(len(phases)):
            phases[n, 0, i] = a
            phases[n, 1, i] = b
            a, b = a * c - b * s, a * s + b * c


@kernel
def sum_structure_factors(first, last, rows, starts, phases, charges, factors):
    """
    Sum ``S = sum_i q_i exp(i k r_i)`` over all atoms for some rows.

    Parameters
    ----------
    first, last : int
        Range of rows.
    rows : int64[n_rows, 3]
        n1 >= 0, n2, and the largest n3 of each row.
    starts : int64[n_rows + 1]
        First vector of each row; n3 counts up from 0.
    phases : tuple of three float64[n_max + 1, 2, n_places]
        From `fill_phases`.
    charges : float64[n_places], e
        A whole number of lanes.
    factors : float64[n_vectors, 4], out, e
        Real and imaginary part for n3, then for -n3.
    """
    along_1, along_2, along_3 = phases
    n_blocks = len(charges) // 8
    real, imaginary = aligned(8 * n_blocks), aligned(8 * n_blocks)
    sums = aligned(32)
    for row in range(first, last):
        n1, n2, m = rows[row, 0], rows[row, 1], rows[row, 2]
        sign = 1.0 if n2 >= 0 else -1.0
        a, b = along_1[n1], along_2[abs(n2)]
        ar, ai, br, bi = a[0], a[1], b[0], b[1]
        for block in range(n_blocks):
            q = load(charges, block)
            xr, xi = load(ar, block) * q, load(ai, block) * q
            yr, yi = load(br, block), load(bi, block) * sign
            store(real, block, xr * yr - xi * yi)
            store(imaginary, block, xr * yi + xi * yr)
        for n3 in range(m + 1):
            er, ei = along_3[n3, 0], along_3[n3, 1]
            rr, ii, ri, ir = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for block in range(n_blocks):
                zr, zi = load(real, block), load(imaginary, block)
                c, s = load(er, block), load(ei, block)
                rr, ii, ri, ir = fma(zr, c, rr), fma(zi, s, ii), fma(zr, s, ri), fma(zi, c, ir)
            store(sums, 0, rr)
            store(sums, 1, ii)
            store(sums, 2, ri)
            store(sums, 3, ir)
            a_, b_, c_, d_ = 0.0, 0.0, 0.0, 0.0
            for lane in range(8):
                a_ += sums[lane]
                b_ += sums[8 + lane]
                c_ += sums[16 + lane]
                d_ += sums[24 + lane]
            k = starts[row] + n3
            factors[k, 0], factors[k, 1] = a_ - b_, c_ + d_
            factors[k, 2], factors[k, 3] = a_ + b_, d_ - c_


@kernel
def sum_back(first, last, rows, starts, phases, terms, potentials, gradients):
    """
    Sum ``Re(H exp(i k r))`` over all vectors for some blocks of atoms.

    Parameters
    ----------
    first, last : int
        Range of blocks of eight atoms.
    rows, starts, phases
        As in `sum_structure_factors`.
    terms : float64[n_vectors, 8]
        With H of n3 and H' of -n3: real and imaginary part of ``H + H'`` and of ``H - H'``, and
        the same four times n3.
    potentials : float64[n_places], out
    gradients : float64[3, n_places] or None, out
        ``-Im(n H exp(i k r))``: derivatives by the fractions, over 2 pi.
    """
    along_1, along_2, along_3 = phases
    highest = len(along_3)
    scratch = aligned(16 * highest)
    for block in range(first, last):
        for n3 in range(highest):
            store(scratch, 2 * n3, load(along_3[n3, 0], block))
            store(scratch, 2 * n3 + 1, load(along_3[n3, 1], block))
        total = splat(0.0)
        g1, g2, g3 = splat(0.0), splat(0.0), splat(0.0)
        for row in range(len(rows)):
            n1, n2, m = rows[row, 0], rows[row, 1], rows[row, 2]
            base = starts[row]
            ur, ui, vr, vi = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
            for n3 in range(m + 1):
                c, s = load(scratch, 2 * n3), load(scratch, 2 * n3 + 1)
                k = base + n3
                ur = fma(c, terms[k, 0], fma(s, -terms[k, 3], ur))
                ui = fma(c, terms[k, 1], fma(s, terms[k, 2], ui))
                if gradients is not None:
                    vr = fma(c, terms[k, 6], fma(s, -terms[k, 5], vr))
                    vi = fma(c, terms[k, 7], fma(s, terms[k, 4], vi))
            sign = 1.0 if n2 >= 0 else -1.0
            xr, xi = load(along_1[n1, 0], block), load(along_1[n1, 1], block)
            yr, yi = load(along_2[abs(n2), 0], block), load(along_2[abs(n2), 1], block) * sign
            zr, zi = xr * yr - xi * yi, xr * yi + xi * yr
            total = fma(zr, ur, total) - zi * ui
            if gradients is not None:
                turned = fma(zr, ui, zi * ur)
                g1 = fma(turned, -float(n1), g1)
                g2 = fma(turned, -float(n2), g2)
                g3 = g3 - fma(zr, vi, zi * vr)
        store(potentials, block, total)
        if gradients is not None:
            store(gradients[0], block, g1)
            store(gradients[1], block, g2)
            store(gradients[2], block, g3)


@kernel
def add_mode_products(fractions, vectors, weights, matrix):
    """
    Add ``sum_k w_k cos(k (r_i - r_j))`` to a dense matrix.

    Parameters
    ----------
    fractions : float64[n_atoms, 3]
    vectors : int64[n_vectors, 3]
        In units of the reciprocal lattice vectors.
    weights : float64[n_vectors]
    matrix : float64[n_atoms, n_atoms], out (added to)
    """
    n = len(fractions)
    waves = np.empty((n, 2 * len(vectors)))
    for i in range(n):
        for k in range(len(vectors)):
            angle = (
                2.0
                * math.pi
                * (
                    vectors[k, 0] * fractions[i, 0]
                    + vectors[k, 1] * fractions[i, 1]
                    + vectors[k, 2] * fractions[i, 2]
                )
            )
            size = math.sqrt(weights[k])
            waves[i, 2 * k] = size * math.cos(angle)
            waves[i, 2 * k + 1] = size * math.sin(angle)
    matrix += waves @ waves.T
