"""`linpot evaluate`: errors of a potential on labelled structures."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import click

from linpot.cli.console import pass_terminal
from linpot.cli.options import (
    PATH,
    check_outputs,
    json_option,
    key_options,
    overwrite_option,
    reading,
    threads_option,
    verbosity_options,
)
from linpot.cli.progress import ProgressBars
from linpot.cli.tables import error_tables, label_lines, reliability_table
from linpot.errors import InputError
from linpot.io.datasets import read_dataset
from linpot.io.json_file import write_json
from linpot.io.potential_file import load_potential
from linpot.uncertainty.error_bars import has_error_bars
from linpot.workflow.evaluate import evaluate_model
from linpot.workflow.reliability import Reliability, assess_error_bars


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("data", nargs=-1, type=PATH, required=True, metavar="DATA...")
@json_option("the errors")
@click.option(
    "--reliability/--no-reliability",
    default=True,
    show_default=True,
    help="Where MODEL has error bars, compare them with the errors.",
)
@click.option(
    "--figure",
    type=PATH,
    help="Draw nominal and found coverage of the error bars to this file, .png or .pdf.",
)
@overwrite_option
@threads_option
@key_options
@verbosity_options
def evaluate(model: str, data: tuple[str, ...], **options: Any) -> None:
    """Compare what the potential MODEL predicts with the labels of DATA."""
    terminal = pass_terminal()
    metrics, figure, overwrite = options["json"], options["figure"], options["overwrite"]
    outputs = {"--json": metrics, "--figure": figure}
    check_outputs(outputs, [model, *data], overwrite=overwrite)
    potential = load_potential(model)
    reliable = options["reliability"] and has_error_bars(potential)
    if figure is not None:
        check_figure(reliable)
    structures = read_dataset(list(data), **reading(options))
    if terminal.verbosity > 0:
        terminal.show(label_lines(structures.summary()))
    with ProgressBars(terminal) as bars:
        bars.stage("errors", len(structures))
        errors = evaluate_model(
            potential, structures, threads=options["threads"], progress=bars.advance
        )
        found = None
        if reliable:
            bars.stage("error bars", len(structures))
            found = assess_error_bars(
                potential, structures, threads=options["threads"], progress=bars.advance
            )
            errors["reliability"] = found
    if metrics is not None:
        write_json(metrics, errors, overwrite=overwrite)
    terminal.show(*error_tables({"": errors}))
    if found is not None:
        terminal.show(reliability_table(found))
        if figure is not None:
            draw(found, figure, overwrite=overwrite)
    for path in (metrics, figure):
        if path is not None:
            terminal.say(f"Saved {path}.")


def check_figure(reliable: bool) -> None:
    """
    Refuse before the work what could not be drawn after it.

    Raises
    ------
    InputError
        If there are no error bars to draw, or matplotlib is missing.
    """
    if not reliable:
        raise InputError(
            "`--figure` shows how error bars hold, but MODEL has none or --no-reliability is "
            "given; make them with `linpot fit --uncertainty`"
        )
    if find_spec("matplotlib") is None:
        raise InputError("`--figure` needs matplotlib; pip install 'linpot[plot]'")


def draw(found: Reliability, path: str, *, overwrite: bool) -> None:
    """Draw the reliability diagram."""
    from linpot.report.figures import draw_reliability, save_figure

    curves = {name: own["diagram"] for name, own in found.items()}
    save_figure(draw_reliability(curves), path, overwrite=overwrite)
