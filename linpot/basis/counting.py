"""
How many invariants there are: an exact count that knows nothing of Clebsch-Gordan coefficients.

The number of rotation-invariant polynomials in a product of symmetric powers of irreducible
representations is the integral of its character over SO(3). In terms of the number N(M) of
product states with magnetic number M that integral is ``N(0) - N(1)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def symmetric_power_weights(l: int, power: int) -> tuple[int, ...]:
    """
    Count the states of the symmetric power of V_l for each magnetic number.

    Parameters
    ----------
    l : int
    power : int

    Returns
    -------
    tuple of int
        Entry M + l * power is the number of multisets of `power` values m in [-l, l] of sum M.
    """
    size = 2 * l * power + 1
    counts = np.zeros((power + 1, size), dtype=object)
    counts[0, 0] = 1
    for value in range(2 * l + 1):
        for taken in range(1, power + 1):
            shifted = np.zeros(size, dtype=object)
            shifted[value:] = counts[taken - 1, : size - value]
            counts[taken] = counts[taken] + shifted
    return tuple(int(c) for c in counts[power])


def count_invariants(ls: Sequence[int], classes: Sequence[int]) -> int:
    """
    Count the independent parity-even invariants of a block of channels.

    Parameters
    ----------
    ls : sequence of int
        Angular momentum of each factor.
    classes : sequence of int
        Factors with equal class are the same channel (same species, n and l).

    Returns
    -------
    int
        Dimension of the O(3)-invariant part of the product of symmetric powers.
    """
    if sum(ls) % 2:
        return 0
    return _count(tuple(sorted(Counter(zip(classes, ls, strict=True)).items())))


@cache
def _count(powers: tuple[tuple[tuple[int, int], int], ...]) -> int:
    weights: NDArray[np.object_] = np.array([1], dtype=object)
    for (_, l), power in powers:
        weights = np.convolve(weights, np.array(symmetric_power_weights(l, power), dtype=object))
    centre = len(weights) // 2
    above = weights[centre + 1] if centre + 1 < len(weights) else 0
    return int(weights[centre] - above)
