"""Ridge: closed forms, evidence, cross-validation and the contract of scikit-learn."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.linalg
from scipy.stats import multivariate_normal
from sklearn import linear_model
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from linpot.errors import InputError
from linpot.fitting.factors import FactorSet
from linpot.fitting.ridge import Ridge


def problem(
    n_rows: int = 60, n_features: int = 8, noise: float = 0.3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) * np.logspace(0, -2, n_features)
    return X, X @ rng.normal(size=n_features) + noise * rng.normal(size=n_rows)


@pytest.mark.parametrize("penalty", ["evidence", "gcv", 0.5])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_ridge_obeys_the_estimator_contract(penalty):
    check_estimator(Ridge(penalty))


@pytest.mark.parametrize("penalty", [1e-6, 0.1, 10.0])
def test_ridge_equals_scikit_learn(penalty):
    X, y = problem()
    expected = linear_model.Ridge(alpha=penalty, fit_intercept=False, solver="svd").fit(X, y)
    found = Ridge(penalty).fit(X, y)
    assert np.allclose(found.coef_, expected.coef_, rtol=1e-8)
    assert np.allclose(found.predict(X), expected.predict(X), rtol=1e-8)
    assert found.penalty_ == penalty


@pytest.mark.parametrize("penalty", [1e-6, 0.1, 10.0])
def test_ridge_equals_normal_equations(penalty):
    X, y = problem()
    expected = np.linalg.solve(X.T @ X + penalty * np.eye(X.shape[1]), X.T @ y)
    assert np.allclose(Ridge(penalty).fit(X, y).coef_, expected, rtol=1e-8)


def test_ridge_with_more_features_than_rows_equals_normal_equations():
    X, y = problem(5, 12)
    expected = X.T @ np.linalg.solve(X @ X.T + 0.1 * np.eye(5), y)
    assert np.allclose(Ridge(0.1).fit(X, y).coef_, expected, rtol=1e-8)


def test_ridge_without_penalty_is_least_squares_of_minimum_norm():
    X, y = problem(50, 6)
    X = np.column_stack([X, X[:, 0], np.zeros(50)])
    expected, *_ = scipy.linalg.lstsq(X, y)
    found = Ridge(0.0).fit(X, y)
    assert np.allclose(found.coef_, expected, rtol=1e-9, atol=1e-12)
    assert found.effective_parameters_ == pytest.approx(6.0, rel=1e-12)
    # nothing of what dependent columns cannot explain is lost
    residual = ((X @ expected - y) ** 2).sum()
    assert found.noise_variance_ == pytest.approx(residual / 50, rel=1e-10)


@pytest.mark.parametrize("penalty", [0.0, 0.3, "evidence", "gcv"])
def test_fit_from_a_factor_equals_fit_from_rows(penalty):
    X, y = problem()
    factors = FactorSet(X.shape[1] + 1)
    for start in range(0, len(y), 7):
        factors.add("all", X[start : start + 7], y[start : start + 7])
    from_factor = Ridge(penalty).fit_factor(*factors.combined(lambda _: 1.0))
    from_rows = Ridge(penalty).fit(X, y)
    # the search for the penalty stops at 1e-5 of its logarithm
    tolerance = 1e-4 if isinstance(penalty, str) else 1e-10
    assert np.allclose(from_factor.coef_, from_rows.coef_, rtol=tolerance)
    assert from_factor.penalty_ == pytest.approx(from_rows.penalty_, rel=tolerance)
    assert from_factor.log_evidence_ == pytest.approx(from_rows.log_evidence_, rel=1e-9)


@pytest.mark.parametrize("penalty", [0.3, "evidence", "gcv"])
def test_weight_two_equals_row_twice(penalty):
    X, y = problem()
    weights = np.random.default_rng(1).integers(0, 4, len(y)).astype(float)
    repeats = weights.astype(int)
    weighted = Ridge(penalty).fit(X, y, sample_weight=weights)
    repeated = Ridge(penalty).fit(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    tolerance = 1e-4 if isinstance(penalty, str) else 1e-10
    assert np.allclose(weighted.coef_, repeated.coef_, rtol=tolerance)
    assert weighted.noise_variance_ == pytest.approx(repeated.noise_variance_, rel=tolerance)


def marginal_likelihood(X: np.ndarray, y: np.ndarray, noise: float, prior: float) -> float:
    """``log N(y | 0, noise 1 + prior X X^T)``: coefficients integrated out."""
    covariance = noise * np.eye(len(y)) + prior * X @ X.T
    return float(multivariate_normal(np.zeros(len(y)), covariance).logpdf(y))


@pytest.mark.parametrize(("n_rows", "n_features"), [(40, 6), (6, 10)])
def test_evidence_equals_the_marginal_likelihood(n_rows, n_features):
    X, y = problem(n_rows, n_features)
    for penalty in (0.01, 1.0, 30.0):
        found = Ridge(penalty).fit(X, y)
        noise = found.noise_variance_
        expected = marginal_likelihood(X, y, noise, noise / penalty)
        assert found.prior_variance_ == pytest.approx(noise / penalty)
        assert found.log_evidence_ == pytest.approx(expected, rel=1e-10)


def test_noise_variance_is_where_the_marginal_likelihood_is_largest():
    X, y = problem()
    found = Ridge(0.2).fit(X, y)
    values = [
        marginal_likelihood(X, y, s * found.noise_variance_, s * found.noise_variance_ / 0.2)
        for s in (1 / 1.05, 1.0, 1.05)
    ]
    assert max(values) == values[1]


def test_evidence_is_at_its_maximum():
    X, y = problem()
    best = Ridge("evidence").fit(X, y)
    assert 1e-6 < best.penalty_ < 1e6
    for factor in (1.1, 1 / 1.1, 10.0, 0.1):
        assert Ridge(best.penalty_ * factor).fit(X, y).log_evidence_ < best.log_evidence_


def hat_matrix_gcv(X: np.ndarray, y: np.ndarray, penalty: float) -> float:
    """``|(1 - H) y|^2 / tr(1 - H)^2``."""
    hat = X @ np.linalg.solve(X.T @ X + penalty * np.eye(X.shape[1]), X.T)
    rest = np.eye(len(y)) - hat
    return float((rest @ y) @ (rest @ y) / np.trace(rest) ** 2)


def test_generalised_cross_validation_is_at_its_minimum():
    X, y = problem(noise=2.0)
    best = Ridge("gcv").fit(X, y)
    assert 1e-6 < best.penalty_ < 1e6
    value = hat_matrix_gcv(X, y, best.penalty_)
    for factor in (1.1, 1 / 1.1, 10.0, 0.1):
        assert value < hat_matrix_gcv(X, y, best.penalty_ * factor)


def test_effective_parameters_are_the_trace_of_the_hat_matrix():
    X, y = problem()
    hat = X @ np.linalg.solve(X.T @ X + 0.7 * np.eye(X.shape[1]), X.T)
    found = Ridge(0.7).fit(X, y)
    assert found.effective_parameters_ == pytest.approx(np.trace(hat), rel=1e-10)


def test_evidence_recovers_noise_and_prior_of_drawn_data():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(3000, 300))
    y = X @ (0.5 * rng.normal(size=300)) + 0.2 * rng.normal(size=3000)
    found = Ridge("evidence").fit(X, y)
    # relative spreads: sqrt(2 / 2700) and sqrt(2 / 300), three of them
    assert found.noise_variance_ == pytest.approx(0.04, rel=0.1)
    assert found.prior_variance_ == pytest.approx(0.25, rel=0.25)


@pytest.mark.parametrize("penalty", ["evidence", "gcv", 0.1, 0.0])
def test_rows_without_any_information_give_zero(penalty):
    found = Ridge(penalty).fit(np.zeros((5, 3)), np.zeros(5))
    assert not found.coef_.any()


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (-1.0, "`penalty` must be a non-negative number, got -1.0"),
        (float("nan"), "`penalty` must be a non-negative number, got nan"),
        ("aic", "`penalty` must be one of evidence, gcv, got 'aic'"),
        (None, "`penalty` must be a non-negative number, got None"),
    ],
)
def test_invalid_penalty_is_refused_with_its_value(penalty, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Ridge(penalty).fit(*problem())


@pytest.mark.parametrize("weights", [np.full(60, -1.0), np.zeros(60)])
def test_sample_weights_without_a_positive_one_are_refused(weights):
    with pytest.raises(InputError, match="`sample_weight` must be non-negative and not all zero"):
        Ridge(0.1).fit(*problem(), sample_weight=weights)


def test_prediction_before_the_fit_is_refused():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        Ridge().predict(np.zeros((1, 2)))


def test_fit_leaves_the_estimator_parameters_and_the_input_alone():
    X, y = problem()
    X_before, y_before = X.copy(), y.copy()
    estimator = Ridge("evidence")
    weights = np.full(len(y), 2.0)
    assert estimator.fit(X, y, sample_weight=weights) is estimator
    assert estimator.get_params() == {
        "penalty": "evidence",
        "prior_mean": None,
        "constraints": None,
        "threads": 1,
    }
    assert clone(estimator).get_params() == estimator.get_params()
    assert np.array_equal(X, X_before)
    assert np.array_equal(y, y_before)
    assert (weights == 2.0).all()


def test_solver_state_is_plain_values():
    X, y = problem()
    state = Ridge("gcv").fit(X, y).get_solver_state()
    assert state["solver"] == "ridge"
    assert state["penalty_rule"] == "gcv"
    assert all(isinstance(v, str | float) for v in state.values())
