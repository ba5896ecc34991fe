"""What a check finds in data of a known pair potential that are spoilt one way at a time."""

from __future__ import annotations

import json

import ase.io
import ase.units
import numpy as np
import pytest
from ase import Atoms
from pair_data import change, clusters, label, rattled

import linpot
from linpot.curation.check import check_data
from linpot.curation.reading import sample_evenly
from linpot.curation.references import statistical_energy, unit_of_totals
from linpot.curation.stress_labels import exchange_of, judge_stress
from linpot.errors import FileFormatError, InputError

SOUND = rattled(14, "bulk", 0) + rattled(14, "hot", 1, strain=0.08)


def check(tmp_path, images, test=(), **options):
    ase.io.write(tmp_path / "train.extxyz", images, format="extxyz")
    paths = []
    if test:
        ase.io.write(tmp_path / "test.extxyz", test, format="extxyz")
        paths = [tmp_path / "test.extxyz"]
    return check_data(tmp_path / "train.extxyz", test=paths, **options)


def spoilt(group, **changes):
    """The sound data, with the labels of one group (None: of all) changed."""
    return [change(a, **changes) if group in (None, a.info["config_type"]) else a for a in SOUND]


def kinds(result):
    return [(finding.kind, finding.group) for finding in result.findings]


def test_sound_data_are_clean(tmp_path):
    result = check(tmp_path, SOUND)
    assert result.is_clean, result.findings
    assert result.undecided == ()
    assert result.n_structures == result.n_compared == 28


@pytest.mark.parametrize(
    ("order", "flag"),
    [
        ((0, 1, 2, 4, 3, 5), "--swap-stress yz,xz"),
        ((0, 1, 2, 3, 5, 4), "--swap-stress xz,xy"),
        ((0, 1, 2, 4, 5, 3), "--swap-stress xy,yz,xz"),
    ],
)
def test_exchanged_stress_is_found_with_its_remedy(tmp_path, order, flag):
    result = check(tmp_path, spoilt("hot", stress=lambda s: s[list(order)]))
    assert kinds(result) == [("stress-order", "hot")]
    assert f"{flag} --groups hot" in result.findings[0].command
    assert result.findings[0].sure == "certain"


@pytest.mark.parametrize(
    ("function", "flag"),
    [
        (lambda s: -s, "--flip-stress"),
        (lambda s: s / ase.units.GPa, "--stress-unit GPa"),
        (lambda s: -s / (0.1 * ase.units.GPa), "--flip-stress --stress-unit kbar"),
    ],
)
def test_wrong_sign_and_unit_of_stress_is_found(tmp_path, function, flag):
    result = check(tmp_path, spoilt("hot", stress=function))
    assert kinds(result) in ([("stress-sign", "hot")], [("stress-unit", "hot")])
    assert flag in result.findings[0].command


def test_virials_that_are_called_stress_are_found(tmp_path):
    images = list(SOUND)
    for k in range(14, 28):
        volume = SOUND[k].get_volume()
        images[k] = change(SOUND[k], stress=lambda s, volume=volume: -s * volume)
    result = check(tmp_path, images)
    assert kinds(result) == [("stress-unit", "hot")]
    assert "--stress-is-virial" in result.findings[0].command


def test_exchange_in_some_structures_is_found_with_their_places():
    rng = np.random.default_rng(3)
    predicted = rng.normal(size=(20, 6))
    labels = predicted + 0.05 * rng.normal(size=(20, 6))
    labels[:8] = labels[:8][:, [0, 1, 2, 4, 3, 5]]
    told, _ = judge_stress("mixed", predicted, labels, np.ones(20), list(range(100, 120)))
    assert [exchange_of(v.order) for v in told] == ["yz,xz"]
    assert set(told[0].places) <= set(range(100, 108))
    assert len(told[0].places) >= 6


def test_stress_of_noise_is_not_judged():
    """Whatever noise is compared with, nothing must be told."""
    rng = np.random.default_rng(4)
    for n in (3, 10, 100):
        told, decided = judge_stress(
            "noise", rng.normal(size=(n, 6)), rng.normal(size=(n, 6)), np.ones(n), list(range(n))
        )
        assert not told
        assert not decided


@pytest.mark.parametrize("group", ["hot", None])
def test_gradients_instead_of_forces_are_found(tmp_path, group):
    result = check(tmp_path, spoilt(group, forces=lambda f: -f))
    assert kinds(result) == [("force-sign", group or "")]
    assert "--flip-forces" in result.findings[0].command


def test_energies_of_wrong_sign_are_found(tmp_path):
    result = check(tmp_path, spoilt("hot", energy=lambda e: -e))
    assert ("energy-sign", "hot") in kinds(result)


