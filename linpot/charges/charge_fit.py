"""Charges from reference charges and dipoles: one linear least-squares problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot.charges.local_charges import LocalCharges
from linpot.charges.local_trainee import LocalTrainee
from linpot.charges.moderation import Moderation, outside_rows
from linpot.charges.projection import project
from linpot.errors import InputError
from linpot.fitting.factors import FactorSet, TriangularFactor, triangular
from linpot.fitting.priors import SmoothnessPrior
from linpot.fitting.ridge import Ridge
from linpot.fitting.weights import Weights
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]
Key = tuple[str, str]
"""Group, "charges" or "dipole"."""

_LEAST_SHARE = 1e-3  # of the largest


def charge_rows(
    structure: Structure, design: Floats, offset: Floats
) -> Iterator[tuple[str, Floats, Floats]]:
    """
    Yield the rows of reference charges and of the dipole, where a structure has them.

    Parameters
    ----------
    structure : Structure
    design : float64[n_atoms, n]
        Charges are ``design @ parameters + offset``.
    offset : float64[n_atoms], e

    Yields
    ------
    name : str
        "charges" (e) or "dipole" (e A).
    X : float64[n_rows, n]
    y : float64[n_rows]
        Multiplied, as X, by the weight of the structure.
    """
    labels, weight = structure.labels, structure.weight
    if labels.charges is not None:
        yield "charges", weight * design, weight * (labels.charges - offset)
    if labels.dipole is not None:
        left = labels.dipole - offset @ structure.positions
        yield "dipole", weight * (structure.positions.T @ design), weight * left


def fit_charges(
    model: LocalCharges,
    data: Dataset,
    *,
    weights: Weights | None = None,
    prior: SmoothnessPrior | None = None,
    penalty: str | float = "evidence",
    moderation: Moderation | None = None,
    fit_shares: bool = True,
    threads: int = 1,
) -> LocalCharges:
    """
    Fit local charges to reference charges and dipoles.

    Projected charges are linear in the parameters: this is ridge regression on one triangular
    factor per group and property. With `fit_shares`, the correction to the total charge is shared
    by species as their residuals are without it: its most probable division.

    Parameters
    ----------
    model : LocalCharges
        Its charges do not matter.
    data : Dataset
    weights : Weights, optional
        Of charges and dipoles.
    prior : SmoothnessPrior, optional
    penalty : {"evidence", "gcv"} or float
    moderation : Moderation, optional
        Of the model's function: holds charges in check in environments without data.
    fit_shares : bool
        Needs reference charges with a weight; without, the shares of the model stay.
    threads : int

    Returns
    -------
    LocalCharges

    Raises
    ------
    InputError
        If no structure has charges or a dipole, or all of these are zero.
    """
    weights, prior = weights or Weights(), prior or SmoothnessPrior()
    count = data.count("charges")
    if count + data.count("dipole") == 0:
        raise InputError(
            "no structure has reference charges or a dipole; name their keys (--charges-key, "
            "--dipole-key), or learn latent charges from energies and forces"
        )
    if fit_shares and count and weights.charges > 0.0:
        model = model.with_shares(_fitted_shares(model, data, prior, penalty, threads))
    return _solved(model, data, weights, prior, penalty, moderation, threads)


def _solved(
    model: LocalCharges,
    data: Iterable[Structure],
    weights: Weights,
    prior: SmoothnessPrior,
    penalty: str | float,
    moderation: Moderation | None,
    threads: int,
) -> LocalCharges:
    trainee = LocalTrainee(model)
    scales = trainee.scales(prior)
    factors: FactorSet[Key] = FactorSet(len(scales) + 1)
    informative = False
    for structure, design, _ in model.function.designs(data, threads=threads):
        shares = model.shares_of(structure)
        columns = project(design * scales, shares, 0.0)
        for name, X, y in charge_rows(structure, columns, shares * structure.net_charge):
            if weights.of(structure.group, name) > 0.0:
                factors.add((structure.group, name), X, y)
                informative |= bool(np.any(getattr(structure.labels, name)))
    if not informative:
        raise InputError(
            "all reference charges and dipoles are zero, or their weights are; set "
            "weights.charges or weights.dipole, or name other keys"
        )
    factor, n_rows = factors.combined(lambda key: weights.of(*key))
    ridge = Ridge(penalty).fit_factor(triangular(factor), n_rows)
    if moderation is not None:
        noise, outside = (
            float(np.sqrt(ridge.noise_variance_)),
            moderation.rows(ridge.coef_ * scales),
        )
        rows = outside_rows(outside * scales, noise, np.zeros(len(scales)))
        factor, n_rows = np.vstack([factor, rows]), n_rows + len(rows)
        ridge = Ridge(penalty).fit_factor(triangular(factor), n_rows)
    return trainee.with_parameters(ridge.coef_ * scales).model


def _fitted_shares(
    model: LocalCharges,
    data: Iterable[Structure],
    prior: SmoothnessPrior,
    penalty: str | float,
    threads: int,
) -> dict[str, float]:
    """
    Return the variance of the residuals of charges that are not corrected, per species.

    Without the correction species are problems of their own, each with a penalty of its own.
    """
    scales = LocalTrainee(model).scales(prior)
    n, starts = model.function.basis.n_features, model.function.basis.feature_offsets
    columns = [[*range(a, b), n + z] for z, (a, b) in enumerate(pairwise(starts))]
    factors = [TriangularFactor(len(own) + 1) for own in columns]
    for structure, design, species in model.function.designs(data, threads=threads):
        if structure.labels.charges is None:
            continue
        for z in np.unique(species).tolist():
            atoms, own = species == z, columns[z]
            X = design[np.ix_(np.flatnonzero(atoms), own)] * scales[own]
            factors[z].add(X, structure.labels.charges[atoms])
    variances = np.zeros(len(columns))
    for z, factor in enumerate(factors):
        rows = factor.rows()
        if factor.n_rows:
            ridge = Ridge(penalty).fit_factor(triangular(rows), factor.n_rows)
            left = rows @ np.append(ridge.coef_, -1.0)
            variances[z] = left @ left / factor.n_rows
    # what nothing is known of, or is exact, takes a small part
    largest = float(variances.max()) or 1.0
    shares = np.maximum(variances / largest, _LEAST_SHARE)
    return dict(zip(model.elements, shares.tolist(), strict=True))
