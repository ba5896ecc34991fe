"""
Weights and prior from the data: a noise level per group and property, a strength per body order.

The result is expressed in weights, prior and penalty, so that any fit can use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.fitting.evidence import maximise_evidence
from linpot.fitting.priors import SmoothnessPrior, body_orders
from linpot.fitting.weights import PROPERTIES, Weights
from linpot.fitting.whitened import WhitenedBlocks
from linpot.workflow.keys import EVERY_FOLD, Key
from linpot.workflow.prior_blocks import prior_key
from linpot.workflow.session import FitSession

BELIEF = 10_000.0
"""Rows that the weights of the settings count for."""


CANDIDATES = (
    *(SmoothnessPrior(power=power) for power in (1.0, 2.0, 3.0, 4.0)),
    *(SmoothnessPrior(form="exponential", rate=rate) for rate in (0.2, 0.4, 0.8)),
    *(SmoothnessPrior(form="gaussian", rate=rate) for rate in (0.02, 0.04, 0.08)),
)
"""Priors that `choose_prior` compares."""


@dataclass(frozen=True)
class NoiseLevels:
    """
    What the data say of their own noise.

    Attributes
    ----------
    noise : dict of (group, property) to float
        Standard deviation: energy and virial in eV per atom, forces in eV/A.
    weights : Weights
    prior : SmoothnessPrior
    penalty : float
        The three of them together make the most probable fit.
    log_evidence : float
        Comparable between priors of one session.
    n_iter : int
        Evaluations of the evidence.
    """

    noise: dict[tuple[str, str], float]
    weights: Weights
    prior: SmoothnessPrior
    penalty: float
    log_evidence: float
    n_iter: int


def find_noise_levels(
    session: FitSession, *, belief: float = BELIEF, **changes: Any
) -> NoiseLevels:
    """
    Maximise the evidence over noise levels and strengths of body orders.

    Restraints keep their weight relative to the noise that ridge by evidence finds with the weights
    of the settings.

    Parameters
    ----------
    session : FitSession
        Without folds.
    belief : float
        The weights to start from count like so many rows of every key. What a model cannot express
        is no noise: without belief, a few rows that it happens to meet outweigh all others.
    **changes
        `weights` to start from, `prior` whose shape is used, or `e0`; see `FitSession.solve`.

    Returns
    -------
    NoiseLevels

    Raises
    ------
    InputError
        If groups share factors, or the data are divided into folds.
    ConvergenceError
        If the search does not settle.
    """
    if session.merged or any(fold > 0 for _, _, fold in session.factors):
        raise InputError(
            "noise levels need factors for every group, and no folds; raise `memory_limit` or "
            "prepare the fit without folds"
        )
    # the prior of the settings, so that the evidence of other priors compares
    start = session.solve(
        penalty="evidence", **{name: v for name, v in changes.items() if name != "prior"}
    )
    shape = replace(changes.get("prior", session.settings.prior), order_strength=1.0)
    plan = session.changed(penalty=start.penalty, **changes)
    used = {key: square for key, square in plan.squares(session.basis).items() if square > 0.0}
    scale = start.solver["noise_variance"]
    counts = _counts(session, used)

    def prepare(squares: NDArray[np.float64]) -> WhitenedBlocks[Key]:
        return session.whiten(shape, dict(zip(used, squares, strict=True)))

    first = np.array(list(used.values())) / scale
    of_data = np.array([key[2] != EVERY_FOLD for key in used])
    best = maximise_evidence(
        prepare, counts, first, combination=plan.combination, beliefs=of_data * belief
    )
    squares = dict(zip(used, best.weights.tolist(), strict=True))
    data = {(g, n): squares[g, n, f] for g, n, f in used if g is not None}
    groups: dict[str, dict[str, float]] = {}
    for (group, name), square in data.items():
        groups.setdefault(group, dict.fromkeys(PROPERTIES, 1.0))[name] = (square * scale) ** 0.5
    old = session.settings.weights
    orders = np.unique(body_orders(session.basis)).tolist()
    highest, lowest = max(orders), squares[prior_key(orders[0])]
    strengths = {b: (lowest / squares[prior_key(b)]) ** 0.5 for b in orders}
    n_rows = counts[of_data].sum()
    constant = float(np.log(shape.scales(session.basis)).sum() + 0.5 * n_rows * np.log(2.0 * np.pi))
    return NoiseLevels(
        {key: square**-0.5 for key, square in data.items()},
        replace(old, energy=1.0, forces=1.0, stress=1.0, groups=groups),
        replace(shape, order_strength=tuple(strengths.get(b, 1.0) for b in range(2, highest + 1))),
        lowest * scale,
        best.value - constant,
        best.n_iter,
    )


def choose_prior(
    session: FitSession,
    candidates: Sequence[SmoothnessPrior] = CANDIDATES,
    *,
    belief: float = BELIEF,
    **changes: Any,
) -> NoiseLevels:
    """
    Choose the form of the prior by evidence, with the strengths of body orders that suit it best.

    Parameters
    ----------
    session : FitSession
    candidates : sequence of SmoothnessPrior
        Their strengths do not matter.
    belief : float
    **changes
        See `find_noise_levels`.

    Returns
    -------
    NoiseLevels
        Those of the candidate of largest evidence.

    Raises
    ------
    InputError
        As `find_noise_levels`, or if there is no candidate.
    """
    if not candidates:
        raise InputError("`candidates` must hold at least one prior, got none")
    found = [find_noise_levels(session, belief=belief, prior=c, **changes) for c in candidates]
    return max(found, key=lambda levels: levels.log_evidence)


def _counts(session: FitSession, used: Mapping[Key, float]) -> NDArray[np.float64]:
    """Rows of data, coefficients of priors, 0 for restraints: their weight is given."""
    orders = body_orders(session.basis)
    sizes = {prior_key(b): float((orders == b).sum()) for b in np.unique(orders).tolist()}
    for key, factor in session.factors.items():
        sizes[key] = 0.0 if key[2] == EVERY_FOLD else float(factor.n_rows)
    return np.array([sizes[key] for key in used])
