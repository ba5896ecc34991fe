"""Triangular factors keep all that least squares needs, at the conditioning of the rows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from linpot.errors import InputError
from linpot.fitting import triangular_update
from linpot.fitting.factors import FactorSet, TriangularFactor, combine, factor_bytes
from linpot.fitting.ridge import Ridge
from linpot.fitting.triangular_update import update_factor


def problem(n_rows: int, n_features: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Columns of very different size, as design matrices have them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) * 10.0 ** rng.uniform(-3, 3, n_features)
    return X, rng.normal(size=n_rows)


def assert_same_gram(factor: np.ndarray, X: np.ndarray, y: np.ndarray) -> None:
    """``R^T R = [X y]^T [X y]`` relative to the lengths of the columns."""
    rows = np.column_stack([X, y])
    lengths = np.linalg.norm(rows, axis=0)
    error = np.abs(factor.T @ factor - rows.T @ rows)
    assert (error <= 1e-12 * np.outer(lengths, lengths)).all()


@given(
    st.integers(1, 12),
    st.lists(st.integers(0, 17), min_size=1, max_size=8),
    st.integers(0, 100),
)
@settings(max_examples=80, deadline=None)
def test_factor_has_the_gram_matrix_of_all_rows_for_any_split(n_features, sizes, seed):
    X, y = problem(sum(sizes), n_features, seed)
    factor = TriangularFactor(n_features + 1)
    start = 0
    for size in sizes:
        factor.add(X[start : start + size], y[start : start + size])
        start += size
    rows = factor.rows()
    assert factor.n_rows == sum(sizes)
    assert len(rows) <= max(n_features + 1, 1)
    assert_same_gram(rows, X, y)
    assert_same_gram(combine([(1.0, rows)], n_features + 1), X, y)


def test_factor_is_upper_triangular():
    X, y = problem(50, 6)
    factor = TriangularFactor(7)
    factor.add(X, y)
    assert np.array_equal(factor.rows(), np.triu(factor.rows()))
    assert factor.rows().shape == (7, 7)


def test_fewer_rows_than_columns_are_kept_as_they_are():
    X, y = problem(3, 6)
    factor = TriangularFactor(7)
    factor.add(X, y)
    assert np.array_equal(factor.rows(), np.column_stack([X, y]))


def test_rows_can_be_added_after_the_factor_was_read():
    X, y = problem(60, 6)
    factor = TriangularFactor(7)
    factor.add(X[:25], y[:25])
    factor.rows()
    factor.add(X[25:], y[25:])
    assert_same_gram(factor.rows(), X, y)


def test_rows_given_are_not_modified():
    X, y = problem(30, 4)
    X_before, y_before = X.copy(), y.copy()
    factors = FactorSet(5)
    factors.add("all", X, y)
    factors.combined(lambda _: 2.0)
    assert np.array_equal(X, X_before)
    assert np.array_equal(y, y_before)


def test_batches_of_one_row_equal_one_batch():
    X, y = problem(40, 5)
    factor = np.zeros((6, 6), order="F")
    for row, target in zip(X, y, strict=True):
        factor = update_factor(factor, np.append(row, target)[None])
    assert_same_gram(np.triu(factor), X, y)


@pytest.mark.parametrize("n_rows", [1, 100, 700])
def test_wide_rows_are_taken_in_panels(n_rows):
    X, y = problem(n_rows, 599)
    X[:, [0, 5, 140, 141, 598]] = 0.0  # species that are not there
    X[:, 7] = X[:, 6]
    factor = np.zeros((600, 600), order="F")
    for part in np.array_split(np.column_stack([X, y]), 3):  # may be empty
        factor = update_factor(factor, np.asfortranarray(part))
    assert_same_gram(np.triu(factor), X, y)


def test_threads_do_not_change_a_bit_of_a_factor(monkeypatch):
    monkeypatch.setattr(triangular_update, "_WIDE", 100)  # several blocks per panel
    X, y = problem(900, 599)
    found = []
    for threads in (1, 2, 5):
        factors = FactorSet(600, threads)
        factors.add("all", X, y)
        found.append(factors.combined(lambda _: 0.5)[0])
    assert_same_gram(found[0], 0.5 * X, 0.5 * y)
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_residual_squares_equal_those_of_the_rows():
    factors = FactorSet(6)
    rng = np.random.default_rng(1)
    for key, n_rows in (("few", 2), ("many", 200)):
        X, y = problem(n_rows, 5, seed=n_rows)
        factors.add(key, X[: n_rows // 2], y[: n_rows // 2])
        factors.add(key, X[n_rows // 2 :], y[n_rows // 2 :])
        coefficients = rng.normal(size=5)
        expected = ((X @ coefficients - y) ** 2).sum()
        assert factors.residual_squares(key, coefficients) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n_rows", "forgotten"), [(60, 7), (60, 30), (4, 2), (2000, 40)])
def test_removed_rows_equal_rows_never_seen(n_rows, forgotten):
    X, y = problem(n_rows, 6)
    factor = TriangularFactor(7)
    factor.add(X, y)
    factor.remove(X[:forgotten], y[:forgotten])
    assert factor.n_rows == n_rows - forgotten
    assert_same_gram(factor.rows(), X[forgotten:], y[forgotten:])


def test_removed_rows_can_be_among_dependent_and_empty_columns():
    X, y = problem(60, 6)
    X[:, 2], X[:, 4] = X[:, 1] * 0.3, 0.0
    factor = TriangularFactor(7)
    factor.add(X, y)
    factor.remove(X[10:20], y[10:20])
    left = np.delete(np.arange(60), np.arange(10, 20))
    assert_same_gram(factor.rows(), X[left], y[left])


def test_removing_what_others_do_not_determine_is_refused():
    X, y = problem(40, 5)
    X[1:, 3] = 0.0
    factor = TriangularFactor(6)
    factor.add(X, y)
    before = factor.rows()
    with pytest.raises(InputError, match="rows to forget must leave what they determine to others"):
        factor.remove(X[:1], y[:1])
    assert np.array_equal(factor.rows(), before)
    assert factor.n_rows == 40


def test_removing_rows_never_added_is_refused():
    X, y = problem(4, 5)
    factor = TriangularFactor(6)
    factor.add(X, y)
    with pytest.raises(InputError, match="must have been added before"):
        factor.remove(X[:1] + 1.0, y[:1])


def test_copy_of_a_factor_changes_by_itself():
    X, y = problem(40, 5)
    factor = TriangularFactor(6)
    factor.add(X[:30], y[:30])
    before = factor.rows()
    factor.copy().add(X[30:], y[30:])
    assert np.array_equal(factor.rows(), before)


def test_weight_two_equals_row_twice():
    """Weights multiply residuals, so the weight of a doubled row is the root of two."""
    X, y = problem(30, 5)
    weighted, doubled = FactorSet(6), FactorSet(6)
    for factors in (weighted, doubled):
        factors.add("a", X[:20], y[:20])
        factors.add("b", X[20:], y[20:])
    doubled.add("b", X[20:], y[20:])
    first, n_first = weighted.combined({"a": 1.0, "b": np.sqrt(2.0)})
    second, n_second = doubled.combined({"a": 1.0, "b": 1.0})
    assert np.allclose(first.T @ first, second.T @ second, rtol=1e-12)
    assert (n_first, n_second) == (30, 40)


def test_weight_zero_leaves_a_key_out():
    X, y = problem(30, 5)
    factors = FactorSet(6)
    factors.add("a", X[:20], y[:20])
    factors.add("b", X[20:], y[20:])
    factor, n_rows = factors.combined(lambda key: float(key == "a"))
    assert n_rows == 20
    assert_same_gram(factor, X[:20], y[:20])


def test_factors_do_not_depend_on_the_number_of_blas_threads():
    X, y = problem(400, 40)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            factor = TriangularFactor(41)
            factor.add(X, y)
            found.append(factor.rows())
    assert np.array_equal(*found)


def test_factors_reach_the_residual_that_normal_equations_miss():
    """Condition 1e10: its square exceeds 1 / eps."""
    rng = np.random.default_rng(2)
    n_rows, n_features = 400, 30
    u, _ = np.linalg.qr(rng.normal(size=(n_rows, n_features)))
    v, _ = np.linalg.qr(rng.normal(size=(n_features, n_features)))
    X = u * np.logspace(0, -10, n_features) @ v.T
    y = X @ (v @ np.logspace(0, 6, n_features)) + 1e-7 * rng.normal(size=n_rows)
    factors = FactorSet(n_features + 1)
    for start in range(0, n_rows, 23):
        factors.add("all", X[start : start + 23], y[start : start + 23])
    found = Ridge(penalty=0.0).fit_factor(*factors.combined(lambda _: 1.0)).coef_
    best = scipy.linalg.lstsq(X, y)[0]
    normal = np.linalg.solve(X.T @ X + 1e-16 * np.eye(n_features), X.T @ y)

    def residual(coefficients: np.ndarray) -> float:
        return float(np.linalg.norm(X @ coefficients - y))

    assert residual(found) == pytest.approx(residual(best), rel=1e-3)
    assert residual(normal) > 3.0 * residual(best)


def test_factors_reach_scipys_residual_where_normal_equations_visibly_fail():
    """Noise is large here, so that the excess of a residual is what a solver lost of the fit."""
    rng = np.random.default_rng(3)
    n_rows, n_features = 200, 30
    u, _ = np.linalg.qr(rng.normal(size=(n_rows, n_features)))
    v, _ = np.linalg.qr(rng.normal(size=(n_features, n_features)))
    X, y = u * np.logspace(0, -8, n_features) @ v.T, rng.normal(size=n_rows)
    factors = FactorSet(n_features + 1)
    factors.add("all", X, y)
    found = Ridge(penalty=0.0).fit_factor(*factors.combined(lambda _: 1.0)).coef_
    normal = scipy.linalg.lstsq(X.T @ X, X.T @ y)[0]
    best = np.linalg.norm(X @ scipy.linalg.lstsq(X, y)[0] - y)
    assert np.linalg.norm(X @ found - y) == pytest.approx(best, rel=1e-10)
    assert np.linalg.norm(X @ normal - y) > 1.01 * best


def test_memory_is_announced_above_what_is_kept():
    assert factor_bytes(100, 3) >= 3 * 8 * 100 * 100


def test_shifted_target_is_that_of_rows_with_another_target():
    """Rows that wait and rows that are factorised alike."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 5)), rng.normal(size=40)
    shift = np.array([0.0, 2.0, -3.0, 0.0, 0.0])
    for n_rows in (3, 40):
        own, other = FactorSet(6), FactorSet(6)
        own.add("a", X[:n_rows], y[:n_rows])
        other.add("a", X[:n_rows], y[:n_rows] - X[:n_rows] @ shift)
        found = own.shifted(shift)["a"]
        assert found.n_rows == n_rows
        squares = [factor.rows().T @ factor.rows() for factor in (found, other["a"])]
        np.testing.assert_allclose(*squares, atol=1e-13)
