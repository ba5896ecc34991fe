"""`linpot fit`: from labelled structures to a potential."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from linpot.cli.console import Terminal, pass_terminal
from linpot.cli.options import (
    PATH,
    WHOLE,
    check_outputs,
    config_option,
    json_option,
    key_options,
    label_keys,
    overwrite_option,
    threads_option,
    verbosity_options,
)
from linpot.cli.parsing import (
    Value,
    checked_baseline,
    checked_charges,
    make_weights,
    parse_cutoff,
    parse_e0,
    parse_max_degree,
    parse_n_functions,
    parse_number,
    parse_solver,
    parse_text,
    parse_weights,
)
from linpot.cli.progress import ProgressBars
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
from linpot.fitting.weights import Weights
from linpot.io.datasets import STRUCTURE_MEMORY, read_dataset
from linpot.io.json_file import write_json
from linpot.io.potential_file import save_potential
from linpot.model.sum import learned_part
from linpot.structures.dataset import Dataset
from linpot.workflow.active_sets import with_active_set
from linpot.workflow.calibration import KINDS
from linpot.workflow.error_bars import run_fit_with_error_bars
from linpot.workflow.fit import FitResult, run_fit
from linpot.workflow.plan import FitPlan
from linpot.workflow.settings import FitSettings, chosen_solver
from linpot.workflow.tuning_result import CRITERIA

FAMILIES = ("ace",)
_WEIGHTS = Weights()


@click.command()
@click.argument("train", nargs=-1, type=PATH, metavar="TRAIN...")
@click.option("--test", multiple=True, type=PATH, help="Data that are only evaluated; repeatable.")
@click.option(
    "--n-functions",
    type=Value("N", parse_n_functions),
    help="Basis functions per element, or 'Si=300,O=200'.  [default: 500]",
)
@click.option(
    "--choose-from",
    type=Value("N", parse_n_functions),
    help="Make rows of so many functions and keep those that the data need most. --tune tries it.",
)
@click.option(
    "--max-degree",
    type=Value("D", parse_max_degree),
    help="Largest polynomial degree instead: one, or one per body order '16,12,10,8'.",
)
@click.option(
    "--cutoff",
    type=Value("A", parse_cutoff),
    help="In A, for all pairs or 'Si-O=5.0,O-O=4.5'.  [default: from the data]",
)
@click.option("--body-order", type=WHOLE, default=5, show_default=True, help="2 is pairs only.")
@click.option(
    "--baseline",
    type=Value("TERMS", checked_baseline),
    default="zbl",
    show_default=True,
    help="Physics that is not learned: zbl (repulsion at short range), coulomb:Na=1,Cl=-1, "
    "dispersion, d3:pbe, tblite:GFN1-xTB, several of them with commas, or none.",
)
@click.option(
    "--charges",
    type=Value("RUNG", checked_charges),
    help="Charges that move with the atoms: local (from reference charges and dipoles), qeq and "
    "self_consistent (equilibrated, from charges, then from energies and forces too), latent "
    "(from energies and forces), with settings as in local:n_functions=300,width=0.8.",
)
@click.option(
    "--e0",
    type=Value("RULE", parse_e0),
    default="auto",
    show_default=True,
    help="Energies of single atoms: auto, isolated, least-squares, joint (with the learned part), "
    "or 'Si=-0.8,O=-1.5' in eV.",
)
@click.option(
    "--weights",
    type=Value("W", parse_weights),
    help=f"'energy={_WEIGHTS.energy:g},forces={_WEIGHTS.forces:g},stress={_WEIGHTS.stress:g}' "
    "(the defaults), and factors for groups, 'liquid=0.5,surface.energy=2'.",
)
@click.option(
    "--energy-window",
    type=Value("EV", parse_number),
    help="Weigh structures down that lie further above the lowest, eV/atom.",
)
@click.option("--force-cap", type=Value("F", parse_number), help="Weigh larger forces down, eV/A.")
@click.option(
    "--family",
    type=click.Choice(FAMILIES),
    default="ace",
    show_default=True,
    help="Family of basis functions.",
)
@click.option(
    "--solver",
    type=Value("RULE", parse_solver),
    default="evidence",
    show_default=True,
    help="Ridge with the penalty by evidence or gcv, or its value; or ard, omp, lasso, svd, qr.",
)
@click.option(
    "--tune",
    is_flag=True,
    help="First search for settings that predict left-out parts of TRAIN better. What is given "
    "here of cutoff, body order and weights is kept.",
)
@click.option(
    "--tune-minutes",
    type=Value("M", parse_number),
    default=5.0,
    show_default=True,
    help="How long to search at most.",
)
@click.option(
    "--us-per-atom",
    type=Value("US", parse_number),
    help="With --tune: the size by its estimated cost per atom and step, not by --n-functions.",
)
@click.option(
    "--tune-by",
    type=click.Choice(CRITERIA),
    default=CRITERIA[0],
    show_default=True,
    help="How settings are compared: on left-out blocks of TRAIN, or by the evidence.",
)
@click.option(
    "--allow-holes",
    is_flag=True,
    help="Keep a potential whose energy falls when atoms are pushed together.",
)
@click.option("--seed", type=WHOLE, default=0, show_default=True, help="Of anything random.")
@threads_option
@click.option(
    "--memory-limit",
    type=Value("GB", parse_number),
    default=4.0,
    show_default=True,
    help="GB of memory that a fit may take.",
)
@click.option(
    "--structure-memory",
    type=Value("GB", parse_number),
    default=STRUCTURE_MEMORY,
    show_default=True,
    help="GB of structures held in memory; more of them stay in a temporary file (see TMPDIR).",
)
@click.option(
    "--backend",
    type=Value("WHERE", parse_text),
    default="threads",
    show_default=True,
    help="Where design rows are made: threads, processes, or the address of a Dask scheduler.",
)
@click.option(
    "--checkpoint",
    type=PATH,
    metavar="FOLDER",
    help="Keep finished parts here; a killed fit of the same data and settings goes on from them.",
)
@click.option(
    "--uncertainty",
    is_flag=False,
    flag_value=KINDS[0],
    type=click.Choice(KINDS),
    help="Keep calibrated error bars and extrapolation grades in the file (ridge only); pops "
    "widens the posterior by the misfit. Alone, before another option or at the end: posterior.",
)
@click.option(
    "--active-set",
    is_flag=True,
    help="Keep what extrapolation grades need in the file; part of --uncertainty.",
)
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
@overwrite_option
@json_option("the numbers of functions and the errors")
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
    outputs = {"--output": output, "--json": metrics}
    check_outputs(outputs, train_paths + test_paths, overwrite=overwrite)
    where = {
        "keys": label_keys(options),
        "group_key": options["group_key"],
        "structure_memory": options["structure_memory"],
    }
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
        save_potential(potential, output, overwrite=True)
    if metrics is not None:
        write_json(metrics, fit_metrics(result) | (origin or {}), overwrite=overwrite)
    show_result(terminal, result)
    size = in_bytes(Path(output).stat().st_size)
    terminal.say(f"Saved {output} ({size}) after {terminal.elapsed:.1f} s.")
    if metrics is not None:
        terminal.say(f"Saved {metrics}.")


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


def make_settings(options: dict[str, Any]) -> FitSettings:
    """
    Return the settings of a fit from the values of its options.

    Raises
    ------
    InputError
        If they contradict each other or are out of range.
    """
    n_functions, max_degree = options["n_functions"], options["max_degree"]
    if n_functions is not None and max_degree is not None:
        raise InputError("only one of `n_functions` and `max_degree` must be given, got both")
    if options["us_per_atom"] is not None:
        if not options["tune"]:
            raise InputError("`us_per_atom` needs `tune`; give --tune, or --n-functions instead")
        if n_functions is not None:
            raise InputError("only one of `n_functions` and `us_per_atom` must be given, got both")
        if options["choose_from"] is not None:
            raise InputError("only one of `choose_from` and `us_per_atom` must be given, got both")
    return FitSettings(
        n_functions=500 if n_functions is None else n_functions,
        choose_from=options["choose_from"],
        max_degree=max_degree,
        cutoff=options["cutoff"],
        body_order=options["body_order"],
        baseline=options["baseline"],
        charges=options["charges"],
        e0=options["e0"],
        weights=make_weights(options["weights"], options["energy_window"], options["force_cap"]),
        **chosen_solver(options["solver"]),
        allow_holes=options["allow_holes"],
        seed=options["seed"],
        threads=options["threads"],
        backend=options["backend"],
        checkpoint=options["checkpoint"],
        memory_limit=options["memory_limit"],
    )


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
