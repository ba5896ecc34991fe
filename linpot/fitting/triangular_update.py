"""
Rows into a triangular factor, by Householder reflections whose work is in large matrix products.

LAPACK's `dtpqrt` reads all columns to the right once per block of columns, so wide factors wait for
memory with its narrow blocks. Here it factors panels only, and one product of matrices applies all
reflections of a panel to what lies to the right of it, on threads, in blocks of columns that do not
depend on their number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from linpot.fitting.fortran_calls import add_product, call, leading
from linpot.parallel import one_blas_thread, run_tasks

Floats = NDArray[np.float64]
_BLOCK = 32  # columns per Householder block within a panel; 16 to 64 measured alike
_PANEL = 128  # columns per panel; 256 and 512 measured slower
_NARROW = 512  # columns up to which LAPACK alone is as fast
_WIDE = 512  # columns to which a thread applies the reflections of a panel at once


def update_factor(factor: Floats, rows: Floats, threads: int = 1) -> Floats:
    """
    Return the triangular factor of ``[factor; rows]``.

    Parameters
    ----------
    factor : float64[n, n]
        Upper triangular, Fortran order; overwritten.
    rows : float64[m, n]
        Overwritten. Zeros below the diagonal of a square one are made use of.
    threads : int
        The same bits for any number of them.

    Returns
    -------
    float64[n, n]
        What lies below its diagonal has no meaning.

    References
    ----------
    Demmel et al., SIAM J. Sci. Comput. 34, A206 (2012) (TSQR); LAPACK dtpqrt.
    """
    n = factor.shape[1]
    # a triangle on a triangle takes less than half the work of rows on a triangle
    trapezoid = n if rows.shape == (n, n) and _is_triangular(rows) else 0
    factor, rows = np.asfortranarray(factor), np.asfortranarray(rows)
    # one BLAS thread in each of ours: the same bits on any number of cores
    with one_blas_thread():
        if trapezoid or n <= _NARROW or not len(rows):
            return _reflect(factor, rows, trapezoid)[0]
        for start in range(0, n, _PANEL):
            end = min(start + _PANEL, n)
            panel = rows[:, start:end]
            corner = factor[start:end, start:end].copy(order="F")
            factor[start:end, start:end], sizes = _reflect(corner, panel, 0)
            if end < n:
                _apply(panel, sizes, factor[start:end, end:], rows[:, end:], threads)
    return factor


def _reflect(factor: Floats, rows: Floats, trapezoid: int) -> tuple[Floats, Floats]:
    """Return the factor of both and the sizes of the reflections, which the rows become."""
    block, n = min(_BLOCK, len(factor)), len(factor)
    updated, _, blocks, info = lapack.dtpqrt(
        trapezoid, block, factor, rows, overwrite_a=1, overwrite_b=1
    )
    if info != 0:
        raise ArithmeticError(f"LAPACK dtpqrt failed with info = {info}")
    return updated, blocks[np.arange(n) % block, np.arange(n)]


def _apply(panel: Floats, sizes: Floats, above: Floats, below: Floats, threads: int) -> None:
    """
    Apply the reflections of a panel to the columns on its right, in place.

    Parameters
    ----------
    panel : float64[m, b], Fortran order
        V of ``Q = 1 - [1; V] T [1; V]^T``.
    sizes : float64[b]
        Diagonal of T.
    above : float64[b, k]
        Rows of the factor.
    below : float64[m, k], Fortran order
    threads : int

    References
    ----------
    Puglisi, SIAM J. Sci. Stat. Comput. 13, 723 (1992) (T from products of V).
    """
    # T^-1 + T^-T = 1 + V^T V, and T is upper triangular
    inverse = blas.dsyrk(1.0, panel, trans=1)
    np.fill_diagonal(inverse, 0.5 * (1.0 + inverse.diagonal()))
    void = np.flatnonzero(sizes == 0.0)  # columns of zeros are not reflected

    def block(first: int) -> None:
        upper, lower = above[:, first : first + _WIDE], below[:, first : first + _WIDE]
        step = upper.copy(order="F")
        add_product(step, 1.0, panel, lower, transposed=True)
        step[void] = 0.0
        b, k = step.shape
        call("dtrsm", *(b"L", b"U", b"T", b"N"), b, k, 1.0, inverse, leading(inverse), step, b)
        upper -= step
        add_product(lower, -1.0, panel, step, transposed=False)

    run_tasks(block, range(0, below.shape[1], _WIDE), threads)


def _is_triangular(rows: Floats) -> bool:
    return not any(rows[k:, k - _BLOCK : k].any() for k in range(_BLOCK, len(rows), _BLOCK)) and (
        not any(
            np.tril(rows[k : k + _BLOCK, k : k + _BLOCK], -1).any()
            for k in range(0, len(rows), _BLOCK)
        )
    )
