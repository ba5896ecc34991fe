"""Where output goes: results to standard output, progress and warnings to standard error."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field

import click
from rich.console import Console, RenderableType

_WIDTH = 120  # of files and pipes, which have none of their own
_NARROWEST = 80  # below it, lines break wherever the terminal ends


@dataclass
class Terminal:
    """
    The user's terminal.

    Attributes
    ----------
    verbosity : int
        -1 shows warnings and errors only, 1 adds details and tracebacks.
    started : float
        Monotonic clock at the start of the program.
    lines : list of str
        All that was told so far, also what was not shown for being quiet: for a log.
    """

    verbosity: int = 0
    started: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def width(self) -> int:
        """Columns of standard output."""
        return make_console().width

    def show(self, *blocks: RenderableType) -> None:
        """Print blocks as results, an empty line after each, unless quiet."""
        console = make_console()
        for block in blocks:
            with console.capture() as captured:
                console.print(block)
            lines = [line.rstrip() for line in captured.get().rstrip().split("\n")]
            self.lines += [*(click.unstyle(line) for line in lines), ""]
            if self.verbosity >= 0:
                click.echo("\n".join(lines) + "\n")

    def say(self, text: str = "") -> None:
        """Print one unbroken line as a result, unless quiet."""
        self.lines.append(text)
        if self.verbosity >= 0:
            click.echo(text)

    def notice(self, text: str) -> None:
        """Print one line about the work itself, unless quiet."""
        self.lines.append(text)
        if self.verbosity >= 0:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Print a warning line, even if quiet."""
        self.lines.append(f"warning: {_one_line(text)}")
        click.secho(f"warning: {_one_line(text)}", err=True, fg="yellow")

    def error(self, text: str) -> None:
        """Print an error line, even if quiet."""
        click.secho(f"error: {_one_line(text)}", err=True, fg="red")


def make_console(*, stderr: bool = False) -> Console:
    """Return a rich console that leaves text as it is: no markup, no emoji, no highlighting."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _WIDTH
    console = Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)
    console.width = max(console.width, _NARROWEST)
    return console


def pass_terminal() -> Terminal:
    """Return the terminal of the running command."""
    return click.get_current_context().ensure_object(Terminal)


def _one_line(text: str) -> str:
    return " ".join(text.split())
