"""Labels: where they are found, how they are converted, what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import voigt_6_to_full_3x3_stress
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from linpot.errors import InputError
from linpot.structures.labels import NAMES, LabelKeys, find_labels

stresses = arrays(np.float64, 6, elements=st.floats(-1.0, 1.0, allow_subnormal=False))


def crystal() -> Atoms:
    atoms = bulk("Si", cubic=True)
    shear = np.array([[0, 0.3, 0], [0, 0, 0.2], [0.1, 0, 0]])
    atoms.set_cell(atoms.cell.array + shear, scale_atoms=True)
    return atoms


def labelled(**results) -> Atoms:
    atoms = crystal()
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def forces_of(atoms: Atoms, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(atoms), 3))


def test_labels_come_from_the_calculator():
    atoms = labelled(energy=-3.5, forces=forces_of(crystal()), stress=np.arange(6) * 0.1)
    found = find_labels(atoms)
    assert found.labels.energy == -3.5
    assert np.array_equal(found.labels.forces, forces_of(atoms))
    assert np.array_equal(found.labels.stress, np.arange(6) * 0.1)
    assert found.keys == dict.fromkeys(("energy", "forces", "stress"), "calculator")


def test_absent_labels_are_none():
    found = find_labels(crystal())
    assert found.labels.present == ()
    assert found.keys == {}


def test_no_calculation_is_triggered():
    atoms = bulk("Cu")
    atoms.calc = EMT()
    assert find_labels(atoms).labels.present == ()
    assert atoms.calc.results == {}


def test_found_labels_do_not_share_memory_with_the_atoms():
    atoms = crystal()
    atoms.arrays["forces"] = forces_of(atoms)
    assert not np.shares_memory(find_labels(atoms).labels.forces, atoms.arrays["forces"])


@given(name=st.sampled_from(NAMES["energy"]), upper=st.lists(st.booleans(), min_size=30))
@settings(max_examples=40, deadline=None)
def test_energy_is_found_under_every_name_in_any_case(name, upper):
    key = "".join(c.upper() if up else c for c, up in zip(name, upper, strict=False))
    atoms = crystal()
    atoms.info = {"something": 1.0, key: -7.25}
    found = find_labels(atoms)
    assert found.labels.energy == -7.25
    assert found.keys == {"energy": f"info[{key!r}]"}


@pytest.mark.parametrize("key", ["forces", "force", "REF_forces", "dft_forces", "DFT_force"])
def test_forces_are_found_under_usual_names(key):
    atoms = crystal()
    atoms.arrays[key] = forces_of(atoms)
    found = find_labels(atoms)
    assert np.array_equal(found.labels.forces, forces_of(atoms))
    assert found.keys == {"forces": f"arrays[{key!r}]"}


@given(order=st.permutations(["energy", "REF_energy", "dft_energy", "DFT-energy", "comment"]))
@settings(max_examples=20, deadline=None)
def test_order_of_agreeing_keys_changes_nothing(order):
    atoms = crystal()
    atoms.info = {key: "text" if key == "comment" else -1.5 for key in order}
    assert find_labels(atoms).labels.energy == -1.5


def test_agreeing_duplicates_are_named_together():
    atoms = labelled(energy=-3.5)
    atoms.info["REF_energy"] = -3.5 + 5e-7
    assert find_labels(atoms).keys == {"energy": "calculator = info['REF_energy']"}


def test_contradicting_energies_are_refused_with_both_keys_and_values():
    atoms = labelled(energy=-3.5)
    atoms.info["REF_energy"] = -3.4
    message = (
        "structure 17 ('liquid') has two values of energy that differ: -3.5 in calculator and -3.4 "
        "in info['REF_energy']; choose one with LabelKeys(energy='energy') (--energy-key energy) "
        "or LabelKeys(energy='REF_energy') (--energy-key REF_energy)"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        find_labels(atoms, name="structure 17 ('liquid')")
    assert find_labels(atoms, LabelKeys(energy="energy")).labels.energy == -3.5
    assert find_labels(atoms, LabelKeys(energy="REF_energy")).labels.energy == -3.4


def test_contradicting_forces_are_refused_with_the_worst_component():
    atoms = labelled(forces=forces_of(crystal()))
    atoms.arrays["dft_forces"] = forces_of(atoms)
    atoms.arrays["dft_forces"][3, 1] = 9.0
    with pytest.raises(InputError, match=r"forces\[3, 1\] that differ: .* 9 in arrays\['dft_f"):
        find_labels(atoms)


def test_energy_is_preferred_over_a_differing_free_energy_and_says_so():
    atoms = labelled(energy=-3.5, free_energy=-3.6)
    found = find_labels(atoms)
    assert found.labels.energy == -3.5
    assert found.keys == {"energy": "calculator (free_energy differs)"}
    chosen = find_labels(atoms, LabelKeys(energy="free_energy"))
    assert chosen.labels.energy == -3.6
    assert chosen.keys == {"energy": "calculator (free_energy)"}


def test_equal_free_energy_is_not_mentioned():
    assert find_labels(labelled(energy=-3.5, free_energy=-3.5)).keys == {"energy": "calculator"}


def test_free_energy_alone_is_the_energy():
    atoms = crystal()
    atoms.info["free_energy"] = -3.6
    found = find_labels(atoms)
    assert found.labels.energy == -3.6
    assert found.keys == {"energy": "info['free_energy']"}


def test_named_key_outranks_everything_else():
    atoms = labelled(energy=-3.5, forces=forces_of(crystal()))
    atoms.info["my_energy"] = -2.0
    atoms.arrays["my_forces"] = forces_of(atoms, seed=1)
    found = find_labels(atoms, LabelKeys(energy="my_energy", forces="my_forces"))
    assert found.labels.energy == -2.0
    assert np.array_equal(found.labels.forces, forces_of(atoms, seed=1))
    assert found.keys == {"energy": "info['my_energy']", "forces": "arrays['my_forces']"}


def test_named_key_that_is_absent_gives_no_label():
    assert find_labels(labelled(energy=-3.5), LabelKeys(energy="my_energy")).labels.energy is None


@pytest.mark.parametrize("label", ["energy", "forces", "stress"])
def test_none_ignores_a_label(label):
    atoms = labelled(energy=-3.5, forces=forces_of(crystal()), stress=np.zeros(6))
    atoms.info["virial"] = np.eye(3)  # contradicts the stress
    keys = {"stress": "none"} if label == "stress" else {label: "none", "virial": "none"}
    assert label not in find_labels(atoms, LabelKeys(**keys)).labels.present


def test_none_ignores_free_energy_too():
    assert find_labels(labelled(free_energy=-3.5), LabelKeys(energy="none")).labels.present == ()


@given(stress=stresses)
@settings(max_examples=50, deadline=None)
def test_virial_equals_minus_volume_times_stress(stress):
    """Stress -> virial in every shape -> the same stress."""
    atoms = crystal()
    virial = -atoms.get_volume() * voigt_6_to_full_3x3_stress(stress)
    voigt = -atoms.get_volume() * stress
    for value in (virial, virial.reshape(9), voigt):
        atoms.info = {"REF_virial": value}
        # round-off of one product and one quotient
        assert np.allclose(find_labels(atoms).labels.stress, stress, rtol=1e-14, atol=1e-300)


@given(stress=stresses)
@settings(max_examples=50, deadline=None)
def test_stress_means_the_same_in_every_shape(stress):
    full = voigt_6_to_full_3x3_stress(stress)
    atoms = crystal()
    for value in (stress, full, full.reshape(9), full.tolist()):
        atoms.info = {"dft_stress": value}
        found = find_labels(atoms)
        assert np.array_equal(found.labels.stress, stress)


def test_agreeing_stress_and_virial_are_one_label():
    atoms = labelled(stress=np.arange(6) * 0.1)
    atoms.info["virial"] = -atoms.get_volume() * voigt_6_to_full_3x3_stress(np.arange(6) * 0.1)
    assert find_labels(atoms).keys == {"stress": "calculator = info['virial']"}


def test_virial_of_the_wrong_sign_contradicts_the_stress():
    atoms = labelled(stress=np.arange(6) * 0.1)
    atoms.info["virial"] = atoms.get_volume() * voigt_6_to_full_3x3_stress(np.arange(6) * 0.1)
    message = r"stress\[5\] that differ: 0.5 in calculator and -0.5 in info\['virial'\].*virial-key"
    with pytest.raises(InputError, match=message):
        find_labels(atoms)
    assert find_labels(atoms, LabelKeys(stress="stress")).labels.stress[5] == 0.5
    assert find_labels(atoms, LabelKeys(virial="virial")).labels.stress[5] == pytest.approx(-0.5)


def test_virial_named_as_stress_is_refused():
    with pytest.raises(
        InputError, match=r"must not be the name of a virial, got 'REF_virial'; pas"
    ):
        LabelKeys(stress="REF_virial")


@pytest.mark.parametrize("key", ["", "  ", 3])
def test_key_that_is_no_name_is_refused(key):
    with pytest.raises(InputError, match=r"`forces` key must be a name or 'none', got"):
        LabelKeys(forces=key)


@pytest.mark.parametrize("quantity", ["stress", "virial"])
def test_stress_without_three_periodic_directions_is_refused(quantity):
    atoms = crystal()
    atoms.pbc = (True, True, False)
    atoms.info["REF_" + quantity] = np.eye(3)
    message = (
        rf"slab has a {quantity} \(from info\['REF_{quantity}'\]\), which needs a cell that is "
        r"periodic in three directions, got pbc \[True, True, False\]; .* --stress-key none"
    )
    with pytest.raises(InputError, match=message):
        find_labels(atoms, name="slab")
    assert find_labels(atoms, LabelKeys(stress="none")).labels.stress is None


@pytest.mark.parametrize("quantity", ["stress", "virial"])
def test_zero_stress_without_three_periodic_directions_is_dropped(quantity):
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.8]])
    atoms.info[quantity] = np.zeros((3, 3))
    found = find_labels(atoms)
    assert found.labels.stress is None
    assert found.keys == {}


def test_asymmetric_stress_is_refused():
    atoms = crystal()
    atoms.info["stress"] = np.array([[1.0, 0.2, 0], [0.1, 1, 0], [0, 0, 1]])
    with pytest.raises(InputError, match=r"`stress` must be symmetric, got \[\[1.0, 0.2, 0.0\]"):
        find_labels(atoms)


def test_slightly_asymmetric_stress_is_averaged():
    atoms = crystal()
    atoms.info["stress"] = np.array([[1.0, 0.2004, 0], [0.2, 1, 0], [0, 0, 1]])
    assert find_labels(atoms).labels.stress[5] == pytest.approx(0.2002)


def test_stress_of_wrong_shape_is_refused():
    atoms = crystal()
    atoms.info["stress"] = np.zeros(3)
    with pytest.raises(InputError, match=r"must have shape \[6\], \[9\] or \[3, 3\], got \[3\] in"):
        find_labels(atoms)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({"energy": np.nan}, r"`energy` must be finite, got energy = nan in s \(from calculator\)"),
        ({"energy": [1.0, 2.0]}, r"`energy` must have shape \[\], got \[2\] in s"),
        ({"energy": True}, r"`energy` must hold numbers, got True in s"),
        ({"energy": "low"}, r"`energy` must hold numbers, got 'low' in s"),
        ({"energy": [[1.0], [1.0, 2.0]]}, r"`energy` must hold numbers in s"),
        ({"free_energy": np.inf}, r"`energy` must be finite, got energy = inf in s"),
        ({"stress": [0, 0, np.inf, 0, 0, 0]}, r"must be finite, got stress\[2\] = inf in s"),
        ({"forces": np.zeros((3, 8))}, r"`forces` must have shape \[8, 3\], got \[3, 8\] in s"),
    ],
)
def test_malformed_label_is_refused_with_its_place(results, message):
    atoms = crystal()
    atoms.calc = SinglePointCalculator(atoms)
    atoms.calc.results = results
    with pytest.raises(InputError, match=message):
        find_labels(atoms, name="s")


def test_first_bad_force_is_named():
    atoms = crystal()
    atoms.arrays["dft_forces"] = forces_of(atoms)
    atoms.arrays["dft_forces"][4:, 2] = np.nan
    message = r"got forces\[4, 2\] = nan in structure 3 \(from arrays\['dft_forces'\]\)"
    with pytest.raises(InputError, match=message):
        find_labels(atoms, name="structure 3")


def test_calculator_shared_by_several_atoms_is_refused():
    """Its results belong to the last of them."""
    first, second = bulk("Cu", cubic=True), bulk("Cu", a=3.7, cubic=True)
    first.calc = second.calc = EMT()
    first.get_potential_energy()
    second.get_potential_energy()
    assert find_labels(second).labels.energy == second.calc.results["energy"]
    message = r"first has a calculator with results of other atoms \(different: cell, positions\)"
    with pytest.raises(InputError, match=message):
        find_labels(first, name="first")
    first.info["energy"] = -1.0
    keys = LabelKeys(energy="energy", forces="none", stress="none")
    assert find_labels(first, keys).labels.energy == -1.0
