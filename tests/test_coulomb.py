"""Fixed charges as a model: where charges come from, what is refused, sums, files, dynamics."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from charged_structures import CASES
from numpy.testing import assert_allclose

import linpot
from linpot.baselines.coulomb import Coulomb
from linpot.baselines.zbl import ZBL
from linpot.constants import COULOMB
from linpot.electrostatics.coulomb_sum import CoulombSum
from linpot.errors import FileFormatError, InputError
from linpot.structures.structure import structure_from_atoms

ROCKSALT = {"Na": 1.0, "Cl": -1.0}
MODELS = {
    "species": Coulomb(ROCKSALT),
    "clouds": Coulomb(ROCKSALT, widths={"Cl": 0.6}, accuracy=1e-8),
    "damped": Coulomb(ROCKSALT, damping=2.2, allow_charged=True),
    "atoms": Coulomb(None, widths={"Na": 0.3}),
    "both": Coulomb(ROCKSALT, per_atom=True),
}


def rattled(repeats: int = 1) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * repeats
    atoms.rattle(0.1, seed=0)
    atoms.set_initial_charges([ROCKSALT[symbol] for symbol in atoms.symbols])
    return atoms


@pytest.fixture
def salt() -> linpot.Structure:
    return structure_from_atoms(rattled())


def test_prediction_is_the_sum_of_the_structure(salt):
    prediction = Coulomb(ROCKSALT, widths={"Cl": 0.6}, accuracy=1e-8).predict(salt)
    charges = np.where(salt.numbers == 11, 1.0, -1.0)
    total = CoulombSum(salt, widths=np.where(salt.numbers == 17, 0.6, 0.0), accuracy=1e-8)
    expected = total.evaluate(charges)
    assert prediction.energy == expected.energy
    assert np.array_equal(prediction.forces, expected.forces)
    assert np.array_equal(prediction.virial, expected.virial)
    assert prediction.atomic_energies.sum() == pytest.approx(expected.energy, rel=1e-14)
    assert np.array_equal(prediction.extras["charges"], charges)
    assert np.array_equal(prediction.extras["potentials"], expected.potentials)
    assert np.array_equal(prediction.extras["fields"], expected.fields)
    assert "fields" not in Coulomb(ROCKSALT).predict(salt, forces=False).extras


def test_charges_of_atoms_and_of_species_give_the_same(salt):
    by_atom, by_species = (Coulomb(c).predict(salt) for c in (None, ROCKSALT))
    assert by_atom.energy == by_species.energy
    halved = replace(salt, charges=0.5 * salt.charges)
    both = Coulomb(ROCKSALT, per_atom=True)
    for model in (Coulomb(None), both):
        assert model.predict(halved).energy == pytest.approx(0.25 * by_atom.energy, rel=1e-13)
    assert both.predict(replace(salt, charges=None)).energy == by_species.energy
    assert Coulomb(ROCKSALT).predict(halved).energy == by_species.energy


def test_dimer_feels_coulombs_law():
    dimer = structure_from_atoms(Atoms("NaCl", [[0, 0, 0], [0, 0, 2.5]]))
    prediction = Coulomb({"Na": 0.8, "Cl": -0.5}).predict(dimer)
    assert prediction.energy == pytest.approx(-0.4 * COULOMB / 2.5, rel=1e-14)
    assert_allclose(prediction.forces[0], [0, 0, 0.4 * COULOMB / 6.25], rtol=1e-14)
    assert prediction.virial[2, 2] == pytest.approx(prediction.energy, rel=1e-14)


def test_sum_with_a_short_ranged_part_keeps_its_short_list(salt):
    zbl = ZBL(
        ("Na", "Cl"),
        dict.fromkeys([("Na", "Na"), ("Na", "Cl"), ("Cl", "Cl")], 1.0),
        dict.fromkeys([("Na", "Na"), ("Na", "Cl"), ("Cl", "Cl")], 3.0),
    )
    coulomb = Coulomb(ROCKSALT)
    both = zbl + coulomb
    assert both.cutoff == 3.0
    assert set(both.elements) == {"Na", "Cl"}
    a, b, total = zbl.predict(salt), coulomb.predict(salt), both.predict(salt)
    assert total.energy == pytest.approx(a.energy + b.energy, rel=1e-14)
    assert_allclose(total.forces, a.forces + b.forces, atol=1e-13)
    assert_allclose(total.virial, a.virial + b.virial, atol=1e-12)
    assert np.array_equal(total.extras["charges"], salt.charges)


@pytest.mark.parametrize("name", list(MODELS))
def test_saved_model_predicts_the_same_bits(name, salt, tmp_path):
    model = MODELS[name]
    linpot.save(model, tmp_path / "c.linpot")
    loaded = linpot.load(tmp_path / "c.linpot")
    assert loaded == model
    assert loaded.predict(salt).energy == model.predict(salt).energy


def test_damaged_state_is_refused(tmp_path, monkeypatch):
    state = Coulomb(ROCKSALT).to_state()[0]
    for key, value in [("charges", {"Na": "x"}), ("accuracy", None), ("widths", {"Xx": 1.0})]:
        monkeypatch.setattr(Coulomb, "to_state", lambda self, s=state | {key: value}: (s, {}))
        linpot.save(Coulomb(ROCKSALT), tmp_path / "c.linpot")
        with pytest.raises(FileFormatError, match="cannot read potential"):
            linpot.load(tmp_path / "c.linpot")


def test_calculator_gives_charges_of_atoms_and_sees_them_change():
    atoms = rattled()
    atoms.calc = linpot.LinpotCalculator(Coulomb(None))
    energy = atoms.get_potential_energy()
    assert_allclose(atoms.calc.results["charges"], atoms.get_initial_charges())
    assert np.abs(atoms.calc.results["potentials"]).min() > 1.0
    atoms.set_initial_charges(2.0 * atoms.get_initial_charges())
    assert atoms.get_potential_energy() == pytest.approx(4.0 * energy, rel=1e-12)
    # E ~ 1/a, to the accuracy of the sum
    assert_allclose(atoms.get_stress()[:3].sum(), -4.0 * energy / atoms.get_volume(), rtol=1e-4)


def test_data_sets_carry_given_charges(tmp_path):
    atoms = rattled()
    atoms.arrays["hirshfeld"] = 0.3 * atoms.get_initial_charges()
    atoms.write(tmp_path / "salt.extxyz")
    (plain,) = linpot.read_dataset(tmp_path / "salt.extxyz")
    assert_allclose(plain.charges, atoms.get_initial_charges())
    (other,) = linpot.read_dataset(tmp_path / "salt.extxyz", charges_key="hirshfeld")
    assert_allclose(other.charges, 0.3 * atoms.get_initial_charges())
    (stored,) = linpot.read_dataset(tmp_path / "salt.extxyz", structure_memory=0.0)
    assert np.array_equal(stored.charges, plain.charges)
    with pytest.raises(InputError, match=r"`charges_key` must be in every structure, got 'q'"):
        linpot.read_dataset(tmp_path / "salt.extxyz", charges_key="q")
    neutral = bulk("NaCl", "rocksalt", a=5.64)
    assert linpot.Dataset.from_atoms([neutral])[0].charges is None


def test_hash_of_a_data_set_sees_given_charges():
    atoms = rattled()
    before = linpot.Dataset.from_atoms([atoms]).content_hash()
    atoms.set_initial_charges(2.0 * atoms.get_initial_charges())
    assert linpot.Dataset.from_atoms([atoms]).content_hash() != before


def test_charged_cell_is_refused_unless_allowed(salt):
    charged = {"Na": 1.0, "Cl": -0.9}
    message = "charges of a periodic cell must sum to zero, got 0.4 e in the structure"
    with pytest.raises(InputError, match=re.escape(message)):
        Coulomb(charged).predict(salt)
    assert np.isfinite(Coulomb(charged, allow_charged=True).predict(salt).energy)
    ion = structure_from_atoms(Atoms("Na2", [[0, 0, 0], [0, 0, 3.0]]))
    assert Coulomb(ROCKSALT).predict(ion).energy == pytest.approx(COULOMB / 3.0, rel=1e-14)


def test_missing_charges_are_refused_with_the_remedy(salt):
    with pytest.raises(InputError, match=r"the structure has no charges.*set `initial_charges`"):
        Coulomb(None).predict(replace(salt, charges=None))
    with pytest.raises(InputError, match="element 'Cl'"):
        Coulomb({"Na": 1.0}).predict(salt)
    with pytest.raises(InputError, match=re.escape("`charges` must have shape [8], got [2]")):
        replace(salt, charges=[1.0, 2.0])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"charges": {}}, "`charges` must name at least one element, got none"),
        ({"charges": {"Nacl": 1.0}}, "`charges` must name elements, got 'Nacl'"),
        ({"charges": {"Na": np.nan}}, "`charges['Na']` must be finite"),
        ({"charges": ROCKSALT, "widths": {"Na": -1.0}}, "`widths['Na']` must be a non-negative"),
        ({"charges": {"Na": 1.0}, "widths": {"Cl": 1.0}}, "`widths` has 'Cl', which has no charge"),
        ({"charges": ROCKSALT, "damping": -1.0}, "`damping` must be a positive length in A"),
        (
            {"charges": ROCKSALT, "widths": {"Na": 1.0}, "damping": 1.0},
            "leave out either it or `widths`",
        ),
        ({"charges": ROCKSALT, "accuracy": 0.0}, "`accuracy` must be a positive number, got 0.0"),
    ],
)
def test_invalid_models_are_refused_with_the_value(wrong, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Coulomb(**wrong)


def test_slab_keeps_its_energy_when_the_empty_cell_grows():
    structure, charges = CASES["slab"]
    taller = replace(structure, cell=structure.cell + np.diag([0.0, 0.0, 50.0]))
    model = Coulomb(None)
    energies = [model.predict(replace(s, charges=charges)).energy for s in (structure, taller)]
    assert energies[0] == energies[1]
