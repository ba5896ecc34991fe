"""A fit that keeps its error bars."""

from __future__ import annotations

import numpy as np

from linpot.errors import InputError
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part, with_learned_part
from linpot.structures.dataset import Dataset
from linpot.uncertainty.error_bars import ErrorBars
from linpot.uncertainty.extrapolation import find_active_set
from linpot.workflow.api import Data, as_dataset
from linpot.workflow.calibration import CalibratedFit, calibrated_fit
from linpot.workflow.fit import Monitor
from linpot.workflow.provenance import provenance
from linpot.workflow.settings import FitSettings

SAME = 1e-2
"""Largest difference of coefficients of one fit from factors in another order, over the largest."""


def fit_with_error_bars(
    train: Data,
    *,
    settings: FitSettings | None = None,
    folds: int = 5,
    level: float = 0.9,
    monitor: Monitor | None = None,
) -> EnergyModel:
    """
    Fit a potential by ridge and attach posterior, calibration and active set.

    Coefficients are those of `fit` up to rounding.

    Parameters
    ----------
    train : path, Dataset or Atoms
    settings : FitSettings, optional
    folds : int
        Blocks of consecutive structures, left out in turn to calibrate.
    level : float
        At which intervals are made narrow.
    monitor : Monitor, optional

    Returns
    -------
    EnergyModel

    Raises
    ------
    InputError
        See `calibrated_fit`.
    """
    settings = settings or FitSettings()
    data = as_dataset(train)
    found = calibrated_fit(data, settings=settings, folds=folds, level=level, monitor=monitor)
    potential = found.fit.solution.potential
    learned = learned_part(potential).with_provenance(
        **provenance(data, None, settings, found.fit.solution.solver),
        e0_sources=dict(found.session.reference.sources),
    )
    return _attached(with_learned_part(potential, learned), found, data, settings)


def add_error_bars(
    potential: EnergyModel,
    train: Dataset,
    settings: FitSettings,
    *,
    folds: int = 5,
    level: float = 0.9,
    monitor: Monitor | None = None,
) -> EnergyModel:
    """
    Attach error bars to a potential that was fitted to the same data with the same settings.

    Parameters
    ----------
    potential : EnergyModel
    train : Dataset
    settings : FitSettings
    folds, level, monitor
        See `fit_with_error_bars`.

    Returns
    -------
    EnergyModel

    Raises
    ------
    InputError
        See `calibrated_fit`; or if the potential comes from other data or settings.
    """
    found = calibrated_fit(train, settings=settings, folds=folds, level=level, monitor=monitor)
    own, again = learned_part(potential).coefficients, found.fit.posterior.mean
    if own.shape != again.shape or np.abs(own - again).max() > SAME * np.abs(own).max():
        raise InputError("`potential` must come from the same data and settings as its error bars")
    return _attached(potential, found, train, settings)


def _attached(
    potential: EnergyModel, found: CalibratedFit, train: Dataset, settings: FitSettings
) -> EnergyModel:
    learned = learned_part(potential)
    active = find_active_set(learned.engine, train, threads=settings.threads)
    bars = ErrorBars(learned, found.fit.posterior, found.calibrations, active)
    return bars.attached_to(potential)
