"""From labelled structures to a potential."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from linpot.basis.ace import Basis, build_basis
from linpot.basis.specification import BasisSpecification, symbols_of
from linpot.errors import InputError
from linpot.fitting.factors import FactorSet, combine
from linpot.fitting.reference_energies import ReferenceEnergies, find_reference_energies
from linpot.fitting.rows import RowBuilder, stream_rows
from linpot.fitting.solvers import Ridge
from linpot.model.feature_engine import FeatureEngine
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.structures.distances import PairDistances, survey_distances
from linpot.structures.structure import Labels, Structure
from linpot.validation.dimers import DimerCurve, check_dimers
from linpot.workflow.defaults import default_radial, default_zbl
from linpot.workflow.estimate import FitEstimate, estimate_fit
from linpot.workflow.evaluate import Metrics, evaluate_model
from linpot.workflow.settings import FitSettings
from linpot.workflow.targets import subtract_model, subtract_reference


class Monitor(Protocol):
    """Hears of the stages of a fit; the command line shows them."""

    def planned(self, plan: FitPlan) -> None:
        """Hear the basis and the estimate, before any work."""

    def stage(self, name: str, total: int) -> None:
        """Hear that a stage of `total` steps begins."""

    def advance(self, done: int) -> None:
        """Hear how many steps of the stage are done."""


class _Silent:
    def planned(self, plan: FitPlan) -> None:
        pass

    def stage(self, name: str, total: int) -> None:
        pass

    def advance(self, done: int) -> None:
        pass


@dataclass(frozen=True)
class FitPlan:
    """
    What a fit will do, before any work.

    Attributes
    ----------
    basis : Basis
    baseline : EnergyModel or None
    distances : dict of pair to PairDistances
    estimate : FitEstimate
    """

    basis: Basis
    baseline: EnergyModel | None
    distances: dict[tuple[str, str], PairDistances]
    estimate: FitEstimate


@dataclass(frozen=True)
class FitResult:
    """
    A finished fit.

    Attributes
    ----------
    potential : EnergyModel
        The learned part, plus the baseline if there is one.
    train, test : Metrics or None
    reference : ReferenceEnergies
    dimers : list of DimerCurve
    notes : list of str
        What the user should know.
    """

    potential: EnergyModel
    train: Metrics
    test: Metrics | None
    reference: ReferenceEnergies
    dimers: list[DimerCurve]
    notes: list[str] = field(default_factory=list)


def plan_fit(train: Dataset, settings: FitSettings) -> FitPlan:
    """
    Choose basis and baseline, and estimate what the fit takes.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings

    Returns
    -------
    FitPlan

    Raises
    ------
    InputError
        If the settings and the data do not go together.
    """
    if not any(s.labels.present for s in train):
        raise InputError(
            "no structure has an energy, forces or a stress; name the keys of the labels "
            "(--energy-key, --forces-key, --stress-key)"
        )
    elements = symbols_of(train.elements)
    distances = survey_distances(train, elements)
    specification = BasisSpecification(
        elements,
        default_radial(distances, settings.cutoff),
        body_order=settings.body_order,
        n_functions=settings.n_functions if settings.max_degree is None else None,
        max_degree=settings.max_degree,
        angular_weight=settings.angular_weight,
        pair_weight=settings.pair_weight,
    )
    basis = build_basis(specification)
    baseline = _baseline(settings, distances, elements)
    estimate = estimate_fit(
        basis, train, memory_limit=settings.memory_limit, threads=settings.threads
    )
    settings.weights.check_groups(tuple(train.groups))
    return FitPlan(basis, baseline, distances, estimate)


def run_fit(
    train: Dataset,
    *,
    test: Dataset | None = None,
    settings: FitSettings | None = None,
    monitor: Monitor | None = None,
) -> FitResult:
    """
    Fit a potential and measure its errors.

    Parameters
    ----------
    train : Dataset
    test : Dataset, optional
        Only evaluated: nothing is chosen by it.
    settings : FitSettings, optional
    monitor : Monitor, optional

    Returns
    -------
    FitResult

    Raises
    ------
    InputError
        If the data or the settings cannot make a potential.
    """
    settings = settings or FitSettings()
    monitor = monitor or _Silent()
    plan = plan_fit(train, settings)
    monitor.planned(plan)
    targets = subtract_model(train, plan.baseline, threads=settings.threads)
    reference = find_reference_energies(
        train, [t.energy for t in targets], plan.basis.elements, plan.basis.cutoff, settings.e0
    )
    targets = subtract_reference(train, targets, reference.values)
    coefficients, solver = _solve(plan, train, targets, settings, monitor)
    learned = LinearPotential(plan.basis, coefficients, reference.values)
    potential: EnergyModel = learned if plan.baseline is None else learned + plan.baseline
    errors, tested = _measure(potential, train, test, settings, monitor)
    notes = _notes(train, test, plan, reference)
    shortest = {pair: seen.shortest for pair, seen in plan.distances.items()}
    dimers = check_dimers(potential, shortest)
    learned = learned.with_provenance(
        **_provenance(train, test, settings, reference, solver, errors, tested, notes),
        shortest_distances={"-".join(pair): value for pair, value in shortest.items()},
    )
    potential = learned if plan.baseline is None else learned + plan.baseline
    return FitResult(potential, errors, tested, reference, dimers, notes)


def _baseline(
    settings: FitSettings,
    distances: dict[tuple[str, str], PairDistances],
    elements: tuple[str, ...],
) -> EnergyModel | None:
    if isinstance(settings.baseline, EnergyModel):
        missing = [s for s in elements if s not in settings.baseline.elements]
        if missing:
            raise InputError(f"`baseline` must know every element of the data, not {missing[0]!r}")
        return settings.baseline
    return None if settings.baseline == "none" else default_zbl(distances, elements)


def _solve(
    plan: FitPlan,
    train: Dataset,
    targets: Sequence[Labels],
    settings: FitSettings,
    monitor: Monitor,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Stream the rows into factors and solve."""
    weights, merged = settings.weights, plan.estimate.merged
    builder = RowBuilder.for_data(FeatureEngine(plan.basis), weights, train)
    factors: FactorSet[tuple[str, str]] = FactorSet(plan.basis.n_features + 1)
    monitor.stage("design rows", len(train))
    for block in stream_rows(
        builder, train, targets, threads=settings.threads, progress=monitor.advance
    ):
        if merged:
            weight = weights.of(block.group, block.name)
            factors.add(("merged", block.name), block.X * weight, block.y * weight)
        else:
            factors.add((block.group, block.name), block.X, block.y)
    monitor.stage("solve", 1)
    factor, n_rows = factors.combined(lambda key: 1.0 if merged else weights.of(*key))
    if n_rows == 0:
        raise InputError("all weights are zero; give at least one property a positive weight")
    scales = settings.prior.scales(plan.basis)
    scaled = factor * np.append(scales, 1.0)
    solver = Ridge(settings.penalty).fit_factor(combine([(1.0, scaled)], len(scaled)), n_rows)
    monitor.advance(1)
    return solver.coef_ * scales, solver.get_solver_state()


