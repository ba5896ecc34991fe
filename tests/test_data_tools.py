"""Converting, splitting and merging data: what goes in comes out, mended where asked."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import ase.io
import ase.units
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from pair_data import change, clusters, rattled

from linpot.curation.repair import Repair
from linpot.curation.rewrite import convert_data, merge_data, split_data
from linpot.curation.splitting import assign_parts
from linpot.errors import FileFormatError, InputError
from linpot.io.datasets import read_dataset, stream_structures

CRYSTALS = rattled(5, "bulk", 0)
MOLECULES = clusters(4, "cluster", 1)


def assert_same(first, second, tolerance, *, stress=True):
    """Atoms, groups and labels of two lists agree."""
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert (a.numbers == b.numbers).all()
        assert (a.pbc == b.pbc).all()
        np.testing.assert_allclose(a.positions, b.positions, atol=tolerance)
        np.testing.assert_allclose(a.cell.array, b.cell.array, atol=tolerance)
        np.testing.assert_allclose(
            a.get_potential_energy(), b.get_potential_energy(), atol=tolerance
        )
        np.testing.assert_allclose(a.get_forces(), b.get_forces(), atol=tolerance)
        if stress and a.pbc.all():
            np.testing.assert_allclose(a.get_stress(), b.get_stress(), atol=tolerance)
        assert a.info["config_type"] == b.info["config_type"]


@pytest.fixture
def source(tmp_path) -> Path:
    ase.io.write(tmp_path / "all.extxyz", CRYSTALS + MOLECULES, format="extxyz")
    return tmp_path / "all.extxyz"


# 1e-8: what extended XYZ prints; input.data has 12 decimals of Bohr and Hartree
@pytest.mark.parametrize("name", ["b.extxyz", "b.extxyz.gz", "b.db", "b.data"])
def test_conversion_there_and_back_changes_nothing(source, tmp_path, name):
    convert_data(source, tmp_path / name)
    convert_data(tmp_path / name, tmp_path / "back.extxyz")
    back = ase.io.read(tmp_path / "back.extxyz", ":")
    assert_same(CRYSTALS + MOLECULES, back, 2e-8, stress=name != "b.data")


def test_fitsnap_keeps_crystals_with_their_stress(tmp_path):
    folder = tmp_path / "bulk"  # the group is the folder
    folder.mkdir()
    ase.io.write(tmp_path / "a.extxyz", CRYSTALS, format="extxyz")
    convert_data(tmp_path / "a.extxyz", folder / "a.fitsnap.json")
    assert_same(CRYSTALS, list(stream_structures(folder / "a.fitsnap.json")), 2e-8)
    ase.io.write(tmp_path / "m.extxyz", MOLECULES, format="extxyz")
    with pytest.raises(InputError, match="must be periodic in all directions"):
        convert_data(tmp_path / "m.extxyz", tmp_path / "m.fitsnap.json")
    assert not (tmp_path / "m.fitsnap.json").exists()


def test_fitsnap_pressures_are_positive_under_compression(tmp_path):
    """The sign of its stresses is that of LAMMPS: bar, positive when the crystal pushes."""
    squeezed = {
        "Positions": [[0, 0, 0]],
        "Lattice": [[3, 0, 0], [0, 3, 0], [0, 0, 3]],
        "AtomTypes": ["Cu"],
        "Energy": -3.5,
        "Stress": [[1e6, 2e5, 0], [2e5, 1e6, 0], [0, 0, 1e6]],
    }
    document = {"Dataset": {"Data": [squeezed], "StressStyle": "bar"}}
    (tmp_path / "a.json").write_text("# a comment\n" + json.dumps(document))
    (atoms,) = stream_structures(tmp_path / "a.json")
    expected = [-100.0, -100.0, -100.0, 0.0, 0.0, -20.0]  # GPa
    np.testing.assert_allclose(atoms.get_stress() / ase.units.GPa, expected, rtol=1e-12)


def test_input_data_is_read_like_by_ase(source, tmp_path):
    """ASE has a reader of its own, in newer versions."""
    reader = pytest.importorskip("ase.io.runner").read_runnerdata
    convert_data(source, tmp_path / "input.data")
    ours = list(stream_structures(tmp_path / "input.data"))
    with (tmp_path / "input.data").open() as stream:
        theirs = list(reader(stream, index=slice(None)))
    assert len(ours) == len(theirs) == 9
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(a.get_forces(), b.get_forces(), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(a.get_potential_energy(), b.get_potential_energy(), rtol=1e-8)


def test_pacemaker_frames_need_trust(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "ase_atoms": [a.copy() for a in MOLECULES],
            "energy_corrected": [a.get_potential_energy() for a in MOLECULES],
            "forces": [a.get_forces() for a in MOLECULES],
            "name": ["cluster/a"] * len(MOLECULES),
        }
    )
    path = tmp_path / "df.pckl.gzip"
    frame.to_pickle(path, compression="gzip")
    with pytest.raises(InputError, match="can run any code"):
        read_dataset(path)
    convert_data(path, tmp_path / "a.extxyz", trust_pickle=True)
    assert_same(MOLECULES, ase.io.read(tmp_path / "a.extxyz", ":"), 2e-8)


def test_what_is_no_data_frame_is_refused(tmp_path):
    pytest.importorskip("pandas")
    (tmp_path / "a.pckl.gzip").write_bytes(gzip.compress(b"\x80\x04N."))
    with pytest.raises(FileFormatError, match="must be a pickled data frame"):
        list(stream_structures(tmp_path / "a.pckl.gzip", trust_pickle=True))


def test_labels_under_other_names_come_out_under_those_of_ase(tmp_path):
    images = []
    for a in CRYSTALS:
        made = a.copy()
        made.info |= {"REF_energy": a.get_potential_energy(), "kept": 7}
        made.info["virial"] = -a.get_stress(voigt=False) * a.get_volume()
        made.arrays["dft_forces"] = a.get_forces()
        made.arrays["kept"] = np.arange(len(a))
        images.append(made)
    ase.io.write(tmp_path / "a.extxyz", images, format="extxyz")
    convert_data(tmp_path / "a.extxyz", tmp_path / "b.extxyz")
    back = ase.io.read(tmp_path / "b.extxyz", ":")
    assert_same(CRYSTALS, back, 2e-8)
    assert set(back[0].info) == {"config_type", "kept"}
    assert set(back[0].arrays) == {"numbers", "positions", "kept"}


@pytest.mark.parametrize(
    ("spoil", "repair"),
    [
        ({"stress": lambda s: s[[0, 1, 2, 4, 3, 5]]}, Repair(swap_stress=("yz", "xz"))),
        ({"stress": lambda s: s[[0, 1, 2, 4, 5, 3]]}, Repair(swap_stress=("xy", "yz", "xz"))),
        ({"stress": lambda s: -s / ase.units.GPa}, Repair(flip_stress=True, stress_unit="gpa")),
        ({"forces": lambda f: -f}, Repair(flip_forces=True)),
        (
            {
                "energy": lambda e: e / ase.units.Hartree,
                "forces": lambda f: f / (ase.units.Hartree / ase.units.Bohr),
            },
            Repair(energy_unit="Hartree", force_unit="Hartree/Bohr"),
        ),
        ({"energy": lambda e: e / 4}, Repair(energies_per_atom=True)),
        ({"energy": lambda e: e - 4 * 7.5}, Repair(subtract_atoms={"Cu": -7.5})),
    ],
)
def test_repair_undoes_the_damage(tmp_path, spoil, repair):
    spoilt = [change(a, **spoil) for a in CRYSTALS]
    ase.io.write(tmp_path / "a.extxyz", spoilt, format="extxyz")
    done = convert_data(tmp_path / "a.extxyz", tmp_path / "b.extxyz", repair=repair)
    assert done.changed == len(CRYSTALS)
    # units multiply what eight decimals leave: 5e-9 * 51
    assert_same(CRYSTALS, ase.io.read(tmp_path / "b.extxyz", ":"), 5e-7)


def test_lengths_in_bohr_are_converted_with_their_cells(tmp_path):
    spoilt = []
    for a in CRYSTALS:
        made = a.copy()
        made.set_cell(a.cell / ase.units.Bohr, scale_atoms=True)
        made.calc = SinglePointCalculator(made, **a.calc.results)
        spoilt.append(made)
    ase.io.write(tmp_path / "a.extxyz", spoilt, format="extxyz")
    convert_data(tmp_path / "a.extxyz", tmp_path / "b.extxyz", repair=Repair(length_unit="Bohr"))
    assert_same(CRYSTALS, ase.io.read(tmp_path / "b.extxyz", ":"), 2e-8)


def test_repair_concerns_the_named_groups_and_places_only(source, tmp_path):
    repair = Repair(flip_forces=True, groups=["cluster"], structures={5, 6})
    done = convert_data(source, tmp_path / "b.extxyz", repair=repair, drop={0})
    assert (done.written, done.changed, done.dropped) == (8, 2, 1)
    back = ase.io.read(tmp_path / "b.extxyz", ":")
    signs = [1, 1, 1, 1, -1, -1, 1, 1]
    for a, b, sign in zip([*CRYSTALS[1:], *MOLECULES], back, signs, strict=True):
        np.testing.assert_allclose(sign * a.get_forces(), b.get_forces(), atol=2e-8)


def test_only_structures_that_are_kept_are_written(source, tmp_path):
    done = convert_data(source, tmp_path / "b.extxyz", keep={1, 6, 7}, drop={7})
    assert (done.written, done.dropped) == (2, 7)
    assert_same([CRYSTALS[1], MOLECULES[1]], ase.io.read(tmp_path / "b.extxyz", ":"), 2e-8)
    with pytest.raises(InputError, match="`keep` must be places from 0 to 8, got 9"):
        convert_data(source, tmp_path / "c.extxyz", keep={0, 9})


def test_refused_structures_can_be_left_out(source, tmp_path):
    text = source.read_text().splitlines()
    words = text[2].split()
    text[2] = " ".join([words[0], "nan", *words[2:]])
    source.write_text("\n".join(text) + "\n")
    with pytest.raises(InputError, match=r"must be finite.*--skip-refused"):
        convert_data(source, tmp_path / "b.extxyz")
    assert not (tmp_path / "b.extxyz").exists()
    done = convert_data(source, tmp_path / "b.extxyz", skip_refused=True)
    assert done.written == 8
    assert [place for place, _ in done.refused] == [0]


def test_merge_names_groups(tmp_path):
    ase.io.write(tmp_path / "a.extxyz", CRYSTALS, format="extxyz")
    ase.io.write(tmp_path / "b.extxyz", MOLECULES, format="extxyz")
    files = [("solid", tmp_path / "a.extxyz"), (None, tmp_path / "b.extxyz")]
    done = merge_data(files, tmp_path / "c.extxyz")
    assert done.groups == {"solid": 5, "cluster": 4}
    assert read_dataset(tmp_path / "c.extxyz").groups == {"solid": 5, "cluster": 4}
    merge_data(files, tmp_path / "d.extxyz", keep_groups=True)
    assert read_dataset(tmp_path / "d.extxyz").groups == {"solid/bulk": 5, "cluster": 4}


def test_split_divides_all_structures_and_repeats_itself(source, tmp_path):
    def divided(seed, name):
        outputs = {part: tmp_path / f"{name}-{part}.extxyz" for part in ("train", "test")}
        counts = split_data(source, {"train": 0.7, "test": 0.3}, outputs, seed=seed)
        read = {part: ase.io.read(path, ":") for part, path in outputs.items()}
        assert {part: len(own) for part, own in read.items()} == counts
        return {part: [a.get_potential_energy() for a in own] for part, own in read.items()}

    first, again = divided(3, "a"), divided(3, "b")
    assert first == again
    everything = sorted(a.get_potential_energy() for a in CRYSTALS + MOLECULES)
    np.testing.assert_allclose(sorted(first["train"] + first["test"]), everything, atol=1e-7)
    assert first != divided(4, "c")


def test_random_parts_have_their_share_of_every_group():
    groups = ["a"] * 100 + ["b"] * 50 + ["c"] * 7
    parts = np.array(assign_parts(groups, {"train": 0.8, "val": 0.1, "test": 0.1}))
    for group, n in (("a", 100), ("b", 50), ("c", 7)):
        own = parts[np.array(groups) == group]
        for name, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
            assert abs(np.count_nonzero(own == name) - share * n) <= 2  # rounding is carried on
    assert abs(np.count_nonzero(parts == "test") - 15.7) <= 1


def test_groups_stay_whole():
    rng = np.random.default_rng(0)
    groups = [f"g{k}" for k in rng.integers(0, 30, size=400)]
    parts = assign_parts(groups, {"train": 0.8, "test": 0.2}, by="group", seed=1)
    of_group = {}
    for group, part in zip(groups, parts, strict=True):
        assert of_group.setdefault(group, part) == part
    assert abs(parts.count("test") - 80) <= 20  # about the size of a group


def test_blocks_of_time_stay_together():
    groups = ["md"] * 200
    parts = assign_parts(groups, {"train": 0.8, "test": 0.2}, by="time", block=10, seed=2)
    for k in range(0, 200, 10):
        assert len(set(parts[k : k + 10])) == 1
    assert parts.count("test") == 40


def test_stress_swap_is_its_own_inverse():
    repair = Repair(swap_stress=("yz", "xz"))
    structure = read_structure(CRYSTALS[0])
    twice = repair.apply(repair.apply(structure))
    assert (twice.labels.stress == structure.labels.stress).all()
    assert not np.allclose(repair.apply(structure).labels.stress, structure.labels.stress)


def read_structure(atoms):
    from linpot.structures.dataset import Dataset

    return Dataset.from_atoms([atoms])[0]


def test_vasp_files_are_read_with_their_labels(tmp_path):
    """A vasprun.xml with what matters of one, in VASP's units: stress in kbar, of its sign."""
    atoms = bulk("Si", a=5.43)
    rows = [f"<v>{x:.8f} {y:.8f} {z:.8f}</v>" for x, y, z in atoms.cell.array]
    places = [f"<v>{x:.8f} {y:.8f} {z:.8f}</v>" for x, y, z in atoms.get_scaled_positions()]
    structure = (
        f'<structure><crystal><varray name="basis">{"".join(rows)}</varray></crystal>'
        f'<varray name="positions">{"".join(places)}</varray></structure>'
    )
    text = f"""<?xml version="1.0"?><modeling>
<atominfo><array name="atoms"><set><rc><c>Si</c><c>1</c></rc><rc><c>Si</c><c>1</c></rc></set>
</array></atominfo>
<kpoints><varray name="kpointlist"><v>0.0 0.0 0.0</v></varray>
<varray name="weights"><v>1.0</v></varray></kpoints>
{structure.replace("<structure>", '<structure name="initialpos">')}
<calculation><scstep><energy><i name="e_fr_energy">-10.5</i><i name="e_wo_entrp">-10.5</i>
<i name="e_0_energy">-10.5</i></energy></scstep>{structure}
<varray name="forces"><v>0.1 0.0 0.0</v><v>-0.1 0.0 0.0</v></varray>
<varray name="stress"><v>10.0 0.0 0.0</v><v>0.0 10.0 2.0</v><v>0.0 2.0 10.0</v></varray>
<energy><i name="e_fr_energy">-10.5</i><i name="e_wo_entrp">-10.5</i>
<i name="e_0_energy">-10.5</i></energy></calculation></modeling>"""
    (tmp_path / "vasprun.xml").write_text(text)
    convert_data(tmp_path / "vasprun.xml", tmp_path / "a.extxyz")
    (back,) = ase.io.read(tmp_path / "a.extxyz", ":")
    assert back.get_potential_energy() == pytest.approx(-10.5)
    np.testing.assert_allclose(back.get_forces()[0], [0.1, 0.0, 0.0], atol=1e-8)
    expected = -np.array([10.0, 10.0, 10.0, 2.0, 0.0, 0.0]) * 0.1 * ase.units.GPa
    np.testing.assert_allclose(back.get_stress(), expected, atol=1e-8)
