"""Calibration of error bars on left-out folds of the training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError
from linpot.model.feature_engine import FeatureEngine
from linpot.model.protocol import EnergyModel
from linpot.structures.batches import batches_of_atoms
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure
from linpot.uncertainty.conformal import (
    Calibration,
    CalibrationPart,
    calibrate,
    calibrate_parts,
    root_mean_square,
)
from linpot.uncertainty.posterior import Posterior
from linpot.uncertainty.spread import Spread, spread_of
from linpot.workflow.choice import chosen, left_out
from linpot.workflow.cross_validation import assign_folds
from linpot.workflow.evaluate import residuals_of
from linpot.workflow.fit import Monitor, Silent, gather_rows, lay_out
from linpot.workflow.misfit import Part, widen_by_misfit
from linpot.workflow.plan import FitPlan
from linpot.workflow.posterior import PosteriorFit, solve_with_posterior
from linpot.workflow.session import FitSession
from linpot.workflow.settings import FitSettings

Floats = NDArray[np.float64]
BATCH = 100
"""Atoms whose design rows are held at a time."""
SHARE = 0.001
"""
What rows are worth, as a share of their number, where groups are left out: see docs/decisions.md.
"""
SAMPLE = 10
"""Structures of each group that stand for what a fit has seen."""


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

    def calibrated(
        self,
        kind: str,
        level: float,
        monitor: Monitor,
        at_least: tuple[Floats, Floats] | None = None,
    ) -> CalibratedFit:
        """
        Fit without each fold, and to all; arguments as for `calibrated_fit`.

        Inequalities `at_least` (see `FitSession.solve`) hold in the fit to all, and in those
        without a fold if these have its functions.
        """
        session, n_folds = self.session, int(self.fold_of.max()) + 1
        monitor.stage("folds", n_folds)
        everything = chosen(session)
        whole = solve_with_posterior(everything, at_least=at_least)
        if everything is not session:  # folds choose functions of their own
            at_least = None
        parts, fits = [], []
        for fold in range(n_folds):
            part, which = left_out(session, fold)
            parts.append(part)
            if self.by_groups:  # it is data that are left out: penalty and noise stay
                fits.append(solve_like(whole, part, which, at_least))
            else:
                fits.append(solve_with_posterior(part, without_fold=which, at_least=at_least))
        parts, fits = [*parts, everything], [*fits, whole]
        if kind == "pops":
            seen_by = [self.fold_of != fold for fold in range(n_folds + 1)]
            widened = [Part(*one) for one in zip(parts, fits, seen_by, strict=True)]
            fits = widen_by_misfit(session, self.train, widened)
        elif self.by_groups:
            fits = [_tempered(*both) for both in zip(parts, fits, strict=True)]
        if self.by_groups:
            calibrations = self._by_groups(parts, fits, monitor)
        else:
            calibrations = self._by_blocks(parts, fits, level, monitor)
        return CalibratedFit(everything, fits[-1], calibrations)

    def _by_blocks(
        self, parts: list[FitSession], fits: list[PosteriorFit], level: float, monitor: Monitor
    ) -> dict[str, Calibration]:
        """Calibrate on what was left out, all of it alike."""
        seen: dict[str, list[Seen]] = {}
        for fold, (part, fit) in enumerate(zip(parts[:-1], fits[:-1], strict=True)):
            members = np.flatnonzero(self.fold_of == fold)
            for name, found in self._compared(part, fit, members).items():
                seen.setdefault(name, []).extend(found)
            monitor.advance(fold + 1)
        return {
            name: calibrate(
                [one.scale for one in found],
                [one.residuals for one in found],
                level=level,
                spread=[one.spread for one in found],
            )
            for name, found in seen.items()
        }

    def _by_groups(
        self, parts: list[FitSession], fits: list[PosteriorFit], monitor: Monitor
    ) -> dict[str, Calibration]:
        """Calibrate on each group by a fit without it, and by the fit to all."""
        members = [np.flatnonzero(self.fold_of == fold) for fold in range(len(parts) - 1)]
        samples = [own[np.linspace(0, len(own) - 1, min(SAMPLE, len(own))).astype(int)]
                   for own in members]  # fmt: skip
        found: dict[str, list[CalibrationPart]] = {}
        typical: dict[str, float] = {}
        for fold, (part, fit) in enumerate(zip(parts, fits, strict=True)):
            known = [self._compared(part, fit, own) for k, own in enumerate(samples) if k != fold]
            scales = {
                name: [one.scale for own in known for one in own.get(name, [])]
                for name in {name for own in known for name in own}
            }
            typical = {name: root_mean_square(np.concatenate(v)) for name, v in scales.items()}
            is_whole = fold == len(members)
            new = known if is_whole else [self._compared(part, fit, members[fold])]
            for own in new:
                for name in typical.keys() & own.keys():
                    found.setdefault(name, []).append(
                        _joined(own[name], typical[name], is_left_out=not is_whole)
                    )
            monitor.advance(min(fold + 1, len(members)))
        return {
            name: calibrate_parts(found[name], typical[name])
            for name in sorted(typical)
            if any(part.left_out for part in found[name])
        }

    def _compared(
        self, session: FitSession, fit: PosteriorFit, members: NDArray[np.int64]
    ) -> dict[str, list[Seen]]:
        """Compare a fit with the labels of some structures."""
        structures = self.train.subset(members.tolist()) if len(members) else []
        found: dict[str, list[Seen]] = {}
        for own in deviations_and_residuals(session, fit, structures):
            for name, one in own.items():
                found.setdefault(name, []).append(one)
        return found


def solve_like(
    whole: PosteriorFit,
    part: FitSession,
    without_fold: int | None,
    at_least: tuple[Floats, Floats] | None = None,
) -> PosteriorFit:
    """Return the fit without a fold at penalty and noise of the fit to all."""
    fit = solve_with_posterior(
        part, without_fold=without_fold, at_least=at_least, penalty=whole.solution.penalty
    )
    return replace(fit, posterior=fit.posterior.with_noise(whole.posterior.noise_variance))


def _tempered(session: FitSession, fit: PosteriorFit) -> PosteriorFit:
    penalty = fit.solution.penalty
    assert penalty is not None  # of ridge
    scales = session.settings.prior.scales(session.basis)
    return replace(fit, posterior=fit.posterior.tempered(SHARE, penalty, scales))


def _joined(seen: Sequence[Seen], typical: float, *, is_left_out: bool) -> CalibrationPart:
    return CalibrationPart(
        np.concatenate([one.scale for one in seen]),
        np.concatenate([one.residuals for one in seen]),
        np.concatenate([one.spread for one in seen]),
        typical,
        len(seen),
        is_left_out,
    )


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
    settings, plan = lay_out(train, settings, monitor, folds=int(fold_of.max()) + 1, test=test)
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
