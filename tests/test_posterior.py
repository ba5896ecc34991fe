"""The posterior of ridge is that of Bayesian linear regression on raw rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import linear_model

import linpot
from linpot.errors import InputError
from linpot.fitting.factors import triangular
from linpot.fitting.ridge import Ridge
from linpot.model.packing import pack
from linpot.uncertainty.posterior import DIRECTIONS, Posterior
from linpot.uncertainty.spread import spread_of
from linpot.workflow.posterior import solve_with_posterior

SCALES = np.geomspace(1.0, 1e-3, 12)


def problem(n_rows: int = 80) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, len(SCALES))) * np.geomspace(1.0, 1e2, len(SCALES))
    return X, X @ (SCALES * rng.normal(size=len(SCALES))) + 0.1 * rng.normal(size=n_rows)


def posterior_of(X: np.ndarray, y: np.ndarray, penalty: float = 0.3) -> Posterior:
    return Posterior.of_ridge(triangular(X), penalty, 0.01, np.zeros(X.shape[1]), SCALES)


def test_std_equals_the_closed_form_on_raw_rows():
    """``x^T (X^T X / s + S^-2 penalty / s)^-1 x`` with noise variance s."""
    X, y = problem()
    rows = np.random.default_rng(1).normal(size=(20, X.shape[1]))
    covariance = np.linalg.inv((X.T @ X + 0.3 * np.diag(SCALES**-2.0)) / 0.01)
    expected = np.sqrt(np.einsum("ri,ij,rj->r", rows, covariance, rows))
    found = posterior_of(X, y)
    assert np.allclose(found.std(rows), expected, rtol=1e-9)
    whitened = found.whiten(rows)
    assert np.allclose(whitened.T @ whitened, rows @ covariance @ rows.T, rtol=1e-7, atol=1e-14)


def test_predictive_std_equals_scikit_learn_at_its_hyper_parameters():
    X, y = problem()
    model = linear_model.BayesianRidge(fit_intercept=False).fit(X, y)
    ridge = Ridge(model.lambda_ / model.alpha_).fit(X, y)
    found = Posterior.of_ridge(triangular(X), ridge.penalty_, 1.0 / model.alpha_, ridge.coef_)
    _, expected = model.predict(X, return_std=True)
    assert np.allclose(np.sqrt(found.std(X) ** 2 + found.noise_variance), expected, rtol=1e-8)
    assert np.allclose(found.mean, model.coef_, rtol=1e-6)


def test_data_four_times_halves_the_std():
    X, y = problem()
    rows = np.eye(X.shape[1])
    once = posterior_of(X, y, 1e-12).std(rows)
    assert np.allclose(posterior_of(np.tile(X, (4, 1)), np.tile(y, 4), 1e-12).std(rows), once / 2)


def test_committee_has_mean_and_covariance_of_the_posterior():
    X, _ = problem()
    found = Posterior.of_ridge(triangular(X), 0.3, 0.01, SCALES, SCALES)
    members = found.draw(20_000, seed=3)
    standard = (members - found.mean) @ found.root.T
    # 20,000 draws: means to 1/141, covariances of 12 numbers likewise; five deviations
    assert np.abs(standard.mean(axis=0)).max() < 5 / np.sqrt(20_000)
    assert np.abs(np.cov(standard.T) - np.eye(len(SCALES))).max() < 8 / np.sqrt(20_000)
    assert np.array_equal(found.draw(5, seed=3), members[:5])
    assert not np.array_equal(found.draw(5, seed=4), members[:5])


@pytest.mark.parametrize("share", [1.0, 0.3, 1e-3])
def test_tempered_posterior_is_that_of_down_weighted_rows(share):
    X, _ = problem()
    rows = np.random.default_rng(5).normal(size=(30, X.shape[1]))
    weighed = Posterior.of_ridge(np.sqrt(share) * X, 0.3, 0.01, np.zeros(X.shape[1]), SCALES)
    tempered = posterior_of(X, np.zeros(len(X))).tempered(share, 0.3, SCALES)
    assert tempered.std(rows) == pytest.approx(weighed.std(rows), rel=1e-9)


def test_tempered_posterior_stays_below_the_prior():
    X, y = problem()
    rows = np.random.default_rng(6).normal(size=(30, X.shape[1]))
    prior = np.linalg.norm(rows * SCALES, axis=1) * np.sqrt(0.01 / 0.3)
    tempered = posterior_of(X, y).tempered(1e-14, 0.3, SCALES)
    assert tempered.std(rows) == pytest.approx(prior, rel=1e-6)  # the data are worth 1e-9 of it
    with pytest.raises(InputError, match=r"`share` must be above 0 and at most 1, got 2\.0"):
        posterior_of(X, y).tempered(2.0, 0.3, SCALES)


def test_deviations_grow_with_the_root_of_the_noise():
    X, y = problem()
    rows = np.random.default_rng(7).normal(size=(30, X.shape[1]))
    posterior = posterior_of(X, y)
    louder = posterior.with_noise(4.0 * posterior.noise_variance)
    assert louder.std(rows) == pytest.approx(2.0 * posterior.std(rows), rel=1e-12)


def test_sketch_keeps_the_deviations_of_rows():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(500, 200)) * np.logspace(0, -3, 200)
    posterior = Posterior.of_ridge(X, 1.0, 0.1, np.zeros(200))
    assert posterior.sketch.shape == (200, DIRECTIONS)
    rows = rng.normal(size=(40, 200))
    ratio = np.linalg.norm(rows @ posterior.sketch, axis=1) / posterior.std(rows)
    # each is the root of a mean of DIRECTIONS squares of normal numbers; four deviations
    assert np.abs(ratio - 1.0).max() < 4.0 / np.sqrt(2.0 * DIRECTIONS)
    assert ratio.std() > 0.1 / np.sqrt(2.0 * DIRECTIONS)


def test_sketch_of_few_features_is_exact():
    rng = np.random.default_rng(4)
    posterior = Posterior.of_ridge(rng.normal(size=(50, 9)), 1.0, 0.1, np.zeros(9))
    rows = rng.normal(size=(20, 9))
    sketched = np.linalg.norm(rows @ posterior.sketch, axis=1)
    assert sketched == pytest.approx(posterior.std(rows), rel=1e-12)


def test_posterior_without_penalty_for_undetermined_columns_is_refused():
    X, y = problem(5)
    with pytest.raises(InputError, match="must determine every coefficient"):
        posterior_of(X, y, 0.0)


@pytest.fixture(scope="module")
def session() -> linpot.FitSession:
    data = linpot.read_dataset(linpot.shipped_silicon()[0])
    return linpot.prepare_fit(data, settings=linpot.FitSettings(n_functions=40))


@pytest.fixture(scope="module")
def structure() -> linpot.Structure:
    return linpot.read_dataset(linpot.shipped_silicon()[1])[0]


def test_spread_of_a_structure_is_that_of_a_committee(session, structure):
    """Energies, forces, virials and atomic energies of potentials with drawn coefficients."""
    fit = solve_with_posterior(session)
    engine = session.builder.engine
    spread = spread_of(engine, fit.posterior, [structure])[0]
    learned = linpot.learned_part(fit.solution.potential)
    assert np.array_equal(fit.posterior.mean, learned.coefficients)
    members = [learned.with_coefficients(c) for c in fit.posterior.draw(400, seed=0)]
    said = [m.predict(structure) for m in members]
    one = 5 / np.sqrt(2 * 400)  # five deviations of a standard deviation from 400 draws
    assert np.std([p.energy for p in said]) == pytest.approx(spread.energy, rel=one)
    forces = np.std([p.forces for p in said], axis=0)
    assert np.allclose(forces, spread.forces, rtol=one)
    stresses = np.std([p.stress(structure) for p in said], axis=0)
    assert np.allclose(stresses, spread.stress(structure), rtol=one)
    features = engine.features(pack([structure], learned.elements, engine.cutoffs))
    atomic = fit.posterior.std(np.array(features))
    assert np.allclose(np.std([p.atomic_energies for p in said], axis=0), atomic, rtol=one)
    assert spread.energy <= atomic.sum() * (1 + 1e-9)  # equal where atoms are, to rounding
    assert spread.misfit_energy == pytest.approx(np.linalg.norm(atomic))
    alone = spread_of(engine, fit.posterior, [structure], forces=False)[0]
    assert alone.energy == pytest.approx(spread.energy, rel=1e-12)
    assert alone.misfit_energy == pytest.approx(spread.misfit_energy, rel=1e-12)
    assert alone.forces is None


def test_precision_of_a_session_is_that_of_its_weighted_rows_and_prior(session):
    settings = session.settings
    fit = solve_with_posterior(session, penalty=0.1)
    n = session.basis.n_features
    gram = np.diag(0.1 * settings.prior.scales(session.basis) ** -2.0)
    for key, factor in session.factors.items():
        weight = 1.0 if key[0] is None else settings.weights.of(key[0], key[1])
        rows = factor.rows()[:, :n] * weight
        gram += rows.T @ rows
    precision = fit.posterior.root.T @ fit.posterior.root * fit.posterior.noise_variance
    assert np.allclose(precision, gram, rtol=1e-9, atol=1e-9 * np.abs(gram).max())


def test_posterior_of_another_solver_is_refused(session):
    with pytest.raises(InputError, match="must be ridge for a posterior, got 'omp'"):
        solve_with_posterior(session, solver="omp")
