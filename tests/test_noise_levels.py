"""Weights and prior by evidence, in terms that any fit understands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import linpot
from linpot.errors import InputError
from linpot.workflow.cross_validation import assign_folds
from linpot.workflow.fit import Silent, gather_rows
from linpot.workflow.noise_levels import find_noise_levels
from linpot.workflow.plan import plan_fit

SETTINGS = linpot.FitSettings(n_functions=60, dense_restraint=0.0, allow_holes=True)
GROUPS = ("rattle_300", "rattle_900", "rattle_1500", "liquid", "isolated_atom")


@pytest.fixture(scope="module")
def data() -> linpot.Dataset:
    read = linpot.read_dataset(linpot.shipped_silicon()[0])
    return read.subset(k for k, s in enumerate(read) if s.group in GROUPS)


@pytest.fixture(scope="module")
def session(data) -> linpot.FitSession:
    return linpot.prepare_fit(data, settings=SETTINGS)


def test_levels_are_weights_prior_and_penalty_of_any_fit(data, session):
    found = find_noise_levels(session)
    settings = replace(SETTINGS, weights=found.weights, prior=found.prior, penalty=found.penalty)
    fresh = linpot.prepare_fit(data, settings=settings).solve()
    refit = session.refit(weights=found.weights, prior=found.prior, penalty=found.penalty)
    scale = np.abs(fresh.coefficients).max()
    assert np.allclose(refit.coefficients, fresh.coefficients, rtol=1e-7, atol=1e-8 * scale)


def test_weights_are_one_over_the_noise(session):
    found = find_noise_levels(session)
    products = [found.weights.of(g, n) * noise for (g, n), noise in found.noise.items()]
    assert np.allclose(products, products[0], rtol=1e-10)
    assert found.prior.order_strength[0] == 1.0


def test_levels_with_much_belief_are_those_of_the_settings(session):
    found = find_noise_levels(session, belief=1e9)
    old = SETTINGS.weights
    for group, name in found.noise:
        ratio = found.weights.of(group, name) / old.of(group, name)
        assert ratio == pytest.approx(1.0, rel=1e-3)  # rows over belief


def test_noise_added_to_the_labels_of_a_group_is_found(data):
    """Forces of 0.5 eV/A more noise than the model has of its own."""
    rng = np.random.default_rng(0)

    def noisy(s: linpot.Structure) -> linpot.Structure:
        forces = s.labels.forces + 0.5 * rng.normal(size=s.labels.forces.shape)
        return replace(s, labels=replace(s.labels, forces=forces))

    changed = linpot.Dataset([noisy(s) if s.group == "rattle_900" else s for s in data])
    found = find_noise_levels(linpot.prepare_fit(changed, settings=SETTINGS), belief=1.0)
    assert found.noise["rattle_900", "forces"] == pytest.approx(0.5, rel=0.2)
    assert found.noise["rattle_300", "forces"] < 0.2


def test_chosen_prior_has_the_largest_evidence(session):
    candidates = [
        linpot.SmoothnessPrior(power=3.0),
        linpot.SmoothnessPrior(form="exponential", rate=0.2),
        linpot.SmoothnessPrior(form="gaussian", rate=1.0),  # absurdly steep
    ]
    chosen = linpot.choose_prior(session, candidates)
    values = [find_noise_levels(session, prior=c).log_evidence for c in candidates]
    assert chosen.log_evidence == max(values)
    assert values[2] < min(values[:2])
    with pytest.raises(InputError, match="`candidates` must hold at least one prior"):
        linpot.choose_prior(session, [])


def test_evidence_does_not_depend_on_the_strengths_to_start_from(session):
    """It is maximised over them."""
    values = [
        find_noise_levels(session, prior=linpot.SmoothnessPrior(order_strength=s)).log_evidence
        for s in (0.05, 1.0)
    ]
    # the search ends within 1e-4 standard deviations of 20 levels
    assert values[0] == pytest.approx(values[1], abs=1e-4)


def test_properties_of_weight_zero_are_left_alone(data, session):
    found = find_noise_levels(session, weights=linpot.Weights(stress=0.0))
    assert {name for _, name in found.noise} == {"energy", "forces"}


def test_folds_and_shared_factors_are_refused(data):
    folds = assign_folds([s.group for s in data], 2, 0)
    plan = plan_fit(data, SETTINGS, folds=2)
    divided = gather_rows(data, plan, SETTINGS, Silent(), folds)
    with pytest.raises(InputError, match="noise levels need factors for every group, and no folds"):
        find_noise_levels(divided)
