"""Potentials of few functions that were chosen, by the data, out of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.basis.reduction import reduce_basis
from linpot.errors import InputError
from linpot.fitting.elimination import eliminate
from linpot.fitting.factors import FactorSet, triangular
from linpot.fitting.rows import RowBuilder
from linpot.model.feature_engine import FeatureEngine
from linpot.workflow.changes import apply_changes
from linpot.workflow.keys import Key
from linpot.workflow.regression import scaled_factor
from linpot.workflow.session import FitSession


def choose_functions(
    session: FitSession,
    n_functions: int | Mapping[str, int],
    *,
    without_fold: int | None = None,
) -> FitSession:
    """
    Return a session over the functions that ridge would miss most.

    Rows are not made again: columns are taken out of the factors. Weights, prior and rule for the
    penalty are those of the session's settings.

    Parameters
    ----------
    session : FitSession
    n_functions : int or mapping of str to int
        To keep, per centre species.
    without_fold : int, optional
        Fold that has no say and is not in the new session either.

    Returns
    -------
    FitSession
        Without folds.

    Raises
    ------
    InputError
        If more functions are asked for than there are.
    """
    basis, settings = session.basis, session.settings
    keep = [
        n_functions[s] if isinstance(n_functions, Mapping) else n_functions for s in basis.elements
    ]
    for symbol, wanted in zip(basis.elements, keep, strict=True):
        if not 1 <= wanted <= basis.n_functions[symbol]:
            raise InputError(
                f"`n_functions` must be from 1 to the {basis.n_functions[symbol]} that {symbol} "
                f"has to choose from, got {wanted}"
            )
    no_changes: dict[str, Any] = {}
    plan = apply_changes(
        settings,
        session.reference.values,
        session.factors,
        no_changes,
        without_fold=without_fold,
        merged=session.merged,
    )
    factor, n_rows = session.factors.combined(plan.weights)
    scaled = scaled_factor(factor, settings.prior.scales(basis), plan.combination)
    kinds = np.repeat(np.arange(len(keep)), np.diff(basis.feature_offsets))
    columns = eliminate(scaled, n_rows, kinds, keep, settings.penalty)
    return session_over(session, columns, without_fold=without_fold)


def session_over(
    session: FitSession, columns: NDArray[np.int64], *, without_fold: int | None = None
) -> FitSession:
    """
    Return a session over some of its functions; rows are not made again.

    Parameters
    ----------
    session : FitSession
    columns : int64[n_kept]
        Ascending, by `Basis.feature_offsets`.
    without_fold : int, optional
        Fold that is not in the new session.

    Returns
    -------
    FitSession
        Without folds.
    """
    small = reduce_basis(session.basis, columns)
    kept = np.concatenate([columns, np.arange(session.basis.n_features, session.factors.n_columns)])
    factors: FactorSet[Key] = FactorSet(len(kept), session.settings.threads)
    for (group, name, fold), one in session.factors.items():
        if without_fold is None or fold != without_fold:
            rows = one.rows()[:, kept]
            rows = triangular(rows) if len(rows) > len(kept) else rows
            factors.merge((group, name, min(fold, 0)), rows, one.n_rows)  # restraints keep theirs
    builder = RowBuilder(FeatureEngine(small), session.builder.weights, session.builder.lowest)
    settings = session.settings
    chosen_session = FitSession(
        builder, session.baseline, session.reference, factors, settings, merged=session.merged
    )
    chosen_session.restraints = session.restraints  # their rows are in the factors
    chosen_session.columns = columns
    return chosen_session


def chosen(session: FitSession) -> FitSession:
    """Return the session that settings ask for: over chosen functions, or as it is."""
    if session.settings.choose_from is None:
        return session
    return choose_functions(session, session.settings.n_functions)


def left_out(session: FitSession, fold: int) -> tuple[FitSession, int | None]:
    """
    Return what a fit without a fold is solved by: a session, and the fold to leave out of it.

    Where functions are chosen, the fold has no say in that either.
    """
    if session.settings.choose_from is None:
        return session, fold
    return choose_functions(session, session.settings.n_functions, without_fold=fold), None
