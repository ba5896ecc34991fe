"""Tables and lines for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from linpot.basis.basis import Basis
from linpot.basis.enumeration import MANY, count_unmixed
from linpot.basis.specification import BasisSpecification
from linpot.constants import GPA_PER_EV_A3
from linpot.structures.structure import LABELS
from linpot.structures.summary import DatasetSummary, GroupSummary
from linpot.validation.compression import Compression
from linpot.validation.dimers import DimerCurve
from linpot.workflow.estimate import FitEstimate

_ERRORS = (  # property, title, factor to the printed unit
    ("energy", "Energy errors (meV/atom)", 1e3),
    ("forces", "Force errors, per component (eV/A)", 1.0),
    ("stress", "Stress errors, per component (GPa)", GPA_PER_EV_A3),
    ("charges", "Charge errors (me)", 1e3),
    ("dipole", "Dipole errors, per component (e A)", 1.0),
)
_WIDE = 100  # columns that two data sets take side by side
_STATISTICS = (("n", "n"), ("mae", "MAE"), ("rmse", "RMSE"), ("p95", "p95"), ("max", "max"))


def make_table(columns: Sequence[str], *, left: Sequence[int] = (0,)) -> Table:
    """
    Return an empty table.

    Parameters
    ----------
    columns : sequence of str
    left : sequence of int
        Columns of text; the others hold numbers and are flush right.
    """
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        justify = "left" if index in left else "right"
        table.add_column(column, justify=justify, no_wrap=index not in left)  # type: ignore[arg-type]
    return table


def titled(title: str, table: Table) -> RenderableType:
    """Return a table under its title, which may be wider."""
    return Group(Text(title, style="bold"), table)


def data_table(title: str, summary: DatasetSummary) -> RenderableType:
    """Return what a data set holds, a row per group."""
    rows = [*summary.rows, summary.total] if len(summary.rows) > 1 else [*summary.rows]
    weighted = summary.total.weight_range != (1.0, 1.0)
    columns = ["\ngroup", "\nstructures", "\natoms", "with\nenergy", "\nforces", "\nstress"]
    columns += ["energy\n(eV/atom)", "max force\n(eV/A)"] + ["\nweights"] * weighted
    table = make_table(columns)
    for row in rows:
        if row is summary.total and len(rows) > 1:
            table.add_section()
        table.add_row(*_data_cells(row, weighted))
    return titled(f"{title}: {' '.join(summary.symbols)}", table)


def label_lines(summary: DatasetSummary) -> str:
    """Return where each label was found, a line each."""
    lines = ["Where the labels are"]
    for label in LABELS:
        places = summary.keys_found.get(label, {})
        if label not in LABELS[:3] and not places:
            continue  # most data have neither charges nor dipoles
        found = ", ".join(f"{place} ({count})" for place, count in places.items())
        lines.append(f"  {label + ':':<8}{found or 'none found'}")
    return "\n".join(lines)


def basis_table(basis: Basis) -> RenderableType:
    """Return the functions per centre and body order."""
    table = make_table(["centre", "body order", "functions", "products", "largest n", "largest l"])
    seen: set[str] = set()
    for centre, *numbers in basis.table():
        if seen and centre not in seen:
            table.add_section()
        table.add_row("" if centre in seen else centre, *map(str, numbers))
        seen.add(centre)
    return titled(f"Basis: {basis.n_features} functions{_without_mixtures(basis)}", table)


def _without_mixtures(basis: Basis) -> str:
    """Say how many functions there would be of the densities of all species."""
    specification = basis.specification
    if not isinstance(specification, BasisSpecification) or specification.mixing is None:
        return ""
    counts = [count_unmixed(specification, symbol) for symbol in specification.elements]
    known = [count for count in counts if count is not None]
    total = str(sum(known)) if len(known) == len(counts) else f"more than {MANY}"
    return f" with {specification.mixing.n_mixtures} mixtures of species; {total} without"


def radial_table(basis: Basis, shortest: Mapping[str, float] | None = None) -> RenderableType:
    """Return cutoffs and inner switches of the pairs."""
    columns = ["pair", "cutoff (A)", "fades in (A)"] + ["shortest in data (A)"] * bool(shortest)
    table = make_table(columns)
    for a, b in basis.specification.pairs():
        cutoff, start, end = basis.specification.range_of(a, b)
        fades = f"{start:.2f} - {end:.2f}" if end else "no"
        cells = [f"{a}-{b}", f"{cutoff:.2f}", fades]
        if shortest:
            cells.append(f"{shortest[f'{a}-{b}']:.2f}" if f"{a}-{b}" in shortest else "-")
        table.add_row(*cells)
    return titled("Pairs", table)


def estimate_line(estimate: FitEstimate) -> str:
    """Return what a fit will take."""
    return (
        f"{estimate.n_rows} equations for {estimate.n_columns} unknowns; about "
        f"{in_bytes(estimate.memory)} of memory and {in_time(estimate.seconds)}"
    )


def e0_table(values: Mapping[str, float], sources: Mapping[str, str]) -> RenderableType:
    """Return the one-body energies and where they came from."""
    table = make_table(["element", "E0 (eV)", "from"], left=(0, 2))
    for symbol, value in values.items():
        table.add_row(symbol, f"{value:.6f}", sources.get(symbol, "-"))
    return titled("Energies of single atoms, E0", table)


def error_tables(
    metrics: Mapping[str, Mapping[str, Any]], width: int = _WIDE
) -> list[RenderableType]:
    """
    Return one table per property.

    Parameters
    ----------
    metrics : mapping of str to Metrics
        By the name of the data set; several stand side by side where there is room.
    width : int
        Columns of the terminal.
    """
    if len(metrics) > 1 and width < _WIDE:
        return [table for name, own in metrics.items() for table in error_tables({name: own})]
    tables: list[RenderableType] = []
    for name, title, factor in _ERRORS:
        if not any(name in m["all"] for m in metrics.values()):
            continue
        columns = ["group"] if len(metrics) == 1 else ["\ngroup"]
        for data in metrics:
            heads = [head for _, head in _STATISTICS]
            columns += (
                heads
                if len(metrics) == 1
                else [f"{data}\n{heads[0]}"] + [f"\n{head}" for head in heads[1:]]
            )
        table = make_table(columns)
        smallest = min(m["all"][name]["mae"] for m in metrics.values() if name in m["all"])
        decimals = _decimals(factor * smallest)
        groups = _groups_with(name, metrics.values())
        for group in groups if len(groups) > 1 else []:
            of_group = [m["groups"].get(group, {}) for m in metrics.values()]
            table.add_row(group, *_error_cells(name, of_group, factor, decimals))
        if table.row_count:
            table.add_section()
        everything = [m["all"] for m in metrics.values()]
        table.add_row("all", *_error_cells(name, everything, factor, decimals))
        of_data = f", {''.join(metrics)}" if len(metrics) == 1 and "" not in metrics else ""
        tables.append(titled(f"{title}{of_data}", table))
    return tables


def reliability_table(found: Mapping[str, Mapping[str, Any]]) -> RenderableType:
    """Return coverage, width and ranks of error bars, a row per property."""
    levels = list(dict.fromkeys(level for own in found.values() for level in own["coverage"]))
    heads = [f"covered of {level}" for level in levels]
    table = make_table(["", "n", *heads, "half-width at 0.9", "rank correlation"])
    for name, title, factor in _ERRORS:
        if name not in found:
            continue
        own = found[name]
        unit = title[title.rindex("(") + 1 : -1]
        covered = [f"{own['coverage'][v]:.3f}" if v in own["coverage"] else "-" for v in levels]
        width, rank = own["half_width"].get("0.9"), own["rank_correlation"]
        table.add_row(
            name,
            str(own["n"]),
            *covered,
            "-" if width is None else f"{factor * width:.3g} {unit}",
            "-" if rank is None else f"{rank:.2f}",
        )
    return titled("Error bars", table)


def dimer_table(dimers: Iterable[DimerCurve]) -> RenderableType:
    """Return whether each pair repels at short range."""
    table = make_table(["pair", "shortest in data (A)", "below it"], left=(0, 2))
    for curve in dimers:
        if curve.is_repulsive:
            verdict = f"repulsive: rises by {curve.wall:.4g} eV down to {curve.r[0]:.2f} A"
        else:
            verdict = f"a hole, {curve.hole:.3g} eV deep"
        table.add_row("-".join(curve.pair), f"{curve.shortest:.2f}", verdict)
    return titled("Two atoms pushed together", table)


def compression_line(compressions: Sequence[Compression]) -> str:
    """Return whether trimers and structures repel when they are compressed."""
    good = sum(curve.is_repulsive for curve in compressions)
    if good == len(compressions):
        return f"{good} trimers and compressed structures: repulsive."
    return f"{good} of {len(compressions)} trimers and compressed structures: repulsive."


def in_bytes(size: float) -> str:
    """Return a size in kB, MB or GB."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{max(size / 1e3, 0.1):.3g} kB"


