"""`linpot fit`: from labelled structures to a potential."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from linpot.cli.console import Terminal, pass_terminal
from linpot.cli.fit_options import fit_options, make_settings
from linpot.cli.log_file import log_beside, log_option, write_log
from linpot.cli.options import (
    PATH,
    CommandOfWords,
    check_outputs,
    config_option,
    json_option,
    key_options,
    overwrite_option,
    reading,
    verbosity_options,
)
from linpot.cli.progress import ProgressBars
from linpot.cli.report import check_report, report_fit, report_options
from linpot.cli.tables import (
    basis_table,
    compression_line,
    data_table,
    dimer_table,
    e0_table,
    error_tables,
    estimate_line,
    in_bytes,
    label_lines,
    radial_table,
)
from linpot.cli.tuning import tune_and_show
from linpot.errors import InputError
from linpot.io.datasets import read_dataset
from linpot.io.json_file import write_json
from linpot.io.potential_file import save_potential
from linpot.model.sum import learned_part
from linpot.structures.dataset import Dataset
from linpot.workflow.active_sets import with_active_set
from linpot.workflow.error_bars import run_fit_with_error_bars
from linpot.workflow.fit import FitResult, run_fit
from linpot.workflow.plan import FitPlan
from linpot.workflow.settings import FitSettings


@click.command(cls=CommandOfWords)
@click.argument("train", nargs=-1, type=PATH, metavar="TRAIN...")
@click.option("--test", multiple=True, type=PATH, help="Data that are only evaluated; repeatable.")
@fit_options
@key_options
@config_option
@click.option(
    "-o",
    "--output",
    type=PATH,
    default="potential.linpot",
    show_default=True,
    help="Where the potential is saved.",
)
@log_option
@overwrite_option
@json_option("the numbers of functions and the errors")
@report_options
@verbosity_options
def fit(**options: Any) -> None:
    """
    Fit a potential to the energies, forces and stresses of TRAIN.

    TRAIN is one or more files of labelled structures: extended XYZ, or whatever ASE reads.
    """
    terminal = pass_terminal()
    # Before click 8.3, arguments of any number do not see the configuration.
    configured = click.get_current_context().lookup_default("train") or []
    train_paths, test_paths = list(options["train"] or configured), list(options["test"])
    if not train_paths:
        raise InputError("TRAIN must name at least one file of structures, got none")
    settings = make_settings(options)
    if options["uncertainty"] and settings.solver != "ridge":
        raise InputError(f"`--uncertainty` needs a ridge solver, got {settings.solver!r}")
    output, metrics, overwrite = options["output"], options["json"], options["overwrite"]
    log = log_beside(output, options["log"])
    outputs = {
        "--output": output,
        "--json": metrics,
        "--report": options["report"],
        "the log": log,
    }
    check_outputs(outputs, train_paths + test_paths, overwrite=overwrite)
    check_report(options)
    where = {**reading(options), "structure_memory": options["structure_memory"]}
    train = read_and_show(terminal, "Training data", train_paths, **where)
    test = read_and_show(terminal, "Test data", test_paths, **where) if test_paths else None
    tuned = None
    if options["tune"]:
        tuned = tune_and_show(
            terminal,
            train,
            settings,
            lambda plan: show_plan(terminal, plan),
            minutes=options["tune_minutes"],
            us_per_atom=options["us_per_atom"],
            criterion=options["tune_by"],
        )
        settings = tuned.settings
    origin = None if tuned is None else {"tuning": tuned.as_dict()}
    # Saved before anything is printed: a closed pipe must not cost the fit.
    with ProgressBars(terminal, lambda plan: show_plan(terminal, plan)) as bars:
        if options["uncertainty"]:
            result = fit_and_keep_error_bars(train, test, settings, origin, options, bars)
        else:
            result = run_fit(train, test=test, settings=settings, monitor=bars, origin=origin)
            save_potential(result.potential, output, overwrite=overwrite)
    if options["active_set"] and not options["uncertainty"]:
        potential = with_active_set(result.potential, train, threads=settings.threads)
        result = replace(result, potential=potential)
        save_potential(potential, output, overwrite=True)
    if metrics is not None:
        write_json(metrics, fit_metrics(result) | (origin or {}), overwrite=overwrite)
    report_fit(terminal, result, train, test, options)
    show_result(terminal, result)
    size = in_bytes(Path(output).stat().st_size)
    terminal.say(f"Saved {output} ({size}) after {terminal.elapsed:.1f} s.")
    if metrics is not None:
        terminal.say(f"Saved {metrics}.")
    if log is not None:
        write_log(log, terminal, overwrite=overwrite)


def fit_and_keep_error_bars(
    train: Dataset,
    test: Dataset | None,
    settings: FitSettings,
    origin: dict[str, Any] | None,
    options: dict[str, Any],
    bars: ProgressBars,
) -> FitResult:
    """
    Fit and save, then save again with error bars.

    Raises
    ------
    InputError
        If error bars cannot be made; the potential without them is saved nevertheless.
    """
    output, saved = options["output"], []

    def save(result: FitResult) -> None:
        save_potential(result.potential, output, overwrite=options["overwrite"])
        saved.append(output)

    try:
        result = run_fit_with_error_bars(
            train,
            test=test,
            settings=settings,
            kind=options["uncertainty"],
            monitor=bars,
            origin=origin,
            on_fit=save,
        )
    except InputError as error:
        if not saved:
            raise
        raise InputError(f"'{output}' is saved without error bars: {error}") from error
    save_potential(result.potential, output, overwrite=True)
    return result


def read_and_show(terminal: Terminal, title: str, paths: list[str], **where: Any) -> Dataset:
    """Read a data set, with the keywords of `read_dataset`, and show what it holds."""
    data = read_dataset(paths, **where)
    summary = data.summary()
    terminal.show(data_table(title, summary), label_lines(summary))
    if not data.is_in_memory:
        terminal.say("These structures stay in a temporary file; they are read when needed.\n")
    return data


def show_plan(terminal: Terminal, plan: FitPlan) -> None:
    """Show basis and estimate, before any work."""
    shortest = {"-".join(pair): seen.shortest for pair, seen in plan.distances.items() if seen.seen}
    terminal.show(basis_table(plan.basis), radial_table(plan.basis, shortest))
    terminal.show(estimate_line(plan.estimate))


def show_result(terminal: Terminal, result: FitResult) -> None:
    """Show one-body energies, errors, the check of dimers, and notes."""
    metrics = {"train": result.train} | ({} if result.test is None else {"test": result.test})
    terminal.show(e0_table(result.reference.values, result.reference.sources))
    terminal.show(*error_tables(metrics, terminal.width), dimer_table(result.walls.dimers))
    terminal.show(compression_line(result.walls.compressions))
    for line in result.walls.holes:
        terminal.warn(line)
    if result.notes:
        terminal.show("\n".join(f"note: {note}" for note in result.notes))


def fit_metrics(result: FitResult) -> dict[str, Any]:
    """Return numbers of functions and errors as scripts read them."""
    functions = learned_part(result.potential).n_functions
    return {"n_functions": functions, "train": result.train, "test": result.test}
