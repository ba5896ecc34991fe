"""How well error bars hold on labelled structures: coverage, width, ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from linpot.errors import InputError
from linpot.model.protocol import EnergyModel
from linpot.structures.structure import Structure
from linpot.uncertainty.conformal import Calibration
from linpot.uncertainty.error_bars import ErrorBars
from linpot.workflow.calibration import Seen, compare_with_labels

LEVELS = (0.5, 0.68, 0.9, 0.95)
DRAWN_LEVELS = tuple(round(0.05 * k, 2) for k in range(1, 20))
FORBIDDEN = 1e-8
"""Errors that symmetry makes zero, up to rounding (eV, eV/A), have no order."""
VAGUE = 0.25
"""Standard error beyond which a mean rank correlation is not told: 17 rows of one group suffice."""

Floats = NDArray[np.float64]
Reliability = dict[str, dict[str, Any]]
"""
``{property: {"coverage": {level: share}, "half_width": {level: mean}, "rank_correlation": number or
None, "n": components, "structures": structures, "diagram": {"level": [...], "coverage": [...]}}}``.
"""


def assess_error_bars(
    model: EnergyModel,
    structures: Sequence[Structure],
    *,
    levels: Sequence[float] = LEVELS,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Reliability:
    """
    Compare the error bars of a potential with its errors.

    Parameters
    ----------
    model : EnergyModel
        With error bars.
    structures : sequence of Structure
        Not those of the fit: on these, errors are smaller.
    levels : sequence of float
    threads : int
    progress : callable, optional
        Called with the number of structures done.

    Returns
    -------
    Reliability
        Of "energy" (eV per atom), "forces" (components, eV/A) and "stress" (components, eV/A^3),
        as far as there are labels and a calibration. Levels that need more left-out structures
        than the calibration had are missing.

    Raises
    ------
    InputError
        If the model has no error bars, or no structure has a label of a calibrated property.
    """
    bars = ErrorBars.of(model)
    engine = bars.learned.engine
    seen: dict[str, list[tuple[str, Seen]]] = {}
    compared = compare_with_labels(engine, bars.posterior, model, structures, threads=threads)
    for done, (structure, found) in enumerate(zip(structures, compared, strict=True), start=1):
        for name, own in found.items():
            if name in bars.calibrations:
                seen.setdefault(name, []).append((structure.group, own))
        if progress is not None:
            progress(done)
    if not seen:
        raise InputError("no structure has a label of which the error bars are calibrated")
    names = [name for name in ("energy", "forces", "stress") if name in seen]
    return {name: _assess(bars.calibrations[name], seen[name], name, levels) for name in names}


def rank_correlations(
    scales: Floats, errors: Floats, groups: Sequence[str], n_components: int
) -> dict[str, float]:
    """
    Return Spearman's rank correlation inside each group that has three rows or more.

    Parameters
    ----------
    scales, errors : float64[n_rows * n_components]
        Deviations and errors; rows are ranked by the norm of their components.
    groups : sequence of str
        Of each row.
    n_components : int
        1 for energies, 3 for forces, 6 for stresses.

    Returns
    -------
    dict of str to float
        Without groups whose deviations or errors are all equal: they have no order.
    """
    found = _ranks(scales, errors, groups, n_components)
    return {group: rank for group, (rank, _) in found.items()}


def mean_rank_correlation(
    scales: Floats, errors: Floats, groups: Sequence[str], n_components: int
) -> float | None:
    """
    Return the mean of `rank_correlations`, or None where rows are too few to say anything.

    Ranks of n rows that have nothing to do with each other correlate with a standard deviation of
    ``1/sqrt(n - 1)``; that of the mean must be at most `VAGUE`.

    Parameters
    ----------
    scales, errors : float64[n_rows * n_components]
    groups : sequence of str
    n_components : int

    Returns
    -------
    float or None
    """
    found = _ranks(scales, errors, groups, n_components)
    if not found:
        return None
    ranks, n_rows = np.array(list(found.values())).T
    spread = np.sqrt(np.sum(1.0 / (n_rows - 1.0))) / len(ranks)
    return float(np.mean(ranks)) if spread <= VAGUE else None


def _ranks(
    scales: Floats, errors: Floats, groups: Sequence[str], n_components: int
) -> dict[str, tuple[float, int]]:
    """Return rank correlation and number of rows of each group that has an order."""
    scales, errors = (np.linalg.norm(v.reshape(-1, n_components), axis=1) for v in (scales, errors))
    names, found = np.array(groups), {}
    for group in sorted(set(groups)):
        own = (names == group) & (errors > FORBIDDEN)
        if own.sum() > 2 and np.ptp(scales[own]) > 0.0 and np.ptp(errors[own]) > 0.0:
            found[group] = (float(spearmanr(scales[own], errors[own])[0]), int(own.sum()))
    return found


def _assess(
    calibration: Calibration,
    seen: Sequence[tuple[str, Seen]],
    name: str,
    levels: Sequence[float],
) -> dict[str, Any]:
    scales = np.concatenate([own.scale for _, own in seen])
    errors = np.abs(np.concatenate([own.residuals for _, own in seen]))
    n_components = {"energy": 1, "forces": 3, "stress": 6}[name]
    groups = [group for group, own in seen for _ in range(len(own.scale) // n_components)]
    widths = _widths(calibration, scales, [*levels, *DRAWN_LEVELS])
    covered = {level: float(np.mean(errors <= own)) for level, own in widths.items()}
    drawn = [level for level in DRAWN_LEVELS if level in covered]
    return {
        "coverage": {f"{level:g}": covered[level] for level in levels if level in covered},
        "half_width": {
            f"{level:g}": float(widths[level].mean()) for level in levels if level in widths
        },
        "rank_correlation": mean_rank_correlation(scales, errors, groups, n_components),
        "n": len(errors),
        "structures": len(seen),
        "diagram": {"level": drawn, "coverage": [covered[level] for level in drawn]},
    }


def _widths(
    calibration: Calibration, scales: Floats, levels: Sequence[float]
) -> Mapping[float, Floats]:
    """Return half-widths at the levels that the calibration has structures enough for."""
    most = calibration.n_clusters / (calibration.n_clusters + 1.0)
    return {level: calibration.half_widths(scales, level) for level in levels if level <= most}
