"""`linpot report`: one page about a potential, from its file or with its fit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from linpot.cli.console import Terminal, pass_terminal
from linpot.cli.options import (
    PATH,
    TEXT,
    check_outputs,
    key_options,
    label_keys,
    overwrite_option,
    threads_option,
    verbosity_options,
)
from linpot.cli.progress import ProgressBars
from linpot.errors import InputError
from linpot.io.datasets import read_dataset
from linpot.io.potential_file import load_potential
from linpot.structures.dataset import Dataset
from linpot.workflow.fit import FitResult
from linpot.workflow.report import check_figures, write_report

Function = TypeVar("Function", bound=Callable[..., Any])


def report_options(function: Function) -> Function:
    """Add --report and --figures to a command that fits."""
    function = figures_option(function)
    return click.option(
        "--report", type=PATH, help="Write a page about the potential here: one HTML file."
    )(function)


def figures_option(function: Function) -> Function:
    """Add --figures."""
    return click.option(
        "--figures",
        type=PATH,
        metavar="FOLDER",
        help="Write the figures of the page here, as PNG and SVG; needs matplotlib.",
    )(function)


def check_report(options: dict[str, Any]) -> None:
    """
    Refuse before the work what could not be written after it.

    Raises
    ------
    InputError
        If there are figures without a report, or they cannot be drawn or written.
    """
    if options["figures"] is None:
        return
    if options["report"] is None:
        raise InputError("`--figures` are those of a report; give --report PAGE.html as well")
    check_figures(options["figures"], overwrite=options["overwrite"])


def report_fit(
    terminal: Terminal,
    result: FitResult,
    train: Dataset,
    test: Dataset | None,
    options: dict[str, Any],
) -> None:
    """Write the page of a fit, if one is asked for."""
    path = options["report"]
    if path is None:
        return
    with ProgressBars(terminal) as bars:
        write_report(
            path,
            result.potential,
            test,
            train=train,
            session=result.session,
            holes=result.walls.holes,
            figures=options["figures"],
            facts={
                "command": " ".join(["linpot", *sys.argv[1:]]),
                "time of the fit": f"{terminal.elapsed:.1f} s",
                "threads": str(options["threads"]),
            },
            overwrite=options["overwrite"],
            threads=options["threads"],
            monitor=bars,
        )
    terminal.say(f"Saved {path}.")


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("data", nargs=-1, type=PATH, metavar="DATA...")
@click.option(
    "--train",
    multiple=True,
    type=PATH,
    help="Training data, for what they cover and for errors beside those of DATA; repeatable.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    default="report.html",
    show_default=True,
    help="Where the page is saved.",
)
@figures_option
@click.option("--title", type=TEXT, help="Of the page.")
@overwrite_option
@threads_option
@key_options
@verbosity_options
def report(model: str, data: tuple[str, ...], **options: Any) -> None:
    """
    Write a page about the potential MODEL, judged by the labelled structures DATA.

    DATA should be new to the fit. The page is one HTML file that needs no network.
    """
    terminal = pass_terminal()
    output, overwrite = options["output"], options["overwrite"]
    train_paths = list(options["train"])
    if not data and not train_paths:
        raise InputError("DATA must name at least one file of structures, got none")
    check_outputs({"--output": output}, [model, *data, *train_paths], overwrite=overwrite)
    if options["figures"] is not None:
        check_figures(options["figures"], overwrite=overwrite)
    potential = load_potential(model)
    where = {"keys": label_keys(options), "group_key": options["group_key"]}
    with ProgressBars(terminal) as bars:
        write_report(
            output,
            potential,
            read_dataset(list(data), **where) if data else None,
            train=read_dataset(train_paths, **where) if train_paths else None,
            title=options["title"],
            figures=options["figures"],
            facts={"potential": model, "data": ", ".join(data)},
            overwrite=overwrite,
            threads=options["threads"],
            monitor=bars,
        )
    terminal.say(f"Saved {output}.")
    if options["figures"] is not None:
        terminal.say(f"Saved figures in {options['figures']}.")
