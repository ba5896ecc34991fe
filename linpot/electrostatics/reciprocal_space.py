"""The smooth part of a lattice sum, vector by vector of the reciprocal lattice."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from linpot.electrostatics.cells import ChargeCell
from linpot.electrostatics.sums import Sums
from linpot.kernels.lattice_sums import (
    add_mode_products,
    fill_phases,
    sum_back,
    sum_structure_factors,
)
from linpot.parallel import cut, run_tasks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROWS_PER_TASK, BLOCKS_PER_TASK = 8, 8
_VOIGT = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]


class ReciprocalSum:
    """
    ``4 pi/V sum_k exp(-k^2/4 alpha^2)/k^2 exp(i k r)`` over all k != 0 up to a length.

    Parameters
    ----------
    cell : ChargeCell
    alpha, highest : float, 1/A
    """

    def __init__(self, cell: ChargeCell, alpha: float, highest: float) -> None:
        self._cell = cell
        self._rows, self._starts, self._vectors = _half_space(cell.reciprocal.tobytes(), highest)
        self._weights, self._slopes = _weights(
            cell.reciprocal.tobytes(), highest, alpha, 8.0 * np.pi / cell.volume
        )
        n_atoms = len(cell.fractions)
        self._n_places = -(-n_atoms // 8) * 8
        most = np.abs(self._rows).max(axis=0)
        self._phases = []
        for axis in range(3):
            phases = np.zeros((most[axis] + 1, 2, self._n_places))
            fill_phases(0, n_atoms, np.ascontiguousarray(cell.fractions[:, axis]), phases)
            self._phases.append(phases)

    def evaluate(self, charges: Floats, *, forces: bool, threads: int) -> Sums:
        """Sum over reciprocal vectors, there and back."""
        n_atoms = len(charges)
        padded = np.zeros(self._n_places)
        padded[:n_atoms] = charges
        phases = tuple(self._phases)
        factors = np.empty((len(self._vectors), 4))
        n_rows, n_blocks = len(self._rows), self._n_places // 8

        def there(run: tuple[int, int]) -> None:
            sum_structure_factors(*run, self._rows, self._starts, phases, padded, factors)

        run_tasks(there, cut(n_rows, n_rows // ROWS_PER_TASK), threads)
        w_up, w_down = self._weights[:, 0], self._weights[:, 1]
        terms = np.empty((len(factors), 8))
        # H = w conj(S) of both signs of n3
        up_r, up_i = w_up * factors[:, 0], -w_up * factors[:, 1]
        down_r, down_i = w_down * factors[:, 2], -w_down * factors[:, 3]
        terms[:, 0], terms[:, 1] = up_r + down_r, up_i + down_i
        terms[:, 2], terms[:, 3] = up_r - down_r, up_i - down_i
        terms[:, 4:] = self._vectors[:, 2:] * terms[:, :4]
        potentials = np.empty(self._n_places)
        gradients = np.empty((3, self._n_places)) if forces else None

        def back(run: tuple[int, int]) -> None:
            sum_back(*run, self._rows, self._starts, phases, terms, potentials, gradients)

        run_tasks(back, cut(n_blocks, n_blocks // BLOCKS_PER_TASK), threads)
        if gradients is None:
            return Sums(potentials[:n_atoms], None, None)
        # of 2 pi: it is in the reciprocal vectors
        fields = -(gradients[:, :n_atoms].T @ self._cell.reciprocal)
        sizes = np.stack(
            [
                w_up * (factors[:, 0] ** 2 + factors[:, 1] ** 2),
                w_down * (factors[:, 2] ** 2 + factors[:, 3] ** 2),
            ],
            axis=1,
        )
        energy = 0.5 * sizes.sum()
        virial = energy * np.eye(3) - np.einsum("ks,ksv->v", sizes, self._slopes)[_VOIGT]
        return Sums(potentials[:n_atoms], fields, virial)

    def add_to(self, matrix: Floats) -> None:
        """Add the interaction of every two atoms, an atom with itself included, to a matrix."""
        signs = np.array([1, -1])
        both = self._vectors[:, None, :] * np.stack([signs * 0 + 1, signs * 0 + 1, signs], axis=1)
        vectors, weights = both.reshape(-1, 3), self._weights.reshape(-1)
        kept = weights > 0.0
        add_mode_products(
            self._cell.fractions, np.ascontiguousarray(vectors[kept]), weights[kept], matrix
        )


@lru_cache(maxsize=16)
def _half_space(reciprocal: bytes, highest: float) -> tuple[Ints, Ints, Ints]:
    """
    List half of the reciprocal vectors up to a length, in rows along the third axis.

    Returns
    -------
    rows : int64[n_rows, 3]
        n1, n2 and the largest n3.
    starts : int64[n_rows + 1]
    vectors : int64[n_vectors, 3]
        n3 >= 0; those with -n3 are meant too, where n3 > 0 and the row is not (0, 0).
    """
    b = np.frombuffer(reciprocal).reshape(3, 3)
    # |n_i| <= highest |a_i| / 2 pi
    lengths = np.linalg.norm(np.linalg.inv(b), axis=0)
    most = np.floor(highest * lengths + 1e-9).astype(np.int64)
    n1, n2 = (
        n.ravel()
        for n in np.meshgrid(
            np.arange(most[0] + 1), np.arange(-most[1], most[1] + 1), indexing="ij"
        )
    )
    half = (n1 > 0) | (n2 >= 0)
    n1, n2 = n1[half], n2[half]
    # along a row |k|^2 = |k0|^2 + 2 n3 k0.c + n3^2 |c|^2; both signs up to the larger of the ends
    flat = n1[:, None] * b[0] + n2[:, None] * b[1]
    c2, middle = float(b[2] @ b[2]), flat @ b[2]
    inside = middle**2 - c2 * ((flat**2).sum(axis=1) - highest**2)
    n1, n2, middle, inside = (v[inside >= 0.0] for v in (n1, n2, middle, inside))
    ends = np.floor((np.abs(middle) + np.sqrt(inside)) / c2 + 1e-9).astype(np.int64)
    rows = np.ascontiguousarray(np.stack([n1, n2, ends], axis=1))
    starts = np.concatenate([[0], np.cumsum(ends + 1)]).astype(np.int64)
    n3 = np.arange(starts[-1]) - np.repeat(starts[:-1], ends + 1)
    vectors = np.stack([np.repeat(n1, ends + 1), np.repeat(n2, ends + 1), n3], axis=1)
    return rows, starts, np.ascontiguousarray(vectors)


@lru_cache(maxsize=16)
def _weights(
    reciprocal: bytes, highest: float, alpha: float, factor: float
) -> tuple[Floats, Floats]:
    """
    Weights of all vectors.

    Returns
    -------
    weights : float64[n_vectors, 2], e/A per e
        ``factor exp(-k^2/4 alpha^2)/k^2`` for n3 and -n3; 0 where a vector does not count.
    slopes : float64[n_vectors, 2, 6]
        ``k k (1/k^2 + 1/4 alpha^2)``, xx yy zz yz xz xy.
    """
    b = np.frombuffer(reciprocal).reshape(3, 3)
    vectors = _half_space(reciprocal, highest)[2].astype(np.float64)
    both = np.stack([vectors, vectors * [1.0, 1.0, -1.0]], axis=1) @ b  # [k, sign, xyz]
    squares = (both**2).sum(axis=2)
    own_row = (vectors[:, 0] == 0) & (vectors[:, 1] == 0)
    counted = np.ones(squares.shape, dtype=bool)
    counted[:, 1] = (vectors[:, 2] > 0) & ~own_row
    counted[:, 0] &= ~(own_row & (vectors[:, 2] == 0))
    squares[~counted] = 1.0
    weights = np.where(counted, factor * np.exp(-squares / (4.0 * alpha**2)) / squares, 0.0)
    pairs = both[:, :, [0, 1, 2, 1, 0, 0]] * both[:, :, [0, 1, 2, 2, 2, 1]]
    return weights, pairs * (1.0 / squares + 1.0 / (4.0 * alpha**2))[:, :, None]
