"""Files of MLIP: potentials against the published formulas, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from ase.data import atomic_numbers

import linpot
from linpot.errors import FileFormatError, InputError
from linpot.mlip.parser import parse_mtp
from linpot.mlip.restore import document_program
from tests.laws.cases import structure_for
from tests.mtp_files import TWO_SPECIES, make_text, naive_energies
from tests.test_cli import assert_refused, run

ELEMENTS = ["Si", "C"]  # types 0 and 1: not by atomic number
TEXT = TWO_SPECIES.read_text()
TABLE_ERROR = 1e-8  # relative; of cubic tables with nodes 0.002 A apart, slopes included


@pytest.fixture(scope="module")
def potential():
    return linpot.read_mtp(TWO_SPECIES, ELEMENTS)


def types_of(structure) -> list[int]:
    kinds = [atomic_numbers[s] for s in ELEMENTS]
    return [kinds.index(z) for z in structure.numbers]


def test_the_file_is_what_its_script_makes():
    assert make_text() == TEXT


@pytest.mark.parametrize("name", ["triclinic", "molecule", "slab", "small", "atom"])
def test_energies_of_a_file_are_those_of_the_published_formulas(potential, name):
    structure = structure_for(name, potential)
    energies = naive_energies(parse_mtp(TEXT), types_of(structure), structure, np.zeros(3)).real
    found = potential.predict(structure).atomic_energies
    np.testing.assert_allclose(found, energies, rtol=TABLE_ERROR)


def test_forces_of_a_file_are_those_of_the_published_formulas(potential):
    structure = structure_for("molecule", potential)
    forces = np.zeros((structure.n_atoms, 3))
    for i, axis in np.ndindex(*forces.shape):
        displacements = np.zeros(forces.shape, dtype=np.complex128)
        displacements[i, axis] = 1e-30j  # so small that nothing is left of higher orders
        energies = naive_energies(parse_mtp(TEXT), types_of(structure), structure, displacements)
        forces[i, axis] = -energies.sum().imag / 1e-30
    assert np.abs(forces).max() > 1.0
    found = potential.predict(structure).forces
    # slopes of cubic tables err by step^3, values by step^4
    np.testing.assert_allclose(found, forces, atol=1e2 * TABLE_ERROR * np.abs(forces).max())


def test_potential_of_a_file_survives_saving(potential, tmp_path):
    linpot.save(potential, tmp_path / "m.linpot")
    again = linpot.load(tmp_path / "m.linpot")
    structure = structure_for("triclinic", potential)
    a, b = potential.predict(structure), again.predict(structure)
    assert a.energy == b.energy
    assert (a.forces == b.forces).all()


def test_state_of_active_learning_behind_the_coefficients_is_not_looked_at(potential, tmp_path):
    file = tmp_path / "m.mtp"
    file.write_bytes(TEXT.encode() + b"#MVS_v1.1\nenergy_weight 0\n" + bytes(range(256)))
    structure = structure_for("molecule", potential)
    energy = linpot.read_mtp(file, ELEMENTS).predict(structure).energy
    assert energy == potential.predict(structure).energy


def test_nodes_that_nothing_uses_are_left_out():
    document = parse_mtp(TEXT)
    program = document_program(document)
    # v.w, M0 M1 and the like are leaves; v.v, M:M, M v and M0 M0 are factors of others
    n_products = program.n_nodes - 1 - program.n_densities
    assert n_products == 3 + 1 + 1 + 3 + 1  # xx, yy, zz (xy .. are densities); as above
    assert program.n_features == len(document.mapping)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MTP\n", "MTPR\n", "first line must be 'MTP'"),
        ("version = 1.1.0", "version = 1.2.0", "`version` must be 1.1.0, got '1.2.0'"),
        ("RBChebyshev", "RBShapeev", "`radial_basis_type` must be RBChebyshev, got 'RBShapeev'"),
        ("moment_coeffs = ", "other_coeffs = ", "no `moment_coeffs`: the potential is not fitted"),
        ("max_dist = 4.3", "max_dist = 1.3", "`min_dist` and `max_dist` must be lengths"),
        ("max_dist = 4.3", "max_dist = far", "line 9: `max_dist` must hold numbers"),
        ("species_coeffs = {-2.5, -1.25}", "species_coeffs = {-2.5}", "must have 2 numbers"),
        ("{-2.5,", "{nan,", "`species_coeffs` must be finite"),
        ("{0, 10, 1, 22}", "{0, 30, 1, 22}", "from 0 to 26 .`alpha_moments_count`., got 30"),
        ("{0, 10, 1, 22}", "{0, 10, 1, 2}", "entries from 14 to 26 .* got 2"),
        ("{0, 10, 1, 22}", "{0, 24, 1, 22}", "complete a node before it is used, got row 25"),
        ("{1, 0, 0, 1}}", "{2, 0, 0, 1}}", "entries from 0 to 1 .`radial_funcs_count`., got 2"),
        ("\t\t1-0\n", "\t\t1-2\n", "types must be below 2, got 1-2"),
        ("\t\t1-0\n", "\t\t1-1\n", "must have every pair of types, 1-0 is missing"),
        ("radial_basis_size = 5", "radial_basis_size = 6", "line 14: expected a pair of types"),
        ("species_count = 2", "species_count = 0", "`species_count` must be from 1 to 118, got 0"),
        ("potential_tag = ", "nonsense", "line 6: expected 'name = value', got 'nonsense'"),
        ("potential_tag = ", "scaling = 1", "line 6: `scaling` must stand in the file once"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_with_the_place(tmp_path, old, new, message):
    assert old in TEXT
    file = tmp_path / "bad.mtp"
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(FileFormatError, match=message) as caught:
        linpot.read_mtp(file, ELEMENTS)
    assert "bad.mtp" in str(caught.value)


@pytest.mark.parametrize("elements", [["Si"], ["Si", "Si"], ["Si", "C", "O"]])
def test_wrong_numbers_of_elements_are_refused(elements):
    with pytest.raises(InputError, match="must be 2 different chemical symbols"):
        linpot.read_mtp(TWO_SPECIES, elements)


def test_convert_takes_the_elements_of_the_types(potential, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("convert", TWO_SPECIES, "-o", "m.linpot", "--elements", "Si,C")
    assert result.exit_code == 0, result.output
    structure = structure_for("molecule", potential)
    energy = linpot.load("m.linpot").predict(structure).energy
    assert energy == potential.predict(structure).energy
    assert_refused(run("convert", TWO_SPECIES, "n.linpot"), "give them by --elements")
    assert_refused(run("convert", TWO_SPECIES, "n.linpot", "-o", "m.linpot"), "must be given once")
    assert_refused(
        run("convert", TWO_SPECIES, "n.linpot", "--elements", "Si,Xx"), "chemical symbols"
    )
