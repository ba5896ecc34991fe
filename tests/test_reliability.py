"""How well error bars hold: what `linpot evaluate` says of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase.build import bulk
from click.testing import CliRunner

import linpot
from linpot.cli.main import linpot as command
from linpot.errors import InputError
from linpot.workflow.reliability import assess_error_bars, mean_rank_correlation, rank_correlations


@pytest.fixture(scope="module")
def potential() -> linpot.EnergyModel:
    settings = linpot.FitSettings(n_functions=40)
    return linpot.fit_with_error_bars(linpot.shipped_silicon()[0], settings=settings)


@pytest.fixture(scope="module")
def test_data() -> linpot.Dataset:
    return linpot.read_dataset(linpot.shipped_silicon()[1])


@pytest.fixture(scope="module")
def saved(potential, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("saved") / "si.linpot"
    linpot.save(potential, path)
    return str(path)


def test_coverage_counts_errors_inside_half_widths(potential, test_data):
    found = assess_error_bars(potential, test_data, levels=[0.9])
    bars = linpot.ErrorBars.of(potential)
    inside, widths = [], []
    for structure in test_data:
        half = bars.half_widths(structure, 0.9)[1]
        error = potential.predict(structure).forces - structure.labels.forces
        inside.append((np.abs(error) <= half).ravel())
        widths.append(half.ravel())
    assert found["forces"]["coverage"]["0.9"] == pytest.approx(np.concatenate(inside).mean())
    assert found["forces"]["half_width"]["0.9"] == pytest.approx(np.concatenate(widths).mean())
    assert found["forces"]["n"] == len(np.concatenate(inside))
    assert set(found) == {"energy", "forces", "stress"}
    assert found["stress"]["n"] == 6 * found["stress"]["structures"]


def test_higher_levels_cover_more(potential, test_data):
    for own in assess_error_bars(potential, test_data).values():
        covered = own["diagram"]["coverage"]
        assert (np.diff(covered) >= 0.0).all()
        assert covered[0] < 0.6 < covered[-1]


def test_level_that_needs_more_structures_is_left_out(potential, test_data):
    found = assess_error_bars(potential, test_data, levels=[0.9, 0.999])
    assert list(found["forces"]["coverage"]) == ["0.9"]


def test_ranks_are_those_inside_groups():
    """Deviations that rank groups but not their members know nothing of atoms."""
    rng = np.random.default_rng(0)
    sizes = np.repeat([1.0, 10.0, 100.0], 3 * 400)
    groups = ["a"] * 400 + ["b"] * 400 + ["c"] * 400
    errors = sizes * np.abs(rng.normal(size=len(sizes)))
    blind = rank_correlations(sizes * (1 + 0.01 * rng.random(len(sizes))), errors, groups, 3)
    assert np.abs(list(blind.values())).max() < 5 / np.sqrt(400)
    known = rank_correlations(errors, errors, groups, 3)
    assert list(known.values()) == pytest.approx([1.0, 1.0, 1.0])


def test_ranks_of_few_structures_are_not_told():
    """Three structures are in perfect or in reverse order once in three times, by chance."""
    rng = np.random.default_rng(0)
    scales, errors = np.abs(rng.normal(size=(2, 6 * 40)))
    assert mean_rank_correlation(scales[:18], errors[:18], ["a"] * 3, 6) is None
    assert mean_rank_correlation(scales, scales, ["a"] * 40, 6) == pytest.approx(1.0)
    # groups of five add up: sqrt(8/4)/8 = 0.18
    many = [name for name in "abcdefgh" for _ in range(5)]
    assert mean_rank_correlation(scales, errors, many, 6) is not None


def test_equal_deviations_have_no_order():
    errors = np.arange(1.0, 41.0)
    assert rank_correlations(np.ones(40), errors, ["a"] * 40, 1) == {}
    assert mean_rank_correlation(np.ones(40), errors, ["a"] * 40, 1) is None


def test_potential_without_error_bars_is_refused(potential, test_data):
    plain = linpot.learned_part(potential)
    plain = plain.with_coefficients(plain.coefficients)
    with pytest.raises(InputError, match="has no error bars"):
        assess_error_bars(plain, test_data)


def test_structures_without_labels_are_refused(potential, test_data):
    bare = linpot.Dataset.from_atoms([bulk("Si")])
    with pytest.raises(InputError, match="no structure has a label"):
        assess_error_bars(potential, bare)


def test_evaluate_shows_writes_and_draws_reliability(saved, tmp_path):
    pytest.importorskip("matplotlib")
    numbers, figure = tmp_path / "errors.json", tmp_path / "reliability.png"
    data = str(linpot.shipped_silicon()[1])
    arguments = ["evaluate", saved, data, "--json", str(numbers), "--figure", str(figure)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert "Error bars" in result.output
    assert "rank correlation" in result.output
    found = json.loads(numbers.read_text())["reliability"]
    assert set(found["energy"]["coverage"]) == {"0.5", "0.68", "0.9", "0.95"}
    assert figure.read_bytes()[:4] == b"\x89PNG"


def test_evaluate_leaves_reliability_out_when_told(saved, tmp_path):
    numbers = tmp_path / "errors.json"
    data = str(linpot.shipped_silicon()[1])
    arguments = ["evaluate", saved, data, "--json", str(numbers), "--no-reliability"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    assert "reliability" not in json.loads(numbers.read_text())


def test_figure_without_error_bars_is_refused_before_the_work(saved, tmp_path):
    data = str(linpot.shipped_silicon()[1])
    options = ["--figure", str(tmp_path / "none.png"), "--no-reliability"]
    result = CliRunner().invoke(command, ["evaluate", saved, data, *options])
    assert result.exit_code == 2
    assert "shows how error bars hold" in " ".join(result.output.split())
