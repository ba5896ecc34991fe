"""A session gives what a fresh fit gives, without touching atoms again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import linpot
from linpot.errors import InputError
from linpot.fitting.factors import FactorSet
from linpot.workflow.evaluate import residuals_of
from linpot.workflow.plan import plan_fit

# dense environments are drawn from the data: other data, other restraints
SETTINGS = linpot.FitSettings(n_functions=60, penalty=1e-3, dense_restraint=0.0, allow_holes=True)


@pytest.fixture(scope="module")
def data() -> linpot.Dataset:
    return linpot.read_dataset(linpot.shipped_silicon()[0])


@pytest.fixture(scope="module")
def prepared(data) -> linpot.FitSession:
    return linpot.prepare_fit(data, settings=SETTINGS)


@pytest.fixture
def session(prepared) -> linpot.FitSession:
    """A session that can be changed: the rows of `prepared` in factors of its own."""
    factors = FactorSet(prepared.factors.n_columns)
    factors.update({key: factor.copy() for key, factor in prepared.factors.items()})
    own = (prepared.builder, prepared.baseline, prepared.reference, factors, SETTINGS)
    return linpot.FitSession(*own)


def fresh(data: linpot.Dataset, **changes) -> np.ndarray:
    """Coefficients of a fit from the start."""
    return linpot.prepare_fit(data, settings=replace(SETTINGS, **changes)).solve().coefficients


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-8) -> None:
    assert np.allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def without(data: linpot.Dataset, group: str) -> linpot.Dataset:
    return data.subset(k for k, s in enumerate(data) if s.group != group)


def only(data: linpot.Dataset, group: str) -> linpot.Dataset:
    return data.subset(k for k, s in enumerate(data) if s.group == group)


def test_run_fit_solves_its_session(data, session):
    result = linpot.run_fit(data, settings=SETTINGS)
    found = linpot.learned_part(session.solve().potential)
    expected = linpot.learned_part(result.potential)
    assert np.array_equal(found.coefficients, expected.coefficients)
    assert found.isolated_atom_energies == expected.isolated_atom_energies
    assert isinstance(session.solve().potential, linpot.ModelSum)  # the baseline is in it


CHANGES = [
    {},
    {"penalty": 10.0},
    {"weights": linpot.Weights(energy=30.0, stress=0.1)},
    {"weights": linpot.Weights(groups={"liquid": 0.01, "surface": {"energy": 100.0}})},
    {"weights": linpot.Weights(forces=0.0)},
    {"prior": linpot.SmoothnessPrior(order_strength=0.3)},
    {"prior": linpot.SmoothnessPrior(power=2.0, order_strength=(1.0, 0.5, 0.1, 0.05))},
    {"prior": linpot.SmoothnessPrior(form="gaussian", rate=0.05)},
    {"weights": linpot.Weights(energy=1e6), "penalty": 1e-6},  # beyond one factorisation
]


@pytest.mark.parametrize("changes", CHANGES)
def test_refit_and_solve_after_changes_equal_a_fit_with_these_settings(data, session, changes):
    before = session.refit().coefficients
    expected = fresh(data, **changes)
    # beyond the range of one factorisation the problem itself has lost digits
    far = changes.get("penalty") == 1e-6
    assert_close(session.refit(**changes).coefficients, expected, 1e-6 if far else 1e-8)
    assert_close(session.solve(**changes).coefficients, expected)
    assert_close(session.refit().coefficients, before)  # nothing is left of the changes


def test_changed_e0_equals_a_fit_with_that_e0(data, session):
    shifted = {"Si": session.reference.values["Si"] + 0.3}
    expected = linpot.prepare_fit(data, settings=replace(SETTINGS, e0=shifted)).solve()
    for found in (session.solve(e0=shifted), session.refit(e0=shifted)):
        assert_close(found.coefficients, expected.coefficients)
        assert linpot.learned_part(found.potential).isolated_atom_energies == shifted
        for key, error in expected.errors.items():
            assert found.errors[key] == pytest.approx(error, rel=1e-6, abs=1e-12)
    assert np.abs(expected.coefficients - session.solve().coefficients).max() > 1e-3


def test_changed_e0_of_one_element_equals_a_fit_with_it():
    """Energies of rattled gold-copper cells of several compositions, by effective-medium theory."""
    rng = np.random.default_rng(0)
    images = []
    for k in range(12):
        atoms = bulk("Cu", cubic=True) * (2, 1, 1)
        atoms.symbols[: 1 + k % 5] = "Au"
        atoms.positions += 0.1 * rng.normal(size=(len(atoms), 3))
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        images.append(atoms)
    alloy = linpot.Dataset.from_atoms(images)
    settings = replace(SETTINGS, n_functions=30, e0={"Au": 0.1, "Cu": -0.2})
    session = linpot.prepare_fit(alloy, settings=settings)
    fresh = linpot.prepare_fit(alloy, settings=replace(settings, e0={"Au": 0.7, "Cu": -0.2}))
    expected = fresh.solve()
    for found in (session.solve(e0={"Au": 0.7}), session.refit(e0={"Au": 0.7})):
        assert_close(found.coefficients, expected.coefficients)
        energies = [p.potential.predict(alloy[0]).energy for p in (found, expected)]
        assert energies[0] == pytest.approx(energies[1], abs=1e-8)


def test_group_left_out_equals_a_fit_without_it(data, session):
    expected = fresh(without(data, "liquid"))
    assert_close(session.refit(without_groups=["liquid"]).coefficients, expected)
    assert_close(session.solve(without_groups=["liquid"]).coefficients, expected)


def test_added_structures_equal_structures_from_the_start(data):
    session = linpot.prepare_fit(without(data, "liquid"), settings=SETTINGS)
    session.refit()
    session.add(only(data, "liquid"))
    expected = fresh(data)
    assert_close(session.refit().coefficients, expected)
    assert_close(session.solve().coefficients, expected)


@pytest.mark.parametrize("group", ["liquid", "surface"])
def test_forgotten_structure_equals_a_fit_without_it(data, session, group):
    """A key of fewer rows than columns, and others whose factors are reduced."""
    session.refit()
    chosen = next(k for k, s in enumerate(data) if s.group == group)
    session.forget(data.subset([chosen]))
    expected = fresh(data.subset(k for k in range(len(data)) if k != chosen))
    assert_close(session.refit().coefficients, expected)
    assert_close(session.solve().coefficients, expected)


def test_structure_that_alone_determines_something_is_not_forgotten(data, session):
    """72 rows of forces for 60 columns: a third of them cannot go."""
    before = session.refit().coefficients
    chosen = next(k for k, s in enumerate(data) if s.group == "rattle_300")
    with pytest.raises(InputError, match="must leave what they determine to others"):
        session.forget(data.subset([chosen]))
    assert np.array_equal(session.refit().coefficients, before)


def test_structures_that_were_never_there_cannot_be_forgotten(data, session):
    before = session.solve().coefficients
    stranger = replace(data[5], positions=data[5].positions + 0.1 * np.eye(3)[0] * data[5].n_atoms)
    moved = linpot.Dataset([data[4], replace(stranger, group="surface")])
    with pytest.raises(InputError, match="rows to forget must"):
        session.forget(moved)
    with pytest.raises(InputError, match="structures to forget must be in the fit"):
        session.forget(linpot.Dataset([replace(data[4], group="new")]))
    assert np.array_equal(session.solve().coefficients, before)


def test_errors_are_those_of_the_potential(data, session):
    for solution in (session.solve(), session.refit()):
        own = [
            r
            for s, r in zip(data, residuals_of(solution.potential, list(data)), strict=True)
            if s.group == "liquid"
        ]
        for name in ("energy", "forces"):
            expected = np.sqrt(np.mean(np.concatenate([r[name] for r in own]) ** 2))
            assert solution.errors["liquid", name] == pytest.approx(expected, rel=1e-6)


def test_groups_are_worth_most_to_themselves(session):
    worth = session.leave_one_group_out()
    assert worth.groups == session.groups
    for group in ("liquid", "surface", "phases"):
        own = worth.ratio(group, group, "energy")
        assert own > 1.5
        assert own > max(worth.ratio(group, g, "energy") for g in ("rattle_300", "strain"))
    one = session.refit(without_groups=["liquid"]).errors["surface", "forces"]
    assert worth.without["liquid"]["surface", "forces"] == one


def test_labels_asked_for_are_met_exactly(data, session):
    """The lattice constant: no stress in a perfect crystal, whose rows repeat each other."""
    crystal = next(s for s in data if s.group == "eos")
    labels = linpot.Labels(energy=crystal.labels.energy, stress=np.zeros(6))
    exact = linpot.Dataset([replace(crystal, labels=labels)])
    for found in (session.solve(exact=exact), session.refit(exact=exact)):
        prediction = found.potential.predict(exact[0])
        assert np.allclose(prediction.stress(exact[0]), 0.0, atol=1e-9)
        assert prediction.energy == pytest.approx(labels.energy, abs=1e-8)
    assert_close(session.refit(exact=exact).coefficients, session.solve(exact=exact).coefficients)
    free = session.solve().potential.predict(exact[0])
    assert np.abs(free.stress(exact[0])).max() > 1e-3


def test_labels_that_contradict_each_other_cannot_be_met(data, session):
    crystal = next(s for s in data if s.group == "eos")
    labels = linpot.Labels(stress=np.array([0.1, 0.2, 0.3, 0.0, 0.0, 0.0]))
    with pytest.raises(InputError, match="must not contradict each other"):
        session.solve(exact=linpot.Dataset([replace(crystal, labels=labels)]))


def test_fit_around_a_potential_returns_it_for_a_huge_penalty(session):
    known = linpot.learned_part(session.solve(penalty=1.0).potential)
    assert_close(session.solve(around=known, penalty=1e20).coefficients, known.coefficients)
    free = session.solve(penalty=1e-9).coefficients
    assert_close(session.solve(around=known, penalty=1e-9).coefficients, free, 1e-2)


@pytest.mark.parametrize("solver", ["ard", "omp", "lasso", "svd", "qr"])
def test_other_solvers_make_potentials_as_good_as_ridge(data, session, solver):
    """A few columns explain most: nine of 60, at the knee, leave 2.2 times what ridge does."""
    ridge = session.solve(penalty="evidence").errors
    found = session.solve(solver=solver)
    assert found.errors["liquid", "forces"] < 2.5 * ridge["liquid", "forces"]
    assert found.potential.predict(data[0]).energy < 0.0
    direct = linpot.fit(data, n_functions=60, solver=solver, dense_restraint=0.0, allow_holes=True)
    assert np.array_equal(linpot.learned_part(direct).coefficients, found.coefficients)
    assert linpot.learned_part(direct).provenance["settings"]["solver"] == solver


def test_exact_labels_by_another_solver_are_refused(data, session):
    with pytest.raises(InputError, match="`solver` must be ridge for exact labels"):
        session.solve(solver="ard", exact=data[:1])


def test_fit_around_a_potential_of_another_basis_is_refused(data, session):
    other = linpot.learned_part(linpot.fit(data, n_functions=40))
    with pytest.raises(InputError, match="`around` must have the basis of this fit"):
        session.solve(around=other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cutoff": 4.0},
            "`changes` must be one of e0, penalty, prior, solver, weights, got 'cutoff'",
        ),
        ({"penalty": "evidence"}, "`penalty` must be a number to refit, got 'evidence'"),
        ({"solver": "ard"}, "`solver` must be ridge to refit, got 'ard'"),
        ({"penalty": 0.0}, "`penalty` must be a positive number"),
        ({"e0": "auto"}, "`e0` must be a mapping of elements to eV here, got 'auto'"),
        ({"e0": {"Ge": 1.0}}, r"`e0\['Ge'\]`|`e0` must be one of Si, got 'Ge'"),
        ({"without_groups": ["gas"]}, "`without_groups` must be one of .*liquid.*, got 'gas'"),
        ({"weights": linpot.Weights(force_cap=1.0)}, "prepare the fit anew"),
        ({"weights": linpot.Weights(0.0, 0.0, 0.0)}, "all weights are zero"),
    ],
)
def test_change_that_factors_cannot_make_is_refused(session, changes, message):
    if "weights" in changes and changes["weights"].energy == 0.0:
        session.factors = {k: f for k, f in session.factors.items() if k[0] is not None}
    with pytest.raises(InputError, match=message):
        session.refit(**changes)


def test_blocks_beyond_the_memory_limit_are_refused(data):
    tight = replace(SETTINGS, memory_limit=plan_fit(data, SETTINGS).estimate.memory * 1.01e-9)
    session = linpot.prepare_fit(data, settings=tight)
    session.settings = replace(tight, memory_limit=1e-3)
    with pytest.raises(InputError, match="use `solve` or raise the limit"):
        session.refit()


def test_merged_groups_can_be_refitted_but_not_left_out(data):
    least = plan_fit(data, SETTINGS).estimate
    settings = replace(SETTINGS, memory_limit=(least.memory - 5e5) * 1e-9)  # a few factors less
    session = linpot.prepare_fit(data, settings=settings)
    assert session.merged
    assert_close(session.refit().coefficients, fresh(data))
    assert set(session.refit().errors) == {("", "energy"), ("", "forces"), ("", "stress")}
    with pytest.raises(InputError, match="at least two with factors of their own, got 0"):
        session.leave_one_group_out()
    with pytest.raises(InputError, match="prepare the fit anew"):
        session.refit(weights=linpot.Weights(energy=1.0))


def test_structures_of_other_elements_are_refused(data, session):
    other = linpot.Dataset([replace(data[4], numbers=np.full(data[4].n_atoms, 32))])
    with pytest.raises(InputError, match=r"must hold elements of the fit \(Si\), got 'Ge'"):
        session.add(other)


def test_new_lowest_energy_under_an_energy_window_is_refused(data):
    weights = linpot.Weights(energy_window=1.0)
    session = linpot.prepare_fit(data, settings=replace(SETTINGS, weights=weights))
    low = replace(data[3], labels=replace(data[3].labels, energy=-1e4))
    with pytest.raises(InputError, match="must not lie below the lowest energy of the data"):
        session.add(linpot.Dataset([low]))
