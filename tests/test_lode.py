"""Potentials of species densities as features."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from test_local_charges import basis, structure_of

import linpot
from linpot.charges.atom_function import AtomFunction
from linpot.charges.lode import LodeTrainee


@cache
def model() -> linpot.LodePotential:
    rng = np.random.default_rng(2)
    coefficients = 0.05 * rng.normal(size=(2, basis().n_features))
    function = AtomFunction(basis(), coefficients, 0.3 * rng.normal(size=(2, 2)))
    return linpot.LodePotential(function, {"H": 0.3, "O": 0.6}, 1e-10)


def test_jacobian_gives_energy_and_forces():
    """The model is linear in its parameters."""
    structure = structure_of("crystal")
    found = LodeTrainee(model()).linearise(0, structure)
    prediction = model().predict(structure)
    np.testing.assert_allclose(found.values[0], prediction.energy, rtol=1e-9)
    # 1e-8: fields of unit charges, summed, against those of all charges, on a lattice
    np.testing.assert_allclose(found.values[1:], prediction.forces.ravel(), atol=1e-8)


def test_saved_potential_predicts_the_same_bits(tmp_path):
    linpot.save(model(), tmp_path / "lode.linpot")
    structure = structure_of("molecule")
    loaded = linpot.load(tmp_path / "lode.linpot").predict(structure)
    assert loaded.energy == model().predict(structure).energy


def test_outputs_that_are_not_species_are_refused():
    with pytest.raises(linpot.InputError, match=r"one output per species, 2, got 1"):
        replace(model(), function=AtomFunction.zero(basis()))
