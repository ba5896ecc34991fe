"""`linpot init`: a commented settings file from a look at the data."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from linpot.cli.console import Terminal, pass_terminal
from linpot.cli.fit import read_and_show
from linpot.cli.options import (
    PATH,
    WHOLE,
    check_outputs,
    key_options,
    label_keys,
    overwrite_option,
    verbosity_options,
)
from linpot.cli.settings_file import FirstChoices, settings_text
from linpot.io.text_file import write_text
from linpot.structures.distances import survey_distances

SIZES = {"small": 100, "medium": 500, "large": 1500}
_LOGGED_KEYS = ("energy_key", "forces_key", "stress_key", "virial_key")


@click.command()
@click.argument("train", nargs=-1, type=PATH, required=True, metavar="TRAIN...")
@click.option("--test", multiple=True, type=PATH, help="Data that are only evaluated; repeatable.")
@click.option(
    "--size",
    type=click.Choice(list(SIZES)),
    help="Fast, balanced or accurate.  [default: medium]",
)
@click.option("--n-functions", type=WHOLE, help="Functions per element, instead of --size.")
@click.option("--uncertainty/--no-uncertainty", default=None, help="Error bars.  [default: no]")
@click.option("--model", type=PATH, default="potential.linpot", show_default=True, help="To write.")
@click.option(
    "--ask/--no-ask", default=None, help="Ask for what is not given.  [default: in a terminal]"
)
@click.option("-o", "--output", type=PATH, default="fit.toml", show_default=True, help="The file.")
@overwrite_option
@key_options
@verbosity_options
def init(train: tuple[str, ...], **options: Any) -> None:
    """Look at TRAIN and write a settings file with comments for `linpot fit --config`."""
    terminal = pass_terminal()
    output, overwrite = options["output"], options["overwrite"]
    inputs = [*train, *options["test"]]
    check_outputs({"--output": output}, inputs, overwrite=overwrite)
    where = {"keys": label_keys(options), "group_key": options["group_key"]}
    data = read_and_show(terminal, "Training data", list(train), **where)
    for path in options["test"]:
        read_and_show(terminal, "Test data", [path], **where)
    asks = options["ask"] if options["ask"] is not None else sys.stdin.isatty()
    choices = FirstChoices(
        train=list(train),
        test=list(options["test"]),
        n_functions=_n_functions(options, asks),
        uncertainty=_uncertainty(options, asks),
        model=options["model"],
        keys=_given(options),
        group_key=options["group_key"],
    )
    text = settings_text(choices, data.summary(), survey_distances(data, data.symbols))
    write_text(output, text, overwrite=overwrite)
    _next(terminal, output, list(train))


def _n_functions(options: Mapping[str, Any], asks: bool) -> int:
    if options["n_functions"] is not None:
        return int(options["n_functions"])
    size = options["size"]
    if size is None and asks:
        size = click.prompt(
            "Size of the potential", type=click.Choice(list(SIZES)), default="medium"
        )
    return SIZES[size or "medium"]


def _uncertainty(options: Mapping[str, Any], asks: bool) -> bool:
    if options["uncertainty"] is not None or not asks:
        return bool(options["uncertainty"])
    return bool(click.confirm("Error bars (the fit takes several times as long)", default=False))


def _given(options: Mapping[str, Any]) -> dict[str, str]:
    return {name: options[name] for name in _LOGGED_KEYS if options[name] is not None}


def _next(terminal: Terminal, output: str, train: list[str]) -> None:
    terminal.say(f"Saved {output}; it has all that is usually changed, with comments.")
    terminal.say(f"Next: linpot data check {' '.join(train)}")
    terminal.say(f"      linpot fit --config {output}")
