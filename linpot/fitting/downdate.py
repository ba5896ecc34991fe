"""
Take rows out of a triangular factor again.

Column by column, an orthogonal reflection gathers the rows to forget into one, and a hyperbolic
rotation against the diagonal of the factor removes that one. Guarded: what only the forgotten rows
determined cannot be told from rounding afterwards, and is refused.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError

Floats = NDArray[np.float64]

_NEGLIGIBLE = 1e-13  # of the length of a column: rounding
_GUARD = 1e-10  # of the square of a diagonal element must be left


def downdate_factor(factor: Floats, rows: Floats) -> Floats:
    """
    Return the factor R' with ``R'^T R' = R^T R - rows^T rows``.

    Parameters
    ----------
    factor : float64[n, n]
        Upper triangular.
    rows : float64[m, n]
        Rows that went into the factor.

    Returns
    -------
    float64[n, n]
        Upper triangular.

    Raises
    ------
    InputError
        If the rows were not in the factor, or alone determine a direction of it.

    References
    ----------
    Bojanczyk, Brent, Van Dooren and de Hoog, SIAM J. Sci. Stat. Comput. 8, 210 (1987), section 3
    (the mixed form of the rotation, which is stable).
    """
    R, X = np.array(factor, order="C"), np.array(rows, order="C")
    lengths = np.linalg.norm(R, axis=0)
    for j in range(len(R)):
        size = float(np.linalg.norm(X[:, j]))
        if size <= _NEGLIGIBLE * lengths[j]:
            continue
        if R[j, j] ** 2 * (1.0 - _GUARD) < size**2:
            raise InputError(
                "rows to forget must leave what they determine to others, but column "
                f"{j} would be left with {1.0 - (size / (R[j, j] or 1.0)) ** 2:.1e} of its "
                "square; fit without these structures from the start"
            )
        reflector = X[:, j].copy()
        reflector[0] += np.copysign(size, reflector[0])
        scale = 2.0 / float(reflector @ reflector)
        X[:, j:] -= np.outer(scale * reflector, reflector @ X[:, j:])
        sine = X[0, j] / R[j, j]
        cosine = float(np.sqrt((1.0 - sine) * (1.0 + sine)))
        R[j, j:] = (R[j, j:] - sine * X[0, j:]) / cosine
        X[0, j:] = cosine * X[0, j:] - sine * R[j, j:]
    return R


def without_rows(stored: Floats, rows: Floats) -> Floats:
    """
    Return stored rows less some of them.

    Parameters
    ----------
    stored : float64[n, n_columns]
    rows : float64[m, n_columns]
        Each must be among the stored ones, to rounding.

    Raises
    ------
    InputError
        If one is not.
    """
    left = list(range(len(stored)))
    for row in rows:
        distances = np.linalg.norm(stored[left] - row, axis=1) if left else np.array([np.inf])
        nearest = int(np.argmin(distances))
        if not distances[nearest] <= 1e-9 * max(np.linalg.norm(row), np.finfo(float).tiny):
            raise InputError("rows to forget must have been added before, but one was not")
        del left[nearest]
    return np.asarray(stored[left])
