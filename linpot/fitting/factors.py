"""
Triangular factors: all that a fit keeps of its rows.

For each key (group, property, ...) the upper triangular factor R of ``[X y]`` and the number of
rows are kept, updated batch by batch (TSQR): ``R^T R = [X y]^T [X y]`` at the conditioning of X,
not of ``X^T X``. Any sum of squared residuals follows from R alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from linpot.fitting.downdate import downdate_factor, without_rows
from linpot.fitting.triangular_update import update_factor

Floats = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)
_RANK = 1e-8  # of the largest singular value: below, columns are decided by others
_SLAB = 2048  # rows that wait for a factorisation: enough for its speed, little memory


@dataclass
class TriangularFactor:
    """
    The factor of one key; rows are buffered until there are enough to be worth a factorisation.

    Attributes
    ----------
    n_columns : int
        Features and the target.
    n_rows : int
        Rows seen.
    threads : int
        Of a factorisation; its result does not depend on them.
    """

    n_columns: int
    n_rows: int = 0
    threads: int = 1
    _factor: Floats | None = None
    _buffer: list[Floats] = field(default_factory=list)
    _buffered: int = 0

    def add(self, X: Floats, y: Floats) -> None:
        """
        Add rows.

        Parameters
        ----------
        X : float64[n_rows, n_columns - 1]
        y : float64[n_rows]
        """
        rows = np.empty((len(y), self.n_columns), order="F")
        rows[:, :-1] = X
        rows[:, -1] = y
        self._buffer.append(rows)
        self._buffered += len(y)
        self.n_rows += len(y)
        # a key with fewer rows than columns keeps them; later ones wait in smaller numbers
        if self._buffered >= (self.n_columns if self._factor is None else self._most_waiting):
            self._flush()

    def remove(self, X: Floats, y: Floats) -> None:
        """
        Take rows out again; see `downdate_factor` for what cannot be taken.

        Parameters
        ----------
        X : float64[n_rows, n_columns - 1]
        y : float64[n_rows]

        Raises
        ------
        InputError
            If the rows were not there, or others do not determine what they determined.
        """
        rows = np.column_stack([X, y])
        if self._factor is None:
            left = without_rows(self.rows(), rows)
            self._buffer, self._buffered = [left], len(left)
        else:
            self._factor = np.asfortranarray(downdate_factor(self.rows(), rows))
        self.n_rows -= len(y)

    def copy(self) -> TriangularFactor:
        """Return a copy that can be changed by itself."""
        factor = None if self._factor is None else self._factor.copy(order="F")
        buffer = [rows.copy(order="F") for rows in self._buffer]
        return TriangularFactor(
            self.n_columns, self.n_rows, self.threads, factor, buffer, self._buffered
        )

    def rows(self) -> Floats:
        """
        Return a matrix with the same ``M^T M`` as all rows seen, of at most `n_columns` rows.

        A key with fewer rows than columns returns the rows themselves.
        """
        if self._factor is None:
            return np.concatenate([np.empty((0, self.n_columns)), *self._buffer])
        self._flush()
        return np.triu(self._factor)

    def _flush(self) -> None:
        if not self._buffer:
            return
        if self._factor is None:
            self._factor = np.zeros((self.n_columns, self.n_columns), order="F")
        self._buffer.reverse()
        while self._buffer:  # in slabs, so that rows are never all there twice
            slab, size = [], 0
            while self._buffer and size < self._most_waiting:
                slab.append(self._buffer.pop())
                size += len(slab[-1])
            rows = np.asfortranarray(np.concatenate(slab))
            self._factor = update_factor(self._factor, rows, self.threads)
        self._buffered = 0

    @property
    def _most_waiting(self) -> int:
        return min(self.n_columns, _SLAB)


def triangular(rows: Floats) -> Floats:
    """
    Return the upper triangular factor of a matrix.

    Parameters
    ----------
    rows : float64[n_rows, n_columns]

    Returns
    -------
    float64[n_columns, n_columns]
    """
    n_columns = rows.shape[1]
    copy = np.array(rows, order="F")
    return np.triu(update_factor(np.zeros((n_columns, n_columns), order="F"), copy))


def column_space(columns: Floats) -> tuple[Floats, Floats, Floats]:
    """
    Return the singular value decomposition of columns, without what others of them decide.

    Parameters
    ----------
    columns : float64[n_rows, n_columns]

    Returns
    -------
    left : float64[n_rows, rank]
        An orthonormal basis of what the columns span.
    sizes : float64[rank]
    right : float64[rank, n_columns]
    """
    left, sizes, right = np.linalg.svd(columns, full_matrices=False)
    kept = sizes > _RANK * max(sizes.max(initial=0.0), np.finfo(float).tiny)
    return left[:, kept], sizes[kept], right[kept]


def shift_target(factor: Floats, coefficients: Floats) -> Floats:
    """
    Return the factor of ``[X  y - X c]``: what is left to explain beside known coefficients.

    Exact: the new target column is the old one less a combination of the other columns.

    Parameters
    ----------
    factor : float64[n, n_features + 1]
        Upper triangular, of ``[X y]``.
    coefficients : float64[n_features]

    Returns
    -------
    float64[n, n_features + 1]
    """
    shifted = factor.copy()
    shifted[:, -1] -= factor[:, :-1] @ coefficients
    return shifted


def combine(parts: Iterable[tuple[float, Floats]], n_columns: int, threads: int = 1) -> Floats:
    """
    Stack weighted matrices into one triangular factor.

    Parameters
    ----------
    parts : iterable of (float, float64[n_rows, n_columns])
        Weight of the residuals, matrix.
    n_columns : int
    threads : int

    Returns
    -------
    float64[n_columns, n_columns]
        Upper triangular.
    """
    factor = np.zeros((n_columns, n_columns), order="F")
    for weight, matrix in parts:
        if weight > 0.0 and len(matrix):
            factor = update_factor(factor, np.asfortranarray(matrix * weight), threads)
    return np.triu(factor)


class FactorSet(dict[Key, TriangularFactor]):
    """
    One triangular factor per key.

    Parameters
    ----------
    n_columns : int
        Features and the target.
    threads : int
        Of a factorisation; no result depends on them.
    """

    def __init__(self, n_columns: int, threads: int = 1) -> None:
        super().__init__()
        self.n_columns, self.threads = n_columns, threads

    def add(self, key: Key, X: Floats, y: Floats) -> None:
        """Add rows to the factor of a key."""
        if key not in self:
            self[key] = TriangularFactor(self.n_columns, threads=self.threads)
        self[key].add(X, y)

    def merge(self, key: Key, rows: Floats, n_rows: int) -> None:
        """
        Add what another factor of a key has seen.

        Parameters
        ----------
        key : Key
        rows : float64[m, n_columns]
            See `TriangularFactor.rows`.
        n_rows : int
            Rows behind them.
        """
        self.add(key, rows[:, :-1], rows[:, -1])
        self[key].n_rows += n_rows - len(rows)

    def shifted(self, coefficients: Floats) -> FactorSet[Key]:
        """Return the factors with ``y - X c`` as target: see `shift_target`."""
        result: FactorSet[Key] = FactorSet(self.n_columns, self.threads)
        for key, factor in self.items():
            result.merge(key, shift_target(factor.rows(), coefficients), factor.n_rows)
        return result

    def combined(self, weight: Callable[[Key], float] | Mapping[Key, float]) -> tuple[Floats, int]:
        """
        Combine all keys under weights.

        Parameters
        ----------
        weight : callable or mapping
            From key to the weight of its residuals; 0 leaves a key out.

        Returns
        -------
        factor : float64[n_columns, n_columns]
            Upper triangular.
        n_rows : int
            Rows of the keys with a positive weight.
        """
        of = weight.__getitem__ if isinstance(weight, Mapping) else weight
        weights = {key: float(of(key)) for key in self}
        parts = ((weights[k], f.rows()) for k, f in self.items())
        factor = combine(parts, self.n_columns, self.threads)
        return factor, sum(f.n_rows for k, f in self.items() if weights[k] > 0.0)

    def residual_squares(self, key: Key, coefficients: Floats) -> float:
        """
        Return the sum of squared residuals of a key.

        Parameters
        ----------
        key : Key
        coefficients : float64[n_columns - 1]
        """
        return float(((self[key].rows() @ np.append(coefficients, -1.0)) ** 2).sum())


def factor_bytes(n_columns: int, n_keys: int) -> int:
    """Return the memory that `n_keys` factors and the work on them take at most, in bytes."""
    # a key holds its factor and up to twice its size in buffered and stacked rows
    return 8 * n_columns * n_columns * (n_keys + 5)