@pytest.mark.parametrize("group", ["hot", None])
def test_energies_in_hartree_with_forces_in_ev_are_found(tmp_path, group):
    result = check(tmp_path, spoilt(group, energy=lambda e: e / ase.units.Hartree))
    assert ("energy-unit", group or "") in kinds(result)
    assert any("--energy-unit Hartree" in f.command for f in result.findings)


def test_a_group_in_kcal_per_mol_is_found(tmp_path):
    factor = ase.units.kcal / ase.units.mol
    data = spoilt("hot", energy=lambda e: e / factor, forces=lambda f: f / factor)
    result = check(tmp_path, data, keys=_without_stress())
    found = next(f for f in result.findings if f.kind == "energy-and-force-unit")
    assert found.group == "hot"
    assert "--energy-unit kcal/mol --force-unit kcal/mol/A" in found.command


def _without_stress():
    from linpot.structures.labels import LabelKeys

    return LabelKeys(stress="none")


def test_energies_per_atom_are_found(tmp_path):
    big = []
    for a in SOUND:
        repeated = a.copy().repeat((2, 1, 1))
        repeated.positions += np.random.default_rng(len(big)).normal(scale=0.1, size=(8, 3))
        big.append(change(label(repeated, "bulk"), energy=lambda e: e / 8))
    result = check(tmp_path, big)
    assert ("energy-per-atom", "") in kinds(result)


def test_energies_of_cells_of_many_sizes_are_not_taken_for_energies_per_atom(tmp_path):
    """Shipped silicon: a group of 1 to 4 atoms, few of which feel forces."""
    train, test = linpot.shipped_silicon()
    assert check_data(train, test=[test]).is_clean
    images = ase.io.read(train, ":")
    divided = [change(a, energy=lambda e, a=a: e / len(a)) for a in images]
    assert ("energy-per-atom", "") in kinds(check(tmp_path, divided))


def test_another_reference_of_energies_is_found(tmp_path):
    data = [change(a, energy=lambda e: e + 5.0 * 4) if i >= 20 else a for i, a in enumerate(SOUND)]
    for a in data[20:]:
        a.info["config_type"] = "foreign"
    result = check(tmp_path, data)
    assert kinds(result) == [("energy-reference", "foreign")]
    # a pair potential is fitted to a few meV
    assert result.findings[0].evidence["offset"] == pytest.approx(5.0, abs=0.05)


def test_duplicates_are_found_whatever_their_orientation(tmp_path):
    molecules = clusters(12, "cluster", 5)
    turned = molecules[3].copy()
    turned.rotate(37.0, (1.0, 2.0, 3.0))
    turned.positions += [4.0, -1.0, 2.0]
    order = [5, 1, 0, 2, 4, 3]
    turned = label(turned[order], "cluster")
    # rounding of rotated positions must not matter
    turned = change(turned, energy=lambda e: molecules[3].calc.results["energy"])
    result = check(tmp_path, [*molecules, turned, molecules[7]])
    found = {(f.kind, f.sure, f.structures) for f in result.findings}
    assert found == {("duplicates", "likely", (12,)), ("duplicates", "certain", (13,))}


def test_same_structure_with_another_energy_is_a_contradiction(tmp_path):
    other = change(SOUND[2], energy=lambda e: e + 0.1)
    result = check(tmp_path, [*SOUND, other])
    assert [f.kind for f in result.findings if f.sure == "certain"] == ["contradiction"]


def test_test_data_among_training_data_are_found(tmp_path):
    result = check(tmp_path, SOUND, test=[SOUND[5], *rattled(5, "bulk", 9)])
    overlap = [f for f in result.findings if f.kind == "overlap"]
    assert len(overlap) == len(result.findings) == 1
    assert overlap[0].structures == (5,)
    assert "--drop 5" in overlap[0].command


def test_molecules_far_apart_are_no_duplicates(tmp_path):
    """Beyond the cutoff all separations have the same features."""
    pairs = []
    for k in range(10):
        atoms = Atoms("Cu2", [[0, 0, 0], [8.0 + k, 0, 0]]) + Atoms(
            "Cu2", [[2.4, 0, 0], [0, 2.5, 0]]
        )
        pairs.append(label(atoms, "pairs"))
    result = check(tmp_path, SOUND + pairs)
    assert not [f for f in result.findings + result.notes if f.kind == "duplicates"]


def test_net_forces_and_torques_are_found(tmp_path):
    molecules = clusters(12, "cluster", 6)
    pushed = change(molecules[4], forces=lambda f: f + np.array([0.5, 0.0, 0.0]))
    turned = change(molecules[8], forces=lambda f: f[:, [1, 2, 0]])  # axes of another frame
    molecules[4], molecules[8] = pushed, turned
    result = check(tmp_path, molecules)
    assert {f.kind: f.structures for f in result.findings}["net-force"] == (4,)
    assert 8 in {f.kind: f.structures for f in result.findings}["torque"]


