"""
D-optimal choice: the structures that enlarge the determinant of an information most.

With F the information that is there, ``F = R^T R``, rows X are worth

    log det(F + X^T X) - log det F = log det(1 + Y^T Y),   Y = R^-T X^T,

which falls while others are chosen (it is submodular). F begins as that of the active rows of a
potential, or as a small multiple of the mean squares of the columns. R is updated by orthogonal
factorisation: rounding sees the condition of the rows, not its square.

References
----------
Fedorov, Theory of Optimal Experiments (1972), ch. 3 (exact designs by adding); Podryabinkin and
Shapeev, Comput. Mater. Sci. 140, 171 (2017) (for interatomic potentials).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag, cholesky, solve_triangular

from linpot.selection.row_stream import StructureRows

Floats = NDArray[np.float64]
_BLOCK = 1024  # atoms that are looked at together
UNKNOWN = 1e-2
"""Size of the rows that stand for what is known before, in units of typical columns."""


def nothing_known(sizes: Sequence[Floats]) -> list[Floats]:
    """Return rows that stand for next to no information, given the sizes of the columns."""
    return [np.diag(UNKNOWN * own) for own in sizes]


class EnergyInformation:
    """
    Information on coefficients from energies of structures: one row for each.

    The row is the sum of the features of all atoms over the root of their number, as errors of
    energies grow with that root. All species share one matrix.

    Parameters
    ----------
    known : sequence of float64[m, n_features]
        Rows of atoms that are known, per centre species; as many independent ones as columns.
    """

    def __init__(self, known: Sequence[Floats]) -> None:
        self._starts = np.cumsum([0, *(rows.shape[1] for rows in known)])
        self._root = block_diag(*map(_triangle, known))

    def score(self, structure: StructureRows) -> float:
        """Return the growth of the logarithm of the determinant."""
        return float(np.log1p((_whitened(self._root, self._row(structure)) ** 2).sum()))

    def take(self, structure: StructureRows) -> tuple[float, Floats]:
        """Add a structure; the novelty of an atom is the square of its own row, whitened."""
        gain, novelty = self.score(structure), []
        for z, rows in enumerate(structure.rows):
            whole = np.zeros((min(len(rows), _BLOCK), self._starts[-1]))
            own = np.empty(len(rows))
            for first in range(0, len(rows), _BLOCK):
                block = rows[first : first + _BLOCK]
                whole[: len(block), self._starts[z] : self._starts[z + 1]] = block
                squares = _whitened(self._root, whole[: len(block)]) ** 2
                own[first : first + _BLOCK] = squares.sum(axis=0)
            novelty.append(own)
        stacked = np.concatenate([self._root, self._row(structure)])
        self._root = _triangle(stacked)
        return gain, structure.per_atom(novelty)

    def _row(self, structure: StructureRows) -> Floats:
        sums = np.concatenate([rows.sum(axis=0) for rows in structure.rows])
        return sums[None] / np.sqrt(structure.n_atoms)


class AtomInformation:
    """
    Information on coefficients from energies of atoms: a row for each, species apart.

    Parameters
    ----------
    known : sequence of float64[m, n_features]
        As in `EnergyInformation`.
    """

    def __init__(self, known: Sequence[Floats]) -> None:
        self._roots: list[Floats] = [_triangle(rows) for rows in known]

    def score(self, structure: StructureRows) -> float:
        """Return the growth of the logarithm of the determinant."""
        seen = map(_whitened, self._roots, structure.rows)
        return float(sum(2.0 * np.log(np.diag(_root_of_one_plus(own))).sum() for own in seen))

    def take(self, structure: StructureRows) -> tuple[float, Floats]:
        """Add a structure; the novelty of an atom is the square of its row, whitened."""
        gain = self.score(structure)
        novelty = [
            (_whitened(root, rows) ** 2).sum(axis=0)
            for root, rows in zip(self._roots, structure.rows, strict=True)
        ]
        for z, rows in enumerate(structure.rows):
            if len(rows):
                stacked = np.concatenate([self._roots[z], rows])
                self._roots[z] = _triangle(stacked)
        return gain, structure.per_atom(novelty)


def _triangle(rows: Floats) -> Floats:
    return np.asarray(np.linalg.qr(rows, mode="r"))


def _whitened(root: Floats, rows: Floats) -> Floats:
    """Y: float64[n_features, n_rows]."""
    return np.asarray(solve_triangular(root, rows.T, trans="T", check_finite=False))


def _root_of_one_plus(seen: Floats) -> Floats:
    """Root of ``1 + Y^T Y`` or of ``1 + Y Y^T``, whose determinants are the same."""
    smaller = seen if seen.shape[1] <= seen.shape[0] else seen.T
    square = smaller.T @ smaller
    square[np.diag_indices_from(square)] += 1.0
    return np.asarray(cholesky(square, check_finite=False))
