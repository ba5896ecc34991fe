"""
linpot's radial functions in the base functions of ``ChebExpCos``, and back.

Both are ``s e`` times polynomials in the same x (docs/conventions.md), the base functions being
``g_0 = s e`` and ``g_k = s e (1 - T_k(x)) / 2``. A polynomial ``q = sum_k a_k T_k`` with q(1) = 0
is ``-2 sum_k a_k (1 - T_k) / 2``: exact in real numbers, with ``g_0`` unused.

In floating point it is not: q is orthogonal from the taper to the cutoff, and between 0 and the
taper, where s = 0, it grows without use. Its coefficients grow with it (1e9 for n = 12 and a taper
at a third of the cutoff) and cancel. Where that would cost more than `TOLERANCE`, the coefficients
are those of least squares over the range that matters, with more base functions than the degree:
among the many polynomials that agree there to rounding, the one of least norm cancels least
(frames; Adcock and Huybrechs, SIAM Rev. 61, 443 (2019)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from linpot.basis.radial import RadialParameters

Floats = NDArray[np.float64]

TOLERANCE = 1e-12
"""Error of a radial function, relative to its largest value, that needs no remedy by default."""

ACCEPTABLE = 1e-9
"""Likewise, but not worth more than `_USUAL` base functions."""

_BASES = (24, 32, 48, 64, 96, 128, 192)  # numbers of base functions that are tried
_USUAL = 96


@dataclass(frozen=True)
class Expansion:
    """
    Functions in base functions.

    Attributes
    ----------
    coefficients : float64[n_functions, n_base]
    error : float
        Largest error on a grid, relative to the largest value of the function.
    """

    coefficients: Floats
    error: float


def base_functions(radial: RadialParameters, r: Floats, n_base: int) -> Floats:
    """
    Return the base functions g_k of a pair as LAMMPS sums them.

    Parameters
    ----------
    radial : RadialParameters
    r : float64[n], A
        Below the cutoff.
    n_base : int

    Returns
    -------
    float64[n, n_base]
    """
    values = 0.5 - 0.5 * chebyshev.chebvander(radial.transform(r), max(n_base - 1, 1))
    values[:, 0] = 1.0
    envelope = radial.switch(r) * 0.5 * (1.0 + np.cos(np.pi * r / radial.cutoff))
    return values[:, :n_base] * envelope[:, None]


def radial_values(radial: RadialParameters, recurrence: Floats, r: Floats) -> Floats:
    """
    Return R_n(r) of a stored recurrence, which a potential keeps with its program.

    Parameters
    ----------
    radial : RadialParameters
    recurrence : float64[n_radial, 3]
    r : float64[n], A
        Below the cutoff.

    Returns
    -------
    float64[n, n_radial]
    """
    x = radial.transform(r)
    values = np.zeros((len(r), len(recurrence)))
    previous, current = np.zeros_like(x), radial.envelope(r)
    for n, (a, b, c) in enumerate(recurrence):
        if n == 0:
            current = a * current
        else:
            previous, current = current, (a * x + b) * current - c * previous
        values[:, n] = current
    return values


def expand(
    radial: RadialParameters, recurrence: Floats, mixtures: Floats, n_base: int | None = None
) -> Expansion:
    """
    Expand mixtures of radial functions in base functions.

    Parameters
    ----------
    radial : RadialParameters
    recurrence : float64[n_radial, 3]
        Of the polynomials, as the potential stores it.
    mixtures : float64[n_functions, n_radial]
        Which functions: the identity for R_n themselves, coefficients for a pair potential.
    n_base : int, optional
        Number of base functions for least squares; the exact expansion if not given.

    Returns
    -------
    Expansion
    """
    grid = sampling(radial, 1500)
    wanted = radial_values(radial, recurrence, grid) @ mixtures.T  # [point, function]
    if n_base is None:
        coefficients = mixtures @ _exact(recurrence)
    else:
        nodes = sampling(radial, 6 * n_base)
        base = base_functions(radial, nodes, n_base)[:, 1:]
        target = radial_values(radial, recurrence, nodes) @ mixtures.T
        left, singular, right = np.linalg.svd(base, full_matrices=False)
        kept = singular > 1e-15 * singular[0]
        solution = right[kept].T @ ((left[:, kept].T @ target) / singular[kept, None])
        coefficients = np.zeros((len(mixtures), n_base))
        coefficients[:, 1:] = solution.T
    found = base_functions(radial, grid, coefficients.shape[1]) @ coefficients.T
    scale = np.maximum(np.abs(wanted).max(axis=0, initial=0.0), 1e-300)
    error = np.abs(found - wanted).max(axis=0, initial=0.0) / scale
    return Expansion(coefficients, float(error.max(initial=0.0)))


def choose_expansions(
    wanted: Sequence[tuple[RadialParameters, Floats, Floats]],
    n_species: int,
    tolerance: float = TOLERANCE,
) -> list[Expansion]:
    """
    Expand all bonds of a potential in the same number of base functions.

    The exact expansion is taken where it is good to `tolerance`, else the smallest least-squares
    one that is, else the best. LAMMPS tabulates every base function for every ordered pair of
    species, 32 bytes per `spline_step`, and looks all of them up for every neighbor: their number
    is at most 192 over the number of species, and above 96 only for functions that would err by
    more than `ACCEPTABLE`. At 5.25 A tables take 32 MB for 96 functions of one element.

    Parameters
    ----------
    wanted : sequence of (RadialParameters, recurrence, mixtures)
        As `expand` takes them.
    n_species : int
    tolerance : float

    Returns
    -------
    list of Expansion
    """
    best = [expand(*arguments) for arguments in wanted]
    n_exact = max(one.coefficients.shape[1] for one in best)
    for n_base in _BASES:
        limit = tolerance if n_base <= _USUAL else max(tolerance, ACCEPTABLE)
        if max(one.error for one in best) <= limit:
            break
        if n_exact < n_base <= 192 // n_species:
            trial = [expand(*arguments, n_base) for arguments in wanted]
            if max(one.error for one in trial) < max(one.error for one in best):
                best = trial
    return best


def project(
    radial: RadialParameters, recurrence: Floats, coefficients: Floats
) -> tuple[Floats, float]:
    """
    Find the mixtures of radial functions that base functions sum to: the inverse of `expand`.

    Parameters
    ----------
    radial : RadialParameters
    recurrence : float64[n_radial, 3]
    coefficients : float64[n_functions, n_base]

    Returns
    -------
    mixtures : float64[n_functions, n_radial]
    error : float
        Largest remainder on a grid, relative to the largest value of the function.
    """
    nodes = sampling(radial, 1500)
    target = base_functions(radial, nodes, coefficients.shape[1]) @ coefficients.T
    basis = radial_values(radial, recurrence, nodes)
    solution: Floats = np.linalg.lstsq(basis, target, rcond=None)[0].astype(np.float64)
    scale = np.maximum(np.abs(target).max(axis=0, initial=0.0), 1e-300)
    error = np.abs(basis @ solution - target).max(axis=0, initial=0.0) / scale
    return solution.T, float(error.max(initial=0.0))


def sampling(radial: RadialParameters, n: int) -> Floats:
    """Return distances from the taper to the cutoff, denser towards both: float64[n], A."""
    angles = (np.arange(n) + 0.5) * np.pi / n
    middle, half = radial.cutoff + radial.taper_start, radial.cutoff - radial.taper_start
    return 0.5 * (middle - half * np.cos(angles))


def _exact(recurrence: Floats) -> Floats:
    """Return the coefficients of ``(1 - x) p_n`` by g_k: float64[n_radial, n_radial + 1]."""
    n_radial = len(recurrence)
    result = np.zeros((n_radial, n_radial + 1))
    previous, current = np.zeros(1), np.zeros(1)
    for n, (a, b, c) in enumerate(recurrence):
        if n == 0:
            current = np.array([a])
        else:
            step = chebyshev.chebadd(a * chebyshev.chebmulx(current), b * current)
            previous, current = current, chebyshev.chebsub(step, c * previous)
        whole = chebyshev.chebsub(current, chebyshev.chebmulx(current))
        result[n, : len(whole)] = -2.0 * whole
    result[:, 0] = 0.0  # the polynomials vanish at x = 1
    return result
