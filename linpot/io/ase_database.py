"""ASE databases in SQLite files: rows one after the other, with what `info` holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import ase.db
from ase import Atoms

_INFO = "info"


def stream_database(file: Path) -> Iterator[Atoms]:
    """
    Yield the rows of a database.

    Parameters
    ----------
    file : path

    Yields
    ------
    ase.Atoms
        `info` holds the key-value pairs of the row, and what `write_database` kept of it.
    """
    with ase.db.connect(file, type="db") as database:
        for row in database.select():
            atoms = row.toatoms()
            atoms.info |= dict(row.key_value_pairs)
            kept = row.data.get(_INFO)
            atoms.info |= kept if isinstance(kept, dict) else {}
            yield atoms


def write_database(file: Path, images: Iterable[Atoms]) -> None:
    """
    Write structures with their labels; `info` goes into the data of each row.

    Parameters
    ----------
    file : path
        Must not exist.
    images : iterable of ase.Atoms
        Taken one after the other.
    """
    with ase.db.connect(file, type="db", append=False) as database:
        for image in images:
            database.write(image, data={_INFO: dict(image.info)})
