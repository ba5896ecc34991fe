"""Potentials to files that LAMMPS runs, and back."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from linpot.checks import positive
from linpot.errors import FileFormatError, InputError
from linpot.io.atomic import check_output
from linpot.io.text_file import read_text, write_text
from linpot.lammps.ace_parser import is_ace, parse_ace
from linpot.lammps.check import ExportCheck, check_export
from linpot.lammps.export import export_potential
from linpot.lammps.pace_potential import PacePotential
from linpot.lammps.pair_styles import has_pair_style, input_script, pair_lines
from linpot.lammps.radial_expansion import TOLERANCE
from linpot.lammps.reading import potential_of
from linpot.lammps.snap_parser import parse_snap_coefficients, parse_snap_parameters
from linpot.lammps.snap_potential import snap_potential
from linpot.lammps.yace_parser import parse_yace
from linpot.lammps.yace_text import yace_text
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.model.sum import ModelSum


@dataclass(frozen=True)
class LammpsFiles:
    """
    What was written, and how well it was found to agree.

    Attributes
    ----------
    potential, script : Path
        The ``.yace`` file and an input script.
    table : Path or None
        Tables of pair potentials, where some are needed.
    n_bytes : int
        Size of the ``.yace`` file.
    lines : tuple of str
        The `pair_style` and `pair_coeff` commands of the script.
    radial_error : float
        Largest error of a radial function, relative to its largest value; 0 for a `PacePotential`,
        whose file holds them as they are.
    check : ExportCheck
    """

    potential: Path
    script: Path
    table: Path | None
    n_bytes: int
    lines: tuple[str, ...]
    radial_error: float
    check: ExportCheck


def write_lammps(
    potential: EnergyModel,
    path: str | os.PathLike[str],
    *,
    tables: bool = False,
    tolerance: float = TOLERANCE,
    overwrite: bool = False,
) -> LammpsFiles:
    """
    Write a potential for LAMMPS: ``pair_style pace``, and more for baselines.

    Next to ``name.yace`` lies ``name.in``, an input script, and ``name.table`` if a baseline needs
    tables. The file is read back and compared with the potential before anything is written.

    Parameters
    ----------
    potential : EnergyModel
        A learned potential or a `PacePotential`, alone or with pair potentials, fixed charges of
        species and D3.
    path : path
        Of the ``.yace`` file.
    tables : bool
        Tabulate ZBL too: exact, where ``pair_style zbl`` differs by 3.3e-8 of its energy, but
        LAMMPS stops when atoms come closer than the table starts.
    tolerance : float
        Error of a radial function, relative to its largest value, from which more base functions
        are spent on it; 1e-8 saves LAMMPS time (docs/lammps.md).
    overwrite : bool

    Returns
    -------
    LammpsFiles

    Raises
    ------
    InputError
        If a part of the potential cannot be exported, or a file cannot be written.
    ArithmeticError
        If the file does not reproduce the potential (a defect, not user input).
    """
    learned, baselines = _parts(potential)
    target = Path(path)
    if target.suffix != ".yace" or not re.fullmatch(r"[\w.+-]+", target.name):
        raise InputError(
            "the file name must end with .yace and hold letters, digits and . _ + - only, "
            f"because LAMMPS reads it in its input, got '{target.name}'"
        )
    script, table = target.with_suffix(".in"), target.with_suffix(".table")
    lines = pair_lines(potential.elements, baselines, target.name, table.name, tables=tables)
    outputs = [target, script, *([table] if lines.table else [])]
    for output in outputs:
        check_output(output, overwrite=overwrite)
    tolerance = positive("tolerance", tolerance)
    if isinstance(learned, PacePotential):
        document, radial_error = learned.document, 0.0
    else:
        export = export_potential(learned, tolerance=tolerance)
        document, radial_error = export.document, export.radial_error
    text = yace_text(document)
    check = check_export(learned, text)
    if not check.is_good:
        raise ArithmeticError(
            "the file does not reproduce the potential: energies differ by "
            f"{check.energy_error:.1e} eV per atom, forces by {check.forces_error:.1e} eV/A; "
            "nothing was written"
        )
    write_text(target, text, overwrite=overwrite)
    title = f"{target.name}, made by linpot"
    write_text(script, input_script(potential.elements, lines, title), overwrite=overwrite)
    if lines.table:
        write_text(table, lines.table, overwrite=overwrite)
    return LammpsFiles(
        potential=target,
        script=script,
        table=table if lines.table else None,
        n_bytes=len(text.encode()),
        lines=lines.lines,
        radial_error=radial_error,
        check=check,
    )


def read_lammps(path: str | os.PathLike[str]) -> LinearPotential | PacePotential:
    """
    Read a potential of LAMMPS: ``.yace``, ``.ace`` of the form before it, or ``.snapcoeff``.

    Baselines stand in the input script of LAMMPS, not in the file: add them by ``+``.

    Parameters
    ----------
    path : path
        Next to ``name.snapcoeff`` lies ``name.snapparam``.

    Returns
    -------
    LinearPotential or PacePotential
        The second for ``pair_style pace`` files of a kind that linpot does not write.

    Raises
    ------
    InputError
        If there is no such file.
    FileFormatError
        If it is damaged, or holds a potential that linpot's engine cannot run.
    """
    text = read_text(path)
    if Path(path).suffix in (".snapparam", ".snap"):
        raise FileFormatError(
            f"cannot read '{path}': the potential is in the .snapcoeff file that lies beside it; "
            "give that one"
        )
    if Path(path).suffix == ".snapcoeff":
        beside = Path(path).with_suffix(".snapparam")
        parameters = parse_snap_parameters(read_text(beside), str(beside))
        coefficients = parse_snap_coefficients(text, str(path))
        try:
            return snap_potential(coefficients, parameters)
        except InputError as error:
            raise FileFormatError(f"cannot use '{path}': {error}") from error
    document = parse_ace(text, str(path)) if is_ace(text) else parse_yace(text, str(path))
    try:
        return potential_of(document)
    except FileFormatError as error:
        raise FileFormatError(f"cannot use '{path}': {error}") from error


def _parts(
    potential: EnergyModel,
) -> tuple[LinearPotential | PacePotential, list[EnergyModel]]:
    parts = potential.parts if isinstance(potential, ModelSum) else (potential,)
    learned = [part for part in parts if isinstance(part, LinearPotential | PacePotential)]
    baselines = [part for part in parts if not isinstance(part, LinearPotential | PacePotential)]
    if len(learned) != 1:
        raise InputError(f"a potential for LAMMPS must have one learned part, got {len(learned)}")
    for part in baselines:
        if not has_pair_style(part):
            raise InputError(
                f"a potential for LAMMPS must be a sum of one learned part, pair potentials, fixed "
                f"charges and D3, got a part of kind {part.kind!r}, which has no `pair_style` "
                "here; run it in LAMMPS by `linpot.LammpsDriver`"
            )
    return learned[0], baselines
