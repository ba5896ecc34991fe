"""`linpot verify`: whether a potential or calculator obeys the laws that all must obey."""

from __future__ import annotations

from typing import Any

import click
from rich.console import RenderableType

from linpot.cli.console import pass_terminal
from linpot.cli.options import (
    PATH,
    TEXT,
    check_outputs,
    json_option,
    overwrite_option,
    verbosity_options,
)
from linpot.cli.progress import ProgressBars
from linpot.cli.tables import make_table, titled
from linpot.io.datasets import read_structures
from linpot.io.json_file import write_json
from linpot.validation.findings import LEFT_OUT, Check, Verification
from linpot.validation.verification import LAWS, ROUGH
from linpot.workflow.verify import verify as run_verification

_SHOWN = 3  # failures of a check; --json has all


@click.command()
@click.argument("model", type=TEXT, metavar="MODEL")
@click.option(
    "--elements",
    type=TEXT,
    help="Elements that a calculator claims, 'Cu,Ni'; potentials know theirs.",
)
@click.option("--cutoff", type=float, help="Cutoff of a calculator in A, if it is known.")
@click.option(
    "--structure", type=PATH, help="Structures to check instead of made ones, one per periodicity."
)
@click.option(
    "--rough",
    is_flag=True,
    help="Also relax random cells, compress, heat to five times the melting point, push dimers.",
)
@click.option("--random", type=int, default=100, show_default=True, help="Cells of --rough.")
@click.option("--melting", type=float, help="Melting temperature in K, for --rough.")
@click.option("--only", type=TEXT, help=f"Checks to run: {', '.join(law.name for law in LAWS)}.")
@click.option(
    "--slack",
    type=float,
    default=1.0,
    show_default=True,
    help="Factor on tolerances; 100 for calculators in single precision.",
)
@json_option("what was found")
@overwrite_option
@verbosity_options
@click.pass_context
def verify(ctx: click.Context, /, model: str, **options: Any) -> None:
    """
    Check MODEL against the laws that every potential must obey.

    MODEL is a potential file, or 'package.module:Name' of a function or class that makes an ASE
    calculator, 'ase.calculators.emt:EMT' for example. The exit code is 1 if a check failed.
    """
    terminal = pass_terminal()
    path = options["json"]
    inputs = [p for p in (options["structure"],) if p]
    check_outputs({"--json": path}, inputs, overwrite=options["overwrite"])
    structures = read_structures(options["structure"]) if options["structure"] else []
    only = _names(options["only"])
    with ProgressBars(terminal) as bars:
        bars.stage("checks", len(only) or len(LAWS) + len(ROUGH) * options["rough"])
        found = run_verification(
            model,
            elements=_names(options["elements"]),
            cutoff=options["cutoff"],
            structures=structures,
            rough=options["rough"],
            n_random=options["random"],
            melting=options["melting"],
            only=only,
            slack=options["slack"],
            progress=lambda done, _: bars.advance(done),
        )
    if path is not None:
        write_json(path, found.to_dict(), overwrite=options["overwrite"])
    terminal.show(verification_table(found))
    for check in found.checks:
        for line in check.failures[:_SHOWN]:
            terminal.say(f"{check.name}: {line}")
        if len(check.failures) > _SHOWN:
            terminal.say(f"{check.name}: and {len(check.failures) - _SHOWN} more like these")
    for check in found.checks:
        told = [*check.findings.notes, *filter(None, [check.findings.left_out])]
        if told and (terminal.verbosity > 0 or check.status == LEFT_OUT):
            terminal.say(f"{check.name}: {'; '.join(told)}")
    n_failed = len(found.failed)
    verdict = (
        f"{n_failed} of {len(found.checks)} checks failed." if n_failed else "All checks passed."
    )
    terminal.say(verdict)
    if path is not None:
        terminal.say(f"Saved {path}.")
    ctx.exit(0 if found.passed else 1)


def verification_table(found: Verification) -> RenderableType:
    """Return a row per check: outcome, largest deviation, its tolerance, and the law."""
    columns = ["check", "outcome", "largest", "tolerance", "unit", "law"]
    table = make_table(columns, left=(0, 1, 4, 5))
    for check in found.checks:
        table.add_row(check.name, check.status, *_numbers(check), check.law)
    return titled(f"{found.name}: {' '.join(found.elements)}", table)


def _numbers(check: Check) -> tuple[str, str, str]:
    worst = check.findings.worst
    if worst is None:
        return "-", "-", ""
    value = "same bits" if worst.value == worst.tolerance == 0.0 else f"{worst.value:.1e}"
    return value, f"{worst.tolerance:.1e}" if worst.tolerance else "0", worst.unit


def _names(text: str | None) -> list[str]:
    return [] if text is None else [name.strip() for name in text.split(",") if name.strip()]
