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


POWERS = (1.0, 0.75, 0.5)
"""
How errors may grow with the deviations from one group of structures to another: on structures
unlike the data, deviations grow faster than errors.
"""


@dataclass(frozen=True)
class Calibration:
    """
    Intervals ``+- factor(level) sqrt(d^2 + floor^2)`` of one property.

    With ``d = reference (std / reference)^power``, which is the deviation itself for power 1.

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
        Where the scores of each left-out group end; empty if groups were not left out whole.
    power : float
    reference : float
        A typical deviation, in the same unit.
    """

    floor: float
    scores: Floats
    n_clusters: int
    inflation: float = 1.0
    ends: tuple[int, ...] = ()
    power: float = 1.0
    reference: float = 1.0

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

        Where whole groups were left out it is the largest of the groups' own quantiles: as large as
        a new group needs in m of m + 1 cases, if it is to the m groups as they are to one another.

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
        return np.asarray(self.factor(level) * _sizes(std, self.floor, self.power, self.reference))


def calibrate(
    std: Sequence[Floats],
    residuals: Sequence[Floats],
    *,
    level: float = 0.9,
    spread: Sequence[Floats] | None = None,
    groups: Sequence[str] | None = None,
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
    groups : sequence of str, optional
        Of each cluster, where whole groups were left out: the factor is then that of the worst
        group, and the power one of `POWERS`, chosen like the floor, every group counting alike.

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
    inflation = float(np.sqrt(np.mean(errors**2) / np.mean(own**2)))
    rows = _rows_by_group(std, groups)
    typical = [float(np.sqrt(np.mean(deviations[part] ** 2))) for part in rows]
    reference = float(np.exp(np.mean(np.log([size for size in typical if size > 0.0]))))
    ends = tuple(np.cumsum([len(part) for part in rows]).tolist()) if groups is not None else ()
    candidates = []
    for power in (1.0,) if groups is None else POWERS:
        for share in FLOORS:
            floor = share * reference
            scores = np.abs(errors) / _sizes(deviations, floor, power, reference)
            found = Calibration(
                floor,
                np.concatenate([np.sort(scores[part]) for part in rows]),
                len(std),
                inflation,
                ends,
                power,
                reference,
            )
            widths = found.half_widths(deviations, level)
            mean = float(np.mean([widths[part].mean() for part in rows]))
            candidates.append((mean, found))
    return min(candidates, key=lambda pair: pair[0])[1]


def _sizes(std: Floats, floor: float, power: float, reference: float) -> Floats:
    """Return what intervals are proportional to."""
    deviations = std if power == 1.0 else reference * (std / reference) ** power
    return np.asarray(np.sqrt(np.square(deviations) + floor**2))


def _rows_by_group(std: Sequence[Floats], groups: Sequence[str] | None) -> list[NDArray[np.int64]]:
    """Return the rows of every group, or all in one."""
    counts = [len(own) for own in std]
    if groups is None:
        return [np.arange(sum(counts))]
    of_row = np.repeat(np.array(groups), counts)
    return [np.flatnonzero(of_row == group) for group in sorted(set(groups))]


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
