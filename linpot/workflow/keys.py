"""Keys of factors: which rows share a triangular factor, and what they weigh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.fitting.rows import RowBlock
from linpot.fitting.weights import Weights

Floats = NDArray[np.float64]
Key = tuple[str | None, str, int]
"""Group (None where the weights are in the rows), property, fold (0 without cross-validation)."""

EVERY_FOLD = -1


def n_columns_of(basis: Basis) -> int:
    """Return the columns of a factor: features, one-body energies, target."""
    return basis.n_features + len(basis.elements) + 1


def keyed(block: RowBlock, weights: Weights, *, merged: bool, fold: int) -> tuple[Key, Floats]:
    """Return the key of a block and its rows ``[X one_body y]``."""
    if merged:
        weight = weights.of(block.group, block.name)
        return (None, block.name, fold), block.rows * weight
    return (block.group, block.name, fold), block.rows


def weight_of(weights: Weights, key: Key) -> float:
    """Return the weight of the residuals of a key."""
    group, name, _ = key
    return 1.0 if group is None else weights.of(group, name)
