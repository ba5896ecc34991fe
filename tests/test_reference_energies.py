"""One-body energies: given, read off isolated atoms, estimated, or by least squares."""

from __future__ import annotations

import re

import numpy as np
import pytest

from linpot.errors import InputError
from linpot.fitting.reference_energies import find_reference_energies
from linpot.structures.structure import Labels, Structure

CUTOFF = 5.0
E0 = {"O": -2.0, "Si": -5.0}
NUMBERS = {"O": 8, "Si": 14}


def atom(symbol: str, box: float | None = None, name: str = "the structure") -> Structure:
    cell = np.eye(3) * (box or 0.0)
    return Structure(
        np.array([NUMBERS[symbol]]), np.zeros((1, 3)), cell, (box is not None,) * 3, name=name
    )


def cluster(n_oxygen: int, n_silicon: int, energy: float | None = None) -> Structure:
    n = n_oxygen + n_silicon
    return Structure(
        np.array([8] * n_oxygen + [14] * n_silicon),
        np.arange(3.0 * n).reshape(n, 3),
        np.zeros((3, 3)),
        (False, False, False),
        labels=Labels(energy=energy),
    )


def energy(n_oxygen: int, n_silicon: int) -> float:
    return n_oxygen * E0["O"] + n_silicon * E0["Si"]


def test_given_energies_are_taken():
    found = find_reference_energies(
        [atom("O")], [-1.0], ("O", "Si"), CUTOFF, {"O": -7.0, "Si": 0.5}
    )
    assert found.values == {"O": -7.0, "Si": 0.5}
    assert found.sources == {"O": "given", "Si": "given"}
    assert not found.undetermined


@pytest.mark.parametrize("box", [None, 12.0])
def test_isolated_atoms_are_read_off(box):
    structures = [atom("O", box), atom("Si", box), cluster(2, 1)]
    found = find_reference_energies(structures, [-2.0, -5.0, -30.0], ("O", "Si"), CUTOFF)
    assert found.values == E0
    assert set(found.sources.values()) == {"isolated atom"}


def test_an_atom_that_sees_its_images_is_not_isolated():
    structures = [atom("Si", 3.0), cluster(0, 2)]
    found = find_reference_energies(structures, [-5.0, -10.0], ("Si",), CUTOFF)
    assert found.sources == {"Si": "estimate"}
    with pytest.raises(InputError, match="needs an isolated atom of every element, Si is missing"):
        find_reference_energies(structures, [-5.0, -10.0], ("Si",), CUTOFF, "isolated")


def test_an_isolated_atom_without_energy_tells_nothing():
    structures = [atom("Si"), cluster(0, 2)]
    found = find_reference_energies(structures, [None, -9.0], ("Si",), CUTOFF, "joint")
    assert found.sources == {"Si": "least squares"}
    assert found.values["Si"] == pytest.approx(-4.5)


def test_least_squares_recover_additive_energies():
    counts = [(1, 1), (2, 1), (4, 2), (3, 3), (1, 4)]
    found = find_reference_energies(
        [cluster(*c) for c in counts],
        [energy(*c) for c in counts],
        ("O", "Si"),
        CUTOFF,
        "least-squares",
    )
    assert found.values["O"] == pytest.approx(E0["O"], abs=1e-10)
    assert found.values["Si"] == pytest.approx(E0["Si"], abs=1e-10)
    assert set(found.sources.values()) == {"least squares"}
    assert not found.undetermined


def test_least_squares_ignore_isolated_atoms_when_asked():
    structures = [atom("Si"), cluster(0, 2), cluster(0, 3)]
    found = find_reference_energies(structures, [0.0, -10.0, -15.0], ("Si",), CUTOFF, "auto")
    assert found.values["Si"] == 0.0
    fitted = find_reference_energies(
        structures, [0.0, -10.0, -15.0], ("Si",), CUTOFF, "least-squares"
    )
    assert fitted.values["Si"] == pytest.approx(-10.0 / 3)  # mean energy per atom of all three


