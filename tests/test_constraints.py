"""Equality constraints: met exactly, and the rest is least squares."""

from __future__ import annotations

import numpy as np
import pytest

from linpot.errors import InputError
from linpot.fitting.ridge import Ridge

N_FEATURES = 8


def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(40, N_FEATURES)) * np.logspace(0, -2, N_FEATURES)
    return X, rng.normal(size=40), rng.normal(size=(3, N_FEATURES)), rng.normal(size=3)


def bordered(X, y, matrix, values, penalty, mean=0.0) -> np.ndarray:
    """Solve the Karush-Kuhn-Tucker equations."""
    gram = X.T @ X + penalty * np.eye(N_FEATURES)
    right = X.T @ y + penalty * np.broadcast_to(mean, N_FEATURES)
    m = len(matrix)
    system = np.block([[gram, matrix.T], [matrix, np.zeros((m, m))]])
    return np.linalg.solve(system, np.append(right, values))[:N_FEATURES]


@pytest.mark.parametrize("penalty", [0.0, 1e-4, 1.0])
def test_constrained_ridge_equals_the_bordered_equations(penalty):
    X, y, matrix, values = problem()
    found = Ridge(penalty, constraints=(matrix, values)).fit(X, y).coef_
    assert np.allclose(found, bordered(X, y, matrix, values, penalty), rtol=1e-8)


@pytest.mark.parametrize("penalty", [0.0, 1.0, "evidence", "gcv"])
def test_constraints_hold_to_rounding(penalty):
    X, y, matrix, values = problem()
    found = Ridge(penalty, constraints=(matrix, values)).fit(X, y).coef_
    assert np.allclose(matrix @ found, values, rtol=1e-12)


def test_constraints_and_a_prior_mean_equal_the_bordered_equations():
    X, y, matrix, values = problem()
    mean = np.random.default_rng(1).normal(size=N_FEATURES)
    found = Ridge(0.3, mean, (matrix, values)).fit(X, y).coef_
    assert np.allclose(found, bordered(X, y, matrix, values, 0.3, mean), rtol=1e-8)


def test_constraints_that_hold_anyway_change_nothing():
    X, y, matrix, _ = problem()
    free = Ridge(0.1).fit(X, y).coef_
    assert np.allclose(Ridge(0.1, constraints=(matrix, matrix @ free)).fit(X, y).coef_, free)


def test_as_many_constraints_as_columns_leave_no_freedom():
    X, y, _, _ = problem()
    known = np.arange(1.0, N_FEATURES + 1)
    found = Ridge(1.0, constraints=(np.eye(N_FEATURES), known)).fit(X, y)
    assert np.allclose(found.coef_, known)
    assert found.effective_parameters_ == 0.0


def test_dependent_constraints_are_refused():
    X, y, matrix, values = problem()
    twice = (matrix[[0, 1, 0]], values)
    with pytest.raises(InputError, match="`constraints` must be linearly independent rows, got 3"):
        Ridge(1.0, constraints=twice).fit(X, y)


def test_constraints_of_wrong_shape_are_refused():
    X, y, matrix, values = problem()
    with pytest.raises(InputError, match=r"`constraints\[0\]` must have shape \[any, 8\]"):
        Ridge(1.0, constraints=(matrix[:, 1:], values)).fit(X, y)
    with pytest.raises(InputError, match=r"`constraints\[1\]` must have shape \[3\]"):
        Ridge(1.0, constraints=(matrix, values[1:])).fit(X, y)
