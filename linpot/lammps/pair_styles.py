"""
The lines and tables by which LAMMPS adds pair potentials to ``pair_style pace``.

`STYLES` says, by kind of model, who writes the sub-styles of ``hybrid/overlay``: ZBL has a style
of its own, with one switch for all pairs, so that every distinct switch becomes a sub-style;
charges need ``kspace_style``. Any other `PairPotential` becomes tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from linpot.baselines.coulomb import Coulomb
from linpot.baselines.d3 import D3
from linpot.baselines.pair_potential import PairPotential
from linpot.baselines.zbl import ZBL
from linpot.errors import InputError
from linpot.model.protocol import EnergyModel

TABLE_POINTS = 10000
TABLE_START = 0.3  # A; LAMMPS stops when atoms come closer
COULOMB_CUTOFF = 10.0  # A; LAMMPS splits the sum there, which changes its cost only
D3_CUTOFF, D3_COORDINATION_CUTOFF = 31.7506, 21.1671  # A: 60 and 40 Bohr, as the package dftd3
# "zero" is a pair style too, at which the arguments of hybrid/overlay would be cut
D3_DAMPING = {"bj": "bj", "zero": "original", "mbj": "bjm", "mzero": "zerom"}
IN_PROCESS = "run it in LAMMPS by `linpot.LammpsDriver`"


@dataclass(frozen=True)
class PairLines:
    """
    What LAMMPS must be told.

    Attributes
    ----------
    lines : tuple of str
        `pair_style` and `pair_coeff` commands, and those that go with them.
    table : str
        Text of the table file; empty if none is needed.
    atom_style : str
    """

    lines: tuple[str, ...]
    table: str
    atom_style: str = "atomic"


SubStyle = tuple[str, list[str]]
"""A sub-style with its settings, and the arguments of its `pair_coeff` with {} for its name."""


@dataclass(frozen=True)
class Addition:
    """
    What one baseline adds.

    Attributes
    ----------
    styles : list of SubStyle
    commands : list of str
        After the `pair_coeff` commands.
    atom_style : str
    """

    styles: list[SubStyle]
    commands: list[str] = field(default_factory=list)
    atom_style: str = "atomic"


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
    commands: list[str] = []
    atom_style = "atomic"
    for model in baselines:
        if model.kind in STYLES and not (tables and isinstance(model, PairPotential)):
            addition = STYLES[model.kind](model, elements)
            styles.extend(addition.styles)
            commands.extend(addition.commands)
            if addition.atom_style != "atomic":
                atom_style = addition.atom_style
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
    table = head + "".join(sections) if sections else ""
    return PairLines((*lines, *commands), table, atom_style)


def input_script(elements: Sequence[str], lines: PairLines, title: str) -> str:
    """
    Return an input script that evaluates a structure, to be extended by the user.

    Parameters
    ----------
    elements : sequence of str
    lines : PairLines
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
            f"atom_style      {lines.atom_style}",
            "newton          on",
            "boundary        p p p",
            "read_data       ${data}",
            *masses,
            "",
            *lines.lines,
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


def _zbl_styles(model: EnergyModel, elements: Sequence[str]) -> Addition:
    """Return one sub-style per distinct switch."""
    assert isinstance(model, ZBL)
    by_switch: dict[tuple[float, float], list[str]] = {}
    for (i, a), (j, b) in combinations_with_replacement(enumerate(elements, start=1), 2):
        switch = _of(model.switch_starts, a, b), _of(model.pair_cutoffs, a, b)
        line = f"{i} {j} {{}} {atomic_numbers[a]} {atomic_numbers[b]}"
        by_switch.setdefault(switch, []).append(line)
    return Addition(
        [(f"zbl {start!r} {stop!r}", lines) for (start, stop), lines in by_switch.items()]
    )


def _coulomb_styles(model: EnergyModel, elements: Sequence[str]) -> Addition:
    """Return ``coul/long`` with its mesh and the charges of the types."""
    assert isinstance(model, Coulomb)
    if model.charges is None or model.per_atom:
        raise InputError(
            f"charges of atoms cannot be exported, only those of species; {IN_PROCESS}"
        )
    if model.widths or model.damping is not None:
        raise InputError(f"clouds and damped charges have no `pair_style`; {IN_PROCESS}")
    charges = [f"set type {k} charge {model.charges[s]!r}" for k, s in enumerate(elements, start=1)]
    return Addition(
        [(f"coul/long {COULOMB_CUTOFF!r}", ["* * {}"])],
        [*charges, f"kspace_style pppm {model.accuracy!r}"],
        "charge",
    )


def _d3_styles(model: EnergyModel, elements: Sequence[str]) -> Addition:
    """Return ``dispersion/d3``, whose lists of neighbors need more room than usual."""
    assert isinstance(model, D3)
    if model.three_body or model.pair_cutoff is not None or model.damping not in D3_DAMPING:
        raise InputError(
            "D3 with three-body terms, a `pair_cutoff` or optimized power damping has no "
            f"`pair_style`; {IN_PROCESS}"
        )
    style = f"dispersion/d3 {D3_DAMPING[model.damping]} {model.functional} "
    style += f"{D3_CUTOFF} {D3_COORDINATION_CUTOFF}"
    room = "neigh_modify one 50000 page 1000000"
    return Addition([(style, [f"* * {{}} {' '.join(elements)}"])], [room])


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


STYLES: dict[str, Callable[[EnergyModel, Sequence[str]], Addition]] = {
    "zbl": _zbl_styles,
    "coulomb": _coulomb_styles,
    "d3": _d3_styles,
}
"""By kind of model, who writes what it adds: takes the model and the elements of the types."""