def test_outliers_are_found_by_place(tmp_path):
    data = list(SOUND)
    data[6] = change(data[6], energy=lambda e: e + 4.0)
    for a in data:
        a.info["config_type"] = "bulk"
    result = check(tmp_path, data)
    outliers = [f for f in result.findings if f.kind == "outliers"]
    assert [f.structures for f in outliers] == [(6,)]
    for a, group in zip(SOUND, ["bulk"] * 14 + ["hot"] * 14, strict=True):
        a.info["config_type"] = group


def test_unusable_structures_are_listed_with_the_rest_checked(tmp_path):
    ase.io.write(tmp_path / "a.extxyz", SOUND, format="extxyz")
    lines = (tmp_path / "a.extxyz").read_text().splitlines()
    words = lines[2].split()
    lines[2] = " ".join([words[0], "nan", *words[2:]])
    (tmp_path / "a.extxyz").write_text("\n".join(lines) + "\n")
    result = check_data(tmp_path / "a.extxyz")
    assert result.n_structures == 27
    assert kinds(result) == [("refused", "a.extxyz")]
    assert "must be finite" in result.findings[0].what
    assert result.findings[0].structures == (0,)


def test_isolated_atoms_of_another_calculation_are_found(tmp_path):
    atom = Atoms("Cu", [[0.0, 0.0, 0.0]])
    from ase.calculators.singlepoint import SinglePointCalculator

    atom.calc = SinglePointCalculator(atom, energy=-3.0)
    atom.info["config_type"] = "isolated_atom"
    assert check(tmp_path, [*SOUND, atom]).is_clean
    atom.calc = SinglePointCalculator(atom, energy=1500.0)
    result = check(tmp_path, [*SOUND, atom])
    assert kinds(result) == [("isolated-atoms", "")]


def test_positions_in_bohr_are_found(tmp_path):
    large = []
    for a in SOUND:
        b = a.copy()
        b.set_cell(a.cell / ase.units.Bohr, scale_atoms=True)
        b.calc = a.calc.__class__(b, **a.calc.results)
        large.append(b)
    result = check(tmp_path, large)
    assert "length-unit" in [f.kind for f in result.findings]


def test_constant_labels_are_found(tmp_path):
    same = [change(a, energy=lambda e: -12.0) for a in SOUND]
    assert "constant" in [f.kind for f in check(tmp_path, same).findings]
    still = [change(a, forces=lambda f: 0.0 * f) for a in SOUND]
    assert "constant" in [f.kind for f in check(tmp_path, still).findings]


def test_missing_labels_are_notes(tmp_path):
    partly = [change(a) for a in SOUND]
    for a in partly[:4]:
        del a.calc.results["stress"]
    result = check(tmp_path, partly)
    assert result.is_clean
    assert [note.kind for note in result.notes] == ["missing"]


def test_results_do_not_depend_on_where_structures_are_held(tmp_path):
    data = spoilt("hot", stress=lambda s: s[[0, 1, 2, 4, 3, 5]])
    held = check(tmp_path, data)
    filed = check_data(tmp_path / "train.extxyz", structure_memory=0.0)
    assert json.dumps(held.as_dict()) == json.dumps(filed.as_dict())


@pytest.mark.parametrize(
    ("z", "hartree"),
    # exact non-relativistic energies (Hartree): Chakravorty et al., Phys. Rev. A 47, 3649 (1993)
    [(6, -37.8450), (8, -75.0673), (14, -289.359), (18, -527.540)],
)
def test_statistical_energy_of_atoms_is_good_to_two_percent(z, hartree):
    assert statistical_energy(z) == pytest.approx(hartree, rel=0.02)


def test_unit_of_total_energies_is_told():
    atoms = {6: -37.85, 7: -54.59, 8: -75.07, 1: -0.5}
    assert unit_of_totals(atoms) == "Hartree"
    assert unit_of_totals({z: e * ase.units.Hartree for z, e in atoms.items()}) == "eV"
    assert unit_of_totals({14: -158.5}) is None  # with pseudopotentials
    assert unit_of_totals({1: -0.5}) is None


def test_sample_takes_evenly_of_every_unit():
    units = ["a"] * 1000 + ["b"] * 10
    chosen = sample_evenly(units, [10] * 1010, per_unit=50, atoms=400)
    assert sum(units[k] == "b" for k in chosen) == 10
    of_a = [k for k in chosen if units[k] == "a"]
    assert 25 <= len(of_a) <= 40
    assert of_a[0] == 0
    assert of_a[-1] == 999


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "cut.extxyz").write_text("4\nenergy=1\nCu 0 0 0\n")
    with pytest.raises(FileFormatError, match="ends inside frame 0"):
        check_data(tmp_path / "cut.extxyz")
    with pytest.raises(InputError, match="must be an existing file"):
        check_data(tmp_path / "absent.extxyz")
    with pytest.raises(InputError, match="must name at least one file"):
        check_data([])
