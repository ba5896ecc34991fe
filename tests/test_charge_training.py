"""Known models are recovered: from charges, from dipoles, from energies and forces."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import test_lode
from charged_structures import scattered
from test_local_charges import basis, model, structure_of

import linpot
from linpot.charges.atom_function import AtomFunction
from linpot.charges.catalogue import parse_charges
from linpot.charges.charge_fit import fit_charges
from linpot.charges.joint_training import train_jointly
from linpot.charges.latent import SpeciesProducts
from linpot.charges.local_charges import LocalCharges
from linpot.charges.local_trainee import LocalTrainee
from linpot.charges.lode import LodeTrainee
from linpot.charges.training import Training
from linpot.model.packing import pack
from linpot.structures.structure import Labels, Structure

E0 = {"H": 0.0, "O": 0.0}


def empty(accuracy: float = 1e-8) -> LocalCharges:
    known = model()
    return LocalCharges(AtomFunction.zero(basis()), known.shares, known.widths, accuracy)


def molecules(n: int, seed: int) -> list[Structure]:
    numbers = np.array([8, 1, 1, 8, 1, 1])
    cell = np.diag([4.5, 5.0, 4.5])
    return [
        Structure(numbers, scattered(6, cell, seed + k, 1.2), np.zeros((3, 3)), (False,) * 3,
                  total_charge=float(k % 3 - 1), name=f"structure {k}")
        for k in range(n)
    ]  # fmt: skip


@cache
def short() -> linpot.LinearPotential:
    rng = np.random.default_rng(7)
    return linpot.LinearPotential(basis(), 0.1 * rng.normal(size=basis().n_features), E0)


def labelled(structures, total, *properties: str) -> linpot.Dataset:
    """Structures with what a model says of them."""
    data = []
    for structure in structures:
        found = total.predict(structure)
        labels = {
            "energy": found.energy,
            "forces": found.forces,
            "charges": found.extras.get("charges"),
            "dipole": found.extras.get("dipole"),
        }
        kept = {name: labels[name] for name in properties}
        data.append(replace(structure, labels=Labels(**kept)))
    return linpot.Dataset(data)


def largest_error(found: LocalCharges, structures) -> float:
    return max(float(np.abs(found.charges_of(s) - model().charges_of(s)).max()) for s in structures)


@pytest.mark.parametrize("properties", [("charges",), ("dipole",), ("charges", "dipole")])
def test_charges_of_a_known_model_are_recovered_by_one_solve(properties):
    """Predictions, not coefficients: charges to 1e-6 e. 40 molecules leave nothing open."""
    train, test = molecules(40, 0), molecules(5, 1000)
    data = labelled(train, model(), *properties)
    # the penalty leaves a trace of 1e-12 over the squares of features
    found = fit_charges(empty(), data, penalty=1e-12, fit_shares=False)
    assert largest_error(found, test) < 1e-6
    for one in test:
        assert np.abs(found.predict(one).forces - model().predict(one).forces).max() < 1e-5


def test_shares_follow_the_residuals_of_species():
    """A noisy species takes more of the correction: in proportion to its variance."""
    rng = np.random.default_rng(0)
    noise = {1: 0.01, 8: 0.1}
    data = []
    for structure in molecules(60, 0):
        batch = pack([structure], model().elements, model().function.cutoffs)
        charges = model().function.values(batch)[:, 0]
        charges += np.array([noise[z] for z in structure.numbers]) * rng.normal(size=6)
        data.append(structure.with_labels(Labels(charges=charges)))
    shares = fit_charges(empty(), linpot.Dataset(data)).shares
    # variances 1e-2 and 1e-4, of 120 and 240 numbers of which the fit takes up to 9
    assert 1 / 180 < shares["H"] / shares["O"] < 1 / 60


@pytest.mark.parametrize("kind", ["charged molecule", "charged crystal"])
def test_jacobian_equals_difference_by_parameters(kind):
    structure = structure_of(kind)
    trainee = LocalTrainee(model())
    found = trainee.linearise(0, structure)
    prediction = model().predict(structure)
    np.testing.assert_allclose(found.values[0], prediction.energy, rtol=1e-10)
    # 1e-8: fields of unit charges, summed, against those of all charges, on a lattice
    np.testing.assert_allclose(found.values[1:], prediction.forces.ravel(), atol=1e-8)
    np.testing.assert_allclose(found.charges, prediction.extras["charges"], atol=1e-12)
    rng = np.random.default_rng(0)
    direction = rng.normal(size=len(trainee.parameters))
    step = 1e-3
    ahead, behind = (
        trainee.with_parameters(trainee.parameters + sign * step * direction).linearise(
            0, structure
        )
        for sign in (1.0, -1.0)
    )
    # energies are quadratic in the parameters: central differences are exact up to rounding
    slopes = (ahead.values - behind.values) / (2.0 * step)
    assert np.abs(slopes).max() > 1.0
    np.testing.assert_allclose(found.jacobian @ direction, slopes, rtol=1e-8, atol=1e-8)
    moved = (ahead.charges - behind.charges) / (2.0 * step)
    np.testing.assert_allclose(found.d_charges @ direction, moved, atol=1e-10)


def test_latent_charges_of_a_known_model_are_recovered_from_energies_and_forces():
    """Up to a common sign, which charged molecules fix. No reference charges are given."""
    total = short() + model()
    data = labelled(molecules(40, 0), total, "energy", "forces")
    test = molecules(5, 1000)
    training = Training(data, basis(), e0=E0)
    interactions = {}
    products = train_jointly(SpeciesProducts.zero(empty(), interactions), training, most_steps=2)
    start = np.append(np.zeros(basis().n_features), products.trainee.leading_charges())
    trainee = LocalTrainee(empty(), interactions).with_parameters(start)
    found = train_jointly(trainee, training)
    assert all(b < a for a, b in zip(found.objectives, found.objectives[1:], strict=False))
    assert largest_error(found.trainee.model, test) < 1e-6
    assert largest_force_error(found.trainee, data, total, test) < 1e-5


def test_potentials_of_species_of_a_known_model_are_recovered_by_one_solve():
    """LODE is linear: forces of the whole, since the learned part can do some of the same."""
    known = test_lode.model()
    total = short() + known
    data, test = labelled(molecules(40, 0), total, "energy", "forces"), molecules(5, 1000)
    trainee = LodeTrainee(replace(known, function=AtomFunction.zero(basis(), 2)))
    assert largest_force_error(trainee, data, total, test) < 1e-5


def largest_force_error(trainee, data, total, test) -> float:
    """
    Error against a known whole, eV/A: the charges and a learned part fitted beside them.

    Models that are linear in their parameters are fitted too; the charges of others stay.
    """
    rest = linpot.LinearPotential(basis(), np.zeros(basis().n_features), E0)
    rows, left = [], []
    for place, one in enumerate(data):
        design = np.delete(rest.design(one), slice(1, 7), axis=0)
        found = trainee.linearise(place, one)
        moving = found.jacobian if isinstance(trainee, LodeTrainee) else found.jacobian[:, :0]
        rows.append(np.hstack([design, moving]))
        left.append(np.append(one.labels.energy, one.labels.forces) - found.values)
    found = np.linalg.lstsq(np.vstack(rows), np.hstack(left), rcond=None)[0]
    coefficients, parameters = np.split(found, [basis().n_features])
    if len(parameters):
        trainee = trainee.with_parameters(trainee.parameters + parameters)
    whole = rest.with_coefficients(coefficients) + trainee.model
    return max(
        float(np.abs(whole.predict(one).forces - total.predict(one).forces).max()) for one in test
    )


def test_products_of_species_are_linear_and_have_the_energy_of_their_charges():
    """``A_st = a_s a_t`` gives the energy and forces of charges a."""
    structure = structure_of("molecule")
    a = np.array([0.4, -0.7])
    constants = LocalCharges(
        AtomFunction.zero(basis()).with_parameters(
            np.append(np.zeros(basis().n_features), a)[None]
        ),
        empty().shares,
        empty().widths,
    )
    products = SpeciesProducts.zero(empty(), {})
    full = np.append(a, 1.0)
    upper = np.outer(full, full)[np.triu_indices(3)]
    found = products.with_parameters(upper).linearise(0, structure)
    expected = constants.predict(structure)
    assert found.values[0] == pytest.approx(expected.energy, rel=1e-12)
    np.testing.assert_allclose(found.values[1:], expected.forces.ravel(), atol=1e-11)
    np.testing.assert_allclose(products.with_parameters(upper).leading_charges(), a, atol=1e-12)


def test_a_fit_finds_charges_first_and_the_rest_on_top(tmp_path):
    total = short() + model()
    data = labelled(molecules(20, 0), total, "energy", "forces", "charges", "dipole")
    fitted = linpot.fit(
        data,
        n_functions=8,
        body_order=3,
        cutoff=3.5,
        e0=E0,
        baseline="none",
        charges={"local": {"n_functions": 8, "body_order": 3}},
    )
    assert fitted.has_charges
    errors = linpot.evaluate(fitted, data)["all"]
    assert set(errors) == {"energy", "forces", "charges", "dipole"}
    # other radial functions than those of the model: close, not exact
    assert errors["charges"]["rmse"] < 0.1 * np.std([s.labels.charges for s in data])
    linpot.save(fitted, tmp_path / "a.linpot")
    again = linpot.load(tmp_path / "a.linpot")
    assert again.predict(data[0]).energy == fitted.predict(data[0]).energy
    parts = fitted.predict_parts(data[0])
    assert set(parts) == {"short", "coulomb"}


def test_data_without_charges_are_refused_with_the_remedy():
    data = labelled(molecules(3, 0), model(), "energy")
    with pytest.raises(linpot.InputError, match=r"no structure has reference charges or a dipole"):
        fit_charges(empty(), data)
    zero = linpot.Dataset([s.with_labels(Labels(charges=np.zeros(6))) for s in data])
    with pytest.raises(linpot.InputError, match=r"all reference charges and dipoles are zero"):
        fit_charges(empty(), zero)


def test_rungs_are_written_as_text_tables_or_objects():
    rung = linpot.LocalRung(n_functions=30, width=0.7, joint=True)
    assert parse_charges("local:n_functions=30, width=0.7,joint=true") == rung
    assert parse_charges({"local": {"n_functions": 30, "width": 0.7, "joint": True}}) == rung
    assert parse_charges({"latent": True}) == linpot.LatentRung()
    assert parse_charges("none") is parse_charges(None) is None
    assert parse_charges(model()) is model()
    assert rung.as_dict()["rung"] == "local"


@pytest.mark.parametrize(
    ("charges", "message"),
    [
        ("fixed", r"`charges` must be one of .*local.*fixed charges are a baseline"),
        ("local:widht=1", r"`charges` 'local' has the settings n_functions, .*got 'widht'"),
        ("local:width", r"`charges` must be like 'local:n_functions=200,width=0.8'"),
        ("local:n_functions=many", r"`charges.n_functions` must be a number, got 'many'"),
        ("local:joint=3", r"`charges.joint` must be true or false, got '3'"),
        ("local:n_functions=0", r"`charges.n_functions` must be a whole number of at least 1"),
        (3.0, r"`charges` must be one of"),
    ],
)
def test_rungs_that_make_no_sense_are_refused(charges, message):
    with pytest.raises(linpot.InputError, match=message):
        parse_charges(charges)


def test_charges_beside_a_baseline_with_charges_are_refused():
    data = labelled(molecules(3, 0), short() + model(), "energy", "forces", "charges")
    with pytest.raises(linpot.InputError, match=r"would count them twice"):
        linpot.fit(
            data, n_functions=4, body_order=2, cutoff=3.5, charges="local",
            baseline=linpot.Coulomb({"H": 1.0, "O": -2.0}),
        )  # fmt: skip
