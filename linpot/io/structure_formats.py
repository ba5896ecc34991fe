"""
Formats of structure files that linpot reads and writes itself, beside extended XYZ.

A format is recognised by the name or the first bytes of a file. All others go to `ase.io`: OUTCAR
and vasprun.xml of VASP, trajectories, and what else it knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from linpot.io.ase_database import stream_database, write_database
from linpot.io.fitsnap_json import stream_fitsnap, write_fitsnap
from linpot.io.pacemaker_frame import is_pacemaker_name, stream_pacemaker
from linpot.io.runner_data import stream_runner, write_runner

_HEAD = 4096  # bytes that are looked at


@dataclass(frozen=True)
class StructureFormat:
    """
    A format of files.

    Attributes
    ----------
    name : str
    is_named : callable
        Whether a path that will be written is called like a file of this format.
    is_there : callable
        Whether a file, given its first bytes, has this format.
    stream : callable
        Yields structures; takes the path and whether its source is trusted to run code.
    write : callable or None
        Takes a path and structures, one after the other.
    """

    name: str
    is_named: Callable[[Path], bool]
    is_there: Callable[[Path, bytes], bool]
    stream: Callable[[Path, bool], Iterator[Atoms]]
    write: Callable[[Path, Iterable[Atoms]], None] | None = None


def _begins(head: bytes) -> bool:
    lines = (line.split() for line in head.decode("utf-8", "replace").splitlines())
    first = next((words for words in lines if words and not words[0].startswith(("#", "!"))), [])
    return bool(first) and first[0] == "begin"


FORMATS: dict[str, StructureFormat] = {
    one.name: one
    for one in (
        StructureFormat(
            "db",
            lambda path: path.suffix == ".db",
            lambda path, head: head.startswith(b"SQLite format 3"),
            lambda path, trusted: stream_database(path),
            write_database,
        ),
        StructureFormat(
            "runner",
            lambda path: path.name == "input.data" or path.suffix == ".data",
            lambda path, head: _begins(head),
            lambda path, trusted: stream_runner(path),
            write_runner,
        ),
        StructureFormat(
            "fitsnap",
            lambda path: path.name.endswith(".fitsnap.json"),
            lambda path, head: path.suffix == ".json" and b'"Dataset"' in head,
            lambda path, trusted: stream_fitsnap(path),
            write_fitsnap,
        ),
        StructureFormat(
            "pacemaker",
            is_pacemaker_name,
            lambda path, head: is_pacemaker_name(path),
            lambda path, trusted: stream_pacemaker(path, trusted=trusted),
        ),
    )
}


def format_of_file(file: Path) -> StructureFormat | None:
    """Return the format of a file that is there; None if it is one for `ase.io`."""
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    return next((one for one in FORMATS.values() if one.is_there(file, head)), None)


def format_of_name(path: Path) -> StructureFormat | None:
    """Return the format that a file to be written will have by its name; None for `ase.io`."""
    return next((one for one in FORMATS.values() if one.is_named(path)), None)
