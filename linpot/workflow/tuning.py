"""
Settings from the data: a coordinate search by blocked cross-validation, within a time budget.

One setting after the other, in full steps, then in smaller ones, at the size that is asked for:
half the functions order the balance of degrees the other way round (docs/decisions.md). The list
of trials follows from the data alone: time cuts it and changes nothing else, but for the choice of
functions out of more, which helps most and costs most. Its time is kept free.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from linpot import checks
from linpot.basis.specification import symbols_of
from linpot.errors import ConvergenceError, InputError
from linpot.fitting.weights import PROPERTIES
from linpot.structures.dataset import Dataset
from linpot.structures.distances import survey_distances
from linpot.workflow.charges import refuse_charges
from linpot.workflow.cost import CostModel
from linpot.workflow.defaults import Distances
from linpot.workflow.evaluate import GroupErrors
from linpot.workflow.fit import Monitor, Silent
from linpot.workflow.noise_levels import find_noise_levels
from linpot.workflow.plan import FitPlan, plan_fit
from linpot.workflow.search_directions import DIRECTIONS, Direction, extended
from linpot.workflow.settings import FitSettings
from linpot.workflow.trials import (
    FOLDS,
    FoldedFit,
    Trial,
    check_tunable,
    fold_numbers,
    score_of,
)
from linpot.workflow.tuning_result import CRITERIA, TuningResult

HOLDABLE = tuple(dict.fromkeys(d.holds for d in DIRECTIONS))
_WORTHWHILE = 0.998  # a score must fall below this share of the best: less is noise of the folds
_NATS = 10.0  # by which the logarithm of the evidence must rise: residuals are not independent
_LONGEST_WALK = 3  # steps in one direction in a row
_BELIEFS = (1e6, 1e4)  # rows that given weights count for: nearly fixed, and a compromise
_CHOICE = "choose_from"
_COST_OF_CHOICE = 6.0  # trials: four times the work of a factor, and the choice
_ROUNDS = (1.0, 0.5, 0.5, 0.25)  # steps; the search ends early when a round finds nothing


def run_tuning(
    train: Dataset,
    *,
    settings: FitSettings | None = None,
    minutes: float = 5.0,
    us_per_atom: float | None = None,
    hold: Collection[str] = (),
    criterion: str = CRITERIA[0],
    monitor: Monitor | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> TuningResult:
    """
    Search for settings that predict left-out training structures better.

    Cutoff, transform of distances, taper, balance of degrees and body orders, weights of energies
    and stresses, form and strengths of the prior, strengths and noise levels by evidence. Every
    trial is cross-validated on blocks of consecutive structures (`FoldedFit`), and compared by
    `score_of` or by the evidence. Nothing in it is random.

    Parameters
    ----------
    train : Dataset
        Test data have no place here.
    settings : FitSettings, optional
        The start; its `n_functions` is kept, unless a cost is asked for.
    minutes : float
        No trial begins that would probably end later; the first one always runs.
    us_per_atom : float, optional, us
        Estimated cost of the learned part per atom and step (`CostModel`), instead of a number of
        functions: every trial has as many as it allows.
    hold : collection of str
        Fields of the settings that are kept: cutoff, decay, taper, body_order, angular_weight,
        pair_weight, degree_offsets, choose_from, weights, prior.
    criterion : {"cross-validation", "evidence"}
        By what trials are compared: errors on left-out structures, or the marginal likelihood of
        all training labels, whose score is ``exp(-gain / rows)``.
    monitor : Monitor, optional
    on_trial : callable, optional
        Called with every trial when it ends.

    Returns
    -------
    TuningResult
        Also after Ctrl-C, with the best so far, if a trial was finished.

    Raises
    ------
    InputError
        If the data or the settings cannot make a potential, or cannot be tuned.
    """
    settings = settings or FitSettings()
    checks.positive("minutes", minutes)
    checks.one_of("criterion", criterion, CRITERIA)
    if settings.family_name != "ace":
        raise InputError(f"only family 'ace' can be tuned, got {settings.family_name!r}")
    for name in hold:
        checks.one_of("hold", name, HOLDABLE)
    fold_numbers(train)
    sized: Callable[[FitSettings], FitSettings] | None = None
    if us_per_atom is not None:
        model = CostModel(train)
        sized = partial(model.sized, us_per_atom=us_per_atom)
        settings = sized(settings)
        hold = [*hold, _CHOICE, "candidates"]  # what chosen functions cost is not known before
    refuse_charges(settings, "the search for settings")
    plan = plan_fit(train, settings, folds=FOLDS)
    check_tunable(settings, plan)
    monitor = monitor or Silent()
    monitor.planned(plan)
    budget = _Budget(60.0 * minutes, monitor)
    search = _Search(train, settings, hold, budget, on_trial, sized, criterion)
    ended = "finished"
    try:
        search.run()
    except _TimeIsUp:
        ended = "time"
    except KeyboardInterrupt:
        if not search.trials:
            raise
        ended = "interrupted"
    return search.result(ended)


class _TimeIsUp(Exception):  # noqa: N818 - no error
    """The next trial would end after the budget."""


class _Budget:
    """The clock of a search, and the monitor of its parts: it shows seconds."""

    def __init__(self, seconds: float, monitor: Monitor) -> None:
        self.seconds = seconds
        self._begin = time.monotonic()
        self._monitor = monitor
        monitor.stage("tuning (seconds)", max(1, round(seconds)))

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._begin

    def planned(self, plan: FitPlan) -> None:
        pass

    def stage(self, name: str, total: int) -> None:
        self.advance(0)

    def advance(self, done: int) -> None:
        self._monitor.advance(min(round(self.elapsed), round(self.seconds)))


class _Search:
    """The state of a search: the best, its rows, and what was tried."""

    def __init__(
        self,
        train: Dataset,
        settings: FitSettings,
        hold: Collection[str],
        budget: _Budget,
        on_trial: Callable[[Trial], None] | None,
        sized: Callable[[FitSettings], FitSettings] | None,
        criterion: str,
    ) -> None:
        self.train = train
        self.criterion = criterion
        self.sized = sized
        self.begin = settings
        self.directions = [d for d in DIRECTIONS if d.holds not in hold]
        self.hold = hold
        self.budget = budget
        self.on_trial = on_trial
        self.distances: Distances = survey_distances(train, symbols_of(train.elements))
        self.trials: list[Trial] = []
        self.best: Trial | None = None
        self.rows: FoldedFit | None = None
        self.reference: GroupErrors = {}

    def run(self) -> None:
        """Go through all trials."""
        self.start()
        try:
            for number, step in enumerate(_ROUNDS):
                before = self.best
                self.round(step, evidence=number == 0)
                if self.best is before and number > 0:
                    break
        except _TimeIsUp:
            if self.choice_is_open:
                self.walk(self.choices[0], 1.0)
            raise

    @property
    def choices(self) -> list[Direction]:
        """The direction in which functions are chosen out of more; empty where it is held."""
        return [d for d in self.directions if d.holds == _CHOICE]

    @property
    def choice_is_open(self) -> bool:
        """Whether that was not tried yet."""
        start = self.begin.columns_per_function
        return bool(self.choices) and all(
            t.settings.columns_per_function == start for t in self.trials
        )

    def start(self) -> None:
        """Make the first trial, with which others are compared."""
        began = time.monotonic()
        self.rows = FoldedFit(self.train, self.begin, self.budget)
        self.reference, evidence = self.rows.measure(self.begin)
        self.best = Trial(
            "start",
            self.begin,
            self.reference,
            1.0,
            self.rows.n_functions,
            time.monotonic() - began,
            True,
            True,
            log_evidence=evidence,
        )
        self._report(self.best)

    def round(self, step: float, *, evidence: bool) -> None:
        """Try every direction once."""
        for direction in self.directions:
            if step == 1.0 or not direction.whole:
                self.walk(direction, step)
        if evidence:
            self.by_evidence()

    def walk(self, direction: Direction, step: float) -> None:
        """Step one way while that helps; if it does not at all, the other way."""
        for sign in (direction.first, -direction.first):
            for taken in range(_LONGEST_WALK + 1):
                assert self.best is not None
                candidate = direction.move(self.best.settings, sign * step, self.distances)
                if candidate is None or taken == _LONGEST_WALK:
                    break
                shown = f"{direction.name} {direction.show(candidate, self.distances)}"
                if not self.attempt(shown, candidate, needs_rows=direction.needs_rows):
                    break
            if taken > 0:
                return

    def by_evidence(self) -> None:
        """Try the strengths of body orders, and the noise levels, that make the data probable."""
        if "prior" in self.hold:
            return
        for belief in _BELIEFS:
            if belief < max(_BELIEFS) and "weights" in self.hold:
                continue
            assert self.best is not None
            assert self.rows is not None
            self._wait_for(True, self.best.settings)
            name = "strengths of body orders" if belief == max(_BELIEFS) else "noise levels"
            name += " by evidence"
            try:
                candidate = self._most_probable(self.best.settings, self.rows, belief)
            except (InputError, ConvergenceError) as error:
                self._report(
                    replace(
                        self.best,
                        change=name,
                        errors=None,
                        score=float("inf"),
                        seconds=0.0,
                        needs_rows=False,
                        accepted=False,
                        refused=str(error),
                    )
                )
                continue
            self.attempt(name, candidate, needs_rows=False)

    def attempt(self, change: str, settings: FitSettings, *, needs_rows: bool) -> bool:
        """Try settings; return whether they became the best."""
        assert self.best is not None
        if any(trial.settings == settings for trial in self.trials):
            return False
        self._wait_for(needs_rows, settings)
        began = time.monotonic()
        rows = None if needs_rows else self.rows
        errors, score, evidence, refused = None, float("inf"), -float("inf"), ""
        try:
            if rows is None:
                settings = settings if self.sized is None else self.sized(settings)
                rows = FoldedFit(self.train, settings, self.budget)
            errors, evidence = rows.measure(settings)
            score = self._score(errors, evidence, rows)
        except InputError as error:
            refused = str(error)
        seconds = time.monotonic() - began
        accepted = score < self._worthwhile * self.best.score
        n_functions = 0 if rows is None else rows.n_functions
        trial = Trial(
            change,
            settings,
            errors,
            score,
            n_functions,
            seconds,
            needs_rows,
            accepted,
            refused,
            evidence,
        )
        if accepted:
            self.best, self.rows = trial, rows
        self._report(trial)
        return accepted

    def result(self, ended: str) -> TuningResult:
        """Return what was found so far."""
        assert self.best is not None
        return TuningResult(
            self.best.settings,
            tuple(self.trials),
            ended,
            self.budget.elapsed,
            self.train,
            self.criterion,
        )

    def _score(self, errors: GroupErrors, log_evidence: float, rows: FoldedFit) -> float:
        if self.criterion == "cross-validation":
            return score_of(errors, self.reference)
        return float(np.exp((self.trials[0].log_evidence - log_evidence) / rows.n_rows))

    @property
    def _worthwhile(self) -> float:
        """Share of the best score below which a trial becomes the best."""
        if self.criterion == "cross-validation":
            return _WORTHWHILE
        assert self.rows is not None
        return float(np.exp(-_NATS / self.rows.n_rows))

    def _report(self, trial: Trial) -> None:
        self.trials.append(trial)
        self.budget.advance(0)
        if self.on_trial is not None:
            self.on_trial(trial)

    def _wait_for(self, needs_rows: bool, settings: FitSettings) -> None:
        """
        Stop the search if a trial, by the time of the last of its kind, would end too late.

        Time for a choice of functions is kept, if that is less than half of all.
        """
        expected = self._seconds_of(needs_rows) * settings.columns_per_function**2
        if self.choice_is_open and settings.columns_per_function == self.begin.columns_per_function:
            kept = _COST_OF_CHOICE * self._seconds_of(True)
            expected += kept if kept < 0.5 * self.budget.seconds else 0.0
        if self.budget.elapsed + expected > self.budget.seconds:
            raise _TimeIsUp

    def _seconds_of(self, needs_rows: bool) -> float:
        """Return the longest of the last three trials of a kind, without a choice of functions."""
        alike = [
            t.seconds / t.settings.columns_per_function**2  # as factors and solvers grow
            for t in self.trials
            if t.needs_rows == needs_rows and t.errors is not None
        ]
        return max(alike[-3:], default=0.0)

    def _most_probable(self, settings: FitSettings, rows: FoldedFit, belief: float) -> FitSettings:
        changes = {"weights": settings.weights, "prior": settings.prior}
        found = find_noise_levels(rows.whole(), belief=belief, **changes)
        strengths = found.prior.order_strength
        assert isinstance(strengths, tuple)
        prior = replace(found.prior, order_strength=extended(strengths))
        if belief == max(_BELIEFS):
            return replace(settings, prior=prior)
        if settings.weights.groups:
            return replace(settings, prior=prior, weights=found.weights)
        own = found.weights.groups["all"]
        assert isinstance(own, Mapping)
        seen = {name for _, name in found.noise}
        unit = settings.weights.forces / own["forces"] if "forces" in seen else 1.0
        old = settings.weights
        new = {
            name: float(f"{own[name] * unit:.4g}") if name in seen else getattr(old, name)
            for name in PROPERTIES
        }
        weights = replace(old, energy=new["energy"], forces=new["forces"], stress=new["stress"])
        return replace(settings, prior=prior, weights=weights)
