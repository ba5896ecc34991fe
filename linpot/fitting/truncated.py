"""Least squares that leaves out what the data do not determine, instead of penalising it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular
from sklearn.utils.validation import check_is_fitted

from linpot import checks
from linpot.fitting.estimator import FactorRegressor
from linpot.parallel import one_blas_thread

Floats = NDArray[np.float64]
METHODS = ("qr", "svd")


class TruncatedLeastSquares(FactorRegressor):
    """
    Least squares in a subspace of numerical rank.

    Parameters
    ----------
    method : {"svd", "qr"}
        "svd" keeps directions of singular values above `tolerance` times the largest: minimum norm.
        "qr" keeps columns, chosen by pivoting, whose distance from the span of those before is
        above `tolerance` times the largest column; other coefficients are zero.
    tolerance : float

    Attributes
    ----------
    coef_ : float64[n_features]
    rank_ : int
    columns_ : int64[rank]
        Columns kept, most independent first; all of them for "svd".
    n_features_in_ : int

    References
    ----------
    Golub and Van Loan, Matrix Computations, 4th ed., sections 5.4.2 (pivoting) and 5.5.
    """

    def __init__(self, method: str = "svd", tolerance: float = 1e-10) -> None:
        self.method = method
        self.tolerance = tolerance

    def fit_factor(self, factor: Floats, n_rows: float) -> TruncatedLeastSquares:
        """
        Fit to the triangular factor of ``[X y]``.

        Parameters
        ----------
        factor : float64[n_features + 1, n_features + 1]
            Upper triangular.
        n_rows : float
            Not used: the scale of the rows does not matter.

        Returns
        -------
        TruncatedLeastSquares
            Itself.

        Raises
        ------
        InputError
            If `method` is unknown or `tolerance` negative.
        """
        method = checks.one_of("method", self.method, METHODS)
        tolerance = checks.non_negative("tolerance", self.tolerance)
        columns, target = factor[:-1, :-1], factor[:-1, -1]
        self.n_features_in_ = columns.shape[1]
        with one_blas_thread():
            if method == "svd":
                u, singular, vt = np.linalg.svd(columns)
                self.rank_ = rank = _rank(singular, tolerance)
                self.columns_ = np.arange(self.n_features_in_)
                self.coef_ = vt[:rank].T @ (u[:, :rank].T @ target / singular[:rank])
            else:
                q, r, order = qr(columns, pivoting=True)
                self.rank_ = rank = _rank(np.abs(np.diagonal(r)), tolerance)
                self.columns_ = order[:rank].astype(np.int64)
                self.coef_ = np.zeros(self.n_features_in_)
                self.coef_[self.columns_] = solve_triangular(
                    r[:rank, :rank], q[:, :rank].T @ target
                )
        return self

    def get_solver_state(self) -> dict[str, Any]:
        """Return what provenance records of the fit."""
        check_is_fitted(self)
        return {
            "solver": f"truncated {self.method}",
            "tolerance": float(self.tolerance),
            "rank": int(self.rank_),
        }


def _rank(sizes: Floats, tolerance: float) -> int:
    """How many of the falling sizes lie above the tolerance, and above rounding."""
    least = max(tolerance, np.finfo(float).eps * len(sizes)) * sizes.max(initial=0.0)
    return int(np.count_nonzero(sizes > least))
