"""Calibrated intervals cover what they promise on data they have not seen."""

from __future__ import annotations

import numpy as np
import pytest

import linpot
from linpot.errors import InputError
from linpot.uncertainty.conformal import Calibration, calibrate
from linpot.workflow.calibration import calibrated_fit, deviations_and_residuals

LEVELS = [0.5, 0.9, 0.95]


def clusters(n: int, rows: int, rng, noise: float = 7.0) -> tuple[list, list]:
    """Residuals `noise` times as large as the deviations say, partly shared inside a cluster."""
    std = [np.exp(rng.normal(size=rows)) for _ in range(n)]
    shared = rng.normal(size=n)
    z = [np.sqrt(0.5) * (rng.normal(size=rows) + shared[k]) for k in range(n)]
    return std, [noise * s * own for s, own in zip(std, z, strict=True)]


@pytest.mark.parametrize("level", LEVELS)
def test_coverage_is_restored_when_the_noise_is_wrong(level):
    rng = np.random.default_rng(0)
    found = calibrate(*clusters(400, 30, rng), level=level)
    std, residuals = map(np.concatenate, clusters(4000, 30, rng))
    covered = np.abs(residuals) <= found.half_widths(std, level)
    assert covered.mean() == pytest.approx(level, abs=0.03)  # 400 clusters: 0.5/sqrt(400)
    assert np.mean(np.abs(residuals) <= 2.0 * std) < 0.3  # what the deviations alone would cover


def test_mean_coverage_of_few_data_is_not_below_the_level():
    """``E[coverage] = ceil(level (m + 1))/(m + 1)`` over calibration sets of m rows."""
    rng = np.random.default_rng(1)
    level, m = 0.9, 12
    coverage = []
    for _ in range(4000):
        scores, new = np.sort(rng.exponential(size=m)), rng.exponential()
        coverage.append(new <= Calibration(0.0, scores, m).factor(level))
    exact = np.ceil(level * (m + 1)) / (m + 1)
    assert np.mean(coverage) == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000))


def test_mean_coverage_of_few_clusters_is_not_below_the_level():
    rng = np.random.default_rng(2)
    coverage = []
    for _ in range(600):
        std, residuals = clusters(12, 20, rng)
        scores = np.sort(np.abs(np.concatenate(residuals)) / np.concatenate(std))
        new_std, new = clusters(1, 20, rng)
        factor = Calibration(0.0, scores, 12).factor(0.8)
        coverage.append(np.mean(np.abs(new[0]) <= factor * new_std[0]))
    assert np.mean(coverage) > 0.8


def test_useful_deviations_make_narrower_intervals_than_useless_ones():
    rng = np.random.default_rng(3)
    std, residuals = clusters(200, 30, rng)
    useful = calibrate(std, residuals)
    shuffled = [rng.permutation(s) for s in std]
    useless = calibrate(shuffled, residuals)
    assert useful.floor < useless.floor
    width = np.concatenate(useful.half_widths(np.array(std), 0.9)).mean()
    assert width < 0.8 * np.concatenate(useless.half_widths(np.array(shuffled), 0.9)).mean()


def test_level_that_needs_more_clusters_is_refused():
    with pytest.raises(InputError, match=r"level 0.9 need at least 9 structures .* got 8"):
        Calibration(0.0, np.arange(1.0, 9.0), 8).factor(0.9)
    assert Calibration(0.0, np.arange(1.0, 10.0), 9).factor(0.9) == 9.0


@pytest.mark.parametrize("level", [-0.1, 0.0, 1.0])
def test_level_outside_zero_and_one_is_refused(level):
    with pytest.raises(InputError, match="`level` must be"):
        Calibration(0.0, np.ones(9), 9).factor(level)


def test_deviations_that_are_all_zero_are_refused():
    with pytest.raises(InputError, match="not all zero"):
        calibrate([np.zeros(3)], [np.ones(3)])
    with pytest.raises(InputError, match="a pair per cluster, got 1, 0"):
        calibrate([np.ones(3)], [])


def test_force_intervals_of_silicon_cover_the_test_set():
    """Calibrated on the training folds only; the shipped test set has few structures."""
    train, test = map(linpot.read_dataset, linpot.shipped_silicon())
    found = calibrated_fit(train, settings=linpot.FitSettings(n_functions=40), folds=4)
    pairs = deviations_and_residuals(found.session, found.fit, list(test))
    forces = [pair["forces"] for pair in pairs]
    std, residuals = (np.concatenate(part) for part in zip(*forces, strict=True))
    widths = found.calibrations["forces"].half_widths(std, 0.9)
    assert 0.84 < np.mean(np.abs(residuals) <= widths) < 0.96
    assert set(found.calibrations) == {"energy", "forces"}


def test_more_folds_than_structures_are_refused():
    train = linpot.read_dataset(linpot.shipped_silicon()[0])
    with pytest.raises(InputError, match="`folds` must be at most"):
        calibrated_fit(train[:3], folds=5)
