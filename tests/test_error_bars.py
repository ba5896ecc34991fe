"""Error bars that travel with a potential, and what calculators and dynamics make of them."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from click.testing import CliRunner

import linpot
from linpot.cli.main import linpot as command
from linpot.errors import FileFormatError, InputError
from linpot.model.sum import with_learned_part

SETTINGS = linpot.FitSettings(n_functions=40)


@pytest.fixture(scope="module")
def train() -> linpot.Dataset:
    return linpot.read_dataset(linpot.shipped_silicon()[0])


@pytest.fixture(scope="module")
def liquid(train) -> linpot.Structure:
    return next(s for s in train if s.group == "liquid")


@pytest.fixture(scope="module")
def potential(train) -> linpot.EnergyModel:
    return linpot.fit_with_error_bars(train, settings=SETTINGS)


@pytest.fixture
def silicon(potential):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=0)
    atoms.calc = linpot.UncertainCalculator(potential)
    return atoms


def test_coefficients_are_those_of_a_plain_fit(train, potential):
    plain = linpot.learned_part(linpot.run_fit(train, settings=SETTINGS).potential)
    found = linpot.learned_part(potential)
    size = np.abs(plain.coefficients).max()
    # factors of five folds against one of all: rounding times the condition of the problem
    assert np.allclose(found.coefficients, plain.coefficients, rtol=0, atol=1e-5 * size)
    assert found.provenance["solver"]["solver"] == "ridge"


def test_error_bars_survive_the_file_to_the_bit(train, potential, tmp_path):
    linpot.save(potential, tmp_path / "si.linpot")
    before = linpot.ErrorBars.of(potential)
    after = linpot.ErrorBars.of(linpot.load(tmp_path / "si.linpot"))
    liquid = next(s for s in train if s.group == "liquid")
    assert np.array_equal(before.spread(liquid).forces, after.spread(liquid).forces)
    assert np.array_equal(before.grades(liquid), after.grades(liquid))
    for name, own in before.calibrations.items():
        assert after.calibrations[name].factor(0.9) == own.factor(0.9)


def test_potential_without_error_bars_loads_and_refuses_to_invent_them(potential, tmp_path):
    learned = linpot.learned_part(potential)
    plain = with_learned_part(potential, learned.with_coefficients(learned.coefficients))
    linpot.save(plain, tmp_path / "plain.linpot")
    loaded = linpot.load(tmp_path / "plain.linpot")
    with pytest.raises(InputError, match="has no error bars"):
        linpot.ErrorBars.of(loaded)
    with pytest.raises(InputError, match="has no active set"):
        linpot.UncertainCalculator(loaded)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("posterior/root", np.eye(3)),
        ("posterior/root", np.ones((40, 40))),
        ("posterior/noise_variance", np.array(-1.0)),
        ("calibration/forces/scores", np.array([2.0, 1.0])),
        ("calibration/forces/n_clusters", np.array(0)),
        ("calibration/forces/inflation", np.array(0.0)),
        ("active/0/rows", np.ones((40, 40))),
        ("active/0/rows", np.full((40, 40), np.nan)),
        ("active/0/sources", np.zeros((40, 3), dtype=np.int64)),
    ],
)
def test_damaged_error_bars_are_refused(potential, name, value):
    learned = linpot.learned_part(potential).with_attachments({name: value})
    with pytest.raises(FileFormatError, match=r"must|not fit"):
        linpot.ErrorBars.of(learned)


def test_calculator_gives_deviations_and_grades_when_asked(potential, silicon):
    calculator = silicon.calc
    forces = silicon.get_forces()
    assert "extrapolation_grade" not in calculator.results
    grades = calculator.get_property("extrapolation_grade", silicon)
    bars = linpot.ErrorBars.of(potential)
    structure = linpot.Dataset.from_atoms([silicon.copy()])[0]
    assert np.array_equal(grades, bars.grades(structure))
    energy_std, forces_std = bars.half_widths(structure, 0.6827)
    assert np.array_equal(calculator.get_property("forces_std", silicon), forces_std)
    assert calculator.results["energy_std"] == energy_std > bars.spread(structure).energy
    # calibrated: wider than the posterior, which knows of noise only
    assert (forces_std > bars.spread(structure).forces).all()
    assert np.array_equal(calculator.results["forces"], forces)
    silicon.rattle(0.1, seed=1)
    assert np.abs(silicon.get_forces() - forces).max() > 0.1
    assert "extrapolation_grade" not in calculator.results  # not stale
    assert not np.array_equal(calculator.get_property("extrapolation_grade", silicon), grades)


def test_dynamics_stop_where_the_potential_ends(silicon, tmp_path: Path):
    """A crystal squeezed to 0.8 of its length is unlike anything in the data."""
    path, heard = tmp_path / "unknown.extxyz", []
    watch = linpot.ExtrapolationWatch(silicon, path=str(path), warn=heard.append)
    dynamics = VelocityVerlet(silicon, timestep=1.0 * units.fs)
    dynamics.attach(watch, interval=2)
    dynamics.run(4)
    assert len(watch.grades) == 3
    assert max(watch.grades) < 5.0
    assert not heard
    assert not path.exists()
    silicon.set_cell(0.8 * silicon.cell.array, scale_atoms=True)
    with pytest.raises(linpot.ExtrapolationError, match=r"atom \d+ .* is above 25"):
        dynamics.run(4)
    saved = ase.io.read(path)
    assert saved.arrays["extrapolation_grade"].max() == pytest.approx(watch.grades[-1])
    assert len(heard) == 1


def test_watch_warns_by_default(silicon):
    silicon.set_cell(0.8 * silicon.cell.array, scale_atoms=True)
    watch = linpot.ExtrapolationWatch(silicon, stop_at=1e9)
    with pytest.warns(UserWarning, match=r"extrapolation grade .* at atom"):
        watch()


def test_thresholds_in_the_wrong_order_are_refused(silicon):
    with pytest.raises(InputError, match="`stop_at` must be at least `save_at`"):
        linpot.ExtrapolationWatch(silicon, save_at=30.0)


def test_linear_property_has_the_error_bar_of_the_posterior(liquid, potential):
    """An energy is linear in the coefficients, so that its deviation is known."""
    found = linpot.with_error_bar(lambda p: p.predict(liquid).energy, potential, n_members=400)
    bars = linpot.ErrorBars.of(potential)
    expected = bars.inflation * bars.spread(liquid).energy
    assert bars.inflation > 2.0
    assert found.value == potential.predict(liquid).energy
    assert found.std == pytest.approx(expected, rel=5 / np.sqrt(800))
    low, high = found.interval
    assert high - low == pytest.approx(2 * 1.645 * expected, rel=0.2)
    assert 0.5 * (low + high) == pytest.approx(found.value)


def test_property_is_printed_to_two_digits_of_its_deviation():
    shown = {0.00182: "5.4019 +- 0.0018 (5.3988 to 5.4051)", 31.0: "5 +- 31 (5 to 5)"}
    for std, text in shown.items():
        interval = (5.39878, 5.40508)
        assert str(linpot.WithError(5.40193, std, interval, 1.0, np.zeros(2))) == text


def test_few_members_make_wider_intervals(liquid, potential):
    """Student's t: two members say little of a deviation."""
    few, many = (
        linpot.with_error_bar(lambda p: p.predict(liquid).energy, potential, n_members=n)
        for n in (2, 200)
    )
    ratios = [(f.interval[1] - f.interval[0]) / f.std for f in (few, many)]
    assert ratios[0] == pytest.approx(2 * 2.920, rel=1e-3)
    assert ratios[1] == pytest.approx(2 * 1.653, rel=1e-3)


