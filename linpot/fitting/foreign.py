"""Estimators of scikit-learn, where a factor is the same problem to them as the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.utils.validation import check_is_fitted

from linpot.errors import InputError
from linpot.fitting.estimator import FactorRegressor

Floats = NDArray[np.float64]
EXACT = (ElasticNet, Lasso, LinearRegression, Ridge)
_PER_ROW = (ElasticNet, Lasso)  # their penalty multiplies the mean of the squares


class Foreign(FactorRegressor):
    """
    A scikit-learn estimator on factors.

    Exact for a fixed penalty without intercept, because the loss then depends on ``|y - X c|``
    alone. Others (cross-validated penalties, robust losses, trees) need rows and are refused.

    Parameters
    ----------
    estimator : ElasticNet, Lasso, LinearRegression or Ridge of scikit-learn
        With ``fit_intercept=False``; plain least squares if not given.

    Attributes
    ----------
    coef_ : float64[n_features]
    estimator_ : the fitted copy
    n_features_in_ : int
    """

    def __init__(self, estimator: BaseEstimator | None = None) -> None:
        self.estimator = estimator

    def fit_factor(self, factor: Floats, n_rows: float) -> Foreign:
        """
        Fit to the triangular factor of ``[X y]``; see `FactorRegressor.fit_factor`.

        Raises
        ------
        InputError
            If the factor is not the same problem to the estimator as the rows.
        """
        if self.estimator is None:
            own: Any = LinearRegression(fit_intercept=False)
        elif type(self.estimator) not in EXACT:
            raise InputError(
                f"`estimator` must be one of {', '.join(kind.__name__ for kind in EXACT)}, which "
                f"are exact on factors, got {type(self.estimator).__name__}; fit it to rows"
            )
        else:
            own = clone(self.estimator)
        if own.fit_intercept:
            raise InputError(
                f"`estimator` must have fit_intercept=False, got {own!r}; an intercept in energies "
                "is E0, and forces have none"
            )
        if isinstance(own, _PER_ROW):
            own.set_params(alpha=own.alpha * n_rows / len(factor))
        own.fit(factor[:, :-1], factor[:, -1])
        self.estimator_ = own
        self.coef_ = np.asarray(own.coef_, dtype=np.float64)
        self.n_features_in_ = len(self.coef_)
        return self

    def get_solver_state(self) -> dict[str, Any]:
        """Return what provenance records of the fit."""
        check_is_fitted(self)
        return {"solver": f"scikit-learn {type(self.estimator_).__name__}"}
