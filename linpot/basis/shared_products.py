"""Monomials of nodes as products of two, with shared inner products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

WIDEST = 5
"""Factors of the widest inner product: monomials have up to twice as many."""


class SharedProducts:
    """
    Shares the inner products of monomials: of two nodes, of three, and so on.

    A monomial of nodes a <= b <= .. becomes a*1, a*b, (ab)*c, (ab)*(cd), (abc)*(de), (abc)*(def)
    and so on; abc is (ab)*c, abcd is (ab)*(cd), abcde is (abc)*(de).

    Parameters
    ----------
    first_node : int
        Node of the first product.
    monomials : list of int64[n_monomials, n_factors]
        Rows ascend; up to ``2 * WIDEST`` factors.

    Attributes
    ----------
    first_node : int
    terms : int64[n_terms, 2]
        Factors of each product node.
    leaves : list of int64[n_monomials, 2]
        The two nodes whose product is the monomial.
    """

    def __init__(self, first_node: int, monomials: list[Ints]) -> None:
        self.first_node = first_node
        halves = [_halves(m) for m in monomials]
        tables: dict[int, Ints] = {}
        for width in range(WIDEST, 1, -1):
            parts = [h for both in halves for h in both if h.shape[1] == width]
            for wider in range(width + 1, WIDEST + 1):
                parts += [h for h in _halves(tables[wider]) if h.shape[1] == width]
            tables[width] = _unique_rows(parts, width)
        first, firsts = first_node, {}
        for width in range(2, WIDEST + 1):
            firsts[width] = first
            first += len(tables[width])

        def node(half: Ints) -> Ints:
            width = half.shape[1]
            if width == 0:
                return np.zeros(len(half), dtype=np.int64)
            if width == 1:
                return half[:, 0]
            return firsts[width] + _find(tables[width], half)

        def nodes(both: tuple[Ints, Ints]) -> Ints:
            return np.stack([node(half) for half in both], axis=1)

        self.terms = np.concatenate([nodes(_halves(tables[w])) for w in range(2, WIDEST + 1)])
        self.leaves = [nodes(both) for both in halves]


def _halves(monomials: Ints) -> tuple[Ints, Ints]:
    cut = (monomials.shape[1] + 1) // 2
    return monomials[:, :cut], monomials[:, cut:]


def _unique_rows(parts: list[Ints], width: int) -> Ints:
    if not parts:
        return np.zeros((0, width), dtype=np.int64)
    return np.unique(np.concatenate(parts), axis=0)


def _find(table: Ints, rows: Ints) -> Ints:
    """Return the index of each row in a table of sorted unique rows."""
    if len(rows) == 0:
        return np.zeros(0, dtype=np.int64)
    order = np.lexsort(np.concatenate([table, rows]).T[::-1])
    is_table = order < len(table)
    index = np.empty(len(table) + len(rows), dtype=np.int64)
    index[order] = np.cumsum(is_table) - 1  # equal rows: that of the table comes first
    return index[len(table) :]
