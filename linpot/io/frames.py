"""Structures that are added to a file one after the other."""

from __future__ import annotations

import os

import ase.io
from ase import Atoms

from linpot.errors import InputError


def append_frame(path: str | os.PathLike[str], atoms: Atoms) -> None:
    """
    Add a structure to an extended xyz file, which is made if it is not there.

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
    try:
        ase.io.write(os.fspath(path), atoms, format="extxyz", append=True)
    except OSError as error:
        raise InputError(f"cannot write '{path}': {error.strerror or error}") from error
