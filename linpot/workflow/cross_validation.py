"""Cross-validation by structure: rows once, one solve per fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from linpot import checks
from linpot.errors import InputError
from linpot.structures.dataset import Dataset
from linpot.workflow.choice import left_out
from linpot.workflow.evaluate import Metrics, Residuals, stream_residuals, summarise_residuals
from linpot.workflow.fit import Monitor, Silent, gather_rows, lay_out
from linpot.workflow.settings import FitSettings


def cross_validate(
    train: Dataset,
    *,
    settings: FitSettings | None = None,
    folds: int = 5,
    blocked: bool = False,
    monitor: Monitor | None = None,
) -> Metrics:
    """
    Predict every structure by a potential that was fitted without its fold.

    Folds are random inside each group, from `settings.seed`, or blocks of consecutive structures,
    so that frames next to each other in time are never split. Basis, baseline and E0 are those of
    all the data: they hold few numbers and no choice by error.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings, optional
    folds : int
    blocked : bool
        Whether folds are blocks.
    monitor : Monitor, optional

    Returns
    -------
    Metrics
        As `evaluate_model` gives them, over all structures.

    Raises
    ------
    InputError
        If there are fewer structures than folds.
    """
    settings = settings or FitSettings()
    monitor = monitor or Silent()
    checks.integer("folds", folds, low=2)
    if len(train) < folds:
        raise InputError(f"`folds` must be at most the number of structures, got {folds}")
    seed = None if blocked else settings.seed
    fold_of = assign_folds(train.contents.groups, folds, seed)
    settings, plan = lay_out(train, settings, monitor, folds=folds)
    session = gather_rows(train, plan, settings, monitor, fold_of)
    monitor.stage("folds", folds)

    def residuals() -> Iterator[Residuals]:
        for fold in range(folds):
            part, which = left_out(session, fold)
            potential = part.solve(without_fold=which).potential
            held_out = train.subset(k for k, own in enumerate(fold_of) if own == fold)
            yield from stream_residuals(potential, held_out, threads=settings.threads)
            monitor.advance(fold + 1)

    return summarise_residuals(residuals())


def assign_folds(groups: Sequence[str], folds: int, seed: int | None) -> list[int]:
    """
    Deal structures to folds, evenly inside each group.

    Parameters
    ----------
    groups : sequence of str
        Group of each structure.
    folds : int
    seed : int or None
        None keeps consecutive structures of a group together.

    Returns
    -------
    list of int
    """
    rng = None if seed is None else np.random.default_rng(seed)
    result = np.zeros(len(groups), dtype=int)
    first = 0  # so that small groups do not all begin with fold 0
    for group in sorted(set(groups)):
        members = np.flatnonzero(np.array(groups) == group)
        if rng is None:
            result[members] = (first + np.arange(len(members)) * folds // len(members)) % folds
            first += 1
        else:
            result[rng.permutation(members)] = (first + np.arange(len(members))) % folds
            first += len(members)
    return result.tolist()
