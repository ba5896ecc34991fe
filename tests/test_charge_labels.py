"""Reference charges, dipoles and total charges: from files and Atoms to labels and errors."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import linpot
from linpot.io.structure_file import StructureFile
from linpot.structures.labels import find_labels
from linpot.structures.structure import structure_from_atoms

CHARGES = [0.6, -0.3, -0.3]
DIPOLE = [0.1, -0.2, 0.3]


def water(**arrays) -> Atoms:
    atoms = Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.2, 0.94, 0]])
    for name, values in arrays.items():
        atoms.arrays[name] = np.array(values)
    return atoms


def test_charges_and_dipole_of_the_calculator_are_labels():
    atoms = water()
    atoms.calc = SinglePointCalculator(atoms, charges=np.array(CHARGES), dipole=np.array(DIPOLE))
    found = find_labels(atoms)
    np.testing.assert_array_equal(found.labels.charges, CHARGES)
    np.testing.assert_array_equal(found.labels.dipole, DIPOLE)
    assert found.keys == {"charges": "calculator", "dipole": "calculator"}


def test_charges_and_dipole_are_found_in_arrays_and_info():
    atoms = water(REF_charges=CHARGES)
    atoms.info["dft_dipole"] = DIPOLE
    labels = find_labels(atoms).labels
    np.testing.assert_array_equal(labels.charges, CHARGES)
    np.testing.assert_array_equal(labels.dipole, DIPOLE)
    assert labels.present == ("charges", "dipole")


def test_named_keys_are_taken_and_none_ignores():
    atoms = water(mbis=CHARGES, charges=np.zeros(3))
    atoms.info["mu"] = DIPOLE
    keys = linpot.LabelKeys(charges="mbis", dipole="mu")
    labels = find_labels(atoms, keys).labels
    np.testing.assert_array_equal(labels.charges, CHARGES)
    np.testing.assert_array_equal(labels.dipole, DIPOLE)
    ignored = linpot.LabelKeys(charges="none", dipole="none")
    assert find_labels(atoms, ignored).labels.present == ()


def test_given_charges_are_labels_where_there_are_no_others():
    data = linpot.Dataset.from_atoms([water(initial_charges=CHARGES)])
    np.testing.assert_array_equal(data[0].charges, CHARGES)
    np.testing.assert_array_equal(data[0].labels.charges, CHARGES)
    assert data.keys_found == {"charges": {"arrays['initial_charges']": 1}}
    other = water(initial_charges=CHARGES, ref_charges=[0.2, -0.1, -0.1])
    data = linpot.Dataset.from_atoms([other])
    np.testing.assert_array_equal(data[0].charges, CHARGES)
    np.testing.assert_array_equal(data[0].labels.charges, [0.2, -0.1, -0.1])
    ignored = linpot.LabelKeys(charges="none")
    data = linpot.Dataset.from_atoms([water(initial_charges=CHARGES)], keys=ignored)
    assert data[0].labels.charges is None
    assert data[0].charges is not None


def test_charges_of_another_length_are_refused():
    atoms = water()
    atoms.calc = SinglePointCalculator(atoms)
    atoms.calc.results["charges"] = np.array([1.0, -1.0])
    with pytest.raises(linpot.InputError, match=r"`charges` must have shape \[3\]"):
        find_labels(atoms)


def test_a_periodic_structure_has_no_dipole():
    """It depends on the choice of images."""
    atoms = water()
    atoms.info["dipole"] = DIPOLE
    atoms.cell, atoms.pbc = np.eye(3) * 8.0, [True, False, False]
    assert find_labels(atoms).labels.dipole is None


def test_total_charge_comes_from_info_or_given_charges_or_is_zero():
    assert structure_from_atoms(water()).net_charge == 0.0
    assert structure_from_atoms(water(initial_charges=[0.5, 0.25, 0.125])).net_charge == 0.875
    # reference charges are rounded: their sum is not
    assert structure_from_atoms(water(initial_charges=[0.5, 0.3, 0.2004])).net_charge == 1.0
    for key in ("total_charge", "charge"):
        atoms = water(initial_charges=CHARGES)
        atoms.info[key] = -1
        assert structure_from_atoms(atoms).net_charge == -1.0
    atoms.info["total_charge"] = 1
    with pytest.raises(linpot.InputError, match=r"two total charges that differ"):
        structure_from_atoms(atoms)
    atoms.info = {"charge": "one"}
    with pytest.raises(linpot.InputError, match=r"info\['charge'\]"):
        structure_from_atoms(atoms)


def test_charges_and_dipoles_survive_a_temporary_file_and_enter_the_hash():
    atoms = water(charges=CHARGES, initial_charges=[0.2, 0.1, 0.1])
    atoms.info |= {"dipole": DIPOLE, "total_charge": 2.0}
    data = linpot.Dataset.from_atoms([atoms])
    copy = linpot.Dataset(StructureFile(data))
    assert copy[0].net_charge == 2.0
    np.testing.assert_array_equal(copy[0].labels.charges, CHARGES)
    np.testing.assert_array_equal(copy[0].labels.dipole, DIPOLE)
    assert copy.content_hash() == data.content_hash()
    for change in ({"dipole": [0.1, -0.2, 0.4]}, {"total_charge": 3.0}):
        other = atoms.copy()
        other.info |= change
        assert linpot.Dataset.from_atoms([other]).content_hash() != data.content_hash()


def test_errors_of_charges_and_dipoles_are_evaluated():
    model = linpot.Coulomb({"O": -0.8, "H": 0.4})
    atoms = water(charges=CHARGES)
    atoms.info["dipole"] = DIPOLE
    found = linpot.evaluate(model, [atoms])["all"]
    assert set(found) == {"charges", "dipole"}
    assert found["charges"]["rmse"] == pytest.approx(np.sqrt((1.4**2 + 2 * 0.7**2) / 3))
    mu = np.array([-0.8, 0.4, 0.4]) @ atoms.positions
    assert found["dipole"]["max"] == pytest.approx(np.abs(mu - DIPOLE).max())
    assert found["dipole"]["n"] == 3


def test_a_calculator_serves_charges_dipole_and_energies_of_parts():
    atoms = water()
    atoms.calc = linpot.LinpotCalculator(linpot.Coulomb({"O": -0.8, "H": 0.4}))
    np.testing.assert_array_equal(atoms.get_charges(), [-0.8, 0.4, 0.4])
    np.testing.assert_allclose(atoms.get_dipole_moment(), [-0.8, 0.4, 0.4] @ atoms.positions)
    part = atoms.calc.get_property("energy_coulomb", atoms)
    assert part == atoms.get_potential_energy() != 0.0


def test_a_changed_total_charge_is_noticed():
    atoms = water()
    atoms.calc = linpot.LinpotCalculator(linpot.Coulomb({"O": -0.8, "H": 0.4}))
    atoms.get_potential_energy()
    assert atoms.calc.check_state(atoms) == []
    atoms.info["total_charge"] = 1
    assert "total_charge" in atoms.calc.check_state(atoms)


def test_weights_of_charges_and_dipoles_are_kept():
    weights = linpot.Weights(charges=3.0, groups={"ions": {"dipole": 0.0}})
    assert weights.of("all", "charges") == 3.0
    assert weights.of("ions", "dipole") == 0.0
    assert weights.as_dict()["charges"] == 3.0
