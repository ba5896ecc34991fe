"""
How large the errors of lattice sums are, before any sum is done.

All are RMS errors of forces for uncorrelated charges, in units of the force between two charges of
the RMS size at the mean distance ``d = (V/N)^(1/3)``. The charges themselves cancel.
docs/electrostatics.md derives them.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SPACINGS = np.geomspace(0.02, 3.0, 120)  # alpha h


def real_space_error(alpha: float, cutoff: float, distance: float) -> float:
    """
    Error of leaving out pairs beyond the cutoff.

    Parameters
    ----------
    alpha : float, 1/A
    cutoff, distance : float, A

    References
    ----------
    Kolafa and Perram, Mol. Simul. 9, 351 (1992), eq. 18.
    """
    return 2.0 * math.sqrt(distance / cutoff) * math.exp(-((alpha * cutoff) ** 2))


def splitting_for(cutoff: float, distance: float, error: float) -> float:
    """Return the alpha (1/A) that makes `real_space_error` equal to an error below 1."""
    return math.sqrt(math.log(max(2.0 * math.sqrt(distance / cutoff) / error, math.e))) / cutoff


def reciprocal_error(alpha: float, highest: float, distance: float) -> float:
    """
    Error of leaving out reciprocal vectors longer than `highest`, 1/A.

    References
    ----------
    Kolafa and Perram, Mol. Simul. 9, 351 (1992), eq. 32.
    """
    decay = math.exp(-((highest / (2.0 * alpha)) ** 2))
    return 2.0 * alpha * math.sqrt(2.0 * distance / highest) * decay


def highest_for(alpha: float, distance: float, error: float) -> float:
    """Return the length (1/A) that makes `reciprocal_error` equal to an error below 1."""
    highest = 2.0 * alpha
    for _ in range(20):  # contracts: the length enters its own logarithm only
        size = 2.0 * alpha * math.sqrt(2.0 * distance / highest) / error
        highest = 2.0 * alpha * math.sqrt(math.log(max(size, math.e)))
    return highest


def spacing_for(alpha: float, distance: float, error: float, order: int) -> float:
    """
    Return the widest mesh spacing (A) whose error is not above `error`.

    Parameters
    ----------
    alpha : float, 1/A
    distance : float, A
    error : float
    order : int
        Of the B-splines, even.
    """
    logs = 0.5 * (_log_mesh_integrals(order) + math.log(alpha * distance))
    return float(np.exp(np.interp(math.log(error), logs, np.log(_SPACINGS)))) / alpha


@cache
def _log_mesh_integrals(order: int) -> Floats:
    """
    Return the logarithm of the squared error of the mesh for each of `_SPACINGS`.

    A mode of phase advance ``2 pi x`` per mesh point is represented with the weights
    ``w_l ~ 1/(x + l)^p`` of its aliases; those with l != 0 are the error. Integrated over modes
    with ``16 pi^2/k^4 exp(-k^2/2)``, k in units of alpha, over the three axes.
    """
    nodes, weights = np.polynomial.legendre.leggauss(64)
    k, dk = 6.0 * (nodes + 1.0), 6.0 * weights
    t, dt = 0.5 * (nodes + 1.0), weights  # cosine between mode and axis, both signs
    along = k[:, None] * t
    integrals = []
    for spacing in _SPACINGS:
        edge = math.pi / spacing
        x = np.minimum(along, edge) * spacing / (2.0 * math.pi)
        aliases = np.array([-3, -2, -1, 1, 2, 3])[:, None, None]
        ratios = (x / (x + aliases)) ** order
        w = ratios / (1.0 + ratios.sum(axis=0))
        lost = w.sum(axis=0) ** 2
        shifted = along + aliases * 2.0 * math.pi / spacing
        potential = (w**2).sum(axis=0) + lost
        slope = ((w * shifted) ** 2).sum(axis=0) + along**2 * lost
        both = slope + (2.0 * k[:, None] ** 2 - along**2) * potential
        shell = 3.0 * 4.0 * (both @ dt) * np.exp(-0.5 * k**2) / k**2 @ dk
        # modes off the mesh: the squared error of `reciprocal_error` without alpha d
        off = 8.0 / edge * math.exp(-0.5 * edge**2)
        integrals.append(math.log(shell + off))
    return np.maximum.accumulate(np.array(integrals))
