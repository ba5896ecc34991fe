"""Radial functions that are learnt: derivatives, freedom that is none, and what learning brings."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import linpot
from linpot.basis.families import build_basis
from linpot.basis.mtp import Mtp
from linpot.basis.radial import RadialParameters
from linpot.model.feature_engine import FeatureEngine
from linpot.model.linear_potential import LinearPotential
from linpot.model.packing import pack
from linpot.model.sum import learned_part
from linpot.structures.dataset import Dataset
from linpot.workflow.calibration import prepare_folds
from linpot.workflow.error_bars import run_fit_with_error_bars
from linpot.workflow.fit import Silent, prepare_fit, run_fit
from linpot.workflow.plan import plan_fit
from linpot.workflow.radial_learning import _Learning, orthonormal
from linpot.workflow.settings import FitSettings
from tests.laws.cases import structure_for


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Copper and gold at random strains, labelled by effective medium theory."""
    rng = np.random.default_rng(0)
    images = []
    for k in range(12):
        atoms = bulk("Cu", cubic=True, a=3.6 + 0.05 * (k % 4)) * (2, 1, 1)
        atoms.symbols[rng.choice(8, size=3, replace=False)] = "Au"
        atoms.set_cell(atoms.cell.array + rng.normal(size=(3, 3)) * 0.1, scale_atoms=True)
        atoms.rattle(0.15, seed=k)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        images.append(atoms)
    return Dataset.from_atoms(images)


def settings_of(**choices) -> FitSettings:
    family = Mtp(level=8, n_radial=5, **choices)
    return FitSettings(family=family, cutoff=4.5, baseline="none", allow_holes=True)


@pytest.fixture(scope="module")
def learning(data) -> _Learning:
    settings = settings_of(learn=0)
    return _Learning(data, plan_fit(data, settings), settings)


def test_learning_lowers_the_errors_that_are_left(data):
    before = run_fit(data, settings=settings_of(learn=0))
    after = run_fit(data, settings=settings_of(learn=4))
    for name in ("energy", "forces"):
        assert after.train["all"][name]["rmse"] < 0.8 * before.train["all"][name]["rmse"]
    specifications = [learned_part(r.potential).basis.specification for r in (before, after)]
    assert specifications[0].mixing != specifications[1].mixing
    assert after.potential.n_functions == before.potential.n_functions


def test_rows_of_mixtures_are_derivatives_of_predictions(learning):
    """A step in all mixtures changes predictions as the rows say, to first order."""
    directions = learning._directions()
    tangent = learning._tangent_rows(directions)
    coefficients = learning._coefficients
    tables = np.array(list(learning.specification.mixing.values()))
    along = np.random.default_rng(1).normal(size=len(directions))
    direction = np.tensordot(along, directions, axes=1)
    change = []
    step = 1e-4
    for sign in (1.0, -1.0):
        rows = learning._linear_rows(learning._with(tables + sign * step * direction))
        change.append(rows[:, :-1] @ coefficients)
    found = (change[0] - change[1]) / (2 * step)
    expected = tangent @ along
    # differences of 1e-6 err by 1e-6 of the second derivative, which is about the first
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert np.abs(expected).max() > 1e-2


def test_directions_are_those_that_change_the_potential(learning):
    """Orthogonal to each other, and each radial function's to itself and those of lower mu."""
    directions, tables = learning._directions(), learning._tables
    _, n_mu, n_base = tables.shape
    n = 2 * n_base
    assert len(directions) == 2 * sum(n - mu - 1 for mu in range(n_mu))
    flat = directions.reshape(len(directions), -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(len(flat)), atol=1e-12)
    for z in range(2):
        own = slice(2 * z, 2 * z + 2)
        for mu in range(n_mu):
            for lower in range(mu + 1):
                overlap = np.einsum("dpk,pk->d", directions[:, own, mu], tables[own, lower])
                assert np.abs(overlap).max() < 1e-12


def test_what_is_left_out_of_the_directions_changes_no_prediction(learning):
    """Rows of a lower radial function added to a higher one: the coefficients make up for it."""
    features = learning._rows[:, :-1]
    lower = np.zeros((1, *learning._tables.shape))
    lower[0, :2, 1] = learning._tables[:2, 0]
    tangent = learning._tangent_rows(lower)[:, 0]
    left = tangent - features @ np.linalg.lstsq(features, tangent)[0]
    assert np.linalg.norm(tangent) > 1e-3
    # differences of 1e-6 leave that much
    assert np.linalg.norm(left) < 1e-4 * np.linalg.norm(tangent)


def test_orthonormal_mixtures_span_the_same_potentials(learning):
    """Lower mu added to higher ones change the functions, but not what they can do."""
    elements = ("Si", "Ge")
    rng = np.random.default_rng(2)
    mixing = {f"{a}-{b}": rng.normal(size=(2, 4)) for a in elements for b in elements}
    radial = {
        pair: RadialParameters(4.0, 2.0) for pair in (("Si", "Si"), ("Si", "Ge"), ("Ge", "Ge"))
    }
    specification = Mtp(level=8, n_radial=4, mixing=mixing).specify(elements, radial)
    tables = np.array(list(specification.mixing.values()))
    other = specification.with_mixing(
        dict(zip(specification.mixing, orthonormal(tables, 2), strict=True))
    )
    rows = []
    for own in (specification, other):
        basis = build_basis(own)
        potential = LinearPotential(basis, np.zeros(basis.n_features), {"Si": 0.0, "Ge": 0.0})
        structure = structure_for("triclinic", potential)
        engine = FeatureEngine(basis)
        rows.append(engine.design_rows(pack([structure], basis.elements, engine.cutoffs))[0])
    for a, b in (rows, rows[::-1]):
        scales = np.linalg.norm(a, axis=0)
        coefficients = np.linalg.lstsq(a / scales, b)[0]
        # rows of few atoms: the functions are nearly dependent, and rounding grows
        np.testing.assert_allclose(a / scales @ coefficients, b, atol=1e-7 * np.abs(b).max())


def test_learnt_potential_is_saved_with_its_radial_functions(data, tmp_path):
    potential = run_fit(data, settings=settings_of(learn=1)).potential
    linpot.save(potential, tmp_path / "m.linpot")
    again = linpot.load(tmp_path / "m.linpot")
    assert again.predict(data[0]).energy == potential.predict(data[0]).energy
    old, new = (learned_part(p).basis.specification for p in (potential, again))
    assert old == new
    rebuilt = build_basis(new)
    np.testing.assert_array_equal(rebuilt.radial_table, learned_part(again).basis.radial_table)


def test_error_bars_and_folds_learn_the_same_radial_functions(data):
    settings = settings_of(learn=2)
    plain = learned_part(run_fit(data, settings=settings).potential)
    for found in (
        run_fit_with_error_bars(data, settings=settings, folds=3, level=0.5).potential,
        prepare_fit(data, settings=settings).solve().potential,
        linpot.fit_with_error_bars(data, settings=settings, folds=3, level=0.5),
    ):
        learned = learned_part(found)
        assert learned.basis.specification == plain.basis.specification
        np.testing.assert_allclose(learned.coefficients, plain.coefficients, rtol=1e-6, atol=1e-9)
    session = prepare_folds(data, settings, 3, Silent()).session
    assert session.basis.specification == plain.basis.specification
