"""Text files, read whole and written all or nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from linpot.errors import FileFormatError, InputError
from linpot.io.atomic import write_atomically

_MAX_BYTES = 2**30


def read_text(path: str | os.PathLike[str], *, before: str = "") -> str:
    """
    Return the text of a file.

    Parameters
    ----------
    path : path
    before : str
        Only what stands before the first of these words: what follows need not be text.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If the file cannot be read.
    FileFormatError
        If it is not text in UTF-8, or larger than 1 GiB.
    """
    try:
        size = Path(path).stat().st_size
        if size > _MAX_BYTES:
            raise FileFormatError(f"'{path}' must be at most 1 GiB, got {size} bytes")
        content = Path(path).read_bytes()
        if before:
            content = content.split(before.encode(), 1)[0]
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"'{path}' must be text, got other bytes: {error}") from error


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file's content, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def write_text(path: str | os.PathLike[str], text: str, *, overwrite: bool = False) -> None:
    """
    Write a text, all or nothing.

    Parameters
    ----------
    path : path
    text : str
    overwrite : bool

    Raises
    ------
    InputError
        If the file exists and `overwrite` is False, or cannot be written.
    """

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write, overwrite=overwrite)
