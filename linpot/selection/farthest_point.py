"""
Farthest points: next comes the structure with the atom that is least like any chosen one.

The distance of two atoms of one element is ``|(b - b')/s| / sqrt(n)``, s being the root mean
squares of the n columns in the pool.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from linpot.selection.row_stream import StructureRows

Floats = NDArray[np.float64]
_BLOCK = 1024
_ABOVE_ALL = 1e6  # distances are in units of root mean squares


class FarthestPoint:
    """
    Distance of the strangest atom of a structure to the nearest known one.

    Parameters
    ----------
    sizes : sequence of float64[n_features]
        Of the columns, per centre species.
    means : sequence of float64[n_features]
        While no atom of an element is known, those farthest from its mean come first.
    known : sequence of float64[m, n_features]
        Rows to keep away from.

    References
    ----------
    Gonzalez, Theor. Comput. Sci. 38, 293 (1985); Imbalzano et al., J. Chem. Phys. 148, 241730
    (2018).
    """

    def __init__(
        self, sizes: Sequence[Floats], means: Sequence[Floats], known: Sequence[Floats]
    ) -> None:
        self._scales = [own * np.sqrt(max(len(own), 1)) for own in sizes]
        self._means = [mean[None] / s for mean, s in zip(means, self._scales, strict=True)]
        self._known = [[rows / s] for rows, s in zip(known, self._scales, strict=True)]

    def score(self, structure: StructureRows) -> float:
        """Return the largest distance of its atoms."""
        return float(self._distances(structure, _ABOVE_ALL).max())

    def take(self, structure: StructureRows) -> tuple[float, Floats]:
        """Add a structure; the share of an atom is its distance."""
        distances = self._distances(structure, 0.0)
        structure.memo = None
        for known, rows, scale in zip(self._known, structure.rows, self._scales, strict=True):
            known.append(rows / scale)
        return float(distances.max()), distances

    def _distances(self, structure: StructureRows, unknown: float) -> Floats:
        """
        Distances from what is known; only what was added since the last look is compared with.

        `unknown` is added for elements of which nothing is known: scores may only fall, and those
        from a mean are no bound for others.
        """
        first, squares = 0, [np.full(len(own), np.inf) for own in structure.atoms]
        if structure.memo is not None:
            first, squares = structure.memo  # type: ignore[misc]
        distances = []
        for z, (rows, scale) in enumerate(zip(structure.rows, self._scales, strict=True)):
            if not any(len(known) for known in self._known[z]):
                distances.append(unknown + np.sqrt(_squares(rows / scale, self._means[z])[:, 0]))
                continue
            for known in self._known[z][first:]:
                if len(rows) and len(known):
                    squares[z] = np.minimum(squares[z], _nearest(rows / scale, known))
            distances.append(np.sqrt(squares[z]))
        structure.memo = (len(self._known[0]), squares)
        return structure.per_atom(distances)


def _nearest(rows: Floats, others: Floats) -> Floats:
    """Squared distance of every row to the nearest other one, in blocks that bound memory."""
    starts = range(0, len(others), _BLOCK)
    return np.min([_squares(rows, others[k : k + _BLOCK]).min(axis=1) for k in starts], axis=0)


def _squares(rows: Floats, others: Floats) -> Floats:
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2.0 * rows @ others.T
    return np.maximum(squares, 0.0)
