"""Born effective charges: derivatives of the dipole, and what holds in periodic cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import test_local_charges
from ase import Atoms
from charged_structures import slope
from equilibrated_models import MODELS, qeq, structure
from numpy.testing import assert_allclose

import linpot
from linpot.model.charge_response import _saw_tooth
from linpot.structures.neighbors import complete_cell
from linpot.structures.structure import Structure

LADDER = {
    "fixed": lambda: linpot.Coulomb({"H": 0.4, "O": -0.8}, allow_charged=True),
    "local": test_local_charges.model,
    **MODELS,
}


@pytest.fixture(params=LADDER)
def model(request):
    return LADDER[request.param]()


def charges_of(model, atoms) -> np.ndarray:
    return model.predict(atoms, forces=False).extras["charges"]


def shifted(atoms: Structure, atom: int, axis: int, step: float) -> Structure:
    positions = atoms.positions.copy()
    positions[atom, axis] += step
    return replace(atoms, positions=positions)


@pytest.mark.parametrize("charge", [0.0, 1.0])
def test_born_charges_of_a_molecule_are_slopes_of_its_dipole(model, charge):
    atoms = structure("molecule", 7, charge=charge)
    found = linpot.born_effective_charges(model, atoms)
    for i, b in ((0, 0), (1, 2), (5, 1)):
        for a in range(3):

            def dipole(step, i=i, b=b, a=a):
                return model.predict(shifted(atoms, i, b, step)).extras["dipole"][a]

            # fourth-order differences over 1e-4 A
            assert_allclose(found[i, a, b], slope(dipole), atol=1e-7)
    q = charges_of(model, atoms)
    assert_allclose(found.sum(axis=0), q.sum() * np.eye(3), atol=1e-9)
    transfer = np.abs(found - q[:, None, None] * np.eye(3)).max()
    assert transfer > 0.03 or isinstance(model, linpot.Coulomb)


@pytest.mark.parametrize(("kind", "charge"), [("cell", 0.0), ("cell", 1.0), ("slab", 0.0)])
def test_born_charges_of_a_cell_are_slopes_of_its_polarisation(model, kind, charge):
    """
    Charges that follow an atom are seen from that atom, by the smooth saw-tooth of the fractions;
    what the sum rule lacks is shared by all atoms.
    """
    atoms = structure(kind, 9, charge=charge)
    cell = complete_cell(atoms.cell, atoms.pbc)
    fractions = atoms.positions @ np.linalg.inv(cell)
    waves = _saw_tooth(6)

    def distance(differences, periodic):
        if not periodic:
            return differences
        sines = [np.sin(2.0 * np.pi * (m + 1) * differences) for m in range(len(waves))]
        return np.tensordot(waves, sines, axes=1)

    expected = np.zeros((9, 3, 3))
    for i in range(9):
        far = fractions - fractions[i]
        seen = np.stack([distance(far[:, c], atoms.pbc[c]) for c in range(3)], axis=1) @ cell
        for b in range(3):
            moved = {s: charges_of(model, shifted(atoms, i, b, s * 1e-3)) for s in (-1, 1)}
            expected[i, :, b] = (moved[1] - moved[-1]) / 2e-3 @ seen
    q = charges_of(model, atoms)
    expected += q[:, None, None] * np.eye(3)
    expected -= (expected.sum(axis=0) - q.sum() * np.eye(3)) / 9
    found = linpot.born_effective_charges(model, atoms)
    # central differences over 1e-3 A: 1e-6 of third derivatives of some e/A^3
    assert_allclose(found, expected, atol=2e-5)
    assert_allclose(found.sum(axis=0), q.sum() * np.eye(3), atol=1e-9)


def test_saw_tooth_is_the_fraction_near_zero():
    f = np.array([0.02, 0.1, 0.2, 0.25])
    s = sum(a * np.sin(2.0 * np.pi * (m + 1) * f) for m, a in enumerate(_saw_tooth(6)))
    assert_allclose(s[:2], f[:2], rtol=1e-6)
    assert_allclose(s, f, rtol=2e-2)


def test_wrapping_translation_and_rotation_change_nothing(model):
    atoms, rng = structure("cell", 9), np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    images = rng.integers(-2, 3, size=(9, 3)) @ atoms.cell
    other = replace(
        atoms,
        positions=(atoms.positions + images + [0.3, -1.1, 0.7]) @ turn,
        cell=atoms.cell @ turn,
    )
    a, b = (linpot.born_effective_charges(model, one) for one in (atoms, other))
    # lattice sums to 1e-10
    assert_allclose(b, turn.T @ a @ turn, atol=1e-7)


def test_molecule_in_a_large_cell_is_the_molecule(model):
    """Neutral, in 60 A: what is left are fields of images, 14.4/60^3 V/A^2 times e/V."""
    atoms = structure("molecule", 6)
    if isinstance(model, linpot.Coulomb):
        atoms = replace(atoms, numbers=np.array([8, 1, 1, 8, 1, 1]))
    boxed = replace(atoms, cell=60.0 * np.eye(3), pbc=(True,) * 3)
    a, b = (linpot.born_effective_charges(model, one) for one in (atoms, boxed))
    assert_allclose(b, a, atol=2e-3)


def test_conjugate_gradients_give_the_same_born_charges():
    atoms = structure("cell", 12, charge=1.0)
    direct, iterative = (
        linpot.born_effective_charges(qeq(method=method), atoms)
        for method in ("direct", "iterative")
    )
    assert_allclose(iterative, direct, atol=1e-8)


def repulsion() -> linpot.ZBL:
    pairs = [("H", "H"), ("H", "O"), ("O", "O")]
    return linpot.ZBL(("H", "O"), dict.fromkeys(pairs, 1.0), dict.fromkeys(pairs, 2.0))


def test_calculator_gives_born_charges_when_they_are_asked_for():
    model = qeq() + repulsion()
    one = structure("molecule", 6)
    atoms = Atoms(one.numbers, one.positions)
    atoms.calc = linpot.LinpotCalculator(model)
    forces = atoms.get_forces()
    assert "born_effective_charges" not in atoms.calc.results
    found = atoms.calc.get_property("born_effective_charges", atoms)
    assert_allclose(found, linpot.born_effective_charges(model, atoms), atol=1e-9)
    assert found.shape == (6, 3, 3)
    assert (atoms.calc.results["forces"] == forces).all()
    assert (atoms.calc.results["born_effective_charges"] == found).all()
    atoms.rattle(0.01, seed=1)
    atoms.get_forces()
    assert "born_effective_charges" not in atoms.calc.results
    again = atoms.calc.get_property("born_effective_charges", atoms)
    assert np.abs(again - found).max() > 1e-5


def test_models_without_charges_have_no_born_charges():
    with pytest.raises(linpot.InputError, match="must have charges to have Born effective"):
        linpot.born_effective_charges(repulsion(), structure("molecule"))
