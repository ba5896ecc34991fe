"""
Ridge by bidiagonal form equals ridge by singular values, also where nothing may be squared.

Every law holds for both ways to that form: LAPACK's, and two stages with a band between.
"""

from __future__ import annotations

import numpy as np
import pytest

from linpot.fitting import band_reduction, bidiagonal
from linpot.fitting.band_reduction import BandReduction
from linpot.fitting.bidiagonal import DampedProblem, LapackReduction


@pytest.fixture(params=["LAPACK", "two stages"])
def way(request, monkeypatch):
    monkeypatch.setattr(bidiagonal, "_NARROW", {"LAPACK": 10**6, "two stages": -1}[request.param])


def matrix(n: int, decades: float, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    u, _ = np.linalg.qr(rng.normal(size=(n, n)))
    v, _ = np.linalg.qr(rng.normal(size=(n, n)))
    return u * np.logspace(0, -decades, n) @ v.T, rng.normal(size=n)


@pytest.mark.parametrize("n", [1, 2, 3, 40, 64, 150])
@pytest.mark.parametrize("decades", [1.0, 12.0])
@pytest.mark.parametrize("penalty", [1e-14, 1e-6, 1.0, 1e6])
def test_damped_least_squares_equals_singular_values(way, n, decades, penalty):
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


def test_matrix_of_zeros_leaves_the_target(way):
    found = DampedProblem(np.zeros((3, 3), order="F"), np.ones(3)).solve(0.5)
    assert found.residual == found.objective == pytest.approx(3.0)
    assert found.effective_parameters == pytest.approx(0.0, abs=1e-15)


def test_no_column_is_no_problem(way):
    problem = DampedProblem(np.zeros((0, 0)), np.zeros(0))
    assert len(problem.coefficients(problem.solve(1.0))) == 0


def test_bits_do_not_depend_on_the_layout_of_the_matrix(way):
    X, y = matrix(30, 5.0)
    one, other = DampedProblem(X.copy(order="F"), y), DampedProblem(X.copy(order="C"), y)
    assert (one.diagonal == other.diagonal).all()
    assert (one.coefficients(one.solve(1e-3)) == other.coefficients(other.solve(1e-3))).all()


@pytest.mark.parametrize("n", [2, 63, 65, 130, 257])
@pytest.mark.parametrize("reduction", [LapackReduction, BandReduction])
def test_a_reduction_turns_the_matrix(reduction, n):
    X, y = matrix(n, 1.0)
    X[:, n // 2] = 0.0
    found = reduction(X.copy(order="F"), y.copy())
    # elements of B are not compared: rounding decides them from the hundredth on
    B = np.diag(found.diagonal) + np.diag(found.above, 1)
    sizes = np.linalg.svd(B, compute_uv=False)
    np.testing.assert_allclose(sizes, np.linalg.svd(X, compute_uv=False), rtol=0.0, atol=1e-14)
    z = np.random.default_rng(5).normal(size=n)
    turned = z.copy()
    found.multiply_by_p(turned)
    assert np.linalg.norm(turned) == pytest.approx(np.linalg.norm(z), rel=1e-13)
    assert np.linalg.norm(X @ turned) == pytest.approx(np.linalg.norm(B @ z), rel=1e-13)
    assert y @ X @ turned == pytest.approx(found.target @ B @ z, rel=1e-10, abs=1e-12)


def test_threads_do_not_change_a_bit_of_the_bidiagonal_form(monkeypatch):
    monkeypatch.setattr(band_reduction, "_WIDE", 50)  # several blocks per step
    X, y = matrix(300, 3.0)
    one, more = (BandReduction(X.copy(order="F"), y, threads) for threads in (1, 3))
    assert (one.diagonal == more.diagonal).all()
    assert (one.above == more.above).all()
    assert (one.target == more.target).all()
