"""Tuning: what it compares by, that it repeats, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import linpot
from linpot.errors import InputError
from linpot.workflow.cost import CostModel, estimate_cost
from linpot.workflow.fit import Silent
from linpot.workflow.plan import plan_fit
from linpot.workflow.search_directions import DIRECTIONS, extended
from linpot.workflow.trials import FoldedFit, score_of

SMALL = linpot.FitSettings(n_functions=30, body_order=4)
ALL_BUT = ("body_order", "degree_offsets", "decay", "taper", "pair_weight", "cutoff", "weights")
"""Held, so that few trials are left: the angular weight and the prior."""


@pytest.fixture(scope="module")
def data() -> linpot.Dataset:
    return linpot.read_dataset(linpot.shipped_silicon()[0])


@pytest.fixture(scope="module")
def tuned(data) -> linpot.TuningResult:
    return linpot.tune(data, 30, settings=SMALL, minutes=5.0, hold=ALL_BUT)


def errors(energy: float, forces: float, stress: float) -> dict:
    return {"energy": {"mae": energy}, "forces": {"mae": forces}, "stress": {"mae": stress}}


def test_score_is_the_geometric_mean_of_energy_and_force_ratios():
    start = errors(0.004, 0.1, 0.01)
    assert score_of(start, start) == pytest.approx(1.0)
    assert score_of(errors(0.002, 0.05, 0.01), start) == pytest.approx(0.5)
    assert score_of(errors(0.001, 0.1, 0.01), start) == pytest.approx(0.5)


def test_score_grows_when_stresses_are_sold():
    start = errors(0.004, 0.1, 0.01)
    assert score_of(errors(0.004, 0.1, 0.0105), start) == pytest.approx(1.0)
    assert score_of(errors(0.004, 0.1, 0.022), start) == pytest.approx(2.0)
    assert score_of({"stress": {"mae": 0.5}}, {"stress": {"mae": 1.0}}) == pytest.approx(0.5)


def test_trial_has_the_errors_of_blocked_cross_validation(data):
    settings = replace(SMALL, penalty=1e-4)
    expected = linpot.cross_validate(data, settings=settings, blocked=True)["all"]
    found = FoldedFit(data, settings, Silent()).measure(settings)[0]
    for name, statistics in expected.items():
        assert found[name]["n"] == statistics["n"]
        for kind in ("mae", "rmse", "max"):
            assert found[name][kind] == pytest.approx(statistics[kind], rel=1e-6)


def test_weights_of_groups_count_in_trials(data):
    """Groups keep their factors where weights tell them apart."""
    group = next(iter(data.groups))
    settings = replace(SMALL, penalty=1e-4, weights=linpot.Weights(groups={group: 0.1}))
    expected = linpot.cross_validate(data, settings=settings, blocked=True)["all"]
    found = FoldedFit(data, settings, Silent()).measure(settings)[0]
    assert found["forces"]["mae"] == pytest.approx(expected["forces"]["mae"], rel=1e-6)


def test_rows_without_folds_are_those_of_a_plain_fit(data):
    whole = FoldedFit(data, SMALL, Silent()).whole().solve()
    expected = linpot.prepare_fit(data, settings=SMALL).solve()
    assert whole.penalty == pytest.approx(expected.penalty, rel=1e-3)  # a bounded search
    assert whole.solver["noise_variance"] == pytest.approx(
        expected.solver["noise_variance"], rel=1e-6
    )


def test_tuning_finds_what_predicts_left_out_structures_better(data, tuned):
    assert tuned.ended == "finished"
    assert tuned.best.score < tuned.start.score == 1.0
    assert tuned.settings == tuned.best.settings
    found = linpot.cross_validate(data, settings=tuned.settings, blocked=True)["all"]
    start = linpot.cross_validate(data, settings=SMALL, blocked=True)["all"]
    assert score_of(found, start) == pytest.approx(tuned.best.score, rel=0.02)  # penalty per fold
    assert "instead of" in tuned.why


def test_accepted_scores_fall(tuned):
    kept = [trial.score for trial in tuned.trials if trial.accepted]
    assert (np.diff(kept) < 0.0).all()


def test_tuning_repeats_itself(data, tuned):
    again = linpot.tune(data, 30, settings=SMALL, minutes=5.0, hold=ALL_BUT, threads=2)
    assert [t.change for t in again.trials] == [t.change for t in tuned.trials]
    assert [t.score for t in again.trials] == [t.score for t in tuned.trials]


def test_time_cuts_the_list_of_trials_and_nothing_else(data, tuned):
    cut = linpot.tune(data, 30, settings=SMALL, minutes=1e-3, hold=ALL_BUT)
    assert cut.ended == "time"
    assert 1 <= len(cut.trials) < len(tuned.trials)
    for trial, expected in zip(cut.trials, tuned.trials, strict=False):
        assert (trial.change, trial.score) == (expected.change, expected.score)


class Ticks:
    """A clock that moves when somebody looks at it."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 1.0
        return self.now


