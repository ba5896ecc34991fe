"""Data sets: counts, groups, weights, hashes, and what is refused."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st

from linpot.errors import InputError
from linpot.structures.dataset import Dataset
from linpot.structures.labels import LabelKeys
from linpot.structures.structure import Structure, structure_from_atoms


def labelled(atoms: Atoms, group: str | None = None, **results) -> Atoms:
    atoms.calc = SinglePointCalculator(atoms, **results)
    if group is not None:
        atoms.info["config_type"] = group
    return atoms


def images() -> list[Atoms]:
    slab = fcc111("Al", (1, 1, 3), vacuum=5.0)
    slab.info = {}
    zeros = np.zeros((2, 3))
    return [
        labelled(bulk("Si"), "solid", energy=-10.0, forces=zeros, stress=np.zeros(6)),
        labelled(molecule("H2"), "gas", energy=-6.0, forces=np.full((2, 3), [0.0, 3.0, 4.0])),
        labelled(bulk("Si", a=5.6), "solid", energy=-9.0),
        labelled(slab),
    ]


def dataset() -> Dataset:
    return Dataset.from_atoms(images())


def test_dataset_counts_what_is_there():
    data = dataset()
    assert len(data) == 4
    assert data.n_atoms == 9
    assert data.elements == (1, 13, 14)
    assert data.symbols == ("H", "Al", "Si")
    assert data.groups == {"solid": 2, "gas": 1, "all": 1}
    assert [data.count(label) for label in ("energy", "forces", "stress")] == [3, 2, 1]
    assert data.keys_found == {
        "energy": {"calculator": 3},
        "forces": {"calculator": 2},
        "stress": {"calculator": 1},
    }
    assert repr(data) == ("Dataset(4 structures, 9 atoms of H Al Si; energy 3, forces 2, stress 1)")


def test_structures_are_named_by_index_group_and_source():
    assert [s.name for s in dataset()][::3] == ["structure 0 ('solid')", "structure 3"]
    named = Dataset.from_atoms(images(), source=["a.xyz", "b.xyz", "b.xyz", "b.xyz"])
    assert [s.name for s in named][1:3] == [
        "structure 0 ('gas') of b.xyz",
        "structure 1 ('solid') of b.xyz",
    ]


def test_input_atoms_are_not_modified():
    before, after = images(), images()
    data = Dataset.from_atoms(after)
    for structure in data:
        structure.positions[:] = 1.0
        structure.cell[:] = 1.0
    for a, b in zip(before, after, strict=True):
        assert a == b
        assert a.info == b.info
        assert a.calc.results.keys() == b.calc.results.keys()


def test_dataset_is_a_sequence():
    data = dataset()
    assert data[-1] is data[3]
    assert data[1] in data
    assert data.index(data[2]) == 2
    assert [s.name for s in data[1:3]] == [data[1].name, data[2].name]
    assert data[::2].keys_found == {"energy": {"calculator": 2}, "forces": {"calculator": 1},
                                    "stress": {"calculator": 1}}  # fmt: skip
    with pytest.raises(IndexError):
        data[4]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_subset_equals_the_sum_of_its_structures(indices):
    data = dataset()
    parts = [data.subset([i]) for i in indices]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    subset = data.subset(np.array(indices))
    assert list(subset) == list(total)
    assert subset.keys_found == total.keys_found
    assert subset.content_hash() == total.content_hash()


def test_subset_refuses_indices_outside():
    with pytest.raises(InputError, match=r"`indices` must be a whole number from 0 to 3, got 4"):
        dataset().subset([0, 4])


def test_empty_dataset_is_refused():
    message = "a data set must have at least one structure, got none"
    for make in (lambda: Dataset([]), lambda: Dataset.from_atoms([]), lambda: dataset().subset([])):
        with pytest.raises(InputError, match=message):
            make()
    with pytest.raises(InputError, match=r"got none in si\.xyz"):
        Dataset.from_atoms([], source="si.xyz")


def test_adding_something_else_is_refused():
    with pytest.raises(TypeError, match="unsupported operand"):
        dataset() + 1


def test_dataset_of_structures_says_that_labels_were_given():
    data = Dataset(list(dataset()))
    assert data.keys_found["energy"] == {"labels": 3}
    with pytest.raises(InputError, match=r"one entry per structure, got 1 for 4"):
        Dataset(list(data), label_places=[{}])


def test_count_of_unknown_label_is_refused():
    with pytest.raises(
        InputError, match=r"`label` must be one of charges, dipole, energy, .* got 'charge'"
    ):
        dataset().count("charge")


def test_one_atoms_object_is_refused():
    with pytest.raises(TypeError, match=r"must be a sequence of ase.Atoms, got one Atoms; pass \["):
        Dataset.from_atoms(bulk("Si"))


def test_other_objects_are_refused():
    with pytest.raises(TypeError, match=r"`atoms` must hold ase.Atoms, got str"):
        Dataset.from_atoms(["si.xyz"])


def test_wrong_number_of_sources_is_refused():
    with pytest.raises(InputError, match=r"`source` must be one or one per structure, got 1 for 2"):
        Dataset.from_atoms([bulk("Si"), bulk("Si")], source=["a"])


def test_named_key_may_be_absent_from_some_structures():
    two = images()[:2]
    two[1].info["my_energy"] = -1.0
    data = Dataset.from_atoms(two, keys=LabelKeys(energy="my_energy"))
    assert [s.labels.energy for s in data] == [None, -1.0]
    assert data.keys_found["energy"] == {"info['my_energy']": 1}


def test_named_key_that_is_absent_from_all_structures_is_refused():
    message = (
        "`energy` key must be in at least one structure of si.xyz, got 'my_energy'; "
        "there are: config_type, energy, forces, stress"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        Dataset.from_atoms(images(), keys=LabelKeys(energy="my_energy"), source="si.xyz")
    with pytest.raises(InputError, match=r"`virial` key .* structure, got 'v'; there are: none"):
        Dataset.from_atoms([bulk("Si")], keys=LabelKeys(virial="v"))


def test_groups_come_from_the_group_key():
    two = [bulk("Si"), bulk("Si")]
    two[0].info["kind"] = 7
    assert Dataset.from_atoms(two, group_key="kind").groups == {"7": 1, "all": 1}


def test_group_that_is_no_name_is_refused():
    atoms = bulk("Si")
    atoms.info["config_type"] = [1, 2]
    with pytest.raises(
        InputError, match=r"`config_type` must be a name, got \[1, 2\] in structure"
    ):
        Dataset.from_atoms([atoms])


@pytest.mark.parametrize("key", ["weight", "config_weight"])
def test_weights_come_from_info(key):
    two = [bulk("Si"), bulk("Si")]
    two[0].info[key] = 0.25
    assert [s.weight for s in Dataset.from_atoms(two)] == [0.25, 1.0]


def test_weight_key_can_be_chosen():
    atoms = bulk("Si")
    atoms.info.update(weight=28.0, importance=2)
    assert Dataset.from_atoms([atoms], weight_key="importance")[0].weight == 2.0


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, "high"])
def test_invalid_weight_is_refused_with_its_value(weight):
    atoms = bulk("Si")
    atoms.info["weight"] = weight
    message = rf"`weight of structure 0` must be a non-negative number, got {weight!r}"
    with pytest.raises(InputError, match=re.escape(message)):
        Dataset.from_atoms([atoms])


def test_contradicting_weights_are_refused():
    atoms = bulk("Si")
    atoms.info.update(weight=2.0, config_weight=3.0)
    with pytest.raises(
        InputError, match=r"structure 0 has two weights that differ: .*; remove one"
    ):
        Dataset.from_atoms([atoms])


def test_overlapping_atoms_are_refused_with_their_distance():
    atoms = molecule("CH4")
    atoms.positions[4] = atoms.positions[2] + [0.0, 0.05, 0.0]
    message = r"structure 0: atoms 2 and 4 must be at least 0.1 A apart, got 0.05 A"
    with pytest.raises(InputError, match=message):
        Dataset.from_atoms([atoms])


def test_overlap_across_a_periodic_boundary_is_refused():
    positions = [[0, 0, 0.02], [2, 2, 2], [0, 0, 3.96]]
    atoms = Atoms("Si3", positions=positions, cell=[4, 4, 4], pbc=(False, False, True))
    with pytest.raises(InputError, match=r"atoms 0 and 2 must be .* got 0\.06 A"):
        Dataset.from_atoms([atoms])
    atoms.pbc = (True, True, False)
    assert len(Dataset.from_atoms([atoms])) == 1


def test_atom_on_its_own_image_is_refused():
    atoms = Atoms("Si", cell=[4, 4, 0.05], pbc=True)
    with pytest.raises(InputError, match=r"atom 0 and its own image must be"):
        Dataset.from_atoms([atoms])


def test_coinciding_atoms_are_refused():
    with pytest.raises(InputError, match=r"atoms 0 and 1 must be at least 0.1 A apart, got 0 A"):
        Dataset.from_atoms([Atoms("Si2")])


def test_dummy_atoms_are_refused():
    with pytest.raises(
        InputError, match=r"from 1 to 118, got numbers\[2\] = 0 in structure 0; rem"
    ):
        Dataset.from_atoms([Atoms("H2X", positions=np.eye(3))])


def test_bad_positions_are_refused_with_the_structure():
    atoms = bulk("Si")
    atoms.positions[1, 2] = np.nan
    with pytest.raises(InputError, match=r"got positions\[1, 2\] = nan in structure 0 of si\.xyz"):
        Dataset.from_atoms([atoms], source="si.xyz")


def test_structure_from_atoms_takes_no_labels():
    structure = structure_from_atoms(images()[0], name="cell")
    assert isinstance(structure, Structure)
    assert structure.labels.present == ()
    assert (structure.group, structure.weight, structure.name) == ("all", 1.0, "cell")
    assert structure.numbers.dtype == np.int64


def test_summary_has_a_row_per_group():
    summary = dataset().summary()
    assert [row.group for row in summary.rows] == ["solid", "gas", "all"]
    solid, gas, rest = summary.rows
    assert (solid.n_structures, solid.n_atoms, solid.n_energy, solid.n_stress) == (2, 4, 2, 1)
    assert solid.energy_range == (-5.0, -4.5)
    assert solid.max_force == 0.0
    assert gas.max_force == 5.0
    assert rest.energy_range is None
    assert rest.max_force is None
    assert summary.total.n_structures == 4
    assert summary.total.weight_range == (1.0, 1.0)
    assert summary.symbols == ("H", "Al", "Si")
    assert summary.keys_found["forces"] == {"calculator": 2}


def test_hash_depends_on_content_only():
    data = dataset()
    renamed = images()
    for atoms in renamed:
        atoms.info = {"config_type": "other", "weight": 2.0}
    assert Dataset.from_atoms(renamed, source="x").content_hash() == data.content_hash()
    assert pickle.loads(pickle.dumps(data)).content_hash() == data.content_hash()


def test_hash_ignores_the_sign_of_zero():
    flipped = images()
    flipped[0].calc.results["stress"] = -np.zeros(6)
    assert Dataset.from_atoms(flipped).content_hash() == dataset().content_hash()


def _change_energy(atoms: list[Atoms]) -> None:
    atoms[0].calc.results["energy"] += 1e-9


def _drop_forces(atoms: list[Atoms]) -> None:
    del atoms[0].calc.results["forces"]


def _move(atoms: list[Atoms]) -> None:
    atoms[3].positions[0, 0] += 1e-9
    atoms[3].calc = None


def _unperiodic(atoms: list[Atoms]) -> None:
    atoms[3].pbc = False
    atoms[3].calc = None


def _swap(atoms: list[Atoms]) -> None:
    atoms.reverse()


@pytest.mark.parametrize("change", [_change_energy, _drop_forces, _move, _unperiodic, _swap])
def test_hash_changes_with_the_content(change):
    changed = images()
    change(changed)
    assert Dataset.from_atoms(changed).content_hash() != dataset().content_hash()
