"""Every code block of the tutorials runs, and prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tutorial_runner import blocks_of, compare, run_page, same

from linpot.cli.main import linpot

DOCS = Path(__file__).resolve().parents[2] / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
PAGES = sorted(DOCS.rglob("*.md"))


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_code_of_tutorial_runs(page, tmp_path, monkeypatch):
    if page.stem == "lammps_cluster":
        pytest.importorskip("lammps", reason="no LAMMPS is installed")
    monkeypatch.chdir(tmp_path)
    assert run_page(page) >= 2


def _commands(page: Path) -> list[tuple[str, str]]:
    """Lines of code blocks that call linpot, with their places."""
    return [
        (line, f"{page.name}, line {block.line}")
        for block in blocks_of(page)
        for line in block.text.replace("\\\n", " ").splitlines()
        if line.startswith("linpot ")
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_options_in_code_blocks_exist(page):
    for line, place in _commands(page):
        for part in line.split("#")[0].split("&&"):
            words = part.split()
            command = linpot
            for word in words[1:]:
                if not hasattr(command, "commands") or word not in command.commands:
                    break
                command = command.commands[word]
            known = {name for option in command.params for name in option.opts}
            known |= {name for option in command.params for name in option.secondary_opts}
            known |= {"--help", "-h", "--version"}
            for option in re.findall(r"(?<![\w'=,-])(--?[a-zA-Z][\w-]*)", part):
                assert option in known, f"{place}: {command.name} has no {option}"


def test_comparison_sees_other_words_and_numbers():
    assert same("all 55 1.49 ...", "all   55  1.50  2.02")
    assert not same("all 55 1.49", "all 55 1.69")
    assert not same("all 55 1.49", "all 56 1.49")
    assert not same("all 55", "none 55")
    compare("...\nb 2\n", "a 1\nb 2\nc 3\n", "here")
    with pytest.raises(AssertionError, match="not printed: 'b 3'"):
        compare("a 1\nb 3\n", "a 1\nb 2\n", "here")
    with pytest.raises(AssertionError, match="not printed: 'c 3'"):
        compare("a 1\nc 3\n", "a 1\nb 2\nc 3\n", "here")
