"""Forces, virials and design rows are what they claim to be: derivatives of the energy."""

from __future__ import annotations

import numpy as np
import pytest
from cases import (
    CUTOFF,
    DEGREES,
    STRUCTURES,
    forces_scale,
    linear,
    moved,
    naive_zbl,
    structure_for,
    transformed,
    zbl,
)

import linpot
from linpot.model.naive import (
    naive_energies,
    naive_features,
    naive_forces_and_virial,
    naive_pairs,
)
from linpot.structures.neighbors import find_neighbors

STEP = 1e-4  # A, and as a strain
# five points: |F| STEP^4 / 30 times a factor 1e5 for the fifth derivative of the taper (0.8 A
# wide, thrice a power of 10 per A), plus 1e-16 E / STEP
TOLERANCE = 1e-8
STENCIL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))


def energy_of(model, structure) -> float:
    return model.predict(structure, forces=False).energy


def test_forces_equal_minus_energy_difference(model, structure):
    forces = model.predict(structure).forces
    scale = forces_scale(model, structure)
    rng = np.random.default_rng(7)
    for _ in range(3):
        direction = rng.normal(size=forces.shape)
        direction /= np.linalg.norm(direction)
        slope = sum(
            c * energy_of(model, moved(structure, k * STEP * direction)) for k, c in STENCIL
        )
        assert -slope / STEP == pytest.approx((forces * direction).sum(), abs=TOLERANCE * scale)


def test_virial_equals_strain_difference(model, structure):
    virial = model.predict(structure).virial
    assert np.allclose(virial, virial.T, rtol=1e-13, atol=1e-13 * np.abs(virial).max())
    for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        strain = np.zeros((3, 3))
        strain[a, b] = strain[b, a] = 1.0
        slope = sum(
            c * energy_of(model, transformed(structure, np.eye(3) + k * STEP * strain))
            for k, c in STENCIL
        )
        expected = (virial * strain).sum()
        scale = np.abs(virial).max() + 1e-3
        assert -slope / STEP == pytest.approx(expected, abs=10 * TOLERANCE * scale), (a, b)


@pytest.mark.parametrize("name", ["triclinic", "molecule", "slab", "wire", "dimer", "on_axis"])
def test_difference_tests_compare_numbers_that_are_not_tiny(model, name):
    prediction = model.predict(structure_for(name, model))
    assert np.abs(prediction.forces).max() > 1e-2
    assert np.abs(prediction.virial).max() > 1e-2


@pytest.mark.parametrize(("n_elements", "body_order"), list(DEGREES))
def test_kernels_equal_the_naive_evaluation(n_elements, body_order):
    potential = linear(n_elements, body_order)
    assert all(p.body_orders.max() == body_order for p in potential.basis.programs)
    if body_order > 2:
        assert all(p.l_max > 0 for p in potential.basis.programs)
    structure = structure_for("wire", potential)
    prediction = potential.predict(structure)
    energies = naive_energies(potential, structure)
    assert np.ptp(energies) > 0.1
    assert np.allclose(prediction.atomic_energies, energies, rtol=1e-11, atol=1e-12)
    for own, expected in zip(
        potential.features(structure), naive_features(potential, structure), strict=True
    ):
        assert np.allclose(own, expected, rtol=1e-10, atol=1e-13 * np.abs(expected).max())
    forces, virial = naive_forces_and_virial(potential, structure)
    scale = np.abs(forces).max()
    assert scale > 1e-2
    assert np.allclose(prediction.forces, forces, rtol=0, atol=1e-10 * scale)
    assert np.allclose(prediction.virial, virial, rtol=0, atol=1e-10 * np.abs(virial).max())


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_kernels_equal_the_naive_evaluation_for_every_structure(name):
    potential = linear(2, 3)
    structure = structure_for(name, potential)
    prediction = potential.predict(structure)
    forces, virial = naive_forces_and_virial(potential, structure)
    tolerance = 1e-10 * forces_scale(potential, structure)
    assert np.allclose(prediction.forces, forces, rtol=0, atol=tolerance)
    assert np.allclose(prediction.virial, virial, rtol=1e-10, atol=tolerance)


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_neighbors_are_those_that_brute_force_finds(name):
    structure = structure_for(name, linear(1, 2))
    found = find_neighbors(structure, CUTOFF)
    pairs = {
        (int(i), int(j), tuple(int(k) for k in shift))
        for i, j, shift in zip(found.centers, found.neighbors, found.shifts, strict=True)
    }
    assert len(pairs) == found.n_pairs
    assert pairs == set(naive_pairs(structure, CUTOFF))


