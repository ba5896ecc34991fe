"""
The penalty of ridge by structures that are left out.

The evidence takes residuals for independent noise of the rows. Where there are about as many
functions as rows, as with a few dozen molecules, what it finds follows the data too closely; the
errors of left-out blocks tell.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

from linpot.structures.dataset import Dataset
from linpot.workflow.charges import refuse_charges
from linpot.workflow.fit import Monitor, Silent
from linpot.workflow.plan import plan_fit
from linpot.workflow.settings import FitSettings
from linpot.workflow.trials import FOLDS, FoldedFit, check_tunable, score_of

STEPS = (10.0, sqrt(10.0))
"""Factors by which the penalty goes up and down, the second from the best of the first."""
LONGEST_WALK = 8  # steps in one direction
_SMALLEST = 1e-12  # where the evidence finds none at all


def penalty_by_folds(
    train: Dataset, settings: FitSettings | None = None, *, monitor: Monitor | None = None
) -> float:
    """
    Find the penalty with the smallest errors of left-out blocks of structures.

    Five blocked folds as in `run_tuning`, compared by the geometric mean of the errors (MAE) of
    energies and forces; from the penalty by evidence in steps of 10, then of the root of 10.

    Parameters
    ----------
    train : Dataset
        At least five structures.
    settings : FitSettings, optional
        With ridge; their own penalty is not used.
    monitor : Monitor, optional

    Returns
    -------
    float
        To be `FitSettings.penalty` of a fit with the same settings.

    Raises
    ------
    InputError
        If the settings cannot be tuned: another solver, degrees, charges to be trained, or folds
        that do not fit into `memory_limit`.
    """
    settings = replace(settings or FitSettings(), penalty="evidence")
    monitor = monitor or Silent()
    refuse_charges(settings, "the search for a penalty")
    # as many columns, without what choosing them costs
    plan = plan_fit(train, replace(settings, candidates=None), folds=FOLDS)
    check_tunable(settings, plan, n_sets=1)
    folds = FoldedFit(train, settings, monitor)
    best, score = max(folds.solve(settings).penalty or 0.0, _SMALLEST), 1.0
    reference = folds.errors(settings, best)
    for step in STEPS:
        for factor in (step, 1.0 / step):
            start = best
            for _ in range(LONGEST_WALK):
                tried = best * factor
                found = score_of(folds.errors(settings, tried), reference)
                if found >= score:
                    break
                best, score = tried, found
            if best != start:
                break  # it was the right direction
    return best
