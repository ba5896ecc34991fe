"""
Linear inequalities on coefficients, met at the least cost to a fit.

Among all c with ``A c >= b`` the one is taken that raises ``|y - X c|^2 + penalty |c|^2`` least
over its minimum c0: with ``X^T X + penalty = R^T R`` and ``u = R (c - c0)`` that is the shortest u
with ``A R^-1 u >= b - A c0``, whose dual is a problem of non-negative least squares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from linpot.errors import InputError
from linpot.fitting.factors import triangular
from linpot.fitting.triangular_update import update_factor

Floats = NDArray[np.float64]

_MET = 1e-8  # of the size of a row's contribution: what rounding leaves of an inequality
_STEPS = 100_000


def least_change(
    factor: Floats, penalty: float, coefficients: Floats, matrix: Floats, bounds: Floats
) -> Floats:
    """
    Return the coefficients that meet inequalities at the least cost.

    Parameters
    ----------
    factor : float64[n, n_features + 1]
        Triangular factor of ``[X y]``.
    penalty : float
    coefficients : float64[n_features]
        That minimise the cost. Those that are exactly zero stay so.
    matrix : float64[m, n_features]
    bounds : float64[m]
        ``matrix c >= bounds``.

    Returns
    -------
    float64[n_features]

    Raises
    ------
    InputError
        If no coefficients meet all of them.

    References
    ----------
    Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23.4 (least distance
    programming).
    """
    missing = bounds - matrix @ coefficients
    if (missing <= 0.0).all():
        return coefficients
    free = np.flatnonzero(coefficients)
    columns = factor[:-1] if len(free) == len(factor) - 1 else triangular(factor[:, free])
    damping = np.zeros((len(free), len(free)), order="F")
    np.fill_diagonal(damping, np.sqrt(penalty))
    root = update_factor(np.array(columns[:, : len(free)], order="F"), damping)
    found = np.array(coefficients)
    found[free] += _shortest(root, matrix[:, free], missing)
    scale = np.abs(matrix) @ np.abs(found) + np.abs(bounds)
    if (bounds - matrix @ found > _MET * scale).any():
        raise InputError("`matrix` and `bounds` must leave room, got inequalities that contradict")
    return found


def _shortest(root: Floats, matrix: Floats, missing: Floats) -> Floats:
    """Return the change with ``matrix change >= missing`` of least ``|root change|``, if any."""
    rows = solve_triangular(root, matrix.T, trans=1)
    sizes = np.linalg.norm(rows, axis=0)
    useful = sizes > 0.0
    if not useful.any():
        return np.zeros(len(root))
    system = np.vstack([rows[:, useful], missing[useful]]) / sizes[useful]
    target = np.zeros(len(system))
    target[-1] = 1.0
    dual, _ = nnls(system, target, maxiter=_STEPS)
    left = system @ dual - target
    if left[-1] == 0.0:
        return np.zeros(len(root))
    return np.asarray(solve_triangular(root, -left[:-1] / left[-1]))
