"""E0 that is fitted together with the coefficients, where no isolated atom says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from linpot.fitting.factors import FactorSet, column_space, triangular
from linpot.fitting.reference_energies import LEAST_SQUARES, ReferenceEnergies
from linpot.fitting.ridge import Ridge
from linpot.workflow.keys import Key, weight_of
from linpot.workflow.settings import FitSettings

Floats = NDArray[np.float64]

JOINT = "fitted with the functions"


def rule_of(settings: FitSettings) -> str | Mapping[str, float]:
    """
    Return how E0 is found; "auto" is "joint" where an estimate would do harm.

    Families of few functions cannot give back the mean energy that an estimate leaves to them.
    Charges that are trained have energies of many eV per atom, of which labels say nothing.
    """
    if settings.e0 == "auto" and (settings.family_name != "ace" or settings.charges is not None):
        return "joint"
    return settings.e0


def fits_energies_jointly(settings: FitSettings, reference: ReferenceEnergies) -> bool:
    """
    Whether E0 is solved for again beside the learned part.

    By default also where compositions leave open what least squares found: the mean energy, of
    which forces would pay for a learned energy that has to be zero on average.
    """
    rule = rule_of(settings)
    by_composition = LEAST_SQUARES in reference.sources.values()
    return rule == "joint" or (rule == "auto" and reference.undetermined and by_composition)


def with_joint_energies(
    factors: FactorSet[Key],
    reference: ReferenceEnergies,
    settings: FitSettings,
    scales: Floats,
) -> tuple[FactorSet[Key], ReferenceEnergies]:
    """
    Find E0 by ridge in which its columns cost nothing, and take it off the targets.

    Parameters
    ----------
    factors : FactorSet
        Of ``[X one_body y]``.
    reference : ReferenceEnergies
        Those by least squares on compositions are found anew.
    settings : FitSettings
    scales : float64[n_features]
        Of the prior.

    Returns
    -------
    factors : FactorSet
    reference : ReferenceEnergies
    """
    elements = list(reference.values)
    free = np.array([reference.sources[s] == LEAST_SQUARES for s in elements])
    factor, n_rows = factors.combined(lambda key: weight_of(settings.weights, key))
    n = len(scales)
    X, y = factor[:, :n] * scales, factor[:, -1]
    one_body = factor[:, n:-1] * free
    span, sizes, right = column_space(one_body)  # compositions may leave some of it open
    if n_rows == 0 or not len(sizes):
        return factors, reference
    rest = np.column_stack([X, y])
    rest -= span @ (span.T @ rest)
    ridge = Ridge(settings.penalty).fit_factor(triangular(rest), n_rows)
    shifts = right.T @ ((span.T @ (y - X @ ridge.coef_)) / sizes)
    found = replace(
        reference,
        values={s: reference.values[s] + float(e) for s, e in zip(elements, shifts, strict=True)},
        sources={
            s: JOINT if is_free else reference.sources[s]
            for s, is_free in zip(elements, free, strict=True)
        },
    )
    return factors.shifted(np.concatenate([np.zeros(n), shifts])), found
