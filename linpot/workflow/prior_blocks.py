"""The prior as keys of factors: rows that say zero, one key per body order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.fitting.priors import SmoothnessPrior, body_orders
from linpot.workflow.keys import EVERY_FOLD, Key, n_columns_of

Floats = NDArray[np.float64]


def prior_key(order: int) -> Key:
    """Return the key of the prior of one body order."""
    return (None, f"prior {order}", EVERY_FOLD)


def prior_rows(basis: Basis, shape: SmoothnessPrior) -> dict[Key, Floats]:
    """
    Return rows ``[1/scale 0]`` of every body order.

    Parameters
    ----------
    basis : Basis
    shape : SmoothnessPrior
        Its strengths belong into the weights of the keys; here they are to be 1.
    """
    orders, scales = body_orders(basis), shape.scales(basis)
    rows = {}
    for order in np.unique(orders).tolist():
        own = np.flatnonzero(orders == order)
        block = np.zeros((len(own), n_columns_of(basis)))
        block[np.arange(len(own)), own] = 1.0 / scales[own]
        rows[prior_key(order)] = block
    return rows


def prior_weights(basis: Basis, prior: SmoothnessPrior, penalty: float) -> dict[Key, float]:
    """Return the weight of the squares of each body order's rows: ``penalty / strength^2``."""
    orders = np.unique(body_orders(basis)).tolist()
    strengths = prior.strengths(max(orders))
    return {prior_key(b): float(penalty / strengths[b - 2] ** 2) for b in orders}
