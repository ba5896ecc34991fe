"""Extrapolation grades: at most 1 inside the training data, growing outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import linpot
from linpot.errors import InputError
from linpot.model.feature_engine import FeatureEngine
from linpot.uncertainty.extrapolation import ActiveSet, find_active_set
from linpot.uncertainty.maxvol import ActiveRows, RowCoordinates

TOLERANCE = 1.01


@pytest.fixture(scope="module")
def data() -> linpot.Dataset:
    return linpot.read_dataset(linpot.shipped_silicon()[0])


@pytest.fixture(scope="module")
def engine(data) -> FeatureEngine:
    settings = linpot.FitSettings(n_functions=60)
    return linpot.prepare_fit(data[:5], settings=settings).builder.engine


@pytest.fixture(scope="module")
def active(engine, data) -> ActiveSet:
    return find_active_set(engine, list(data), tolerance=TOLERANCE)


def test_no_training_atom_exceeds_the_tolerance(engine, data, active):
    grades = [active.grades(engine, s) for s in data]
    assert max(g.max() for g in grades) <= TOLERANCE * (1 + 1e-6)
    assert active.sources[0].min() >= 0  # data of every direction


def test_atoms_of_the_active_set_have_grade_one(engine, data, active):
    for structure, atom in active.sources[0]:
        # rounding times the condition of the rows, 1e6 by the size of unseen rows
        assert active.grades(engine, data[int(structure)])[atom] == pytest.approx(1.0, abs=1e-6)


def test_volume_is_close_to_the_largest_of_all_choices():
    """Against all choices of 3 of 9 rows; MaxVol is within tolerance^n n^(n/2) of the largest."""
    from itertools import combinations

    rows = np.random.default_rng(0).normal(size=(9, 3))
    found = ActiveRows(np.ones(3), tolerance=1.0001)
    sources = np.column_stack([np.zeros(9, int), np.arange(9)])
    assert found.offer(rows, sources) >= 3
    assert found.offer(rows, sources) == 0
    largest = max(abs(np.linalg.det(rows[list(c)])) for c in combinations(range(9), 3))
    assert abs(np.linalg.det(found.rows)) > largest / 3**1.5
    assert np.array_equal(found.rows, rows[found.sources[:, 1]])
    assert np.allclose(RowCoordinates(found.rows)(rows) @ found.rows, rows)


def test_direction_without_data_stays_marked():
    rows = np.random.default_rng(0).normal(size=(50, 4)) * [1.0, 1.0, 1.0, 0.0]
    found = ActiveRows(np.array([1.0, 1.0, 1.0, 0.0]))
    found.offer(rows, np.zeros((50, 2), dtype=np.int64))
    assert (found.sources[:, 0] < 0).sum() == 1
    assert np.abs(RowCoordinates(found.rows)(np.eye(4)[3:])).max() > 1e5


def test_grade_grows_outside(engine, data, active):
    crystal = next(s for s in data if s.group == "eos")
    grades = [
        active.grades(
            engine, replace(crystal, positions=a * crystal.positions, cell=a * crystal.cell)
        ).max()
        for a in (1.0, 0.9, 0.85, 0.8)
    ]
    assert grades[0] <= TOLERANCE * (1 + 1e-6)
    assert grades[0] < grades[1] < grades[2] < grades[3]
    assert grades[3] > 25.0


def test_grade_is_invariant_under_rotation_and_permutation(engine, data, active):
    structure = next(s for s in data if s.group == "liquid")
    expected = active.grades(engine, structure)
    q, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turned = replace(structure, positions=structure.positions @ q, cell=structure.cell @ q)
    assert np.allclose(active.grades(engine, turned), expected, rtol=1e-6)
    order = np.random.default_rng(2).permutation(structure.n_atoms)
    swapped = linpot.Structure(
        structure.numbers[order], structure.positions[order], structure.cell, structure.pbc
    )
    assert np.allclose(active.grades(engine, swapped), expected[order], rtol=1e-6)


def test_grade_does_not_depend_on_the_size_of_columns():
    rng = np.random.default_rng(0)
    A, rows, sizes = rng.normal(size=(6, 6)), rng.normal(size=(9, 6)), np.geomspace(1e-9, 1e9, 6)
    assert np.allclose(RowCoordinates(A * sizes)(rows * sizes), RowCoordinates(A)(rows), rtol=1e-9)


def test_tolerance_of_one_is_refused(engine, data):
    with pytest.raises(InputError, match=r"`tolerance` must be above 1, got 1\.0"):
        find_active_set(engine, list(data), tolerance=1.0)
