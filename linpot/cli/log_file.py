"""The log beside a result."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import click

from linpot.cli.console import Terminal
from linpot.io.text_file import write_text
from linpot.workflow.provenance import versions

Function = TypeVar("Function", bound=Callable[..., Any])


def log_option(function: Function) -> Function:
    """Add --log."""
    return click.option(
        "--log/--no-log",
        default=True,
        show_default=True,
        help="Keep what is told in a file beside the potential, MODEL.log.",
    )(function)


def log_beside(output: str, wanted: bool) -> str | None:
    """Return the path of the log beside a result; None if none is wanted."""
    path = Path(output)
    # a path without a name is refused as an output, and not here
    return str(path.with_suffix(".log")) if wanted and path.name else None


def write_log(path: str, terminal: Terminal, *, overwrite: bool = False) -> None:
    """
    Write all that a command has told, with the command, the time and the versions.

    Parameters
    ----------
    path : path
    terminal : Terminal
    overwrite : bool

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    head = [
        "linpot " + " ".join(map(shlex.quote, sys.argv[1:])),
        f"{now}, {terminal.elapsed:.1f} s",
        ", ".join(f"{name} {version}" for name, version in versions().items()),
        "",
    ]
    write_text(path, "\n".join([*head, *terminal.lines]) + "\n", overwrite=overwrite)
