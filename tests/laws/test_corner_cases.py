"""Places where evaluators tend to fail: perfect lattices, poles, tiny cells, missing directions."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from cases import (
    ISOLATED,
    STRUCTURES,
    atomic_invariants,
    forces_scale,
    rotation,
    structure_for,
    supercell,
    transformed,
)

from linpot.calculators.ase_calculator import LinpotCalculator
from linpot.errors import InputError
from linpot.structures.structure import Structure


@pytest.mark.parametrize("lattice", ["sc", "bcc", "fcc", "diamond"])
def test_perfect_lattices_have_finite_energies_and_no_forces(model, lattice):
    basis = {
        "sc": [[0, 0, 0]],
        "bcc": [[0, 0, 0], [0.5, 0.5, 0.5]],
        "fcc": [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
        "diamond": [[0, 0, 0], [0.25, 0.25, 0.25]],
    }[lattice]
    constant = {"sc": 2.5, "bcc": 3.1, "fcc": 3.8, "diamond": 5.4}[lattice]
    cell = np.eye(3) * constant
    if lattice == "diamond":
        cell = (np.ones((3, 3)) - np.eye(3)) * constant / 2
    number = structure_for("atom", model).numbers[0]
    structure = Structure(
        np.full(len(basis), number), np.array(basis) @ cell, cell, (True, True, True)
    )
    prediction = model.predict(structure)
    assert all(np.isfinite(values).all() for values in atomic_invariants(model, structure))
    assert np.abs(prediction.forces).max() <= 1e-12 * forces_scale(model, structure)
    assert np.ptp(prediction.atomic_energies) <= 1e-12 * np.abs(prediction.atomic_energies).max()
    # cubic symmetry: the virial is a pressure
    pressure = np.trace(prediction.virial) / 3
    assert abs(pressure) > 1e-3
    assert np.allclose(prediction.virial, pressure * np.eye(3), atol=1e-11 * abs(pressure))


def test_atoms_on_the_poles_have_the_energies_and_forces_of_any_other_direction(model):
    structure = structure_for("on_axis", model)
    matrix = rotation(8)
    straight, turned = model.predict(structure), model.predict(transformed(structure, matrix))
    assert np.isfinite(straight.forces).all()
    assert np.abs(straight.forces[:, 2]).max() > 1e-2
    tolerance = 1e-11 * forces_scale(model, structure)
    assert np.abs(straight.forces[:, :2]).max() <= tolerance
    assert straight.energy == pytest.approx(turned.energy, rel=1e-12)
    assert np.allclose(straight.forces @ matrix, turned.forces, rtol=0, atol=tolerance)


def test_cell_smaller_than_cutoff_sees_its_images(model):
    structure = structure_for("small", model)
    assert np.linalg.norm(structure.cell, axis=1).max() < model.cutoff
    large = supercell(structure, (4, 4, 4))
    heights = large.volume / np.linalg.norm(
        np.cross(large.cell[[1, 2, 0]], large.cell[[2, 0, 1]]), axis=1
    )
    assert heights.min() > 2 * model.cutoff  # no atom of the large cell sees two images of another
    one, many = model.predict(structure), model.predict(large)
    alone = model.predict(replace(structure, pbc=(False,) * 3)).energy
    assert abs(one.energy - alone) > 0.1
    assert many.energy == pytest.approx(64 * one.energy, rel=1e-11)


@pytest.mark.parametrize(("name", "open_axes"), [("slab", [2]), ("wire", [1, 2])])
def test_partly_periodic_cells_are_those_with_far_images(model, name, open_axes):
    structure = structure_for(name, model)
    cell = structure.cell.copy()
    for axis in open_axes:
        cell[axis] = 40.0 * np.eye(3)[axis]
    closed = replace(structure, cell=cell, pbc=(True, True, True))
    found, expected = model.predict(structure), model.predict(closed)
    assert np.abs(found.forces).max() > 1e-2
    assert found.energy == pytest.approx(expected.energy, rel=1e-13)
    tolerance = 1e-12 * forces_scale(model, structure)
    assert np.allclose(found.forces, expected.forces, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["slab", "wire", "molecule"])
def test_stress_is_refused_without_full_periodicity(model, name):
    structure = structure_for(name, model)
    message = "periodicity in all three directions, got pbc=" + re.escape(str(list(structure.pbc)))
    with pytest.raises(InputError, match=message):
        model.predict(structure).stress(structure)
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    atoms.calc = LinpotCalculator(model)
    with pytest.raises(PropertyNotImplementedError, match=message):
        atoms.get_stress()
    assert np.abs(atoms.get_forces()).max() > 1e-2


def test_stress_without_forces_is_refused(model):
    structure = structure_for("triclinic", model)
    with pytest.raises(InputError, match="made with `forces=True`"):
        model.predict(structure, forces=False).stress(structure)


def test_stress_is_the_negative_virial_over_the_volume(model):
    structure = structure_for("triclinic", model)
    prediction = model.predict(structure)
    full = -prediction.virial / structure.volume
    voigt = [full[0, 0], full[1, 1], full[2, 2], full[1, 2], full[0, 2], full[0, 1]]
    assert np.array_equal(prediction.stress(structure), voigt)


def test_isolated_atom_has_reference_energy(model):
    for symbol in model.elements:
        atom = Structure(
            Atoms(symbol).numbers, np.zeros((1, 3)), np.zeros((3, 3)), (False, False, False)
        )
        prediction = model.predict(atom)
        expected = 0.0 if model.kind == "zbl" else ISOLATED[symbol]
        assert prediction.energy == expected
        assert not prediction.forces.any()
        assert not prediction.virial.any()


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_input_atoms_are_not_modified(model, name):
    structure = structure_for(name, model)
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    before = copy.deepcopy(atoms)
    model.predict(structure)
    atoms.calc = LinpotCalculator(model)
    atoms.get_forces()
    assert np.array_equal(structure.positions, before.positions)
    assert np.array_equal(structure.cell, before.cell.array)
    assert np.array_equal(atoms.positions, before.positions)
    assert np.array_equal(atoms.cell.array, before.cell.array)
    assert np.array_equal(atoms.numbers, before.numbers)
    assert np.array_equal(atoms.pbc, before.pbc)


def test_unknown_element_is_refused_with_its_name(model):
    structure = structure_for("dimer", model)
    strange = replace(structure, numbers=np.array([structure.numbers[0], 79]))
    with pytest.raises(InputError, match=r"element 'Au' \(atom 1 of dimer\) is not in this"):
        model.predict(strange)


def test_atoms_on_top_of_each_other_are_refused(model):
    structure = structure_for("dimer", model)
    clash = replace(structure, positions=np.array([[0, 0, 0], [0, 0, 1e-3]]))
    with pytest.raises(InputError, match=r"atoms 0 and 1 of dimer must be at least 0\.01 A apart"):
        model.predict(clash)
