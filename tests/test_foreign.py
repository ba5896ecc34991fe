"""Estimators of scikit-learn on factors give what they give on rows, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.utils.estimator_checks import check_estimator

import linpot
from linpot.errors import InputError
from linpot.fitting.factors import triangular
from linpot.fitting.foreign import Foreign

ESTIMATORS = [
    linear_model.LinearRegression(fit_intercept=False),
    linear_model.LinearRegression(fit_intercept=False, positive=True),
    linear_model.Ridge(alpha=3.0, fit_intercept=False),
    linear_model.Lasso(alpha=0.1, fit_intercept=False, tol=1e-14, max_iter=100_000),
    linear_model.ElasticNet(alpha=0.2, l1_ratio=0.3, fit_intercept=False, tol=1e-14),
]


def problem() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 7))
    return X, X @ [1.0, -2.0, 0.0, 0.5, 0.0, 0.1, 3.0] + 0.3 * rng.normal(size=80)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_foreign_obeys_the_estimator_contract():
    check_estimator(Foreign())


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_factor_gives_what_rows_give(estimator):
    X, y = problem()
    found = Foreign(estimator).fit_factor(triangular(np.column_stack([X, y])), len(y))
    assert np.allclose(found.coef_, estimator.fit(X, y).coef_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_weight_two_equals_row_twice(estimator):
    X, y = problem()
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = Foreign(estimator).fit(X, y, weights.astype(float))
    repeated = Foreign(estimator).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert np.allclose(weighted.coef_, repeated.coef_, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (linear_model.Ridge(), "`estimator` must have fit_intercept=False"),
        (linear_model.LassoCV(), "exact on factors, got LassoCV; fit it to rows"),
        (linear_model.HuberRegressor(), "exact on factors, got HuberRegressor"),
    ],
)
def test_estimator_that_needs_rows_is_refused(estimator, message):
    with pytest.raises(InputError, match=message):
        Foreign(estimator).fit(*problem())


def test_potentials_are_fitted_by_estimator_objects():
    train, _ = linpot.shipped_silicon()
    theirs = linear_model.Ridge(alpha=1e-3, fit_intercept=False, solver="svd")
    found = linpot.learned_part(linpot.fit(train, n_functions=40, solver=theirs))
    expected = linpot.learned_part(linpot.fit(train, n_functions=40, solver=1e-3))
    scale = np.abs(expected.coefficients).max()
    # theirs squares the singular values: rounding times the condition of the columns
    assert np.allclose(found.coefficients, expected.coefficients, atol=1e-8 * scale)
    assert found.provenance["settings"]["solver"] == "Foreign"
    sparse = linpot.fit(train, n_functions=40, solver=linpot.MatchingPursuit(20))
    assert np.count_nonzero(linpot.learned_part(sparse).coefficients) == 20


def test_solver_of_another_kind_is_refused():
    with pytest.raises(InputError, match=r"`solver` must be one of .*or an estimator, got 3"):
        linpot.FitSettings(solver=3)
