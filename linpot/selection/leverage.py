"""
CUR: structures drawn with probabilities proportional to the leverage of their atoms.

The leverage of a row b is ``|b V_k / s_k|^2``, V_k and s_k being the first k right singular vectors
and singular values of all rows of its element. Drawing is without repetition, by the largest of
``u^(1/leverage)`` with u uniform for every structure (Efraimidis and Spirakis), so that one pass is
enough and the choice depends on nothing but the seed and the pool.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from linpot.selection.row_stream import StructureRows

Floats = NDArray[np.float64]


class LeverageSampling:
    """
    A draw by leverage; scores do not depend on what is chosen.

    Parameters
    ----------
    grams : sequence of float64[n_features, n_features]
        ``sum b^T b`` over the pool, per centre species.
    rank : int
        k, at most; fewer where the rows have fewer directions.
    seed : int

    References
    ----------
    Mahoney and Drineas, Proc. Natl. Acad. Sci. 106, 697 (2009), eq. 3; Efraimidis and Spirakis,
    Inf. Process. Lett. 97, 181 (2006).
    """

    def __init__(self, grams: Sequence[Floats], rank: int, seed: int) -> None:
        self._maps = [_leverage_map(gram, rank) for gram in grams]
        self._seed = seed

    def score(self, structure: StructureRows) -> float:
        """Return the logarithm of the key of its draw."""
        total = self._leverages(structure).sum()
        uniform = np.random.default_rng([self._seed, structure.index]).random()
        return float(np.log1p(-uniform) / max(total, np.finfo(float).tiny))

    def take(self, structure: StructureRows) -> tuple[float, Floats]:
        """Return the leverage of a structure and of its atoms."""
        leverages = self._leverages(structure)
        return float(leverages.sum()), leverages

    def _leverages(self, structure: StructureRows) -> Floats:
        return structure.per_atom(
            [
                ((rows @ matrix) ** 2).sum(axis=1)
                for rows, matrix in zip(structure.rows, self._maps, strict=True)
            ]
        )


def _leverage_map(gram: Floats, rank: int) -> Floats:
    """``V_k / s_k``, columns brought to one size before."""
    sizes = np.sqrt(np.diag(gram))
    sizes = np.where(sizes > 0.0, sizes, 1.0)
    squares, vectors = np.linalg.eigh(gram / np.outer(sizes, sizes))
    # the rounding of a Gram matrix hides singular values below the root of eps
    kept = np.flatnonzero(squares > len(gram) * np.finfo(float).eps * squares[-1])[::-1][:rank]
    return np.asarray(vectors[:, kept] / np.sqrt(squares[kept]) / sizes[:, None])
