"""
Linear equality constraints on coefficients, by the null-space method.

``A c = b`` leaves ``c = c_b + Z u`` with c_b the shortest solution and the orthonormal columns of Z
spanning what A does not see. The factor of ``[X Z  y - X c_b]`` is a problem in u without
constraints, and ``|c|^2 = |c_b|^2 + |u|^2``, so that ridge stays ridge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr, solve_triangular

from linpot import checks
from linpot.errors import InputError
from linpot.fitting.factors import shift_target, triangular

Floats = NDArray[np.float64]
_DEPENDENT = 1e-12  # of the largest row: rounding of a Householder factorisation
_REPEATED = 1e-8  # of the largest row: what rounding of features makes of symmetry
_GAP = 1e-6  # of the labels


@dataclass(frozen=True, eq=False)
class LinearConstraints:
    """
    ``matrix c = values``.

    Attributes
    ----------
    matrix : float64[n_constraints, n_features]
        Rows must be linearly independent.
    values : float64[n_constraints]

    References
    ----------
    Golub and Van Loan, Matrix Computations, 4th ed., section 6.2.3 (null-space method).
    """

    matrix: Floats
    values: Floats

    @classmethod
    def checked(cls, matrix: ArrayLike, values: ArrayLike, n_features: int) -> LinearConstraints:
        """
        Make constraints from user input.

        Raises
        ------
        InputError
            If shapes do not fit, or the rows depend on each other.
        """
        rows = checks.finite_array("constraints[0]", matrix, [None, n_features])
        constraints = cls(rows, checks.finite_array("constraints[1]", values, [len(rows)]))
        if len(rows) > n_features or constraints._is_dependent:
            raise InputError(
                f"`constraints` must be linearly independent rows, got {len(rows)} that are not"
            )
        return constraints

    def around(self, mean: Floats) -> LinearConstraints:
        """Return the same constraints on ``c - mean``."""
        return LinearConstraints(self.matrix, self.values - self.matrix @ mean)

    def reduce(self, factor: Floats) -> Floats:
        """
        Return the factor of the problem in u.

        Parameters
        ----------
        factor : float64[n, n_features + 1]

        Returns
        -------
        float64[n_free + 1, n_free + 1]
            Upper triangular.
        """
        shifted = shift_target(factor, self._shortest)
        return triangular(np.column_stack([shifted[:, :-1] @ self._free, shifted[:, -1]]))

    def expand(self, free: Floats) -> Floats:
        """Return c from u: float64[n_features]."""
        return self._shortest + self._free @ free

    @cached_property
    def _factored(self) -> tuple[Floats, Floats]:
        q, r = np.linalg.qr(self.matrix.T, mode="complete")
        return q, r[: len(self.matrix)]

    @property
    def _is_dependent(self) -> bool:
        diagonal = np.abs(np.diagonal(self._factored[1]))
        return bool((diagonal <= _DEPENDENT * np.linalg.norm(self.matrix, axis=1)).any())

    @cached_property
    def _shortest(self) -> Floats:
        q, r = self._factored
        return np.asarray(q[:, : len(r)] @ solve_triangular(r, self.values, trans=1))

    @property
    def _free(self) -> Floats:
        return self._factored[0][:, len(self.matrix) :]


def independent_rows(matrix: Floats, values: Floats) -> tuple[Floats, Floats]:
    """
    Return constraints without those that repeat others or are empty.

    Parameters
    ----------
    matrix : float64[n_rows, n_features]
    values : float64[n_rows]

    Returns
    -------
    matrix : float64[n_constraints, n_features]
    values : float64[n_constraints]

    Raises
    ------
    InputError
        If those left out contradict those kept.
    """
    _, r, order = qr(matrix.T, mode="economic", pivoting=True)
    diagonal = np.abs(np.diagonal(r))
    kept = order[: np.count_nonzero(diagonal > _REPEATED * diagonal.max(initial=0.0))]
    solution, *_ = np.linalg.lstsq(matrix[kept], values[kept], rcond=None)
    gap = float(np.abs(matrix @ solution - values).max(initial=0.0))
    if gap > _GAP * max(1.0, float(np.abs(values).max(initial=0.0))):
        raise InputError(
            f"labels to be met exactly must not contradict each other, got a gap of {gap:.1e}"
        )
    return matrix[kept], values[kept]
