"""Monomials from products of two nodes."""

from __future__ import annotations

import numpy as np
import pytest

from linpot.basis.shared_products import WIDEST, SharedProducts

N_NODES = 9


def monomials_of(n_factors: int, n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(n_factors)
    return np.sort(rng.integers(1, N_NODES, size=(n, n_factors)), axis=1)


@pytest.mark.parametrize("n_factors", range(1, 2 * WIDEST + 1))
def test_leaves_multiply_the_factors_of_monomials(n_factors):
    monomials = [monomials_of(n_factors), monomials_of(2)]
    products = SharedProducts(N_NODES, monomials)
    values = np.random.default_rng(0).uniform(0.5, 1.5, size=N_NODES + len(products.terms))
    values[0] = 1.0
    for k, (left, right) in enumerate(products.terms):
        assert max(left, right) < N_NODES + k  # complete before it is used
        values[N_NODES + k] = values[left] * values[right]
    for rows, leaves in zip(monomials, products.leaves, strict=True):
        expected = values[rows].prod(axis=1)
        assert np.abs(values[leaves].prod(axis=1) / expected - 1.0).max() < 1e-14


def test_inner_products_are_shared():
    rows = np.array([[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 4, 5]])
    products = SharedProducts(8, [rows, np.array([[1, 2, 3], [3, 4, 7]])])
    assert products.terms.tolist() == [[1, 2], [3, 4], [3, 5], [4, 5]]
    assert products.leaves[0].tolist() == [[8, 9], [8, 10], [8, 11]]
    assert products.leaves[1].tolist() == [[8, 3], [9, 7]]


def test_nothing_makes_nothing():
    products = SharedProducts(1, [])
    assert products.terms.shape == (0, 2)
    assert products.leaves == []
