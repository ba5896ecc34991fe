"""Statistics of any number of errors in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistics = dict[str, float | int]

MOST_HELD = 2**21
"""Errors that are held; of more, sums and a histogram are kept, and the percentile is that of
bins a ten-thousandth wide."""

_BIN = 1e-4  # relative width
_SMALLEST = 1e-12  # eV, eV/A: anything below counts as zero
_N_BINS = int(np.log(1e30) / _BIN)


class Tally:
    """Errors of one property."""

    def __init__(self) -> None:
        self._parts: list[Floats] = []
        self._held = 0
        self._n = 0
        self._sum = self._square = self._max = 0.0
        self._bins: NDArray[np.int64] | None = None

    def add(self, errors: Floats) -> None:
        """
        Add errors.

        Parameters
        ----------
        errors : float64[n]
        """
        self._parts.append(errors)
        self._held += len(errors)
        if self._held > MOST_HELD:
            self._condense()

    def merge(self, other: Tally) -> None:
        """Add what another one has seen."""
        if other._bins is not None:
            self._condense()
            assert self._bins is not None
            self._bins += other._bins
            self._n += other._n
            self._sum += other._sum
            self._square += other._square
            self._max = max(self._max, other._max)
        for errors in other._parts:
            self.add(errors)

    def statistics(self) -> Statistics:
        """Return mean absolute error, root mean square, largest, 95th percentile and number."""
        if self._bins is None:
            errors = np.concatenate(self._parts)
            sizes = np.abs(errors)
            return {
                "mae": float(sizes.mean()),
                "rmse": float(np.sqrt((errors**2).mean())),
                "max": float(sizes.max()),
                "p95": float(np.percentile(sizes, 95.0)),
                "n": len(errors),
            }
        self._condense()
        place = int(np.searchsorted(np.cumsum(self._bins), 0.95 * (self._n - 1), side="right"))
        return {
            "mae": self._sum / self._n,
            "rmse": float(np.sqrt(self._square / self._n)),
            "max": self._max,
            "p95": min(_SMALLEST * float(np.exp((place + 0.5) * _BIN)), self._max),
            "n": self._n,
        }

    def _condense(self) -> None:
        """Turn what is held into sums and counts."""
        if self._bins is None:
            self._bins = np.zeros(_N_BINS, dtype=np.int64)
        sizes = np.abs(np.concatenate([np.zeros(0), *self._parts]))
        self._parts, self._held = [], 0
        self._n += len(sizes)
        self._sum += float(sizes.sum())
        self._square += float((sizes**2).sum())
        self._max = max(self._max, float(sizes.max(initial=0.0)))
        bins = np.log(np.maximum(sizes, _SMALLEST) / _SMALLEST) / _BIN
        np.add.at(self._bins, np.minimum(bins.astype(np.int64), _N_BINS - 1), 1)
