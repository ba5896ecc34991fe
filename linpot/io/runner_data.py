"""
RuNNer and n2p2 ``input.data``: structures between ``begin`` and ``end``, in Hartree and Bohr.

Read and written one structure after the other, so that files larger than memory go through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.units import Bohr, Hartree

from linpot.errors import FileFormatError, InputError

_GROUP = "config_type="
_COLUMNS = 10  # x y z element charge unused fx fy fz, after "atom"


def stream_runner(file: Path) -> Iterator[Atoms]:
    """
    Yield the structures of a file.

    A comment ``config_type=...`` becomes the group; energy and forces those of a calculator, atomic
    charges initial charges, the total charge ``info["total_charge"]``.

    Parameters
    ----------
    file : path

    Yields
    ------
    ase.Atoms
        In eV and A.

    Raises
    ------
    FileFormatError
        Naming the line that cannot be read.
    """
    with file.open(encoding="utf-8-sig") as stream:
        lines: list[tuple[int, list[str]]] | None = None
        begun = 0
        for number, line in enumerate(stream, start=1):
            words = line.split()
            if not words or words[0].startswith(("#", "!")):
                continue
            if words[0] == "begin":
                if lines is not None:
                    raise _broken(file, number, "'end' before the next 'begin'", line)
                lines, begun = [], number
                if len(words) > 1 and words[1:] != _DEFAULT_FIELDS[: len(words) - 1]:
                    lines.append((number, words))
            elif words[0] == "end":
                if lines is None:
                    raise _broken(file, number, "'begin' before 'end'", line)
                yield _structure(file, begun, lines)
                lines = None
            elif lines is None:
                raise _broken(file, number, "'begin'", line)
            else:
                lines.append((number, words))
        if lines is not None:
            raise FileFormatError(
                f"{file}: the structure that begins at line {begun} must have an 'end'; the file "
                "is incomplete"
            )


_DEFAULT_FIELDS = ["position(3)", "element", "charge", "energy", "forces(3)"]


def write_runner(file: Path, images: Iterable[Atoms]) -> None:
    """
    Write structures with their energies, forces and charges; stresses have no place there.

    Parameters
    ----------
    file : path
    images : iterable of ase.Atoms
        Taken one after the other; labels from their calculators.
    """
    with file.open("w", encoding="utf-8") as stream:
        for atoms in images:
            _write(stream, atoms)


def _write(stream: IO[str], atoms: Atoms) -> None:
    results = getattr(atoms.calc, "results", {})
    pbc = atoms.pbc.tolist()
    if any(pbc) and not all(pbc):
        raise InputError(f"input.data must be periodic in all directions or none, got pbc {pbc}")
    stream.write("begin\n")
    if "config_type" in atoms.info:
        stream.write(f"comment {_GROUP}{atoms.info['config_type']}\n")
    for row in atoms.cell.array if all(pbc) else []:
        stream.write("lattice " + " ".join(f"{x:.12f}" for x in row / Bohr) + "\n")
    forces = results.get("forces")
    scaled = np.zeros((len(atoms), 3)) if forces is None else forces * (Bohr / Hartree)
    charges = atoms.get_initial_charges()
    for symbol, r, q, f in zip(atoms.symbols, atoms.positions / Bohr, charges, scaled, strict=True):
        x, y, z = r
        stream.write(
            f"atom {x:.12f} {y:.12f} {z:.12f} {symbol} {q:.8f} 0.0 "
            f"{f[0]:.12f} {f[1]:.12f} {f[2]:.12f}\n"
        )
    if "energy" in results:
        stream.write(f"energy {results['energy'] / Hartree:.12f}\n")
    total = atoms.info.get("total_charge", charges.sum())
    stream.write(f"charge {float(total):.8f}\nend\n")


def _structure(file: Path, begun: int, lines: list[tuple[int, list[str]]]) -> Atoms:
    cell, numbers, rows = [], [], []
    info: dict[str, object] = {}
    energy = None
    for number, words in lines:
        kind, values = words[0], words[1:]
        try:
            if kind == "begin":
                raise _broken(
                    file, number, "the columns x y z element q 0 fx fy fz", " ".join(words)
                )
            if kind == "lattice":
                cell.append([float(v) for v in values[:3]])
            elif kind == "atom":
                if len(words) < _COLUMNS:
                    raise _broken(file, number, f"{_COLUMNS} columns", " ".join(words))
                numbers.append(atomic_numbers[values[3]])
                rows.append([float(v) for v in (*values[:3], values[4], *values[6:9])])
            elif kind == "energy":
                energy = float(values[0]) * Hartree
            elif kind == "charge":
                info["total_charge"] = float(values[0])
            elif kind == "comment":
                group = next((v for v in values if v.startswith(_GROUP)), None)
                if group is not None:
                    info["config_type"] = group.removeprefix(_GROUP)
                else:
                    info["comment"] = " ".join(values)
            else:
                raise _broken(file, number, "lattice, atom, energy, charge or comment", kind)
        except (ValueError, IndexError, KeyError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise _broken(file, number, "numbers and elements", " ".join(words)) from error
    if not rows:
        raise FileFormatError(f"{file}, line {begun}: expected atoms before 'end', got none")
    if len(cell) not in (0, 3):
        raise FileFormatError(
            f"{file}, line {begun}: expected 0 or 3 lattice lines, got {len(cell)}"
        )
    table = np.array(rows)
    atoms = Atoms(
        numbers,
        table[:, :3] * Bohr,
        cell=np.array(cell) * Bohr if cell else None,
        pbc=bool(cell),
        info=info,
    )
    if table[:, 3].any():
        atoms.set_initial_charges(table[:, 3])
    results = {"forces": table[:, 4:] * (Hartree / Bohr)}
    if energy is not None:
        results["energy"] = energy
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _broken(file: Path, number: int, expected: str, got: str) -> FileFormatError:
    return FileFormatError(f"{file}, line {number}: expected {expected}, got {got.strip()[:60]!r}")
