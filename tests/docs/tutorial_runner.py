"""Runs the blocks of a tutorial in order, and compares what they print with what the page shows."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from linpot.cli.main import linpot

_BLOCK = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_COLUMNS = "120"  # of the terminal that pages show

RUN = {"python", "bash"}
NOT_RUN = {"text", "slurm", ""}
"""Lines of any user's files; jobs, whose syntax is checked."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, and the line it begins at."""

    language: str
    text: str
    line: int


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        yield Block(match[1], match[2], text.count("\n", 0, match.start()) + 1)


def run_page(page: Path) -> int:
    """
    Run the python and bash blocks of a page in the present folder.

    Commands of linpot run in this process, which saves the start of Python; whatever else stands in
    a bash block is given to bash. An `output` block is compared with what the block before it
    printed.

    Returns
    -------
    int
        How many blocks ran.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    printed, n_run = "", 0
    for block in blocks_of(page):
        place = f"{page.name}, line {block.line}"
        if block.language == "python":
            printed, n_run = _run_python(block, names, place), n_run + 1
        elif block.language == "bash":
            printed, n_run = _run_bash(block, place), n_run + 1
        elif block.language == "output":
            compare(block.text, printed, place)
        elif block.language == "slurm":
            subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)
        else:
            assert block.language in NOT_RUN, f"{place}: unknown language {block.language!r}"
    return n_run


def _run_python(block: Block, names: dict[str, object], place: str) -> str:
    out = io.StringIO()
    source = "\n" * block.line + block.text  # so that tracebacks have the lines of the page
    with contextlib.redirect_stdout(out):
        exec(compile(source, place, "exec"), names)
    return out.getvalue()


def _run_bash(block: Block, place: str) -> str:
    printed = ""
    for command in _commands(block.text):
        if command.startswith("linpot "):
            words = shlex.split(command, comments=True)
            result = CliRunner(env={"COLUMNS": _COLUMNS}).invoke(linpot, words[1:])
            assert result.exit_code == 0, f"{place}: {command}\n{result.output}"
            printed += result.output
        else:
            done = subprocess.run(["bash", "-e", "-c", command], capture_output=True, text=True)
            assert done.returncode == 0, f"{place}: {command}\n{done.stderr}"
            printed += done.stdout
    return printed


def _commands(text: str) -> Iterator[str]:
    """Yield commands; a here-document is one with the lines that it holds."""
    held, end = "", ""
    for line in text.replace("\\\n", " ").splitlines():
        held += line + "\n"
        opened = re.search(r"<<'?(\w+)'?", line)
        if opened and not end:
            end = opened[1]
        elif line == end:
            end = ""
        if not end:
            if held.strip() and not held.startswith("#"):
                yield held.strip()
            held = ""


def compare(shown: str, printed: str, place: str) -> None:
    """
    Check that lines shown were printed, in this order.

    `...` alone stands for any lines, inside a line for any words. Numbers may differ by 10 %, or by
    two in their last digit: other processors round otherwise.
    """
    lines = [line for line in printed.splitlines() if line.strip()]
    at, may_skip = 0, False
    for line in shown.splitlines():
        if not line.strip():
            continue
        if line.strip() == "...":
            may_skip = True
            continue
        candidates = range(at, len(lines) if may_skip else min(at + 1, len(lines)))
        found = next((k for k in candidates if same(line, lines[k])), None)
        assert found is not None, f"{place}: not printed: {line!r}; there was\n" + "\n".join(
            lines[at : at + 40 if may_skip else at + 1]
        )
        at, may_skip = found + 1, False


def same(shown: str, printed: str) -> bool:
    """Whether a printed line is what is shown."""
    pattern = r"\s+".join(
        ".*" if word == "..." else _tolerant(word).replace(r"\.\.\.", ".*")
        for word in shown.split()
    )
    match = re.fullmatch(pattern, printed.strip())
    if match is None:
        return False
    wanted = _NUMBER.findall(re.sub(r"\.\.\.", " ", shown))
    return all(_close(a, b) for a, b in zip(wanted, match.groups(), strict=True))


def _tolerant(word: str) -> str:
    """Return a pattern for a word in which numbers are groups."""
    parts = _NUMBER.split(word)
    return f"({_NUMBER.pattern})".join(re.escape(part) for part in parts)


def _close(shown: str, printed: str) -> bool:
    a, b = float(shown), float(printed)
    if "." not in shown and "e" not in shown:
        return a == b
    digits = len(shown.partition(".")[2].partition("e")[0])
    return abs(a - b) <= max(0.1 * max(abs(a), abs(b)), 2.1 * 10.0**-digits)
