"""
D-optimal choice: the structures whose atoms enlarge a determinant most.

With F the information on atomic energies, ``F = R^T R``, a structure with features B is worth

    log det(F + B^T B) - log det F = log det(1 + Y^T Y),   Y = R^-T B^T.

Centre species have features of their own, so that their logarithms add. F begins as that of the
active rows of a potential, or as a small multiple of the mean squares of the columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.lapack import dpstrf

from linpot.selection.row_stream import StructureRows

Floats = NDArray[np.float64]
_BLOCK = 1024  # atoms whose scalar products are held
UNKNOWN = 1e-2
"""Size of the rows that stand for what is known before, in units of typical columns."""


class DOptimal:
    """
    Gain of information on the energies of atoms; gains fall as others are chosen (submodular).

    Parameters
    ----------
    known : sequence of float64[m, n_features]
        Rows that are known, per centre species; as many independent ones as columns.

    References
    ----------
    Fedorov, Theory of Optimal Experiments (1972), ch. 3 (exact designs by adding);
    Podryabinkin and Shapeev, Comput. Mater. Sci. 140, 171 (2017) (for interatomic potentials).
    """

    def __init__(self, known: Sequence[Floats]) -> None:
        self._roots = [np.linalg.qr(rows, mode="r") for rows in known]

    @classmethod
    def from_nothing(cls, sizes: Sequence[Floats]) -> DOptimal:
        """Begin with next to nothing known, given the sizes of the columns."""
        return cls([np.diag(UNKNOWN * own) for own in sizes])

    def score(self, structure: StructureRows) -> float:
        """Return the gain, in natural units of information times two."""
        seen = (self._whitened(z, rows) for z, rows in enumerate(structure.rows))
        return float(sum(2.0 * np.log(np.diag(_root(own))).sum() for own in seen))

    def take(self, structure: StructureRows) -> tuple[float, Floats]:
        """Add a structure; each atom's share is what it brings after those that bring more."""
        shares = structure.per_atom([self._add(z, rows) for z, rows in enumerate(structure.rows)])
        return float(shares.sum()), shares

    def _add(self, z: int, rows: Floats) -> Floats:
        """Add the rows of one species, in blocks that bound memory, and return their shares."""
        order = np.argsort(-(self._whitened(z, rows) ** 2).sum(axis=0), kind="stable")
        shares = np.empty(len(rows))
        for first in range(0, len(rows), _BLOCK):
            own = order[first : first + _BLOCK]
            shares[own] = _shares(self._whitened(z, rows[own]))
            stacked = np.concatenate([self._roots[z], rows[own]])
            self._roots[z] = np.linalg.qr(stacked, mode="r")
        return shares

    def _whitened(self, z: int, rows: Floats) -> Floats:
        """Y of one species: float64[n_features, n_own]."""
        return np.asarray(solve_triangular(self._roots[z], rows.T, trans="T", check_finite=False))


def _root(seen: Floats) -> Floats:
    """Root of ``1 + Y^T Y`` or of ``1 + Y Y^T``, whose determinants are the same."""
    smaller = seen if seen.shape[1] <= seen.shape[0] else seen.T
    square = smaller.T @ smaller
    square[np.diag_indices_from(square)] += 1.0
    return np.asarray(cholesky(square, check_finite=False))


def _shares(seen: Floats) -> Floats:
    """Logarithms of the pivots of ``1 + Y^T Y``, the largest first: they add up to the gain."""
    square = seen.T @ seen
    square[np.diag_indices_from(square)] += 1.0
    root, pivots, _, _ = dpstrf(square, lower=1)
    shares = np.empty(len(square))
    shares[pivots - 1] = 2.0 * np.log(np.diag(root))
    return shares
