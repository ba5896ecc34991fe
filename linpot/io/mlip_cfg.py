"""
MLIP ``.cfg`` files: structures between ``BEGIN_CFG`` and ``END_CFG``, in eV and A.

Atoms have types from 0 on, not elements; whoever reads a file says which they are, unless its
frames have a line ``Feature elements Si,O``, as those have that are written here. ``PlusStress`` is
the virial, ``-dE/dstrain`` in eV: minus the volume times the stress of ASE. Read and written one
structure after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, chemical_symbols

from linpot.errors import FileFormatError, InputError

_BEGIN, _END = "BEGIN_CFG", "END_CFG"
_VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")
_POSITIONS = (("cartes_x", "cartes_y", "cartes_z"), ("direct_x", "direct_y", "direct_z"))
_FORCES = ("fx", "fy", "fz")

Line = tuple[int, list[str]]
"""Number in the file, and words."""


def is_cfg(head: bytes) -> bool:
    """Return whether a file with these first bytes is of MLIP: its first word is BEGIN_CFG."""
    return head.split(None, 1)[:1] == [_BEGIN.encode()]


def stream_cfg(lines: Iterable[str], file: str, elements: Sequence[str] | None) -> Iterator[Atoms]:
    """
    Yield the structures of a file.

    Parameters
    ----------
    lines : iterable of str
        Of the file.
    file : str
        How messages call it.
    elements : sequence of str or None
        Chemical symbols of the types 0, 1, ...; None takes what the frames say.

    Yields
    ------
    ase.Atoms
        Periodic along the lattice vectors there are. Features become entries of `info`.

    Raises
    ------
    FileFormatError
        Naming the line that cannot be read.
    InputError
        If the elements of types are not known.
    """
    frame: list[Line] | None = None
    begun = 0
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        if words[0] == _BEGIN:
            if frame is not None:
                raise _broken(file, number, f"{_END} before the next {_BEGIN}", words)
            frame, begun = [], number
        elif frame is None:
            raise _broken(file, number, _BEGIN, words)
        elif words[0] == _END:
            yield _Frame(file, begun, frame).atoms(elements)
            frame = None
        else:
            frame.append((number, words))
    if frame is not None:
        raise FileFormatError(
            f"{file}: the structure that begins at line {begun} must have an {_END}; the file is "
            "incomplete"
        )


class _Frame:
    """The sections of one structure."""

    def __init__(self, file: str, begun: int, lines: list[Line]) -> None:
        self._file, self._begun = file, begun
        self._cell: list[list[float]] = []
        self._columns: dict[str, int] = {}
        self._rows: list[Line] = []
        self._results: dict[str, float] = {}
        self._virial: dict[str, float] = {}
        self._info: dict[str, str] = {}
        n_atoms: int | None = None
        k = 0
        while k < len(lines):
            number, words = lines[k]
            kind = words[0].rstrip(":").lower()
            k += 1
            if kind == "size":
                n_atoms = int(self._numbers(lines, k, 1)[0])
                k += 1
            elif kind == "supercell":
                while k < len(lines) and len(self._cell) < 3 and _is_number(lines[k][1][0]):
                    self._cell.append(self._numbers(lines, k, 3))
                    k += 1
            elif kind == "atomdata":
                self._columns = {name: c for c, name in enumerate(words[1:])}
                if n_atoms is None:
                    raise _broken(file, number, "Size before AtomData", words)
                self._rows = lines[k : k + n_atoms]
                k += n_atoms
            elif kind == "energy":
                self._results["energy"] = self._numbers(lines, k, 1)[0]
                k += 1
            elif kind == "plusstress":
                values = self._numbers(lines, k, 6)
                names = tuple(words[1:]) or _VOIGT
                if sorted(names) != sorted(_VOIGT):
                    raise _broken(file, number, f"PlusStress: {' '.join(_VOIGT)}", words)
                self._virial = dict(zip(names, values, strict=True))
                k += 1
            elif kind == "feature" and len(words) > 1:
                self._info[words[1]] = " ".join(words[2:])
            else:
                what = "Size, Supercell, AtomData, Energy, PlusStress or Feature"
                raise _broken(file, number, what, words)

    def atoms(self, elements: Sequence[str] | None) -> Atoms:
        table = self._table()
        cell = np.zeros((3, 3))
        cell[: len(self._cell)] = np.array(self._cell).reshape(-1, 3)
        pbc = cell.any(axis=1)
        atoms = Atoms(self._numbers_of(table, elements), cell=cell, pbc=pbc)
        cartesian, direct = _POSITIONS
        if self._has(cartesian):
            atoms.positions = table[:, self._places(cartesian)]
        elif self._has(direct) and pbc.all():
            atoms.set_scaled_positions(table[:, self._places(direct)])
        else:
            raise self._wrong("must have AtomData with cartes_x, cartes_y and cartes_z")
        results: dict[str, object] = dict(self._results)
        if self._has(_FORCES):
            results["forces"] = table[:, self._places(_FORCES)]
        if self._virial:
            if not pbc.all():
                raise self._wrong("has a PlusStress, but not three lattice vectors")
            virial = np.array([self._virial[name] for name in _VOIGT])
            results["stress"] = -virial / atoms.get_volume()
        if results:
            atoms.calc = SinglePointCalculator(atoms, **results)
        atoms.info.update(self._info)
        return atoms

    def _table(self) -> np.ndarray:
        table = np.zeros((len(self._rows), len(self._columns)))
        for row, (number, words) in zip(table, self._rows, strict=True):
            if len(words) != len(row):
                raise _broken(self._file, number, f"{len(row)} columns", words)
            try:
                row[:] = [float(word) for word in words]
            except ValueError as error:
                raise _broken(self._file, number, "numbers", words) from error
        if not len(table) or "type" not in self._columns:
            raise self._wrong("must have AtomData with a type for each atom")
        return table

    def _numbers_of(self, table: np.ndarray, elements: Sequence[str] | None) -> np.ndarray:
        types = table[:, self._columns["type"]].astype(np.int64)
        if elements is None:
            named = self._info.pop("elements", None)
            if named is None:
                raise InputError(
                    f"{self._file} has atom types, not elements; name those of the types 0, 1, ... "
                    "(`elements`, or --elements on the command line)"
                )
            elements = named.split(",")
        for symbol in elements:
            if atomic_numbers.get(symbol, 0) == 0:
                raise InputError(f"`elements` must be chemical symbols, got {symbol!r}")
        if types.min() < 0 or types.max() >= len(elements):
            raise self._wrong(
                f"must have types from 0 to {len(elements) - 1}, one for each of `elements` "
                f"({', '.join(elements)}), got {types.max() if types.min() >= 0 else types.min()}"
            )
        return np.array([atomic_numbers[s] for s in elements])[types]

    def _has(self, names: Sequence[str]) -> bool:
        return all(name in self._columns for name in names)

    def _places(self, names: Sequence[str]) -> list[int]:
        return [self._columns[name] for name in names]

    def _numbers(self, lines: list[Line], k: int, n: int) -> list[float]:
        if k >= len(lines):
            raise self._wrong("ends inside a section")
        number, words = lines[k]
        if len(words) != n or not all(map(_is_number, words)):
            raise _broken(self._file, number, f"{n} numbers" if n > 1 else "a number", words)
        return [float(word) for word in words]

    def _wrong(self, rule: str) -> FileFormatError:
        return FileFormatError(f"{self._file}: the structure at line {self._begun} {rule}")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _broken(file: str, number: int, expected: str, words: list[str]) -> FileFormatError:
    got = " ".join(words)[:60]
    return FileFormatError(f"{file}, line {number}: expected {expected}, got {got!r}")


def write_cfg(
    stream: IO[str], images: Iterable[Atoms], elements: Sequence[str] | None = None
) -> None:
    """
    Write structures with the results of their calculators.

    Parameters
    ----------
    stream : text stream
    images : iterable of ase.Atoms
    elements : sequence of str, optional
        Of the types 0, 1, ...; by default those of each structure by atomic number, so that types
        may differ between structures. A feature of each frame names them.

    Raises
    ------
    InputError
        If a structure has other elements, or is periodic along some lattice vectors only.
    """
    for atoms in images:
        numbers = atoms.numbers
        symbols = [chemical_symbols[z] for z in np.unique(numbers)]
        types = {atomic_numbers[s]: t for t, s in enumerate(elements or symbols)}
        for symbol in symbols:
            if atomic_numbers[symbol] not in types:
                raise InputError(f"`elements` must name all elements, {symbol!r} is missing")
        if atoms.pbc.any() and not atoms.pbc.all():
            raise InputError(
                "structures for .cfg must be periodic in all directions or none, got pbc "
                f"{atoms.pbc.tolist()}"
            )
        results = getattr(atoms.calc, "results", {})
        lines = [_BEGIN, " Size", f"    {len(atoms)}"]
        if atoms.pbc.all():
            lines += [" Supercell", *(_row(vector) for vector in atoms.cell.array)]
        columns, table = "id type cartes_x cartes_y cartes_z", [atoms.positions]
        if "forces" in results:
            columns += " fx fy fz"
            table.append(results["forces"])
        lines.append(f" AtomData: {columns}")
        for k, row in enumerate(np.hstack(table)):
            lines.append(f"    {k + 1} {types[numbers[k]]}{_row(row)}")
        if "energy" in results:
            lines += [" Energy", _row([results["energy"]])]
        if "stress" in results and atoms.pbc.all():
            virial = -atoms.get_volume() * np.asarray(results["stress"])
            lines += [f" PlusStress: {' '.join(_VOIGT)}", _row(virial)]
        lines += [f" Feature elements {','.join(elements or symbols)}", _END, ""]
        stream.write("\n".join(lines) + "\n")


def _row(values: Iterable[float]) -> str:
    return "    " + " ".join(f"{value:.16g}" for value in values)
