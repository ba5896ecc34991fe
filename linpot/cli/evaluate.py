"""`linpot evaluate`: errors of a potential on labelled structures."""

from __future__ import annotations

from typing import Any

import click

from linpot.cli.console import pass_terminal
from linpot.cli.options import (
    PATH,
    check_outputs,
    json_option,
    key_options,
    label_keys,
    overwrite_option,
    threads_option,
    verbosity_options,
)
from linpot.cli.progress import ProgressBars
from linpot.cli.tables import error_tables, label_lines
from linpot.io.datasets import read_dataset
from linpot.io.json_file import write_json
from linpot.io.potential_file import load_potential
from linpot.workflow.evaluate import evaluate_model


@click.command()
@click.argument("model", type=PATH, metavar="MODEL")
@click.argument("data", nargs=-1, type=PATH, required=True, metavar="DATA...")
@json_option("the errors")
@overwrite_option
@threads_option
@key_options
@verbosity_options
def evaluate(model: str, data: tuple[str, ...], **options: Any) -> None:
    """Compare what the potential MODEL predicts with the labels of DATA."""
    terminal = pass_terminal()
    metrics, overwrite = options["json"], options["overwrite"]
    check_outputs({"--json": metrics}, [model, *data], overwrite=overwrite)
    potential = load_potential(model)
    structures = read_dataset(list(data), keys=label_keys(options), group_key=options["group_key"])
    if terminal.verbosity > 0:
        terminal.show(label_lines(structures.summary()))
    with ProgressBars(terminal) as bars:
        bars.stage("errors", len(structures))
        errors = evaluate_model(
            potential, structures, threads=options["threads"], progress=bars.advance
        )
    if metrics is not None:
        write_json(metrics, errors, overwrite=overwrite)
    terminal.show(*error_tables({"": errors}))
    if metrics is not None:
        terminal.say(f"Saved {metrics}.")
