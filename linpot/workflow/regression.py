"""The regression inside a fit: rows into factors, factors into coefficients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from linpot.basis.basis import Basis
from linpot.errors import InputError
from linpot.fitting.catalogue import SOLVERS
from linpot.fitting.estimator import FactorRegressor
from linpot.fitting.factors import FactorSet
from linpot.fitting.least_change import least_change
from linpot.fitting.ridge import Ridge
from linpot.fitting.rows import RowBuilder, TargetRule, stream_rows
from linpot.structures.dataset import Dataset
from linpot.workflow.chunks import collect_chunks
from linpot.workflow.keys import Key, keyed, n_columns_of
from linpot.workflow.settings import FitSettings

LEAST_NOISE = 0.01
"""Of the root mean square of the labels."""

Floats = NDArray[np.float64]


def collect_factors(
    builder: RowBuilder,
    train: Dataset,
    targets: TargetRule,
    settings: FitSettings,
    *,
    merged: bool,
    folds: Sequence[int] | None = None,
    progress: Callable[[int], None] | None = None,
) -> FactorSet[Key]:
    """
    Stream the rows of all structures into one triangular factor of ``[X one_body y]`` per key.

    Parameters
    ----------
    builder : RowBuilder
    train : Dataset
    targets : callable
        From structures to what the linear part has to explain of them.
    settings : FitSettings
    merged : bool
        Whether groups share factors; their weights then go into the rows.
    folds : sequence of int, optional
        Fold of each structure.
    progress : callable, optional
        Called with the number of structures done.

    Returns
    -------
    FactorSet
    """
    basis = builder.engine.basis
    factors: FactorSet[Key] = FactorSet(n_columns_of(basis), settings.threads)
    own = [0] * len(train) if folds is None else [int(fold) for fold in folds]
    if settings.backend != "threads" or settings.checkpoint is not None:
        collect_chunks(
            factors,
            builder,
            train,
            targets,
            settings,
            merged=merged,
            folds=own,
            progress=progress,
        )
    else:
        for block in stream_rows(
            builder, train, targets, threads=settings.threads, progress=progress
        ):
            key, rows = keyed(block, settings.weights, merged=merged, fold=own[block.structure])
            factors.add(key, rows[:, :-1], rows[:, -1])
    return factors


def noise_of(factors: FactorSet[Key]) -> float:
    """
    Estimate what a fit will leave of forces, or of energies where there are none.

    That is the root mean square of the residuals of least squares: the last diagonal entry of their
    factor. How rows are divided into groups and folds does not matter, nor what they weigh.

    Parameters
    ----------
    factors : FactorSet

    Returns
    -------
    float
        At least `LEAST_NOISE` of the labels, for few rows in particular.
    """
    names = {key[1] for key in factors}
    name = "forces" if "forces" in names else "energy"
    if name not in names:
        return 0.0
    factor, n_rows = factors.combined({key: float(key[1] == name) for key in factors})
    left = abs(factor[-1, -1]) if n_rows > 2 * len(factor) else 0.0
    return float(max(left, LEAST_NOISE * np.linalg.norm(factor[:, -1])) / np.sqrt(n_rows))


def solve_factors(
    factors: FactorSet[Key],
    basis: Basis,
    settings: FitSettings,
    weights: Mapping[Key, float],
    combination: Floats,
    *,
    constraints: tuple[Floats, Floats] | None = None,
    prior_mean: Floats | None = None,
    at_least: tuple[Floats, Floats] | None = None,
    free: tuple[Floats, dict[str, Any]] | None = None,
) -> tuple[Floats, dict[str, Any]]:
    """
    Solve for the coefficients.

    Parameters
    ----------
    factors : FactorSet
    basis : Basis
    settings : FitSettings
    weights : mapping of key to float
        Of the residuals; 0 leaves a key out.
    combination : float64[n_elements + 1]
        The target is ``[one_body y] combination``.
    constraints : (float64[m, n_features], float64[m]), optional
        ``A c = b`` holds exactly.
    prior_mean : float64[n_features], optional, eV
    at_least : (float64[m, n_features], float64[m]), optional
        ``A c >= b`` holds, at the least cost to what ridge minimises.
    free : (float64[n_features], dict), optional
        What this function returns without inequalities, to save that work.

    Returns
    -------
    coefficients : float64[n_features], eV
    state : dict
        What provenance records of the solver.

    Raises
    ------
    InputError
        If all weights are zero, a solver other than ridge gets constraints or a prior mean, or
        inequalities contradict.
    """
    factor, n_rows = factors.combined(weights)
    if n_rows == 0:
        raise InputError("all weights are zero; give at least one property a positive weight")
    scales = settings.prior.scales(basis)
    scaled = scaled_factor(factor, scales, combination)
    del factor
    if free is None:
        solver = _solver_of(settings, scales, constraints, prior_mean)
        solver.fit_factor(scaled, n_rows)
        found, state = solver.coef_ * scales, solver.get_solver_state()
    else:
        found, state = free[0], dict(free[1])
    if at_least is not None:
        penalty = state.get("penalty")
        if penalty is None:  # the cost of a change is that of ridge all the same
            penalty = Ridge(threads=settings.threads).fit_factor(scaled, n_rows).penalty_
        start = found / scales  # whether it was solved for here or given: the same bits
        end = least_change(scaled, penalty, start, at_least[0] * scales, at_least[1])
        found = found + scales * (end - start)
    return found, state


def _solver_of(
    settings: FitSettings,
    scales: Floats,
    constraints: tuple[Floats, Floats] | None,
    prior_mean: Floats | None,
) -> FactorRegressor:
    """Return the solver of the settings, of coefficients divided by `scales`."""
    if settings.solver == "ridge":
        mean = None if prior_mean is None else prior_mean / scales
        exact = None if constraints is None else (constraints[0] * scales, constraints[1])
        return Ridge(settings.penalty, mean, exact, settings.threads)
    if constraints is not None or prior_mean is not None:
        raise InputError(
            f"`solver` must be ridge for exact labels or a fit around a potential, "
            f"got {settings.solver!r}"
        )
    chosen = settings.solver
    return SOLVERS[chosen]() if isinstance(chosen, str) else clone(chosen)


def scaled_factor(factor: Floats, scales: Floats, combination: Floats) -> Floats:
    """
    Return the triangular factor of scaled features and one target.

    Parameters
    ----------
    factor : float64[n_columns, n_columns]
        Upper triangular, of ``[X one_body y]``.
    scales : float64[n_features]
    combination : float64[n_elements + 1]
        The target is ``[one_body y] combination``.

    Returns
    -------
    float64[n_features + 1, n_features + 1]
    """
    n = len(scales)
    target = factor[:, n:] @ combination
    scaled = np.zeros((n + 1, n + 1), order="F")
    np.multiply(factor[:n, :n], scales, out=scaled[:n, :n])
    scaled[:n, n] = target[:n]
    scaled[n, n] = np.linalg.norm(target[n:])  # features are zero there
    return scaled
