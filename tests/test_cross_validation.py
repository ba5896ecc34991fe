"""Cross-validation: fold rules, and held-out structures are not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import linpot
from linpot.errors import InputError
from linpot.workflow.cross_validation import assign_folds
from linpot.workflow.plan import plan_fit

GROUPS = ["a"] * 23 + ["b"] * 10 + ["c"] * 2


@pytest.mark.parametrize("seed", [0, 7, None])
def test_folds_are_even_inside_each_group(seed):
    folds = np.array(assign_folds(GROUPS, 5, seed))
    for group in "ab":
        counts = np.bincount(folds[np.array(GROUPS) == group], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert assign_folds(GROUPS, 5, seed) == folds.tolist()


def test_blocked_folds_keep_neighbors_together():
    folds = assign_folds(GROUPS, 5, None)
    assert np.count_nonzero(np.diff(folds[:23])) == 4
    assert np.count_nonzero(np.diff(folds[23:33])) == 4


@pytest.mark.parametrize("blocked", [False, True])
def test_held_out_errors_exceed_training_errors(blocked):
    train, _ = linpot.shipped_silicon()
    data = linpot.read_dataset(train)
    settings = linpot.FitSettings(n_functions=60)
    held_out = linpot.cross_validate(data, settings=settings, blocked=blocked)["all"]
    trained = linpot.run_fit(data, settings=settings).train["all"]
    for name in ("energy", "forces", "stress"):
        assert held_out[name]["n"] == trained[name]["n"]
        assert held_out[name]["rmse"] > trained[name]["rmse"]


def test_more_folds_than_structures_are_refused():
    train, _ = linpot.shipped_silicon()
    data = linpot.read_dataset(train)
    with pytest.raises(
        InputError, match="`folds` must be at most the number of structures, got 99"
    ):
        linpot.cross_validate(data, folds=99)


def test_memory_announced_for_folds_counts_their_factors():
    train, _ = linpot.shipped_silicon()
    data = linpot.read_dataset(train)
    settings = linpot.FitSettings(n_functions=60)
    one, five = plan_fit(data, settings).estimate, plan_fit(data, settings, folds=5).estimate
    assert five.n_keys == 5 * one.n_keys
    assert five.memory > one.memory


def test_a_group_of_any_name_keeps_its_weight():
    train, _ = linpot.shipped_silicon()
    data = linpot.read_dataset(train)
    names = ["all groups", "restraints", "all", ""]
    renamed = linpot.Dataset([replace(s, group=names[k % 4]) for k, s in enumerate(data)])
    weights = linpot.Weights(groups=dict.fromkeys(names, 0.5))
    bare = linpot.FitSettings(
        n_functions=40, penalty=1e-3, restraint=0.0, dense_restraint=0.0, allow_holes=True
    )
    settings = replace(bare, weights=weights)
    halved = linpot.Weights(energy=100.0, forces=0.5, stress=1.5)
    plain = replace(bare, weights=halved)
    found = linpot.learned_part(linpot.run_fit(renamed, settings=settings).potential)
    expected = linpot.learned_part(linpot.run_fit(data, settings=plain).potential)
    # the factors of other groupings differ by rounding, which the fit magnifies
    assert np.allclose(found.coefficients, expected.coefficients, rtol=1e-6, atol=1e-8)
