"""Endings of file names, and text files that may be compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

PathLike = str | os.PathLike[str]

_OPENERS: dict[str, Callable[..., IO[str]]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}


def ending(file: Path) -> str:
    """Return the last ending in lower case, that of a compressed file without it."""
    suffixes = [s.lower() for s in file.suffixes]
    if suffixes and suffixes[-1] in _OPENERS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def opener(file: Path) -> Callable[..., IO[str]]:
    """Return what opens a file, compressed or not."""
    return _OPENERS.get(file.suffix.lower(), open)


def is_extxyz(file: Path) -> bool:
    """Whether a file is called like extended XYZ."""
    return ending(file) in (".xyz", ".extxyz")
