"""A prior mean: ridge around known coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from linpot.errors import InputError
from linpot.fitting.factors import triangular
from linpot.fitting.ridge import Ridge


def problem(n_rows: int = 50, n_features: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n_rows, n_features))
    known = rng.normal(size=n_features)
    return X, X @ (known + 0.1 * rng.normal(size=n_features)) + 0.3 * rng.normal(size=n_rows), known


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_ridge_around_known_coefficients_equals_normal_equations(penalty):
    X, y, known = problem()
    expected = np.linalg.solve(X.T @ X + penalty * np.eye(7), X.T @ y + penalty * known)
    assert np.allclose(Ridge(penalty, known).fit(X, y).coef_, expected, rtol=1e-10)


def test_huge_penalty_returns_the_prior_mean():
    X, y, known = problem()
    # |X^T r| / penalty, about 1e2 / 1e12
    assert np.allclose(Ridge(1e12, known).fit(X, y).coef_, known, atol=1e-9)


def test_good_prior_mean_has_more_evidence_than_none():
    X, y, known = problem()
    assert (
        Ridge("evidence", known).fit(X, y).log_evidence_ > Ridge("evidence").fit(X, y).log_evidence_
    )


def test_prior_mean_acts_alike_on_rows_and_factor():
    X, y, known = problem()
    from_factor = Ridge(0.3, known).fit_factor(triangular(np.column_stack([X, y])), len(y))
    from_rows = Ridge(0.3, known).fit(X, y)
    assert np.allclose(from_factor.coef_, from_rows.coef_, rtol=1e-12)
    assert from_factor.noise_variance_ == pytest.approx(from_rows.noise_variance_, rel=1e-12)


def test_prior_mean_of_wrong_length_is_refused():
    X, y, _ = problem()
    with pytest.raises(InputError, match=r"`prior_mean` must have shape \[7\], got \[3\]"):
        Ridge(1.0, np.zeros(3)).fit(X, y)
