"""Matrices on the space of charges that sum to zero, by a reflection that takes (1, .. 1) away."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class NeutralSpace:
    """
    An orthonormal basis Z of the vectors that sum to zero.

    Z is all but the first column of the Householder reflection ``1 - b v v^T`` that takes
    ``(1, .. 1)`` to the first axis. Nothing is assumed about a matrix outside the space.

    Parameters
    ----------
    n : int
        Number of charges.
    """

    def __init__(self, n: int) -> None:
        self._v = np.ones(n)
        self._v[0] += np.sqrt(n)
        self._b = 2.0 / float(self._v @ self._v)

    def reduce(self, matrix: Floats) -> Floats:
        """Return ``Z^T A Z`` of a symmetric matrix: float64[n - 1, n - 1]."""
        v, b = self._v, self._b
        product = b * (matrix @ v)
        product -= (0.5 * b * float(v @ product)) * v
        reflected = matrix - np.outer(product, v)
        reflected -= np.outer(v, product)
        return reflected[1:, 1:]

    def coordinates(self, vectors: Floats) -> Floats:
        """Return ``Z^T x`` of float64[n] or of the columns of float64[n, m]."""
        return (vectors - np.multiply.outer(self._v, self._b * (self._v @ vectors)))[1:]

    def vectors(self, coordinates: Floats) -> Floats:
        """Return ``Z y``: of sum zero, float64[n] or float64[n, m]."""
        padded = np.concatenate([np.zeros((1, *coordinates.shape[1:])), coordinates])
        return padded - np.multiply.outer(self._v, self._b * (self._v @ padded))


class Response:
    """
    How charges follow what pulls at them: ``P = Z (Z^T H Z)^-1 Z^T``.

    Parameters
    ----------
    hessian : float64[n, n], V/e

    Raises
    ------
    numpy.linalg.LinAlgError
        If the Hessian is not positive definite on charges that sum to zero.
    """

    def __init__(self, hessian: Floats) -> None:
        self._space = NeutralSpace(len(hessian))
        self._reduced = self._space.reduce(hessian)
        self._factor: tuple[Floats, bool] | None = None
        if len(self._reduced):
            self._factor = scipy.linalg.cho_factor(self._reduced, lower=True, check_finite=False)

    def __call__(self, pulls: Floats) -> Floats:
        """Return ``P x`` of float64[n] or of the columns of float64[n, m], V; e."""
        if self._factor is None:
            return np.zeros_like(pulls)
        right = self._space.coordinates(pulls)
        return self._space.vectors(scipy.linalg.cho_solve(self._factor, right, check_finite=False))

    def smallest_curvature(self) -> float:
        """Return the smallest eigenvalue of the Hessian on the space, V/e; inf for one atom."""
        if self._factor is None:
            return float(np.inf)
        return float(scipy.linalg.eigh(self._reduced, eigvals_only=True, subset_by_index=[0, 0])[0])


def softened(hessian: Floats, least: float) -> Floats:
    """
    Return a Hessian whose curvatures on the neutral space are at least `least` in size, positive.

    Parameters
    ----------
    hessian : float64[n, n], V/e
    least : float, V/e

    Returns
    -------
    float64[n, n], V/e
    """
    space = NeutralSpace(len(hessian))
    values, vectors = np.linalg.eigh(space.reduce(hessian))
    full = space.vectors(vectors)
    mended = (full * np.maximum(np.abs(values), least)) @ full.T
    return mended + 1.0 / len(hessian)
