"""Inequalities on coefficients at the least cost, against a general optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from linpot.errors import InputError
from linpot.fitting.least_change import least_change

PENALTY = 0.3


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 6)), rng.standard_normal(30)
    factor = np.linalg.qr(np.column_stack([X, y]), mode="r")
    start = np.linalg.solve(X.T @ X + PENALTY * np.eye(6), X.T @ y)
    matrix = rng.standard_normal((9, 6))
    return X, y, factor, start, matrix


def test_the_change_is_the_cheapest_one(problem):
    X, y, factor, start, matrix = problem
    bounds = matrix @ start + np.linspace(-0.2, 0.2, 9)  # some are met, some are not
    found = least_change(factor, PENALTY, start, matrix, bounds)
    assert (matrix @ found >= bounds - 1e-12).all()

    def cost(c):
        return ((y - X @ c) ** 2).sum() + PENALTY * (c**2).sum()

    other = minimize(
        cost,
        start,
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda c: matrix @ c - bounds},
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    assert cost(found) <= other.fun * (1.0 + 1e-9)
    # the optimiser stops by the cost, which is flat to second order
    np.testing.assert_allclose(found, other.x, atol=1e-5)


def test_what_is_met_changes_nothing(problem):
    _, _, factor, start, matrix = problem
    found = least_change(factor, PENALTY, start, matrix, matrix @ start - 1e-12)
    assert np.array_equal(found, start)


def test_coefficients_that_were_dropped_stay_dropped(problem):
    _, _, factor, start, matrix = problem
    start = np.where(np.arange(6) < 2, 0.0, start)
    bounds = matrix[:2] @ start + 0.1
    found = least_change(factor, PENALTY, start, matrix[:2], bounds)
    assert (found[:2] == 0.0).all()
    assert (matrix[:2] @ found >= bounds - 1e-12).all()


def test_contradictions_are_refused(problem):
    _, _, factor, start, matrix = problem
    both = np.vstack([matrix[0], -matrix[0]])
    with pytest.raises(InputError, match="contradict"):
        least_change(factor, PENALTY, start, both, np.array([1.0, 1.0]))
    with pytest.raises(InputError, match="contradict"):
        least_change(factor, PENALTY, start, np.zeros((1, 6)), np.array([1.0]))
