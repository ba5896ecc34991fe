"""What finished factors tell for a page: errors against size, and what groups are worth."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.report.contents import PROPERTIES, TEST, TRAIN, SizeCurve, WorthTable
from linpot.structures.dataset import Dataset
from linpot.workflow.choice import session_over
from linpot.workflow.evaluate import evaluate_model
from linpot.workflow.keys import EVERY_FOLD
from linpot.workflow.session import FitSession
from linpot.workflow.solution import GroupWorth, Solution

Floats = NDArray[np.float64]

SHARES = (0.1, 0.2, 0.35, 0.6, 1.0)
"""Of the functions of the fit."""

MOST_WORK = 4e12
"""Operations that group worths may take: about a minute."""

MOST_GROUPS = 30


def size_curve(session: FitSession, test: Dataset | None, *, threads: int = 1) -> SizeCurve:
    """
    Fit fewer functions to the same rows: the smoothest by the prior.

    Holes are not looked for: these fits show errors only.

    Parameters
    ----------
    session : FitSession
    test : Dataset, optional
    threads : int

    Returns
    -------
    SizeCurve

    Raises
    ------
    InputError
        If groups share factors, or the solver chooses functions itself.
    """
    _refuse_merged(session)
    if session.settings.solver != "ridge":
        raise InputError(
            f"sizes are compared by ridge, but the solver is {session.settings.solver}"
        )
    offsets = session.basis.feature_offsets
    scales = session.settings.prior.scales(session.basis)
    sizes: list[int] = []
    errors: dict[tuple[str, str], list[float]] = {}
    for share in SHARES:
        columns = np.concatenate(
            [a + _smoothest(scales[a:b], share) for a, b in pairwise(offsets.tolist())]
        )
        if sizes and len(columns) == sizes[-1]:
            continue
        small = session if share == 1.0 else session_over(session, columns)
        solution = small.solve()
        sizes.append(len(columns))
        found = {(TRAIN, name): value for name, value in _over_groups(session, solution).items()}
        if test is not None:
            metrics = evaluate_model(solution.potential, test, threads=threads)["all"]
            found |= {(TEST, name): own["rmse"] for name, own in metrics.items()}
        for key, value in found.items():
            errors.setdefault(key, []).append(value)
    return SizeCurve(tuple(sizes), {key: tuple(own) for key, own in errors.items()})


def worth_of_groups(session: FitSession, test: Dataset | None, *, threads: int = 1) -> WorthTable:
    """
    Leave every group out in turn and measure errors on all groups, and on the test set.

    Parameters
    ----------
    session : FitSession
    test : Dataset, optional
    threads : int

    Returns
    -------
    WorthTable

    Raises
    ------
    InputError
        If it would take long, there are fewer than two groups, or the solver is not ridge.
    """
    _refuse_merged(session)
    n, groups = session.basis.n_features, session.groups
    if len(groups) < 2:
        raise InputError("there is only one group")
    work = len(groups) ** 2 * float(n) ** 3
    if len(groups) > MOST_GROUPS or work > MOST_WORK:
        raise InputError(
            f"leaving {len(groups)} groups out of a fit of {n} functions would take too long"
        )
    solution = session.solve()
    if solution.penalty is None or session.settings.solver != "ridge":
        raise InputError("leaving groups out needs a ridge solver")
    fits = [
        session.refit(without_groups=out, penalty=solution.penalty)
        for out in [[], *([g] for g in groups)]
    ]
    tested: list[dict[str, float]] = []
    for fit in fits:
        if test is None:
            break
        metrics = evaluate_model(fit.potential, test, threads=threads)["all"]
        tested.append({p: float(own["rmse"]) for p, own in metrics.items()})
    worth = GroupWorth(
        groups, fits[0].errors, {g: fit.errors for g, fit in zip(groups, fits[1:], strict=True)}
    )
    names = [*groups, *([TEST] if test is not None else [])]
    ratio = {}
    for name in PROPERTIES:
        rows = np.full((len(groups), len(names)), np.nan)
        for i, out in enumerate(groups):
            for j, group in enumerate(groups):
                if worth.complete.get((group, name), 0.0) > 0.0:
                    rows[i, j] = worth.ratio(out, group, name)
            if tested and tested[0].get(name, 0.0) > 0.0:
                rows[i, -1] = tested[i + 1][name] / tested[0][name]
        if np.isfinite(rows).any():
            ratio[name] = rows
    return WorthTable(groups, tuple(names), ratio)


def functions_in_words(counts: Mapping[str, int]) -> str:
    """Return numbers of functions: one number where all elements have the same."""
    distinct = set(counts.values())
    if len(distinct) == 1:
        return f"{distinct.pop()} functions" + (" per element" if len(counts) > 1 else "")
    return ", ".join(f"{n} on {symbol}" for symbol, n in counts.items()) + " functions"


def _refuse_merged(session: FitSession) -> None:
    if session.merged:
        raise InputError("groups share factors, to stay inside the memory limit")


def _smoothest(scales: Floats, share: float) -> NDArray[np.int64]:
    """Return, ascending, the functions with the largest scales of the prior."""
    n = max(1, round(share * len(scales)))
    return np.sort(np.argsort(-scales, kind="stable")[:n])


def _over_groups(session: FitSession, solution: Solution) -> dict[str, float]:
    """Root mean squares of energies and forces over all groups; virials are no stresses."""
    rows: dict[tuple[str, str], int] = {}
    for (group, name, fold), factor in session.factors.items():
        if group is not None and fold != EVERY_FOLD:
            rows[group, name] = rows.get((group, name), 0) + factor.n_rows
    found = {}
    for name in ("energy", "forces"):
        own = {key: n for key, n in rows.items() if key[1] == name and n}
        if own:
            square = sum(n * solution.errors[key] ** 2 for key, n in own.items())
            found[name] = float(np.sqrt(square / sum(own.values())))
    return found
