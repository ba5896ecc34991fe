"""Equilibrated charges from reference charges and dipoles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from linpot.charges.charge_fit import charge_rows
from linpot.charges.equilibrated_charges import EquilibratedCharges
from linpot.charges.equilibrated_trainee import EquilibratedTrainee
from linpot.charges.moderation import outside_rows
from linpot.charges.trust_region import next_reach, step_within
from linpot.errors import ConvergenceError, InputError
from linpot.fitting.factors import FactorSet, triangular
from linpot.fitting.priors import SmoothnessPrior
from linpot.fitting.weights import Weights
from linpot.structures.dataset import Dataset

Floats = NDArray[np.float64]

_SHORTEST_STEP = 1.0 / 16.0


def fit_equilibrated(
    model: EquilibratedCharges,
    data: Dataset,
    *,
    free: tuple[str, ...] = ("electronegativity",),
    weights: Weights | None = None,
    prior: SmoothnessPrior | None = None,
    penalty: str | float = "evidence",
    outside: Floats | None = None,
    most_steps: int = 20,
    tolerance: float = 1e-4,
    say: Callable[[str], None] = lambda line: None,
) -> EquilibratedCharges:
    """
    Fit the parameters of equilibrated charges to reference charges and dipoles.

    Charges of a quadratic energy are linear in electronegativities, ``q = q_Q - P chi``: with
    hardness and widths fixed this is one ridge problem. Other groups are found by Gauss-Newton: all
    parameters are solved for together, linearised at the predicted charges, in steps that stay
    within a trust region, lower the objective, and keep the energy convex.

    Parameters
    ----------
    model : EquilibratedCharges
        Where to start; what is not free stays.
    data : Dataset
    free : tuple of str
        Groups of `equilibrated_parameters.GROUPS`.
    weights : Weights, optional
        Of charges and dipoles.
    prior : SmoothnessPrior, optional
    penalty : {"evidence", "gcv"} or float
    outside : float64[k, n_parameters], optional
        Rows of environments without data, over the parameters of the free groups; see
        `Moderation`.
    most_steps : int
    tolerance : float
        A relative fall of the objective below this ends the search.
    say : callable
        Takes a line about progress.

    Returns
    -------
    EquilibratedCharges

    Raises
    ------
    InputError
        If no structure has charges or a dipole.
    ConvergenceError
        If the charges of the first model have no stable minimum.
    """
    weights, prior = weights or Weights(), prior or SmoothnessPrior()
    if data.count("charges") + data.count("dipole") == 0:
        raise InputError(
            "no structure has reference charges or a dipole; name their keys (--charges-key, "
            "--dipole-key), or train jointly with energies and forces"
        )
    trainee = EquilibratedTrainee.of(model, free)
    scales, radii = trainee.scales(prior), trainee.radii()
    factor, n_rows = _factor(trainee, data, weights)
    noise = float(np.linalg.norm(factor[:, -1])) / np.sqrt(max(n_rows, 1))

    def with_outside(factor: Floats, parameters: Floats) -> Floats:
        if outside is None or not len(outside):
            return factor
        return triangular(np.vstack([factor, outside_rows(outside, noise, parameters)]))

    factor = with_outside(factor, trainee.parameters)
    n_rows += 0 if outside is None else len(outside)
    reach = 1.0
    once = set(free) == {"electronegativity"} and model.cubic is None and model.quartic is None
    for number in range(1 if once else most_steps):
        current = trainee.parameters
        found, ridge = step_within(factor, n_rows, current, scales, reach * radii, penalty)

        def objective(
            factor: Floats, parameters: Floats, strength: float = float(ridge.penalty_)
        ) -> float:
            sizes = parameters / scales
            return float(factor[:, -1] @ factor[:, -1] + strength * (sizes @ sizes))

        before, length = objective(factor, current), 1.0
        while True:
            parameters = current + length * (found - current)
            tried = trainee.with_parameters(parameters)
            try:
                trial = with_outside(_factor(tried, data, weights)[0], parameters)
                after = objective(trial, parameters)
            except ConvergenceError:
                after = np.inf
            if after < before or length <= _SHORTEST_STEP:
                break
            length *= 0.5
        if not after < before:
            break
        trainee, factor = tried, trial
        reach = next_reach(reach, length)
        say(f"charges, step {number + 1}: objective {after:.6g}")
        if before - after < tolerance * before:
            break
    return trainee.model


def _factor(trainee: EquilibratedTrainee, data: Dataset, weights: Weights) -> tuple[Floats, int]:
    """Return the weighted triangular factor of ``[dq/dc residual]``, and its number of rows."""
    factors: FactorSet[tuple[str, str]] = FactorSet(trainee.layout.n_parameters + 1)
    for place, structure in enumerate(data):
        charges, d_charges = trainee.linearise_charges(place, structure)
        for name, X, y in charge_rows(structure, d_charges, charges):
            factors.add((structure.group, name), X, y)
    factor, n_rows = factors.combined(lambda key: weights.of(*key))
    return triangular(factor), n_rows
