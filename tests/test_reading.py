"""Reading data sets, writing structures, and what is said when a file is broken."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from linpot.errors import FileFormatError, InputError
from linpot.io.atomic import check_output, write_atomically
from linpot.io.datasets import read_dataset, read_structures
from linpot.io.structure_writing import write_structures
from linpot.structures.dataset import Dataset
from linpot.structures.labels import LabelKeys

FRAME = """\
2
Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:forces:R:3 config_type=liquid energy=-1.5
Si 0.0 0.0 0.0 0.1 0.2 0.3
Si 2.0 2.0 2.0 -0.1 -0.2 -0.3
"""


def labelled(atoms: Atoms, **info) -> Atoms:
    forces = np.linspace(-1.0, 1.0, 3 * len(atoms)).round(6).reshape(-1, 3)
    results = {"energy": -1.25 * len(atoms), "forces": forces}
    if atoms.pbc.all():
        results["stress"] = np.array([0.1, 0.2, 0.3, -0.1, 0.05, 0.025])
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info.update(info)
    return atoms


def images() -> list[Atoms]:
    return [
        labelled(bulk("Si"), config_type="solid"),
        labelled(molecule("CH4"), config_type="gas", weight=0.5),
        labelled(bulk("Cu", cubic=True)),
    ]


def written(folder: Path, text: str, name: str = "si.extxyz") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["a.extxyz", "a.xyz", "a.extxyz.gz", "a.xyz.bz2", "a.xyz.xz"])
def test_written_structures_are_read_back(tmp_path, name):
    write_structures(tmp_path / name, images())
    data = read_dataset(tmp_path / name)
    for structure, reference in zip(data, Dataset.from_atoms(images()), strict=True):
        assert np.array_equal(structure.numbers, reference.numbers)
        # eight decimals are written
        assert np.allclose(structure.positions, reference.positions, rtol=0, atol=1e-8)
        assert np.array_equal(structure.cell, reference.cell)
        assert structure.pbc == reference.pbc
        assert structure.labels.energy == reference.labels.energy
        assert np.array_equal(structure.labels.forces, reference.labels.forces)
        assert structure.labels.present == reference.labels.present
        assert (structure.group, structure.weight) == (reference.group, reference.weight)
    assert np.array_equal(data[0].labels.stress, [0.1, 0.2, 0.3, -0.1, 0.05, 0.025])
    assert data[1].name == f"structure 1 ('gas') of {name}"


def test_binary_trajectory_is_read_back(tmp_path):
    write_structures(tmp_path / "a.traj", images())
    data = read_dataset(str(tmp_path / "a.traj"))
    assert data.content_hash() == Dataset.from_atoms(images()).content_hash()


def test_extended_xyz_equals_what_ase_reads(tmp_path):
    write_structures(tmp_path / "a.extxyz", images())
    ours, theirs = read_structures(tmp_path / "a.extxyz"), ase.io.read(tmp_path / "a.extxyz", ":")
    assert ours == theirs
    assert [a.info for a in ours] == [a.info for a in theirs]


def test_index_selects_frames_and_names_the_selection(tmp_path):
    path = tmp_path / "a.extxyz"
    write_structures(path, images())
    assert [s.group for s in read_dataset(path, index="1:")] == ["gas", "all"]
    assert [s.group for s in read_dataset(path, index=slice(None, None, -2))] == ["all", "solid"]
    assert read_dataset(path, index=-2)[0].name == "structure 0 ('gas') of a.extxyz@-2:-1"
    assert len(read_dataset(path, index=-1)) == 1


def test_index_beyond_the_file_is_refused(tmp_path):
    path = written(tmp_path, FRAME)
    with pytest.raises(
        InputError, match=r"`index` must select frames of .*, got 5, which has none"
    ):
        read_dataset(path, index=5)


@pytest.mark.parametrize("index", ["first", "1:2:3:4", "::0", "1:x", 1.5, True])
def test_malformed_index_is_refused(tmp_path, index):
    with pytest.raises(InputError, match=rf"`index` must be like '0:100' or ':', got {index!r}"):
        read_dataset(written(tmp_path, FRAME), index=index)


def test_several_files_are_put_one_after_the_other(tmp_path):
    a, b = written(tmp_path, FRAME, "a.xyz"), written(tmp_path, FRAME * 2, "b.xyz")
    assert [s.name for s in read_dataset([a, b])] == [
        "structure 0 ('liquid') of a.xyz",
        "structure 0 ('liquid') of b.xyz",
        "structure 1 ('liquid') of b.xyz",
    ]


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    (tmp_path / "more").mkdir()
    a, b = written(tmp_path, FRAME, "a.xyz"), written(tmp_path / "more", FRAME, "a.xyz")
    assert [s.name for s in read_dataset([a, b])] == [
        f"structure 0 ('liquid') of {a}",
        f"structure 0 ('liquid') of {b}",
    ]


def test_named_key_may_be_in_one_of_several_files(tmp_path):
    a = written(tmp_path, FRAME, "a.xyz")
    b = written(tmp_path, FRAME.replace("energy", "my_energy"), "b.xyz")
    assert read_dataset([a, b], keys=LabelKeys(energy="my_energy")).count("energy") == 1
    with pytest.raises(InputError, match=r"`energy` key must be .* of a\.xyz, got 'my_energy'"):
        read_dataset(a, keys=LabelKeys(energy="my_energy"))


def test_no_file_at_all_is_refused():
    with pytest.raises(InputError, match=r"`path` must name at least one file, got none"):
        read_dataset([])


def test_blank_lines_and_windows_line_ends_change_nothing(tmp_path):
    reference = read_dataset(written(tmp_path, FRAME * 2)).content_hash()
    spaced = tmp_path / "spaced.xyz"
    spaced.write_bytes(("\n" + FRAME + "\n\n" + FRAME + "\n").replace("\n", "\r\n").encode())
    assert read_dataset(spaced).content_hash() == reference


def test_plain_xyz_has_no_labels(tmp_path):
    path = written(tmp_path, "1\na comment\nAr 0 0 0\n", "ar.xyz")
    assert read_dataset(path)[0].labels.present == ()


def test_cell_vectors_after_the_atoms_are_read(tmp_path):
    text = "1\n\nAr 0 0 0\nVEC1 4 0 0\nVEC2 0 5 0\nVEC3 0 0 6\n"
    data = read_dataset(written(tmp_path, text * 2, "ar.xyz"))
    assert np.array_equal(data[1].cell, np.diag([4.0, 5.0, 6.0]))
    assert data[1].is_bulk


@pytest.mark.parametrize("n_lines", [1, 2, 3])
def test_file_that_ends_inside_a_frame_is_refused(tmp_path, n_lines):
    text = FRAME + "".join(FRAME.splitlines(keepends=True)[:n_lines])
    message = (
        rf"si\.extxyz, line {4 + n_lines}: the file ends inside frame 1, which begins at line 5: "
        rf"expected 2 atoms, got {max(0, n_lines - 2)}; the file is incomplete"
    )
    with pytest.raises(FileFormatError, match=message):
        read_dataset(written(tmp_path, text), index=0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "Si 2.0 2.0 2.0 -0.1 -0.2",
            "Si 2.0 2.0 2.0 -0.1",
            r"line 8: expected 7 columns for 'spec",
        ),
        ("-0.3\n", "-0.3 9\n", r"line 8: expected 7 columns for 'species:S:1:.*', got 8"),
        ("Si 2.0", "Si 2.o", r"line 8: expected a number, got '2\.o'"),
        ("Si 2.0", "Zz 2.0", r"line 5: cannot read frame 1: no element is called 'Zz'"),
        ("2\n", "two\n", r"line 5: expected the number of atoms of frame 1, got 'two'"),
        ("2\n", "-2\n", r"line 5: expected the number of atoms of frame 1, got '-2'"),
        ("pos:R:3", "pos:R", r"line 6: expected Properties=name:type:columns:..., got 'species"),
        ("pos:R:3", "pos:Q:3", r"line 5: cannot read frame 1: Unknown property type: Q"),
        ('"5 0 0', '"5 0', r"line 5: cannot read frame 1: Got info item Lattice, expecting"),
    ],
)
def test_broken_frame_is_refused_with_its_line(tmp_path, old, new, message):
    assert old in FRAME
    head, _, tail = FRAME.rpartition(old) if old == "Si 2.0" else FRAME.partition(old)
    path = written(tmp_path, FRAME + head + new + tail)
    with pytest.raises(FileFormatError, match=re.escape(str(path)) + ", " + message):
        read_dataset(path)


def test_columns_without_a_name_are_refused(tmp_path):
    path = written(tmp_path, "1\n\nAr 0 0 0 1 1 1\n")
    with pytest.raises(FileFormatError, match=r"line 3: .* got 7; name all columns in Properties"):
        read_dataset(path)


def test_message_about_a_structure_names_file_and_frame(tmp_path):
    text = FRAME + FRAME.replace("-1.5", "nan")
    message = r"got energy = nan in structure 1 \('liquid'\) of si\.extxyz \(from calculator\)"
    with pytest.raises(InputError, match=message):
        read_dataset(written(tmp_path, text))


@pytest.mark.parametrize("name", ["empty.extxyz", "empty.traj", "empty.extxyz.gz"])
def test_empty_file_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    with pytest.raises(FileFormatError, match=r"must hold at least one structure, got an empty"):
        read_dataset(path)


@pytest.mark.parametrize("kept", [4, 60])
def test_incomplete_compressed_file_is_refused(tmp_path, kept):
    path = tmp_path / "si.extxyz.gz"
    path.write_bytes(gzip.compress(FRAME.encode())[:kept])
    with pytest.raises(FileFormatError, match=r"must be a complete \.gz file: .*; copy it again"):
        read_dataset(path)


def test_file_that_is_not_compressed_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match=r"must be a complete \.gz file: Not a gzipped file"):
        read_dataset(written(tmp_path, FRAME, "si.extxyz.gz"))


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "si.extxyz"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match=r"si\.extxyz must be text, got other bytes"):
        read_dataset(path)


def test_unknown_format_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match=r"must be in a format that ASE reads, got an unkno"):
        read_dataset(written(tmp_path, "nothing of that kind\n", "data.whatever"))


def test_file_that_ase_cannot_read_is_refused(tmp_path):
    path = written(tmp_path, "{not json", "data.json")
    with pytest.raises(FileFormatError, match=r"data\.json cannot be read: "):
        read_dataset(path)


def test_missing_file_is_refused_with_a_suggestion(tmp_path):
    written(tmp_path, FRAME, "train.extxyz")
    with pytest.raises(InputError, match=r"must be an existing file.*did you mean 'train.extxyz'?"):
        read_dataset(tmp_path / "trian.extxyz")
    with pytest.raises(InputError, match=r"must be an existing file.*; check the name in"):
        read_dataset(tmp_path / "q")
    with pytest.raises(InputError, match=r"must be an existing file.*; there is no folder"):
        read_dataset(tmp_path / "no" / "train.extxyz")


def test_folder_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"`path` must be a file, got the folder '.*'; name a file"
    ):
        read_dataset(tmp_path)


def test_existing_output_is_refused_without_overwrite(tmp_path):
    path = written(tmp_path, "precious")
    with pytest.raises(InputError, match=r"the file exists; .* overwrite=True \(--overwrite\)"):
        write_structures(path, images())
    assert path.read_text() == "precious"
    write_structures(path, images(), overwrite=True)
    assert len(read_dataset(path)) == 3


def test_output_in_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot write '.*': there is no folder '.*'; create it"):
        write_structures(tmp_path / "no" / "a.extxyz", images())


def test_folder_as_output_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot write '.*': it is a folder or a device"):
        check_output(tmp_path, overwrite=True)


def test_impossible_name_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot write '.*': File name too long; choose another"):
        write_structures(tmp_path / ("a" * 300 + ".extxyz"), images())


def test_read_only_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(InputError, match=r"cannot write '.*': folder '.*' is read-only"):
        check_output(tmp_path / "a.extxyz")


def test_nothing_to_write_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"must be at least one structure to write to .*, got none"
    ):
        write_structures(tmp_path / "a.extxyz", [])


@pytest.mark.parametrize("name", ["a.whatever", "a"])
def test_unknown_output_format_is_refused(tmp_path, name):
    with pytest.raises(
        InputError, match=r"`path` must end with a known format such as .extxyz, got"
    ):
        write_structures(tmp_path / name, images())
    write_structures(tmp_path / name, images(), format="extxyz")


def test_structures_that_a_format_cannot_hold_are_refused(tmp_path):
    atoms = labelled(bulk("Si"), energy=-3.0)  # in `info` and in the calculator
    with pytest.raises(InputError, match=r"cannot write '.*' as extxyz: .*already exists"):
        write_structures(tmp_path / "a.extxyz", [atoms])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, SystemExit])
def test_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = written(tmp_path, "old")

    def write(temporary: Path) -> None:
        temporary.write_text("half")
        raise failure

    with pytest.raises(failure):
        write_atomically(path, write, overwrite=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_is_reported_with_the_path(tmp_path):
    def write(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"cannot write '.*a\.linpot': No space left on device; "):
        write_atomically(tmp_path / "a.linpot", write)
    assert list(tmp_path.iterdir()) == []


def test_file_that_appears_during_the_write_is_not_replaced(tmp_path):
    path = tmp_path / "a.linpot"

    def write(temporary: Path) -> None:
        temporary.write_text("mine")
        path.write_text("theirs")

    with pytest.raises(InputError, match="the file exists"):
        write_atomically(path, write)
    assert path.read_text() == "theirs"


def test_temporary_name_keeps_folder_and_ending(tmp_path):
    seen = []

    def write(temporary: Path) -> None:
        seen.append(temporary)
        temporary.write_text("new")

    write_atomically(tmp_path / "a.extxyz.gz", write)
    assert seen[0].parent == tmp_path.resolve()
    assert seen[0].name.endswith("-a.extxyz.gz")


@pytest.mark.skipif(os.name != "posix", reason="permissions and links of POSIX")
def test_overwriting_keeps_permissions_and_follows_links(tmp_path):
    path, link = written(tmp_path, "old"), tmp_path / "link"
    path.chmod(0o640)
    link.symlink_to(path)
    write_atomically(link, lambda temporary: temporary.write_text("new"), overwrite=True)
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_silicon_of_zuo_2020_is_complete(data_folder):
    data = read_dataset(data_folder / "zuo2020" / "Si_train.extxyz.gz")
    assert (len(data), data.n_atoms, data.symbols) == (214, 13233, ("Si",))
    assert [data.count(label) for label in ("energy", "forces", "stress")] == [214, 214, 214]
    assert list(data.groups) == ["Vacancy", "Surface", "AIMD-NVT", "Elastic"]
    assert sum(data.groups.values()) == 214
    assert data.keys_found["stress"] == {"calculator": 214}


def test_copper_of_zuo_2020_has_no_stress(data_folder):
    data = read_dataset(data_folder / "zuo2020" / "Cu_train.extxyz.gz")
    assert [data.count(label) for label in ("energy", "forces", "stress")] == [262, 262, 0]
    assert data.n_atoms == 27416


def test_strict_reading_equals_ase_on_real_data(data_folder):
    path = data_folder / "si_gap18_subset" / "testing_database.extxyz.gz"
    ours, theirs = read_structures(path), ase.io.read(path, ":")
    assert ours == theirs
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a.calc.results["forces"], b.calc.results["forces"])
        assert a.info == b.info
