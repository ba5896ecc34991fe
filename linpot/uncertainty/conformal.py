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


PART_FLOOR = 0.35
"""Constant part of `calibrate_parts`, in units of typical deviations on the data of the fit."""


@dataclass(frozen=True)
class Calibration:
    """
    Intervals ``+- factor(level) sqrt(d^2 + floor^2)`` of one property, d its deviations.

    Attributes
    ----------
    floor : float
        Constant part, in the unit of the deviations; the larger, the less widths differ.
    scores : float64[n], ascending inside each part
        ``|residual| / sqrt(d^2 + floor^2)`` of left-out data.
    n_clusters : int
        Structures behind the scores.
    inflation : float
        Root mean square of the residuals over that of the deviations under the posterior.
    ends : tuple of int
        Where the scores of each part end that is looked at alone; empty if all are pooled.
    """

    floor: float
    scores: Floats
    n_clusters: int
    inflation: float = 1.0
    ends: tuple[int, ...] = ()

    @property
    def parts(self) -> list[Floats]:
        """Scores by part."""
        return np.split(self.scores, list(self.ends[:-1]))

    def factor(self, level: float) -> float:
        """
        Return by what to multiply, so that intervals cover a share `level` of new data.

        The score number ``ceil(level n (1 + 1/m))`` of n, with m clusters: as if one more cluster
        of average size stood beyond all others. For clusters of one row this is split conformal
        prediction, whose coverage is at least `level` at any number of rows.

        Where parts are looked at alone it is the largest of their own quantiles: as large as a new
        part needs in m of m + 1 cases, if it is to the m parts as they are to one another.

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
        if self.ends:
            return max(float(np.quantile(part, level, method="higher")) for part in self.parts)
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
        return np.asarray(self.factor(level) * np.hypot(std, self.floor))


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
    if not deviations.any() or deviations.min() < 0.0:
        raise InputError("`std` must be non-negative and not all zero")
    own = deviations if spread is None else np.concatenate(spread)
    inflation = root_mean_square(errors) / root_mean_square(own)
    candidates = []
    for share in FLOORS:
        floor = share * root_mean_square(deviations)
        scores = np.sort(np.abs(errors) / np.hypot(deviations, floor))
        found = Calibration(floor, scores, len(std), inflation)
        candidates.append((float(found.half_widths(deviations, level).mean()), found))
    return min(candidates, key=lambda pair: pair[0])[1]


@dataclass(frozen=True)
class CalibrationPart:
    """
    Data of one kind, and what one fit says about them.

    Attributes
    ----------
    std, residuals : float64[n_rows]
        Of the rows of all its structures.
    spread : float64[n_rows]
        Deviations under the posterior; `std` may be a better guide to the size of errors.
    typical : float
        Root mean square of `std` on the data of the fit.
    n_clusters : int
        Structures.
    left_out : bool
        Whether the fit has not seen them.
    """

    std: Floats
    residuals: Floats
    spread: Floats
    typical: float
    n_clusters: int
    left_out: bool


def calibrate_parts(parts: Sequence[CalibrationPart], typical: float) -> Calibration:
    """
    Calibrate on parts of which each is looked at alone: the factor is that of the worst.

    The floor is `PART_FLOOR` of a typical deviation on the data of the fit, of each its own: so
    that what is hardly known any worse than the data is given the errors of the data.

    Parameters
    ----------
    parts : sequence of CalibrationPart
        Parts that were left out, and perhaps parts that were seen: new data are hardly known
        better than those of the fit.
    typical : float
        Of the fit that the intervals are for.

    Returns
    -------
    Calibration
        Its inflation is that of the left-out parts.

    Raises
    ------
    InputError
        If there are no parts that were left out, or a typical deviation is not positive.
    """
    left_out = [part for part in parts if part.left_out]
    if not left_out:
        raise InputError("a calibration by parts needs a part that was left out, got none")
    for value in (typical, *(part.typical for part in parts)):
        checks.positive("typical", value)
    scores = [
        np.sort(np.abs(part.residuals) / np.hypot(part.std, PART_FLOOR * part.typical))
        for part in parts
    ]
    residuals = np.concatenate([part.residuals for part in left_out])
    spread = np.concatenate([part.spread for part in left_out])
    return Calibration(
        PART_FLOOR * typical,
        np.concatenate(scores),
        sum(part.n_clusters for part in parts),
        root_mean_square(residuals) / root_mean_square(spread),
        tuple(np.cumsum([len(own) for own in scores]).tolist()),
    )


def root_mean_square(values: Floats) -> float:
    """Return the root mean square of some numbers."""
    return float(np.sqrt(np.mean(np.square(values))))


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
