"""D3 through the package dftd3: its own values in linpot's units and signs, and what is refused."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

import linpot
from linpot.baselines.d3 import D3
from linpot.baselines.dispersion import Dispersion
from linpot.errors import InputError
from linpot.structures.structure import Structure, structure_from_atoms

pytest.importorskip("dftd3")
from dftd3.ase import DFTD3


def sheared_water() -> Atoms:
    """Two molecules in a small triclinic cell."""
    atoms = molecule("H2O")
    other = molecule("H2O")
    other.positions += [2.1, 1.9, 1.2]
    atoms += other
    atoms.set_cell([[4.4, 0.0, 0.0], [0.9, 4.1, 0.0], [-0.7, 1.1, 4.3]])
    atoms.pbc = True
    return atoms


STRUCTURES = {
    "molecule": lambda: molecule("CH3CH2OH"),
    "water": sheared_water,
    "slab": lambda: Atoms("NaCl", [[0, 0, 0], [2.8, 0, 0.4]], cell=[5.6, 4.0, 1.0], pbc=(1, 1, 0)),
    "copper": lambda: bulk("Cu"),
}


@pytest.mark.parametrize("name", list(STRUCTURES))
@pytest.mark.parametrize(("functional", "damping"), [("pbe", "bj"), ("rpbe", "zero")])
def test_energies_and_forces_are_those_of_the_package(name, functional, damping):
    atoms = STRUCTURES[name]()
    found = D3(functional, damping).predict(structure_from_atoms(atoms))
    atoms.calc = DFTD3(method=functional, damping=f"d3{damping}")
    assert abs(found.energy) > 0.02
    # the calculator adds the three-body term that this damping was fitted without or with; the
    # package's own default is without it for parameters by name
    assert found.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-10)
    assert np.allclose(found.forces, atoms.get_forces(), rtol=0, atol=1e-10)
    if atoms.pbc.all():
        stress = found.stress(structure_from_atoms(atoms))
        assert np.abs(stress).max() > 1e-4
        assert np.allclose(stress, atoms.get_stress(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["water", "copper"])
@pytest.mark.parametrize("three_body", [False, True])
def test_periodic_virial_equals_strain_difference(name, three_body):
    """With a cutoff that fades: a sharp one lets shells of atoms in and out under a strain."""
    model, h = D3("pbe", three_body=three_body, pair_cutoff=8.0), 1e-3
    structure = structure_from_atoms(STRUCTURES[name]())
    found = model.predict(structure).virial
    strain = np.array([[1.0, 0.3, -0.2], [0.3, 0.6, 0.5], [-0.2, 0.5, 0.8]])

    def energy(step):
        matrix = np.eye(3) + step * strain
        return model.predict(
            replace(structure, positions=structure.positions @ matrix, cell=structure.cell @ matrix)
        ).energy

    expected = -(8 * (energy(h) - energy(-h)) - energy(2 * h) + energy(-2 * h)) / (12 * h)
    assert abs(expected) > 0.05
    # the package's own energies and gradients agree so far, at any step: 2e-6 (Cu), 7e-5 (water)
    assert (found * strain).sum() == pytest.approx(expected, rel=2e-4)


def test_forces_equal_minus_energy_difference():
    model, h = D3("pbe", three_body=True, pair_cutoff=8.0), 1e-3
    structure = structure_from_atoms(sheared_water())
    direction = np.random.default_rng(0).normal(size=(structure.n_atoms, 3))

    def energy(step):
        return model.predict(
            replace(structure, positions=structure.positions + step * direction), forces=False
        ).energy

    expected = -(energy(h) - energy(-h)) / (2 * h)
    forces = model.predict(structure).forces
    # forces along the direction cancel; the package's energies and gradients agree to 2e-6 eV/A
    assert np.abs(forces).max() > 3e-3
    assert (forces * direction).sum() == pytest.approx(expected, abs=1e-5)


def test_three_body_term_is_small_and_not_nothing():
    structure = structure_from_atoms(molecule("CH3CH2OH"))
    pairs, triples = (D3("pbe", three_body=t).predict(structure).energy for t in (False, True))
    assert 1e-4 < abs(triples / pairs - 1.0) < 0.3


def test_threads_and_batches_change_nothing():
    structures = [structure_from_atoms(make()) for make in STRUCTURES.values()]
    model = D3("pbe", pair_cutoff=12.0)
    one = [model.predict(s) for s in structures]
    for _ in range(3):
        many = model.predict_many(structures, threads=4)
        for a, b in zip(one, many, strict=True):
            assert a.energy == b.energy
            assert np.array_equal(a.forces, b.forces)
            assert np.array_equal(a.virial, b.virial)


def test_far_atoms_attract_with_the_c6_of_d3():
    """Two neon atoms at 12 A: C6 of D3 is 7.7 Hartree Bohr^6 (dispersion of free atoms)."""
    far = Structure(np.array([10, 10]), [[0, 0, 0], [0, 0, 12.0]], np.zeros((3, 3)), (False,) * 3)
    own = Dispersion.of_free_atoms(["Ne"], damping=None).predict(far).energy
    assert D3("pbe").predict(far).energy == pytest.approx(own, rel=0.4)


def test_saved_d3_predicts_the_same_bits(tmp_path):
    model = D3("rpbe", "zero", three_body=True, pair_cutoff=10.0)
    linpot.save(model, tmp_path / "d3.linpot")
    loaded = linpot.load(tmp_path / "d3.linpot")
    assert loaded == model
    structure = structure_from_atoms(sheared_water())
    assert np.array_equal(loaded.predict(structure).forces, model.predict(structure).forces)
    assert (
        model.predict(structure).energy
        != replace(model, pair_cutoff=None).predict(structure).energy
    )


def test_what_d3_does_not_have_is_refused():
    with pytest.raises(InputError, match=r"`functional` must be one that D3 has .* got 'bpe'"):
        D3("bpe")
    with pytest.raises(InputError, match="`damping` must be one of bj, mbj, mzero, op, zero"):
        D3("pbe", "tang")
    with pytest.raises(InputError, match="`three_body` must be true or false, got 1"):
        D3("pbe", three_body=1)
    with pytest.raises(InputError, match=r"element 'Fm' .* is not in this potential"):
        D3("pbe").predict(structure_from_atoms(Atoms("Fm")))


def test_missing_package_is_named(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "dftd3" else find(name)
    )
    model = D3("pbe")  # a file may be looked at without the package
    with pytest.raises(InputError, match=r"pip install 'linpot\[dispersion\]'"):
        model.predict(structure_from_atoms(molecule("H2O")))
