"""`linpot select`: structures of a pool that say most."""

from __future__ import annotations

from typing import Any

import click
from rich.console import RenderableType

from linpot.basis.basis import Basis
from linpot.cli.console import Terminal, pass_terminal
from linpot.cli.options import (
    PATH,
    WHOLE,
    check_outputs,
    config_option,
    json_option,
    overwrite_option,
    threads_option,
    verbosity_options,
)
from linpot.cli.parsing import Value, parse_cutoff, parse_n_functions, parse_number
from linpot.cli.progress import ProgressBars
from linpot.cli.tables import basis_table, in_bytes, make_table, radial_table, titled
from linpot.errors import InputError
from linpot.io.json_file import write_json
from linpot.io.potential_file import is_potential_file, load_potential
from linpot.io.structure_writing import write_structures
from linpot.model.protocol import EnergyModel
from linpot.workflow.selection import METHODS, Selection, basis_for_pool, select
from linpot.workflow.settings import FitSettings

_SHOWN = 20  # rows of the table; everything is in the files
_OF_BASIS = ("n_functions", "cutoff", "body_order")
_UNITS = {"d-optimal": "gain", "d-optimal-atoms": "gain", "fps": "distance", "cur": "leverage"}


@click.command(name="select")
@click.argument("files", nargs=-1, type=PATH, metavar="[MODEL] POOL...")
@click.option("-n", "--number", type=WHOLE, required=True, help="How many structures to choose.")
@click.option("-o", "--output", type=PATH, required=True, help="Where they are written (.extxyz).")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default="d-optimal",
    show_default=True,
    help="Most information from energies (of atoms); farthest points; or a draw by leverage.",
)
@click.option("--seed", type=WHOLE, default=0, show_default=True, help="Of the draw of cur.")
@click.option(
    "--memory-limit",
    type=Value("GB", parse_number),
    default=4.0,
    show_default=True,
    help="GB of features held; larger pools are read several times, with the same result.",
)
@click.option(
    "--n-functions",
    type=Value("N", parse_n_functions),
    help="Without MODEL: basis functions per element, or 'Si=300,O=200'.  [default: 300]",
)
@click.option(
    "--cutoff",
    type=Value("A", parse_cutoff),
    help="Without MODEL: in A, for all pairs or 'Si-O=5.0,O-O=4.5'.  [default: from the pool]",
)
@click.option("--body-order", type=WHOLE, help="Without MODEL: 2 is pairs only.  [default: 5]")
@config_option
@json_option("the choice")
@overwrite_option
@threads_option
@verbosity_options
def select_structures(files: tuple[str, ...], **options: Any) -> None:
    """
    Choose the structures of POOL that say most beyond what MODEL was fitted to.

    POOL is one or more files of structures, labelled or not, of any size: only features up to
    the memory limit are held. MODEL is a potential; without an active set (see `linpot fit
    --active-set`), or without MODEL, the pool is judged on its own.
    """
    terminal = pass_terminal()
    paths = list(files or click.get_current_context().lookup_default("files") or [])
    with_model = bool(paths) and is_potential_file(paths[0])
    pool = paths[1:] if with_model else paths
    if not pool:
        raise InputError("POOL must name at least one file of structures, got none")
    output, json_path, overwrite = options["output"], options["json"], options["overwrite"]
    check_outputs({"--output": output, "--json": json_path}, paths, overwrite=overwrite)
    given = {name: options[name] for name in _OF_BASIS if options[name] is not None}
    model: EnergyModel | Basis
    if with_model:
        if given:
            name = next(iter(given))
            raise InputError(f"`{name}` must not be given with MODEL, which has a basis")
        model = load_potential(paths[0])
    else:
        model = basis_for_pool(pool, FitSettings(**{"n_functions": 300, **given}))
        terminal.show(basis_table(model), radial_table(model))
    with ProgressBars(terminal) as bars:
        selection = select(
            model,
            pool,
            options["number"],
            method=options["method"],
            seed=options["seed"],
            threads=options["threads"],
            memory_limit=options["memory_limit"],
            progress=bars,
        )
    write_structures(output, selection.pick(pool), overwrite=overwrite)
    if json_path is not None:
        write_json(json_path, selection.as_dict(), overwrite=overwrite)
    _show(terminal, selection, with_model, options["memory_limit"])
    terminal.say(f"Saved {output}: {len(selection.chosen)} structures, the most important first.")
    if json_path is not None:
        terminal.say(f"Saved {json_path}.")


def _show(terminal: Terminal, selection: Selection, with_model: bool, limit: float) -> None:
    if with_model and selection.known == "nothing":
        reason = (
            "cur looks at the pool alone"
            if selection.method == "cur"
            else "MODEL has no active set (see `linpot fit --active-set`)"
        )
        terminal.show(f"note: the pool is judged on its own: {reason}")
    passes = f"{selection.n_passes} pass{'es' if selection.n_passes > 1 else ''}"
    terminal.show(
        f"Pool: {selection.n_structures} structures, {selection.n_atoms} atoms; features in "
        f"{passes}, {in_bytes(selection.largest_memory)} of them held (limit {limit:g} GB)"
    )
    terminal.show(_table(selection))


def _table(selection: Selection) -> RenderableType:
    graded = selection.chosen[0].grades is not None
    columns = ["structure", "atoms", _UNITS[selection.method]]
    columns += ["largest grade"] * graded + ["atoms responsible"]
    table = make_table(columns, left=(len(columns) - 1,))
    for one in selection.chosen[:_SHOWN]:
        cells = [str(one.index), str(len(one.novelty)), f"{one.gain:.4g}"]
        if one.grades is not None:
            cells.append(f"{one.grades.max():.3g}")
        table.add_row(*cells, " ".join(map(str, one.atoms)))
    more = len(selection.chosen) - _SHOWN
    title = f"Chosen by {selection.method}" + (f" (and {more} more)" if more > 0 else "")
    return titled(title, table)
