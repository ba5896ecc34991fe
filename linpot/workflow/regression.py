"""The regression inside a fit: rows into factors, factors into coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.basis.ace import Basis
from linpot.errors import InputError
from linpot.fitting.factors import FactorSet, combine
from linpot.fitting.ridge import Ridge
from linpot.fitting.rows import RowBuilder, stream_rows
from linpot.fitting.weights import Weights
from linpot.model.feature_engine import FeatureEngine
from linpot.structures.structure import Labels, Structure
from linpot.workflow.settings import FitSettings

Key = tuple[str | None, str, int]
"""Group (None where the weights are in the rows), property, fold (0 without cross-validation)."""

EVERY_FOLD = -1


def collect_factors(
    basis: Basis,
    structures: Sequence[Structure],
    targets: Sequence[Labels],
    settings: FitSettings,
    *,
    merged: bool,
    restraints: Sequence[Structure] = (),
    folds: Sequence[int] | None = None,
    progress: Callable[[int], None] | None = None,
) -> FactorSet[Key]:
    """
    Stream the rows of all structures into one triangular factor per key.

    Parameters
    ----------
    basis : Basis
    structures : sequence of Structure
    targets : sequence of Labels
        What the linear part has to explain.
    settings : FitSettings
    merged : bool
        Whether groups share factors; their weights then go into the rows.
    restraints : sequence of Structure
        Structures whose labels the linear part should meet by itself; in every fold.
    folds : sequence of int, optional
        Fold of each structure.
    progress : callable, optional
        Called with the number of structures done.

    Returns
    -------
    FactorSet
    """
    weights = settings.weights
    builder = RowBuilder.for_data(FeatureEngine(basis), weights, structures)
    factors: FactorSet[Key] = FactorSet(basis.n_features + 1)
    for block in stream_rows(
        builder, structures, targets, threads=settings.threads, progress=progress
    ):
        fold = 0 if folds is None else int(folds[block.structure])
        if merged:
            weight = weights.of(block.group, block.name)
            factors.add((None, block.name, fold), block.X * weight, block.y * weight)
        else:
            factors.add((block.group, block.name, fold), block.X, block.y)
    if restraints:
        for block in builder.build([(0, structure, structure.labels) for structure in restraints]):
            factors.add((None, block.name, EVERY_FOLD), block.X, block.y)
    return factors


def solve_factors(
    factors: FactorSet[Key],
    basis: Basis,
    settings: FitSettings,
    *,
    leave_out: int | None = None,
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """
    Solve for the coefficients.

    Parameters
    ----------
    factors : FactorSet
    basis : Basis
    settings : FitSettings
    leave_out : int, optional
        Fold that is not used.

    Returns
    -------
    coefficients : float64[n_features], eV
    state : dict
        What provenance records of the solver.

    Raises
    ------
    InputError
        If all weights are zero.
    """
    factor, n_rows = factors.combined(
        lambda key: 0.0 if key[2] == leave_out else _weight(settings.weights, key)
    )
    if n_rows == 0:
        raise InputError("all weights are zero; give at least one property a positive weight")
    scales = settings.prior.scales(basis)
    scaled = combine([(1.0, factor * np.append(scales, 1.0))], len(factor))
    solver = Ridge(settings.penalty).fit_factor(scaled, n_rows)
    return solver.coef_ * scales, solver.get_solver_state()


def _weight(weights: Weights, key: Key) -> float:
    group, name, _ = key
    return 1.0 if group is None else weights.of(group, name)
