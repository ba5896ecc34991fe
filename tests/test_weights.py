"""Weights multiply residuals: by property, by group, and inside a group."""

from __future__ import annotations

import re

import numpy as np
import pytest

from linpot.errors import InputError
from linpot.fitting.weights import PROPERTIES, Weights, composition, lowest_energies
from linpot.structures.structure import Labels, Structure


def structure(numbers, energy=None, **kwargs) -> Structure:
    n = len(numbers)
    return Structure(
        np.array(numbers),
        np.arange(3.0 * n).reshape(n, 3),
        np.zeros((3, 3)),
        (False, False, False),
        labels=Labels(energy=energy),
        **kwargs,
    )


def test_weight_of_a_group_multiplies_that_of_the_property():
    weights = Weights(energy=50.0, forces=2.0, stress=5.0, groups={"liquid": 0.5})
    assert [weights.of("liquid", p) for p in PROPERTIES] == [25.0, 1.0, 2.5, 5.0, 5.0]
    assert [weights.of("other", p) for p in PROPERTIES] == [50.0, 2.0, 5.0, 10.0, 10.0]


def test_weight_of_a_group_can_differ_between_properties():
    weights = Weights(energy=50.0, forces=2.0, stress=5.0, groups={"surface": {"energy": 2.0}})
    assert [weights.of("surface", p) for p in PROPERTIES] == [100.0, 2.0, 5.0, 10.0, 10.0]


def test_no_factor_inside_a_group_by_default():
    forces = np.random.default_rng(0).normal(size=(4, 3)) * 100
    assert Weights().energy_factor(structure([14] * 2, energy=10.0), -5.0) == 1.0
    assert np.array_equal(Weights().force_factors(forces), np.ones(12))


@pytest.mark.parametrize(
    ("above", "factor"), [(-1.0, 1.0), (0.0, 1.0), (0.5, 1.0), (1.0, 0.5), (5.0, 0.1)]
)
def test_energy_window_weights_high_energies_down(above, factor):
    """``window / distance`` beyond the window, energies per atom."""
    weights = Weights(energy_window=0.5)
    high = structure([14] * 4, energy=4 * (-3.0 + above))
    assert weights.energy_factor(high, -3.0) == pytest.approx(factor)


def test_energy_window_leaves_structures_without_energy_alone():
    assert Weights(energy_window=0.5).energy_factor(structure([14]), -3.0) == 1.0


def test_force_cap_weights_atoms_not_components():
    forces = np.array([[3.0, 4.0, 0.0], [0.3, 0.4, 0.0], [0.0, 0.0, -20.0], [0.0, 0.0, 0.0]])
    factors = Weights(force_cap=2.0).force_factors(forces)
    assert np.allclose(factors, np.repeat([0.4, 1.0, 0.1, 1.0], 3), rtol=1e-15)


def test_weighted_forces_are_never_larger_than_the_cap():
    forces = np.random.default_rng(1).normal(size=(50, 3)) * 5
    weighted = forces * Weights(force_cap=2.0).force_factors(forces).reshape(-1, 3)
    assert np.linalg.norm(weighted, axis=1).max() <= 2.0 * (1 + 1e-15)


def test_composition_is_in_lowest_terms_so_that_supercells_compare():
    assert composition(structure([14, 8, 8])) == composition(structure([8, 14, 8, 8, 14, 8]))
    assert composition(structure([14, 8, 8])) == ((8, 2), (14, 1))
    assert composition(structure([14, 14])) == ((14, 1),)
    assert composition(structure([14, 8])) != composition(structure([14, 8, 8]))


def test_lowest_energy_is_per_atom_and_composition():
    lowest = lowest_energies(
        [
            structure([14] * 2, energy=-10.0),
            structure([14] * 4, energy=-22.0),
            structure([8], energy=-1.0),
            structure([8, 14]),
        ]
    )
    assert lowest == {((14, 1),): -5.5, ((8, 1),): -1.0}


def test_unknown_group_is_refused_with_its_name():
    weights = Weights(groups={"liqid": 0.5})
    message = "`weights.groups` must name groups of the data (liquid, solid), got 'liqid'"
    with pytest.raises(InputError, match=re.escape(message)):
        weights.check_groups(("liquid", "solid"))
    Weights(groups={"liquid": 0.5}).check_groups(("liquid", "solid"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy": -1.0}, "`weights.energy` must be a non-negative number, got -1.0"),
        ({"forces": float("inf")}, "`weights.forces` must be a non-negative number, got inf"),
        ({"stress": "a"}, "`weights.stress` must be a non-negative number, got 'a'"),
        (
            {"energy_window": 0.0},
            "`weights.energy_window` must be a positive energy in eV, got 0.0",
        ),
        ({"force_cap": -2.0}, "`weights.force_cap` must be a positive force in eV/A, got -2.0"),
        (
            {"groups": {"liquid": -0.5}},
            "`weights.groups['liquid']` must be a non-negative number, got -0.5",
        ),
        (
            {"groups": {"liquid": {"virial": 1.0}}},
            "`weights.groups['liquid']` must be one of charges, dipole, energy, forces, stress, "
            "got 'virial'",
        ),
    ],
)
def test_invalid_weights_are_refused_with_their_value(changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Weights(**changes)


def test_weights_as_plain_values_make_equal_weights():
    weights = Weights(energy=3.0, groups={"a": {"energy": 2.0}, "b": 0.5}, force_cap=4.0)
    assert Weights(**weights.as_dict()) == weights
