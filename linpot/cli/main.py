"""The `linpot` command: its subcommands, and how its errors are told."""

from __future__ import annotations

import sys
import traceback
import warnings
from importlib.metadata import version
from typing import Any

import click

from linpot.cli.completion import completion
from linpot.cli.console import Terminal
from linpot.cli.data import data
from linpot.cli.demo import demo
from linpot.cli.evaluate import evaluate
from linpot.cli.export import convert, export
from linpot.cli.fit import fit
from linpot.cli.info import info
from linpot.cli.init import init
from linpot.cli.options import verbosity_options
from linpot.cli.predict import predict
from linpot.cli.report import report
from linpot.cli.select import select_structures
from linpot.cli.validate import validate
from linpot.cli.verify import verify
from linpot.errors import ConvergenceError, HoleError, InputError

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


class LinpotGroup(click.Group):
    """A group of commands that tells errors in one line and by exit code."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command; exit with its code unless `standalone_mode` is off."""
        terminal = Terminal()
        extra.setdefault("obj", terminal)
        run: Any = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        try:
            with warnings.catch_warnings():
                # what other packages warn of is told like the rest, without source lines
                warnings.showwarning = lambda message, *_, **__: terminal.warn(str(message))
                code = run(*args, standalone_mode=False, **extra)
        except Exception as error:
            code = _tell(error, terminal)
        sys.exit(code if isinstance(code, int) else DONE)


def _tell(error: Exception, terminal: Terminal) -> int:
    """Print what went wrong and return the exit code."""
    if isinstance(error, click.Abort):
        terminal.error("interrupted")
        return INTERRUPTED
    if terminal.verbosity > 0 and not isinstance(error, click.ClickException):
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "linpot"
        terminal.error(f"{error.format_message().rstrip('.')} (see '{path} --help')")
        return WRONG_INPUT
    if isinstance(error, click.ClickException):
        terminal.error(error.format_message())
        return WRONG_INPUT
    if isinstance(error, InputError):
        terminal.error(str(error))
        return WRONG_INPUT
    if isinstance(error, OSError):
        place = f" '{error.filename}'" if error.filename is not None else ""
        terminal.error(f"cannot use the file{place}: {error.strerror or error}")
        return WRONG_INPUT
    if isinstance(error, HoleError):
        terminal.error(str(error))
        return FAILED
    advice = "" if terminal.verbosity > 0 else "; run again with -v for where it happened"
    if isinstance(error, ConvergenceError):
        terminal.error(f"{error}{advice}")
    elif isinstance(error, MemoryError):
        terminal.error(f"out of memory; ask for fewer functions or threads{advice}")
    else:
        terminal.error(f"unexpected {type(error).__name__}: {error}{advice}")
    return FAILED


@click.group(
    cls=LinpotGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version("linpot"), message="linpot %(version)s")
@verbosity_options
@click.pass_context
def linpot(ctx: click.Context) -> None:
    """Fit, test and use linear interatomic potentials."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(WRONG_INPUT)


_COMMANDS = (
    init,
    fit,
    evaluate,
    predict,
    select_structures,
    info,
    report,
    data,
    validate,
    verify,
    export,
    convert,
    demo,
)
for _command in (*_COMMANDS, completion):
    linpot.add_command(_command)


def main() -> None:
    """Run `linpot`; the entry point of the package."""
    linpot()
