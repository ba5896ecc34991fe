"""Sparse paths: equal to scikit-learn on raw rows, optimal at every step, with a knee."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.utils.estimator_checks import check_estimator

from linpot.errors import InputError
from linpot.fitting.factors import triangular
from linpot.fitting.ridge import Ridge
from linpot.fitting.sparse import Lasso, MatchingPursuit
from linpot.fitting.sparse_paths import SparsePath, lasso_path, matching_pursuit

N_FEATURES = 25


def problem(
    n_rows: int = 150, correlation: float = 0.9, noise: float = 0.3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Neighboring columns are alike, so that some of them leave the LASSO path again."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, N_FEATURES))
    for k in range(1, N_FEATURES):
        X[:, k] = correlation * X[:, k - 1] + (1 - correlation**2) ** 0.5 * X[:, k]
    c = np.zeros(N_FEATURES)
    c[::4] = [3.0, -2.0, 1.5, 1.0, -0.8, 0.5, 2.5]
    return X, X @ c + noise * rng.normal(size=n_rows)


def factor_of(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return triangular(np.column_stack([X, y]))


@pytest.mark.parametrize("seed", range(3))
def test_matching_pursuit_equals_scikit_learn_on_rows(seed):
    X, y = problem(seed=seed)
    X *= np.logspace(0, -1, N_FEATURES)  # not normalised
    found = matching_pursuit(factor_of(X, y), len(y), 20)
    expected = linear_model.orthogonal_mp_gram(
        X.T @ X, X.T @ y, n_nonzero_coefs=20, return_path=True
    )
    assert np.array_equal(found.sizes, np.arange(21))
    assert np.allclose(found.coefficients[1:], expected.T, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_lasso_path_equals_scikit_learn_on_rows(seed):
    X, y = problem(correlation=0.97, noise=2.0, seed=seed)
    found = lasso_path(factor_of(X, y), len(y))
    penalties, _, expected = linear_model.lars_path(X, y, method="lasso")
    assert np.allclose(found.penalties, penalties * len(y), rtol=1e-8, atol=1e-8)
    assert np.allclose(found.coefficients, expected.T, rtol=1e-8, atol=1e-8)


def test_columns_leave_the_lasso_path_in_these_tests():
    sizes = [
        lasso_path(factor_of(*problem(correlation=0.97, noise=2.0, seed=seed)), 150).sizes
        for seed in range(6)
    ]
    assert any((np.diff(s) < 0).any() for s in sizes)


@pytest.mark.parametrize(("n_rows", "correlation"), [(150, 0.97), (15, 0.5)])
def test_lasso_is_optimal_at_and_between_its_steps(n_rows, correlation):
    """``|x^T r| <= penalty``, with equality and the sign of the coefficient where it is not 0."""
    X, y = problem(n_rows, correlation, noise=1.0)
    path = lasso_path(factor_of(X, y), n_rows)
    assert np.abs(np.diff(path.penalties)).min() > 0.0
    for share in (0.0, 0.3):
        mix = [
            share * before + (1 - share) * after
            for before, after in zip(path.coefficients[:-1], path.coefficients[1:], strict=True)
        ]
        levels = share * path.penalties[:-1] + (1 - share) * path.penalties[1:]
        for c, penalty in zip(mix, levels, strict=True):
            correlations = X.T @ (y - X @ c)
            slack = 1e-9 * path.penalties[0]  # rounding
            assert (np.abs(correlations) <= penalty + slack).all()
            used = c != 0.0
            assert np.allclose(correlations[used], penalty * np.sign(c[used]), atol=slack)


def test_lasso_path_ends_at_least_squares():
    X, y = problem()
    path = lasso_path(factor_of(X, y), len(y))
    assert np.allclose(path.coefficients[-1], np.linalg.lstsq(X, y, rcond=None)[0], rtol=1e-9)
    assert path.penalties[-1] < 1e-10 * path.penalties[0]


def test_steps_of_matching_pursuit_are_least_squares_of_their_columns():
    X, y = problem()
    path = matching_pursuit(factor_of(X, y), len(y))
    for c in path.coefficients[1:]:
        used = np.flatnonzero(c)
        assert np.allclose(c[used], np.linalg.lstsq(X[:, used], y, rcond=None)[0], rtol=1e-8)


@pytest.mark.parametrize("follow", [matching_pursuit, lasso_path])
def test_errors_are_those_of_the_rows(follow):
    X, y = problem()
    path = follow(factor_of(X, y), len(y))
    residuals = y - path.coefficients @ X.T
    assert np.allclose(path.errors, np.sqrt((residuals**2).mean(axis=1)), rtol=1e-10)
    other, target = problem(seed=9)
    held_out = target - path.coefficients @ other.T
    found = path.errors_on(factor_of(other, target), len(target))
    assert np.allclose(found, np.sqrt((held_out**2).mean(axis=1)), rtol=1e-10)
    assert (np.diff(path.errors) <= 0).all()


@pytest.mark.parametrize("follow", [matching_pursuit, lasso_path])
def test_dependent_columns_are_taken_once(follow):
    X, y = problem()
    twice = np.column_stack([X, X, np.zeros(len(y))])
    once = follow(factor_of(X, y), len(y))
    path = follow(factor_of(twice, y), len(y))
    assert path.sizes.max() == N_FEATURES
    assert path.errors[-1] == pytest.approx(once.errors[-1], rel=1e-9)


@pytest.mark.parametrize("follow", [matching_pursuit, lasso_path])
def test_nothing_to_explain_is_a_path_of_one_step(follow):
    path = follow(factor_of(np.ones((4, 2)), np.zeros(4)), 4)
    assert path.sizes.tolist() == [0]
    assert path.knee() == 0


def test_knee_is_where_the_error_stops_falling():
    """Error ``10^-size`` down to 1e-5 at size 5, then slowly."""
    logs = np.append(np.arange(0.0, -5.0, -1.0), -5.0 - 0.01 * np.arange(20))
    path = SparsePath(np.zeros((25, 1)), np.arange(25), np.zeros(25), 10.0**logs)
    assert path.knee() == 5
    assert path.knee(np.append(10.0 ** logs[:3], np.ones(22))) == 2


@pytest.mark.parametrize("solver", [MatchingPursuit, Lasso])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_sparse_solvers_obey_the_estimator_contract(solver):
    check_estimator(solver())


@pytest.mark.parametrize("solver", [MatchingPursuit, Lasso])
def test_sparse_solver_has_the_size_asked_for_and_the_ridge_of_its_columns(solver):
    X, y = problem()
    found = solver(7).fit(X, y)
    used = np.flatnonzero(found.coef_)
    assert len(used) == 7
    # the search for the penalty stops at 1e-5 of its logarithm
    assert np.allclose(found.coef_[used], Ridge("evidence").fit(X[:, used], y).coef_, rtol=1e-4)


@pytest.mark.parametrize("solver", [MatchingPursuit, Lasso])
def test_sparse_solver_finds_the_columns_that_made_the_data(solver):
    X, y = problem(n_rows=2000, correlation=0.3, noise=0.1)
    found = solver().fit(X, y)
    assert np.count_nonzero(found.coef_) <= 9
    assert set(np.flatnonzero(found.coef_)) >= set(range(0, N_FEATURES, 4)) - {20}
    assert found.get_solver_state()["size_rule"] == "knee"


@pytest.mark.parametrize("solver", [MatchingPursuit, Lasso])
def test_weight_two_equals_row_twice(solver):
    X, y = problem()
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = solver(5).fit(X, y, sample_weight=weights.astype(float))
    repeated = solver(5).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    # the search for the penalty stops at 1e-5 of its logarithm
    assert np.allclose(weighted.coef_, repeated.coef_, rtol=1e-4)


def test_sizes_that_cannot_be_met_are_refused():
    X, y = problem()
    with pytest.raises(InputError, match="`n_nonzero` must be a whole number from 1 to 25, got 26"):
        MatchingPursuit(26).fit(X, y)
    with pytest.raises(InputError, match="at most the 25 columns that the data tell apart"):
        MatchingPursuit(30).fit(np.column_stack([X, X]), y)
