"""
What one set of settings is worth: blocked cross-validation, and one number to compare by.

Rows are the expensive part. They are kept with their folds, so that weights, prior and penalty are
tried without touching atoms again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from linpot import checks
from linpot.errors import InputError
from linpot.fitting.factors import FactorSet, factor_bytes
from linpot.structures.dataset import Dataset
from linpot.workflow.choice import chosen, left_out
from linpot.workflow.cross_validation import assign_folds
from linpot.workflow.evaluate import GroupErrors, Residuals, stream_residuals, summarise_residuals
from linpot.workflow.fit import Monitor, gather_rows
from linpot.workflow.keys import EVERY_FOLD, Key, n_columns_of, weight_of
from linpot.workflow.plan import FitPlan, plan_fit
from linpot.workflow.session import FitSession
from linpot.workflow.settings import FitSettings
from linpot.workflow.solution import Solution

FOLDS = 5
STRESS_SLACK = 1.1
"""By how much stresses may get worse before it counts."""


@dataclass(frozen=True)
class Trial:
    """
    One set of settings and its errors on structures that were left out.

    Attributes
    ----------
    change : str
        What was changed, in words, from the best settings before it.
    settings : FitSettings
    errors : mapping or None
        As `evaluate_model` gives them for all structures; None if the settings were refused.
    score : float
        See `score_of`; infinite if refused.
    n_functions : int
        Of all centre species together.
    seconds : float
    needs_rows : bool
        Whether rows were made for it.
    log_evidence : float
        Of all training data; comparable between the trials of one search.
    accepted : bool
        Whether it became the best.
    refused : str
        Why there are no errors.
    """

    change: str
    settings: FitSettings
    errors: GroupErrors | None
    score: float
    n_functions: int
    seconds: float
    needs_rows: bool
    accepted: bool = False
    refused: str = ""
    log_evidence: float = -np.inf

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for provenance: what was tried and how good it was."""
        values: dict[str, Any] = {
            "change": self.change,
            "n_functions": self.n_functions,
            "accepted": self.accepted,
        }
        if self.errors is None:
            return {**values, "refused": self.refused}
        left_out = {
            name: {kind: self.errors[name][kind] for kind in ("mae", "rmse")}
            for name in self.errors
        }
        values |= {"score": self.score, "log_evidence": self.log_evidence, "left_out": left_out}
        return values


def score_of(errors: GroupErrors, reference: GroupErrors) -> float:
    """
    Return one number for errors: below 1 is better than the reference.

    The geometric mean of the ratios of the mean absolute errors of energies and forces: a gain of a
    percent in either is worth as much, whatever their units. Stresses are a condition and no
    target: only by what they are more than `STRESS_SLACK` worse does the number grow, so that they
    are not sold for the others. Where there are neither energies nor forces, stresses alone count.

    Parameters
    ----------
    errors, reference : GroupErrors

    Returns
    -------
    float
    """
    ratios = {
        name: errors[name]["mae"] / max(reference[name]["mae"], np.finfo(float).tiny)
        for name in reference
    }
    targets = [ratios[name] for name in ("energy", "forces") if name in ratios]
    if not targets:
        return ratios["stress"]
    score = float(np.exp(np.mean(np.log(np.maximum(targets, np.finfo(float).tiny)))))
    return score * max(1.0, ratios.get("stress", 1.0) / STRESS_SLACK)