def test_time_for_the_choice_of_functions_is_kept(data, monkeypatch):
    clock = Ticks()
    monkeypatch.setattr("linpot.workflow.tuning.time", clock)
    hold = {d.holds for d in DIRECTIONS} - {"angular_weight", "decay", "taper", "choose_from"}
    whole = linpot.tune(data, 30, settings=SMALL, hold=hold)
    place = [t.settings.choose_from is not None for t in whole.trials].index(True)
    ticks, clock.now = clock.now, 0.0
    cut = linpot.tune(data, 30, settings=SMALL, hold=hold, minutes=0.65 * ticks / 60.0)
    assert cut.ended == "time"
    chosen = [t.settings.choose_from is not None for t in cut.trials]
    assert 1 < chosen.index(True) < place  # sooner than if there were time for everything
    assert clock.now < ticks


def test_held_settings_are_kept(tuned):
    for trial in tuned.trials:
        assert trial.settings.body_order == SMALL.body_order
        assert trial.settings.weights == SMALL.weights
        assert trial.settings.cutoff is None


def test_interrupt_keeps_the_best_so_far(data, tuned):
    seen = []

    def interrupt(trial):
        seen.append(trial)
        if len(seen) == 4:
            raise KeyboardInterrupt

    result = linpot.tune(data, 30, settings=SMALL, hold=ALL_BUT, on_trial=interrupt)
    assert result.ended == "interrupted"
    assert result.trials == tuple(seen)
    scores = [t.score for t in seen if t.accepted]
    assert result.best.score == min(scores)


def test_interrupt_before_the_first_trial_is_passed_on(data):
    class Interrupting(Silent):
        def advance(self, done):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        linpot.tune(data, 30, settings=SMALL, monitor=Interrupting())


def test_result_fits_with_what_it_found(data, tuned):
    result = tuned.fit(test=data)
    specification = linpot.learned_part(result.potential).basis.specification
    assert specification.angular_weight == tuned.settings.angular_weight
    assert result.test is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solver": "ard"}, "`solver` must be one of ridge, got 'ard'"),
        ({"max_degree": 8.0}, "`max_degree` must not be given for tuning"),
        ({"memory_limit": 0.76}, r"tuning needs about .* GB, but `memory_limit` is 0.76"),
    ],
)
def test_what_cannot_be_tuned_is_refused(data, changes, message):
    with pytest.raises(InputError, match=message):
        linpot.tune(data, 200, settings=replace(SMALL, **changes))


def test_unknown_names_and_little_data_are_refused(data):
    with pytest.raises(InputError, match=r"`hold` must be one of .*, got 'colour'"):
        linpot.tune(data, 30, hold=["colour"])
    with pytest.raises(InputError, match="tuning needs at least 5 structures, got 3"):
        linpot.tune(data[:3], 30)


@pytest.mark.parametrize("direction", DIRECTIONS, ids=lambda d: d.name)
def test_a_step_up_and_down_changes_one_setting(data, direction):
    distances = plan_fit(data, SMALL).distances
    starts = {
        "choose_from": {"choose_from": 60},
        "candidates": {"candidates": 120},
        "taper": {"taper": (0.6, 0.8)},
    }
    begin = replace(SMALL, **starts.get(direction.holds, {}))  # there is no way up from the others
    up = direction.move(begin, 1.0, distances)
    down = direction.move(begin, -1.0, distances)
    assert up is not None
    assert down is not None
    assert direction.show(up, distances) != direction.show(down, distances)
    for moved in (up, down):
        assert getattr(moved, direction.holds) != getattr(begin, direction.holds)
        assert replace(moved, **{direction.holds: getattr(begin, direction.holds)}) == begin


def test_directions_end_where_settings_do():
    choice = next(d for d in DIRECTIONS if d.holds == "choose_from")
    assert choice.move(SMALL, -1.0, {}) is None
    assert choice.move(SMALL, 1.0, {}).choose_from == 60
    assert choice.move(replace(SMALL, choose_from=60), -1.0, {}) == SMALL
    assert choice.move(replace(SMALL, choose_from=90), 1.0, {}) is None
    differ = next(d for d in DIRECTIONS if d.holds == "candidates")
    assert differ.move(SMALL, -1.0, {}) is None
    assert differ.move(SMALL, 1.0, {}).candidates == 120
    assert differ.move(replace(SMALL, candidates=120), -1.0, {}) == SMALL
    assert differ.move(replace(SMALL, candidates=240), 1.0, {}) is None
    order, taper = (next(d for d in DIRECTIONS if d.name == n) for n in ("body order", "taper"))
    assert order.move(replace(SMALL, body_order=6), 1.0, {}) is None
    assert order.move(replace(SMALL, body_order=3), -1.0, {}) is None
    assert order.move(replace(SMALL, degree_offsets=(0.0, 0.0, 2.0)), 1.0, {}) is None
    assert taper.move(SMALL, 1.0, {}) is None  # distances shorter than in the data would meet it
    assert taper.move(SMALL, -1.0, {}).taper == (0.65, 0.85)


def test_strengths_are_continued_for_body_orders_to_come():
    assert extended((1.0, 0.1, 0.01)) == pytest.approx((1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5))
    assert extended((1.0, 0.1, 0.2))[3:] == (0.2, 0.2, 0.2)


