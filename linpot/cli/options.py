"""Options that several commands share."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import click

from linpot.cli.console import Terminal
from linpot.cli.parsing import PathValue, Value, parse_symbols, parse_text, parse_whole
from linpot.errors import InputError
from linpot.io.atomic import check_output
from linpot.io.toml_file import read_toml
from linpot.structures.labels import QUANTITIES, LabelKeys

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]

TEXT = Value("NAME", parse_text)
PATH = PathValue("FILE", parse_text)
WHOLE = Value("N", parse_whole)

_NOT_SETTINGS = ("config", "verbose", "quiet", "help", "version")


class CommandOfWords(click.Command):
    """
    A command some of whose options may stand before an argument without their value.

    Click takes the next word for the value of an option, whatever it is. Here an option with a
    choice of words and a `flag_value` keeps that, where the next word is none of the choice.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Complete options that stand without their value."""
        words = {
            name: (option.type.choices, option.flag_value)
            for option in self.params
            if isinstance(option, click.Option) and isinstance(option.type, click.Choice)
            if isinstance(option.flag_value, str)
            for name in option.opts
        }
        end = args.index("--") if "--" in args else len(args)
        completed = [
            f"{word}={words[word][1]}"
            if word in words and following not in words[word][0]
            else word
            for word, following in pairwise([*args[:end], ""])
        ]
        return super().parse_args(ctx, completed + args[end:])


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def verbosity_options(function: Function) -> Function:
    """Add -v and -q."""

    def louder(ctx: click.Context, param: click.Parameter, given: bool) -> None:
        if given:
            ctx.ensure_object(Terminal).verbosity = 1 if param.name == "verbose" else -1

    for flags, text in (
        (("-q", "--quiet"), "Print only warnings and errors."),
        (("-v", "--verbose"), "Print details, and tracebacks of errors."),
    ):
        function = click.option(
            *flags, is_flag=True, is_eager=True, expose_value=False, callback=louder, help=text
        )(function)
    return function


def threads_option(function: Function) -> Function:
    """Add --threads."""
    return click.option(
        "--threads",
        type=WHOLE,
        default=available_cores,
        show_default="all cores available",
        help="Threads; results do not depend on their number.",
    )(function)


def elements_option(function: Function) -> Function:
    """Add --elements."""
    return click.option(
        "--elements",
        type=Value("A,B,...", parse_symbols),
        help="Elements of the atom types 0, 1, ... of .cfg files of MLIP, which do not name them.",
    )(function)


def key_options(function: Function) -> Function:
    """Add the options that say where labels are, and what atom types are."""
    function = elements_option(function)
    function = click.option(
        "--group-key",
        type=TEXT,
        default="config_type",
        show_default=True,
        help="Key of the group of a structure.",
    )(function)
    for name, what in (
        ("dipole", "the dipole"),
        ("charges", "reference charges; initial charges serve where there are no others"),
        ("virial", "the virial, instead of a stress"),
        ("stress", "the stress"),
        ("forces", "the forces"),
        ("energy", "the energy"),
    ):
        function = click.option(
            f"--{name}-key",
            type=TEXT,
            help=f"Key of {what}; 'none' ignores it. Found by its usual names if not given.",
        )(function)
    return function


def overwrite_option(function: Function) -> Function:
    """Add --overwrite."""
    return click.option("--overwrite", is_flag=True, help="Replace output files that exist.")(
        function
    )


def json_option(what: str) -> Decorator:
    """Add --json."""
    return click.option("--json", "json", type=PATH, help=f"Write {what} to this file.")


def config_option(function: Function) -> Function:
    """Add --config: a TOML file of the same names; the command line wins."""
    return click.option(
        "--config",
        type=PATH,
        is_eager=True,
        expose_value=False,
        callback=_load_config,
        help="TOML file with these options, n_functions = 500 for example; the command line wins.",
    )(function)


def label_keys(options: dict[str, Any]) -> LabelKeys:
    """Return where labels are, from the values of `key_options`."""
    return LabelKeys(**{quantity: options[f"{quantity}_key"] for quantity in QUANTITIES})


def reading(options: dict[str, Any]) -> dict[str, Any]:
    """Return keywords of `read_dataset`, from the values of `key_options`."""
    return {
        "keys": label_keys(options),
        "group_key": options["group_key"],
        "elements": options["elements"],
    }


def check_outputs(
    outputs: dict[str, str | None], inputs: list[str], *, overwrite: bool = False
) -> None:
    """
    Check that all outputs can be written, before the work.

    Parameters
    ----------
    outputs : dict of option to path or None
    inputs : list of path
        Files that must not be replaced by results.
    overwrite : bool

    Raises
    ------
    InputError
        If an output cannot be written, is another output, or is an input.
    """
    sources = {Path(os.path.realpath(path)) for path in inputs}  # takes links in a circle
    taken: dict[Path, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        target = check_output(path, overwrite=overwrite)
        if target in sources:
            raise InputError(f"{option} must not be a file that is read, got '{path}'")
        if target in taken:
            raise InputError(f"{option} must not be the file of {taken[target]}, got '{path}'")
        taken[target] = option


def _load_config(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    if path is None:
        return
    known = {str(p.name): p for p in ctx.command.params if p.name not in _NOT_SETTINGS}
    values: dict[str, Any] = {}
    for key, value in read_toml(path).items():
        name = key.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            advice = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
            raise InputError(f"{path}: keys must be options of this command, got {key!r}; {advice}")
        if name in values:
            raise InputError(f"{path}: {name} must be given once, got {key!r} again")
        option = known[name]
        if getattr(option, "is_flag", False) and not isinstance(value, bool):
            raise InputError(f"{path}: {name} must be true or false, got {value!r}")
        if getattr(option, "multiple", False) or option.nargs == -1:
            value = [parse_text(name, v) for v in (value if isinstance(value, list) else [value])]
        values[name] = value
    ctx.default_map = {**(ctx.default_map or {}), **values}
