"""
Ridge regression on rows or on their triangular factor.

Nothing here knows of atoms. The penalty is given or chosen by evidence or by generalised
cross-validation, both in closed form from one reduction to bidiagonal form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from sklearn.utils.validation import check_is_fitted

from linpot import checks
from linpot.fitting.bidiagonal import Damped, DampedProblem
from linpot.fitting.constraints import LinearConstraints
from linpot.fitting.estimator import FactorRegressor
from linpot.fitting.factors import shift_target
from linpot.parallel import one_blas_thread

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
    threads : int
        No result depends on them.

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
        threads: int = 1,
    ) -> None:
        self.penalty = penalty
        self.prior_mean = prior_mean
        self.constraints = constraints
        self.threads = threads

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
        problem = _Problem(factor, n_rows, self.threads)
        if isinstance(self.penalty, str):
            rule = checks.one_of("penalty", self.penalty, PENALTY_RULES)
            penalty = problem.minimise(
                problem.negative_log_evidence if rule == "evidence" else problem.gcv
            )
        else:
            penalty = checks.non_negative("penalty", self.penalty)
        self.penalty_ = penalty
        if penalty > 0.0:
            found = problem.solve(penalty)
            coefficients, objective = problem.coefficients(found), found.objective
            self.effective_parameters_ = found.effective_parameters
            self.log_evidence_ = -problem.negative_log_evidence(found)
        else:
            coefficients, objective, self.effective_parameters_ = problem.of_minimum_norm()
            self.log_evidence_ = -np.inf
        self.coef_ = mean + (
            coefficients if constraints is None else constraints.expand(coefficients)
        )
        self.noise_variance_ = problem.noise_variance(objective)
        self.prior_variance_ = self.noise_variance_ / penalty if penalty > 0.0 else np.inf
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
            "log_evidence": float(self.log_evidence_) if self.penalty_ > 0.0 else None,
        }


class _Problem:
    """Everything that a penalty decides, at a cost of the order of n for each."""

    def __init__(self, factor: Floats, n_rows: float, threads: int) -> None:
        self._factor = factor
        self._damped = DampedProblem(factor[:-1, :-1].copy(order="F"), factor[:-1, -1], threads)
        self.unexplained = float(factor[-1, -1] ** 2)
        self.n_rows = max(float(n_rows), 1.0)
        bands = (self._damped.diagonal, self._damped.above)
        self.largest = float(max(np.abs(band).max(initial=0.0) for band in bands))

    def solve(self, penalty: float) -> Damped:
        return self._damped.solve(penalty)

    def coefficients(self, found: Damped) -> Floats:
        return self._damped.coefficients(found)

    def of_minimum_norm(self) -> tuple[Floats, float, float]:
        """Coefficients, residual and rank without a penalty, less directions of rounding."""
        with one_blas_thread():
            u, singular, vt = np.linalg.svd(self._factor[:-1, :-1])
            projected = u.T @ self._factor[:-1, -1]
        smallest = singular.max(initial=0.0) * np.finfo(float).eps * len(singular)
        usable = singular > smallest
        amplitude = np.zeros_like(singular)
        amplitude[usable] = projected[usable] / singular[usable]
        left = float((projected[~usable] ** 2).sum())
        return np.asarray(vt.T @ amplitude), left, float(usable.sum())

    def noise_variance(self, objective: float) -> float:
        """``(|r|^2 + penalty |c|^2) / n_rows``, the maximum of the evidence over the noise."""
        return (self.unexplained + objective) / self.n_rows

    def negative_log_evidence(self, found: Damped) -> float:
        noise = max(self.noise_variance(found.objective), np.finfo(float).tiny)
        scale = 0.5 * self.n_rows * np.log(2.0 * np.pi * noise)
        return float(scale + 0.5 * self.n_rows + 0.5 * found.log_determinant)

    def gcv(self, found: Damped) -> float:
        left = max(self.n_rows - found.effective_parameters, np.finfo(float).eps)
        return float(np.log((self.unexplained + found.residual) / left**2))

    def minimise(self, objective: Callable[[Damped], float]) -> float:
        """Scan 16 decades on a grid, then refine around the lowest point."""
        if self.largest == 0.0:
            return 1.0
        logs = np.log(self.largest**2) + np.linspace(-37.0, 5.0, 85)
        values = [objective(self.solve(float(np.exp(x)))) for x in logs]
        best = int(np.argmin(values))
        low, high = logs[max(best - 1, 0)], logs[min(best + 1, len(logs) - 1)]
        result = minimize_scalar(
            lambda x: objective(self.solve(float(np.exp(x)))), bounds=(low, high), method="bounded"
        )
        return float(np.exp(result.x))
