"""
Automatic relevance determination: a prior variance per column, zero for those not needed.

The sweeps need only ``W = R^T K^-1 R`` and ``R^T K^-1 r`` with ``K = s 1 + R V R^T``. A change
of one variance is a rank-one update of them, and the best value of one variance, the others held,
has a closed form that covers columns entering, changing and leaving alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, solve_triangular
from sklearn.utils.validation import check_is_fitted

from linpot import checks
from linpot.errors import ConvergenceError
from linpot.fitting.estimator import FactorRegressor
from linpot.fitting.factors import triangular
from linpot.fitting.ridge import Ridge
from linpot.fitting.triangular_update import update_factor
from linpot.parallel import one_blas_thread

Floats = NDArray[np.float64]


class ARD(FactorRegressor):
    """
    Type-II maximum likelihood with a prior variance per column; the result is sparse.

    Parameters
    ----------
    noise_variance : float, optional
        Found as well if not given.
    max_iter : int
        Sweeps over all columns.
    tol : float
        Largest change of a coefficient in the last sweep, relative to the largest coefficient.

    Attributes
    ----------
    coef_ : float64[n_features]
    noise_variance_ : float
    prior_variance_ : float64[n_features]
        0 for columns that are not used.
    effective_parameters_ : float
    log_evidence_ : float
    n_iter_ : int
    n_features_in_ : int

    References
    ----------
    Tipping, J. Mach. Learn. Res. 1, 211 (2001), eq. 16-18; Tipping and Faul, AISTATS (2003),
    eq. 20-24 (the best variance of one column).
    """

    def __init__(
        self, noise_variance: float | None = None, max_iter: int = 500, tol: float = 1e-4
    ) -> None:
        self.noise_variance = noise_variance
        self.max_iter = max_iter
        self.tol = tol

    def fit_factor(self, factor: Floats, n_rows: float) -> ARD:
        """
        Fit to the triangular factor of ``[X y]``; see `FactorRegressor.fit_factor`.

        Raises
        ------
        InputError
            If `noise_variance` is not positive.
        ConvergenceError
            If coefficients still change after `max_iter` sweeps.
        """
        self.n_features_in_ = len(factor) - 1
        start = Ridge("evidence").fit_factor(factor, n_rows)
        mean_square = float((factor[:, -1] ** 2).sum()) / max(n_rows, 1.0)
        least = np.finfo(float).eps ** 2 * mean_square  # rounding of the labels
        given = self.noise_variance is not None
        noise = (
            checks.positive("noise_variance", self.noise_variance)
            if given
            else max(start.noise_variance_, least)
        )
        if mean_square == 0.0:
            return self._all_zero(noise)
        variances = np.full(self.n_features_in_, start.prior_variance_)
        with one_blas_thread():
            state = _Marginal(factor, n_rows, variances, noise)
            change, sweep = np.inf, 0
            while change > self.tol:
                if sweep == self.max_iter:
                    raise ConvergenceError(
                        "relevance determination did not settle; raise `max_iter` or `tol`",
                        iterations=sweep,
                        residual=change,
                    )
                before = state.coefficients
                state.sweep()
                noise = noise if given else max(state.best_noise(), least)
                state = _Marginal(factor, n_rows, state.variances, noise)
                after = state.coefficients
                change = float(
                    np.abs(after - before).max() / max(np.abs(after).max(), np.finfo(float).tiny)
                )
                sweep += 1
        self.coef_ = after
        self.noise_variance_ = noise
        self.prior_variance_ = state.variances
        self.effective_parameters_ = state.effective_parameters
        self.log_evidence_ = state.log_evidence
        self.n_iter_ = sweep
        return self

    def get_solver_state(self) -> dict[str, Any]:
        """Return what provenance records of the fit."""
        check_is_fitted(self)
        return {
            "solver": "ard",
            "noise_variance": float(self.noise_variance_),
            "effective_parameters": float(self.effective_parameters_),
            "n_nonzero": int(np.count_nonzero(self.prior_variance_)),
            "log_evidence": float(self.log_evidence_),
        }

    def _all_zero(self, noise: float) -> ARD:
        """Labels that are zero need no column."""
        self.coef_ = np.zeros(self.n_features_in_)
        self.prior_variance_ = np.zeros(self.n_features_in_)
        self.noise_variance_ = noise
        self.effective_parameters_, self.log_evidence_, self.n_iter_ = 0.0, np.inf, 0
        return self


class _Marginal:
    """The marginal likelihood at given variances, and how it changes with one of them."""

    def __init__(self, factor: Floats, n_rows: float, variances: Floats, noise: float) -> None:
        n = len(factor) - 1
        self._factor, self._n_rows, self._noise = factor, float(n_rows), noise
        self.variances = variances.copy()
        used = np.flatnonzero(variances)
        # K = L L^T from rows, not from products: V^1/2 R^T over s^1/2 1
        rows = np.asfortranarray((factor[:-1, used] * np.sqrt(variances[used])).T)
        self._root = np.triu(update_factor(np.asfortranarray(noise**0.5 * np.eye(n)), rows))
        whitened = solve_triangular(self._root, factor[:-1], trans=1)
        self._target = whitened[:, -1]
        self._products = np.asfortranarray(whitened[:, :-1].T @ whitened[:, :-1])
        self._correlations = whitened[:, :-1].T @ whitened[:, -1]

    def sweep(self) -> None:
        """Give every variance in turn its best value; W and the correlations follow."""
        W, correlations = self._products, self._correlations
        for k in range(len(self.variances)):
            own, variance = W[k, k], self.variances[k]
            left = 1.0 - variance * own  # posterior over prior variance
            if own <= 0.0:
                self.variances[k] = 0.0  # a column of zeros
                continue
            if left <= 0.0:
                continue  # known to rounding
            s, q = own / left, correlations[k] / left  # as if the column were not there
            best = max(q * q - s, 0.0) / (s * s)
            step = best - variance
            if step == 0.0:
                continue
            column = W[:, k].copy()
            scale = step / (1.0 + step * own)
            correlations -= scale * correlations[k] * column
            W = blas.dger(-scale, column, column, a=W, overwrite_a=1)
            self.variances[k] = best
        self._products = W

    def best_noise(self) -> float:
        """``|y - X c|^2 / (N - gamma)`` at the present variances, Tipping 2001, eq. 18."""
        coefficients = self.variances * self._correlations
        residual = self._factor @ np.append(coefficients, -1.0)
        gamma = float((self.variances * np.diagonal(self._products)).sum())
        return float(residual @ residual) / max(self._n_rows - gamma, np.finfo(float).eps)

    @property
    def coefficients(self) -> Floats:
        """Ridge of the used columns with their variances, from rows."""
        n = len(self.variances)
        used = np.flatnonzero(self.variances)
        scales = np.sqrt(self.variances[used])
        prior = np.eye(len(used), len(used) + 1) * self._noise**0.5
        data = self._factor[:, [*used, n]] * np.append(scales, 1.0)
        stacked = triangular(np.concatenate([data, prior]))
        found = np.zeros(n)
        found[used] = scales * solve_triangular(stacked[:-1, :-1], stacked[:-1, -1])
        return found

    @property
    def effective_parameters(self) -> float:
        return float((self.variances * np.diagonal(self._products)).sum())

    @property
    def log_evidence(self) -> float:
        n = len(self.variances)
        diagonal = np.abs(np.diagonal(self._root))
        determinant = 2.0 * float(np.log(diagonal).sum())
        determinant += (self._n_rows - n) * float(np.log(self._noise))
        square = float(self._target @ self._target) + self._factor[-1, -1] ** 2 / self._noise
        return -0.5 * float(self._n_rows * np.log(2.0 * np.pi) + determinant + square)
