"""`linpot data`: what is in data, what is wrong with them, and mending, splitting, merging."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Group, RenderableType
from rich.text import Text

from linpot.cli.console import Terminal, pass_terminal
from linpot.cli.data_options import parse_parts, parse_places, parse_symbols, parse_words
from linpot.cli.options import (
    PATH,
    TEXT,
    WHOLE,
    check_outputs,
    json_option,
    key_options,
    overwrite_option,
    reading,
    threads_option,
    verbosity_options,
)
from linpot.cli.parsing import Value, parse_number
from linpot.cli.progress import ProgressBars
from linpot.cli.tables import data_table, label_lines, make_table, titled
from linpot.curation.check import PER_UNIT, check_data
from linpot.curation.finding import CheckResult, Finding
from linpot.curation.repair import Repair
from linpot.curation.rewrite import Rewritten, convert_data, merge_data, split_data
from linpot.curation.splitting import WAYS
from linpot.errors import InputError
from linpot.io.datasets import STRUCTURE_MEMORY, read_dataset
from linpot.io.json_file import write_json
from linpot.io.structure_writing import format_by_name

FOUND, WRONG_INPUT = 1, 2
"""Exit codes: of a check that found something, and of a command that cannot be run."""

_COLORS = {"certain": "red", "likely": "yellow", "note": "cyan"}


def structure_memory_option(function: Any) -> Any:
    """Add --structure-memory."""
    return click.option(
        "--structure-memory",
        type=Value("GB", parse_number),
        default=STRUCTURE_MEMORY,
        show_default=True,
        help="GB of structures held in memory; more of them stay in a temporary file.",
    )(function)


@click.group(invoke_without_command=True)
@click.pass_context
def data(ctx: click.Context) -> None:
    """Look at labelled structures, and mend, convert, split or merge them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(WRONG_INPUT)


@data.command()
@click.argument("files", nargs=-1, type=PATH, required=True, metavar="FILE...")
@json_option("the table")
@overwrite_option
@structure_memory_option
@key_options
@verbosity_options
def info(files: tuple[str, ...], **options: Any) -> None:
    """Show what FILE holds: groups, labels and where they are, ranges."""
    terminal = pass_terminal()
    check_outputs({"--json": options["json"]}, list(files), overwrite=options["overwrite"])
    found = read_dataset(
        list(files),
        **reading(options),
        structure_memory=options["structure_memory"],
    )
    summary = found.summary()
    if options["json"] is not None:
        write_json(options["json"], summary.as_dict(), overwrite=options["overwrite"])
    terminal.show(data_table("Data", summary), label_lines(summary))
    _saved(terminal, options["json"])


@data.command()
@click.argument("files", nargs=-1, type=PATH, required=True, metavar="FILE...")
@click.option(
    "--test", multiple=True, type=PATH, help="Test data: overlaps with FILE are told; repeatable."
)
@click.option(
    "--per-group",
    type=WHOLE,
    default=PER_UNIT,
    show_default=True,
    help="Structures of each group that are compared with the quick fit, at most.",
)
@json_option("the findings")
@overwrite_option
@structure_memory_option
@threads_option
@key_options
@verbosity_options
def check(files: tuple[str, ...], **options: Any) -> None:
    """
    Look for mistakes in FILE: units, signs, order of stresses, duplicates, outliers.

    A quick fit to energies and forces says what labels should be. Exit code 0: nothing found,
    1: findings. Notes are no findings.
    """
    terminal = pass_terminal()
    everything = [*files, *options["test"]]
    check_outputs({"--json": options["json"]}, everything, overwrite=options["overwrite"])
    with ProgressBars(terminal) as bars:
        result = check_data(
            list(files),
            test=list(options["test"]),
            **reading(options),
            per_group=options["per_group"],
            structure_memory=options["structure_memory"],
            threads=options["threads"],
            monitor=bars,
        )
    if options["json"] is not None:
        write_json(options["json"], result.as_dict(), overwrite=options["overwrite"])
    _show_check(terminal, result)
    _saved(terminal, options["json"])
    if not result.is_clean:
        click.get_current_context().exit(FOUND)


