"""Ridge by bidiagonal form equals ridge by singular values, also where nothing may be squared."""

from __future__ import annotations

import numpy as np
import pytest

from linpot.fitting.bidiagonal import DampedProblem


def matrix(n: int, decades: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.normal(size=(n, n)))
    v, _ = np.linalg.qr(rng.normal(size=(n, n)))
    return u * np.logspace(0, -decades, n) @ v.T, rng.normal(size=n)


@pytest.mark.parametrize("n", [1, 2, 3, 40])
@pytest.mark.parametrize("decades", [1.0, 12.0])
@pytest.mark.parametrize("penalty", [1e-14, 1e-6, 1.0, 1e6])
def test_damped_least_squares_equals_singular_values(n, decades, penalty):
    X, y = matrix(n, decades)
    u, s, vt = np.linalg.svd(X)
    z = u.T @ y
    problem = DampedProblem(X.copy(order="F"), y)
    found = problem.solve(penalty)
    # singular values are known to eps of the largest: what depends on them to eps/sqrt(penalty)
    close = {"rel": 1e-9 + 1e-15 / penalty**0.5, "abs": 1e-12}
    share = penalty / (s**2 + penalty)
    assert found.objective == pytest.approx((share * z**2).sum(), **close)
    assert found.residual == pytest.approx((share**2 * z**2).sum(), **close)
    assert found.effective_parameters == pytest.approx((1.0 - share).sum(), rel=1e-9, abs=1e-9)
    assert found.log_determinant == pytest.approx(np.log1p(s**2 / penalty).sum(), rel=1e-9)
    expected = vt.T @ (s * z / (s**2 + penalty))
    error = np.abs(problem.coefficients(found) - expected).max()
    assert error <= 1e-12 * np.abs(expected).max() / min(1.0, penalty**0.5)


def test_matrix_of_zeros_leaves_the_target():
    found = DampedProblem(np.zeros((3, 3), order="F"), np.ones(3)).solve(0.5)
    assert found.residual == found.objective == pytest.approx(3.0)
    assert found.effective_parameters == pytest.approx(0.0, abs=1e-15)


def test_no_column_is_no_problem():
    problem = DampedProblem(np.zeros((0, 0)), np.zeros(0))
    assert len(problem.coefficients(problem.solve(1.0))) == 0


def test_bits_do_not_depend_on_the_layout_of_the_matrix():
    X, y = matrix(30, 5.0)
    one, other = DampedProblem(X.copy(order="F"), y), DampedProblem(X.copy(order="C"), y)
    assert (one.diagonal == other.diagonal).all()
    assert (one.coefficients(one.solve(1e-3)) == other.coefficients(other.solve(1e-3))).all()
