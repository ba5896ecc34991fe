"""Properties of crystals of springs in closed form; molecules; references, error bars, command."""

from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from click.testing import CliRunner
from spring_crystals import DEPTH, STIFFNESS, Springs

import linpot
from linpot.cli.main import linpot as command
from linpot.constants import GPA_PER_EV_A3
from linpot.io.reference_values import read_references, shipped_references
from linpot.validation.crystals import cubic_cell, ground_state, kind_of
from linpot.validation.defect_properties import voids
from linpot.validation.molecule_properties import rotatable_bonds, torsions
from linpot.validation.plane_properties import cheapest_slab
from linpot.validation.quantities import Case

A = 3.6
REST = A / np.sqrt(2.0)


def springs() -> Springs:
    return Springs(REST)


def copper() -> Atoms:
    return bulk("Cu", "fcc", a=1.01 * A)


@pytest.fixture(scope="module")
def fcc() -> linpot.Validation:
    """Face-centered cubic, springs between nearest neighbors only."""
    names = ["lattice", "eos", "elastic", "vacancy", "surfaces", "fault"]
    return linpot.validate(springs, copper(), properties=names, length=6.0, references={"C11": 1.0})


def test_lattice_constant_is_that_of_unstretched_springs(fcc):
    assert fcc["a"] == pytest.approx(A, abs=1e-5)  # forces are relaxed to 1e-4 eV/A
    assert fcc["volume"] == pytest.approx(A**3 / 4.0, rel=1e-5)


def test_elastic_constants_of_springs(fcc):
    """Central forces of nearest neighbors: C11 = 2 k/a, C12 = C44 = k/a (Born and Huang)."""
    unit = STIFFNESS / A * GPA_PER_EV_A3
    # finite strains of 0.4 % see the anharmonic lengths of harmonic springs, in second order
    assert fcc["C11"] == pytest.approx(2.0 * unit, rel=1e-3)
    assert fcc["C12"] == pytest.approx(unit, rel=1e-3)
    assert fcc["C44"] == pytest.approx(unit, rel=1e-3)
    assert fcc["softest strain"] == pytest.approx(unit, rel=1e-3)


def test_bulk_modulus_is_that_of_elastic_constants(fcc):
    # through volumes of -6 to 6 %: the fit is exact for none but small ones
    assert fcc["bulk modulus"] == pytest.approx((fcc["C11"] + 2 * fcc["C12"]) / 3.0, rel=0.01)


def test_a_vacancy_costs_six_bonds(fcc):
    assert fcc["vacancy formation"] == pytest.approx(6.0 * DEPTH, abs=1e-4)
    assert fcc["vacancy formation, unrelaxed"] == pytest.approx(6.0 * DEPTH, abs=1e-4)


@pytest.mark.parametrize(
    ("face", "bonds", "area"),
    [
        ("100", 4, A**2 / 2.0),
        ("110", 6, A**2 / np.sqrt(2.0)),
        ("111", 3, A**2 * np.sqrt(3.0) / 4.0),
    ],
)
def test_surfaces_cost_half_of_the_bonds_that_are_cut(fcc, face, bonds, area):
    """An atom of (110) loses five bonds and the one below it another one."""
    energy = 0.5 * bonds * DEPTH / area * 16.02176634
    assert fcc[f"surface ({face})"] == pytest.approx(energy, rel=1e-4)


def test_slabs_of_diamond_are_cut_where_bonds_are_fewest():
    """On (111) one bond per atom between double layers, not three within one."""
    rest = np.sqrt(3.0) / 4.0 * 5.4
    case = Case(bulk("Si", a=5.4), Springs(rest))
    slab = cheapest_slab(case, bulk("Si", a=5.4, cubic=True), (1, 1, 1))
    lost = 2.0 * DEPTH * len(slab) + case.energy(slab)
    area = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
    per_atom = 5.4**2 * np.sqrt(3.0) / 4.0
    assert lost == pytest.approx(DEPTH * area / per_atom)


def test_a_stacking_fault_of_nearest_neighbors_is_free(fcc):
    assert fcc["stacking fault, intrinsic"] == pytest.approx(0.0, abs=0.1)
    assert fcc["stacking fault, unstable"] > 100.0


def test_phonons_of_springs():
    """At X of a face-centered crystal: omega^2 = 8 k/m along, 4 k/m across."""
    pytest.importorskip("phonopy")
    found = linpot.validate(springs, copper(), properties=["phonons"], length=4.0)
    mass = copper().get_masses()[0]
    unit = np.sqrt(STIFFNESS * units._e * 1e20 / (mass * units._amu)) / (2e12 * np.pi)
    # displacements of 0.01 A: third derivatives of lengths are seen at 1e-5
    assert found["phonon X highest"] == pytest.approx(np.sqrt(8.0) * unit, rel=1e-3)
    assert found["phonon X lowest"] == pytest.approx(2.0 * unit, rel=1e-3)
    assert found["lowest phonon"] > 0.0
    bands = found.curves[0]
    assert max(map(max, bands.lines)) == pytest.approx(found["phonon X highest"], rel=1e-3)


def test_a_planted_imaginary_mode_is_found():
    pytest.importorskip("phonopy")

    # C11 - C12 = (k + 4 across)/a is negative: a shear wave along [110] grows. In two cells along
    # each vector all six second neighbors are images of one atom, so that it takes four.
    def pushing() -> Springs:
        return Springs(REST, across=-0.4 * STIFFNESS)

    found = linpot.validate(pushing, bulk("Cu", "fcc", a=A), properties=["phonons"], length=8.0)
    assert found["lowest phonon"] < -1.0


