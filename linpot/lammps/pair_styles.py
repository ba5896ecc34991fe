"""
The lines and tables by which LAMMPS adds pair potentials to ``pair_style pace``.

`STYLES` says, by kind of model, who writes the sub-styles of ``hybrid/overlay``: ZBL has a style
of its own, with one switch for all pairs, so that every distinct switch becomes a sub-style. Any
other `PairPotential` becomes tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from linpot.baselines.pair_potential import PairPotential
from linpot.baselines.zbl import ZBL
from linpot.errors import InputError
from linpot.model.protocol import EnergyModel

TABLE_POINTS = 10000
TABLE_START = 0.3  # A; LAMMPS stops when atoms come closer


@dataclass(frozen=True)
class PairLines:
    """
    What LAMMPS must be told.

    Attributes
    ----------
    lines : tuple of str
        `pair_style` and `pair_coeff` commands.
    table : str
        Text of the table file; empty if none is needed.
    """

    lines: tuple[str, ...]
    table: str


SubStyle = tuple[str, list[str]]
"""A sub-style with its settings, and the arguments of its `pair_coeff` with {} for its name."""


def has_pair_style(model: EnergyModel) -> bool:
    """Return whether LAMMPS can add a model to ``pair_style pace``."""
    return model.kind in STYLES or isinstance(model, PairPotential)


def pair_lines(
    elements: Sequence[str],
    baselines: Sequence[EnergyModel],
    yace_name: str,
    table_name: str,
    *,
    tables: bool = False,
) -> PairLines:
    """
    Return the commands for a learned part and its pair baselines.

    Parameters
    ----------
    elements : sequence of str
        Of atom types 1, 2, ...
    baselines : sequence of EnergyModel
        For each of them `has_pair_style` is true.
    yace_name, table_name : str
        Names of the files.
    tables : bool
        Tabulate also ZBL, whose style in LAMMPS has a Coulomb constant of eight digits: its
        energies differ by 3.3e-8 of themselves.

    Returns
    -------
    PairLines
    """
    styles: list[SubStyle] = []
    sections: list[str] = []
    for model in baselines:
        if model.kind in STYLES and not (tables and isinstance(model, PairPotential)):
            styles.extend(STYLES[model.kind](model, elements))
            continue
        assert isinstance(model, PairPotential)
        own = _sections(model, elements, len(styles))
        coefficients = [
            f"{i} {j} {{}} {table_name} {name} {cutoff!r}" for i, j, name, cutoff, _ in own
        ]
        styles.append((f"table spline {TABLE_POINTS}", coefficients))
        sections.extend(text for *_, text in own)
    names = [style.split()[0] for style, _ in styles]
    pace = f"{yace_name} {' '.join(elements)}"
    if not styles:
        return PairLines(("pair_style pace", f"pair_coeff * * {pace}"), "")
    lines = [f"pair_style hybrid/overlay pace {' '.join(style for style, _ in styles)}"]
    lines.append(f"pair_coeff * * pace {pace}")
    for k, (_, coefficients) in enumerate(styles):
        name = names[k]
        if names.count(name) > 1:  # several sub-styles of one name are numbered
            name += f" {names[: k + 1].count(name)}"
        lines.extend(f"pair_coeff {line.format(name)}" for line in coefficients)
    head = "# Made by linpot: distance (A), energy (eV), force (eV/A) UNITS: metal\n"
    return PairLines(tuple(lines), head + "".join(sections) if sections else "")


def input_script(elements: Sequence[str], lines: Sequence[str], title: str) -> str:
    """
    Return an input script that evaluates a structure, to be extended by the user.

    Parameters
    ----------
    elements : sequence of str
    lines : sequence of str
        As `pair_lines` returns them.
    title : str

    Returns
    -------
    str
    """
    masses = [
        f"mass            {k} {atomic_masses[atomic_numbers[s]]:.4f}  # {s}"
        for k, s in enumerate(elements, start=1)
    ]
    return "\n".join(
        [
            f"# {title}",
            "# lmp -in <this file> -var data <structure>; atom types: "
            + ", ".join(f"{k} = {s}" for k, s in enumerate(elements, start=1)),
            "",
            "variable        data index structure.data",
            "units           metal",
            "atom_style      atomic",
            "newton          on",
            "boundary        p p p",
            "read_data       ${data}",
            *masses,
            "",
            *lines,
            "",
            "neighbor        1.0 bin",
            "thermo          10",
            "timestep        0.001",
            "# velocity      all create 300 1",
            "# fix           1 all nve",
            "run             0",
            "",
        ]
    )


def _zbl_styles(model: EnergyModel, elements: Sequence[str]) -> list[SubStyle]:
    """Return one sub-style per distinct switch."""
    assert isinstance(model, ZBL)
    by_switch: dict[tuple[float, float], list[str]] = {}
    for (i, a), (j, b) in combinations_with_replacement(enumerate(elements, start=1), 2):
        switch = _of(model.switch_starts, a, b), _of(model.pair_cutoffs, a, b)
        line = f"{i} {j} {{}} {atomic_numbers[a]} {atomic_numbers[b]}"
        by_switch.setdefault(switch, []).append(line)
    return [(f"zbl {start!r} {stop!r}", lines) for (start, stop), lines in by_switch.items()]


def _of(values: Mapping[tuple[str, str], float], a: str, b: str) -> float:
    return float(values[a, b] if (a, b) in values else values[b, a])


def _sections(
    model: PairPotential, elements: Sequence[str], number: int
) -> list[tuple[int, int, str, float, str]]:
    """Tabulate all pairs: (type, type, name of the section, cutoff, its text)."""
    sections = []
    for (i, a), (j, b) in combinations_with_replacement(enumerate(elements, start=1), 2):
        first, second = model.elements.index(a), model.elements.index(b)
        cutoff = float(model.cutoffs[first, second])
        if cutoff <= 0.0:
            continue
        if cutoff <= TABLE_START:
            raise InputError(f"the cutoff of {a}-{b} must be above {TABLE_START} A, got {cutoff}")
        # even in r^2, as the tables inside LAMMPS are: its first splines meet them at the nodes
        squares = np.linspace(TABLE_START**2, cutoff**2, TABLE_POINTS)
        r = np.sqrt(squares)
        inside = np.minimum(r, np.nextafter(cutoff, 0.0))
        energies, derivatives = model.pair_energies(
            inside,
            np.full(len(r), first, dtype=np.int64),
            np.full(len(r), second, dtype=np.int64),
        )
        name = f"{model.kind}{number}_{a}_{b}"
        rows = (
            f"{k} {x:.17g} {e:.17g} {-d:.17g}\n"
            for k, (x, e, d) in enumerate(
                zip(r.tolist(), energies.tolist(), derivatives.tolist(), strict=True), start=1
            )
        )
        head = f"\n{name}\nN {TABLE_POINTS} RSQ {TABLE_START!r} {cutoff!r}\n\n"
        sections.append((i, j, name, cutoff, head + "".join(rows)))
    return sections


STYLES: dict[str, Callable[[EnergyModel, Sequence[str]], list[SubStyle]]] = {"zbl": _zbl_styles}
"""By kind of model, who writes its sub-styles: takes the model and the elements of the types."""
