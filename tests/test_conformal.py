"""Calibrated intervals cover what they promise on data they have not seen."""

from __future__ import annotations

import numpy as np
import pytest

import linpot
from linpot.errors import InputError
from linpot.model.packing import pack
from linpot.uncertainty.conformal import (
    PART_FLOOR,
    Calibration,
    CalibrationPart,
    calibrate,
    calibrate_parts,
)
from linpot.workflow.calibration import (
    calibrated_fit,
    deviations_and_residuals,
    prepare_folds,
    solve_like,
)
from linpot.workflow.fit import Silent
from linpot.workflow.misfit import Part, widen_by_misfit
from linpot.workflow.posterior import solve_with_posterior

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


@pytest.fixture(scope="module")
def silicon() -> tuple[linpot.Dataset, linpot.Dataset]:
    return tuple(map(linpot.read_dataset, linpot.shipped_silicon()))


@pytest.mark.parametrize("kind", ["posterior", "pops"])
def test_intervals_of_silicon_cover_the_test_set(silicon, kind):
    """Calibrated on the training folds only; the shipped test set has few structures."""
    train, test = silicon
    settings = linpot.FitSettings(n_functions=40)
    found = calibrated_fit(train, settings=settings, folds=4, kind=kind)
    assert set(found.calibrations) == {"energy", "forces", "stress"}
    covered: dict[str, list[np.ndarray]] = {}
    for pairs in deviations_and_residuals(found.session, found.fit, list(test)):
        for name, own in pairs.items():
            widths = found.calibrations[name].half_widths(own.scale, 0.9)
            covered.setdefault(name, []).append(np.abs(own.residuals) <= widths)
    # components of 15 structures: fewer than they look, so that more than nominal is no failure
    assert 0.84 < np.mean(np.concatenate(covered["forces"])) < 0.99
    for name in ("energy", "stress"):  # one cluster per structure: binomial, three deviations
        share = np.mean(np.concatenate(covered[name]))
        assert abs(share - 0.9) < 3.0 * np.sqrt(0.09 / len(test))


def test_inflation_is_the_error_over_the_posterior():
    rng = np.random.default_rng(4)
    std, residuals = clusters(300, 30, rng, noise=7.0)
    # two in the denominator of shared errors: 300 clusters know it to 5 %
    assert calibrate(std, residuals).inflation == pytest.approx(7.0, rel=0.3)
    halves = [0.5 * s for s in std]
    doubled = calibrate(std, residuals, spread=halves).inflation
    assert doubled == pytest.approx(2.0 * calibrate(std, residuals).inflation)


def test_pops_keep_the_fit_and_widen_its_posterior(silicon):
    settings = linpot.FitSettings(n_functions=40)
    session = linpot.prepare_fit(silicon[0], settings=settings)
    fit = solve_with_posterior(session)
    everything = np.ones(len(silicon[0]), dtype=bool)
    wide = widen_by_misfit(session, silicon[0], [Part(session, fit, everything)])[0]
    assert wide.solution is fit.solution
    rows = session.builder.engine.design_rows(
        pack([silicon[1][0]], session.basis.elements, session.builder.engine.cutoffs)
    )[0]
    # more than the posterior for every row, several times as much for most
    ratio = wide.posterior.std(rows) / fit.posterior.std(rows)
    assert ratio.min() > 1.0
    assert np.median(ratio) > 2.0


def test_folds_by_groups_leave_whole_groups_out(silicon):
    settings = linpot.FitSettings(n_functions=40, dense_restraint=0.0, allow_holes=True)
    by_groups = calibrated_fit(silicon[0], settings=settings, folds="groups")
    by_blocks = calibrated_fit(silicon[0], settings=settings)
    # groups are harder to predict than blocks of consecutive frames
    widths = []
    for found in (by_groups, by_blocks):
        seen = list(deviations_and_residuals(found.session, found.fit, list(silicon[1])[:6]))
        widths.append(
            {
                name: np.mean([found.calibrations[name].half_widths(own[name].scale, 0.9).mean()
                               for own in seen])
                for name in ("energy", "forces", "stress")
            }
        )  # fmt: skip
    for name, wide in widths[0].items():
        assert wide > 1.5 * widths[1][name]


