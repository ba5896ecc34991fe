"""
Coefficients of a physical model, fitted together with a learned part.

Columns of both go into one least-squares problem. Features and one-body energies are eliminated
by a QR factorisation, what remains is as small as the physical model and is solved under bounds:
docs/dispersion.md. The potential itself is then fitted on top of the model found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import nnls

from linpot import checks
from linpot.errors import InputError
from linpot.fitting.factors import FactorSet, triangular
from linpot.fitting.reference_energies import find_reference_energies
from linpot.fitting.ridge import Ridge
from linpot.fitting.rows import RowBuilder
from linpot.fitting.targets import Targets, energies_without
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.model.protocol import EnergyModel, LinearModel
from linpot.structures.dataset import Dataset
from linpot.workflow.charges import refuse_charges
from linpot.workflow.keys import Key, keyed, weight_of
from linpot.workflow.plan import plan_fit
from linpot.workflow.settings import FitSettings

Floats = NDArray[np.float64]

_FREE = 1e-10  # penalty of what has no prior, as a share of the squares of its column
_ROUNDS = 2


@dataclass(frozen=True)
class LinearFit:
    """
    A physical model with fitted coefficients.

    Attributes
    ----------
    model : EnergyModel
        With the coefficients found.
    coefficients, std : float64[n_columns]
        In the units of the model. std is the standard deviation of least squares with the prior
        and without bounds, the rest of the potential free: large where the learned part can do
        the same. Coefficients with a std as large as they are say nothing.
    penalty : float
        Of the learned part, by the rule of the settings.
    """

    model: EnergyModel
    coefficients: Floats
    std: Floats
    penalty: float


def fit_coefficients(
    train: Dataset,
    model: LinearModel,
    *,
    settings: FitSettings | None = None,
    prior: float | None = None,
    non_negative: bool = True,
) -> LinearFit:
    """
    Fit the coefficients of a model that is linear in them, beside a learned part.

    Parameters
    ----------
    train : Dataset
    model : LinearModel
        Its coefficients are where the search for the penalty starts, and the mean of the prior.
    settings : FitSettings, optional
        Of the learned part; their baseline is taken off first and must not hold the model.
        Restraints are left out: they act where dispersion is nothing.
    prior : float, optional
        Standard deviation of the coefficients around those of the model, as a share of them: 0.3 if
        they are known to 30 %. Without it the data alone decide, and may decide badly: see `std`.
    non_negative : bool
        Whether coefficients below zero are refused, as C6 should be: the best of the others is
        found.

    Returns
    -------
    LinearFit

    Raises
    ------
    InputError
        If the data do not depend on a coefficient, or for a solver other than ridge.
    """
    settings = settings or FitSettings()
    if settings.solver != "ridge":
        raise InputError(f"`solver` must be ridge to fit coefficients, got {settings.solver!r}")
    refuse_charges(settings, "fitting coefficients")
    plan = plan_fit(train, settings)
    start = np.asarray(model.coefficients, dtype=np.float64)
    if prior is not None:
        checks.positive("prior", prior)
        if not start.all():
            raise InputError(f"`prior` needs coefficients that are not zero, got {start.tolist()}")
    strengths = np.zeros_like(start) if prior is None else 1.0 / (prior * np.abs(start))
    without = model.with_coefficients(start)
    total = without if plan.baseline is None else plan.baseline + without
    # E0 by least squares needs energies without the model; its columns stay free below
    reference = find_reference_energies(
        train,
        energies_without(train, total, threads=settings.threads),
        plan.basis.elements,
        plan.basis.cutoff,
        "joint" if settings.e0 == "auto" else settings.e0,
    )
    builder = RowBuilder.for_data(FeatureEngine(plan.basis), settings.weights, train)
    targets = Targets(plan.baseline, reference.values)
    free = [reference.sources[s] == "least squares" for s in plan.basis.elements]
    factor, n_rows = _joint_factor(train, model, builder, targets, settings)
    n, n_columns = plan.basis.n_features, len(start)
    one_body = n + n_columns + np.flatnonzero(free)
    scales = settings.prior.scales(plan.basis)
    features = factor[:, :n] * scales
    columns, rest = factor[:, n : n + n_columns], factor[:, one_body]
    y = factor[:, -1]
    found, penalty = start, 0.0
    std = np.full(n_columns, np.inf)
    for _ in range(_ROUNDS):
        ridge = Ridge(settings.penalty).fit_factor(
            triangular(np.column_stack([features, y - columns @ found])), n_rows
        )
        penalty = float(ridge.penalty_)
        matrix, right, variance = _eliminated(features, rest, columns, y, penalty, n_rows)
        noise = np.sqrt(variance)
        matrix = np.vstack([matrix, np.diag(noise * strengths)])
        right = np.concatenate([right, noise * strengths * start])
        found, std = _solved(matrix, right, noise, np.linalg.norm(columns, axis=0), non_negative)
    return LinearFit(model.with_coefficients(found), found, std, penalty)


def _joint_factor(
    train: Dataset,
    model: LinearModel,
    builder: RowBuilder,
    targets: Targets,
    settings: FitSettings,
) -> tuple[Floats, int]:
    """Return the weighted factor of ``[features columns one_body y]`` and the number of rows."""
    basis = builder.engine.basis
    n_columns = len(model.coefficients)
    factors: FactorSet[Key] = FactorSet(
        basis.n_features + n_columns + len(basis.elements) + 1, settings.threads
    )
    for index, structure in enumerate(train):
        batch = pack([structure], basis.elements, builder.engine.cutoffs)
        rows = np.hstack([builder.engine.design_rows(batch)[0], model.design(structure)])
        for block in builder.weighted(index, structure, targets([structure])[0], rows):
            key, weighted = keyed(block, settings.weights, merged=False, fold=0)
            factors.add(key, weighted[:, :-1], weighted[:, -1])
    return factors.combined(lambda key: weight_of(settings.weights, key))


def _eliminated(
    features: Floats, rest: Floats, columns: Floats, y: Floats, penalty: float, n_rows: int
) -> tuple[Floats, Floats, float]:
    """
    Return the least-squares problem of the columns, once the others have done what they can.

    With Q R of ``[features rest columns y]`` stacked on the penalties of the features, the rows of
    R below the first ones hold it: a matrix, a right side, and the variance of the noise.
    """
    n, m, k = features.shape[1], rest.shape[1], columns.shape[1]
    penalties = np.zeros((n + m, n + m + k + 1))
    penalties[np.arange(n), np.arange(n)] = np.sqrt(penalty)
    sizes = np.linalg.norm(rest, axis=0)
    penalties[n + np.arange(m), n + np.arange(m)] = np.sqrt(_FREE) * sizes
    triangle: Floats = triangular(
        np.vstack([np.column_stack([features, rest, columns, y]), penalties])
    )
    root = triangle[n + m :, n + m :]
    return root[:k, :k], root[:k, k], float(root[k, k] ** 2) / max(1, n_rows)


def _solved(
    matrix: Floats, right: Floats, noise: float, lengths: Floats, non_negative: bool
) -> tuple[Floats, Floats]:
    """Solve for the columns; lengths are those of the columns before anything was eliminated."""
    triangle: Floats = triangular(matrix)
    open_ones = np.abs(np.diag(triangle)) <= 1e-9 * lengths
    if open_ones.any():
        first = int(np.argmax(open_ones))
        raise InputError(
            f"the data leave coefficient {first} of the model open: the learned part, or another "
            "coefficient, can do all that it does; give a `prior`"
        )
    std = noise * np.linalg.norm(solve_triangular(triangle, np.eye(len(triangle))), axis=1)
    if non_negative:  # scaled, so that columns of different sizes compare
        scales = np.linalg.norm(triangle, axis=0)
        return nnls(matrix / scales, right)[0] / scales, std
    return np.asarray(np.linalg.lstsq(matrix, right)[0]), std
