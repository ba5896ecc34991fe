"""Specifications: what they refuse, and that they survive a file."""

from __future__ import annotations

import re
from itertools import combinations_with_replacement

import pytest

from linpot.basis.radial import RadialParameters
from linpot.basis.specification import BasisSpecification, pair_name, symbols_of
from linpot.errors import InputError


def specification(elements=("Si", "C"), **kwargs) -> BasisSpecification:
    ordered = tuple(sorted(elements, key=lambda s: {"C": 6, "Si": 14, "Ge": 32}.get(s, 0)))
    radial = {pair: RadialParameters(5.0) for pair in combinations_with_replacement(ordered, 2)}
    values = {"radial": radial, "n_functions": 100, **kwargs}
    return BasisSpecification(elements, **values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"body_order": 1}, "`body_order` must be a whole number from 2 to 7, got 1"),
        ({"body_order": 8}, "`body_order` must be a whole number from 2 to 7, got 8"),
        ({"body_order": 3.0}, "`body_order` must be a whole number from 2 to 7, got 3.0"),
        ({"body_order": True}, "`body_order` must be a whole number from 2 to 7, got True"),
        ({"l_max": -1}, "`l_max` must be a whole number from 0 to 30, got -1"),
        ({"angular_weight": 0.0}, "`angular_weight` must be a positive number, got 0.0"),
        ({"pair_weight": "a"}, "`pair_weight` must be a positive number, got 'a'"),
        ({"n_functions": 0}, "`n_functions` must be a whole number of at least 1, got 0"),
        ({"n_functions": 10.5}, "`n_functions` must be a whole number of at least 1, got 10.5"),
        ({"n_functions": {"Si": 5}}, "`n_functions` must name every element, 'C' is missing"),
        ({"n_functions": None}, "exactly one of `n_functions` and `max_degree` must be given"),
        ({"max_degree": 5}, "exactly one of `n_functions` and `max_degree` must be given"),
        (
            {"n_functions": None, "max_degree": [5, 4], "body_order": 4},
            "`max_degree` must be one number or 3 (body orders 2 to 4), got [5, 4]",
        ),
        (
            {"n_functions": None, "max_degree": -1.0},
            "`max_degree` must be a non-negative number, got -1.0",
        ),
        (
            {"n_functions": None, "max_degree": {"C": 4}},
            "`max_degree` must name every element, 'Si' is missing",
        ),
        (
            {"degree_offsets": (0.0, 0.0), "body_order": 5},
            "`degree_offsets` must have 4 values for body order 5, got 2",
        ),
        ({"radial": {}}, "`radial` must have every pair of elements, ('C', 'C') is missing"),
    ],
)
def test_invalid_specification_is_refused_with_its_value(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        specification(**changes)


@pytest.mark.parametrize("symbol", ["Xx", "si", "X", ""])
def test_unknown_element_is_refused_with_its_name(symbol):
    with pytest.raises(InputError, match=f"`elements` must be chemical symbols, got '{symbol}'"):
        specification(elements=("Si", symbol))


def test_no_elements_are_refused():
    with pytest.raises(InputError, match="`elements` must name at least one element, got none"):
        BasisSpecification((), {}, n_functions=10)


def test_elements_are_ordered_by_atomic_number_and_named_once():
    assert specification(("Si", "C", "Si")).elements == ("C", "Si")
    assert specification().numbers == (6, 14)


def test_pairs_are_found_in_either_order():
    own = specification()
    assert list(own.pairs()) == [("C", "C"), ("C", "Si"), ("Si", "Si")]
    assert own.radial_of("Si", "C") is own.radial_of("C", "Si")
    assert pair_name("Si", "C") == ("C", "Si")
    assert symbols_of([6, 14]) == ("C", "Si")


def test_cutoff_is_the_largest_of_all_pairs():
    radial = {
        ("C", "C"): RadialParameters(3.0),
        ("C", "Si"): RadialParameters(6.5),
        ("Si", "Si"): RadialParameters(5.0),
    }
    assert specification(radial=radial).cutoff == 6.5


@pytest.mark.parametrize(
    "changes",
    [
        {"n_functions": 50},
        {"n_functions": {"C": 50, "Si": 70}},
        {"n_functions": None, "max_degree": 6},
        {"n_functions": None, "max_degree": [6, 5.5], "body_order": 3},
        {"n_functions": None, "max_degree": {"C": [6, 5], "Si": 4}, "body_order": 3},
    ],
)
def test_specification_survives_a_dictionary(changes):
    own = specification(**changes)
    again = BasisSpecification.from_dict(own.as_dict())
    assert again.as_dict() == own.as_dict()
    for symbol in own.elements:
        assert again.functions_of(symbol) == own.functions_of(symbol)
        assert again.degrees_of(symbol) == own.degrees_of(symbol)
