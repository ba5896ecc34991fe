"""Equilibrated charges: minima, derivatives, invariances, and what may not matter."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from charged_structures import STEP
from equilibrated_models import MODELS, qeq, self_consistent, structure
from numpy.testing import assert_allclose

import linpot
from linpot.charges.charge_energy import self_hardness
from linpot.errors import ConvergenceError, InputError
from linpot.structures.structure import Structure

CASES = [("molecule", 0.0), ("molecule", 1.0), ("cell", 0.0), ("cell", 2.0), ("slab", 0.0)]
STRAIN = np.array([[0.3, 0.1, -0.2], [0.1, -0.5, 0.4], [-0.2, 0.4, 0.7]])


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


@pytest.mark.parametrize("kind", ["molecule", "cell"])
def test_no_other_charges_have_less_energy(model, kind):
    """Slopes are equal at the minimum, and the energy rises along random exchanges of charge."""
    atoms = structure(kind, charge=1.0)
    batch = model.packed(atoms)
    energy = model.energy_of(atoms, batch, model.coupled_pairs(batch))
    q = model.charges_of(atoms)
    assert_allclose(energy.slope(q) - energy.slope(q).mean(), 0.0, atol=1e-9)
    for seed in range(5):
        exchange = np.random.default_rng(seed).normal(scale=0.05, size=len(q))
        assert energy.energy(q + exchange - exchange.mean()) > energy.energy(q) + 1e-6


def test_equal_atoms_of_a_neutral_molecule_have_no_charge():
    """Electronegativities differ by rounding only; features of close atoms make them large."""
    corners = 0.9 * np.array([[0.0, 0, 0], [1, 0, 0], [0.5, 0.75**0.5, 0]])
    triangle = Structure(np.array([1, 1, 1]), corners, np.eye(3), (False,) * 3)
    steep = qeq(function=qeq().function.with_parameters(1e6 * qeq().function.parameters))
    # slopes of 1e6 V are rounded by 1e-10 V, over curvatures of some 10 V/e
    for method in ("direct", "iterative"):
        found = replace(steep, method=method, tolerance=1e-8).charges_of(triangle)
        assert_allclose(found, 0.0, atol=1e-9)


def test_one_atom_has_the_charge_of_the_structure():
    atom = Structure(np.array([8]), np.zeros((1, 3)), np.eye(3), (False,) * 3, total_charge=-1.0)
    model = qeq()
    found = model.predict(atom)
    own = 5.0 + self_hardness(np.array([0.7]))[0]
    assert_allclose(found.extras["charges"], [-1.0])
    assert_allclose(found.energy, -6.0 + 0.5 * own)


def test_widths_shift_electronegativities_of_charged_cells():
    """Clouds that do not overlap: widths act by ``2 pi k/V Q s^2`` on chi, and by their own J."""
    cell = 30.0 * np.eye(3)
    positions = np.array([[0.0, 0, 0], [15.0, 15.0, 15.0]])
    atoms = Structure(np.array([1, 8]), positions, cell, (True,) * 3, total_charge=1.0)
    narrow, wide = {"H": 0.5, "O": 0.5}, {"H": 0.5, "O": 1.5}
    base = qeq(widths=narrow)
    # the same hardness in all: what widths add to it is taken off
    added = self_hardness(np.array([0.5]))[0] - self_hardness(np.array([1.5]))[0]
    other = qeq(widths=wide, hardness={"H": 6.0, "O": 5.0 + added})
    shift = 2.0 * np.pi * linpot.constants.COULOMB / 30.0**3 * (1.5**2 - 0.5**2)
    function = base.function
    shifted = replace(
        base, function=replace(function, constants=function.constants + np.array([0.0, shift]))
    )
    assert_allclose(other.charges_of(atoms), shifted.charges_of(atoms), atol=1e-9)
    assert abs(other.charges_of(atoms) - base.charges_of(atoms)).max() > 1e-5


@pytest.mark.parametrize("kind", ["molecule", "cell"])
def test_conjugate_gradients_equal_cholesky_factors(model, kind):
    atoms = structure(kind, charge=1.0)
    direct, iterative = (
        replace(model, method=method).charges_of(atoms) for method in ("direct", "iterative")
    )
    assert_allclose(iterative, direct, atol=1e-9)


def test_results_depend_on_history_within_the_tolerance_only():
    model = qeq(method="iterative", tolerance=1e-9)
    running, rng = model.for_trajectory(), np.random.default_rng(0)
    atoms = structure("cell")
    velocity = rng.normal(scale=0.01, size=atoms.positions.shape)
    for step in range(6):
        moved = replace(atoms, positions=atoms.positions + step * velocity)
        cold, warm = model.predict(moved), running.predict(moved)
        # a residual of 1e-9 of 2 V over a curvature of some 10 V/e
        assert_allclose(warm.extras["charges"], cold.extras["charges"], atol=2e-9)
        assert_allclose(warm.energy, cold.energy, atol=1e-10)
        assert_allclose(warm.forces, cold.forces, atol=1e-7)
    elsewhere = structure("cell", seed=9)
    assert_allclose(running.charges_of(elsewhere), model.charges_of(elsewhere), atol=2e-9)


def test_memory_saves_iterations():
    model, atoms = qeq(method="iterative", tolerance=1e-8).for_trajectory(), structure("cell")
    velocity = np.random.default_rng(0).normal(scale=0.003, size=atoms.positions.shape)
    counts = []
    for step in range(6):
        moved = replace(atoms, positions=atoms.positions + step * velocity)
        energy = model.energy_of(moved, model.packed(moved), None)
        counts.append(model.equilibrium(moved, energy).iterations)
    assert counts[-1] <= counts[0] - 3


def test_calculator_remembers_charges():
    model = qeq()
    assert linpot.LinpotCalculator(model).model.memory is not None
    assert model.memory is None


def test_energy_without_a_minimum_is_refused():
    """A negative quartic term: the energy falls without end."""
    model = self_consistent(quartic={"H": -400.0, "O": -400.0}, tolerance=1e-9)
    with pytest.raises(ConvergenceError, match="must settle"):
        model.predict(structure("molecule", charge=6.0))


def test_only_convex_energies_are_scanned():
    """Far from the data other energies may have no minimum; scans for holes leave them out."""
    assert qeq().can_be_scanned
    assert not self_consistent().can_be_scanned


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hardness": {"H": 6.0}}, "`hardness` must name 'O'"),
        ({"hardness": {"H": 6.0, "O": -1.0}}, "`hardness['O']` must be a positive number"),
        ({"widths": {"H": 0.0, "O": 1.0}}, "`widths['H']` must be a positive number"),
        ({"coupling": np.zeros((2, 3))}, "`coupling` must have shape [3, any]"),
    ],
)
def test_invalid_parameters_are_refused(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        qeq(**changes)


@pytest.mark.parametrize("threads", [1, 3])
def test_saved_model_predicts_the_same_bits(model, tmp_path, threads):
    linpot.save(model, tmp_path / "charges.linpot")
    again = linpot.load(tmp_path / "charges.linpot")
    atoms = structure("cell", charge=1.0)
    a, b = model.predict(atoms), again.predict(atoms, threads=threads)
    assert a.energy == b.energy
    assert (a.forces == b.forces).all()


assert STEP == 1e-4  # what the tolerances of differences stand on
