"""
Reduction to bidiagonal form: what ridge needs of a matrix for all penalties, in its own memory.

``X = Q B P^T`` with B upper bidiagonal takes a tenth of the work of singular vectors and no second
matrix. After it every penalty costs of the order of n (`solve_damped`).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.fitting.band_reduction import BandReduction
from linpot.fitting.fortran_calls import call
from linpot.kernels.damped_bidiagonal import solve_damped
from linpot.parallel import one_blas_thread

Floats = NDArray[np.float64]
_NARROW = 1300  # columns up to which LAPACK is as fast as two stages


@dataclass(frozen=True)
class Damped:
    """
    A solution in the basis of P.

    Attributes
    ----------
    solution : float64[n]
    objective : float
        ``|X c - y|^2 + penalty |c|^2``.
    residual : float
        ``|X c - y|^2``.
    effective_parameters : float
        Trace of the hat matrix.
    log_determinant : float
        Of ``1 + X^T X / penalty``.
    """

    solution: Floats
    objective: float
    residual: float
    effective_parameters: float
    log_determinant: float


class DampedProblem:
    """
    ``|X c - y|^2 + penalty |c|^2`` for any penalty.

    Parameters
    ----------
    X : float64[n, n]
        Overwritten if it is in Fortran order.
    y : float64[n]
    threads : int
        The same bits for any number of them.

    Attributes
    ----------
    diagonal, above, target : float64[n], float64[n - 1], float64[n]
        B and ``Q^T y``.

    References
    ----------
    Elden, BIT 17, 134 (1977); Bjorck, Numerical Methods for Least Squares Problems (1996), 5.3.
    """

    def __init__(self, X: Floats, y: Floats, threads: int = 1) -> None:
        X, y = np.asfortranarray(X), np.array(y, dtype=float)
        self._reduction = (
            LapackReduction(X, y) if len(X) <= _NARROW else BandReduction(X, y, threads)
        )
        self.diagonal, self.above = self._reduction.diagonal, self._reduction.above
        self.target = self._reduction.target

    def solve(self, penalty: float) -> Damped:
        """Return the solution for a positive penalty."""
        n = len(self.diagonal)
        root, above, solution = np.zeros(n), np.zeros(n), np.zeros(n)
        objective, residual, trace = solve_damped(
            self.diagonal, self.above, self.target, float(penalty), root, above, solution
        )
        return Damped(
            solution,
            float(objective),
            float(residual),
            n - penalty * float(trace),
            2.0 * float(np.log(root).sum()) - n * float(np.log(penalty)),
        )

    def coefficients(self, damped: Damped) -> Floats:
        """Return c of a solution."""
        coefficients = damped.solution.copy()
        self._reduction.multiply_by_p(coefficients)
        return coefficients


class LapackReduction:
    """
    ``X = Q B P^T`` by LAPACK; see `BandReduction`, which is faster for large matrices.

    Parameters
    ----------
    X : float64[n, n], Fortran order
        Overwritten.
    y : float64[n]
        Becomes `target`.
    """

    def __init__(self, X: Floats, y: Floats) -> None:
        n = len(X)
        self._reflectors, self.target = X, y
        self.diagonal, self.above = np.zeros(n), np.zeros(max(n - 1, 0))
        left, self._right = np.zeros(n), np.zeros(n)
        if n:
            # one BLAS thread: the same bits on any number of cores
            with one_blas_thread():
                spectrum = (self.diagonal, self.above, left, self._right)
                _call("dgebrd", n, n, self._reflectors, n, *spectrum)
                _apply(b"Q", b"T", self._reflectors, left, self.target)

    def multiply_by_p(self, vector: Floats) -> None:
        """Multiply a vector by P, in place."""
        if len(vector):
            with one_blas_thread():
                _apply(b"P", b"N", self._reflectors, self._right, vector)


def _apply(which: bytes, transposed: bytes, reflectors: Floats, tau: Floats, c: Floats) -> None:
    """Multiply a vector, in place, by Q or P from the left."""
    n = len(c)
    _call("dormbr", which, b"L", transposed, n, 1, n, reflectors, n, tau, c, n)


def _call(name: str, *arguments: Any) -> None:
    """Call a routine of LAPACK that scipy has no wrapper for, with the work space it asks for."""
    work, n_work, info = np.zeros(1), ctypes.c_int(-1), ctypes.c_int(0)
    for _ in range(2):  # the first call asks for the size
        call(name, *arguments, work, n_work, info)
        if info.value != 0:
            raise ArithmeticError(f"LAPACK {name} failed with info = {info.value}")
        if n_work.value == -1:
            n_work = ctypes.c_int(int(work[0]))
            work = np.zeros(n_work.value)