@data.command(name="convert")
@click.argument("source", type=PATH, metavar="FILE")
@click.option("-o", "--output", type=PATH, required=True, help="Its ending tells the format.")
@click.option("--groups", type=Value("A,B", parse_words), help="Change only these groups.")
@click.option(
    "--structures",
    type=Value("PLACES", parse_places),
    help="Change only these structures, '3,7:12' (from 0, end excluded).",
)
@click.option(
    "--swap-stress",
    type=Value("yz,xz", parse_words),
    help="Exchange two shear components; or all three in the order in which they stand.",
)
@click.option("--flip-stress", is_flag=True, help="Change the sign of stresses.")
@click.option("--flip-forces", is_flag=True, help="Change the sign of forces.")
@click.option("--flip-energies", is_flag=True, help="Change the sign of energies.")
@click.option("--energy-unit", type=TEXT, default="eV", show_default=True, help="What they are in.")
@click.option("--force-unit", type=TEXT, default="eV/A", show_default=True, help="The same.")
@click.option("--stress-unit", type=TEXT, default="eV/A^3", show_default=True, help="The same.")
@click.option("--length-unit", type=TEXT, default="A", show_default=True, help="The same.")
@click.option("--stress-is-virial", is_flag=True, help="What is called stress is a virial, eV.")
@click.option("--virial-is-stress", is_flag=True, help="What is called virial is a stress.")
@click.option("--energies-per-atom", is_flag=True, help="Multiply energies by numbers of atoms.")
@click.option(
    "--subtract-atoms",
    type=Value("Si=EV", parse_symbols),
    help="Energies of single atoms to take off, 'Si=-158.5,O=-2041.3', eV.",
)
@click.option("--drop-labels", type=Value("A,B", parse_words), help="energy, forces or stress.")
@click.option("--keep", type=Value("PLACES", parse_places), help="Write only these structures.")
@click.option("--drop", type=Value("PLACES", parse_places), help="Leave out these structures.")
@click.option("--skip-refused", is_flag=True, help="Leave out what cannot be used.")
@click.option(
    "--trust-pickle",
    is_flag=True,
    help="Open pickled data frames of pacemaker, which can run any code: trusted sources only.",
)
@json_option("what was done")
@overwrite_option
@key_options
@verbosity_options
def convert_structures(source: str, **options: Any) -> None:
    """
    Write the structures of FILE in another format, mended if need be.

    Reads and writes extended XYZ, ASE databases, RuNNer's input.data, FitSNAP's JSON and what ASE
    knows; reads OUTCAR and vasprun.xml of VASP and data frames of pacemaker. Labels are found as
    in `linpot fit` and written under ASE's names.
    """
    terminal = pass_terminal()
    output, metrics, overwrite = options["output"], options["json"], options["overwrite"]
    check_outputs({"--output": output, "--json": metrics}, [source], overwrite=overwrite)
    format_by_name(output)
    repair = Repair(
        groups=options["groups"] or (),
        structures=options["structures"],
        swap_stress=tuple(options["swap_stress"] or ()),
        subtract_atoms=options["subtract_atoms"] or {},
        drop_labels=options["drop_labels"] or (),
        **{
            name: options[name]
            for name in (
                "flip_stress",
                "flip_forces",
                "flip_energies",
                "energy_unit",
                "force_unit",
                "stress_unit",
                "length_unit",
                "stress_is_virial",
                "virial_is_stress",
                "energies_per_atom",
            )
        },
    )
    with ProgressBars(terminal) as bars:
        bars.stage("structures", 0)
        done = convert_data(
            source,
            output,
            repair=repair,
            **reading(options),
            keep=options["keep"],
            drop=options["drop"] or (),
            skip_refused=options["skip_refused"],
            trust_pickle=options["trust_pickle"],
            overwrite=overwrite,
            progress=bars.advance,
        )
    if metrics is not None:
        write_json(metrics, done.as_dict(), overwrite=overwrite)
    for place, why in done.refused:
        terminal.warn(f"structure {place} is left out: {why}")
    _show_written(terminal, output, done)
    _saved(terminal, metrics)


@data.command()
@click.argument("source", type=PATH, metavar="FILE")
@click.option(
    "--parts",
    type=Value("NAME=SHARE", parse_parts),
    default="train=0.9,test=0.1",
    show_default=True,
    help="Names and shares, which sum to 1.",
)
@click.option(
    "--by",
    type=click.Choice(WAYS),
    default="random",
    show_default=True,
    help="One by one; whole groups; or blocks of consecutive structures, for trajectories.",
)
@click.option("--block", type=WHOLE, help="With --by time: structures of a block.")
@click.option("--group-key", type=TEXT, default="config_type", show_default=True, help="Its key.")
@click.option("--seed", type=WHOLE, default=0, show_default=True, help="Of the choice.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="NAME.extxyz",
    help="Files are called NAME-train.extxyz, NAME-test.extxyz ...",
)
@json_option("the numbers of structures")
@overwrite_option
@verbosity_options
def split(source: str, output: str, **options: Any) -> None:
    """
    Divide the structures of FILE into training, test and other parts.

    Frames of one trajectory are near copies: take `--by time` or `--by group` for an honest test.
    """
    terminal = pass_terminal()
    outputs = {name: _numbered(output, name) for name in options["parts"]}
    everything = {f"part {name}": path for name, path in outputs.items()}
    check_outputs(
        {**everything, "--json": options["json"]}, [source], overwrite=options["overwrite"]
    )
    counts = split_data(
        source,
        options["parts"],
        outputs,
        by=options["by"],
        group_key=options["group_key"],
        block=options["block"],
        seed=options["seed"],
        overwrite=options["overwrite"],
    )
    if options["json"] is not None:
        write_json(options["json"], {"parts": counts}, overwrite=options["overwrite"])
    for name, path in outputs.items():
        terminal.say(f"Saved {path}: {counts[name]} structures.")
    _saved(terminal, options["json"])


