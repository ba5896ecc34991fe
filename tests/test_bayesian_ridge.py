"""Bayesian ridge: noise per key and prior per group at the maximum of the evidence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn import linear_model
from sklearn.utils.estimator_checks import check_estimator

from linpot.errors import ConvergenceError, InputError
from linpot.fitting.bayesian_ridge import BayesianRidge
from linpot.fitting.factors import FactorSet
from linpot.fitting.ridge import Ridge

NOISES = {"energy": 0.05, "forces": 0.5, "stress": 2.0}
SIZES = {"energy": 60, "forces": 400, "stress": 120}
GROUPS = np.repeat([0, 1], [12, 18])
SPREADS = np.array([1.0, 0.2])


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of three keys with noise of their own, coefficients of two groups."""
    rng = np.random.default_rng(seed)
    keys = np.repeat(list(SIZES), list(SIZES.values()))
    X = rng.normal(size=(len(keys), len(GROUPS)))
    c = SPREADS[GROUPS] * rng.normal(size=len(GROUPS))
    noise = np.array([NOISES[key] for key in keys])
    return X, X @ c + noise * rng.normal(size=len(keys)), keys, c


def log_marginal(X, y, keys, model: BayesianRidge, factors: np.ndarray) -> float:
    """``log N(y | 0, diag(s) + X diag(v) X^T)`` with all variances times factors."""
    noise, prior = np.split(
        np.append(model.noise_variance_, model.prior_variance_) * factors, [len(model.keys_)]
    )
    of_key = dict(zip(model.keys_, noise, strict=True))
    covariance = np.diag([of_key[k] for k in keys]) + X * prior[GROUPS] @ X.T
    return float(multivariate_normal(np.zeros(len(y)), covariance).logpdf(y))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_bayesian_ridge_obeys_the_estimator_contract():
    check_estimator(BayesianRidge())


def test_one_key_and_one_group_equal_scikit_learn():
    X, y, _, _ = problem()
    expected = linear_model.BayesianRidge(
        fit_intercept=False, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, tol=1e-14, max_iter=5000
    ).fit(X, y)
    found = BayesianRidge(tol=1e-9).fit(X, y)
    assert np.allclose(found.coef_, expected.coef_, rtol=1e-8)
    assert found.noise_variance_[0] == pytest.approx(1.0 / expected.alpha_, rel=1e-8)
    assert found.prior_variance_[0] == pytest.approx(1.0 / expected.lambda_, rel=1e-7)


def test_one_key_and_one_group_equal_ridge_by_evidence():
    X, y, _, _ = problem()
    ridge, bayesian = Ridge("evidence").fit(X, y), BayesianRidge().fit(X, y)
    # the search of ridge stops at 1e-5 of the logarithm of the penalty
    assert np.allclose(bayesian.coef_, ridge.coef_, rtol=1e-4)
    assert bayesian.log_evidence_ == pytest.approx(ridge.log_evidence_, rel=1e-9)
    assert bayesian.effective_parameters_.sum() == pytest.approx(
        ridge.effective_parameters_, rel=1e-4
    )


def test_evidence_is_that_of_the_marginal_likelihood_and_at_its_maximum():
    X, y, keys, _ = problem()
    found = BayesianRidge(GROUPS).fit(X, y, keys=keys)
    best = log_marginal(X, y, keys, found, np.ones(5))
    assert found.log_evidence_ == pytest.approx(best, rel=1e-9)
    for changed in np.eye(5):
        for step in (0.1, -0.1):
            assert log_marginal(X, y, keys, found, np.exp(step * changed)) < best


def test_coefficients_are_the_posterior_mean():
    X, y, keys, _ = problem()
    found = BayesianRidge(GROUPS).fit(X, y, keys=keys)
    of_key = dict(zip(found.keys_, found.noise_variance_, strict=True))
    precision = np.array([1.0 / of_key[key] for key in keys])
    gram = X.T * precision @ X + np.diag(1.0 / found.prior_variance_[GROUPS])
    assert np.allclose(found.coef_, np.linalg.solve(gram, X.T @ (precision * y)), rtol=1e-9)


def test_noise_of_each_key_is_recovered_and_beats_equal_weights():
    errors = []
    for seed in range(5):
        X, y, keys, c = problem(seed)
        found = BayesianRidge(GROUPS).fit(X, y, keys=keys)
        for key, variance in zip(found.keys_, found.noise_variance_, strict=True):
            # relative spread sqrt(2 / (60 - 30)) for the smallest key, three of them
            assert variance**0.5 == pytest.approx(NOISES[key], rel=0.4)
        equal = Ridge("evidence").fit(X, y)
        errors.append([np.linalg.norm(m.coef_ - c) for m in (found, equal)])
    mean = np.mean(errors, axis=0)
    assert mean[0] < 0.5 * mean[1]


