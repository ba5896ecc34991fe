"""A first settings file, the log beside a potential, completion, and data on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import ase.io
import pytest
from pair_data import change, rattled
from test_cli import run

import linpot
from linpot import datasets
from linpot.errors import FileFormatError, InputError
from linpot.io.text_file import sha256_of
from linpot.io.toml_file import read_toml

SOUND = rattled(12, "bulk", 0) + rattled(6, "hot", 1, strain=0.08)


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    ase.io.write("train.extxyz", SOUND, format="extxyz")
    return tmp_path


def test_init_writes_settings_that_fit_takes(workplace):
    result = run("init", "train.extxyz", "--n-functions", 12, "--no-ask", "--model", "cu.linpot")
    assert result.exit_code == 0, result.output
    assert "Next: linpot data check train.extxyz" in result.stdout
    settings = read_toml("fit.toml")
    assert settings["train"] == ["train.extxyz"]
    assert settings["n_functions"] == 12
    fitted = run("fit", "--config", "fit.toml", "--threads", 1)
    assert fitted.exit_code == 0, fitted.output
    log = Path("cu.log").read_text()
    for part in ("linpot ", "Training data: Cu", "Energy errors", "Saved cu.linpot", "numba"):
        assert part in log
    assert linpot.learned_part(linpot.load("cu.linpot")).n_functions == {"Cu": 12}
    described = run("info", "cu.linpot", "--json", "info.json")
    assert described.exit_code == 0
    assert json.loads(Path("info.json").read_text())["n_functions"] == {"Cu": 12}


def test_every_line_that_init_turns_off_can_be_turned_on(workplace):
    """What stands behind a # must be settings, too: tables excepted, which end a file."""
    run("init", "train.extxyz", "--no-ask", "--uncertainty", "-q")
    lines = Path("fit.toml").read_text().splitlines()
    off = [line[2:] for line in lines if line.startswith("# ") and " = " in line]
    assert len(off) >= 6
    for line in off:
        name = line.split(" = ")[0]
        kept = [other for other in lines if not other.startswith(f"{name} = ")]
        Path("one.toml").write_text("\n".join([*kept, line]) + "\n")
        settings = read_toml("one.toml")
        known = {param.name for param in linpot_fit().params}
        assert set(settings) <= known, name


def linpot_fit():
    from linpot.cli.fit import fit

    return fit


def test_init_asks_for_what_is_not_given(workplace):
    from click.testing import CliRunner

    from linpot.cli.main import linpot as command

    result = CliRunner().invoke(command, ["init", "train.extxyz", "--ask"], input="small\ny\n")
    assert result.exit_code == 0, result.output
    settings = read_toml("fit.toml")
    assert settings["n_functions"] == 100
    assert settings["uncertainty"] == "posterior"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_a_shell(shell):
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_LINPOT_COMPLETE" in result.stdout


def test_check_tells_by_its_exit_code(workplace):
    clean = run("data", "check", "train.extxyz", "--threads", 1, "--json", "clean.json")
    assert clean.exit_code == 0, clean.output
    assert "Nothing found." in clean.stdout
    order = [0, 1, 2, 4, 3, 5]
    spoilt = [
        change(a, stress=lambda s: s[order]) if a.info["config_type"] == "bulk" else a
        for a in SOUND
    ]
    ase.io.write("spoilt.extxyz", spoilt, format="extxyz")
    found = run("data", "check", "spoilt.extxyz", "--threads", 1, "--json", "found.json")
    assert found.exit_code == 1
    told = json.loads(Path("found.json").read_text())
    assert [one["kind"] for one in told["findings"]] == ["stress-order"]
    assert "stress components yz and xz of 'bulk' are exchanged" in found.stdout
    command = told["findings"][0]["command"]
    assert command in found.stdout  # on one line, to be copied
    mended = run(*command.removeprefix("linpot ").split())
    assert mended.exit_code == 0, mended.output
    again = run("data", "check", "spoilt-mended.extxyz", "--threads", 1)
    assert again.exit_code == 0, again.output


def test_quiet_shows_nothing_but_the_exit_code(workplace):
    result = run("data", "info", "train.extxyz", "-q", "--json", "info.json")
    assert result.exit_code == 0
    assert result.stdout == result.stderr == ""
    table = json.loads(Path("info.json").read_text())
    assert table["elements"] == ["Cu"]
    assert table["groups"]["hot"]["n_structures"] == 6


def test_split_and_merge_are_inverse_on_the_command_line(workplace):
    result = run("data", "split", "train.extxyz", "--parts", "a=0.5,b=0.5", "-o", "part.extxyz")
    assert result.exit_code == 0, result.output
    assert {"part-a.extxyz", "part-b.extxyz"} <= set(os.listdir())
    merged = run("data", "merge", "part-a.extxyz", "part-b.extxyz", "-o", "all.extxyz")
    assert merged.exit_code == 0, merged.output
    assert "18 structures" in merged.stdout
    before, after = (
        sorted(a.get_potential_energy() for a in ase.io.read(name, ":"))
        for name in ("train.extxyz", "all.extxyz")
    )
    assert before == pytest.approx(after, abs=1e-7)


def test_public_sets_are_found_in_the_folder_and_verified(tmp_path, monkeypatch):
    folder = tmp_path / "3bpa"
    folder.mkdir()
    monkeypatch.setenv("LINPOT_DATA", str(tmp_path))
    (folder / "iso_atoms.extxyz.gz").write_bytes(b"another version")
    with pytest.raises(FileFormatError, match="must have sha256"):
        datasets.path("3bpa", "iso_atoms")
    entry = datasets.describe("3bpa").parts["iso_atoms"]
    changed = {**entry, "sha256": sha256_of(folder / "iso_atoms.extxyz.gz")}
    parts = {**datasets.describe("3bpa").parts, "iso_atoms": changed}
    known = datasets.PublicSet("3bpa", "", "", "", parts)
    monkeypatch.setattr(datasets, "describe", lambda name: known)
    assert datasets.path("3bpa", "iso_atoms") == folder / "iso_atoms.extxyz.gz"


def test_public_sets_that_cannot_be_had_are_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("LINPOT_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"'Si_train.extxyz.gz' of zuo2020 must be in"):
        datasets.path("zuo2020", "Si_train")
    with pytest.raises(InputError, match="`name` must be one of"):
        datasets.path("zuo2021", "Si_train")
    with pytest.raises(InputError, match="`part` must be one of"):
        datasets.path("zuo2020", "Xx_train")


def test_no_network_is_told_with_the_remedy(tmp_path, monkeypatch):
    pooch = pytest.importorskip("pooch")
    monkeypatch.delenv("LINPOT_DATA", raising=False)

    def fail(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(pooch, "retrieve", fail)
    with pytest.raises(InputError, match=r"cannot download https://.*without network, put"):
        datasets.path("3bpa", "train_300K")


def test_downloads_are_pinned_to_content():
    for name in datasets.names():
        for entry in datasets.describe(name).parts.values():
            assert len(entry["sha256"]) == 64
            if "url" in entry:
                assert entry["url"].startswith("https://")
                assert len(entry["url_sha256"]) == 64
