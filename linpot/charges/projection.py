"""Charges that sum to what they must."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def project(charges: Floats, shares: Floats, total: float) -> Floats:
    """
    Return charges corrected so that they have a given sum.

    ``q_i = p_i + s_i (Q - sum p)`` with shares s that sum to 1. Where the p are independent
    estimates with variances proportional to s, this is the most probable q.

    Parameters
    ----------
    charges : float64[n_atoms] or float64[n_atoms, m], e
        p; several sets side by side have one total.
    shares : float64[n_atoms]
    total : float, e
        Q.

    Returns
    -------
    float64, shape of `charges`
    """
    excess = charges.sum(axis=0) - total
    projected = charges - np.multiply.outer(shares, excess)
    # once more: what rounding has left
    return projected - np.multiply.outer(shares, projected.sum(axis=0) - total)


def pull_back_projection(adjoint: Floats, shares: Floats) -> Floats:
    """
    Return dE/dp from dE/dq of projected charges: ``a_i - sum_j s_j a_j``.

    Parameters
    ----------
    adjoint : float64[n_atoms] or float64[n_atoms, m]
    shares : float64[n_atoms]

    Returns
    -------
    float64, shape of `adjoint`
    """
    return adjoint - shares @ adjoint