def test_factors_give_what_rows_give():
    X, y, keys, _ = problem()
    factors = FactorSet(X.shape[1] + 1)
    for start in range(0, len(y), 11):
        for key in np.unique(keys[start : start + 11]):
            own = keys[start : start + 11] == key
            factors.add(str(key), X[start : start + 11][own], y[start : start + 11][own])
    rows = {key: f.rows() for key, f in factors.items()}
    counts = {key: f.n_rows for key, f in factors.items()}
    from_factors = BayesianRidge(GROUPS, tol=1e-8).fit_factors(rows, counts)
    from_rows = BayesianRidge(GROUPS, tol=1e-8).fit(X, y, keys=keys)
    assert np.allclose(from_factors.coef_, from_rows.coef_, rtol=1e-7)
    assert from_factors.log_evidence_ == pytest.approx(from_rows.log_evidence_, rel=1e-10)


def test_weight_two_equals_row_twice():
    X, y, keys, _ = problem()
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = BayesianRidge(GROUPS, tol=1e-8).fit(X, y, weights.astype(float), keys)
    repeated = BayesianRidge(GROUPS, tol=1e-8).fit(
        np.repeat(X, weights, axis=0), np.repeat(y, weights), keys=np.repeat(keys, weights)
    )
    assert np.allclose(weighted.coef_, repeated.coef_, rtol=1e-7)
    assert np.allclose(weighted.noise_variance_, repeated.noise_variance_, rtol=1e-6)


def test_scale_of_the_labels_scales_everything():
    X, y, keys, _ = problem()
    one = BayesianRidge(GROUPS, tol=1e-8).fit(X, y, keys=keys)
    large = BayesianRidge(GROUPS, tol=1e-8).fit(X, 1e6 * y, keys=keys)
    assert np.allclose(large.coef_, 1e6 * one.coef_, rtol=1e-6)
    assert np.allclose(large.noise_variance_, 1e12 * one.noise_variance_, rtol=1e-5)


def test_keys_of_very_different_noise_leave_the_range_of_one_factorisation():
    """Noise levels 1e7 apart: the blocks are made afresh on the way."""
    X, y, keys, c = problem()
    rng = np.random.default_rng(2)
    y = X @ c + np.where(keys == "energy", 1e-7, 1.0) * rng.normal(size=len(y))
    found = BayesianRidge(GROUPS).fit(X, y, keys=keys)
    noise = dict(zip(found.keys_, found.noise_variance_**0.5, strict=True))
    assert noise["energy"] == pytest.approx(1e-7, rel=0.5)  # as above
    assert noise["forces"] == pytest.approx(1.0, rel=0.15)
    assert np.allclose(found.coef_, c, atol=1e-6)


@pytest.mark.parametrize(("X", "y"), [(np.zeros((5, 3)), np.arange(5.0)), (np.eye(5), np.zeros(5))])
def test_nothing_to_explain_gives_zero(X, y):
    found = BayesianRidge().fit(X, y)
    assert not found.coef_.any()
    assert found.noise_variance_[0] == pytest.approx(np.mean(y**2))


def test_search_that_is_cut_short_is_an_error():
    X, y, keys, _ = problem()
    with pytest.raises(ConvergenceError, match="did not settle; raise `max_iter`"):
        BayesianRidge(GROUPS, max_iter=2, tol=1e-8).fit(X, y, keys=keys)


@pytest.mark.parametrize("groups", [np.repeat([0, 2], 15), np.linspace(0, 1, 30)])
def test_prior_groups_that_are_not_numbered_are_refused(groups):
    X, y, _, _ = problem()
    with pytest.raises(InputError, match="`prior_groups` must number groups from 0 without gaps"):
        BayesianRidge(groups).fit(X, y)


def test_keys_of_wrong_length_are_refused():
    X, y, _, _ = problem()
    with pytest.raises(InputError, match=r"`keys` must have shape \[580\], got \[2\]"):
        BayesianRidge().fit(X, y, keys=["a", "b"])


def test_solver_state_is_plain_values():
    X, y, keys, _ = problem()
    state = BayesianRidge(GROUPS).fit(X, y, keys=keys).get_solver_state()
    assert state["solver"] == "bayesian ridge"
    assert set(state["noise_variance"]) == set(NOISES)
    assert len(state["prior_variance"]) == 2
