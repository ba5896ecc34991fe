"""From labelled structures to a potential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from linpot.errors import InputError
from linpot.fitting.reference_energies import (
    ESTIMATED,
    LEAST_SQUARES,
    ReferenceEnergies,
    find_reference_energies,
)
from linpot.fitting.rows import RowBuilder
from linpot.fitting.targets import Targets, energies_without, mean_energy
from linpot.model.feature_engine import FeatureEngine
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.workflow.baseline import leaves_binding
from linpot.workflow.charges import add_charges
from linpot.workflow.choice import chosen
from linpot.workflow.evaluate import Metrics, evaluate_model
from linpot.workflow.joint_energies import (
    JOINT,
    fits_energies_jointly,
    rule_of,
    with_joint_energies,
)
from linpot.workflow.plan import FitPlan, plan_fit
from linpot.workflow.provenance import provenance
from linpot.workflow.radial_learning import with_learned_radials
from linpot.workflow.random_search import lift_minima
from linpot.workflow.regression import collect_factors, noise_of
from linpot.workflow.session import FitSession
from linpot.workflow.settings import FitSettings
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
    session : FitSession or None
        The equations behind it, as solved; for reports and further questions.
    """

    potential: EnergyModel
    train: Metrics
    test: Metrics | None
    reference: ReferenceEnergies
    walls: Walls
    notes: list[str] = field(default_factory=list)
    session: FitSession | None = None


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
    settings, plan = lay_out(train, settings, monitor, test=test)
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
    searched = []
    if settings.random_search:
        searched = [lift_minima(session, train, plan.distances, monitor.stage, monitor.advance)]
        monitor.stage("solve", 1)
    solution, walls = solve_without_holes(session, plan.distances, train)
    monitor.advance(1)
    potential = solution.potential
    learned = LinearPotential(session.basis, solution.coefficients, reference.values)
    errors, tested = _measure(potential, train, test, settings, monitor)
    notes = _notes(plan, reference) + searched + walls.notes
    shortest = {pair: seen.shortest for pair, seen in plan.distances.items()}
    learned = learned.with_provenance(
        **provenance(train, test, settings, solution.solver),
        **(origin or {}),
        e0_sources=dict(reference.sources),
        errors={"train": errors, "test": tested},
        notes=notes,
        shortest_distances={"-".join(pair): value for pair, value in shortest.items()},
    )
    return FitResult(plan.complete(learned), errors, tested, reference, walls, notes, session)


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
    settings, plan = lay_out(train, settings, monitor)
    return gather_rows(train, plan, settings, monitor)


def lay_out(
    train: Dataset,
    settings: FitSettings,
    monitor: Monitor,
    *,
    folds: int = 1,
    test: Dataset | None = None,
) -> tuple[FitSettings, FitPlan]:
    """
    Plan a fit, and find what has to be there before the linear part: radial functions and charges.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings
    monitor : Monitor
    folds : int
        Of cross-validation; radial functions and charges are trained on all of them.
    test : Dataset, optional

    Returns
    -------
    settings : FitSettings
        With the radial functions found.
    plan : FitPlan
        With the charges found in its baseline.
    """
    settings = with_learned_radials(train, settings, monitor.stage, monitor.advance)
    plan = plan_fit(train, settings, folds=folds, test=test)
    monitor.planned(plan)
    return settings, add_charges(plan, train, settings, monitor)


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
        train,
        energies,
        plan.basis.elements,
        plan.basis.cutoff,
        rule_of(settings),
        estimate=leaves_binding(plan.baseline),
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
    if fits_energies_jointly(settings, reference):
        scales = settings.prior.scales(plan.basis)
        factors, reference = with_joint_energies(factors, reference, settings, scales)
    restraints = plan.restraints
    rules = set(reference.sources.values())
    is_open = (
        settings.charges is not None
        or JOINT in rules
        or (ESTIMATED in rules and reference.undetermined)
    )
    if restraints is not None and settings.restraint is None and is_open:
        restraints = restraints.with_open_energies()
    session = FitSession(
        builder, plan.baseline, reference, factors, settings, merged=plan.estimate.merged
    )
    if restraints is not None:
        level = mean_energy(train, energies, reference.values)
        session.restrain(restraints, level, noise_of(factors))
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


_TOLD = {
    ESTIMATED: "estimated from compositions and cohesive energies of the elements: no isolated "
    "atom in the data",
    LEAST_SQUARES: "by least squares: no isolated atom in the data, so energies of separated atoms "
    "have no meaning",
    JOINT: f"{JOINT}: no isolated atom in the data, so energies of separated atoms have no meaning",
}


def _notes(plan: FitPlan, reference: ReferenceEnergies) -> list[str]:
    notes = []
    if plan.estimate.merged:
        notes.append("groups share factors to stay inside the memory limit")
    if reference.undetermined:
        notes.append(
            "the compositions do not determine all E0; the solution of minimum norm was taken "
            "(energies of other compositions are not to be trusted: add isolated atoms or give e0)"
        )
    for rule, told in _TOLD.items():
        found = [s for s, source in reference.sources.items() if source == rule]
        if found:
            notes.append(f"E0 of {', '.join(found)} {told}")
    for pair, seen in plan.distances.items():
        if not seen.seen:
            notes.append(f"no close pair {'-'.join(pair)} in the data; its distances are guesses")
    return notes
