"""The README's example and the numbered examples run and hold what they claim."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path

import pytest

import linpot
from benchmarks.tables import PAGES, fresh

ROOT = Path(__file__).parents[1]


def test_first_python_block_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    output = capsys.readouterr().out
    assert "test MAE" in output
    assert re.search(r"lattice constant: 5\.[34]\d\d A", output)


def test_block_on_sessions_in_the_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    names = {"linpot": linpot, "train": linpot.shipped_silicon()[0]}
    exec(compile(next(b for b in blocks if "prepare_fit" in b), "README.md", "exec"), names)
    assert 0.5 < float(capsys.readouterr().out) < 10.0


@pytest.mark.parametrize("script", sorted(p.name for p in (ROOT / "examples").glob("*.py")))
def test_example_holds_what_it_claims(script, tmp_path, monkeypatch):
    monkeypatch.setenv("LINPOT_DATA", os.environ.get("LINPOT_DATA", str(ROOT / "../shared/data")))
    monkeypatch.chdir(tmp_path)
    try:
        runpy.run_path(str(ROOT / "examples" / script))
    except SystemExit as stopped:  # an example that lacks data or a package says so
        pytest.skip(str(stopped))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_tables_are_those_of_the_committed_results(path):
    assert fresh(path) == path.read_text()
