"""From labelled structures to a potential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from linpot.basis.ace import Basis, build_basis
from linpot.basis.specification import BasisSpecification, symbols_of
from linpot.errors import InputError
from linpot.fitting.reference_energies import ReferenceEnergies, find_reference_energies
from linpot.fitting.rows import RowBuilder
from linpot.model.feature_engine import FeatureEngine
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.structures.distances import PairDistances, survey_distances
from linpot.workflow.baseline import build_baseline, parse_baseline, wall_of
from linpot.workflow.choice import chosen
from linpot.workflow.defaults import TAPER_START, Distances, default_radial
from linpot.workflow.dense_environments import dense_environments
from linpot.workflow.estimate import FitEstimate, estimate_fit, refuse_too_many_columns
from linpot.workflow.evaluate import Metrics, evaluate_model
from linpot.workflow.provenance import provenance
from linpot.workflow.regression import collect_factors, noise_of
from linpot.workflow.restraints import Restraints, wall_dimers
from linpot.workflow.session import FitSession
from linpot.workflow.settings import FitSettings
from linpot.workflow.targets import Targets, energies_without, mean_energy
from linpot.workflow.walls import Walls, solve_without_holes


class Monitor(Protocol):
    """Hears of the stages of a fit; the command line shows them."""

    def planned(self, plan: FitPlan) -> None:
        """Hear the basis and the estimate, before any work."""

    def stage(self, name: str, total: int) -> None:
        """Hear that a stage of `total` steps begins."""

    def advance(self, done: int) -> None:
        """Hear how many steps of the stage are done."""


class Silent:
    """A monitor that shows nothing."""

    def planned(self, plan: FitPlan) -> None:
        """Ignore the plan."""

    def stage(self, name: str, total: int) -> None:
        """Ignore the stage."""

    def advance(self, done: int) -> None:
        """Ignore the step."""


@dataclass(frozen=True)
class FitPlan:
    """
    What a fit will do, before any work.

    Attributes
    ----------
    basis : Basis
    baseline : EnergyModel or None
    restraints : Restraints or None
        None without a repulsion in the baseline.
    distances : dict of pair to PairDistances
    estimate : FitEstimate
    """

    basis: Basis
    baseline: EnergyModel | None
    restraints: Restraints | None
    distances: dict[tuple[str, str], PairDistances]
    estimate: FitEstimate

    def complete(self, learned: LinearPotential) -> EnergyModel:
        """Add the baseline to the learned part."""
        return learned if self.baseline is None else learned + self.baseline


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
    walls : Walls
        Whether atoms that are pushed together repel.
    notes : list of str
        What the user should know.
    """

    potential: EnergyModel
    train: Metrics
    test: Metrics | None
    reference: ReferenceEnergies
    walls: Walls
    notes: list[str] = field(default_factory=list)


def plan_fit(
    train: Dataset, settings: FitSettings, *, folds: int = 1, test: Dataset | None = None
) -> FitPlan:
    """
    Choose basis and baseline, and estimate what the fit takes.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings
    folds : int
        Of cross-validation.
    test : Dataset, optional
        Takes memory as well.

    Returns
    -------
    FitPlan

    Raises
    ------
    InputError
        If the settings and the data do not go together.
    """
    if not train.contents.rows.any():
        raise InputError(
            "no structure has an energy, forces or a stress; name the keys of the labels "
            "(--energy-key, --forces-key, --stress-key)"
        )
    settings.weights.check_groups(tuple(train.groups))
    elements = symbols_of(train.elements)
    distances = survey_distances(train, elements)
    specification = specify_basis(distances, settings, elements)
    wanted = sum(specification.functions_of(symbol) or 0 for symbol in elements)
    refuse_too_many_columns(wanted, settings.memory_limit)
    basis = build_basis(specification)
    baseline = build_baseline(parse_baseline(settings.baseline), distances, elements)
    estimate = estimate_fit(
        basis,
        train,
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        folds=folds,
        held=0 if test is None else test.memory,
    )
    restraints = None
    if (wall := wall_of(baseline)) is not None:
        start = TAPER_START if settings.taper is None else settings.taper[0]
        dimers = wall_dimers(distances, start, settings.restraint)
        dense = dense_environments(train, distances, seed=settings.seed)
        restraints = Restraints(wall, dimers, dense, settings.dense_restraint)
    return FitPlan(basis, baseline, restraints, distances, estimate)


def specify_basis(
    distances: Distances, settings: FitSettings, elements: tuple[str, ...]
) -> BasisSpecification:
    """Return the basis that settings stand for, given the distances of the data."""
    return BasisSpecification(
        elements,
        default_radial(distances, settings.cutoff, settings.decay, settings.taper),
        body_order=settings.body_order,
        n_functions=_columns_of(settings),
        max_degree=settings.max_degree,
        angular_weight=settings.angular_weight,
        pair_weight=settings.pair_weight,
        degree_offsets=settings.degree_offsets,
    )


