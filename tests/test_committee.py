"""Members of a committee in one pass say what they say alone."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

import linpot
from linpot.errors import InputError
from linpot.structures.structure import structure_from_atoms
from tests.laws.cases import linear, zbl

N_MEMBERS = 7


def alloy() -> linpot.Structure:
    """Binary, sheared and rattled; 19 atoms, so that blocks are not full."""
    atoms = bulk("Si", cubic=True) * (3, 1, 1)
    del atoms[:5]
    atoms.symbols[::3] = "Ge"
    atoms.set_cell(atoms.cell.array + 0.2 * np.eye(3, k=1), scale_atoms=True)
    atoms.rattle(0.1, seed=0)
    return structure_from_atoms(atoms)


@pytest.fixture(scope="module", params=["learned", "with baseline"])
def committee(request) -> linpot.Committee:
    learned = linear(2, 4)
    rng = np.random.default_rng(0)
    size = np.abs(learned.coefficients)
    coefficients = learned.coefficients + size * rng.normal(size=(N_MEMBERS, len(size)))
    potential = learned if request.param == "learned" else learned + zbl(2)
    return linpot.Committee(potential, coefficients)


def test_members_say_together_what_they_say_alone(committee):
    structure = alloy()
    together = committee.predict(structure)
    energies = committee.predict(structure, forces=False).energies
    for k in range(N_MEMBERS):
        alone = committee.member(k).predict(structure)
        # sums of about 1e3 terms in another order
        size = np.abs(alone.forces).max()
        assert together.energies[k] == pytest.approx(alone.energy, rel=1e-12)
        assert energies[k] == pytest.approx(alone.energy, rel=1e-11)
        assert np.allclose(together.forces[k], alone.forces, rtol=0, atol=1e-12 * size)
        virial = np.abs(alone.virial).max()
        assert np.allclose(together.virials[k], alone.virial, rtol=0, atol=1e-12 * virial)
    assert np.ptp(energies) > 0.1  # eV: the members differ


def test_members_do_not_depend_on_threads(committee):
    structure = alloy()
    one, two = (committee.predict(structure, threads=n) for n in (1, 2))
    assert np.array_equal(one.energies, two.energies)
    assert np.array_equal(one.forces, two.forces)
    assert np.array_equal(one.virials, two.virials)


def test_energies_alone_come_without_forces(committee):
    found = committee.predict(alloy(), forces=False)
    assert found.forces is None
    assert found.virials is None


def test_coefficients_of_another_basis_are_refused(committee):
    with pytest.raises(InputError, match="`coefficients` must have shape"):
        linpot.Committee(committee.potential, committee.coefficients[:, 1:])
