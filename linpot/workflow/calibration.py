"""Calibration of error bars on left-out folds of the training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError
from linpot.structures.batches import batches_of_atoms
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure
from linpot.uncertainty.conformal import Calibration, calibrate
from linpot.uncertainty.spread import spread_of
from linpot.workflow.choice import chosen, left_out
from linpot.workflow.cross_validation import assign_folds
from linpot.workflow.evaluate import residuals_of
from linpot.workflow.fit import Monitor, Silent, gather_rows, plan_fit
from linpot.workflow.posterior import PosteriorFit, solve_with_posterior
from linpot.workflow.session import FitSession
from linpot.workflow.settings import FitSettings

Floats = NDArray[np.float64]
BATCH = 100
"""Atoms whose design rows are held at a time."""


@dataclass(frozen=True)
class CalibratedFit:
    """
    A fit to all data whose error bars were calibrated on left-out folds.

    Attributes
    ----------
    session : FitSession
    fit : PosteriorFit
    calibrations : dict of property to Calibration
        "energy" (eV per atom) and "forces" (components, eV/A), as far as the data have them.
    """

    session: FitSession
    fit: PosteriorFit
    calibrations: dict[str, Calibration]


def calibrated_fit(
    train: Dataset,
    *,
    settings: FitSettings | None = None,
    folds: int = 5,
    level: float = 0.9,
    monitor: Monitor | None = None,
) -> CalibratedFit:
    """
    Fit by ridge, with a posterior calibrated on blocks of consecutive structures left out.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings, optional
    folds : int
    level : float
        At which intervals are made narrow; any level can be asked for later.
    monitor : Monitor, optional

    Returns
    -------
    CalibratedFit

    Raises
    ------
    InputError
        If there are fewer structures than folds, too few for the level, or the solver is not ridge.
    """
    settings = settings or FitSettings()
    monitor = monitor or Silent()
    checks.integer("folds", folds, low=2)
    if len(train) < folds:
        raise InputError(f"`folds` must be at most the number of structures, got {folds}")
    fold_of = assign_folds(train.contents.groups, folds, None)
    plan = plan_fit(train, settings, folds=folds)
    monitor.planned(plan)
    session = gather_rows(train, plan, settings, monitor, fold_of)
    seen: dict[str, list[tuple[Floats, Floats]]] = {}
    monitor.stage("folds", folds)
    for fold in range(folds):
        part, which = left_out(session, fold)
        own = solve_with_posterior(part, without_fold=which)
        held_out = train.subset(i for i, k in enumerate(fold_of) if k == fold)
        for pairs in deviations_and_residuals(part, own, held_out):
            for name, pair in pairs.items():
                seen.setdefault(name, []).append(pair)
        monitor.advance(fold + 1)
    calibrations = {
        name: calibrate([std for std, _ in pairs], [r for _, r in pairs], level=level)
        for name, pairs in seen.items()
    }
    session = chosen(session)
    return CalibratedFit(session, solve_with_posterior(session), calibrations)


def deviations_and_residuals(
    session: FitSession, fit: PosteriorFit, structures: Sequence[Structure]
) -> Iterator[dict[str, tuple[Floats, Floats]]]:
    """
    Yield the deviations and residuals of every structure, in batches of a bounded size.

    Parameters
    ----------
    session : FitSession
    fit : PosteriorFit
    structures : sequence of Structure

    Yields
    ------
    dict of property to (float64[n], float64[n])
        "energy", eV per atom; "forces", components, eV/A.
    """
    potential, engine = fit.solution.potential, session.builder.engine
    for batch in batches_of_atoms(structures, BATCH):
        residuals = residuals_of(potential, batch, threads=session.settings.threads)
        spreads = spread_of(engine, fit.posterior, batch)
        for structure, own, spread in zip(batch, residuals, spreads, strict=True):
            std = {
                "energy": np.array([spread.energy / structure.n_atoms]),
                "forces": spread.forces.ravel(),
            }
            yield {name: (std[name], own[name]) for name in std if name in own}