@data.command()
@click.argument("sources", nargs=-1, type=PATH, required=True, metavar="[NAME=]FILE...")
@click.option("-o", "--output", type=PATH, required=True, help="Its ending tells the format.")
@click.option("--keep-groups", is_flag=True, help="Groups become NAME/GROUP instead of NAME.")
@overwrite_option
@key_options
@verbosity_options
def merge(sources: tuple[str, ...], output: str, **options: Any) -> None:
    """
    Write several files to one; NAME becomes the group of the structures of FILE.

    `linpot data check` on the result says whether they were calculated alike.
    """
    terminal = pass_terminal()
    named: list[tuple[str | None, str]] = []
    for source in sources:
        name, equals, path = source.partition("=")
        named.append((name, path) if equals and name and "/" not in name else (None, source))
    paths = [path for _, path in named]
    check_outputs({"--output": output}, paths, overwrite=options["overwrite"])
    format_by_name(output)
    done = merge_data(
        named,
        output,
        **reading(options),
        keep_groups=options["keep_groups"],
        overwrite=options["overwrite"],
    )
    _show_written(terminal, output, done)


def _show_check(terminal: Terminal, result: CheckResult) -> None:
    terminal.show(
        f"{result.n_structures} structures, {result.n_atoms} atoms; labels of {result.n_compared} "
        "compared with a quick fit to energies and forces"
    )
    if result.findings:
        terminal.show(_finding_table("Findings", result.findings), _remedies(result.findings))
    if result.notes:
        terminal.show(_finding_table("Notes", result.notes))
    if result.undecided:
        terminal.show(
            "note: the data cannot tell the order or size of stresses in "
            + ", ".join(result.undecided)
        )
    count = len(result.findings)
    found = f"{count} finding{'s' if count > 1 else ''}; see above."
    terminal.say("Nothing found." if result.is_clean else found)


def _finding_table(title: str, findings: tuple[Finding, ...]) -> RenderableType:
    table = make_table(["", "sure", "what"], left=(0, 1, 2))
    for number, one in enumerate(findings, start=1):
        table.add_row(str(number), Text(one.sure, style=_COLORS[one.sure]), one.what)
    return titled(title, table)


def _remedies(findings: tuple[Finding, ...]) -> RenderableType:
    lines = [Text("What to do", style="bold")]
    for number, one in enumerate(findings, start=1):
        lines.append(Text(f"{number}: {one.remedy}"))
        if one.command:
            lines.append(Text(f"   {one.command}", no_wrap=True, overflow="ignore"))
    return Group(*lines)


def _show_written(terminal: Terminal, output: str, done: Rewritten) -> None:
    left = [f"{done.changed} changed"] * (done.changed > 0)
    left += [f"{done.dropped} dropped"] * (done.dropped > 0)
    left += [f"{len(done.refused)} refused"] * bool(done.refused)
    groups = ", ".join(f"{group} {n}" for group, n in done.groups.items())
    more = f"; {', '.join(left)}" if left else ""
    terminal.say(f"Saved {output}: {done.written} structures ({groups}){more}.")


def _saved(terminal: Terminal, path: str | None) -> None:
    if path is not None:
        terminal.say(f"Saved {path}.")


def _numbered(output: str, part: str) -> str:
    """Put the name of a part before the ending of a path."""
    kind = format_by_name(output)
    for ending in (".extxyz.gz", ".xyz.gz", ".extxyz", ".xyz", ".db", ".traj"):
        if output.endswith(ending):
            return f"{output.removesuffix(ending)}-{part}{ending}"
    raise InputError(f"`output` must end with .extxyz, .xyz, .db or .traj, got a {kind} file")
