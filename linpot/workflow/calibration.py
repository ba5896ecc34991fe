"""Calibration of error bars on left-out folds of the training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError
from linpot.model.feature_engine import FeatureEngine
from linpot.model.protocol import EnergyModel
from linpot.structures.batches import batches_of_atoms
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure
from linpot.uncertainty.conformal import Calibration, calibrate
from linpot.uncertainty.posterior import Posterior
from linpot.uncertainty.spread import Spread, spread_of
from linpot.workflow.charges import add_charges
from linpot.workflow.choice import chosen, left_out
from linpot.workflow.cross_validation import assign_folds
from linpot.workflow.evaluate import residuals_of
from linpot.workflow.fit import Monitor, Silent, gather_rows
from linpot.workflow.misfit import widen_by_misfit
from linpot.workflow.plan import FitPlan, plan_fit
from linpot.workflow.posterior import PosteriorFit, solve_with_posterior
from linpot.workflow.session import FitSession
from linpot.workflow.settings import FitSettings

Floats = NDArray[np.float64]
BATCH = 100
"""Atoms whose design rows are held at a time."""


KINDS = ("posterior", "pops")


@dataclass(frozen=True)
class CalibratedFit:
    """
    A fit to all data whose error bars were calibrated on left-out folds.

    Attributes
    ----------
    session : FitSession
    fit : PosteriorFit
    calibrations : dict of property to Calibration
        "energy" (eV per atom), "forces" (components, eV/A) and "stress" (components, eV/A^3), as
        far as the data have them.
    """

    session: FitSession
    fit: PosteriorFit
    calibrations: dict[str, Calibration]


@dataclass(frozen=True)
class Seen:
    """
    Deviations and residuals of a property of one structure.

    Attributes
    ----------
    scale : float64[n]
        What intervals are proportional to, but for a constant part.
    spread : float64[n]
        Deviations under the posterior; those of the energy are not the scale.
    residuals : float64[n]
        Prediction less label.
    """

    scale: Floats
    spread: Floats
    residuals: Floats


def calibrated_fit(
    train: Dataset,
    *,
    settings: FitSettings | None = None,
    kind: str = "posterior",
    folds: int | str = 5,
    level: float = 0.9,
    monitor: Monitor | None = None,
) -> CalibratedFit:
    """
    Fit by ridge, with a posterior calibrated on left-out parts of the data.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings, optional
    kind : str
        "posterior", or "pops" for one that is widened by the misfit.
    folds : int or str
        Number of blocks of consecutive structures that are left out in turn; or "groups", which
        leaves out whole groups: for use on structures unlike any in the data.
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
    checks.one_of("kind", kind, KINDS)
    settings, monitor = settings or FitSettings(), monitor or Silent()
    return prepare_folds(train, settings, folds, monitor).calibrated(kind, level, monitor)


@dataclass(frozen=True)
class FoldedFit:
    """
    The rows of a data set, by folds.

    Attributes
    ----------
    train : Dataset
    plan : FitPlan
    session : FitSession
    fold_of : int64[n_structures]
    by_groups : bool
        Whether folds are groups.
    """

    train: Dataset
    plan: FitPlan
    session: FitSession
    fold_of: NDArray[np.int64]
    by_groups: bool

    def calibrated(self, kind: str, level: float, monitor: Monitor) -> CalibratedFit:
        """Fit without each fold, and to all; arguments as for `calibrated_fit`."""
        session, n_folds = self.session, int(self.fold_of.max()) + 1
        monitor.stage("folds", n_folds)
        parts, fits = [], []
        for fold in range(n_folds):
            part, which = left_out(session, fold)
            parts.append(part)
            fits.append(solve_with_posterior(part, without_fold=which))
        parts.append(chosen(session))
        fits.append(solve_with_posterior(parts[-1]))
        if kind == "pops":
            seen_by = [self.fold_of != fold for fold in range(n_folds + 1)]
            if session.settings.choose_from is None:
                fits = widen_by_misfit(session, self.train, list(zip(fits, seen_by, strict=True)))
            else:  # every fit has functions, and so rows, of its own
                fits = [
                    widen_by_misfit(part, self.train, [both])[0]
                    for part, both in zip(parts, zip(fits, seen_by, strict=True), strict=True)
                ]
        seen: dict[str, list[tuple[str, Seen]]] = {}
        for fold, (part, own) in enumerate(zip(parts[:-1], fits[:-1], strict=True)):
            members = np.flatnonzero(self.fold_of == fold).tolist()
            held_out = self.train.subset(members) if members else []
            compared = deviations_and_residuals(part, own, held_out)
            for structure, found in zip(held_out, compared, strict=True):
                for name, one in found.items():
                    seen.setdefault(name, []).append((structure.group, one))
            monitor.advance(fold + 1)
        calibrations = {
            name: calibrate(
                [one.scale for _, one in clusters],
                [one.residuals for _, one in clusters],
                level=level,
                spread=[one.spread for _, one in clusters],
                groups=[group for group, _ in clusters] if self.by_groups else None,
            )
            for name, clusters in seen.items()
        }
        return CalibratedFit(parts[-1], fits[-1], calibrations)