class FoldedFit:
    """
    Rows of one basis in folds, ready for any weights, prior and penalty.

    Folds are blocks of consecutive structures of each group: frames of one trajectory are near
    copies, and a random fold has seen the neighbors in time of what it is tested on.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings
    monitor : Monitor

    Attributes
    ----------
    plan : FitPlan
    """

    def __init__(self, train: Dataset, settings: FitSettings, monitor: Monitor) -> None:
        fold_of = fold_numbers(train)
        # Factors of every group and fold would be many: share them where weights allow it.
        data = train if settings.weights.groups else without_groups(train)
        self.plan = plan_fit(data, settings, folds=FOLDS)
        if self.plan.estimate.merged:
            raise InputError("groups and folds would have to share factors; raise `memory_limit`")
        self._settings = settings
        # every trial has rows of its own: nothing of it belongs into the checkpoint of a fit
        own = replace(settings, checkpoint=None)
        session = gather_rows(data, self.plan, own, monitor, fold_of)
        self._parts = [left_out(session, fold) for fold in range(FOLDS)]
        self._complete = chosen(session)
        self._held_out = [
            data.subset(k for k, own in enumerate(fold_of) if own == fold) for fold in range(FOLDS)
        ]

    @property
    def n_functions(self) -> int:
        """Functions of all centre species together."""
        return self._complete.basis.n_features

    def errors(self, settings: FitSettings, penalty: float) -> GroupErrors:
        """Return the errors of left-out structures with the weights and prior of settings."""
        changes: dict[str, Any] = {"weights": settings.weights, "prior": settings.prior}

        def residuals() -> Iterator[Residuals]:
            for fold, structures in enumerate(self._held_out):
                part, which = self._parts[fold]
                found = part.refit(without_fold=which, penalty=penalty, **changes)
                yield from stream_residuals(found.potential, structures, threads=settings.threads)

        errors: GroupErrors = summarise_residuals(residuals())["all"]
        return errors

    def measure(self, settings: FitSettings) -> tuple[GroupErrors, float]:
        """
        Return the errors of left-out structures, and the evidence of all.

        Parameters
        ----------
        settings : FitSettings
            Their weights, prior and penalty are used. A penalty that is chosen is chosen once, on
            all folds: it is one number. Functions stay those that were chosen at first.

        Returns
        -------
        errors : GroupErrors
        log_evidence : float
            Of labels, not of weighted rows: comparable between weights.
        """
        solution = self.solve(settings)
        assert solution.penalty is not None  # `check_tunable` wants ridge
        log_evidence = self._of_labels(solution.solver["log_evidence"], settings)
        return self.errors(settings, solution.penalty), log_evidence

    def solve(self, settings: FitSettings) -> Solution:
        """Return the solution of all folds together."""
        return self._complete.solve(
            penalty=settings.penalty, weights=settings.weights, prior=settings.prior
        )

    def _of_labels(self, log_evidence: float | None, settings: FitSettings) -> float:
        """Take the units of weights out of an evidence: each row was multiplied by its weight."""
        if log_evidence is None:
            return -np.inf
        factors = self._complete.factors
        weights = {k: weight_of(settings.weights, k) for k in factors if k[2] != EVERY_FOLD}
        used = [factors[k].n_rows * np.log(w) for k, w in weights.items() if w > 0.0]
        return float(log_evidence + sum(used))

    @property
    def n_rows(self) -> int:
        """Rows of the data."""
        return sum(f.n_rows for k, f in self._complete.factors.items() if k[2] != EVERY_FOLD)

    def whole(self) -> FitSession:
        """Return a session over the same rows without folds, for what needs all data at once."""
        session = self._complete
        factors: FactorSet[Key] = FactorSet(session.factors.n_columns, session.settings.threads)
        for (group, name, fold), factor in session.factors.items():
            key = (group, name, min(fold, 0))  # restraints stay in every fold
            factors.merge(key, factor.rows(), factor.n_rows)
        whole = FitSession(
            session.builder,
            session.baseline,
            session.reference,
            factors,
            self._settings,
            merged=session.merged,
        )
        whole.restraints = session.restraints  # their rows are in the factors
        return whole


def fold_numbers(train: Dataset) -> list[int]:
    """
    Return the blocked fold of each structure.

    Raises
    ------
    InputError
        If there are fewer structures than folds.
    """
    if len(train) < FOLDS:
        raise InputError(f"tuning needs at least {FOLDS} structures, got {len(train)}")
    return assign_folds(train.contents.groups, FOLDS, None)


def without_groups(train: Dataset) -> Dataset:
    """Return the data as one group."""
    return train.changed(lambda structure: replace(structure, group="all"))


def tuning_memory(plan: FitPlan, n_sets: int = 2) -> int:
    """
    Return the memory that tuning takes at most, in bytes.

    Two sets of rows are held, the best and the one on trial, or `n_sets`, each with its whitened
    blocks. A choice out of more functions is refused where it does not fit.
    """
    n_columns = n_columns_of(plan.basis)
    n_keys = plan.estimate.n_keys
    blocks = 4 * n_columns**2 * (n_keys + 8)
    others = (n_sets - 1) * factor_bytes(n_columns, n_keys)
    return plan.estimate.memory + others + n_sets * blocks


def check_tunable(settings: FitSettings, plan: FitPlan, n_sets: int = 2) -> None:
    """
    Refuse what cannot be tuned with so many sets of rows at a time, before any work.

    Raises
    ------
    InputError
        If the solver is not ridge, degrees are given instead of a number of functions, or the
        memory limit is too low.
    """
    checks.one_of("solver", str(settings.solver), ("ridge",))
    if settings.max_degree is not None:
        raise InputError("`max_degree` must not be given for tuning; give `n_functions`")
    needed = tuning_memory(plan, n_sets) / 1e9
    if plan.estimate.merged or needed > settings.memory_limit:
        raise InputError(
            f"tuning needs about {needed:.1f} GB, but `memory_limit` is {settings.memory_limit} "
            "GB; ask for fewer functions or raise the limit"
        )


def describe_errors(errors: Mapping[str, Mapping[str, float]]) -> str:
    """Return energy (meV/atom) and force (eV/A) errors in a few words."""
    parts = []
    if "energy" in errors:
        parts.append(f"{1e3 * errors['energy']['mae']:.3g} meV/atom")
    if "forces" in errors:
        parts.append(f"{errors['forces']['mae']:.3g} eV/A")
    if not parts:
        parts.append(f"{errors['stress']['mae']:.3g} eV/A^3")
    return ", ".join(parts)
