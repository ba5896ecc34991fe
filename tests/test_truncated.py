"""Truncation: what the data do not determine is left out."""

from __future__ import annotations

import re

import numpy as np
import pytest
import scipy.linalg
from sklearn.utils.estimator_checks import check_estimator

from linpot.errors import InputError
from linpot.fitting.truncated import TruncatedLeastSquares


def problem(rank: int = 6, n_features: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Columns of which only some are independent, up to 1e-9."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, rank)) @ rng.normal(size=(rank, n_features))
    X += 1e-9 * rng.normal(size=X.shape)
    return X, rng.normal(size=60)


@pytest.mark.parametrize("method", ["svd", "qr"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_truncated_least_squares_obeys_the_estimator_contract(method):
    check_estimator(TruncatedLeastSquares(method))


@pytest.mark.parametrize("tolerance", [1e-6, 1e-12, 0.0])
def test_truncated_svd_equals_scipy(tolerance):
    X, y = problem()
    expected, _, rank, _ = scipy.linalg.lstsq(X, y, cond=max(tolerance, 1e-15))
    found = TruncatedLeastSquares("svd", tolerance).fit(X, y)
    assert found.rank_ == rank
    # rounding times the condition of what is kept: 1e9 without truncation
    assert np.allclose(found.coef_, expected, rtol=1e-9 if tolerance == 1e-6 else 1e-5)


def test_pivoted_qr_is_least_squares_of_the_columns_it_keeps():
    X, y = problem()
    found = TruncatedLeastSquares("qr", 1e-6).fit(X, y)
    assert found.rank_ == 6
    kept = np.sort(found.columns_)
    expected = np.linalg.lstsq(X[:, kept], y, rcond=None)[0]
    assert np.allclose(found.coef_[kept], expected, rtol=1e-10)
    assert not np.delete(found.coef_, kept).any()
    assert np.linalg.cond(X[:, kept]) < 1e3


@pytest.mark.parametrize("method", ["svd", "qr"])
def test_full_rank_is_plain_least_squares(method):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 5)), rng.normal(size=30)
    found = TruncatedLeastSquares(method).fit(X, y)
    assert found.rank_ == 5
    assert np.allclose(found.coef_, np.linalg.lstsq(X, y, rcond=None)[0], rtol=1e-10)


@pytest.mark.parametrize("method", ["svd", "qr"])
def test_weight_two_equals_row_twice(method):
    X, y = problem()
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = TruncatedLeastSquares(method, 1e-6).fit(X, y, weights.astype(float))
    repeated = TruncatedLeastSquares(method, 1e-6).fit(
        np.repeat(X, weights, axis=0), np.repeat(y, weights)
    )
    assert np.allclose(weighted.coef_, repeated.coef_, rtol=1e-8)


@pytest.mark.parametrize("method", ["svd", "qr"])
def test_rows_without_any_information_give_zero(method):
    found = TruncatedLeastSquares(method).fit(np.zeros((5, 3)), np.ones(5))
    assert found.rank_ == 0
    assert not found.coef_.any()


def test_invalid_settings_are_refused_with_their_values():
    X, y = problem()
    with pytest.raises(InputError, match=re.escape("`method` must be one of qr, svd, got 'lu'")):
        TruncatedLeastSquares("lu").fit(X, y)
    with pytest.raises(InputError, match="`tolerance` must be a non-negative number, got -1"):
        TruncatedLeastSquares(tolerance=-1.0).fit(X, y)
