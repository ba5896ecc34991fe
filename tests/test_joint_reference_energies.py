"""One-body energies beside the learned part."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import linpot

ELEMENTS = ("H", "O")


def data(sizes: tuple[tuple[int, int], ...]) -> list[Atoms]:
    """Repelling atoms with 0 eV each when alone: ``E = sum_pairs (1 - r/3)^2`` eV."""
    rng = np.random.default_rng(0)
    images = []
    for k in range(60):
        n_h, n_o = sizes[k % len(sizes)]
        atoms = Atoms(f"H{n_h}O{n_o}", _scattered(n_h + n_o, rng))
        vectors = atoms.positions[:, None] - atoms.positions
        r = np.linalg.norm(vectors, axis=2) + 9.0 * np.eye(len(atoms))
        u = np.maximum(1.0 - r / 3.0, 0.0)
        forces = (2.0 / 3.0 * u / r)[:, :, None] * vectors
        atoms.calc = SinglePointCalculator(
            atoms, energy=0.5 * (u**2).sum(), forces=forces.sum(axis=1)
        )
        images.append(atoms)
    return images


def _scattered(n: int, rng: np.random.Generator) -> np.ndarray:
    found: list[np.ndarray] = []
    while len(found) < n:
        new = rng.random(3) * 3.2
        if all(np.linalg.norm(new - old) > 1.0 for old in found):
            found.append(new)
    return np.array(found)


def fitted(images: list[Atoms], e0) -> tuple[float, dict[str, float]]:
    potential = linpot.fit(images, n_functions=12, body_order=2, cutoff=3.0, baseline="none", e0=e0)
    rmse = linpot.evaluate(potential, images)["all"]["forces"]["rmse"]
    return rmse, dict(linpot.learned_part(potential).isolated_atom_energies)


def test_joint_energies_are_those_of_atoms_where_mean_energies_spoil_forces():
    """All learned energies are positive here: by composition alone, atoms get a share of them."""
    images = data(((4, 3), (2, 4), (5, 2)))
    exact, _ = fitted(images, {"H": 0.0, "O": 0.0})
    alone, means = fitted(images, "least-squares")
    joint, values = fitted(images, "joint")
    assert min(means.values()) > 0.1
    # what 12 pair functions leave of a parabola with a kink, as with the true energies
    assert np.abs(list(values.values())).max() < 0.02
    assert joint < 1.2 * exact
    assert alone > 2.0 * joint


def test_energies_that_compositions_leave_open_are_solved_for_beside_the_learned_part():
    images = data(((4, 3),))
    exact, _ = fitted(images, {"H": 0.0, "O": 0.0})
    found, values = fitted(images, "joint")
    assert 4 * values["H"] + 3 * values["O"] == pytest.approx(0.0, abs=0.1)
    assert found < 1.2 * exact


def test_with_charges_below_and_one_composition_energies_are_found_jointly_by_default():
    charges = linpot.Coulomb({"H": 0.3, "O": -0.4})
    images = data(((4, 3),))
    for atoms in images:
        calc = linpot.LinpotCalculator(charges)
        atoms.calc.results["energy"] += calc.get_potential_energy(atoms)
        atoms.calc.results["forces"] += calc.get_forces(atoms)
    potential = linpot.fit(images, n_functions=12, body_order=2, cutoff=3.0, baseline=charges)
    learned = linpot.learned_part(potential)
    values = learned.isolated_atom_energies
    # what the charges leave repels everywhere: its mean is no energy of separated atoms
    assert 4 * values["H"] + 3 * values["O"] == pytest.approx(0.0, abs=0.1)
    assert set(learned.provenance["e0_sources"].values()) == {"fitted with the functions"}
