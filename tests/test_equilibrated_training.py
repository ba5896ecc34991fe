"""Training of equilibrated charges: derivatives by parameters, and known models found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from equilibrated_models import MODELS, basis_of, qeq, self_consistent, structure
from numpy.testing import assert_allclose

from linpot.charges.atom_function import AtomFunction
from linpot.charges.equilibrated_fit import fit_equilibrated
from linpot.charges.equilibrated_parameters import GROUPS, EquilibratedParameters
from linpot.charges.equilibrated_trainee import EquilibratedTrainee
from linpot.charges.joint_training import train_jointly
from linpot.charges.training import Training
from linpot.errors import InputError
from linpot.fitting.weights import Weights
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Labels

KINDS = ["molecule", "cell"]


def labelled(model, n: int, *, energies: bool = False) -> Dataset:
    """Molecules and cells, some of them charged, with what a model says of them as labels."""
    structures = []
    for seed in range(n):
        atoms = structure("cell" if seed % 4 == 3 else "molecule", 9, seed, float(seed % 3 == 1))
        found = model.predict(atoms)
        labels = Labels(charges=found.extras["charges"])
        if energies:
            labels = replace(labels, energy=found.energy, forces=found.forces)
        structures.append(replace(atoms, labels=labels, name=f"structure {seed}"))
    return Dataset(structures)


def largest_error(model, data: Dataset) -> float:
    return max(abs(model.charges_of(s) - s.labels.charges).max() for s in data)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_by_parameters_equal_differences(kind, group):
    model = self_consistent(tolerance=1e-12)
    atoms = structure(kind, 6, charge=1.0)
    trainee = EquilibratedTrainee.of(model, (group,))
    start, step = trainee.parameters, 1e-5
    direction = np.random.default_rng(0).normal(size=len(start))
    ends = []
    for sign in (1.0, -1.0):
        end = trainee.with_parameters(start + sign * step * direction).model.predict(atoms)
        values = np.append(end.energy, end.forces.ravel())
        ends.append((values, end.extras["charges"]))
    found = trainee.linearise(0, atoms)
    for derivative, which in ((found.jacobian, 0), (found.d_charges, 1)):
        expected = (ends[0][which] - ends[1][which]) / (2.0 * step)
        scale = abs(expected).max()
        assert scale > 1e-5
        # step^2 of third derivatives, and rounding over the step
        assert_allclose(derivative @ direction, expected, atol=max(2e-6 * scale, 1e-9))


@pytest.mark.parametrize("name", MODELS)
def test_linearisation_predicts_what_the_model_says(name):
    model, atoms = MODELS[name](), structure("cell", charge=1.0)
    trainee = EquilibratedTrainee.of(model, GROUPS)
    found, expected = trainee.linearise(0, atoms), model.predict(atoms)
    assert_allclose(found.values[0], expected.energy, atol=1e-9)
    assert_allclose(found.values[1:], expected.forces.ravel(), atol=1e-9)
    charges, d_charges = trainee.linearise_charges(0, atoms)
    assert_allclose(charges, found.charges, atol=1e-12)
    assert_allclose(d_charges, found.d_charges, atol=1e-10)


def test_parameters_make_the_round_trip():
    model = self_consistent()
    layout = EquilibratedParameters(self_consistent(seed=3), GROUPS)
    again = layout.model(layout.of(model))
    atoms = structure("molecule")
    assert_allclose(again.predict(atoms).energy, model.predict(atoms).energy, atol=1e-10)


def test_charges_of_a_known_model_are_found_by_one_linear_solve():
    """Hardness and widths given: chi follows from charges, up to what charges do not see."""
    known = qeq()
    data, fresh = labelled(known, 24), labelled(known, 40)[30:]
    empty = replace(known, function=AtomFunction.zero(basis_of()))
    found = fit_equilibrated(empty, data, penalty=1e-10)
    assert largest_error(empty, fresh) > 0.05
    assert largest_error(found, fresh) < 1e-6


def test_hardness_of_a_known_model_is_found_by_gauss_newton():
    known = qeq()
    data, fresh = labelled(known, 24), labelled(known, 40)[30:]
    start = replace(known, function=AtomFunction.zero(basis_of()), hardness={"H": 8.0, "O": 8.0})
    free = ("electronegativity", "hardness")
    found = fit_equilibrated(start, data, free=free, penalty=1e-10, tolerance=1e-12)
    assert largest_error(found, fresh) < 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_forces_of_a_known_model_are_found_by_joint_training(name):
    """All terms, from charges, energies and forces, beside a learned part that is not needed."""
    known = MODELS[name]()
    data, fresh = labelled(known, 24, energies=True), labelled(known, 40, energies=True)[30:]
    near = replace(known, hardness={"H": 6.5, "O": 4.7})
    free = ("electronegativity", "hardness")
    if name == "self_consistent":
        near = replace(
            near,
            cubic={"H": 0.3, "O": 0.0},
            quartic={"H": 1.3, "O": 1.6},
            coupling=0.8 * known.coupling,
        )
        free = (*free, "environment_hardness", "coupling", "cubic", "quartic")
    training = Training(data, basis_of(6), e0={"H": 0.0, "O": 0.0}, weights=Weights(charges=100.0))
    found = train_jointly(
        EquilibratedTrainee.of(near, free), training, with_charges=True, most_steps=15,
        tolerance=0.0,
    )  # fmt: skip
    model = found.trainee.model
    assert largest_error(near, fresh) > 1e-3
    assert largest_error(model, fresh) < 1e-6
    for one in fresh:
        assert_allclose(model.predict(one).forces, one.labels.forces, atol=1e-5)


def test_steps_do_not_lead_to_charges_without_a_minimum():
    """From a model that is nearly flat, training keeps the energy convex."""
    known = qeq()
    data = labelled(known, 8)
    start = replace(known, hardness={"H": 0.4, "O": 0.4})
    found = fit_equilibrated(start, data, free=("electronegativity", "hardness"), most_steps=4)
    assert largest_error(found, data) < largest_error(start, data)


def test_data_without_charges_are_refused():
    bare = Dataset([structure("molecule")])
    with pytest.raises(InputError, match="no structure has reference charges"):
        fit_equilibrated(qeq(), bare)