@pytest.mark.parametrize("name", ["triclinic", "small", "molecule", "wire"])
def test_zbl_equals_its_naive_evaluation(name):
    model = zbl(2)
    structure = structure_for(name, model)
    symbols = [model.elements[z] for z in model.species_of(structure)]
    energies, forces = np.zeros(structure.n_atoms), np.zeros((structure.n_atoms, 3))
    virial = np.zeros((3, 3))
    for i, j, shift in naive_pairs(structure, model.cutoff):
        vector = structure.positions[j] - structure.positions[i] + shift @ structure.cell
        r = np.linalg.norm(vector)
        value = naive_zbl(model, symbols[i], symbols[j], r + 1e-20j)
        gradient = 0.5 * value.imag / 1e-20 * vector / r
        energies[i] += 0.5 * value.real
        forces[i] += gradient
        forces[j] -= gradient
        virial -= np.outer(vector, gradient)
    prediction = model.predict(structure)
    assert energies.max() > 0.1
    # the naive curvature at the cutoff is good to 1e-9
    assert np.allclose(prediction.atomic_energies, energies, rtol=1e-9, atol=1e-10)
    assert np.allclose(prediction.forces, forces, rtol=1e-9, atol=1e-9)
    assert np.allclose(prediction.virial, virial, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("n_elements", "body_order"), list(DEGREES))
def test_jacobian_and_pullback_give_same_energy_forces_and_virial(n_elements, body_order):
    potential = linear(n_elements, body_order)
    structure = structure_for("triclinic", potential)
    rows = potential.design(structure)
    terms = np.abs(rows) @ np.abs(potential.coefficients)
    assert rows.shape == (7 + 3 * structure.n_atoms, potential.basis.n_features)
    prediction = potential.predict(structure)
    one_body = sum(
        potential.isolated_atom_energies[potential.elements[z]]
        for z in potential.species_of(structure)
    )
    found = np.concatenate(
        [
            [prediction.energy - one_body],
            prediction.virial.ravel()[[0, 4, 8, 5, 2, 1]],
            prediction.forces.ravel(),
        ]
    )
    assert (np.abs(rows @ potential.coefficients - found) <= 1e-10 * terms).all()
    assert np.abs(found).min() > 1e-6


@pytest.mark.parametrize("n_elements", [1, 2])
@pytest.mark.parametrize("name", ["triclinic", "small", "molecule", "atom"])
def test_gradients_of_features_add_up_to_design_rows(n_elements, name):
    """Forces of a coefficient of one: what an atom's neighbors and itself do to all features."""
    potential = linear(n_elements, 4)
    structure = structure_for(name, potential)
    features, gradients = linpot.descriptors(potential, structure, gradients=True)
    alone = linpot.descriptors(potential, structure)
    rows = potential.design(structure)
    starts, counts = potential.basis.feature_offsets, potential.basis.n_functions
    species = potential.species_of(structure)
    forces = np.zeros((structure.n_atoms, 3, potential.basis.n_features))
    for i, j, value in zip(gradients.centers, gradients.neighbors, gradients.values, strict=True):
        n = counts[potential.elements[species[i]]]
        columns = slice(starts[species[i]], starts[species[i]] + n)
        forces[j, :, columns] -= value[:, :n]
        forces[i, :, columns] += value[:, :n]
        assert not value[:, n:].any()
    scale = np.abs(gradients.values).max(initial=1e-300)
    assert np.allclose(forces.reshape(rows[7:].shape), rows[7:], rtol=0, atol=1e-12 * scale)
    for own, other in zip(features, alone, strict=True):
        assert np.array_equal(own, other)


def test_gradients_of_features_beyond_the_memory_limit_are_refused():
    potential = linear(1, 4)
    structure = structure_for("triclinic", potential)
    with pytest.raises(linpot.InputError, match="`memory_limit` = 1e-06 GB"):
        linpot.descriptors(potential, structure, gradients=True, memory_limit=1e-6)
