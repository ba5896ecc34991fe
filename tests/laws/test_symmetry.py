"""What an energy must not notice, and how forces and virials turn with the atoms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import (
    assert_same_invariants,
    atomic_invariants,
    forces_scale,
    moved,
    rotation,
    structure_for,
    supercell,
    transformed,
)


@pytest.mark.parametrize("seed", [0, 1])
def test_energy_and_features_are_invariant_under_rotation(model, structure, seed):
    turned = transformed(structure, rotation(seed))
    assert_same_invariants(
        atomic_invariants(model, turned), atomic_invariants(model, structure), f"seed {seed}"
    )


def test_energy_and_features_are_invariant_under_reflection(model, structure):
    mirror = rotation(2) @ np.diag([1.0, 1.0, -1.0])
    assert_same_invariants(
        atomic_invariants(model, transformed(structure, mirror)),
        atomic_invariants(model, structure),
    )


def test_energy_and_features_are_invariant_under_translation(model, structure):
    shifted = moved(structure, np.array([1.37, -20.1, 0.41]))
    assert_same_invariants(atomic_invariants(model, shifted), atomic_invariants(model, structure))


def test_energy_and_features_follow_a_permutation_of_atoms(model, structure):
    order = np.random.default_rng(5).permutation(structure.n_atoms)
    shuffled = replace(
        structure, numbers=structure.numbers[order], positions=structure.positions[order]
    )
    expected = atomic_invariants(model, structure)
    assert_same_invariants(atomic_invariants(model, shuffled), [expected[i] for i in order])


@pytest.mark.parametrize("name", ["triclinic", "slab", "molecule"])
def test_swapping_equal_atoms_changes_nothing(model, name):
    structure = structure_for(name, model)
    equal = np.flatnonzero(structure.numbers == structure.numbers[0])
    positions = structure.positions.copy()
    positions[equal[:2]] = positions[equal[1::-1]]
    energy = model.predict(structure, forces=False).energy
    swapped = model.predict(replace(structure, positions=positions), forces=False).energy
    assert swapped == pytest.approx(energy, rel=1e-12)


def test_wrapping_positions_changes_nothing(model, periodic):
    rng = np.random.default_rng(6)
    shifts = (1 + rng.integers(0, 3, size=(periodic.n_atoms, 3))) * np.array(periodic.pbc)
    assert np.abs(shifts).max() > 0
    unwrapped = moved(periodic, shifts @ periodic.cell)
    assert_same_invariants(atomic_invariants(model, unwrapped), atomic_invariants(model, periodic))
    expected, found = model.predict(periodic), model.predict(unwrapped)
    scale = forces_scale(model, periodic)
    assert np.allclose(found.forces, expected.forces, rtol=0, atol=1e-10 * scale)
    assert np.allclose(found.virial, expected.virial, rtol=1e-10, atol=1e-10 * scale)


def test_another_choice_of_lattice_vectors_changes_nothing(model, crystal):
    unimodular = np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1.0]])
    other = replace(crystal, cell=unimodular @ crystal.cell)
    assert_same_invariants(atomic_invariants(model, other), atomic_invariants(model, crystal))


@pytest.mark.parametrize("seed", [0, 1])
def test_forces_and_virial_rotate_with_the_structure(model, structure, seed):
    matrix = rotation(seed)
    expected = model.predict(structure)
    found = model.predict(transformed(structure, matrix))
    tolerance = 1e-10 * forces_scale(model, structure)
    assert np.allclose(found.forces, expected.forces @ matrix, rtol=0, atol=tolerance)
    assert np.allclose(
        found.virial, matrix.T @ expected.virial @ matrix, rtol=1e-10, atol=10 * tolerance
    )


def test_forces_sum_to_zero(model, structure):
    forces = model.predict(structure).forces
    scale = forces_scale(model, structure) * structure.n_atoms
    assert np.abs(forces.sum(axis=0)).max() <= 1e-12 * scale


def test_atomic_energies_sum_to_the_energy(model, structure):
    prediction = model.predict(structure)
    assert prediction.atomic_energies.sum() == pytest.approx(prediction.energy, rel=1e-13)


def test_energy_without_forces_is_the_energy_with_forces(model, structure):
    with_forces = model.predict(structure)
    without = model.predict(structure, forces=False)
    assert without.forces is None
    assert without.virial is None
    assert without.energy == pytest.approx(with_forces.energy, rel=1e-14)


def test_energy_of_supercell_is_extensive(model, periodic):
    repeats = tuple(2 if p else 1 for p in periodic.pbc)
    copies = int(np.prod(repeats))
    single, many = model.predict(periodic), model.predict(supercell(periodic, repeats))
    assert many.energy == pytest.approx(copies * single.energy, rel=1e-11)
    tolerance = 1e-10 * forces_scale(model, periodic)
    assert np.allclose(many.forces, np.tile(single.forces, (copies, 1)), rtol=0, atol=tolerance)
    assert np.allclose(
        many.virial, copies * single.virial, rtol=1e-10, atol=10 * copies * tolerance
    )
