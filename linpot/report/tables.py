"""The tables of a page: plain rows, in the units that people read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linpot.report.contents import DECIDING, DataErrors, PageContents, WorthTable
from linpot.report.wording import UNITS, WORDS, digits

STATISTICS = (("mae", "MAE"), ("rmse", "RMSE"), ("p95", "95 %"), ("max", "largest"), ("n", "n"))


@dataclass(frozen=True)
class Cell:
    """
    One cell of a table.

    Attributes
    ----------
    text : str
    heat : float
        From 0 to 1, how strongly it is tinted.
    """

    text: str
    heat: float = 0.0


@dataclass(frozen=True)
class PageTable:
    """
    A table with a header.

    Attributes
    ----------
    title : str
    head : tuple of (str, int)
        Of each run of columns, and how many they are; empty if there is only one.
    columns : tuple of str
        The first is that of names.
    rows : tuple of (str, tuple of Cell)
    last_is_total : bool
    """

    title: str
    head: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    last_is_total: bool = False


def error_table(name: str, data: Sequence[DataErrors]) -> PageTable:
    """
    Return the errors of a property by group, data sets side by side.

    Parameters
    ----------
    name : str
        Of a property.
    data : sequence of DataErrors

    Returns
    -------
    PageTable
        Tinted by the error of a group over that of all.
    """
    own = [d for d in data if name in d.metrics["all"]]
    groups = list(dict.fromkeys(g for d in own for g in d.metrics["groups"]))
    rows = [
        (group, _error_cells(name, [d.metrics["groups"].get(group, {}) for d in own], own))
        for group in groups
        if len(groups) > 1 and any(name in d.metrics["groups"].get(group, {}) for d in own)
    ]
    rows.append(("all", _error_cells(name, [d.metrics["all"] for d in own], own)))
    unit = UNITS[name][0]
    return PageTable(
        f"{WORDS[name].capitalize()} ({unit})",
        tuple((d.name, len(STATISTICS)) for d in own),
        ("group", *(title for _ in own for _, title in STATISTICS)),
        tuple(rows),
        last_is_total=True,
    )


def element_table(data: DataErrors) -> PageTable | None:
    """Return the force errors by element, or None for one element or without forces."""
    known = {s: own for s, own in data.elements.items() if own.n_components}
    if len(known) < 2:
        return None
    unit = UNITS["forces"][0]
    rows = [
        (
            symbol,
            (
                Cell(str(own.n_components)),
                Cell(digits(own.rmse)),
                Cell(digits(own.size)),
                Cell(f"{own.rmse / own.size:.1%}" if own.size > 0.0 else "\u2013"),
            ),
        )
        for symbol, own in known.items()
    ]
    columns = ("element", "n", f"RMSE ({unit})", f"typical ({unit})", "relative")
    return PageTable(f"Forces by element, {data.name}", (), columns, tuple(rows))


def coverage_table(contents: PageContents) -> PageTable:
    """Return how many structures, atoms and labels the data have."""
    rows = []
    for own in contents.data:
        counts = [own.points[p].total if p in own.points else 0 for p in DECIDING]
        counts[2] //= 6
        sizes = [own.n_structures, own.n_atoms, *counts]
        rows.append((own.name, tuple(Cell(f"{n:,}") for n in sizes)))
    columns = ("data", "structures", "atoms", "energies", "force components", "stresses")
    return PageTable("Labels", (), columns, tuple(rows))


def reliability_table(reliability: Mapping[str, Mapping[str, Any]]) -> PageTable:
    """Return what shares of the errors the error bars cover."""
    levels = list(dict.fromkeys(v for own in reliability.values() for v in own["coverage"]))
    rows = []
    for name, own in reliability.items():
        unit, factor = UNITS[name]
        covered = [
            Cell(f"{own['coverage'][v]:.1%}" if v in own["coverage"] else "\u2013") for v in levels
        ]
        width, rank = own["half_width"].get("0.9"), own["rank_correlation"]
        rows.append(
            (
                WORDS[name],
                (
                    *covered,
                    Cell("\u2013" if width is None else f"{digits(factor * width)} {unit}"),
                    Cell("\u2013" if rank is None else f"{rank:.2f}"),
                ),
            )
        )
    heads = [f"inside {float(v):.0%}" for v in levels]
    columns = ("property", *heads, "half-width at 90%", "rank correlation")
    return PageTable("Error bars on the test data", (), columns, tuple(rows))


def worth_tables(worth: WorthTable) -> list[PageTable]:
    """Return by how much errors grow without each group, a table per property."""
    tables = []
    for name, ratio in worth.ratio.items():
        if name == "stress":
            continue  # their rows are virials
        rows = [
            (
                group,
                tuple(
                    Cell(
                        f"{value:.2f}" if math.isfinite(value) else "\u2013",
                        min(max(math.log(value) / math.log(4.0), 0.0), 1.0)
                        if math.isfinite(value) and value > 0.0
                        else 0.0,
                    )
                    for value in ratio[k].tolist()
                ),
            )
            for k, group in enumerate(worth.groups)
        ]
        head = (("errors of", len(worth.tested)),)
        columns = ("left out", *worth.tested)
        tables.append(PageTable(WORDS[name].capitalize(), head, columns, tuple(rows)))
    return tables


def _error_cells(
    name: str, errors: Sequence[Mapping[str, Any]], data: Sequence[DataErrors]
) -> tuple[Cell, ...]:
    factor = UNITS[name][1]
    typical = factor * min(d.metrics["all"][name]["rmse"] for d in data)
    decimals = min(max(2 - math.floor(math.log10(typical)), 0), 6) if typical > 0.0 else 3
    cells: list[Cell] = []
    for own, of_data in zip(errors, data, strict=True):
        if name not in own:
            cells += [Cell("\u2013")] * len(STATISTICS)
            continue
        all_of_them = of_data.metrics["all"][name]["rmse"]
        ratio = own[name]["rmse"] / all_of_them if all_of_them > 0.0 else 1.0
        heat = min(max(math.log2(max(ratio, 1.0)) / 3.0, 0.0), 1.0)
        for key, _ in STATISTICS:
            value = own[name][key]
            text = f"{value:,}" if key == "n" else f"{factor * value:.{decimals}f}"
            cells.append(Cell(text, heat if key == "rmse" else 0.0))
    return tuple(cells)
