"""
Extended XYZ, frame by frame.

Lines are cut into frames here, with line numbers and column counts checked, and each frame is
handed to ASE for its meaning. So no frame is dropped, mistakes have a line, and large compressed
files are read in linear time, one frame in memory.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

from ase import Atoms
from ase.io.extxyz import read_xyz, write_xyz

from linpot.errors import FileFormatError

_PROPERTIES = re.compile(r"(?:^|\s)Properties\s*=\s*[\"']?([^\s\"']+)")
_PERIODIC = re.compile(r"(?:^|\s)pbc\s*=\s*(?:\"([^\"]*)\"?|'([^']*)'?|(\S+))")
_TRUTHS = {"T", "F", "true", "false", "True", "False", "TRUE", "FALSE", "1", "0"}
_PLAIN = "species:S:1:pos:R:3"  # what ASE assumes without Properties
_CELL_VECTOR = re.compile(r"\s*VEC[1-3]\s")


@dataclass(frozen=True)
class Frame:
    """
    Lines of one structure in a file.

    Attributes
    ----------
    number : int
        From 0.
    first_line : int
        Line of the atom count in the file, from 1.
    lines : tuple of str
        Atom count, comment, one line per atom, cell vectors if any.
    n_atoms : int
    """

    number: int
    first_line: int
    lines: tuple[str, ...]
    n_atoms: int


def split_frames(lines: Iterable[str], file: str) -> Iterator[Frame]:
    """
    Cut the lines of an extended XYZ file into frames; blank lines between frames are skipped.

    Parameters
    ----------
    lines : iterable of str
        Taken one after the other, with or without their ends.
    file : str
        How messages call the file.

    Yields
    ------
    Frame

    Raises
    ------
    FileFormatError
        If a frame does not begin with its number of atoms, or if the file ends inside a frame.
    """
    source = (line.rstrip("\n") for line in lines)
    line, at, number = next(source, None), 1, 0
    while line is not None:
        if not line.strip():
            line, at = next(source, None), at + 1
            continue
        n_atoms = _atom_count(line, file, at, number)
        frame = [line, *islice(source, n_atoms + 1)]
        if len(frame) < n_atoms + 2:
            raise FileFormatError(
                f"{file}, line {at + len(frame) - 1}: the file ends inside frame {number}, which "
                f"begins at line {at}: expected {n_atoms} atoms, got {max(0, len(frame) - 2)}; "
                "the file is incomplete, copy it again or remove that frame"
            )
        line = next(source, None)
        while line is not None and _CELL_VECTOR.match(line):
            frame.append(line)
            line = next(source, None)
        yield Frame(number, at, tuple(frame), n_atoms)
        at, number = at + len(frame), number + 1


def parse_frame(frame: Frame, file: str) -> Atoms:
    """
    Turn the lines of one frame into atoms.

    Parameters
    ----------
    frame : Frame
    file : str

    Returns
    -------
    ase.Atoms

    Raises
    ------
    FileFormatError
        If a line has too few or too many columns, or holds something that cannot be read.
    """
    match = _PROPERTIES.search(frame.lines[1])
    properties = match.group(1) if match else _PLAIN
    place = f"{file}, line {frame.first_line + 1}"
    fields = properties.split(":")
    if len(fields) % 3 or not all(f.isdecimal() and int(f) > 0 for f in fields[2::3]):
        raise FileFormatError(
            f"{place}: expected Properties=name:type:columns:..., got {properties!r}"
        )
    periodic = _PERIODIC.search(frame.lines[1])
    if periodic:  # other words are true to ASE, "N N N" too
        words = re.split(r"[\s,\[\]{}]+", "".join(filter(None, periodic.groups())).strip())
        if not _TRUTHS.issuperset(filter(None, words)):
            raise FileFormatError(f'{place}: expected pbc="T T F" or the like, got {words}')
    kinds = [k for k, n in zip(fields[1::3], fields[2::3], strict=True) for _ in range(int(n))]
    for row in range(frame.n_atoms):
        got = len(frame.lines[2 + row].split())
        if got != len(kinds):
            raise FileFormatError(
                f"{file}, line {frame.first_line + 2 + row}: expected {len(kinds)} columns for "
                f"{properties!r}, got {got}" + ("" if match else "; name all columns in Properties")
            )
    try:
        return next(read_xyz(io.StringIO("\n".join(frame.lines) + "\n"), 0))
    except Exception as error:  # ASE raises many kinds
        raise _unreadable(frame, kinds, file, error) from error


def append_xyz(stream: IO[str], atoms: Atoms) -> None:
    """Write one structure with its labels, and all that is kept in `info` and `arrays`."""
    write_xyz(stream, [atoms])


def _atom_count(line: str, file: str, number: int, frame: int) -> int:
    if not line.strip().isdecimal():
        raise FileFormatError(
            f"{file}, line {number}: expected the number of atoms of frame {frame}, "
            f"got {line.strip()[:60]!r}"
        )
    return int(line)


def _unreadable(frame: Frame, kinds: list[str], file: str, error: Exception) -> FileFormatError:
    readers = {"R": float, "I": int}
    for row in range(frame.n_atoms):
        for kind, entry in zip(kinds, frame.lines[2 + row].split(), strict=True):
            try:
                readers.get(kind, str)(entry)
            except ValueError:
                return FileFormatError(
                    f"{file}, line {frame.first_line + 2 + row}: expected a number, got {entry!r}"
                )
    reason = f"no element is called {error}" if isinstance(error, KeyError) else str(error)
    return FileFormatError(
        f"{file}, line {frame.first_line}: cannot read frame {frame.number}: {reason}"
    )
