"""
Finnis-Sinclair embeddings: the energy of an atom as a function of several densities.

References
----------
Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021) has the idea of several densities; the functions
are those of github.com/ICAMS/lammps-user-pace, commit 99aa6e6, ace_abstract_basis.cpp.
"""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel

SHIFTED, PLAIN = 0.0, 1.0
"""FinnisSinclairShiftedScaled, FinnisSinclair."""

HEADER = 4
"""Numbers before the weights and exponents."""


@kernel
def embed(embedding, outputs, slopes):
    """
    Turn the densities of eight atoms into energies ``s(core) sum_p w_p F_p(rho_p) + core``.

    Parameters
    ----------
    embedding : float64[4 + 2 n_densities]
        `SHIFTED` or `PLAIN`; core cutoff and width (eV), between which s falls from 1 to 0; 1 if a
        core energy follows the densities, or 0; then weight (eV) and exponent of each density.
    outputs : float64[n * 8], in and out
        Lanes of each density, and of the core energy (eV); the first are replaced by energies.
    slopes : float64[n * 8], out
        Derivatives of the energy by each.
    """
    n = (len(embedding) - HEADER) // 2
    cutoff, width = embedding[1], embedding[2]
    for lane in range(8):
        total = 0.0
        for p in range(n):
            weight, exponent = embedding[HEADER + 2 * p], embedding[HEADER + 2 * p + 1]
            rho = outputs[8 * p + lane]
            if embedding[0] == PLAIN:
                value, slope = plain(rho, exponent)
            else:
                value, slope = shifted(rho, exponent)
            total += weight * value
            slopes[8 * p + lane] = weight * slope
        core = outputs[8 * n + lane] if embedding[3] == 1.0 else 0.0
        kept, d_kept = falling_switch(core, cutoff, width)
        for p in range(n):
            slopes[8 * p + lane] *= kept
        if embedding[3] == 1.0:
            slopes[8 * n + lane] = 1.0 + total * d_kept
        outputs[lane] = kept * total + core


@kernel
def plain(rho, exponent):
    """
    Return F and its derivative: ``|rho|^m`` with the sign of rho, linear near 0.

    ``F = (1 - g) |rho|^m + w^(1 - m) g |rho|`` with ``g = exp(-(w rho)^3)``, w = 1e6.
    """
    size = abs(rho)
    at_zero = 1e6 ** (1.0 - exponent)
    if size <= 1e-10:
        return at_zero * rho, at_zero
    cube = (1e6 * size) ** 3
    g = math.exp(-cube) if cube <= 30.0 else 0.0
    d_g = -3.0e18 * size * size * g
    power = size**exponent
    value = (1.0 - g) * power + at_zero * g * size
    slope = (1.0 - g) * exponent * power / size - power * d_g + at_zero * (d_g * size + g)
    return math.copysign(value, rho), slope


@kernel
def shifted(rho, exponent):
    """
    Return F and its derivative: a power, shifted so that its slope is finite at 0.

    ``F = (x e^-|rho| + |rho|)^m - y e^-|rho|`` with the sign of rho, where ``k = 1 / m``,
    ``x = k^(k / (1 - k))`` and ``y = k^(1 / (1 - k))``; rho itself for m = 1.
    """
    if abs(exponent - 1.0) < 1e-10:
        return rho, 1.0
    size = abs(rho)
    k, decayed = 1.0 / exponent, math.exp(-size)
    x, y = k ** (k / (1.0 - k)) * decayed, k ** (1.0 / (1.0 - k)) * decayed
    value = (x + size) ** exponent - y
    slope = y + exponent * (1.0 - x) * (x + size) ** (exponent - 1.0)
    return math.copysign(value, rho), slope


@kernel
def falling_switch(core, cutoff, width):
    """Return a quintic from 1 at ``cutoff - width`` to 0 at the cutoff, and its derivative."""
    if core <= cutoff - width:
        return 1.0, 0.0
    if core >= cutoff:
        return 0.0, 0.0
    x = 1.0 - 2.0 * (1.0 + (core - cutoff) / width)
    square = x * x
    value = 0.5 + 3.75 * x * (0.25 - square / 6.0 + square * square / 20.0)
    return value, -7.5 / width * (0.25 - 0.5 * square + 0.25 * square * square)
