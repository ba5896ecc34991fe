"""Bad input: one clear line, the right exit code, no traceback, nothing half-written."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import ase.io
import numpy as np
import pytest
from pair_data import rattled
from test_cli import assert_refused, run

import linpot

GOOD = "good.extxyz"
FRAME = (
    '2\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.0 '
    'pbc="T T T"\nCu 0 0 0 0 0 0.1\nCu 2.5 0 0 0 0 -0.1\n'
)
RUNNER = (
    "begin\natom 0 0 0 Cu 0 0 0 0 0.1\natom 0 0 4.5 Cu 0 0 0 0 -0.1\nenergy -1\ncharge 0\nend\n"
)
TEXTS = {
    "empty.extxyz": "",
    "text.extxyz": "hello\nworld\n",
    "cut.extxyz": FRAME + "2\n",
    "count.extxyz": FRAME.replace("2\n", "two\n", 1),
    "columns.extxyz": FRAME.replace("Cu 2.5 0 0 0 0 -0.1", "Cu 2.5 0 0"),
    "number.extxyz": FRAME.replace("2.5", "2.5x"),
    "element.extxyz": FRAME.replace("Cu 2.5", "Qq 2.5"),
    "dummy.extxyz": FRAME.replace("Cu 2.5", "X 2.5"),
    "nan_position.extxyz": FRAME.replace("2.5", "nan"),
    "nan_force.extxyz": FRAME.replace("-0.1", "nan"),
    "inf_energy.extxyz": FRAME.replace("-1.0", "inf"),
    "words_energy.extxyz": FRAME.replace("-1.0", "low"),
    "close.extxyz": FRAME.replace("2.5", "0.01"),
    "flat.extxyz": FRAME.replace("0 0 5", "0 5 0"),
    "two_energies.extxyz": FRAME.replace("energy=-1.0", "energy=-1.0 REF_energy=-2.0"),
    "stress_shape.extxyz": FRAME.replace("energy", 'stress="1 2 3 4 5" energy'),
    "asymmetric.extxyz": FRAME.replace("energy", 'virial="1 2 0 0 1 0 0 0 1" energy'),
    "slab_stress.extxyz": FRAME.replace("energy", 'stress="1 0 0 0 1 0 0 0 1" energy').replace(
        "T T T", "T T F"
    ),
    "periodic.extxyz": FRAME.replace("T T T", "N N N"),
    "bohr_meter.extxyz": FRAME.replace("5 0 0 0 5 0 0 0 5", "5e-10 0 0 0 5e-10 0 0 0 5e-10"),
    "endless.extxyz": FRAME.replace("5 0 0 0 5 0 0 0 5", "1e30 0 0 0 1e30 0 0 0 1e30"),
    "far.extxyz": FRAME.replace("Cu 2.5", "Cu 1e200"),
    "huge_force.extxyz": FRAME.replace("0 0.1", "0 1e200").replace("-0.1", "-1e200"),
    "huge_energy.extxyz": FRAME.replace("-1.0", "-1e300"),
    "list_energy.extxyz": FRAME.replace("energy=-1.0", 'energy="[1,2]"'),
    "truth_energy.extxyz": FRAME.replace("energy=-1.0", "energy=T"),
    "many_atoms.extxyz": FRAME.replace("2\n", "999999999999\n", 1),
    "no_atoms.extxyz": "0\n\n",
    "short_cell.extxyz": FRAME.replace("5 0 0 0 5 0 0 0 5", "5 0 0 0 5 0 0 0"),
    "kind.extxyz": FRAME.replace("forces:R:3", "forces:Q:3"),
    "weight.extxyz": FRAME.replace("energy", "weight=-1 energy"),
    "bare.extxyz": '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3\nCu 0 0 0\n',
    "broken.json": '{"Dataset": {"Data": [{"Positions": [[0, 0, 0]]}]}}',
    "unit.json": '{"Dataset": {"Data": [{"Positions": [[0, 0, 0]], "Lattice": '
    '[[3, 0, 0], [0, 3, 0], [0, 0, 3]], "AtomTypes": ["Cu"]}], "PositionsStyle": "furlong"}}',
    "open.data": RUNNER.replace("end\n", ""),
    "twice.data": RUNNER.replace("energy", "begin\nenergy"),
    "short.data": RUNNER.replace("Cu 0 0 0 0 -0.1", "Cu 0"),
    "word.data": RUNNER.replace("energy", "mood"),
    "frame.pckl.gzip": "not a pickle",
    "unknown.foo": "what is this\n",
    "list.toml": "n_functions = [1, 2]\n",
    "typo.toml": "n_functons = 5\n",
    "bad.toml": "cutoff 5\n",
    "bytes.extxyz": None,
    "broken.extxyz.gz": None,
}


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """A folder with good and bad files."""
    monkeypatch.chdir(tmp_path)
    ase.io.write(GOOD, rattled(4, "bulk", 0), format="extxyz")
    for name, text in TEXTS.items():
        if text is not None:
            Path(name).write_text(text)
    Path("bytes.extxyz").write_bytes(b"\xff\xfe\x00\x01" * 10)
    Path("broken.extxyz.gz").write_bytes(b"\x1f\x8b\x08\x00 no gzip")
    Path("folder").mkdir()
    Path("circle.extxyz").symlink_to("circle.extxyz")
    zbl = linpot.ZBL(("Cu",), {("Cu", "Cu"): 1.0}, {("Cu", "Cu"): 3.0})
    linpot.save(zbl, "zbl.linpot")
    Path("cut.linpot").write_bytes(Path("zbl.linpot").read_bytes()[:-40])
    claim = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
    hostile = {"huge": claim, "object": {**claim, "descr": "|O", "shape": (1,)}}
    for name, header in hostile.items():
        array = io.BytesIO()
        np.lib.format.write_array_header_1_0(array, header)
        shutil.copy("zbl.linpot", f"{name}.linpot")
        with zipfile.ZipFile(f"{name}.linpot", "a") as archive:
            archive.writestr("a.npy", array.getvalue())
    return tmp_path


FILES = [  # every command that reads structures says the same
    ("empty.extxyz", "must hold at least one structure"),
    ("text.extxyz", "line 1: expected the number of atoms of frame 0, got 'hello'"),
    ("cut.extxyz", "the file ends inside frame 1"),
    ("count.extxyz", "line 1: expected the number of atoms"),
    ("columns.extxyz", "line 4: expected 7 columns"),
    ("number.extxyz", "line 4: expected a number, got '2.5x'"),
    ("element.extxyz", "no element is called 'Qq'"),
    ("dummy.extxyz", "remove dummy atoms"),
    ("nan_position.extxyz", "`positions` must be finite"),
    ("nan_force.extxyz", "`forces` must be finite"),
    ("inf_energy.extxyz", "`energy` must be finite"),
    ("words_energy.extxyz", "`energy` must hold numbers"),
    ("close.extxyz", "must be at least 0.1 A apart"),
    ("flat.extxyz", "linearly dependent lattice vectors"),
    ("two_energies.extxyz", "two values of energy that differ"),
    ("stress_shape.extxyz", "expecting special 3x3 matrix"),
    ("asymmetric.extxyz", "`virial` must be symmetric"),
    ("slab_stress.extxyz", "needs a cell that is periodic in three directions"),
    ("periodic.extxyz", "line 2: expected pbc=\"T T F\" or the like, got ['N', 'N', 'N']"),
    ("bohr_meter.extxyz", "atom 0 and its own image must be at least 0.1 A apart"),
    ("endless.extxyz", "`cell` must be at most 1e+07 in size, got cell[0, 0] = 1e+30"),
    ("far.extxyz", "`positions` must be at most 1e+07 in size"),
    ("huge_force.extxyz", "`forces` must be at most 1e+15 in size"),
    ("huge_energy.extxyz", "`energy` must be at most 1e+15 in size"),
    ("list_energy.extxyz", "`energy` must hold numbers, got '[1,2]'"),
    ("truth_energy.extxyz", "`energy` must hold numbers, got True"),
    ("many_atoms.extxyz", "expected 999999999999 atoms, got 2"),
    ("no_atoms.extxyz", "must have at least one atom, got none"),
    ("short_cell.extxyz", "cannot read frame 0: Got info item Lattice"),
    ("kind.extxyz", "cannot read frame 0: Unknown property type: Q"),
    ("weight.extxyz", "must be a non-negative number"),
    ("bytes.extxyz", "must be text"),
    ("broken.extxyz.gz", "must be a complete .gz file"),
    ("broken.json", "cannot read structure 0: 'AtomTypes' is missing"),
    ("unit.json", "PositionsStyle must be one of angstrom, bohr, got 'furlong'"),
    ("open.data", "must have an 'end'"),
    ("twice.data", "expected 'end' before the next 'begin'"),
    ("short.data", "expected 10 columns"),
    ("word.data", "expected lattice, atom, energy, charge or comment, got 'mood'"),
    ("frame.pckl.gzip", "is a pickle, which can run any code"),
    ("unknown.foo", "must be in a format that ASE reads"),
    ("absent.extxyz", "must be an existing file"),
    ("folder", "must be a file, got the folder"),
    ("circle.extxyz", "got 'circle.extxyz', a link to none"),
    ("god.extxyz", "did you mean 'good.extxyz'?"),
]


@pytest.mark.parametrize(("file", "message"), FILES, ids=[file for file, _ in FILES])
def test_bad_files_are_refused_in_one_line(workplace, file, message):
    before = sorted(os.listdir())
    for arguments in (
        ["fit", file],
        ["data", "info", file],
        ["data", "convert", file, "-o", "out.extxyz"],
        ["init", file, "--no-ask"],
    ):
        assert_refused(run(*arguments), message)
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data", "chek", GOOD], "No such command 'chek'"),
        (["data", "check"], "Missing argument 'FILE...'"),
        (["data", "check", "cut.extxyz"], "the file ends inside frame 1"),
        (["data", "check", "absent.extxyz"], "must be an existing file"),
        (["data", "check", GOOD, "--test", "absent.extxyz"], "must be an existing file"),
        (["data", "check", GOOD, "--json", GOOD, "--overwrite"], "must not be a file that is"),
        (["data", "check", GOOD, "--json", "no/x.json"], "create it first"),
        (["data", "check", GOOD, "--per-group", "few"], "`per_group` must be a whole number"),
        (["data", "check", GOOD, "--per-group", "-5"], "`per_group` must be"),
        (["data", "check", GOOD, "--threads", "0"], "`threads` must be"),
        (["data", "check", GOOD, "--energy-key", "E0"], "`energy` key must be in at least one"),
        (["data", "check", "nan_force.extxyz"], "no structure of the data can be used"),
        (["data", "convert", GOOD], "Missing option '-o'"),
        (["data", "convert", GOOD, "-o", "out.foo"], "must end with a known format"),
        (["data", "convert", GOOD, "-o", "out.pckl.gzip"], "must end with a format that is"),
        (["data", "convert", GOOD, "-o", GOOD, "--overwrite"], "must not be a file that is read"),
        (["data", "convert", GOOD, "-o", "text.extxyz"], "the file exists"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--swap-stress", "yz"], "two of yz, xz, xy"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--swap-stress", "xx,yy"], "two of yz, xz, xy"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--swap-stress", "yz,yz"], "two of yz, xz, xy"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--groups", "liquid"], "got 'liquid'"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--groups", "a,,b"], "names between commas"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--energy-unit", "erg"], "got 'erg'"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--stress-unit", "psi"], "got 'psi'"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--keep", "9"], "`keep` must be places from 0"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--drop", "9"], "places from 0 to 3, got 9"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--drop", "3:1"], "ascending ranges"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--drop", "a"], "must be places like"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--drop", "0:4"], "at least one structure"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--drop-labels", "mood"], "got 'mood'"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--subtract-atoms", "Si=-1"], "energy of Cu"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--subtract-atoms", "Xx=1"], "name elements"),
        (["data", "convert", GOOD, "-o", "o.xyz", "--subtract-atoms", "Cu"], "must be like"),
        (
            ["data", "convert", "frame.pckl.gzip", "-o", "o.xyz", "--trust-pickle"],
            "must be a pickled data frame",
        ),
        (
            ["data", "convert", GOOD, "-o", "o.xyz", "--stress-is-virial", "--virial-is-stress"],
            "only one of",
        ),
        (["data", "split", GOOD, "-o", "o.xyz", "--parts", "a=0.5,b=0.4"], "sum to 1"),
        (["data", "split", GOOD, "-o", "o.xyz", "--parts", "a=1"], "two or more shares"),
        (["data", "split", GOOD, "-o", "o.xyz", "--parts", "a=2,b=-1"], "must be a positive"),
        (["data", "split", GOOD, "-o", "o.xyz", "--parts", "a/b=0.5,c=0.5"], "without '/'"),
        (["data", "split", GOOD, "-o", "o.xyz", "--by", "luck"], "--by"),
        (["data", "split", GOOD, "-o", "o.xyz", "--by", "group"], "at least one structure"),
        (["data", "split", GOOD, "-o", "o.xyz", "--block", "5"], "`block` needs by='time'"),
        (["data", "split", GOOD, "-o", "o.xyz", "--seed", "-1"], "`seed` must be"),
        (["data", "merge", "-o", "o.xyz"], "Missing argument"),
        (["data", "merge", GOOD, "a=absent.xyz", "-o", "o.xyz"], "must be an existing file"),
        (["data", "merge", GOOD, "b=nan_force.extxyz", "-o", "o.xyz"], "must be finite"),
        (["init"], "Missing argument 'TRAIN...'"),
        (["init", GOOD, "--size", "huge"], "--size"),
        (["init", GOOD, "--n-functions", "many"], "`n_functions` must be a whole number"),
        (["init", GOOD, "-o", "bad.toml"], "the file exists"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
        (["fit", "--config", "bad.toml"], "must be a TOML file"),
        (["fit", "--config", "typo.toml"], "did you mean n_functions"),
        (["fit", GOOD, "--config", "list.toml"], "`n_functions` must be a whole number"),
        (["fit", GOOD, "-o", GOOD, "--overwrite"], "--output must not be a file that is read"),
        (["fit", "bare.extxyz"], "no structure has an energy, forces or a stress"),
        (["evaluate", "bad.toml", GOOD], "not a linpot potential"),
        (["verify", "zbl.linpot", "--cutoff", "nan"], "`cutoff` must be a positive length"),
        (["verify", "zbl.linpot", "--cutoff", "-1"], "`cutoff` must be a positive length"),
        (["verify", "zbl.linpot", "--elements", "Qq"], "`elements` must be chemical symbols"),
        (["verify", "zbl.linpot", "--only", "beauty"], "`only` must be one of"),
        (["verify", "zbl.linpot", "--rough", "--random", "-5"], "`n_random` must be"),
        (["verify", "zbl.linpot", "--rough", "--melting", "nan"], "`melting` must be a positive"),
        (["verify", "nothing:bar", "--elements", "Cu"], "of a calculator"),
        (["validate", "zbl.linpot", "--level", "2"], "`level` must be between 0 and 1"),
        (["validate", "zbl.linpot", "--members", "-1"], "`n_members` must be"),
        (["validate", "zbl.linpot", "--melting", "-5"], "`melting` must be a positive"),
        (["validate", "zbl.linpot", "--length", "nan"], "`length` must be a positive"),
        (["validate", "zbl.linpot", "--structure", GOOD], "must hold one structure, got 4"),
        (["validate", "zbl.linpot", "--references", "bad.toml"], "must be a TOML file"),
        (["info", "huge.linpot"], "its array 'a.npy' cannot be read"),
        (["evaluate", "object.linpot", GOOD], "its array 'a.npy' cannot be read"),
        (["predict", "cut.linpot", GOOD, "-o", "o.xyz"], "not a linpot potential, or damaged"),
        (["info", "absent.linpot"], "absent.linpot"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_bad_flags_are_refused_in_one_line(workplace, arguments, message):
    before = {name: Path(name).lstat().st_mtime_ns for name in os.listdir()}
    assert_refused(run(*arguments), message)
    assert {name: Path(name).lstat().st_mtime_ns for name in os.listdir()} == before


def test_no_data_command_shows_the_help(workplace):
    result = run("data")
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


def test_merge_that_fails_leaves_nothing(workplace):
    assert_refused(run("data", "merge", GOOD, "cut.extxyz", "-o", "all.extxyz"), "ends inside")
    assert not Path("all.extxyz").exists()


def test_split_that_fails_leaves_no_part(workplace, monkeypatch):
    """The second part cannot be written: the first must not appear either."""
    import linpot.curation.rewrite as rewrite

    original = rewrite.write_structures

    def fail(path, *args, **kwargs):
        if "test" in str(path):
            raise OSError(28, "No space left on device")
        return original(path, *args, **kwargs)

    monkeypatch.setattr(rewrite, "write_structures", fail)
    before = sorted(os.listdir())
    result = run("data", "split", GOOD, "--parts", "train=0.5,test=0.5", "-o", "part.extxyz")
    assert_refused(result, "No space left on device")
    assert sorted(os.listdir()) == before