def _columns_of(settings: FitSettings) -> int | Mapping[str, int] | None:
    """Functions that rows are made of; None where degrees decide."""
    if settings.max_degree is not None:
        return None
    return settings.n_functions if settings.choose_from is None else settings.choose_from


def run_fit(
    train: Dataset,
    *,
    test: Dataset | None = None,
    settings: FitSettings | None = None,
    monitor: Monitor | None = None,
    origin: Mapping[str, Any] | None = None,
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
    origin : mapping, optional
        Further entries of the potential's provenance, plain values: how settings were found.

    Returns
    -------
    FitResult

    Raises
    ------
    InputError
        If the data or the settings cannot make a potential.
    HoleError
        If atoms fall into each other whatever is done, and `settings.allow_holes` is off.
    """
    settings = settings or FitSettings()
    monitor = monitor or Silent()
    check_test(train, test)
    plan = plan_fit(train, settings, test=test)
    monitor.planned(plan)
    session = gather_rows(train, plan, settings, monitor)
    return finish_fit(session, plan, train, test=test, monitor=monitor, origin=origin)


def finish_fit(
    session: FitSession,
    plan: FitPlan,
    train: Dataset,
    *,
    test: Dataset | None = None,
    monitor: Monitor | None = None,
    origin: Mapping[str, Any] | None = None,
) -> FitResult:
    """
    Solve, measure errors, and write down where the potential comes from.

    Parameters
    ----------
    session : FitSession
    plan : FitPlan
    train, test : Dataset
    monitor : Monitor, optional
    origin : mapping, optional
        See `run_fit`.

    Returns
    -------
    FitResult
    """
    settings, reference = session.settings, session.reference
    monitor = monitor or Silent()
    monitor.stage("solve", 1)
    session = chosen(session)
    solution, walls = solve_without_holes(session, plan.distances, train)
    monitor.advance(1)
    potential = solution.potential
    learned = LinearPotential(session.basis, solution.coefficients, reference.values)
    errors, tested = _measure(potential, train, test, settings, monitor)
    notes = _notes(plan, reference) + walls.notes
    shortest = {pair: seen.shortest for pair, seen in plan.distances.items()}
    learned = learned.with_provenance(
        **provenance(train, test, settings, solution.solver),
        **(origin or {}),
        e0_sources=dict(reference.sources),
        errors={"train": errors, "test": tested},
        notes=notes,
        shortest_distances={"-".join(pair): value for pair, value in shortest.items()},
    )
    return FitResult(plan.complete(learned), errors, tested, reference, walls, notes)


def prepare_fit(
    train: Dataset, *, settings: FitSettings | None = None, monitor: Monitor | None = None
) -> FitSession:
    """
    Turn data into a session that is solved and changed without touching atoms again.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings, optional
    monitor : Monitor, optional

    Returns
    -------
    FitSession

    Raises
    ------
    InputError
        If the data or the settings cannot make a potential.
    """
    settings = settings or FitSettings()
    monitor = monitor or Silent()
    plan = plan_fit(train, settings)
    monitor.planned(plan)
    return gather_rows(train, plan, settings, monitor)


def gather_rows(
    train: Dataset,
    plan: FitPlan,
    settings: FitSettings,
    monitor: Monitor,
    fold_of: Sequence[int] | None = None,
) -> FitSession:
    """
    Take baseline and E0 off the labels and stream the rows into factors.

    Parameters
    ----------
    train : Dataset
    plan : FitPlan
    settings : FitSettings
    monitor : Monitor
    fold_of : sequence of int, optional
        Fold of each structure.

    Returns
    -------
    FitSession
    """
    energies = energies_without(train, plan.baseline, threads=settings.threads)
    reference = find_reference_energies(
        train, energies, plan.basis.elements, plan.basis.cutoff, settings.e0
    )
    monitor.stage("design rows", len(train))
    builder = RowBuilder.for_data(FeatureEngine(plan.basis), settings.weights, train)
    targets = Targets(plan.baseline, reference.values)
    factors = collect_factors(
        builder,
        train,
        targets,
        settings,
        merged=plan.estimate.merged,
        folds=fold_of,
        progress=monitor.advance,
    )
    session = FitSession(
        builder, plan.baseline, reference, factors, settings, merged=plan.estimate.merged
    )
    if plan.restraints is not None:
        level = mean_energy(train, energies, reference.values)
        session.restrain(plan.restraints, level, noise_of(factors, settings.weights))
    return session


def check_test(train: Dataset, test: Dataset | None) -> None:
    """
    Refuse before the fit what could not be evaluated after it.

    Raises
    ------
    InputError
        If the test data have other elements, or no labels.
    """
    if test is None:
        return
    unknown = [symbol for symbol in test.symbols if symbol not in train.symbols]
    if unknown:
        raise InputError(
            f"`test` must hold elements of the training data ({', '.join(train.symbols)}), "
            f"got {unknown[0]!r}"
        )
    if not test.contents.rows.any():
        raise InputError("`test` must have an energy, forces or a stress to compare with, got none")


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


def _notes(plan: FitPlan, reference: ReferenceEnergies) -> list[str]:
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
    return notes
