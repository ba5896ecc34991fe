"""
Reduction to bidiagonal form in two stages: to a band by products of matrices, then by bulges.

One stage (LAPACK's `dgebrd`) reads what is left of the matrix twice for every column, so a large
one waits for memory half of the time. To a band only panels are read so often; what follows from it
costs ``8 n^2 width``, in numba.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from linpot.fitting.fortran_calls import add_product, call, leading
from linpot.kernels.bulge_chasing import chase_bulges, multiply_by_p
from linpot.parallel import one_blas_thread, run_tasks

Floats = NDArray[np.float64]
_WIDTH = 64  # of the band: what products need to be fast, and bulges to be cheap
_WIDE = 512  # columns or rows to which a thread applies reflections at once


class BandReduction:
    """
    ``X = Q B P^T`` with B upper bidiagonal.

    Parameters
    ----------
    X : float64[n, n], Fortran order
        Becomes the reflections that P is made of: those of the first stage above its diagonal,
        those of the second below.
    y : float64[n]
    threads : int
        The same bits for any number of them.

    Attributes
    ----------
    diagonal, above, target : float64[n], float64[n - 1], float64[n]
        B and ``Q^T y``.

    References
    ----------
    Grosser and Lang, Parallel Comput. 25, 969 (1999) (reduction to a band).
    """

    def __init__(self, X: Floats, y: Floats, threads: int = 1) -> None:
        n = len(X)
        self._matrix, self._threads = X, threads
        self._right: list[tuple[int, Floats]] = []  # where reflections start, their T
        band = np.zeros((n + 2 * _WIDTH, 3 * _WIDTH + 1))
        target = np.zeros(n + 2 * _WIDTH)
        target[:n] = y
        with one_blas_thread():  # in each of our threads
            for first in range(0, n, _WIDTH):
                self._left_step(first, band, target[:n])
                self._right_step(first, band)
        chase_bulges(band, n, _WIDTH, target, X, np.zeros(_WIDTH), np.zeros(2 * _WIDTH))
        self.diagonal = band[:n, _WIDTH].copy()
        self.above = band[: max(n - 1, 0), _WIDTH + 1].copy()
        self.target = target[:n].copy()

    def multiply_by_p(self, vector: Floats) -> None:
        """Multiply a vector by P, in place."""
        n = len(vector)
        multiply_by_p(self._matrix, n, _WIDTH, vector)
        with one_blas_thread():
            for start, t in reversed(self._right):
                v = self._matrix[start - _WIDTH : start - _WIDTH + len(t), start:]
                vector[start:] -= v.T @ (t @ (v @ vector[start:]))

    def _left_step(self, first: int, band: Floats, target: Floats) -> None:
        """Make the next columns triangular."""
        end = min(first + _WIDTH, len(target))
        v, t, triangle = _reflections(self._matrix[first:, first:end])
        _into_band(band, first, first, triangle)
        target[first:] -= v @ (t.T @ (v.T @ target[first:]))
        rest = self._matrix[first:, end:]

        def block(start: int) -> None:
            part = rest[:, start : start + _WIDE]
            step = np.zeros((len(t), part.shape[1]), order="F")
            add_product(step, 1.0, v, part, transposed=True)
            add_product(part, -1.0, v, np.asfortranarray(t.T @ step), transposed=False)

        self._run(block, rest.shape[1])

    def _right_step(self, first: int, band: Floats) -> None:
        """Make the rows of those columns end with a triangle behind them."""
        n = len(self._matrix)
        end = min(first + _WIDTH, n)
        if end == n:
            return
        v, t, triangle = _reflections(self._matrix[first:end, end:].T)
        _into_band(band, first, end, triangle.T)
        transposed = np.asfortranarray(v.T)
        self._matrix[first : first + len(t), end:] = transposed
        self._right.append((end, t))
        rest = self._matrix[end:, end:]

        def block(start: int) -> None:
            part = rest[start : start + _WIDE]
            step = np.zeros((len(part), len(t)), order="F")
            add_product(step, 1.0, part, v, transposed=False)
            add_product(part, -1.0, np.asfortranarray(step @ t), transposed, transposed=False)

        self._run(block, len(rest))

    def _run(self, block: Callable[[int], None], size: int) -> None:
        run_tasks(block, range(0, size, _WIDE), self._threads)


def _reflections(columns: Floats) -> tuple[Floats, Floats, Floats]:
    """
    Make columns triangular by ``Q = 1 - V T V^T``.

    Returns
    -------
    v : float64[m, k], Fortran order
    t : float64[k, k]
    triangle : float64[k, n]
        ``Q^T`` times the columns.
    """
    v, tau, _, info = lapack.dgeqrf(columns)
    if info != 0:
        raise ArithmeticError(f"LAPACK dgeqrf failed with info = {info}")
    k = len(tau)
    triangle = np.triu(v[:k])
    v = np.asfortranarray(v[:, :k])
    v[:k] = np.tril(v[:k], -1)
    np.fill_diagonal(v, 1.0)
    t = np.zeros((k, k), order="F")
    call("dlarft", b"F", b"C", len(v), k, v, leading(v), tau, t, leading(t))
    return v, t, triangle


def _into_band(band: Floats, row: int, column: int, block: Floats) -> None:
    """Copy a block of the matrix into the rows of the band, which are zero where the block is."""
    for k, values in enumerate(block):
        places = np.arange(len(values)) + column - (row + k) + _WIDTH
        inside = values != 0.0
        band[row + k, places[inside]] = values[inside]
