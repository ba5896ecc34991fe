"""Pointwise optimal parameter sets: against the authors' package, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from linpot.errors import InputError
from linpot.fitting.factors import triangular
from linpot.uncertainty.pops import PointwiseSets
from linpot.uncertainty.posterior import Posterior

SCALES = np.geomspace(1.0, 0.1, 8)


def misfit_problem(n_rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """A sine that polynomials of degree 7 cannot meet, without noise."""
    x = np.random.default_rng(0).uniform(-1.0, 1.0, n_rows)
    return np.polynomial.chebyshev.chebvander(x, 7), np.sin(9.0 * x) + x**2


def fitted(X: np.ndarray, y: np.ndarray, penalty: float, noise: float, scales: np.ndarray):
    A = X.T @ X + penalty * np.diag(scales**-2.0)
    coefficients = np.linalg.solve(A, X.T @ y)
    return A, Posterior.of_ridge(triangular(X), penalty, noise, coefficients, scales)


def gathered(X, y, posterior, scales, pieces: int = 7, percentile: float = 50.0) -> PointwiseSets:
    found = PointwiseSets(posterior, scales, percentile)
    cuts = [np.array_split(part, pieces) for part in (X, y - X @ posterior.mean)]
    for rows in cuts[0]:
        found.see(rows)
    for add in (found.add, found.widen):
        for rows, residuals in zip(*cuts, strict=True):
            add(rows, residuals)
    return found


def test_steps_equal_the_closed_form_on_raw_rows():
    """``A^-1 x r / (x^T A^-1 x)`` of the rows of the larger half of leverages."""
    X, y = misfit_problem()
    A, posterior = fitted(X, y, 0.1, 0.02, SCALES)
    found = gathered(X, y, posterior, SCALES)
    inverse = np.linalg.inv(A)
    leverages = np.einsum("ri,ij,rj->r", X, inverse, X)
    residuals = y - X @ posterior.mean
    steps = (X @ inverse) * (residuals / leverages)[:, None]
    steps = steps[leverages >= np.percentile(leverages, 50.0)]
    moment = steps.T @ steps / len(steps)
    assert np.allclose(found.steps.moment * np.outer(SCALES, SCALES), moment, rtol=1e-8)
    rows = np.random.default_rng(1).normal(size=(20, X.shape[1]))
    covariance = 0.02 * inverse + moment
    expected = np.sqrt(np.einsum("ri,ij,rj->r", rows, covariance, rows))
    assert np.allclose(found.widened("ensemble").std(rows), expected, rtol=1e-8)
    box = found.hypercube
    covariance = 0.02 * inverse + box.moment * np.outer(SCALES, SCALES)
    expected = np.sqrt(np.einsum("ri,ij,rj->r", rows, covariance, rows))
    assert np.allclose(found.widened("hypercube").std(rows), expected, rtol=1e-8)


@pytest.mark.parametrize("form", ["ensemble", "hypercube"])
def test_steps_equal_those_of_popsregression(form):
    pops = pytest.importorskip("popsregression")
    X, y = misfit_problem()
    model = pops.POPSRegression(
        posterior=form, fit_intercept=False, resample_density=200.0, resampling_method="sobol"
    ).fit(X, y)
    ones = np.ones(X.shape[1])
    noise = 1.0 / model.alpha_
    _, posterior = fitted(X, y, model.lambda_ * noise, noise, ones)
    assert np.allclose(posterior.mean, model.coef_, rtol=1e-6)
    found = gathered(X, y, posterior, ones)
    rows = np.random.default_rng(1).normal(size=(20, X.shape[1]))
    _, expected = model.predict(rows, return_std=True)
    # the package draws 65,536 points of a Sobol sequence where the moments are known
    tolerance = 1e-6 if form == "ensemble" else 5e-3
    assert np.allclose(found.widened(form).std(rows), expected, rtol=tolerance)
    if form == "hypercube":
        low, high = model._hypercube_bounds
        along = np.abs(found.steps.axes.T @ model._hypercube_support)
        order = along.argmax(axis=0)
        assert np.allclose(along[order, np.arange(len(order))], 1.0, atol=1e-6)
        own = np.stack([found.hypercube.low, found.hypercube.high])[:, order]
        sizes = np.sort(np.abs(own), axis=0)  # an axis may point the other way
        assert np.allclose(sizes, np.sort(np.abs([low, high]), axis=0), rtol=1e-5)


def test_box_holds_every_training_label():
    """Each kept row is met exactly by one of the steps that the box holds."""
    X, y = misfit_problem()
    _, posterior = fitted(X, y, 1e-6, 1e-4, SCALES)
    found = gathered(X, y, posterior, SCALES, percentile=0.0)
    low, high = found.hypercube.bounds(X)
    residuals = y - X @ posterior.mean
    assert (residuals >= low - 1e-10).all()
    assert (residuals <= high + 1e-10).all()
    assert np.mean(np.abs(residuals) > 3.0 * posterior.std(X)) > 0.3  # the posterior alone does not


def test_points_of_the_box_have_its_moment():
    X, y = misfit_problem()
    _, posterior = fitted(X, y, 1e-6, 1e-4, SCALES)
    box = gathered(X, y, posterior, SCALES).hypercube
    points = box.draw(200_000, seed=0) / SCALES
    moment = points.T @ points / len(points)
    # 200,000 points: 1/450 of the diagonal; five deviations
    size = np.sqrt(np.outer(np.diag(box.moment), np.diag(box.moment)))
    assert np.abs((moment - box.moment) / size).max() < 0.02


def test_pieces_do_not_matter():
    X, y = misfit_problem()
    _, posterior = fitted(X, y, 0.1, 0.02, SCALES)
    one, many = (gathered(X, y, posterior, SCALES, pieces=n) for n in (1, 50))
    assert np.allclose(one.steps.moment, many.steps.moment, rtol=1e-10)
    assert np.allclose(one.hypercube.moment, many.hypercube.moment, rtol=1e-6)


def test_spread_of_misfit_does_not_vanish_with_many_rows():
    """A posterior shrinks by the root of the number of rows; the misfit stays."""
    (X, y), (X9, y9) = misfit_problem(400), misfit_problem(3600)
    rows = np.random.default_rng(1).normal(size=(20, X.shape[1]))
    stds = []
    for A, b in ((X, y), (X9, y9)):
        _, posterior = fitted(A, b, 1e-6, 0.2, SCALES)
        stds.append(
            (posterior.std(rows), gathered(A, b, posterior, SCALES).widened("ensemble").std(rows))
        )
    assert np.median(stds[1][0] / stds[0][0]) < 0.4
    assert np.median(stds[1][1] / stds[0][1]) > 0.7


def test_settings_without_a_meaning_are_refused():
    X, y = misfit_problem()
    _, posterior = fitted(X, y, 0.1, 0.02, SCALES)
    with pytest.raises(InputError, match="`percentile` must be below 100"):
        PointwiseSets(posterior, SCALES, 100.0)
    with pytest.raises(InputError, match="`form` must be"):
        gathered(X, y, posterior, SCALES).widened("ball")
    empty = PointwiseSets(posterior, SCALES)
    empty.see(X)
    empty.add(X, np.zeros(len(X)))
    with pytest.raises(InputError, match="need rows with a residual"):
        empty.steps  # noqa: B018