def prepare_folds(
    train: Dataset,
    settings: FitSettings,
    folds: int | str,
    monitor: Monitor,
    *,
    test: Dataset | None = None,
) -> FoldedFit:
    """
    Turn data into rows by folds.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings
    folds : int or str
        As for `calibrated_fit`.
    monitor : Monitor
    test : Dataset, optional
        Takes memory as well.

    Returns
    -------
    FoldedFit

    Raises
    ------
    InputError
        If there are fewer structures than folds, or fewer than two groups.
    """
    fold_of = np.array(_folds(train, folds), dtype=np.int64)
    plan = plan_fit(train, settings, folds=int(fold_of.max()) + 1, test=test)
    monitor.planned(plan)
    plan = add_charges(plan, train, settings, monitor)
    session = gather_rows(train, plan, settings, monitor, fold_of.tolist())
    return FoldedFit(train, plan, session, fold_of, isinstance(folds, str))


def deviations_and_residuals(
    session: FitSession, fit: PosteriorFit, structures: Sequence[Structure]
) -> Iterator[dict[str, Seen]]:
    """
    Yield the deviations and residuals of every structure, in batches of a bounded size.

    Parameters
    ----------
    session : FitSession
    fit : PosteriorFit
    structures : sequence of Structure

    Yields
    ------
    dict of property to Seen
        "energy", eV per atom; "forces", components, eV/A; "stress", components, eV/A^3.
    """
    return compare_with_labels(
        session.builder.engine,
        fit.posterior,
        fit.solution.potential,
        structures,
        threads=session.settings.threads,
    )


def compare_with_labels(
    engine: FeatureEngine,
    posterior: Posterior,
    potential: EnergyModel,
    structures: Sequence[Structure],
    *,
    threads: int = 1,
) -> Iterator[dict[str, Seen]]:
    """Yield what `deviations_and_residuals` yields, without a session."""
    for batch in batches_of_atoms(structures, BATCH):
        residuals = residuals_of(potential, batch, threads=threads)
        spreads = spread_of(engine, posterior, batch, threads=threads)
        for structure, own, spread in zip(batch, residuals, spreads, strict=True):
            std = _deviations(spread, structure, set(own))
            yield {name: Seen(*std[name], own[name]) for name in own}


def _deviations(
    spread: Spread, structure: Structure, names: set[str]
) -> dict[str, tuple[Floats, Floats]]:
    """Return scale and spread of the properties in `names`."""
    std = {}
    if "energy" in names:
        scales = np.array([[spread.misfit_energy], [spread.energy]]) / structure.n_atoms
        std["energy"] = (scales[0], scales[1])
    if "forces" in names and spread.forces is not None:
        std["forces"] = (spread.forces.ravel(), spread.forces.ravel())
    if "stress" in names:
        std["stress"] = (spread.stress(structure), spread.stress(structure))
    return std


def _folds(train: Dataset, folds: int | str) -> list[int]:
    """Return the fold of every structure."""
    groups = train.contents.groups
    if isinstance(folds, str):
        checks.one_of("folds", folds, ["groups"])
        names = sorted(set(groups))
        if len(names) < 2:
            raise InputError(f"folds by groups need at least two groups, got {len(names)}")
        return [names.index(group) for group in groups]
    checks.integer("folds", folds, low=2)
    if len(train) < folds:
        raise InputError(f"`folds` must be at most the number of structures, got {folds}")
    return assign_folds(groups, folds, None)