def _measure(
    potential: EnergyModel,
    train: Dataset,
    test: Dataset | None,
    settings: FitSettings,
    monitor: Monitor,
) -> tuple[Metrics, Metrics | None]:
    monitor.stage("training errors", len(train))
    errors = evaluate_model(potential, train, threads=settings.threads, progress=monitor.advance)
    if test is None:
        return errors, None
    monitor.stage("test errors", len(test))
    return errors, evaluate_model(
        potential, test, threads=settings.threads, progress=monitor.advance
    )


def _notes(
    train: Dataset, test: Dataset | None, plan: FitPlan, reference: ReferenceEnergies
) -> list[str]:
    notes = []
    if plan.estimate.merged:
        notes.append("groups share factors to stay inside the memory limit")
    if reference.undetermined:
        notes.append(
            "the compositions do not determine all E0; the solution of minimum norm was taken "
            "(energies of other compositions are not to be trusted: add isolated atoms or give e0)"
        )
    fitted = [s for s, source in reference.sources.items() if source == "least squares"]
    if fitted:
        notes.append(
            f"E0 of {', '.join(fitted)} by least squares: no isolated atom in the data, "
            "so energies of separated atoms have no meaning"
        )
    for pair, seen in plan.distances.items():
        if not seen.seen:
            notes.append(f"no close pair {'-'.join(pair)} in the data; its distances are guesses")
    known = set(train.elements)
    if test is not None and not set(test.elements) <= known:
        notes.append("the test data hold elements that the training data lack")
    return notes


def _provenance(
    train: Dataset,
    test: Dataset | None,
    settings: FitSettings,
    reference: ReferenceEnergies,
    solver: Mapping[str, Any],
    errors: Metrics,
    tested: Metrics | None,
    notes: list[str],
) -> dict[str, Any]:
    return {
        "data": {
            "train": _describe(train),
            "test": None if test is None else _describe(test),
        },
        "settings": settings.as_dict(),
        "e0_sources": dict(reference.sources),
        "solver": dict(solver),
        "errors": {"train": errors, "test": tested},
        "notes": list(notes),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("linpot", "numpy", "scipy", "numba", "ase")},
        },
    }


def _describe(data: Dataset) -> dict[str, Any]:
    structures: Sequence[Structure] = data
    return {
        "n_structures": len(structures),
        "n_atoms": data.n_atoms,
        "sha256": data.content_hash(),
        "groups": dict(data.groups),
    }
