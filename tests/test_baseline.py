"""What a user writes for a baseline, and the models it becomes."""

from __future__ import annotations

import pytest

import linpot
from linpot.baselines.zbl import ZBL
from linpot.errors import InputError
from linpot.structures.distances import PairDistances
from linpot.workflow.baseline import build_baseline, parse_baseline, wall_of

DISTANCES = {("Si", "Si"): PairDistances(2.0, 2.35, True)}


def build(baseline):
    return build_baseline(parse_baseline(baseline), DISTANCES, ("Si",))


@pytest.mark.parametrize("same", ["zbl", " zbl ", ["zbl"], {"zbl": True}])
def test_ways_to_say_the_same(same):
    assert build(same) == build("zbl")
    assert isinstance(build(same), ZBL)


@pytest.mark.parametrize("nothing", ["none", [], {}, {"none": True}])
def test_nothing(nothing):
    assert build(nothing) is None
    assert wall_of(None) is None


def test_a_model_stays_what_it_is():
    wall = build("zbl")
    assert build(wall) is wall
    both = build(["zbl", wall])
    assert both.parts == (wall, wall)
    assert wall_of(both).parts == both.parts


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("zlb", "one of zbl, coulomb, dispersion, d3, tblite, none"),
        ("d3", "'d3' needs a functional"),
        ("d3:pbe:bj", "'d3' needs a functional"),
        ("tblite", "'tblite' needs a method"),
        ("coulomb", "needs the charge of every element"),
        ("coulomb:Na", "needs the charge of every element"),
        ("coulomb:Na=1", "coulomb does not know 'Si'"),
        ("dispersion:big", "takes no arguments"),
        ("zbl,zbl", "'zbl' once"),
        ("zbl,none", "'none' alone"),
        ("zbl:hard", "takes no arguments, got 'zbl:hard'"),
        ("zbl:Si=1", "takes no arguments, got 'zbl:Si=1'"),
        ("zbl:Si=", "like 'zbl'"),
        ("zbl:Si=much", "Si must be a number, got 'much'"),
        ("zbl:Si=1,Si=2", "give 'Si' of zbl once"),
        ({"zbl": False}, "must be true, a word, or a table"),
        (3, "or an EnergyModel, got 3"),
        ("", "one of zbl"),
    ],
)
def test_mistakes_are_named(wrong, says):
    with pytest.raises(InputError, match=says):
        build(wrong)


def test_a_model_must_know_all_elements():
    with pytest.raises(InputError, match="zbl does not know 'Ge'"):
        build_baseline((build("zbl"),), DISTANCES, ("Si", "Ge"))


def test_settings_refuse_before_any_work():
    with pytest.raises(InputError, match="one of zbl"):
        linpot.fit([], baseline="d3:pbe,zlb")


def test_terms_become_models():
    distances = {("Na", "Na"): PairDistances(3.0, 3.5, True)}
    distances |= {("Cl", "Na"): PairDistances(2.3, 2.8, True)}
    distances |= {("Cl", "Cl"): PairDistances(3.0, 4.0, True)}
    text = "zbl,coulomb:Na=1,Cl=-1,dispersion,d3:pbe"
    table = {"zbl": True, "coulomb": {"Na": 1, "Cl": -1}, "dispersion": True, "d3": "pbe"}
    for same in (text, table):
        total = build_baseline(parse_baseline(same), distances, ("Na", "Cl"))
        assert [part.kind for part in total.parts] == ["zbl", "coulomb", "dispersion", "d3"]
        assert total.part_names == ("zbl", "coulomb", "dispersion")
        assert total.parts[1].charges == {"Na": 1.0, "Cl": -1.0}
        assert total.parts[3].functional == "pbe"
    xtb = build_baseline(parse_baseline("tblite:GFN1-xTB"), distances, ("Na", "Cl"))
    assert xtb.parameters == {"method": "GFN1-xTB"}
