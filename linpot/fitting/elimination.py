"""
Backward elimination: which columns of a ridge problem can go.

Without column i the objective of ridge grows by ``c_i^2 / P_ii`` with ``P = (X^T X + penalty)^-1``,
exactly and with all other coefficients refitted (Hassibi and Stork, NIPS 5, 164 (1993), eq. 5).
Columns go in small batches, the cheapest first; P of what is left is a Schur complement.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, lapack
from threadpoolctl import threadpool_limits

from linpot.fitting.ridge import Ridge
from linpot.fitting.triangular_update import update_factor

Floats = NDArray[np.float64]
_BATCH = 0.02  # of the columns left; one at a time chose no better functions of silicon


def eliminate(
    factor: Floats,
    n_rows: float,
    kinds: Sequence[int] | NDArray[np.int64],
    keep: Sequence[int],
    penalty: float | str = "evidence",
) -> NDArray[np.int64]:
    """
    Choose columns by leaving out, again and again, those that ridge misses least.

    Parameters
    ----------
    factor : float64[n_features + 1, n_features + 1]
        Upper triangular, of ``[X y]``, columns scaled by the prior.
    n_rows : float
    kinds : int64[n_features]
        Kind of each column, from 0.
    keep : sequence of int
        Columns of each kind to keep; all of a kind if there are fewer.
    penalty : float or {"evidence", "gcv"}
        Of the ridge with all columns; it stays the same.

    Returns
    -------
    int64[n_kept]
        Ascending.
    """
    n = len(factor) - 1
    kinds = np.asarray(kinds)
    solver = Ridge(penalty).fit_factor(factor, n_rows)
    coefficients = solver.coef_.copy()
    left = np.arange(n)
    spare = np.bincount(kinds, minlength=len(keep)) - np.asarray(keep)
    with threadpool_limits(1, user_api="blas"):
        covariance = _inverse(factor[:-1, :-1], max(solver.penalty_, np.finfo(float).tiny))
        while (spare > 0).any():
            cost = coefficients**2 / np.diagonal(covariance)
            order = np.argsort(cost, kind="stable")
            batch: list[int] = []
            for i in order[spare[kinds[left[order]]] > 0].tolist():
                if len(batch) >= max(1, int(_BATCH * len(left))):
                    break
                if spare[kinds[left[i]]] > 0:
                    spare[kinds[left[i]]] -= 1
                    batch.append(i)
            gone = np.array(batch)
            stays = np.ones(len(left), dtype=bool)
            stays[gone] = False
            across = covariance[np.ix_(stays, gone)]
            root = cho_factor(covariance[np.ix_(gone, gone)])
            coefficients = coefficients[stays] - across @ cho_solve(root, coefficients[gone])
            covariance = covariance[np.ix_(stays, stays)] - across @ cho_solve(root, across.T)
            left = left[stays]
    return left


def _inverse(matrix: Floats, penalty: float) -> Floats:
    """``(X^T X + penalty)^-1`` from the triangular factor of both, which squares nothing."""
    n = len(matrix)
    root = update_factor(np.array(matrix, order="F"), np.asfortranarray(np.eye(n) * penalty**0.5))
    inverse, info = lapack.dpotri(np.triu(root), lower=0)
    if info != 0:
        raise ArithmeticError(f"LAPACK dpotri failed with info = {info}")
    return np.triu(inverse) + np.triu(inverse, 1).T
