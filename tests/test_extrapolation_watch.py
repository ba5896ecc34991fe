"""Grades in calculators, dynamics and commands, for potentials with an active set alone."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet
from click.testing import CliRunner

import linpot
from linpot.cli.main import linpot as command
from linpot.errors import InputError
from linpot.io.frames import append_frame
from linpot.structures.structure import structure_from_atoms
from linpot.uncertainty.extrapolation import ActiveSet
from linpot.uncertainty.maxvol import RowCoordinates


@pytest.fixture(scope="module")
def potential() -> linpot.EnergyModel:
    train = linpot.read_dataset(linpot.shipped_silicon()[0])
    return linpot.with_active_set(linpot.fit(train, n_functions=40, solver="svd"), train)


@pytest.fixture
def silicon(potential) -> Atoms:
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=0)
    atoms.calc = linpot.UncertainCalculator(potential)
    return atoms


def squeeze(atoms: Atoms, length: float) -> None:
    atoms.set_cell(length * atoms.cell.array, scale_atoms=True)


def test_active_set_alone_gives_grades_and_no_deviations(potential, silicon):
    active = ActiveSet.of(linpot.learned_part(potential))
    engine = linpot.learned_part(potential).engine
    grades = silicon.calc.get_property("extrapolation_grade", silicon)
    assert np.array_equal(grades, active.grades(engine, structure_from_atoms(silicon)))
    assert grades.min() > 0.0
    with pytest.raises(InputError, match="has no error bars"):
        silicon.calc.get_property("forces_std", silicon)


def test_grades_follow_the_atoms_inside_the_skin(potential, silicon):
    """The neighbor list of the step before serves as well as a new one."""
    silicon.get_forces()
    silicon.rattle(0.02, seed=1)
    silicon.get_forces()
    grades = silicon.calc.get_property("extrapolation_grade", silicon)
    fresh = linpot.UncertainCalculator(potential, skin=0.0)
    assert np.array_equal(grades, fresh.get_property("extrapolation_grade", silicon))


def test_grades_do_not_depend_on_threads(potential):
    learned = linpot.learned_part(potential)
    atoms = bulk("Si", cubic=True) * (4, 4, 4)  # more atoms than a block of rows
    atoms.rattle(0.1, seed=0)
    structure = structure_from_atoms(atoms)
    active = ActiveSet.of(learned)
    one, three = (active.grades(learned.engine, structure, threads=t) for t in (1, 3))
    assert np.array_equal(one, three)
    assert len(np.unique(one)) > 500


def test_largest_coordinates_equal_solved_ones():
    rng = np.random.default_rng(0)
    A, rows = rng.normal(size=(30, 30)), rng.normal(size=(700, 30))
    expected = np.abs(np.linalg.solve(A.T, rows.T)).max(axis=0)
    # rounding times the condition of A, some hundreds
    assert np.allclose(RowCoordinates(A).largest(rows, threads=2), expected, rtol=1e-12)


def test_watch_saves_whole_frames_and_goes_on_below_the_second_threshold(silicon, tmp_path):
    path, heard = tmp_path / "unknown.extxyz", []
    watch = linpot.ExtrapolationWatch(
        silicon, save_at=0.01, stop_at=None, path=path, warn=heard.append
    )
    dynamics = VelocityVerlet(silicon, timestep=1.0 * units.fs)
    dynamics.attach(watch, interval=2)
    dynamics.run(6)
    squeeze(silicon, 0.75)
    watch()  # a huge grade, and no stop
    saved = ase.io.read(path, ":")
    assert len(saved) == len(heard) == len(watch.grades) == 5
    for atoms, grade in zip(saved, watch.grades, strict=True):
        assert atoms.arrays["extrapolation_grade"].max() == pytest.approx(grade, rel=1e-7)
    assert watch.grades[-1] > 25.0
    assert np.allclose(saved[-1].positions, silicon.positions, atol=1e-7)


def test_watch_stops_above_the_second_threshold(silicon, tmp_path):
    path = tmp_path / "unknown.extxyz"
    watch = linpot.ExtrapolationWatch(silicon, path=path, warn=lambda text: None)
    squeeze(silicon, 0.75)
    with pytest.raises(linpot.ExtrapolationError, match=r"is above 25; add such structures"):
        watch()
    assert len(ase.io.read(path, ":")) == 1  # the last one is kept


def test_full_disk_leaves_whole_frames_only(silicon, tmp_path, monkeypatch):
    path = tmp_path / "frames.extxyz"
    append_frame(path, silicon)
    before, write = path.read_bytes(), os.write

    def half(file, data):
        return write(file, data[: len(data) // 2])

    monkeypatch.setattr("os.write", half)
    with pytest.raises(InputError, match="no room for a whole structure"):
        append_frame(path, silicon)
    assert path.read_bytes() == before

    def full(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(InputError, match="No space left"):
        append_frame(path, silicon)
    assert path.read_bytes() == before
    monkeypatch.undo()
    append_frame(path, silicon)
    assert len(ase.io.read(path, ":")) == 2


def test_commands_keep_and_show_grades(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train = str(linpot.shipped_silicon()[0])
    options = ["--n-functions", "40", "--solver", "svd", "-o", "si.linpot", "-q"]
    result = CliRunner().invoke(command, ["fit", train, *options, "--active-set"])
    assert result.exit_code == 0, result.output
    pool = [bulk("Si", cubic=True) for _ in range(2)]
    squeeze(pool[1], 0.8)
    ase.io.write("pool.xyz", pool, format="extxyz")
    result = CliRunner().invoke(
        command, ["predict", "si.linpot", "pool.xyz", "-o", "out.extxyz", "--grades"]
    )
    assert result.exit_code == 0, result.output
    assert "Extrapolation grades of 2 structures: 1 above 1.02, 1 above 5" in result.output
    grades = [atoms.arrays["extrapolation_grade"] for atoms in ase.io.read("out.extxyz", ":")]
    learned = linpot.learned_part(linpot.load("si.linpot"))
    for atoms, own in zip(pool, grades, strict=True):
        expected = ActiveSet.of(learned).grades(learned.engine, structure_from_atoms(atoms))
        assert np.allclose(own, expected, rtol=1e-6)


def test_grades_without_an_active_set_are_refused(potential, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    learned = linpot.learned_part(potential)
    linpot.save(learned.with_coefficients(learned.coefficients), "plain.linpot")
    ase.io.write("pool.xyz", bulk("Si"), format="extxyz")
    result = CliRunner().invoke(
        command, ["predict", "plain.linpot", "pool.xyz", "-o", "out.extxyz", "--grades"]
    )
    assert result.exit_code == 2
    assert "linpot fit --active-set" in result.output
    assert not Path("out.extxyz").exists()
