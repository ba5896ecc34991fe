"""Functions chosen out of many: which, what is left of programs, and what it is good for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import linpot
from linpot.basis.reduction import reduce_basis
from linpot.errors import InputError
from linpot.fitting.elimination import eliminate
from linpot.fitting.factors import triangular
from linpot.fitting.ridge import Ridge
from linpot.model.feature_engine import FeatureEngine
from linpot.workflow.choice import choose_functions
from linpot.workflow.misfit import Part, widen_by_misfit
from linpot.workflow.plan import plan_fit
from linpot.workflow.posterior import solve_with_posterior

MANY = linpot.FitSettings(
    n_functions=40, choose_from=120, body_order=4, dense_restraint=0.0, allow_holes=True
)


@pytest.fixture(scope="module")
def data() -> linpot.Dataset:
    return linpot.read_dataset(linpot.shipped_silicon()[0])


@pytest.fixture(scope="module")
def result(data) -> linpot.FitResult:
    return linpot.run_fit(data, settings=MANY)


def problem(n: int = 12, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(80, n)) @ rng.normal(size=(n, n))
    return X, X @ rng.normal(size=n) + 0.1 * rng.normal(size=80)


def test_the_column_that_goes_first_is_the_one_that_ridge_misses_least():
    X, y = problem()
    penalty = 0.3

    def objective(columns):
        c = Ridge(penalty).fit(X[:, columns], y).coef_
        return ((X[:, columns] @ c - y) ** 2).sum() + penalty * (c**2).sum()

    left = list(range(12))
    for size in range(11, 3, -1):
        found = eliminate(triangular(np.column_stack([X, y])), 80, [0] * 12, [size], penalty)
        least = min(left, key=lambda i: objective([k for k in left if k != i]))
        left.remove(least)  # batches of so few are of one
        assert found.tolist() == left


def test_every_kind_keeps_its_number_of_columns():
    X, y = problem()
    kinds = np.array([0, 1, 2] * 4)
    found = eliminate(triangular(np.column_stack([X, y])), 80, kinds, [1, 9, 3])
    assert np.bincount(kinds[found]).tolist() == [1, 4, 3]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_kept_functions_have_the_same_values_and_derivatives(data, share):
    basis = plan_fit(data, MANY).basis
    rng = np.random.default_rng(7)
    columns = np.flatnonzero(rng.random(basis.n_features) < share)
    columns = columns if len(columns) else np.array([11])
    small = reduce_basis(basis, columns)
    small.programs[0].validate()
    assert small.n_features == len(columns)
    whole, part = (
        linpot.LinearPotential(b, np.zeros(b.n_features), {"Si": 0.0}) for b in (basis, small)
    )
    for structure in data[::20]:
        expected = whole.design(structure)[:, columns]
        # products are grouped alike; the padding of densities may be summed in another order
        assert np.abs(part.design(structure) - expected).max() <= 1e-12 * np.abs(expected).max()
    if share <= 0.1:
        program = small.programs[0]
        assert program.n_leaves < basis.programs[0].n_leaves
        assert program.n_densities < basis.programs[0].n_densities
        assert program.n_nodes < basis.programs[0].n_nodes


def test_shared_programs_stay_shared_where_the_choice_is_the_same():
    radial = {p: linpot.RadialParameters(4.0) for p in [("H", "H"), ("H", "C"), ("C", "C")]}
    basis = linpot.build_basis(linpot.BasisSpecification(("H", "C"), radial, n_functions=30))
    n = basis.programs[0].n_features
    same = reduce_basis(basis, np.array([0, 5, 9, n, n + 5, n + 9]))
    assert same.programs[0] is same.programs[1]
    other = reduce_basis(basis, np.array([0, 5, 9, n, n + 5]))
    assert other.programs[0] is not other.programs[1]
    assert list(other.n_functions.values()) == [3, 2]


def test_fit_has_as_many_functions_as_asked_for(result):
    learned = linpot.learned_part(result.potential)
    assert learned.n_functions == {"Si": 40}
    assert learned.provenance["settings"]["choose_from"] == 120


def test_chosen_functions_fit_better_than_the_first_ones(data, result):
    first = linpot.run_fit(data, settings=replace(MANY, choose_from=None))
    found, usual = result.train["all"]["forces"], first.train["all"]["forces"]
    assert found["rmse"] < 0.95 * usual["rmse"]


def test_chosen_potential_predicts_the_same_bits_from_its_file(result, data, tmp_path):
    linpot.save(result.potential, tmp_path / "si.linpot")
    again = linpot.load(tmp_path / "si.linpot")
    for structure in data[::25]:
        one, other = result.potential.predict(structure), again.predict(structure)
        assert one.energy == other.energy
        assert (one.forces == other.forces).all()


def test_chosen_potential_survives_a_file_of_lammps(result, data, tmp_path):
    learned = linpot.learned_part(result.potential)
    linpot.write_lammps(learned, tmp_path / "si.yace")
    again = linpot.read_lammps(tmp_path / "si.yace")
    for structure in data[::25]:
        one, other = learned.predict(structure), again.predict(structure)
        # as exact as radial functions are translated
        assert other.energy == pytest.approx(one.energy, rel=1e-9)
        assert np.abs(other.forces - one.forces).max() < 1e-7


def test_factors_of_chosen_functions_are_those_of_their_rows(data):
    """The rows of a basis that had these functions from the start."""
    session = linpot.prepare_fit(data, settings=MANY)
    small = choose_functions(session, 40)
    engine = FeatureEngine(small.basis)
    assert engine.basis.n_features == 40
    squares = dict.fromkeys(small.factors, 0.0)
    vector = np.random.default_rng(0).normal(size=small.factors.n_columns)
    for key, rows in small._rows_of(data):
        squares[key] += float(((rows @ vector) ** 2).sum())
    for key, factor in small.factors.items():
        if key[0] is not None:  # restraints are no data
            found = float(((factor.rows() @ vector) ** 2).sum())
            assert found == pytest.approx(squares[key], rel=1e-9)
            assert factor.n_rows == session.factors[key].n_rows


def test_misfit_of_chosen_functions_is_that_of_their_rows(data):
    """Columns out of the rows of all functions, or rows built for the chosen ones."""
    session = linpot.prepare_fit(data, settings=MANY)
    small = choose_functions(session, 40)
    some = np.arange(len(data)) % 3 > 0
    part = Part(small, solve_with_posterior(small), some)
    one, other = (widen_by_misfit(s, data, [part])[0].posterior for s in (session, small))
    rows = np.random.default_rng(0).normal(size=(50, 40))
    assert one.std(rows) == pytest.approx(other.std(rows), rel=1e-9)  # equal rows, other sums
    assert (one.std(rows) > 1.01 * part.fit.posterior.std(rows)).all()


def test_left_out_fold_has_no_say_in_the_choice(data):
    """Labels of the fold may be anything: the potential without it stays the same."""
    from linpot.workflow.choice import left_out
    from linpot.workflow.fit import Silent, gather_rows

    def solved(dataset):
        # restraints take level and noise from all data, as baseline and basis do
        settings = replace(MANY, e0={"Si": -5.0}, restraint=0.0, dense_restraint=0.0)
        plan = plan_fit(dataset, settings)
        folds = [k % 3 for k in range(len(dataset))]
        session = gather_rows(dataset, plan, settings, Silent(), folds)
        part, which = left_out(session, 1)
        return part.solve(without_fold=which).coefficients

    def shaken(structure):
        if int(structure.name.split()[1]) % 3 != 1:
            return structure
        energy = 1.1 * structure.labels.energy
        return structure.with_labels(replace(structure.labels, energy=energy))

    assert (solved(data) == solved(data.changed(shaken))).all()


def test_cross_validation_and_error_bars_work_on_chosen_functions(data):
    some = data[::2]
    errors = linpot.cross_validate(some, settings=MANY, folds=3)
    assert errors["all"]["energy"]["n"] == len(some)
    potential = linpot.fit_with_error_bars(some, settings=MANY, folds=3)
    assert linpot.learned_part(potential).n_functions == {"Si": 40}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solver": "ard"}, "`choose_from` needs a ridge solver, got 'ard'"),
        ({"max_degree": 8.0}, "only one of `choose_from` and `max_degree`"),
    ],
)
def test_what_cannot_choose_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(MANY, **changes)


def test_fewer_to_choose_from_than_to_keep_are_refused(data):
    with pytest.raises(InputError, match=r"`n_functions` must be from 1 to the 2\d that Si has"):
        linpot.run_fit(data[:9], settings=linpot.FitSettings(n_functions=40, choose_from=24))
