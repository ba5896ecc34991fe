"""A fit that keeps its error bars."""

from __future__ import annotations

from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part, with_learned_part
from linpot.uncertainty.error_bars import ErrorBars
from linpot.uncertainty.extrapolation import find_active_set
from linpot.workflow.api import Data, as_dataset
from linpot.workflow.calibration import calibrated_fit
from linpot.workflow.fit import Monitor
from linpot.workflow.provenance import provenance
from linpot.workflow.settings import FitSettings


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
    active = find_active_set(learned.engine, list(data), threads=settings.threads)
    bars = ErrorBars(learned, found.fit.posterior, found.calibrations, active)
    return bars.attached_to(with_learned_part(potential, learned))
