"""Functions that differ on the data: what is chosen, what is left out, what it is good for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from ase.build import molecule
from ase.calculators.emt import EMT

import linpot
from linpot.basis.basis import Basis
from linpot.errors import InputError
from linpot.fitting.priors import SmoothnessPrior
from linpot.model.feature_engine import FeatureEngine
from linpot.structures.batches import evenly_spaced
from linpot.workflow import independent
from linpot.workflow.plan import plan_fit

SETTINGS = linpot.FitSettings(
    n_functions=40, candidates=240, cutoff=4.0, body_order=4, baseline="none"
)
PRIOR = SmoothnessPrior()


def shaken(n: int, seed: int) -> linpot.Dataset:
    """Ethanol with displaced atoms; labels by effective medium theory."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = molecule("CH3CH2OH")
        atoms.positions += rng.normal(scale=0.05, size=(len(atoms), 3))
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    return linpot.Dataset.from_atoms(frames)


@pytest.fixture(scope="module")
def data() -> linpot.Dataset:
    return shaken(60, seed=1)


@pytest.fixture(scope="module")
def candidates(data) -> Basis:
    return plan_fit(data, replace(SETTINGS, candidates=None, n_functions=240)).basis


@pytest.fixture(scope="module")
def chosen(data) -> Basis:
    return plan_fit(data, SETTINGS).basis


def scaled_rows(basis: Basis, data: linpot.Dataset) -> np.ndarray:
    return independent._rows(FeatureEngine(basis), list(data)) * PRIOR.scales(basis)


def test_columns_that_repeat_others_or_vanish_are_not_taken():
    rng = np.random.default_rng(0)
    own = rng.normal(size=(30, 5)) * [5.0, 4.0, 3.0, 2.0, 1.0]
    table = np.column_stack([own, np.zeros(30), own @ rng.normal(size=(5, 3)) * 1e-3])
    assert independent._pivots(np.asfortranarray(table), 9).tolist() == [0, 1, 2, 3, 4]
    assert independent._pivots(np.asfortranarray(table), 3).tolist() == [0, 1, 2]


def test_products_of_columns_tell_the_pivots_of_qr():
    rng = np.random.default_rng(1)
    table = rng.normal(size=(60, 50)) * np.logspace(0, -6, 50)[rng.permutation(50)]
    _, _, order = scipy.linalg.qr(table, mode="economic", pivoting=True)
    for n in (5, 30, 50):
        found = independent._pivots(np.asfortranarray(table), n)
        assert found.tolist() == sorted(order[:n].tolist())


def test_what_is_left_out_is_smaller_than_the_last_one_taken(candidates, chosen, data):
    n_rows = independent.ROWS_PER_FUNCTION * 40
    sample = evenly_spaced(data, [28] * len(data), n_rows)  # an energy and 27 forces
    whole, kept = scaled_rows(candidates, sample), scaled_rows(chosen, sample)
    for z in range(3):
        a, b = candidates.feature_offsets[z : z + 2]
        c, d = chosen.feature_offsets[z : z + 2]
        q, r, _ = scipy.linalg.qr(kept[:, c:d], mode="economic", pivoting=True)
        left = np.linalg.norm(whole[:, a:b] - q @ (q.T @ whole[:, a:b]), axis=0)
        assert left.max() <= abs(r[-1, -1]) * (1.0 + 1e-6)


def test_pairs_of_species_that_do_not_meet_have_no_functions(chosen, candidates):
    oxygen = candidates.elements.index("O")

    def uses_oxygen(basis):
        return (basis.programs[oxygen].factors[:, :, 0] == oxygen).any()

    assert uses_oxygen(candidates)  # a molecule has one oxygen atom only
    assert not uses_oxygen(chosen)


def test_labels_have_no_say_and_neither_have_threads(data):
    blank = data.changed(
        lambda s: replace(s, labels=replace(s.labels, forces=2.0 * s.labels.forces))
    )
    first = plan_fit(data, SETTINGS).basis
    again = plan_fit(blank, replace(SETTINGS, threads=2)).basis
    for mine, theirs in zip(first.programs, again.programs, strict=True):
        assert np.array_equal(mine.factors, theirs.factors)


def test_a_fit_with_candidates_is_better_and_survives_its_file(data, tmp_path):
    test = shaken(20, seed=2)
    plain = linpot.run_fit(data, test=test, settings=replace(SETTINGS, candidates=None))
    result = linpot.run_fit(data, test=test, settings=SETTINGS)
    learned = linpot.learned_part(result.potential)
    assert learned.n_functions == {"H": 40, "C": 40, "O": 40}
    assert learned.provenance["settings"]["candidates"] == 240
    # 0.6 here; with functions to choose from that differ, as in crystals, about 1
    assert result.test["all"]["forces"]["mae"] < 0.8 * plain.test["all"]["forces"]["mae"]
    linpot.save(result.potential, tmp_path / "model.linpot")
    loaded = linpot.load(tmp_path / "model.linpot")
    again = linpot.evaluate(loaded, test)
    assert again["all"]["forces"]["mae"] == result.test["all"]["forces"]["mae"]


def test_few_data_keep_no_more_functions_than_they_tell_apart():
    one = shaken(1, seed=4)
    kept = plan_fit(one, SETTINGS).basis
    rows = scaled_rows(kept, one)
    for z, n in enumerate(kept.n_functions.values()):
        a, b = kept.feature_offsets[z : z + 2]
        # an energy and 27 forces, less three of translations and three of rotations
        assert n == np.linalg.matrix_rank(rows[:, a:b], rtol=1e-13) <= 22


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": 20}, "at least the 40 functions to keep on H, got 20"),
        ({"candidates": 10**7}, "`candidates` must fit into `memory_limit`"),
    ],
)
def test_what_cannot_be_chosen_is_refused(data, changes, message):
    with pytest.raises(InputError, match=message):
        plan_fit(data, replace(SETTINGS, **changes))


def test_degrees_leave_nothing_to_choose():
    with pytest.raises(InputError, match="only one of `candidates` and `max_degree`"):
        replace(SETTINGS, max_degree=8.0)


def test_the_penalty_by_folds_predicts_other_structures_better_than_the_evidence():
    few, test = shaken(8, seed=5), shaken(30, seed=6)
    settings = replace(SETTINGS, n_functions=80, candidates=320, e0="joint")
    penalty = linpot.penalty_by_folds(few, settings)
    chosen = linpot.run_fit(few, test=test, settings=replace(settings, penalty=penalty))
    plain = linpot.run_fit(few, test=test, settings=settings)
    forces = [r.test["all"]["forces"]["mae"] for r in (chosen, plain)]
    energy = [r.test["all"]["energy"]["mae"] for r in (chosen, plain)]
    # 224 rows and up to 240 functions; folds compare the product of both errors
    assert forces[0] * energy[0] < forces[1] * energy[1]


def test_a_penalty_by_folds_wants_ridge_and_structures(data):
    with pytest.raises(InputError, match="`solver` must be one of ridge, got 'ard'"):
        linpot.penalty_by_folds(data, replace(SETTINGS, solver="ard"))
    with pytest.raises(InputError, match="at least 5 structures, got 3"):
        linpot.penalty_by_folds(data[:3], SETTINGS)
