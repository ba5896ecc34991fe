"""
Invariant polynomials of a block of channels: generalised Clebsch-Gordan couplings.

All coupling trees of a block are built from real Clebsch-Gordan tensors, symmetrised over equal
channels, and reduced to as many orthonormal functions as the character integral counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from linpot.basis.clebsch_gordan import real_clebsch_gordan
from linpot.basis.counting import count_invariants

ZERO = 1e-12
"""Tensor entries below this are rounding: exact entries are square roots of rationals of modest
denominators, none of which comes near it for l <= 12."""


@dataclass(frozen=True)
class Coupling:
    """
    The invariants of one block.

    Attributes
    ----------
    monomials : int64[n_monomials, correlation_order]
        Component m + l of each factor; inside a class of equal channels in ascending order.
    coefficients : float64[n_functions, n_monomials]
        Orthonormal in the symmetrised tensor product, in which a monomial that stands for
        p permuted ones has norm 1/p.
    """

    monomials: NDArray[np.int64]
    coefficients: NDArray[np.float64]


@cache
def couple(ls: tuple[int, ...], classes: tuple[int, ...]) -> Coupling:
    """
    Couple the channels of a block to all their independent parity-even invariants.

    Parameters
    ----------
    ls : tuple of int
        Angular momentum of each factor.
    classes : tuple of int
        Equal numbers mark equal channels; equal channels are adjacent.

    Returns
    -------
    Coupling
        With ``count_invariants(ls, classes)`` functions.

    Raises
    ------
    ArithmeticError
        If the rank found numerically differs from the exact count (a defect, not user input).

    References
    ----------
    Dusson et al., J. Comput. Phys. 454, 110946 (2022), section 4; Drautz, Phys. Rev. B 99,
    014104 (2019), eq. 17-20.
    """
    n_functions = count_invariants(ls, classes)
    shape = tuple(2 * l + 1 for l in ls)
    if n_functions == 0:
        return Coupling(np.zeros((0, len(ls)), dtype=np.int64), np.zeros((0, 0)))
    if len(ls) == 1:
        return Coupling(np.zeros((1, 1), dtype=np.int64), np.ones((1, 1)))
    tensors = np.array([_symmetrise(t, classes).ravel() for t in _coupling_trees(ls)])
    functions = _independent_rows(tensors, n_functions)
    support = np.flatnonzero((np.abs(functions) > ZERO).any(axis=0))
    components = np.stack(np.unravel_index(support, shape), axis=1).astype(np.int64)
    for number in set(classes):
        members = [t for t, c in enumerate(classes) if c == number]
        components[:, members] = np.sort(components[:, members], axis=1)
    monomials, inverse = np.unique(components, axis=0, return_inverse=True)
    coefficients = np.zeros((n_functions, len(monomials)))
    np.add.at(coefficients.T, inverse.ravel(), functions[:, support].T)
    return Coupling(monomials, coefficients)


def _coupling_trees(ls: Sequence[int]) -> Iterator[NDArray[np.float64]]:
    """Yield ``((l1 l2)L2 l3)L3 ... lN)0`` for all intermediate L, as tensors over m1 .. mN."""

    def extend(tensor: NDArray[np.float64], big_l: int, t: int) -> Iterator[NDArray[np.float64]]:
        l = ls[t]
        if t == len(ls) - 1:
            if big_l == l:
                final = real_clebsch_gordan(big_l, l, 0)[:, :, 0]
                yield np.tensordot(tensor, final, axes=([-1], [0]))
            return
        # what is left must be able to bring the intermediate back to zero
        for new_l in range(abs(big_l - l), min(big_l + l, sum(ls[t + 1 :])) + 1):
            table = real_clebsch_gordan(big_l, l, new_l)
            yield from extend(np.tensordot(tensor, table, axes=([-1], [0])), new_l, t + 1)

    yield from extend(np.eye(2 * ls[0] + 1), ls[0], 1)


def _symmetrise(tensor: NDArray[np.float64], classes: Sequence[int]) -> NDArray[np.float64]:
    """Average a tensor over all permutations of equal channels."""
    for number in sorted(set(classes)):
        members = [t for t, c in enumerate(classes) if c == number]
        if len(members) == 1:
            continue
        orders = list(permutations(members))
        total = np.zeros_like(tensor)
        for order in orders:
            axes = list(range(tensor.ndim))
            for place, axis in zip(members, order, strict=True):
                axes[place] = axis
            total += tensor.transpose(axes)
        tensor = total / len(orders)
    return tensor


def _independent_rows(rows: NDArray[np.float64], rank: int) -> NDArray[np.float64]:
    """
    Orthonormalise `rank` rows, the largest remainder first (the earliest among equals).

    Pivoting by a rule that rounding cannot tip keeps the basis the same on every machine.
    """
    remainder = rows.copy()
    chosen = np.zeros((rank, rows.shape[1]))
    for k in range(rank):
        norms = np.linalg.norm(remainder, axis=1)
        pivot = int(np.argmax(norms > norms.max() * (1.0 - 1e-6)))
        vector = remainder[pivot]
        for _ in range(2):  # twice is enough (Kahan)
            vector = vector - chosen[:k].T @ (chosen[:k] @ vector)
        norm = np.linalg.norm(vector)
        if norm < 1e-6:
            raise ArithmeticError(f"found {k} independent couplings, the exact count is {rank}")
        chosen[k] = vector / norm
        remainder = remainder - np.outer(remainder @ chosen[k], chosen[k])
    if np.linalg.norm(remainder, axis=1).max() > 1e-6:
        raise ArithmeticError(f"found more independent couplings than the exact count {rank}")
    return chosen
