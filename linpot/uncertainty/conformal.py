"""
Intervals that hold what they promise: deviations calibrated on residuals of left-out data.

Nothing here knows of atoms. Residuals come in clusters (components of one structure), which are
not independent; the quantile counts clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError

Floats = NDArray[np.float64]
FLOORS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""
Constant parts that are tried, in units of the root mean square of the deviations. None is zero:
what symmetry forbids has residuals and deviations of rounding, whose ratio means nothing.
"""


@dataclass(frozen=True)
class Calibration:
    """
    Intervals ``+- factor(level) sqrt(std^2 + floor^2)`` of one property.

    Attributes
    ----------
    floor : float
        Constant part, in the unit of the deviations; the larger, the less widths differ.
    scores : float64[n], ascending
        ``|residual| / sqrt(std^2 + floor^2)`` of left-out data.
    n_clusters : int
        Structures behind the scores.
    inflation : float
        Root mean square of the residuals over that of the deviations under the posterior.
    """

    floor: float
    scores: Floats
    n_clusters: int
    inflation: float = 1.0

    def factor(self, level: float) -> float:
        """
        Return by what to multiply, so that intervals cover a share `level` of new data.

        The score number ``ceil(level n (1 + 1/m))`` of n, with m clusters: as if one more cluster
        of average size stood beyond all others. For clusters of one row this is split conformal
        prediction, whose coverage is at least `level` at any number of rows.

        Parameters
        ----------
        level : float
            Between 0 and 1.

        Returns
        -------
        float

        Raises
        ------
        InputError
            If there are too few clusters for the level.

        References
        ----------
        Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018) (split conformal prediction);
        Dunn, Wasserman and Ramdas, J. Am. Stat. Assoc. 118, 2491 (2023) (clusters).
        """
        level = checked_level(level)
        n = len(self.scores)
        # rounding must not lift a whole number over itself
        rank = int(np.ceil(level * n * (1.0 + 1.0 / self.n_clusters) - 1e-9 * n))
        if rank > n:
            needed = int(np.ceil(level / (1.0 - level) - 1e-9))
            raise InputError(
                f"intervals of level {level} need at least {needed} structures of left-out data, "
                f"got {self.n_clusters}"
            )
        return float(self.scores[max(rank, 1) - 1])

    def half_widths(self, std: Floats, level: float) -> Floats:
        """
        Return half of the width of intervals.

        Parameters
        ----------
        std : float64[...]
        level : float

        Returns
        -------
        float64[...]
        """
        return np.asarray(self.factor(level) * np.sqrt(np.square(std) + self.floor**2))


def calibrate(
    std: Sequence[Floats],
    residuals: Sequence[Floats],
    *,
    level: float = 0.9,
    spread: Sequence[Floats] | None = None,
) -> Calibration:
    """
    Calibrate on residuals of data that the deviations have not seen.

    Parameters
    ----------
    std, residuals : sequence of float64[n_rows]
        One pair per cluster.
    level : float
        The floor is that of `FLOORS` with the narrowest intervals on average at this level.
    spread : sequence of float64[n_rows], optional
        Deviations under the posterior, where `std` is a better guide to the size of errors.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If there are no residuals, too few clusters, or all deviations are zero.
    """
    if len(std) != len(residuals) or not len(std):
        raise InputError(
            f"`std` and `residuals` must have a pair per cluster, got {len(std)}, {len(residuals)}"
        )
    deviations = checks.finite_array("std", np.concatenate(std), [None])
    errors = checks.finite_array("residuals", np.concatenate(residuals), [len(deviations)])
    size = float(np.sqrt(np.mean(deviations**2))) if len(deviations) else 0.0
    if size == 0.0 or deviations.min() < 0.0:
        raise InputError("`std` must be non-negative and not all zero")
    own = deviations if spread is None else np.concatenate(spread)
    inflation = float(np.sqrt(np.mean(errors**2) / np.mean(own**2)))
    candidates = []
    for share in FLOORS:
        floor = share * size
        scores = np.sort(np.abs(errors) / np.sqrt(deviations**2 + floor**2))
        found = Calibration(floor, scores, len(std), inflation)
        candidates.append((float(found.half_widths(deviations, level).mean()), found))
    return min(candidates, key=lambda pair: pair[0])[1]


def checked_level(level: float) -> float:
    """
    Return a level between 0 and 1.

    Raises
    ------
    InputError
        If it is not.
    """
    if not 0.0 < checks.positive("level", level) < 1.0:
        raise InputError(f"`level` must be between 0 and 1, got {level}")
    return float(level)
