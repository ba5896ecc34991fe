"""The words of a page follow its rules; samples and drawings keep what they promise."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from linpot.report.contents import (
    DataErrors,
    ElementErrors,
    GradeSurvey,
    PageContents,
    PairCurves,
    SizeCurve,
    StructureLine,
    WorstStructure,
    WorthTable,
)
from linpot.report.drawing import MOST_ATOMS, draw_structure
from linpot.report.rules import ADD, GOOD, GRADES, WHERE, rules, word_for
from linpot.report.samples import EDGES, ErrorCounts, PointSample
from linpot.report.verdict import judge
from linpot.report.wording import digits, in_unit, listed


def statistics(rmse: float, n: int = 100) -> dict[str, float]:
    return {"mae": 0.8 * rmse, "rmse": rmse, "max": 3.0 * rmse, "p95": 2.0 * rmse, "n": n}


def errors(
    name: str = "test", *, energy: float = 0.005, forces: float = 0.05, n: int = 60
) -> DataErrors:
    """Errors of two equal groups, where labels spread by 0.1 eV/atom and 1 eV/A."""
    rng = np.random.default_rng(0)
    group = {"energy": statistics(energy), "forces": statistics(forces)}
    return DataErrors(
        name,
        n,
        10 * n,
        tuple("ab"[k % 2] for k in range(n)),
        {"all": group, "groups": {"a": group, "b": group}},
        {},
        {},
        {"energy": 0.1, "forces": 1.0},
        {"energy": energy * rng.normal(size=n), "forces": np.full(n, forces)},
        np.full(n, 12.0),
        {"Cu": ElementErrors(10 * n, n, 30 * n, forces, 1.0)},
    )


def page(*data: DataErrors, **more) -> PageContents:
    return PageContents("A page", {}, data, **more)


def texts(contents: PageContents, section: str) -> str:
    return " ".join(s.text for s in judge(contents) if s.section == section)


@pytest.mark.parametrize(("limit", "word"), GRADES)
def test_verdict_is_the_word_of_the_worse_property(limit, word):
    relative = 0.9 * min(limit, 0.5)
    for own in (errors(forces=relative, energy=1e-4), errors(forces=1e-3, energy=0.1 * relative)):
        first = judge(page(own))[0]
        assert first.section == GOOD
        assert first.text.lower().startswith(word)
    assert word_for(relative) == word
    assert any(word in rule for rule in rules())


def test_training_errors_alone_are_never_called_good():
    first = judge(page(errors("train", forces=0.001, energy=1e-4)))[0]
    assert first.text.startswith("Not tested.")
    assert first.tone != "good"
    assert "Test data" in texts(page(errors("train")), ADD)


def test_few_structures_give_no_verdict_or_a_warning():
    assert judge(page(errors(n=4)))[0].text == "No verdict: 4 test structures are too few."
    assert "12 test structures are few" in texts(page(errors(n=12)), GOOD)
    assert "few" not in texts(page(errors(n=60)), GOOD)


def test_labels_that_do_not_differ_give_no_verdict():
    own = replace(errors(), scale={"energy": 0.0, "forces": 0.0})
    assert judge(page(own))[0].text.startswith("No verdict: the labels")


def test_groups_with_larger_errors_are_named_and_asked_for():
    own = errors()
    bad = {"energy": statistics(0.02), "forces": statistics(0.05)}
    metrics = {"all": own.metrics["all"], "groups": {"a": own.metrics["groups"]["a"], "b": bad}}
    found = page(replace(own, metrics=metrics))
    assert "Energies in group 'b' (30 structures): RMSE 20.0 meV/atom, 4.0 times" in texts(
        found, WHERE
    )
    assert "More structures like those of the group 'b'" in texts(found, ADD)
    assert "group 'a'" not in texts(found, WHERE)
    assert "group" not in texts(page(own), WHERE)


def test_energies_of_one_sign_are_told():
    own = errors()
    per_structure = {**own.per_structure, "energy": np.where(np.arange(60) % 2, 0.005, 1e-4)}
    assert "group 'b' are too high throughout, by 5.00 meV/atom" in texts(
        page(replace(own, per_structure=per_structure)), WHERE
    )


def test_gap_between_training_and_test_is_told_once():
    train = errors("train", energy=0.001, forces=0.01)
    found = page(train, errors())
    gap = [s.text for s in judge(found) if "larger than training errors" in s.text]
    assert len(gap) == 1
    assert "5.00 times for energies, 5.00 times for forces" in gap[0]
    assert "larger than training" not in texts(page(errors("train"), errors()), WHERE)


def test_few_structures_with_most_of_the_error_are_told():
    own = errors()
    forces = np.full(60, 0.01)
    forces[7] = 1.0
    found = page(replace(own, per_structure={**own.per_structure, "forces": forces}))
    assert "squared" not in texts(page(own), WHERE)
    assert "One structure of 60 makes 99% of the squared force error" in texts(found, WHERE)


def test_holes_are_told_and_counted():
    holes = tuple(f"hole number {k}" for k in range(5))
    text = texts(page(errors(), holes=holes), WHERE)
    assert "A hole: hole number 0." in text
    assert "hole number 3" not in text
    assert "2 more holes" in text


def test_new_environments_are_told():
    found = page(errors(), grades=GradeSurvey(np.full(60, 3.0), 0.2, 0.1))
    assert "20.0% of the test atoms are in environments outside" in texts(found, WHERE)
    assert "linpot select" in texts(found, ADD)
    assert "outside" not in texts(page(errors(), grades=GradeSurvey(np.ones(60), 0.0, 0.0)), WHERE)


@pytest.mark.parametrize(
    ("covered", "words"), [(0.7, "too narrow"), (0.9, "as wide"), (1.0, "wider than needed")]
)
def test_error_bars_are_judged_by_their_coverage(covered, words):
    own = {"coverage": {"0.9": covered}, "half_width": {"0.9": 0.1}, "rank_correlation": None}
    own |= {"diagram": {"level": [], "coverage": []}, "structures": 60}
    assert words in texts(page(errors(), reliability={"forces": own}), GOOD)


@pytest.mark.parametrize(
    ("last", "advice"),
    [(0.03, "More functions: the errors"), (0.049, "Not more"), (0.06, "More data")],
)
def test_sizes_lead_to_advice(last, advice):
    curve = SizeCurve(
        (10, 20), {("test", "energy"): (0.05, last), ("test", "forces"): (0.05, last)}
    )
    assert advice in texts(page(errors(), sizes=curve), ADD)


def test_worth_of_groups_leads_to_advice():
    ratio = np.array([[3.0, 1.0, 1.1], [1.0, 1.01, 1.0]])
    worth = WorthTable(("a", "b"), ("a", "b", "test"), {"forces": ratio})
    text = texts(page(errors(), worth=worth), ADD)
    assert "Nothing replaces group 'a': left out, its own errors are 3.0 times" in text
    assert "No more of 'b'" in text


def test_pairs_without_distances_are_asked_for():
    r = np.linspace(1.0, 5.0, 9)
    pair = PairCurves(("Cu", "Au"), r, {"total": 0.0 * r}, None, r, np.zeros(8), 0.0)
    assert "neighbors Cu-Au" in texts(page(errors("train"), errors(), pairs=(pair,)), ADD)


def test_numbers_have_three_digits_and_their_unit():
    assert [digits(v) for v in (0.0, 1.0, 0.012345, 123.456, 12345.6, 1e-7, np.nan)] == [
        *("0", "1.00", "0.0123", "123", "12346", "1.00e-07", "\u2013")
    ]
    assert in_unit("energy", 0.0123) == "12.3 meV/atom"
    assert in_unit("stress", 1.0) == "160 GPa"
    assert listed(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d and 2 more"


def test_sample_keeps_all_of_few_points():
    sample = PointSample(100, 5)
    sample.add(np.arange(9.0), np.arange(9.0) + 1.0, 4)
    values, places = sample.points()
    np.testing.assert_array_equal(values, np.column_stack([np.arange(9.0), np.arange(9.0) + 1.0]))
    np.testing.assert_array_equal(places, np.column_stack([np.full(9, 4), np.arange(9)]))


def test_sample_is_bounded_keeps_extremes_and_ignores_how_data_are_cut():
    rng = np.random.default_rng(1)
    labels = rng.normal(size=20_000)
    predictions = labels + rng.normal(size=20_000)
    found = []
    for condensing in (1, 10_000):  # how many waiting points condense
        sample = PointSample(300, 20, seed=3)
        for structure, own in enumerate(np.split(np.arange(20_000), 200)):
            sample.add(labels[own], predictions[own], structure)
            if structure % condensing == 0:
                sample.points()
        found.append(sample.points())
    (values, places), (again, places_again) = found
    np.testing.assert_array_equal(values, again)
    np.testing.assert_array_equal(places, places_again)
    assert 300 <= len(values) <= 340
    assert sample.total == 20_000
    index = 100 * places[:, 0] + places[:, 1]
    np.testing.assert_array_equal(values[:, 0], labels[index])
    assert set(np.argsort(-np.abs(predictions - labels))[:20]) <= set(index)
    assert set(np.argsort(-np.abs(labels))[:20]) <= set(index)


def test_counts_hold_every_error():
    counter = ErrorCounts()
    counter.add(np.array([0.0, -1.0, 1.0, 1e9, 1e-12]))
    assert counter.counts.sum() == 5
    inside = counter.counts[(EDGES[:-1] <= 1.0) & (EDGES[1:] > 1.0)]
    assert inside.tolist() == [2]


@pytest.mark.parametrize("n_atoms", [1, 12, MOST_ATOMS + 40])
def test_drawing_is_closed_svg_with_a_sphere_per_atom(n_atoms):
    rng = np.random.default_rng(0)
    line = StructureLine("<b>", "g", "Cu", ("Cu", "O", "H")[:1] * n_atoms)
    force_errors = rng.random(n_atoms)
    structure = WorstStructure(
        line,
        0,
        "largest <error>",
        10.0 * rng.random((n_atoms, 3)),
        10.0 * np.eye(3),
        (True, True, True),
        force_errors,
    )
    svg = ElementTree.fromstring(draw_structure(structure))
    circles = svg.findall("circle")
    assert len(circles) == min(n_atoms, MOST_ATOMS)
    drawn = {c.find("title").text.split()[1] for c in circles}
    assert str(force_errors.argmax()) in drawn
    # edges of the cell only where the whole cell is drawn
    assert len(svg.findall("line")) == (12 if n_atoms <= MOST_ATOMS else 0)
    width, height = map(float, svg.get("viewBox").split()[2:])
    for circle in circles:
        assert 0.0 <= float(circle.get("cx")) <= width
        assert 0.0 <= float(circle.get("cy")) <= height