def test_crystals_are_told_apart():
    assert kind_of(bulk("Cu")) == "fcc"
    assert kind_of(bulk("Fe")) == "bcc"
    assert kind_of(bulk("Si", cubic=True)) == "diamond"
    assert kind_of(bulk("NaCl", "rocksalt", a=5.6)) is None
    assert kind_of(bulk("Zn")) is None
    assert len(cubic_cell(bulk("Si"))) == 8


def test_voids_of_a_face_centered_crystal():
    """Octahedral at a/2 and tetrahedral at sqrt(3)/4 a from the next atoms."""
    atoms = bulk("Cu", a=A, cubic=True) * 3
    found = dict(voids(atoms))
    assert set(found) == {"octahedral", "tetrahedral"}
    for name, radius in (("octahedral", A / 2.0), ("tetrahedral", np.sqrt(3.0) / 4.0 * A)):
        vectors = atoms.positions - found[name]
        fractions = vectors @ np.linalg.inv(atoms.cell.array)
        near = (fractions - np.round(fractions)) @ atoms.cell.array
        assert np.linalg.norm(near, axis=1).min() == pytest.approx(radius)


def test_migration_of_effective_medium_copper_is_physical():
    found = linpot.validate(EMT, bulk("Cu"), properties=["migration"], length=7.0, quick=True)
    assert 0.3 < found["vacancy migration"] < 1.2


def test_modes_of_a_diatomic_molecule():
    """One mode of wave number sqrt(k/mu)/(2 pi c); five free motions."""
    atoms = Atoms("N2", positions=[[0, 0, 0], [0, 0, 1.1]])
    found = linpot.validate(lambda: Springs(1.1), atoms, properties=["modes"])
    reduced = atoms.get_masses()[0] / 2.0 * units._amu
    expected = np.sqrt(STIFFNESS * units._e * 1e20 / reduced) / (2.0 * np.pi * units._c * 100.0)
    assert found["mode 1"] == pytest.approx(expected, rel=1e-4)
    assert found["largest mode of free motion"] < 0.05 * expected
    assert len(found.findings) == 2


def test_torsions_turn_the_bonds_that_can():
    [curve] = torsions(Case(molecule("H2O2"), EMT())).curves
    assert curve.title == "torsion O0-O1"
    assert curve.lines[0][0] == pytest.approx(0.0, abs=1e-9)
    assert curve.lines[0][-1] == pytest.approx(0.0, abs=1e-6)


def test_rings_and_ends_do_not_turn():
    assert [bond for bond, _ in rotatable_bonds(molecule("C2H6"))] == [(0, 1)]
    assert rotatable_bonds(molecule("C6H6")) == []
    assert rotatable_bonds(molecule("H2O")) == []


def test_what_a_structure_has_not_is_left_out():
    atoms = bulk("Pd", "bcc", a=3.1)
    found = linpot.validate(EMT, atoms, properties=["fault", "lattice", "liquid"])
    assert found.left_out["fault"] == "only face-centered cubic elements"
    assert "melting temperature is unknown" in found.left_out["liquid"]


def test_references_are_found_and_compared(fcc):
    [c11] = [f for f in fcc.findings if f.name == "C11"]
    assert c11.reference.value == 1.0
    assert c11.is_inside is None  # no error bars
    assert fcc.coverage is None


def test_shipped_references_have_sources():
    for symbol in ("Si", "Ge", "Al", "Ni", "Cu", "Ag", "Au", "Mo", "Ta", "W"):
        own, melting = shipped_references(symbol)
        assert melting > 900.0
        assert all(reference.source != "the shipped elements" for reference in own.values())
        assert own["C11"].value > own["C12"].value > 0.0
    assert shipped_references("Xe") == ({}, None)


def test_references_from_files(tmp_path):
    toml = tmp_path / "own.toml"
    toml.write_text('a = 3.6\nC11 = { value = 170.0, source = "somebody" }\n')
    own = read_references(toml)
    assert (own["a"].value, own["C11"].source) == (3.6, "somebody")
    toml.write_text("a = 'long'\n")
    with pytest.raises(linpot.FileFormatError, match="a must be a number or like"):
        read_references(toml)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"structure": None}, "`elements` must name"),
        ({"structure": bulk("Cu"), "properties": ["beauty"]}, "`properties` must be one of"),
        ({"structure": bulk("Cu"), "properties": ["modes"]}, "`properties` must name some of"),
        ({"structure": bulk("Cu"), "length": -1.0}, "`length` must be a positive"),
        (
            {"structure": Atoms("Cu", cell=[3, 3, 0], pbc=(1, 1, 0))},
            "periodic in all directions or",
        ),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(linpot.InputError, match=message):
        linpot.validate(EMT, **arguments)


def test_ground_states_do_not_touch_what_they_are_given():
    atoms = copper()
    before = atoms.cell.array.copy()
    relaxed = ground_state(atoms, springs())
    assert np.array_equal(atoms.cell.array, before)
    assert Case(relaxed, springs()).energy_per_atom() == pytest.approx(-6.0 * DEPTH, abs=1e-6)


def test_command_writes_table_json_and_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("cu.xyz", bulk("Cu"), format="extxyz")
    arguments = ["ase.calculators.emt:EMT", "--structure", "cu.xyz", "--properties", "lattice,eos"]
    outputs = ["--json", "found.json", "--figures", "figures"]
    run = CliRunner().invoke(command, ["validate", *arguments, *outputs])
    assert run.exit_code == 0, run.output
    assert "bulk modulus" in run.output
    content = json.loads((tmp_path / "found.json").read_text())
    assert content["quantities"]["a"]["reference"] == 3.615
    assert (tmp_path / "figures" / "validation.png").stat().st_size > 10000
