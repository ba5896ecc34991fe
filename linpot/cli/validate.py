"""`linpot validate`: the physics of a potential beside reference values."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
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
    threads_option,
    verbosity_options,
)
from linpot.cli.progress import ProgressBars
from linpot.cli.tables import make_table, titled
from linpot.errors import InputError
from linpot.io.datasets import read_structures
from linpot.io.json_file import write_json
from linpot.validation.properties import CRYSTAL, MOLECULE
from linpot.workflow.validate import LEVEL, N_MEMBERS, Finding, Validation
from linpot.workflow.validate import validate as run_validation

_FIGURE = "validation.png"


@click.command()
@click.argument("model", type=TEXT, metavar="MODEL")
@click.option("--structure", type=PATH, help="Crystal or molecule; the element's own if not given.")
@click.option(
    "--properties", type=TEXT, help=f"Some of {', '.join([*CRYSTAL, *MOLECULE])}; all if not given."
)
@click.option(
    "--references",
    type=PATH,
    help="Reference values, TOML or JSON, or another validation's --json.",
)
@click.option("--melting", type=float, help="Melting temperature in K, for the liquid.")
@click.option(
    "--length", type=float, default=10.0, show_default=True, help="Of cells with defects, in A."
)
@click.option("--quick", is_flag=True, help="Shorter cells; no liquid and no thermal expansion.")
@click.option(
    "--members",
    type=int,
    default=N_MEMBERS,
    show_default=True,
    help="Of the committee for error bars, where MODEL has any; 0 for none.",
)
@click.option("--level", type=float, default=LEVEL, show_default=True, help="Of the intervals.")
@click.option("--figures", type=PATH, help="Folder for figures, made if it is missing.")
@json_option("all quantities and curves")
@overwrite_option
@threads_option
@verbosity_options
def validate(model: str, **options: Any) -> None:
    """
    Compute lattice, elastic constants, phonons, defects, surfaces, liquid ... with MODEL.

    MODEL is a potential file, or 'package.module:Name' of an ASE calculator. What a structure does
    not have is left out.
    """
    terminal = pass_terminal()
    overwrite, path = options["overwrite"], options["json"]
    check_outputs({"--json": path}, [], overwrite=overwrite)
    figure = None if options["figures"] is None else _figure_path(options["figures"], overwrite)
    structure = _structure(options["structure"])
    with ProgressBars(terminal) as bars:
        stage = ""

        def tell(what: str, done: int, total: int) -> None:
            nonlocal stage
            kind = "error bars" if what == "error bars" else "properties"
            if kind != stage:
                bars.stage(kind, total)
                stage = kind
            bars.advance(done)

        found = run_validation(
            model,
            structure,
            properties=_names(options["properties"]),
            references=options["references"],
            length=options["length"],
            melting=options["melting"],
            quick=options["quick"],
            n_members=options["members"],
            level=options["level"],
            threads=options["threads"],
            progress=tell,
        )
    if path is not None:
        write_json(path, found.to_dict(), overwrite=overwrite)
    terminal.show(validation_table(found))
    for name, reason in found.left_out.items():
        terminal.say(f"left out: {name}, {reason}")
    for note in found.notes:
        terminal.say(f"note: {note}")
    if found.coverage is not None:
        terminal.say(
            f"{100 * found.coverage:.0f} % of the references lie inside the "
            f"{100 * found.level:.0f} % intervals."
        )
    terminal.say(f"Properties took {sum(found.seconds.values()):.0f} s.")
    saved = [path] if path is not None else []
    if figure is not None and found.curves:
        from linpot.report.figures import save_figure
        from linpot.report.validation_figures import draw_curves

        figure.parent.mkdir(exist_ok=True)
        title = f"{Path(found.name).name}: {found.ground.symbols}"
        save_figure(draw_curves(found.curves, title), figure, overwrite=overwrite)
        saved.append(str(figure))
    for name in saved:
        terminal.say(f"Saved {name}.")


def validation_table(found: Validation) -> RenderableType:
    """Return a row per quantity: value, interval, reference and where that is from."""
    columns = ["quantity", "value", "unit", "interval", "reference", "off by", "source"]
    with_bars = any(f.interval is not None for f in found.findings)
    with_references = any(f.reference is not None for f in found.findings)
    shown = [True, True, True, with_bars, *[with_references] * 3]
    table = make_table(
        [c for c, keep in zip(columns, shown, strict=True) if keep],
        left=(0, 2, 5 + with_bars) if with_references else (0, 2),
    )
    for finding in found.findings:
        cells = zip(_cells(finding), shown, strict=True)
        table.add_row(*(cell for cell, keep in cells if keep))
    return titled(f"{found.name}: {found.ground.symbols}", table)


def _cells(f: Finding) -> list[str]:
    cells = [f.name, f"{f.value:.5g}", f.unit]
    if f.interval is None:
        cells.append("-")
    else:
        cells.append(f"{f.interval[0]:.4g} .. {f.interval[1]:.4g}")
    if f.reference is None:
        return [*cells, "-", "-", ""]
    off = f.value - f.reference.value
    reference = f.reference.value
    told = f"{100 * off / abs(reference):+.1f} %" if reference else f"{off:+.3g}"
    return [*cells, f"{f.reference.value:.5g}", told, f.reference.source]


def _structure(path: str | None) -> Any:
    if path is None:
        return None
    images = read_structures(path)
    if len(images) != 1:
        raise InputError(f"'{path}' must hold one structure, got {len(images)}; keep one of them")
    return images[0]


def _figure_path(folder: str, overwrite: bool) -> Path:
    if find_spec("matplotlib") is None:
        raise InputError("`--figures` needs matplotlib; pip install 'linpot[plot]'")
    path = Path(folder)
    if path.is_dir():
        check_outputs({"--figures": str(path / _FIGURE)}, [], overwrite=overwrite)
    elif path.exists():
        raise InputError(f"--figures must be a folder, got the file '{folder}'")
    else:
        check_outputs({"--figures": folder}, [])
    return path / _FIGURE


def _names(text: str | None) -> list[str]:
    return [] if text is None else [name.strip() for name in text.split(",") if name.strip()]
