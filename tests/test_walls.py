"""Atoms pushed together repel: checks that find holes, restraints that mend them, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk, molecule

import linpot
from linpot.baselines.pair_potential import PairPotential
from linpot.errors import HoleError, InputError
from linpot.fitting.factors import FactorSet
from linpot.structures.distances import PairDistances, survey_distances
from linpot.structures.structure import structure_from_atoms
from linpot.validation.compression import (
    TOLERANCE,
    WALL,
    Compression,
    check_compression,
    compressed,
    representatives,
    trimers,
)
from linpot.validation.dimers import check_dimers
from linpot.workflow.calibration import prepare_folds
from linpot.workflow.dense_environments import CLOSEST, N_RANDOM, dense_environments
from linpot.workflow.fit import Silent, finish_fit, prepare_fit
from linpot.workflow.plan import plan_fit
from linpot.workflow.regression import LEAST_NOISE, noise_of
from linpot.workflow.walls import Walls, rising, solve_without_holes

SETTINGS = linpot.FitSettings(n_functions=60)


class Wiggle(PairPotential):
    """Repels, but for a hole between two distances."""

    kind = "wiggle"
    elements = ("Si",)
    cutoffs = np.array([[4.0]])

    def __init__(self, hole):
        self.hole = hole

    def pair_energies(self, r, first, second):
        x = r - 1.7
        shape = np.exp(-20.0 * x**2)
        return (
            (4.0 - r) ** 3 - self.hole * shape,
            -3.0 * (4.0 - r) ** 2 + 40.0 * x * self.hole * shape,
        )

    def to_state(self):
        raise NotImplementedError

    @classmethod
    def from_state(cls, header, arrays):
        raise NotImplementedError


@pytest.fixture(scope="module")
def train():
    return linpot.read_dataset(linpot.shipped_silicon()[0])


@pytest.fixture(scope="module")
def session_and_plan(train):
    return prepare_fit(train, settings=SETTINGS), plan_fit(train, SETTINGS)


def silicon():
    return structure_from_atoms(bulk("Si"), name="diamond")


def test_a_rising_energy_has_no_hole():
    for curve in check_compression(Wiggle(0.0), {("Si", "Si"): 2.0}, [silicon()]):
        assert curve.is_repulsive
        assert curve.top == curve.scales[-1]


def test_a_hole_is_found_with_its_depth_and_place():
    (row, triangle, diamond) = check_compression(Wiggle(30.0), {("Si", "Si"): 2.0}, [silicon()])
    for curve in (row, triangle, diamond):
        assert curve.hole > 1.0
        fallen = np.maximum.accumulate(curve.energies) - curve.energies
        # the scan falls from the scale before the first that lies lower
        assert curve.top == curve.scales[np.flatnonzero(fallen > TOLERANCE)[0] - 1]
    assert (row.name, triangle.name) == ("Si-Si-Si row", "Si-Si-Si triangle")
    assert diamond.name == "diamond"


def test_what_lies_before_the_minimum_or_behind_the_wall_does_not_count():
    scales = np.linspace(1.0, 0.5, 6)
    expanded = [0.0, -1.0, 0.0, 2.0, 4.0, WALL]
    behind = [0.0, 1.0, 3.0, WALL + 0.1, WALL, 0.0]
    in_front = [0.0, 1.0, 3.0, 2.5, WALL, 8.0]
    holes = [Compression(silicon(), scales, np.array(e), True).hole for e in (expanded, behind)]
    assert holes == [0.0, 0.0]
    assert Compression(silicon(), scales, np.array(in_front), True).hole == pytest.approx(0.5)


def test_trimers_stand_at_the_shortest_distances():
    shortest = {("O", "O"): 1.2, ("O", "Si"): 1.5, ("Si", "Si"): 2.1}
    found = {s.name: s for s in trimers(shortest)}
    assert len(found) == 8  # four compositions, two shapes
    shape = found["O-Si-Si triangle"].positions
    sides = sorted(np.linalg.norm(shape[i] - shape[j]) for i, j in ((0, 1), (1, 2), (0, 2)))
    assert sides == pytest.approx([1.5, 1.5, 2.1])
    lone = trimers({("Au", "Au"): 5.0, ("Au", "H"): 1.5, ("H", "H"): 0.7})
    assert "Au-Au-H triangle" not in {s.name for s in lone}  # 1.5 + 1.5 < 5


def test_representatives_are_small_and_of_all_groups():
    groups = ["a"] * 20 + ["b", "b", "c"]
    sizes = np.array([*range(30, 10, -1), 8, 4, 1])
    chosen = representatives(groups, sizes)
    assert chosen[:2] == [21, 19]
    assert 22 not in chosen  # one atom cannot be pushed together
    assert len(chosen) == 12


def test_compression_scales_all_distances_and_drops_labels(train):
    structure = train[0]
    smaller = compressed(structure, 0.5)
    assert smaller.volume == pytest.approx(structure.volume / 8.0)
    assert not smaller.labels.present


def test_dense_environments_are_the_same_for_a_seed_and_keep_their_distance(train):
    distances = survey_distances(train, ("Si",))
    first, again = (dense_environments(train, distances, seed=3) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.positions, b.positions)
    found = survey_distances(first[:N_RANDOM], ("Si",))["Si", "Si"].shortest
    # the last push may leave two atoms a little closer than asked for
    assert found > 0.9 * CLOSEST[0] * distances["Si", "Si"].shortest
    assert not any(s.labels.present for s in first)


def test_elements_that_bind_by_choice_are_not_mixed():
    seen = {("H", "H"): 1.5, ("H", "O"): 0.97, ("O", "O"): 2.7}
    distances = {pair: PairDistances(0.9 * r, r, True) for pair, r in seen.items()}
    water = structure_from_atoms(molecule("H2O"), name="water")
    for environment in dense_environments([water], distances):
        r = np.linalg.norm(environment.positions[0] - environment.positions[1])
        assert environment.n_atoms == 3
        assert r < 1.3  # still bound


def test_restraints_hold_the_learned_part_where_there_are_no_data(train):
    distances = survey_distances(train, ("Si",))
    dense = dense_environments(train, distances, seed=1)  # others than those of the fit
    worst = []
    for strength in (0.0, 1.0):
        settings = replace(SETTINGS, dense_restraint=strength, allow_holes=True)
        learned, wall = prepare_fit(train, settings=settings).solve().potential.parts
        energies = learned.predict_many(dense, forces=False).atomic_energies
        repulsion = wall.predict_many(dense, forces=False).atomic_energies
        worst.append((energies - learned.isolated_atom_energies["Si"] + repulsion).min())
    assert worst[1] > 0.2 * worst[0]  # depths


def test_energies_are_made_to_rise_where_they_fall(session_and_plan, train):
    session, plan = session_and_plan
    solution = session.solve()
    # planted: coefficients whose energy falls when diamond and dimers are pushed together
    rng = np.random.default_rng(0)
    shortest = {pair: seen.shortest for pair, seen in plan.distances.items()}
    for scale in (1.0, 4.0, 16.0, 64.0):
        wild = solution.coefficients * (1.0 + scale * rng.standard_normal(session.basis.n_features))
        broken = session.potential(wild)
        holes = Walls(
            check_dimers(broken, shortest), check_compression(broken, shortest, [train[0]])
        )
        if any(not c.is_repulsive for c in holes.compressions if c.of_data):
            break
    assert holes.holes
    matrix, bounds = rising(holes, wild, session)
    assert (bounds - matrix @ wild).max() > 0.0  # what falls breaks a demand
    mended = session.solve(at_least=(matrix, bounds))
    assert (matrix @ mended.coefficients >= bounds - 1e-6).all()
    known = session.solve(at_least=(matrix, bounds), free=solution)
    assert np.array_equal(known.coefficients, mended.coefficients)
    # demands that the fit meets anyway change nothing
    met = matrix @ solution.coefficients
    same = session.solve(at_least=(matrix, np.minimum(bounds, met - 1e-6)))
    assert np.array_equal(same.coefficients, solution.coefficients)


def test_a_mended_potential_says_so(session_and_plan, train, monkeypatch):
    session, plan = session_and_plan
    found = [planted_hole(), []]
    monkeypatch.setattr("linpot.workflow.walls.check_compression", lambda *_, **__: found.pop(0))
    mended, walls = solve_without_holes(session, plan.distances, train)
    assert walls.notes == [
        "energies were made to rise where 1 hole had been found, first: "
        "the energy of diamond falls by 1 eV per atom when it is compressed; "
        f"errors on the training data grew by {growth_of_errors(session, session.solve(), mended)}"
    ]


def growth_of_errors(session, before, after) -> str:
    """In all rows of the data, from the coefficients and not from what solutions keep."""
    told = []
    for wanted in ("energy", "forces", "stress"):
        factors = [
            f for (_, name, fold), f in session.factors.items() if (name, fold) == (wanted, 0)
        ]
        old, new = (
            np.sqrt(
                sum(((f.rows() @ np.append(s.coefficients, [0, -1])) ** 2).sum() for f in factors)
            )
            for s in (before, after)
        )
        told.append(f"{100 * (new / old - 1):.2g} % ({wanted})")
    return ", ".join(told)


def test_error_bars_are_those_of_the_mended_fit(train):
    folded = prepare_folds(train, SETTINGS, 4, Silent())
    result = finish_fit(folded.session, folded.plan, train)
    assert result.walls.demands is not None  # silicon that ships has holes at this size
    mended = linpot.learned_part(result.potential).coefficients
    found = folded.calibrated("posterior", 0.9, Silent(), at_least=result.walls.demands)
    assert np.array_equal(found.fit.solution.coefficients, mended)
    assert np.array_equal(found.fit.posterior.mean, mended)
    without = folded.calibrated("posterior", 0.9, Silent())
    assert not np.array_equal(without.fit.solution.coefficients, mended)
    # folds are mended, too: what they leave of their test data is another number
    names = found.calibrations.keys() & without.calibrations.keys()
    assert any(
        not np.array_equal(found.calibrations[n].scores, without.calibrations[n].scores)
        for n in names
    )


def test_holes_are_refused_unless_allowed(train, monkeypatch):
    monkeypatch.setattr("linpot.workflow.walls.ATTEMPTS", 0)
    monkeypatch.setattr("linpot.workflow.walls.check_compression", planted_hole)
    with pytest.raises(HoleError, match=r"1 holes: the energy of diamond falls by 1 eV per atom"):
        linpot.run_fit(train, settings=SETTINGS)
    result = linpot.run_fit(train, settings=replace(SETTINGS, allow_holes=True))
    assert result.walls.holes
    bare = linpot.run_fit(train, settings=replace(SETTINGS, baseline="none"))
    assert bare.walls.holes  # without a repulsion there is nothing to build a wall with


def planted_hole(*_, **__):
    return [Compression(silicon(), np.array([1.0, 0.9, 0.8]), np.array([0.0, 1.0, 0.0]), True)]


def test_noise_is_what_least_squares_leave():
    rng = np.random.default_rng(0)
    X, exact = rng.standard_normal((400, 5)), rng.standard_normal(5)
    y = X @ exact + 0.3 * rng.standard_normal(400)
    factors = FactorSet(6)
    factors.add(("a", "forces", 0), X[:150], y[:150])
    factors.add(("b", "forces", 1), X[150:], y[150:])
    factors.add(("b", "energy", 0), X, 100.0 * y)  # does not count
    left = np.linalg.lstsq(X, y, rcond=None)[1][0]
    assert noise_of(factors) == pytest.approx(np.sqrt(left / 400))
    few = FactorSet(6)
    few.add(("a", "energy", 0), X[:6], y[:6])  # least squares would leave nothing
    assert noise_of(few) == pytest.approx(LEAST_NOISE * np.sqrt((y[:6] ** 2).mean()))
    assert noise_of(FactorSet(6)) == 0.0


def test_strength_must_be_a_number():
    with pytest.raises(InputError, match="`dense_restraint`"):
        linpot.FitSettings(dense_restraint=-1.0)
