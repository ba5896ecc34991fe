"""C6 fitted beside a learned part: one least-squares problem, written out densely as oracle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import linpot
from linpot.baselines.dispersion import Dispersion
from linpot.errors import InputError
from linpot.model.linear_potential import LinearPotential
from linpot.structures.structure import Labels, Structure
from linpot.workflow.plan import plan_fit

SETTINGS = linpot.FitSettings(
    n_functions=15,
    cutoff=3.5,
    baseline="none",
    e0={"H": -1.0, "O": -3.0},
    weights=linpot.Weights(energy=20.0, forces=1.0, stress=3.0),
)


def model_of(c6=(4.0, 7.0, 11.0)) -> Dispersion:
    pairs = [("H", "H"), ("H", "O"), ("O", "O")]
    return Dispersion(
        dict(zip(pairs, c6, strict=True)),
        dict(zip(pairs, np.multiply(c6, 8.0), strict=True)),
        damping_radii=2.5,
        accuracy=1e-10,
    )


def structures(n: int = 12) -> list[Structure]:
    rng = np.random.default_rng(0)
    grid = np.array(list(np.ndindex(2, 2, 2))) / 2
    found = []
    for k in range(n):
        cell = (5.4 + 0.1 * k) * (np.eye(3) + 0.05 * rng.normal(size=(3, 3)))
        positions = (grid + rng.uniform(-0.07, 0.07, size=grid.shape)) @ cell
        numbers = np.where(rng.random(8) < 0.6, 1, 8)
        numbers[:2] = 1, 8
        pbc = (True,) * 3 if k % 3 else (False,) * 3
        found.append(Structure(numbers, positions, cell, pbc))
    return found


def labelled(truth: Dispersion | None, sign: float = 1.0, noise: float = 0.0) -> linpot.Dataset:
    """Labels of a learned part with random coefficients plus those of a dispersion."""
    rng = np.random.default_rng(1)
    bare = structures()
    dummy = linpot.Dataset([s.with_labels(Labels(0.0)) for s in bare])
    basis = plan_fit(dummy, SETTINGS).basis
    learned = LinearPotential(
        basis, SETTINGS.prior.scales(basis) * rng.normal(size=basis.n_features), SETTINGS.e0
    )
    result = []
    for s in bare:
        said = learned.predict(s)
        energy, forces, virial = said.energy, said.forces, said.virial
        if truth is not None:
            other = truth.predict(s)
            energy = energy + sign * other.energy
            forces = forces + sign * other.forces
            virial = virial + sign * other.virial
        forces = forces + noise * rng.normal(size=forces.shape)
        stress = None
        if s.is_bulk:
            stress = -virial.ravel()[[0, 4, 8, 5, 2, 1]] / s.volume
        result.append(s.with_labels(Labels(energy, forces, stress)))
    return linpot.Dataset(result)


def test_design_times_coefficients_is_the_prediction():
    model = model_of()
    for structure in structures(4):
        said = model.predict(structure)
        found = model.design(structure) @ model.coefficients
        expected = np.concatenate(
            [[said.energy], said.virial.ravel()[[0, 4, 8, 5, 2, 1]], said.forces.ravel()]
        )
        assert np.allclose(found, expected, rtol=1e-10, atol=1e-13)


def test_coefficients_change_c6_and_keep_the_ratio_of_c8():
    model = model_of().with_coefficients([1.0, 2.0, 3.0])
    assert list(model.c6.values()) == [1.0, 2.0, 3.0]
    assert list(model.c8.values()) == [8.0, 16.0, 24.0]
    assert model.damping_radii == model_of().damping_radii


def test_true_coefficients_are_found():
    data = labelled(model_of())
    settings = replace(SETTINGS, penalty=1e-10)
    found = linpot.fit_coefficients(data, model_of((1.0, 1.0, 1.0)), settings=settings)
    # what the penalty of the learned part leaves: a fit to labels without noise
    assert np.allclose(found.coefficients, [4.0, 7.0, 11.0], rtol=1e-3)
    assert list(found.model.c6.values()) == found.coefficients.tolist()


def test_solution_is_that_of_one_dense_least_squares_problem():
    """Features with their prior, C6 without one: rows written out with all weights."""
    data = labelled(model_of(), noise=0.02)
    model, settings = model_of((1.0, 1.0, 1.0)), replace(SETTINGS, penalty=3e-2)
    basis = plan_fit(data, settings).basis
    learned = LinearPotential(basis, np.zeros(basis.n_features), SETTINGS.e0)
    rows, targets = [], []
    for s in data:
        X = np.hstack([learned.design(s), model.design(s)])
        e0 = sum({1: -1.0, 8: -3.0}[z] for z in s.numbers.tolist())
        rows.append(20.0 * X[:1] / s.n_atoms)
        targets.append([20.0 * (s.labels.energy - e0) / s.n_atoms])
        rows.append(X[7:])
        targets.append(s.labels.forces.ravel())
        if s.labels.stress is not None:
            rows.append(3.0 * X[1:7] / s.n_atoms)
            targets.append(-3.0 * s.labels.stress * s.volume / s.n_atoms)
    n = basis.n_features
    prior = np.hstack([np.diag(np.sqrt(3e-2) / settings.prior.scales(basis)), np.zeros((n, 3))])
    matrix = np.vstack([*rows, prior])
    right = np.concatenate([*targets, np.zeros(n)])
    expected = np.linalg.lstsq(matrix, right)[0][n:]
    found = linpot.fit_coefficients(data, model, settings=settings, non_negative=False)
    assert np.allclose(found.coefficients, expected, rtol=1e-7)
    # noise variance times the inverse of what the data say, features eliminated
    residual = matrix @ np.linalg.lstsq(matrix, right)[0] - right
    variance = residual @ residual / sum(len(t) for t in targets)
    covariance = variance * np.linalg.inv(matrix.T @ matrix)[n:, n:]
    assert np.allclose(found.std, np.sqrt(np.diag(covariance)), rtol=1e-6)


def test_prior_draws_to_the_coefficients_of_the_model():
    """Between the model's own coefficients and those of the data, as its width says."""
    data = labelled(model_of(), noise=0.02)
    model = model_of((2.0, 3.0, 5.0))
    free, *drawn = (
        linpot.fit_coefficients(data, model, settings=SETTINGS, prior=prior)
        for prior in (None, 1e4, 0.3, 1e-4)
    )
    assert np.allclose(drawn[0].coefficients, free.coefficients, rtol=1e-5)
    assert np.allclose(drawn[2].coefficients, [2.0, 3.0, 5.0], rtol=1e-3)
    assert (drawn[1].std < free.std).all()
    assert (drawn[1].std < 0.3 * model.coefficients).all()
    hydrogen = linpot.Dataset([replace(s, numbers=np.ones(8, dtype=np.int64)) for s in data])
    settings = replace(SETTINGS, e0={"H": -1.0})
    unseen = linpot.fit_coefficients(hydrogen, model, settings=settings, prior=0.3)
    # what the data do not know stays as it was
    assert np.allclose(unseen.coefficients[1:], [3.0, 5.0])
    assert np.allclose(unseen.std[1:], [0.9, 1.5])


