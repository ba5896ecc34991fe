"""Radial functions of ``.yace`` files from their formulas; derivatives by complex steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.lammps.document import Bond

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_STEP = 1e-30  # its square vanishes beside 1: derivatives are exact to rounding


def base_values(bond: Bond, r: Floats) -> tuple[Floats, Floats]:
    """
    Return the base functions g_k and their derivatives.

    Parameters
    ----------
    bond : Bond
    r : float64[n], A

    Returns
    -------
    values : float64[n, n_base]
    derivatives : float64[n, n_base], 1/A
    """
    s: Complexes = r.astype(np.complex128) + 1j * _STEP
    values = _family(bond, s) * _inner_switch(bond, s)[:, None]
    values[(r >= bond.cutoff) | (r <= bond.inner_cutoff - bond.inner_width)] = 0.0
    return values.real.copy(), values.imag / _STEP


def core_repulsion(bond: Bond, r: Floats) -> tuple[Floats, Floats]:
    """
    Return ``phi = strength exp(-decay r^2) / r (1 + cos(pi r / cutoff)) / 2`` and its derivative.

    With an inner cutoff of kind "distance" it acts below that cutoff only.

    Parameters
    ----------
    bond : Bond
    r : float64[n], A

    Returns
    -------
    values : float64[n], eV
    derivatives : float64[n], eV/A
    """
    if bond.core_strength == 0.0:
        return np.zeros_like(r), np.zeros_like(r)
    s: Complexes = r.astype(np.complex128) + 1j * _STEP
    values = bond.core_strength * np.exp(-bond.core_decay * s * s) / s
    values = values * (0.5 * (1.0 + np.cos(np.pi * s / bond.cutoff)))
    if bond.inner_kind == "distance":
        values = values * (1.0 - _inner_switch(bond, s))
    values[r >= bond.cutoff] = 0.0
    return values.real.copy(), values.imag / _STEP


def tabulated(bond: Bond, r: Floats, step: float) -> tuple[Floats, Floats]:
    """
    Return `base_values` from cubic Hermite tables with ``int(cutoff / step)`` intervals.

    Radial functions are sums of base functions, so that tables of either are the same.

    Parameters
    ----------
    bond : Bond
    r : float64[n], A
    step : float, A

    Returns
    -------
    values : float64[n, n_base]
    derivatives : float64[n, n_base], 1/A

    Raises
    ------
    InputError
        In the first interval, where LAMMPS stops.
    """
    n_intervals = int(bond.cutoff / step)
    width = bond.cutoff / n_intervals
    interval = np.floor(r / width).astype(np.int64)
    if (interval < 1).any():
        raise InputError(f"distances must be above {width:.3g} A, got {r.min():.3g}")
    t = (r / width - interval)[:, None]
    left, d_left = base_values(bond, (interval * width).astype(np.float64))
    right, d_right = base_values(bond, ((interval + 1) * width).astype(np.float64))
    d_left, d_right, rise = d_left * width, d_right * width, right - left
    square = 3.0 * rise - d_right - 2.0 * d_left
    cube = -2.0 * rise + d_right + d_left
    values = left + t * (d_left + t * (square + t * cube))
    derivatives = (d_left + t * (2.0 * square + 3.0 * t * cube)) / width
    return values, derivatives


def _family(bond: Bond, s: Complexes) -> Complexes:
    shape, scaled = bond.parameters[0], s / bond.cutoff
    if bond.family == "ChebExpCos":
        floor = np.exp(-shape)
        x = 1.0 - 2.0 * (np.exp(-shape * scaled) - floor) / (1.0 - floor)
        values = 0.5 - 0.5 * _chebyshev(x, bond.n_base)
        values[:, :1] = 1.0
        envelope = 0.5 * (1.0 + np.cos(np.pi * scaled))
        start = bond.cutoff - bond.cutoff_width
        if bond.cutoff_width > 0.0:
            outer = 0.5 * (1.0 + np.cos(np.pi * (s - start) / bond.cutoff_width))
            envelope = np.where(s.real > start, envelope * outer, envelope)
        return values * envelope[:, None]
    if bond.family == "ChebPow":
        x = 2.0 * (1.0 - (1.0 - scaled) ** shape) - 1.0
        return 0.5 - 0.5 * _chebyshev(x, bond.n_base + 1)[:, 1:]
    if bond.family == "ChebLinear":
        return 0.5 - 0.5 * _chebyshev(1.0 - scaled, bond.n_base + 1)[:, 1:]
    return _bessel(s, bond.cutoff, bond.n_base)


def _chebyshev(x: Complexes, n: int) -> Complexes:
    """Return T_0 .. T_(n - 1)."""
    values = np.ones((len(x), max(n, 2)), dtype=complex)
    values[:, 1] = x
    for k in range(2, n):
        values[:, k] = 2.0 * x * values[:, k - 1] - values[:, k - 2]
    return values[:, :n]


def _bessel(s: Complexes, cutoff: float, n_base: int) -> Complexes:
    """Return the simplified spherical Bessel functions (Kocer et al., AIP Adv. 10, 015021)."""
    values = np.zeros((len(s), n_base), dtype=complex)
    d_before = 1.0
    for n in range(n_base):
        a, b = (n + 1) * np.pi / cutoff, (n + 2) * np.pi / cutoff
        scale = (-1) ** n * np.sqrt(2.0) * np.pi / cutoff**1.5
        scale *= (n + 1) * (n + 2) / np.sqrt((n + 1) ** 2 + (n + 2) ** 2)
        bare = scale * (np.sin(a * s) / (a * s) + np.sin(b * s) / (b * s))
        if n == 0:
            values[:, 0] = bare
            continue
        e = n**2 * (n + 2) ** 2 / (4.0 * (n + 1) ** 4 + 1.0)
        d = 1.0 - e / d_before
        values[:, n] = (bare + np.sqrt(e / d_before) * values[:, n - 1]) / np.sqrt(d)
        d_before = d
    return values


def _inner_switch(bond: Bond, s: Complexes) -> Complexes:
    """Return 0 below the inner cutoff, 1 above, a quintic between."""
    if bond.inner_kind != "distance":
        return np.ones_like(s)
    start = bond.inner_cutoff - bond.inner_width
    switch = np.where(s.real > start, 1.0 + 0.0j, 0.0)
    inside = (s.real > start) & (s.real < bond.inner_cutoff)
    x = 1.0 - 2.0 * (s[inside] - start) / bond.inner_width
    switch[inside] = 0.5 - 3.75 * (x / 4.0 - x**3 / 6.0 + x**5 / 20.0)
    return switch
