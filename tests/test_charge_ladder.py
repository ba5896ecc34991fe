"""Laws that every rung of the ladder obeys: derivatives, invariances, total charge, copies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import test_local_charges
import test_lode
from charged_structures import slope, strained
from equilibrated_models import MODELS, structure
from numpy.testing import assert_allclose

from linpot.charges.equilibration import equilibrate
from linpot.constants import COULOMB
from linpot.electrostatics.coulomb_sum import CoulombSum
from linpot.model.packing import pack
from linpot.structures.structure import Structure

RUNGS = {
    "local": test_local_charges.model,
    # what `LatentRung` trains: equal shares, one width
    "latent": lambda: replace(
        test_local_charges.model(), shares={"H": 1.0, "O": 1.0}, widths={"H": 1.0, "O": 1.0}
    ),
    "lode": test_lode.model,
    **MODELS,
}
CASES = [("molecule", 0.0), ("molecule", 1.0), ("cell", 0.0), ("cell", 2.0), ("slab", 0.0)]
STRAIN = np.array([[0.3, 0.1, -0.2], [0.1, -0.5, 0.4], [-0.2, 0.4, 0.7]])


@pytest.fixture(params=RUNGS)
def model(request):
    return RUNGS[request.param]()


@pytest.fixture(params=[name for name in RUNGS if name != "lode"])
def charged(request):
    """Rungs that find charges: potentials of species do not."""
    return RUNGS[request.param]()


@pytest.mark.parametrize(("kind", "charge"), CASES)
def test_forces_equal_minus_energy_difference(model, kind, charge):
    """Charges move with the atoms: dq/dR is part of the forces where they are no minimum."""
    atoms = structure(kind, charge=charge)
    direction = np.random.default_rng(0).normal(size=atoms.positions.shape)

    def energy(step):
        moved = replace(atoms, positions=atoms.positions + step * direction)
        return model.predict(moved, forces=False).energy

    found = model.predict(atoms)
    expected = -slope(energy)
    # fourth-order differences over 1e-4 A, and sums to 1e-10
    assert_allclose((found.forces * direction).sum(), expected, atol=2e-6, rtol=1e-7)
    assert abs(expected) > 0.1
    assert_allclose(found.forces.sum(axis=0), 0.0, atol=1e-7)


@pytest.mark.parametrize(("kind", "charge"), CASES)
def test_virial_equals_strain_difference(model, kind, charge):
    atoms = structure(kind, charge=charge)
    strain = STRAIN if kind != "slab" else STRAIN * [[1, 1, 0], [1, 1, 0], [0, 0, 0]]

    def energy(step):
        return model.predict(strained(atoms, np.eye(3) + step * strain), forces=False).energy

    expected = -slope(energy)
    found = model.predict(atoms).virial
    assert_allclose(found, found.T, atol=1e-7)
    assert_allclose((found * strain).sum(), expected, atol=5e-6, rtol=1e-7)
    assert abs(expected) > 0.1


@pytest.mark.parametrize(("kind", "charge"), CASES)
def test_charges_sum_to_the_total_charge(charged, kind, charge):
    charges = charged.predict(structure(kind, charge=charge)).extras["charges"]
    assert abs(charges.sum() - charge) < 1e-12
    assert np.ptp(charges) > 0.1


@pytest.mark.parametrize("kind", ["molecule", "cell"])
def test_rotation_translation_order_and_images_change_nothing(model, kind):
    atoms, rng = structure(kind, charge=1.0), np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    order = rng.permutation(atoms.n_atoms)
    images = rng.integers(-2, 3, size=(atoms.n_atoms, 3)) @ atoms.cell
    moved = atoms.positions + [0.3, -1.1, 0.7] + (images if any(atoms.pbc) else 0.0)
    other = replace(
        atoms,
        numbers=atoms.numbers[order],
        positions=moved[order] @ turn,
        cell=atoms.cell @ turn,
    )
    a, b = model.predict(atoms), model.predict(other)
    assert_allclose(b.energy, a.energy, atol=1e-8)
    assert_allclose(b.forces, a.forces[order] @ turn, atol=1e-7)
    assert_allclose(b.virial, turn.T @ a.virial @ turn, atol=1e-7)
    if model.has_charges:
        assert_allclose(b.extras["charges"], a.extras["charges"][order], atol=1e-8)


def test_dipole_of_a_neutral_molecule_turns_with_it(charged):
    atoms = structure("molecule")
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    other = replace(atoms, positions=(atoms.positions + np.array([1.0, -2.0, 3.0])) @ turn)
    a, b = (charged.predict(one).extras["dipole"] for one in (atoms, other))
    assert_allclose(b, a @ turn, atol=1e-8)


def test_energy_of_a_supercell_is_extensive(model):
    cell = structure("cell", n_atoms=6)
    positions = np.concatenate([cell.positions, cell.positions + cell.cell[0]])
    double = Structure(np.tile(cell.numbers, 2), positions, cell.cell * [[2], [1], [1]], cell.pbc)
    assert_allclose(model.predict(double).energy, 2.0 * model.predict(cell).energy, atol=1e-7)


def test_neutral_copies_far_apart_do_not_know_of_each_other(model):
    """
    Copies of a molecule 2e4 A apart: dipoles of some e A interact with 14.4 * 9 / 8e12 eV.

    Potentials of species are not extensive by construction: f feels the clouds of the other copy.
    """
    one, distance = structure("molecule", n_atoms=6), 2e4
    far = one.positions + np.array([distance, 0.0, 0.0])
    both = replace(
        one, numbers=np.tile(one.numbers, 2), positions=np.concatenate([one.positions, far])
    )
    single, double = model.predict(one), model.predict(both)
    excess, size = 0.0, 1e-7
    if not model.has_charges:
        batch = pack([one], model.elements, model.function.cutoffs)
        f = model.function.values(batch).sum(axis=0)  # [species of clouds]
        excess = 2.0 * COULOMB / distance * float(f @ model.clouds_of(one).sum(axis=0))
        size = 10.0 * abs(excess) / distance  # extent of the molecules over their distance
        assert abs(excess) > 1e-4
    assert_allclose(double.energy - 2.0 * single.energy, excess, atol=size)
    if model.has_charges:
        assert_allclose(double.extras["charges"], np.tile(single.extras["charges"], 2), atol=1e-7)


@pytest.mark.parametrize("rung", ["local", "lode"])
def test_widths_of_clouds_in_a_charged_cell_feel_the_background(rung):
    """
    Clouds that do not overlap: the potential of a unit cloud changes by ``2 pi k/V s^2``, at home
    and where it is seen. (Equilibrated charges: `test_equilibrated_charges`.)
    """
    model = RUNGS[rung]()
    positions = np.array([[0.0, 0, 0], [15.0, 15.0, 15.0], [0.0, 15.0, 0.0]])
    numbers = np.array([1, 8, 1])
    atoms = Structure(numbers, positions, 30.0 * np.eye(3), (True,) * 3, total_charge=2.0)
    narrow, wide = ({"H": 0.5, "O": o} for o in (0.5, 1.5))
    added = np.where(numbers == 8, 1.5**2 - 0.5**2, 0.0)
    factor = 2.0 * np.pi * COULOMB / 30.0**3
    if rung == "local":
        q = model.predict(atoms).extras["charges"]
        expected = factor * 2.0 * float(q @ added)
    else:
        f = model.function.values(pack([atoms], model.elements, model.function.cutoffs))
        clouds = model.clouds_of(atoms)
        expected = factor * float(
            (f * (added[:, None] * clouds.sum(axis=0) + clouds.T @ added)).sum()
        )
    a, b = (replace(model, widths=widths).predict(atoms).energy for widths in (narrow, wide))
    assert_allclose(b - a, expected, atol=1e-8)
    assert abs(expected) > 1e-3


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("repeats", [2, 3])
def test_conjugate_gradients_on_a_mesh_equal_the_dense_solution(name, repeats):
    model, cell = MODELS[name](), structure("cell", n_atoms=12)
    shifts = np.array(list(np.ndindex(*[repeats] * 3))) @ cell.cell
    positions = (cell.positions + shifts[:, None]).reshape(-1, 3)
    positions += np.random.default_rng(0).normal(scale=0.05, size=positions.shape)
    large = Structure(np.tile(cell.numbers, repeats**3), positions, cell.cell * repeats, cell.pbc)
    widths = model.by_species("widths")[model.species_of(large)]
    batch = model.packed(large)
    found = {}
    for method, sum_by in (("direct", "ewald"), ("iterative", "mesh")):
        total = CoulombSum(large, widths=widths, accuracy=1e-10, method=sum_by)
        energy = model.energy_of(large, batch, model.coupled_pairs(batch), total=total)
        found[method] = equilibrate(energy, 1.0, method=method, tolerance=1e-10)
    assert_allclose(found["iterative"].charges, found["direct"].charges, atol=1e-8)
    # without the screened inverse it takes 25 and more for each step of Newton's
    assert name != "qeq" or found["iterative"].iterations <= 14
