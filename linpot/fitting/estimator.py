"""
What all solvers share: rows or a triangular factor in, coefficients out.

Solvers obey the scikit-learn estimator contract and know nothing of atoms. Columns come scaled by
the prior, there is no intercept, and all that a solver sees of rows is the factor of ``[X y]``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from linpot import checks
from linpot.errors import InputError
from linpot.fitting.factors import triangular

Floats = NDArray[np.float64]
Own = TypeVar("Own", bound="FactorRegressor")


class FactorRegressor(RegressorMixin, BaseEstimator, ABC):
    """
    Base of the solvers: `fit` reduces rows to a factor, `fit_factor` does the work.

    Attributes
    ----------
    coef_ : float64[n_features]
    n_features_in_ : int
    """

    coef_: Floats
    n_features_in_: int

    def fit(self: Own, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Own:
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
        FactorRegressor
            Itself.

        Raises
        ------
        InputError
            If a weight is negative, or all are zero.
        """
        rows, counts = self._weighted_rows(X, y, sample_weight)
        return self.fit_factor(triangular(rows), float(counts.sum()))

    @abstractmethod
    def fit_factor(self: Own, factor: Floats, n_rows: float) -> Own:
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
        FactorRegressor
            Itself.
        """

    def predict(self, X: ArrayLike) -> Floats:
        """Return ``X coef_``: float64[n_rows]."""
        check_is_fitted(self)
        checked: Floats = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(checked @ self.coef_)

    @abstractmethod
    def get_solver_state(self) -> dict[str, Any]:
        """Return what provenance records of the fit: plain values."""

    def _weighted_rows(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[Floats, Floats]:
        """Return ``[X y]`` with weighted rows, and how many rows each of them counts for."""
        checked: tuple[Floats, Floats] = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        rows = np.column_stack(checked)
        if sample_weight is None:
            return rows, np.ones(len(rows))
        weights = checks.finite_array("sample_weight", sample_weight, [len(rows)])
        if weights.min() < 0.0 or weights.max() == 0.0:
            worst = float(weights.min())
            raise InputError(f"`sample_weight` must be non-negative and not all zero, got {worst}")
        return rows * np.sqrt(weights)[:, None], weights
