"""Charges on the command line: fit, evaluate, predict and info."""

from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from click.testing import CliRunner
from test_charge_training import molecules, short
from test_local_charges import model

from linpot.cli.main import linpot as command


def run(*args: object):
    return CliRunner().invoke(command, [str(a) for a in args])


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """Molecules with reference charges, dipoles, total charges."""
    images = []
    for structure in molecules(12, 0):
        found = (short() + model()).predict(structure)
        atoms = ase.Atoms(structure.numbers, structure.positions)
        atoms.arrays["mbis"] = found.extras["charges"]
        atoms.info["mu"] = found.extras["dipole"]
        atoms.info["total_charge"] = structure.total_charge
        atoms.calc = SinglePointCalculator(atoms, energy=found.energy, forces=found.forces)
        images.append(atoms)
    ase.io.write(tmp_path / "data.extxyz", images)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_charges_are_fitted_evaluated_predicted_and_told(workplace):
    keys = ("--charges-key", "mbis", "--dipole-key", "mu")
    (workplace / "fit.toml").write_text(
        "train = 'data.extxyz'\nn_functions = 10\nbody_order = 3\ncutoff = 3.5\n"
        "baseline = 'none'\n[charges.local]\nn_functions = 8\nbody_order = 3\n"
    )
    result = run("fit", "--config", "fit.toml", *keys, "-o", "a.linpot", "--threads", 1)
    assert result.exit_code == 0, result.output
    assert "Charge errors (me)" in result.output
    result = run("evaluate", "a.linpot", "data.extxyz", *keys, "--json", "m.json")
    assert result.exit_code == 0, result.output
    errors = json.loads((workplace / "m.json").read_text())["all"]
    assert set(errors) == {"energy", "forces", "charges", "dipole"}
    assert errors["charges"]["n"] == 72
    assert errors["dipole"]["n"] == 36
    result = run("predict", "a.linpot", "data.extxyz", "-o", "p.extxyz")
    assert result.exit_code == 0, result.output
    atoms = ase.io.read(workplace / "p.extxyz", "-1")
    charges = atoms.calc.results["charges"]
    assert charges.sum() == pytest.approx(atoms.info["total_charge"], abs=1e-7)
    np.testing.assert_allclose(atoms.get_dipole_moment(), charges @ atoms.positions, atol=1e-6)
    result = run("info", "a.linpot")
    assert "Charges of the environment" in result.output


def test_unknown_rungs_are_refused_in_one_line(workplace):
    result = run("fit", "data.extxyz", "--charges", "qeqq", "-o", "a.linpot")
    assert result.exit_code == 2
    assert "`charges` must be one of" in result.output
