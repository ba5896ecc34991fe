"""The posterior of a fit, from the factors of its session."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.uncertainty.posterior import Posterior
from linpot.workflow.changes import apply_changes
from linpot.workflow.session import FitSession
from linpot.workflow.solution import Solution

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PosteriorFit:
    """
    A solved fit and how well it knows its coefficients.

    Attributes
    ----------
    solution : Solution
    posterior : Posterior
        Around the coefficients of the solution; E0 and baseline are taken as exact.
    """

    solution: Solution
    posterior: Posterior


def solve_with_posterior(
    session: FitSession,
    *,
    without_groups: Collection[str] = (),
    without_fold: int | None = None,
    at_least: tuple[Floats, Floats] | None = None,
    **changes: Any,
) -> PosteriorFit:
    """
    Solve by ridge, with noise and penalty by evidence or given, and keep the posterior.

    Parameters
    ----------
    session : FitSession
    without_groups, without_fold, at_least, **changes
        See `FitSession.solve`. The width of the posterior does not know of inequalities.

    Returns
    -------
    PosteriorFit

    Raises
    ------
    InputError
        If the solver is not ridge, or a change is refused by the session.
    """
    changed = apply_changes(
        session.settings,
        session.reference.values,
        session.factors,
        changes,
        without_groups=without_groups,
        without_fold=without_fold,
        merged=session.merged,
    )
    if changed.settings.solver != "ridge":
        raise InputError(
            f"`solver` must be ridge for a posterior, got {changed.settings.solver!r}; "
            "other solvers have none that factors give"
        )
    solution = session.solve(
        without_groups=without_groups, without_fold=without_fold, at_least=at_least, **changes
    )
    factor, _ = session.factors.combined(changed.weights)
    posterior = Posterior.of_ridge(
        factor[:, : session.basis.n_features],
        solution.solver["penalty"],
        solution.solver["noise_variance"],
        solution.coefficients,
        changed.settings.prior.scales(session.basis),
    )
    return PosteriorFit(solution, posterior)
