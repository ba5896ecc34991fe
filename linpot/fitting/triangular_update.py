"""
Rows into a triangular factor, by Householder reflections whose work is in large matrix products.

LAPACK's `dtpqrt` reads all columns to the right once per block of columns, so wide factors wait for
memory with its narrow blocks. Here it factors panels only, and one product of matrices applies all
reflections of a panel to what lies to the right of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from linpot.parallel import one_blas_thread

Floats = NDArray[np.float64]
_BLOCK = 32  # columns per Householder block within a panel; 16 to 64 measured alike
_PANEL = 128  # columns per panel; 256 and 512 measured slower
_NARROW = 512  # columns up to which LAPACK alone is as fast


def update_factor(factor: Floats, rows: Floats) -> Floats:
    """
    Return the triangular factor of ``[factor; rows]``.

    Parameters
    ----------
    factor : float64[n, n]
        Upper triangular, Fortran order; overwritten.
    rows : float64[m, n]
        Overwritten. Zeros below the diagonal of a square one are made use of.

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
    # one BLAS thread: the same bits on any number of cores, and no fight with row threads
    with one_blas_thread():
        if trapezoid or n <= _NARROW or not len(rows):
            return _reflect(factor, rows, trapezoid)[0]
        for start in range(0, n, _PANEL):
            end = min(start + _PANEL, n)
            panel = rows[:, start:end]
            corner = factor[start:end, start:end].copy(order="F")
            factor[start:end, start:end], sizes = _reflect(corner, panel, 0)
            if end < n:
                _apply(panel, sizes, factor[start:end, end:], rows[:, end:])
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


def _apply(panel: Floats, sizes: Floats, above: Floats, below: Floats) -> None:
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

    References
    ----------
    Puglisi, SIAM J. Sci. Stat. Comput. 13, 723 (1992) (T from products of V).
    """
    # T^-1 + T^-T = 1 + V^T V, and T is upper triangular
    inverse = blas.dsyrk(1.0, panel, trans=1)
    np.fill_diagonal(inverse, 0.5 * (1.0 + inverse.diagonal()))
    step = above.copy(order="F")
    step = blas.dgemm(1.0, panel, below, beta=1.0, c=step, trans_a=1, overwrite_c=1)
    step[sizes == 0.0] = 0.0  # columns of zeros are not reflected
    step = blas.dtrsm(1.0, inverse, step, trans_a=1, overwrite_b=1)
    above -= step
    changed = blas.dgemm(-1.0, panel, step, beta=1.0, c=below, overwrite_c=1)
    assert np.shares_memory(changed, below)


def _is_triangular(rows: Floats) -> bool:
    return not any(rows[k:, k - _BLOCK : k].any() for k in range(_BLOCK, len(rows), _BLOCK)) and (
        not any(
            np.tril(rows[k : k + _BLOCK, k : k + _BLOCK], -1).any()
            for k in range(0, len(rows), _BLOCK)
        )
    )
