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
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from linpot import checks
from linpot.fitting.constraints import LinearConstraints
from linpot.fitting.estimator import FactorRegressor
from linpot.fitting.factors import shift_target

Floats = NDArray[np.float64]
PENALTY_RULES = ("evidence", "gcv")


class Ridge(FactorRegressor):
    """
    Linear least squares with a quadratic penalty, ``|y - X c|^2 + penalty |c - prior_mean|^2``.

    Parameters
    ----------
    penalty : float or {"evidence", "gcv"}
        Given, or chosen by the marginal likelihood or by generalised cross-validation.
    prior_mean : array_like[n_features], optional
        Coefficients known beforehand, in units of the columns: those of an existing potential, or
        of a cheaper reference. Zero if not given.
    constraints : (array_like[m, n_features], array_like[m]), optional
        ``A c = b`` holds exactly; see `LinearConstraints`.

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

    def __init__(
        self,
        penalty: float | str = "evidence",
        prior_mean: ArrayLike | None = None,
        constraints: tuple[ArrayLike, ArrayLike] | None = None,
    ) -> None:
        self.penalty = penalty
        self.prior_mean = prior_mean
        self.constraints = constraints

    def fit_factor(self, factor: Floats, n_rows: float) -> Ridge:
        """
        Fit to the triangular factor of ``[X y]``; see `FactorRegressor.fit_factor`.

        Raises
        ------
        InputError
            If `penalty` is neither a non-negative number nor a known rule, `prior_mean` does not
            have one number per column, or `constraints` depend on each other.
        """
        n_features = len(factor) - 1
        mean = np.zeros(n_features)
        if self.prior_mean is not None:
            mean = checks.finite_array("prior_mean", self.prior_mean, [n_features])
            factor = shift_target(factor, mean)
        constraints = None
        if self.constraints is not None:
            constraints = LinearConstraints.checked(*self.constraints, n_features).around(mean)
            factor = constraints.reduce(factor)
        problem = _Spectrum(factor, n_rows)
        if isinstance(self.penalty, str):
            rule = checks.one_of("penalty", self.penalty, PENALTY_RULES)
            penalty = problem.minimise(
                problem.negative_log_evidence if rule == "evidence" else problem.gcv
            )
        else:
            penalty = checks.non_negative("penalty", self.penalty)
        self.penalty_ = penalty
        found = problem.coefficients(penalty)
        self.coef_ = (found if constraints is None else constraints.expand(found)) + mean
        self.noise_variance_ = problem.noise_variance(penalty)
        self.prior_variance_ = self.noise_variance_ / penalty if penalty > 0.0 else np.inf
        self.effective_parameters_ = problem.effective_parameters(penalty)
        self.log_evidence_ = -problem.negative_log_evidence(penalty) if penalty > 0.0 else -np.inf
        self.n_features_in_ = len(self.coef_)
        return self

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
