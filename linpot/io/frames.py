"""Structures that are added to a file one after the other."""

from __future__ import annotations

import io
import os

from ase import Atoms
from ase.io.extxyz import write_xyz

from linpot.errors import InputError


def append_frame(path: str | os.PathLike[str], atoms: Atoms) -> None:
    """
    Add a structure to an extended xyz file, which is made if it is not there; all or nothing.

    The frame is written at once. If the disk takes only a part of it, the file is cut back to what
    it was.

    Parameters
    ----------
    path : path
    atoms : ase.Atoms
        Its arrays are written as columns.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    text = io.StringIO()
    write_xyz(text, [atoms])
    frame = text.getvalue().encode()
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            before = os.fstat(file).st_size
            if os.write(file, frame) < len(frame):
                os.ftruncate(file, before)
                raise OSError("no room for a whole structure")
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror or error}") from error
