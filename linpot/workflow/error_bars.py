"""A fit that keeps its error bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from linpot import checks
from linpot.errors import InputError
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part, with_learned_part
from linpot.structures.dataset import Dataset
from linpot.uncertainty.error_bars import ErrorBars
from linpot.uncertainty.extrapolation import find_active_set
from linpot.workflow.api import Data, as_dataset
from linpot.workflow.calibration import KINDS, prepare_folds
from linpot.workflow.fit import FitResult, Monitor, Silent, check_test, finish_fit
from linpot.workflow.settings import FitSettings


def fit_with_error_bars(train: Data, **options: Any) -> EnergyModel:
    """
    Fit a potential by ridge and attach posterior, calibration and active set.

    Parameters
    ----------
    train : path, Dataset or Atoms
    **options
        Of `run_fit_with_error_bars`.

    Returns
    -------
    EnergyModel

    Raises
    ------
    InputError
        See `run_fit_with_error_bars`.
    """
    return run_fit_with_error_bars(as_dataset(train), **options).potential


def run_fit_with_error_bars(
    train: Dataset,
    *,
    test: Dataset | None = None,
    settings: FitSettings | None = None,
    kind: str = "posterior",
    folds: int | str = 5,
    level: float = 0.9,
    monitor: Monitor | None = None,
    origin: Mapping[str, Any] | None = None,
    on_fit: Callable[[FitResult], None] | None = None,
) -> FitResult:
    """
    Fit a potential, measure its errors and attach error bars, from one pass over the rows.

    Coefficients are those of `run_fit` up to rounding.

    Parameters
    ----------
    train : Dataset
    test : Dataset, optional
        Only evaluated: nothing is chosen or calibrated by it.
    settings : FitSettings, optional
        The solver must be ridge.
    kind : str
        "posterior", or "pops" for a posterior that is widened by the misfit, at the cost of three
        more passes over the data.
    folds : int or str
        Number of blocks of consecutive structures that are left out in turn to calibrate; or
        "groups", for use on structures unlike those of any group.
    level : float
        At which intervals are made narrow.
    monitor : Monitor, optional
    origin : mapping, optional
        See `run_fit`.
    on_fit : callable, optional
        Called with the fit before its error bars are made.

    Returns
    -------
    FitResult

    Raises
    ------
    InputError
        If the solver is not ridge, or there are fewer structures than folds or than the level
        needs.
    """
    settings, monitor = settings or FitSettings(), monitor or Silent()
    checks.one_of("kind", kind, KINDS)
    if settings.solver != "ridge":
        raise InputError(f"error bars need a ridge solver, got {settings.solver!r}")
    check_test(train, test)
    folded = prepare_folds(train, settings, folds, monitor, test=test)
    result = finish_fit(
        folded.session, folded.plan, train, test=test, monitor=monitor, origin=origin
    )
    if on_fit is not None:
        on_fit(result)
    found = folded.calibrated(kind, level, monitor, at_least=result.walls.demands)
    learned = learned_part(result.potential).with_provenance(
        error_bars={"kind": kind, "folds": folds}
    )
    active = find_active_set(learned.engine, train, threads=settings.threads)
    bars = ErrorBars(learned, found.fit.posterior, found.calibrations, active)
    potential = with_learned_part(result.potential, learned)
    return replace(result, potential=bars.attached_to(potential))