def test_energy_alone_has_the_same_error_bar_as_with_forces(potential, silicon):
    bars = linpot.ErrorBars.of(potential)
    structure = linpot.Dataset.from_atoms([silicon.copy()])[0]
    both = bars.half_widths(structure, 0.9)[0]
    assert bars.energy_half_width(structure, 0.9) == pytest.approx(both, rel=1e-12)
    single = silicon.calc.get_property("energy_std", silicon)
    assert single == bars.energy_half_width(structure, 0.6827)
    assert "forces_std" not in silicon.calc.results


def test_stress_has_a_calibrated_error_bar(potential, silicon):
    bars = linpot.ErrorBars.of(potential)
    structure = linpot.Dataset.from_atoms([silicon.copy()])[0]
    stress = silicon.calc.get_property("stress_std", silicon)
    assert np.array_equal(stress, bars.stress_half_widths(structure, 0.6827))
    assert (stress > bars.spread(structure).stress(structure)).all()


def test_committee_has_the_spread_of_the_posterior(liquid, potential):
    bars = linpot.ErrorBars.of(potential)
    said = bars.committee(potential, n_members=400).predict(liquid)
    spread = bars.spread(liquid)
    one = 5 / np.sqrt(2 * 400)  # five deviations of a standard deviation from 400 draws
    assert np.std(said.energies) == pytest.approx(spread.energy, rel=one)
    assert np.allclose(np.std(said.forces, axis=0), spread.forces, rtol=one)


def test_error_bars_of_pops_are_kept_like_others(train, liquid, tmp_path):
    potential = linpot.fit_with_error_bars(train, settings=SETTINGS, kind="pops")
    assert linpot.learned_part(potential).provenance["error_bars"]["kind"] == "pops"
    linpot.save(potential, tmp_path / "pops.linpot")
    before, after = (
        linpot.ErrorBars.of(potential),
        linpot.ErrorBars.of(linpot.load(tmp_path / "pops.linpot")),
    )
    assert np.array_equal(before.spread(liquid).forces, after.spread(liquid).forces)
    # misfit is in the spread, so that less is missing than from the posterior alone
    plain = linpot.ErrorBars.of(linpot.fit_with_error_bars(train, settings=SETTINGS))
    assert 1.0 < before.inflation < 0.7 * plain.inflation


def test_property_that_is_no_number_is_refused(potential):
    with pytest.raises(InputError, match="the property"):
        linpot.with_error_bar(lambda _: np.nan, potential)


def test_fit_command_keeps_error_bars_when_asked(train, tmp_path):
    path, output = linpot.shipped_silicon()[0], tmp_path / "si.linpot"
    options = ["--n-functions", "40", "-o", str(output), "--uncertainty", str(path)]
    result = CliRunner().invoke(command, ["fit", *options])
    assert result.exit_code == 0, result.output
    bars = linpot.ErrorBars.of(linpot.load(output))
    assert max(bars.grades(s).max() for s in train) <= 1.01 * (1 + 1e-6)
    assert "errors" in bars.learned.provenance


def test_fit_command_refuses_error_bars_of_other_solvers(tmp_path):
    output = tmp_path / "si.linpot"
    options = [str(linpot.shipped_silicon()[0]), "--solver", "omp", "-o", str(output)]
    result = CliRunner().invoke(command, ["fit", *options, "--uncertainty"])
    assert result.exit_code == 2
    assert "`--uncertainty` needs a ridge solver, got 'omp'" in result.output
    assert not output.exists()
