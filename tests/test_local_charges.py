"""Charges of the environment: laws of the model, and its files."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import pytest
from charged_structures import TRICLINIC, scattered

import linpot
from linpot.charges.atom_function import AtomFunction
from linpot.charges.projection import project, pull_back_projection
from linpot.constants import COULOMB
from linpot.structures.structure import Structure

ELEMENTS = ("H", "O")


@cache
def basis(body_order: int = 3) -> linpot.Basis:
    radial = {
        pair: linpot.RadialParameters(3.5, 0.5, 0.4, 0.8)
        for pair in combinations_with_replacement(ELEMENTS, 2)
    }
    return linpot.build_basis(
        linpot.BasisSpecification(ELEMENTS, radial, body_order=body_order, n_functions=8)
    )


@cache
def model(accuracy: float = 1e-10) -> linpot.LocalCharges:
    """Charges of about 1 e that move by about 0.2 e."""
    rng = np.random.default_rng(1)
    coefficients = 0.05 * rng.normal(size=(1, basis().n_features))
    function = AtomFunction(basis(), coefficients, np.array([[0.5, -1.0]]))
    return linpot.LocalCharges(function, {"H": 1.0, "O": 2.5}, {"H": 0.3, "O": 0.6}, accuracy)


@cache
def structure_of(kind: str) -> Structure:
    """A molecule, a crystal, a slab: neutral or charged."""
    numbers = np.array([8, 1, 1, 8, 1, 1, 1])
    positions = scattered(7, TRICLINIC, 4)
    total = -1.0 if "charged" in kind else 0.0
    pbc = {"molecule": (False,) * 3, "crystal": (True,) * 3, "slab": (True, True, False)}
    cell = TRICLINIC.copy()
    if "slab" in kind:
        cell[2] = 0.0
    if "molecule" in kind:
        cell = np.zeros((3, 3))
    return Structure(numbers, positions, cell, pbc[kind.split()[-1]], total_charge=total)


KINDS = ("molecule", "charged molecule", "crystal", "charged crystal", "slab")


def energy(structure: Structure) -> float:
    return model().predict(structure, forces=False).energy


def test_energy_is_that_of_clouds_with_these_charges():
    """``1/2 sum q_i q_j erf(r / g) / r``, written down."""
    from scipy.special import erf

    structure = structure_of("molecule")
    found = model().predict(structure)
    q = found.extras["charges"]
    widths = np.where(structure.numbers == 1, 0.3, 0.6)
    expected = 0.0
    for i in range(structure.n_atoms):
        for j in range(i):
            r = np.linalg.norm(structure.positions[i] - structure.positions[j])
            g = np.sqrt(2.0 * (widths[i] ** 2 + widths[j] ** 2))
            expected += COULOMB * q[i] * q[j] * erf(r / g) / r
    assert found.energy == pytest.approx(expected, rel=1e-12)
    assert found.atomic_energies.sum() == pytest.approx(expected, rel=1e-12)


def test_many_structures_at_once_are_as_one_by_one():
    structures = [structure_of(kind) for kind in KINDS]
    together = model().predict_many(structures, threads=2)
    for structure, found in zip(structures, together, strict=True):
        alone = model().predict(structure)
        assert found.energy == pytest.approx(alone.energy, rel=1e-12)
        np.testing.assert_allclose(found.forces, alone.forces, atol=1e-10)
        np.testing.assert_allclose(found.virial, alone.virial, atol=1e-10)


def test_projection_gives_the_total_and_its_adjoint():
    rng = np.random.default_rng(0)
    p, shares, a = rng.normal(size=9), rng.uniform(size=9), rng.normal(size=9)
    shares /= shares.sum()
    q = project(p, shares, 2.0)
    assert abs(q.sum() - 2.0) < 1e-14
    np.testing.assert_allclose(q - p, shares * (2.0 - p.sum()), atol=1e-15)
    assert a @ project(p, shares, 0.0) == pytest.approx(pull_back_projection(a, shares) @ p)


def test_saved_charges_predict_the_same_bits(tmp_path):
    path = tmp_path / "charges.linpot"
    total = model() + linpot.Coulomb({"H": 0.1, "O": -0.1}, allow_charged=True)
    linpot.save(total, path)
    loaded = linpot.load(path)
    for kind in KINDS:
        structure = structure_of(kind)
        old = total.predict(structure)
        new = loaded.predict(structure)
        assert new.energy == old.energy
        np.testing.assert_array_equal(new.forces, old.forces)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": {"H": 1.0}}, r"`shares` must name 'O'"),
        ({"shares": {"H": 1.0, "O": 0.0}}, r"`shares\['O'\]` must be a positive number, got 0.0"),
        ({"widths": {"H": -1.0, "O": 0.0}}, r"`widths\['H'\]` must be a non-negative number"),
        ({"accuracy": 1.0}, r"`accuracy` must be from"),
    ],
)
def test_charges_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(linpot.InputError, match=message):
        replace(model(), **changes)