def test_known_elements_are_subtracted_before_the_rest_is_fitted():
    counts = [(1, 1), (2, 2)]
    structures = [atom("O"), *(cluster(*c) for c in counts)]
    energies = [E0["O"], *(energy(*c) for c in counts)]
    found = find_reference_energies(structures, energies, ("O", "Si"), CUTOFF, "joint")
    assert found.sources == {"O": "isolated atom", "Si": "least squares"}
    assert found.values["Si"] == pytest.approx(E0["Si"], abs=1e-10)
    assert not found.undetermined


def test_one_composition_leaves_energies_undetermined_and_takes_the_minimum_norm():
    counts = [(2, 1), (4, 2)]
    found = find_reference_energies(
        [cluster(*c) for c in counts],
        [energy(*c) for c in counts],
        ("O", "Si"),
        CUTOFF,
        "least-squares",
    )
    assert found.undetermined
    # (2/3, 1/3) . e = -3 eV per atom; e parallel to (2, 1)
    assert found.values["O"] == pytest.approx(-3.6)
    assert found.values["Si"] == pytest.approx(-1.8)


def test_an_estimate_lies_above_the_labels_by_the_cohesive_energies():
    counts = [(1, 1), (2, 1), (4, 2), (3, 3), (1, 4)]
    labels = [energy(*c) - c[0] * 2.60 - c[1] * 4.63 for c in counts]
    structures = [cluster(*c, label) for c, label in zip(counts, labels, strict=True)]
    repelled = [label - 7.0 for label in labels]  # what a repulsion adds is none of atoms alone
    for rest in (labels, repelled):
        found = find_reference_energies(structures, rest, ("O", "Si"), CUTOFF)
        assert found.values == pytest.approx(E0, abs=1e-10)
        assert set(found.sources.values()) == {"estimate"}


def test_what_a_baseline_that_binds_leaves_is_not_estimated():
    structures = [cluster(0, 2, -20.0), cluster(0, 3, -30.0)]
    found = find_reference_energies(
        structures, [-2.0, -3.0], ("Si",), CUTOFF, estimate=False
    )  # ions, bound by 9 eV each
    assert found.values["Si"] == pytest.approx(-1.0)
    assert found.sources == {"Si": "least squares"}


def test_an_estimate_takes_isolated_atoms_off_first():
    structures = [atom("O"), cluster(1, 1, E0["O"] + E0["Si"] - 2.60 - 4.63)]
    found = find_reference_energies(
        structures, [E0["O"], structures[1].labels.energy], ("O", "Si"), CUTOFF
    )
    assert found.sources == {"O": "isolated atom", "Si": "estimate"}
    assert found.values == pytest.approx(E0)


def test_without_any_energy_they_are_zero():
    found = find_reference_energies([cluster(1, 1)], [None], ("O", "Si"), CUTOFF)
    assert found.values == {"O": 0.0, "Si": 0.0}


def test_isolated_atoms_that_contradict_each_other_are_refused():
    structures = [atom("Si", name="structure 3"), atom("Si", name="structure 7")]
    message = (
        "isolated atoms of Si must have one energy, got -5.0 eV (structure 3) and -4.0 eV "
        "(structure 7); keep one, or give `e0`"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        find_reference_energies(structures, [-5.0, -4.0], ("Si",), CUTOFF)
    agree = find_reference_energies(structures, [-5.0, -5.0 + 1e-6], ("Si",), CUTOFF)
    assert agree.values == {"Si": -5.0}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("mean", "`e0` must be one of auto, isolated, joint, least-squares, got 'mean'"),
        ({"Ge": 1.0}, "`e0` must name elements of the data (O, Si), got 'Ge'"),
        ({"O": float("nan")}, "`e0['O']` must be finite"),
        ("isolated", "needs an isolated atom of every element, O, Si is missing"),
    ],
)
def test_invalid_rule_is_refused_with_its_value(rule, message):
    with pytest.raises(InputError, match=re.escape(message)):
        find_reference_energies([cluster(1, 1)], [-1.0], ("O", "Si"), CUTOFF, rule)
