"""Relevance determination: closed forms, scikit-learn, and columns that are not needed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn import linear_model
from sklearn.utils.estimator_checks import check_estimator

from linpot.errors import ConvergenceError, InputError
from linpot.fitting.ard import ARD
from linpot.fitting.factors import triangular


def problem(n_rows: int = 200, n_features: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    X = rng.normal(size=(n_rows, n_features))
    X[:, 1] += 0.7 * X[:, 0]
    c = np.zeros(n_features)
    c[:6] = [2.0, -1.0, 0.5, 3.0, -0.7, 1.5]
    return X, X @ c + 0.5 * rng.normal(size=n_rows), c


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_ard_obeys_the_estimator_contract():
    check_estimator(ARD())


def test_orthogonal_columns_have_the_closed_form():
    """With ``x^T x = d``: ``v = max(0, (x^T y / d)^2 - s / d)``."""
    rng = np.random.default_rng(0)
    q, _ = np.linalg.qr(rng.normal(size=(50, 6)))
    lengths = np.array([1.0, 2.0, 0.5, 3.0, 1.0, 1.0])
    X, y, noise = q * lengths, rng.normal(size=50) + q @ [5, -3, 2, 0, 0.1, 1], 0.8
    found = ARD(noise_variance=noise, tol=1e-10).fit(X, y)
    projected = X.T @ y / lengths**2
    variances = np.maximum(projected**2 - noise / lengths**2, 0.0)
    assert 0 < np.count_nonzero(variances) < 6
    assert np.allclose(found.prior_variance_, variances, rtol=1e-10)
    shrunk = variances / (variances + noise / lengths**2) * projected
    assert np.allclose(found.coef_, shrunk, rtol=1e-10)


def test_ard_equals_scikit_learn():
    X, y, _ = problem()
    expected = linear_model.ARDRegression(
        fit_intercept=False,
        alpha_1=0.0,
        alpha_2=0.0,
        lambda_1=0.0,
        lambda_2=0.0,
        threshold_lambda=1e12,
        tol=1e-14,
        max_iter=100_000,
    ).fit(X, y)
    found = ARD(tol=1e-12).fit(X, y)
    used = found.prior_variance_ > 0
    # scikit-learn stops at variances of 1e-12 instead of 0
    assert np.allclose(found.coef_, expected.coef_, rtol=1e-8, atol=1e-8)
    assert np.allclose(1 / found.prior_variance_[used], expected.lambda_[used], rtol=1e-7)
    assert found.noise_variance_ == pytest.approx(1 / expected.alpha_, rel=1e-8)


def log_marginal(X, y, noise: float, variances: np.ndarray) -> float:
    covariance = noise * np.eye(len(y)) + X * variances @ X.T
    return float(multivariate_normal(np.zeros(len(y)), covariance).logpdf(y))


@pytest.mark.parametrize("n_rows", [200, 15])
def test_evidence_is_that_of_the_marginal_likelihood_and_at_a_maximum(n_rows):
    X, y, _ = problem(n_rows)
    # with fewer rows than columns the evidence grows without bound as the noise vanishes
    found = ARD(noise_variance=None if n_rows == 200 else 0.25, tol=1e-8).fit(X, y)
    v, noise = found.prior_variance_, found.noise_variance_
    best = log_marginal(X, y, noise, v)
    assert found.log_evidence_ == pytest.approx(best, rel=1e-9)
    for k in range(X.shape[1]):
        for changed in [v[k] * 1.2, v[k] / 1.2] if v[k] > 0 else [1e-3, 0.1]:
            assert log_marginal(X, y, noise, np.where(np.arange(20) == k, changed, v)) < best
    if n_rows == 200:
        for factor in (1.1, 1 / 1.1):
            assert log_marginal(X, y, noise * factor, v) < best


def test_columns_without_effect_mostly_leave_and_others_stay():
    X, y, c = problem()
    found = ARD().fit(X, y)
    assert (found.coef_[:6] != 0).all()
    # a column of noise stays where its estimate exceeds one standard deviation: 32 % of 14
    assert np.count_nonzero(found.coef_[6:]) <= 9
    assert np.array_equal(found.coef_ == 0.0, found.prior_variance_ == 0.0)
    assert np.allclose(found.coef_, c, atol=0.2)  # four standard deviations, 0.5 / sqrt(200)


def test_factor_gives_what_rows_give_and_weight_two_equals_row_twice():
    X, y, _ = problem()
    rows = ARD(tol=1e-9).fit(X, y)
    factor = ARD(tol=1e-9).fit_factor(triangular(np.column_stack([X, y])), len(y))
    assert np.allclose(rows.coef_, factor.coef_, rtol=1e-8)
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = ARD(tol=1e-9).fit(X, y, sample_weight=weights.astype(float))
    repeated = ARD(tol=1e-9).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert np.allclose(weighted.coef_, repeated.coef_, rtol=1e-7)


@pytest.mark.parametrize(("X", "y"), [(np.zeros((5, 3)), np.arange(5.0)), (np.eye(5), np.zeros(5))])
def test_nothing_to_explain_gives_zero(X, y):
    assert not ARD().fit(X, y).coef_.any()


def test_sweeps_cut_short_are_an_error():
    X, y, _ = problem()
    with pytest.raises(ConvergenceError, match="did not settle"):
        ARD(max_iter=1, tol=1e-12).fit(X, y)


def test_invalid_noise_is_refused_with_its_value():
    X, y, _ = problem()
    with pytest.raises(InputError, match=r"`noise_variance` must be a positive number, got -1\.0"):
        ARD(noise_variance=-1.0).fit(X, y)