def test_folds_by_groups_of_one_group_are_refused(silicon):
    liquid = linpot.Dataset([s for s in silicon[0] if s.group == "liquid"])
    with pytest.raises(InputError, match="at least two groups, got 1"):
        calibrated_fit(liquid, folds="groups")


def test_more_folds_than_structures_are_refused():
    train = linpot.read_dataset(linpot.shipped_silicon()[0])
    with pytest.raises(InputError, match="`folds` must be at most"):
        calibrated_fit(train[:3], folds=5)


def part(rng, errors: float, *, typical: float = 0.5, left_out: bool = True) -> CalibrationPart:
    std = typical * np.exp(rng.normal(size=3000))
    residuals = errors * np.hypot(std, PART_FLOOR * typical) * rng.normal(size=3000)
    return CalibrationPart(std, residuals, std, typical, 50, left_out)


def test_worst_part_sets_the_intervals():
    """Each part is covered at least at the level, the worst one exactly."""
    rng = np.random.default_rng(5)
    parts = [part(rng, errors, typical=typical) for errors, typical in ((1, 3), (7, 0.1), (4, 20))]
    found = calibrate_parts(parts, 2.0)
    assert len(found.ends) == 3
    assert found.floor == PART_FLOOR * 2.0
    covered = []
    for own in parts:
        widths = found.factor(0.9) * np.hypot(own.std, PART_FLOOR * own.typical)
        covered.append(np.mean(np.abs(own.residuals) <= widths))
    assert min(covered) == covered[1] == pytest.approx(0.9, abs=1e-3)
    # normal numbers: the quantile of the worst is 1.645 times as large as its errors; 3000 draws
    assert found.factor(0.9) == pytest.approx(7.0 * 1.645, rel=0.08)


def test_parts_that_were_seen_widen_intervals_but_not_properties():
    rng = np.random.default_rng(6)
    left_out = part(rng, 2.0)
    alone = calibrate_parts([left_out], 0.5)
    beside = calibrate_parts([left_out, part(rng, 5.0, left_out=False)], 0.5)
    assert beside.factor(0.9) > 2.0 * alone.factor(0.9)
    assert beside.inflation == alone.inflation
    with pytest.raises(InputError, match="needs a part that was left out, got none"):
        calibrate_parts([part(rng, 5.0, left_out=False)], 0.5)
    with pytest.raises(InputError, match="`typical` must be"):
        calibrate_parts([left_out], 0.0)


def test_left_out_groups_keep_noise_and_penalty_of_the_fit_to_all(silicon):
    settings = linpot.FitSettings(n_functions=40, dense_restraint=0.0, allow_holes=True)
    folded = prepare_folds(silicon[0], settings, "groups", Silent())
    whole = solve_with_posterior(folded.session)
    without = solve_like(whole, folded.session, 0)
    assert without.solution.penalty == whole.solution.penalty
    assert without.posterior.noise_variance == whole.posterior.noise_variance
    rows = np.random.default_rng(0).normal(size=(50, 40))
    # fewer data, nothing else: no direction is known better
    assert (without.posterior.std(rows) >= whole.posterior.std(rows) * (1 - 1e-9)).all()
    assert (without.posterior.std(rows) > 1.01 * whole.posterior.std(rows)).any()


def test_calibration_by_groups_survives_the_file(silicon, tmp_path):
    settings = linpot.FitSettings(n_functions=40)
    potential = linpot.fit_with_error_bars(silicon[0], settings=settings, folds="groups")
    linpot.save(potential, tmp_path / "groups.linpot")
    before = linpot.ErrorBars.of(potential).calibrations
    after = linpot.ErrorBars.of(linpot.load(tmp_path / "groups.linpot")).calibrations
    assert len(before["forces"].ends) > 2
    std = np.geomspace(1e-3, 1.0, 7)
    for name, own in before.items():
        assert np.array_equal(own.half_widths(std, 0.9), after[name].half_widths(std, 0.9))
