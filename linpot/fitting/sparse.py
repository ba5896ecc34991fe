"""Estimators with few non-zero coefficients, at a size that is given or the knee of the path."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from linpot import checks
from linpot.errors import InputError
from linpot.fitting.estimator import FactorRegressor
from linpot.fitting.factors import triangular
from linpot.fitting.ridge import Ridge
from linpot.fitting.sparse_paths import SparsePath, lasso_path, matching_pursuit

Floats = NDArray[np.float64]


class SparseRegressor(FactorRegressor):
    """
    Columns are chosen along a path, and their coefficients refitted by ridge with evidence.

    Parameters
    ----------
    n_nonzero : int, optional
        Columns to keep; the knee of the path if not given.

    Attributes
    ----------
    coef_ : float64[n_features]
    path_ : SparsePath
    step_ : int
        Of the path.
    penalty_ : float
        Of the refit.
    n_features_in_ : int
    """

    def __init__(self, n_nonzero: int | None = None) -> None:
        self.n_nonzero = n_nonzero

    def fit_factor(self, factor: Floats, n_rows: float) -> SparseRegressor:
        """
        Fit to the triangular factor of ``[X y]``; see `FactorRegressor.fit_factor`.

        Raises
        ------
        InputError
            If `n_nonzero` is not from 1 to the number of columns.
        """
        n_features = len(factor) - 1
        if self.n_nonzero is not None:
            checks.integer("n_nonzero", self.n_nonzero, low=1, high=n_features)
        self.n_features_in_ = n_features
        self.path_ = self._follow(factor, n_rows)
        self.step_ = self.path_.knee() if self.n_nonzero is None else self._step_of_size()
        used = np.flatnonzero(self.path_.coefficients[self.step_])
        refit = Ridge("evidence").fit_factor(_of_columns(factor, used), n_rows)
        self.coef_ = np.zeros(n_features)
        self.coef_[used] = refit.coef_
        self.penalty_ = refit.penalty_
        return self

    def get_solver_state(self) -> dict[str, Any]:
        """Return what provenance records of the fit."""
        check_is_fitted(self)
        return {
            "solver": type(self).__name__,
            "n_nonzero": int(self.path_.sizes[self.step_]),
            "size_rule": "knee" if self.n_nonzero is None else "given",
            "penalty": float(self.penalty_),
        }

    def _step_of_size(self) -> int:
        """Last step with the size asked for, before the path grows beyond it."""
        fitting = np.flatnonzero(self.path_.sizes == self.n_nonzero)
        if not len(fitting):
            largest = int(self.path_.sizes.max())
            raise InputError(
                f"`n_nonzero` must be at most the {largest} columns that the data tell apart, "
                f"got {self.n_nonzero}"
            )
        return int(fitting[-1])

    @abstractmethod
    def _follow(self, factor: Floats, n_rows: float) -> SparsePath:
        """Return the path, as far as it is needed."""


class MatchingPursuit(SparseRegressor):
    """Greedy choice of columns; see `matching_pursuit`."""

    def _follow(self, factor: Floats, n_rows: float) -> SparsePath:
        return matching_pursuit(factor, n_rows, self.n_nonzero)


class Lasso(SparseRegressor):
    """Columns of the LASSO homotopy; see `lasso_path`. The refit undoes its shrinking."""

    def _follow(self, factor: Floats, n_rows: float) -> SparsePath:
        return lasso_path(factor, n_rows, self.n_nonzero)


def _of_columns(factor: Floats, used: NDArray[np.int64]) -> Floats:
    """Return the triangular factor of some columns and the target."""
    return triangular(factor[:, [*used, len(factor) - 1]])