def test_taper_reaches_radial_functions_and_restraints(data):
    plan = plan_fit(data, replace(SMALL, taper=(0.6, 0.9)))
    shortest = plan.distances["Si", "Si"].shortest
    radial = plan.basis.specification.radial_of("Si", "Si")
    assert radial.taper_start == pytest.approx(0.6 * shortest)
    assert radial.taper_end == pytest.approx(0.9 * shortest)
    assert plan.restraints.labelled[0].positions[1, 2] == pytest.approx(0.6 * shortest)
    with pytest.raises(InputError, match="`taper` must be two ascending positive numbers"):
        linpot.FitSettings(taper=(0.9, 0.6))


# densities, products, us per atom of the learned part (silicon crystal, cutoff 5 A, one thread):
# `python -m benchmarks.engine` at f49cea8
MEASURED = [
    (58, 139, 0.715),
    (115, 417, 1.031),
    (271, 3649, 2.178),
    (361, 10498, 3.614),
    (498, 30783, 8.216),
    (667, 89439, 20.752),
]


@pytest.mark.parametrize(("n_densities", "n_products", "measured"), MEASURED)
def test_estimated_cost_is_the_measured_one(n_densities, n_products, measured):
    program = SimpleNamespace(n_densities=n_densities, n_leaves=n_products)
    basis = SimpleNamespace(programs=(program,))
    assert estimate_cost(basis, 28.0, [1.0]) == pytest.approx(measured, rel=0.1)


def test_size_is_what_a_cost_allows(data):
    model = CostModel(data)
    sized = model.sized(SMALL, 1.0)
    cost = model.cost(plan_fit(data, sized).basis)
    assert 0.95 < cost <= 1.0
    assert model.cost(plan_fit(data, model.sized(SMALL, 2.0)).basis) > 1.8 * cost
    with pytest.raises(InputError, match="`us_per_atom` must be a time in which some functions"):
        model.sized(SMALL, 0.4)


def test_trials_at_a_cost_stay_below_it(data):
    hold = [name for name in (*ALL_BUT, "prior") if name != "body_order"]
    found = linpot.tune(data, settings=SMALL, us_per_atom=1.0, hold=[*hold, "angular_weight"])
    model = CostModel(data)
    sizes = {trial.settings.n_functions for trial in found.trials}
    assert len(sizes) > 1
    for trial in found.trials:
        assert model.cost(plan_fit(data, trial.settings).basis) <= 1.0


def test_trials_are_in_the_provenance_and_the_metrics(data, tuned):
    result = tuned.fit()
    noted = linpot.learned_part(result.potential).provenance["tuning"]
    assert noted == tuned.as_dict()
    assert [t["change"] for t in noted["trials"]] == [t.change for t in tuned.trials]
    best = [t for t in noted["trials"] if t["accepted"]][-1]
    assert best["score"] == tuned.best.score
    assert best["left_out"]["forces"]["mae"] == tuned.best.errors["forces"]["mae"]


def test_evidence_of_labels_does_not_depend_on_units_of_weights(data):
    """Weights times a factor, penalty times its square: the same model of the same labels."""
    rows = FoldedFit(data, SMALL, Silent())
    bare = replace(SMALL, restraint=0.0, dense_restraint=0.0, penalty=1e-4)
    rows = FoldedFit(data, bare, Silent())
    weights = linpot.Weights(energy=200.0 * 7.0, forces=7.0, stress=21.0)
    found = rows.measure(replace(bare, weights=weights, penalty=49e-4))[1]
    assert found == pytest.approx(rows.measure(bare)[1], rel=1e-10)


def test_evidence_decides_where_it_is_asked_to(data):
    found = linpot.tune(data, 30, settings=SMALL, hold=ALL_BUT, criterion="evidence")
    assert found.criterion == "evidence"
    assert found.best.log_evidence > found.start.log_evidence
    best = max(trial.log_evidence for trial in found.trials)
    assert found.best.log_evidence > best - 10.0  # smaller gains are not taken
    kept = [trial.log_evidence for trial in found.trials if trial.accepted]
    assert (np.diff(kept) > 10.0).all()
    assert "evidence rose by" in found.why
    with pytest.raises(InputError, match=r"`criterion` must be one of .*, got 'luck'"):
        linpot.tune(data, 30, settings=SMALL, criterion="luck")


def test_tuning_chooses_functions_where_that_helps(data):
    hold = {d.holds for d in DIRECTIONS} - {"choose_from"}
    found = linpot.tune(data, 30, settings=SMALL, hold=hold)
    assert [t.change for t in found.trials[:2]] == [
        "start",
        "functions to choose from 2 times as many as are kept",
    ]
    assert found.settings.choose_from in (60, 90)
    assert {t.n_functions for t in found.trials} == {found.start.n_functions, 30}
    learned = linpot.learned_part(found.fit().potential)
    assert learned.n_functions == {"Si": 30}
    assert found.best.errors["forces"]["mae"] < found.start.errors["forces"]["mae"]
