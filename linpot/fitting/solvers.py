"""
Ridge regression on rows or on their triangular factor.

Nothing here knows of atoms. The penalty is given or chosen by evidence or by generalised
cross-validation, both in closed form from one singular value decomposition.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from linpot import checks
from linpot.errors import InputError
from linpot.fitting.factors import update_factor

Floats = NDArray[np.float64]
PENALTY_RULES = ("evidence", "gcv")


class Ridge(RegressorMixin, BaseEstimator):
    """
    Linear least squares with a quadratic penalty, ``|y - X c|^2 + penalty |c|^2``.

    Obeys the scikit-learn estimator contract; `fit_factor` is the same fit from a triangular
    factor. No intercept.

    Parameters
    ----------
    penalty : float or {"evidence", "gcv"}
        Given, or chosen by the marginal likelihood or by generalised cross-validation.

    Attributes
    ----------
    coef_ : float64[n_features]
    penalty_ : float
    noise_variance_ : float
        Of the (weighted) residuals.
    prior_variance_ : float
        ``noise_variance_ / penalty_``.
    effective_parameters_ : float
        Trace of the hat matrix.
    log_evidence_ : float
    n_features_in_ : int

    References
    ----------
    MacKay, Neural Comput. 4, 415 (1992), eq. 4.5-4.9 (evidence); Golub, Heath and Wahba,
    Technometrics 21, 215 (1979), eq. 2.3 (generalised cross-validation).
    """

    def __init__(self, penalty: float | str = "evidence") -> None:
        self.penalty = penalty

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Ridge:
        """
        Fit to rows.

        Parameters
        ----------
        X : array_like[n_rows, n_features]
        y : array_like[n_rows]
        sample_weight : array_like[n_rows], optional
            Multiplies the squared residuals: a row of weight 2 counts as two rows.

        Returns
        -------
        Ridge
            Itself.

        Raises
        ------
        InputError
            If a weight is negative, or all are zero.
        """
        checked: tuple[Floats, Floats] = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        rows = np.column_stack(checked)
        n_rows: float = len(rows)
        size = rows.shape[1]
        if sample_weight is not None:
            weights = checks.finite_array("sample_weight", sample_weight, [len(rows)])
            if weights.min() < 0.0 or weights.max() == 0.0:
                worst = float(weights.min())
                raise InputError(
                    f"`sample_weight` must be non-negative and not all zero, got {worst}"
                )
            rows *= np.sqrt(weights)[:, None]
            n_rows = float(weights.sum())
        factor = np.triu(update_factor(np.zeros((size, size), order="F"), rows))
        return self.fit_factor(factor, n_rows)

    def fit_factor(self, factor: Floats, n_rows: float) -> Ridge:
        """
        Fit to the triangular factor of ``[X y]``.

        Parameters
        ----------
        factor : float64[n_features + 1, n_features + 1]
            Upper triangular.
        n_rows : float
            Rows behind the factor, or the sum of their weights.

        Returns
        -------
        Ridge
            Itself.

        Raises
        ------
        InputError
            If `penalty` is neither a non-negative number nor a known rule.
        """
        problem = _Spectrum(factor, n_rows)
        if isinstance(self.penalty, str):
            rule = checks.one_of("penalty", self.penalty, PENALTY_RULES)
            penalty = problem.minimise(
                problem.negative_log_evidence if rule == "evidence" else problem.gcv
            )
        else:
            penalty = checks.non_negative("penalty", self.penalty)
        self.penalty_ = penalty
        self.coef_ = problem.coefficients(penalty)
        self.noise_variance_ = problem.noise_variance(penalty)
        self.prior_variance_ = self.noise_variance_ / penalty if penalty > 0.0 else np.inf
        self.effective_parameters_ = problem.effective_parameters(penalty)
        self.log_evidence_ = -problem.negative_log_evidence(penalty) if penalty > 0.0 else -np.inf
        self.n_features_in_ = len(self.coef_)
        return self

    def predict(self, X: ArrayLike) -> Floats:
        """Return ``X coef_``: float64[n_rows]."""
        check_is_fitted(self)
        checked: Floats = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(checked @ self.coef_)

    def get_solver_state(self) -> dict[str, Any]:
        """Return what provenance records of the fit."""
        check_is_fitted(self)
        return {
            "solver": "ridge",
            "penalty_rule": self.penalty if isinstance(self.penalty, str) else "given",
            "penalty": float(self.penalty_),
            "noise_variance": float(self.noise_variance_),
            "effective_parameters": float(self.effective_parameters_),
        }


class _Spectrum:
    """The problem in the basis of singular vectors, where every penalty is a sum over n terms."""

    def __init__(self, factor: Floats, n_rows: float) -> None:
        with threadpool_limits(1, user_api="blas"):
            u, self.singular, self._vt = np.linalg.svd(factor[:-1, :-1])
            self.projected = u.T @ factor[:-1, -1]
        self.unexplained = float(factor[-1, -1] ** 2)
        self.n_rows = max(float(n_rows), 1.0)
        self.largest = float(self.singular.max(initial=0.0))

    def coefficients(self, penalty: float) -> Floats:
        """Minimum-norm solution; for penalty 0 directions below rounding are left out."""
        usable = self._usable(penalty)
        amplitude = np.zeros_like(self.singular)
        amplitude[usable] = (self.singular * self.projected)[usable] / (
            self.singular[usable] ** 2 + penalty
        )
        return np.asarray(self._vt.T @ amplitude)

    def residual_squares(self, penalty: float) -> float:
        return self.unexplained + float(((self._shrink(penalty) * self.projected) ** 2).sum())

    def effective_parameters(self, penalty: float) -> float:
        square = self.singular[self._usable(penalty)] ** 2
        return float((square / (square + penalty)).sum())

    def _usable(self, penalty: float) -> NDArray[np.bool_]:
        """Directions that the data and the penalty determine."""
        if penalty > 0.0:
            return np.ones(len(self.singular), dtype=bool)
        return self.singular > self.largest * np.finfo(float).eps * len(self.singular)

    def _shrink(self, penalty: float) -> Floats:
        """Share of the projected target that stays in the residual."""
        usable = self._usable(penalty)
        shrink = np.ones_like(self.singular)
        shrink[usable] = penalty / (self.singular[usable] ** 2 + penalty)
        return shrink

    def noise_variance(self, penalty: float) -> float:
        """``(|r|^2 + penalty |c|^2) / n_rows``, the maximum of the evidence over the noise."""
        return self._objective(penalty) / self.n_rows

    def _objective(self, penalty: float) -> float:
        return self.unexplained + float((self._shrink(penalty) * self.projected**2).sum())

    def negative_log_evidence(self, penalty: float) -> float:
        objective = max(self._objective(penalty), np.finfo(float).tiny)
        scale = 0.5 * self.n_rows * np.log(2.0 * np.pi * objective / self.n_rows)
        determinant = 0.5 * float(np.log1p(self.singular**2 / penalty).sum())
        return scale + 0.5 * self.n_rows + determinant

    def gcv(self, penalty: float) -> float:
        left = max(self.n_rows - self.effective_parameters(penalty), np.finfo(float).eps)
        return float(np.log(self.residual_squares(penalty) / left**2))

    def minimise(self, objective: Any) -> float:
        """Scan 16 decades on a grid, then refine around the lowest point."""
        if self.largest == 0.0:
            return 1.0
        logs = np.log(self.largest**2) + np.linspace(-37.0, 5.0, 85)
        values = [objective(float(np.exp(x))) for x in logs]
        best = int(np.argmin(values))
        low, high = logs[max(best - 1, 0)], logs[min(best + 1, len(logs) - 1)]
        result = minimize_scalar(
            lambda x: objective(float(np.exp(x))), bounds=(low, high), method="bounded"
        )
        return float(np.exp(result.x))
