"""
Rows of maximal volume: a square set of rows in which all others have small coordinates.

Nothing here knows of atoms. Rows are offered in chunks; memory is that of a chunk and the set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve

from linpot import checks
from linpot.parallel import one_blas_thread

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
UNSEEN = 1e-6
"""Size of the rows that stand for directions without data, in units of typical columns."""
_REFRESH = 100  # swaps between two factorisations: rounding of rank-one updates adds up


class RowCoordinates:
    """
    Coordinates of rows in a square set of rows, ``b A^-1``.

    Parameters
    ----------
    rows : float64[n, n]
        A; its columns are brought to one size before they are factorised.
    """

    def __init__(self, rows: Floats) -> None:
        sizes = np.abs(rows).max(axis=0)
        self._sizes = np.where(sizes > 0.0, sizes, 1.0)
        with one_blas_thread():
            self._factor = lu_factor(rows / self._sizes, check_finite=False)

    def __call__(self, rows: Floats) -> Floats:
        """Return ``b A^-1`` of every row b: float64[n_rows, n]."""
        with one_blas_thread():
            solved = lu_solve(self._factor, (rows / self._sizes).T, trans=1, check_finite=False)
        return np.asarray(solved.T)


class ActiveRows:
    """
    A set of rows that grows in volume by swaps.

    It begins with tiny unit rows; those that no data replace mark directions that were not seen.

    Parameters
    ----------
    sizes : float64[n]
        Typical sizes of the columns.
    tolerance : float
        Above 1; rows whose coordinates exceed it are taken in.

    Attributes
    ----------
    rows : float64[n, n]
    sources : int64[n, 2]
        Where each row came from; -1 for a direction without data.

    References
    ----------
    Goreinov et al., How to find a good submatrix, in: Matrix Methods (2010), p. 247 (MaxVol);
    Podryabinkin and Shapeev, Comput. Mater. Sci. 140, 171 (2017).
    """

    def __init__(self, sizes: Floats, *, tolerance: float = 1.01) -> None:
        self._sizes = np.where(sizes > 0.0, sizes, 1.0)
        self.tolerance = checks.positive("tolerance", tolerance)
        self.rows = np.diag(UNSEEN * self._sizes)
        self.sources = np.full((len(sizes), 2), -1, dtype=np.int64)

    def offer(self, rows: Floats, sources: Ints) -> int:
        """
        Swap rows in until no coordinate of the chunk exceeds the tolerance.

        Each swap multiplies the volume by the coordinate, so that there is an end.

        Parameters
        ----------
        rows : float64[n_rows, n]
        sources : int64[n_rows, 2]

        Returns
        -------
        int
            Number of swaps.
        """
        swaps = 0
        coordinates = RowCoordinates(self.rows)(rows)
        while coordinates.size:
            new, old = np.unravel_index(np.argmax(np.abs(coordinates)), coordinates.shape)
            if abs(coordinates[new, old]) <= self.tolerance:
                break
            self.rows[old] = rows[new]
            self.sources[old] = sources[new]
            swaps += 1
            if swaps % _REFRESH == 0:
                coordinates = RowCoordinates(self.rows)(rows)
                continue
            step = coordinates[new].copy()
            pivot = step[old]
            step[old] -= 1.0
            coordinates -= np.outer(coordinates[:, old] / pivot, step)
        return swaps
