"""MLIP .cfg files: labels with their signs, types, and what is refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import linpot
from linpot.errors import FileFormatError, InputError
from linpot.io.datasets import read_structures
from linpot.io.structure_writing import write_structures
from tests.test_cli import assert_refused, run

TEXT = """\
BEGIN_CFG
 Size
    2
 Supercell
    4.0 0.0 0.0
    0.5 5.0 0.0
    0.0 0.25 6.0
 AtomData:  id type       cartes_x      cartes_y      cartes_z           fx          fy          fz
     1    1    0.0   0.5  0.25   0.1  -0.2  0.3
     2    0    1.5   2.0  2.5   -0.1   0.2 -0.3
 Energy
    -12.25
 PlusStress:  xx          yy          zz          yz          xz          xy
    1.0  2.0  3.0  4.0  5.0  6.0
 Feature   EFS_by       VASP
END_CFG

BEGIN_CFG
 Size
    1
 AtomData:  id type  cartes_x  cartes_y  cartes_z
     1    0    0.0   0.0  0.0
END_CFG
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.cfg"
    path.write_text(TEXT)
    return path


def test_labels_have_the_signs_of_linpot(file):
    data = linpot.read_dataset(file, elements=["Ge", "C"])
    first, second = data
    assert first.numbers.tolist() == [6, 32]
    assert first.labels.energy == -12.25
    np.testing.assert_array_equal(first.labels.forces, [[0.1, -0.2, 0.3], [-0.1, 0.2, -0.3]])
    # virial = -volume stress
    np.testing.assert_allclose(first.labels.stress * first.volume, -np.arange(1.0, 7.0), rtol=1e-14)
    np.testing.assert_array_equal(first.cell, [[4, 0, 0], [0.5, 5, 0], [0, 0.25, 6]])
    assert first.pbc == (True, True, True)
    assert second.labels.present == ()
    assert second.pbc == (False, False, False)


def test_stress_components_are_taken_by_name(file):
    file.write_text(TEXT.replace("xx          yy          zz", "yy          xx          zz"))
    first, _ = linpot.read_dataset(file, elements=["Ge", "C"])
    np.testing.assert_allclose(first.labels.stress[:3] * first.volume, [-2.0, -1.0, -3.0])


def test_stress_of_a_model_comes_back_as_its_strain_derivative(tmp_path):
    """What is written as PlusStress is minus the derivative of the energy by strain."""
    atoms = bulk("Cu", cubic=True, a=3.4)
    atoms.rattle(0.1, seed=1)
    atoms.calc = EMT()
    stress = atoms.get_stress()
    step = 1e-5
    strained = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.set_cell(atoms.cell.array * [1 + sign * step, 1, 1], scale_atoms=True)
        moved.calc = EMT()
        strained.append(moved.get_potential_energy())
    derivative = (strained[0] - strained[1]) / (2 * step)
    atoms.calc = SinglePointCalculator(atoms, stress=stress)
    write_structures(tmp_path / "a.cfg", [atoms])
    lines = (tmp_path / "a.cfg").read_text().splitlines()
    place = next(k for k, line in enumerate(lines) if "PlusStress" in line)
    # error of the difference: step^2 times a third derivative of some 1e3 eV
    assert float(lines[place + 1].split()[0]) == pytest.approx(-derivative, abs=1e-5)
    assert abs(derivative) > 1.0


@pytest.mark.parametrize("name", ["a.cfg", "a.cfg.gz"])
def test_written_structures_are_read_back(tmp_path, name):
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.1, seed=0)
    crystal.symbols[0] = "Al"
    molecule = Atoms("CuAl", [[0, 0, 0], [0.1, 0.2, 2.3]])
    for atoms in (crystal, molecule):
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        if atoms.pbc.all():
            results["stress"] = atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, **results)
    write_structures(tmp_path / name, [crystal, molecule])
    for old, new in zip([crystal, molecule], read_structures(tmp_path / name), strict=True):
        assert (old.numbers == new.numbers).all()
        assert (old.pbc == new.pbc).all()
        # sixteen digits are written
        np.testing.assert_allclose(new.positions, old.positions, rtol=1e-15)
        np.testing.assert_allclose(new.cell, old.cell, rtol=1e-15)
        for key, value in old.calc.results.items():
            np.testing.assert_allclose(new.calc.results[key], value, rtol=1e-14, atol=1e-15)


def test_scaled_positions_and_compressed_files_are_read(tmp_path, file):
    path = tmp_path / "data.cfg.gz"
    text = TEXT.replace("cartes_x      cartes_y      cartes_z  ", "direct_x direct_y direct_z  ")
    path.write_bytes(gzip.compress(text.encode()))
    (atoms,) = read_structures(path, index="0", elements=["Ge", "C"])
    expected = np.array([0.0, 0.5, 0.25]) @ atoms.cell.array
    np.testing.assert_allclose(atoms.positions[0], expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("index", "sizes"), [("1:", [1]), (":1", [2]), ("-1", [1]), ("::-1", [1, 2])]
)
def test_frames_are_selected(file, index, sizes):
    assert [len(a) for a in read_structures(file, index=index, elements=["Ge", "C"])] == sizes


def test_types_without_elements_are_refused(file):
    with pytest.raises(InputError, match="has atom types, not elements; name those"):
        linpot.read_dataset(file)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("END_CFG\n\nBEGIN", "\nBEGIN", "line 17: expected END_CFG before the next BEGIN_CFG"),
        ("0.0  0.0\nEND_CFG\n", "0.0  0.0\n", "structure that begins at line 18 must have an END"),
        ("0.5  0.25   0.1", "0.5  0.25   x", "line 9: expected numbers, got '1 1 0.0 0.5"),
        ("0.5  0.25   0.1", "0.5  0.25", "line 9: expected 8 columns"),
        ("     1    1 ", "     1    2 ", "line 1 must have types from 0 to 1"),
        (" PlusStress:", " Stress:", "line 13: expected Size, Supercell, .* got 'Stress: xx"),
        ("4.0  5.0  6.0", "4.0  5.0", "line 14: expected 6 numbers"),
        ("    -12.25\n", "", "line 12: expected a number, got 'PlusStress:"),
        ("cartes_x      cartes_y", "cartes_x      other", "must have AtomData with cartes_x"),
        (" Size\n    2", "", "line 7: expected Size before AtomData"),
        ("    0.0 0.25 6.0\n", "", "has a PlusStress, but not three lattice vectors"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_with_the_line(file, old, new, message):
    assert old in TEXT
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(FileFormatError, match=message):
        read_structures(file, elements=["Ge", "C"])


def test_atoms_that_the_format_cannot_hold_are_refused(tmp_path):
    with pytest.raises(InputError, match="periodic in all directions or none"):
        write_structures(tmp_path / "a.cfg", [Atoms("Cu", cell=[3, 3, 3], pbc=(1, 1, 0))])


def test_commands_take_elements_of_types(file):
    result = run("info", file, "--elements", "Ge,C")
    assert result.exit_code == 0, result.output
    assert "Ge" in result.output
    assert_refused(run("info", file), "--elements on the command line")
