"""Priors: the formulas, and that rough columns are held back most."""

from __future__ import annotations

import numpy as np
import pytest

import linpot
from linpot.errors import InputError
from linpot.fitting.priors import SmoothnessPrior, body_orders


@pytest.fixture(scope="module")
def basis() -> linpot.Basis:
    radial = {("Si", "Si"): linpot.RadialParameters(5.0)}
    return linpot.build_basis(linpot.BasisSpecification(("Si",), radial, n_functions=80))


def factors_of(basis: linpot.Basis) -> list[list[tuple[int, int]]]:
    """(n, l) of the factors of every column."""
    table = basis.programs[0].factors
    return [[(n, l) for z, n, l in row.tolist() if z >= 0] for row in table]


def expected_scale(prior: SmoothnessPrior, factors: list[tuple[int, int]]) -> float:
    strength = prior.order_strength ** (len(factors) - 1)
    if prior.form == "algebraic":
        return strength / (
            1 + sum(n**prior.power + (prior.angular * l) ** prior.power for n, l in factors)
        )
    square = 2 if prior.form == "gaussian" else 1
    total = sum(n**square + (prior.angular * l) ** square for n, l in factors)
    return strength * float(np.exp(-prior.rate * total))


@pytest.mark.parametrize("form", ["algebraic", "exponential", "gaussian"])
def test_scales_equal_the_formula(basis, form):
    prior = SmoothnessPrior(form=form, power=2.5, angular=1.7, order_strength=0.2, rate=0.15)
    expected = [expected_scale(prior, factors) for factors in factors_of(basis)]
    assert np.allclose(prior.scales(basis), expected, rtol=1e-13)


def test_strengths_per_body_order_multiply_the_columns_of_that_order(basis):
    plain = SmoothnessPrior(order_strength=1.0).scales(basis)
    strengths = (3.0, 0.5, 0.1, 7.0)
    found = SmoothnessPrior(order_strength=strengths).scales(basis)
    assert np.allclose(found, plain * np.array(strengths)[body_orders(basis) - 2], rtol=1e-14)


def test_strengths_for_too_few_body_orders_are_refused(basis):
    with pytest.raises(InputError, match="each body order from 2 to 5, got 2"):
        SmoothnessPrior(order_strength=(1.0, 0.1)).scales(basis)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"form": "flat"}, "`prior.form` must be one of algebraic, exponential, gaussian"),
        ({"rate": -1.0}, "`prior.rate` must be a non-negative number, got -1.0"),
        ({"order_strength": (1.0, 0.0)}, "`prior.order_strength` must be a positive number"),
    ],
)
def test_invalid_prior_is_refused_with_its_value(setting, message):
    with pytest.raises(InputError, match=message):
        SmoothnessPrior(**setting)


@pytest.mark.parametrize("form", ["algebraic", "exponential", "gaussian"])
def test_potentials_can_be_fitted_with_every_form(form):
    train, _ = linpot.shipped_silicon()
    potential = linpot.fit(train, n_functions=40, prior=SmoothnessPrior(form=form))
    settings = linpot.learned_part(potential).provenance["settings"]
    assert settings["prior"]["form"] == form