def test_potential_on_top_of_the_model_found_has_the_joint_residual():
    """The fit that follows gives back the same coefficients of the learned part."""
    data = labelled(model_of(), noise=0.02)
    found = linpot.fit_coefficients(data, model_of((1.0, 1.0, 1.0)), settings=SETTINGS)
    errors = [
        linpot.run_fit(data, settings=replace(SETTINGS, baseline=baseline)).train["all"]["forces"]
        for baseline in (found.model, "none")
    ]
    assert errors[0]["rmse"] < 0.025  # the noise put in
    assert errors[1]["rmse"] > 1.1 * errors[0]["rmse"]


def test_coefficients_are_not_negative_unless_allowed():
    data = labelled(model_of(), sign=-1.0)
    settings = replace(SETTINGS, penalty=1e-10)
    model = model_of((1.0, 1.0, 1.0))
    bounded = linpot.fit_coefficients(data, model, settings=settings)
    assert (bounded.coefficients >= 0.0).all()
    assert bounded.coefficients.min() == 0.0
    with pytest.raises(InputError, match="must be a non-negative value in eV A"):
        linpot.fit_coefficients(data, model, settings=settings, non_negative=False)


def test_what_data_cannot_tell_is_refused():
    data = labelled(None)
    alone = linpot.Dataset([s for s in data if not s.is_bulk])
    with pytest.raises(InputError, match="`solver` must be ridge"):
        linpot.fit_coefficients(alone, model_of(), settings=replace(SETTINGS, solver="omp"))
    hydrogen = linpot.Dataset([replace(s, numbers=np.ones(8, dtype=np.int64)) for s in data])
    settings = replace(SETTINGS, e0={"H": -1.0})
    with pytest.raises(InputError, match="the data leave coefficient 1 of the model open"):
        linpot.fit_coefficients(hydrogen, model_of(), settings=settings)