def in_time(seconds: float) -> str:
    """Return a rough duration."""
    if seconds < 10.0:
        return "a few seconds"
    if seconds < 90.0:
        return f"{round(seconds, -1):.0f} s"
    if seconds < 5400.0:
        return f"{seconds / 60.0:.0f} min"
    return f"{seconds / 3600.0:.1f} h"


def _data_cells(row: GroupSummary, weighted: bool) -> list[str]:
    low, high = row.energy_range or (None, None)
    if low is None or high is None:
        energies = "-"
    else:
        energies = f"{low:.3f}" if row.n_energy == 1 else f"{low:.3f} to {high:.3f}"
    cells = [
        row.group,
        *map(str, (row.n_structures, row.n_atoms, row.n_energy, row.n_forces, row.n_stress)),
        energies,
        "-" if row.max_force is None else f"{row.max_force:.3f}",
    ]
    if weighted:
        first, last = row.weight_range
        cells.append(f"{first:g}" if first == last else f"{first:g} to {last:g}")
    return cells


def _groups_with(name: str, metrics: Iterable[Mapping[str, Any]]) -> list[str]:
    found = (g for m in metrics for g, errors in m["groups"].items() if name in errors)
    return list(dict.fromkeys(found))


def _error_cells(
    name: str, errors: Sequence[Mapping[str, Any]], factor: float, decimals: int
) -> list[str]:
    cells = []
    for of_data in errors:
        if name not in of_data:
            cells += ["-"] * len(_STATISTICS)
            continue
        values = of_data[name]
        cells.append(str(values["n"]))
        cells += [f"{factor * values[key]:.{decimals}f}" for key, _ in _STATISTICS[1:]]
    return cells


def _decimals(size: float) -> int:
    """Decimals that give three digits of a number."""
    if size <= 0.0:
        return 3
    return min(max(2 - math.floor(math.log10(size)), 0), 6)
