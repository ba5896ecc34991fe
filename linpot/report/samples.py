"""Bounded choices out of any number of points, for figures that everybody can open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EDGES = np.logspace(-7.0, 3.0, 201)
"""Edges of the bins of absolute errors, eV and so on: twenty per decade."""


class PointSample:
    """
    Labels beside predictions: all of them, or random ones and the most extreme.

    Kept are `n_random` points drawn without regard to their values, the `n_extreme` with the
    largest errors and the `n_extreme` with the largest labels. What is kept does not depend on how
    the points were cut into pieces.

    Parameters
    ----------
    n_random, n_extreme : int
    seed : int
    """

    def __init__(self, n_random: int = 2500, n_extreme: int = 150, *, seed: int = 0) -> None:
        self._n_random, self._n_extreme = n_random, n_extreme
        self._random = np.random.default_rng(seed)
        self._rows = np.zeros((0, 5))
        self._waiting: list[Floats] = []
        self._n_waiting = 0
        self.total = 0

    def add(self, labels: Floats, predictions: Floats, structure: int) -> None:
        """
        Add the numbers of one structure.

        Parameters
        ----------
        labels, predictions : float64[n]
        structure : int
            Index in the data set.
        """
        n = len(labels)
        own = np.empty((n, 5))
        own[:, 0], own[:, 1], own[:, 2], own[:, 3] = labels, predictions, structure, np.arange(n)
        own[:, 4] = self._random.random(n)
        self._waiting.append(own)
        self._n_waiting += n
        self.total += n
        if self._n_waiting > 8 * (self._n_random + self._n_extreme):
            self._condense()

    def points(self) -> tuple[Floats, Ints]:
        """
        Return what was kept, in the order of the data.

        Returns
        -------
        values : float64[n, 2]
            Labels, predictions.
        places : int64[n, 2]
            Structure, and component of its property counted from 0.
        """
        self._condense()
        order = np.lexsort((self._rows[:, 3], self._rows[:, 2]))
        return self._rows[order, :2], self._rows[order, 2:4].astype(np.int64)

    def _condense(self) -> None:
        rows = np.concatenate([self._rows, *self._waiting])
        self._waiting, self._n_waiting = [], 0
        if len(rows) > self._n_random:
            keep = np.zeros(len(rows), dtype=bool)
            keep[np.argsort(rows[:, 4], kind="stable")[: self._n_random]] = True
            for size in (np.abs(rows[:, 1] - rows[:, 0]), np.abs(rows[:, 0])):
                keep[np.argsort(-size, kind="stable")[: self._n_extreme]] = True
            rows = rows[keep]
        self._rows = rows


class ErrorCounts:
    """How often absolute errors fall into the bins of `EDGES`, those beyond into the last."""

    def __init__(self) -> None:
        self.counts = np.zeros(len(EDGES) - 1, dtype=np.int64)

    def add(self, errors: Floats) -> None:
        """
        Add errors.

        Parameters
        ----------
        errors : float64[n]
            Their sign does not matter.
        """
        inside = np.clip(np.abs(errors), EDGES[0], EDGES[-1] * (1.0 - 1e-12))
        self.counts += np.histogram(inside, EDGES)[0]
