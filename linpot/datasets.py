"""
Public data sets of the benchmarks: found in a folder, or downloaded once and verified.

A part of a set is looked for as ``$LINPOT_DATA/<set>/<part>.extxyz.gz``. Parts whose source is a
file that linpot reads as it is can be downloaded (extra ``linpot[datasets]``); the others were
converted, so that only the folder can have them. Either way the content must have the known
sha256.

>>> from linpot import datasets
>>> datasets.names()[:2]
('3bpa', '4g_carbon_chain')
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from linpot import checks
from linpot.errors import FileFormatError, InputError
from linpot.io.datasets import read_dataset
from linpot.io.shipped_data import shipped_table
from linpot.io.text_file import sha256_of
from linpot.structures.dataset import Dataset

FOLDER = "LINPOT_DATA"
"""Environment variable that names the folder with data sets."""


@dataclass(frozen=True)
class PublicSet:
    """
    A public data set.

    Attributes
    ----------
    name, title, reference, source : str
        The source is the repository that its authors or users publish.
    parts : mapping of str to mapping
        For each part: file and sha256 of the converted file; url and url_sha256 where the file of
        the source can be read as it is.
    """

    name: str
    title: str
    reference: str
    source: str
    parts: Mapping[str, Mapping[str, str]]


@cache
def _sets() -> dict[str, PublicSet]:
    table: dict[str, Any] = shipped_table("public_sets.json")
    return {name: PublicSet(name, **table[name]) for name in sorted(table)}


def names() -> tuple[str, ...]:
    """Return the names of all sets."""
    return tuple(_sets())


def describe(name: str) -> PublicSet:
    """
    Return what is known of a set.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    checks.one_of("name", name, _sets())
    return _sets()[name]


def path(name: str, part: str) -> Path:
    """
    Return the path of a part of a set, after downloading it if need be.

    Parameters
    ----------
    name : str
        Of `names`.
    part : str
        Of the set's `parts`.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there is no such part, or if it can be neither found nor downloaded; the message says
        what to do.
    FileFormatError
        If a file has another content than the known one.
    """
    found = describe(name)
    checks.one_of("part", part, found.parts)
    entry = found.parts[part]
    folder = os.environ.get(FOLDER)
    if folder is not None:
        local = Path(folder) / name / entry["file"]
        if local.is_file():
            return _verified(local, entry["sha256"])
    place = f"'{folder}/{name}'" if folder else f"a folder that {FOLDER} names"
    if "url" not in entry:
        raise InputError(
            f"'{entry['file']}' of {name} must be in {place}, where it is not; its source "
            f"({found.source}) needs conversion, so it cannot be downloaded"
        )
    if find_spec("pooch") is None:
        raise InputError(
            f"'{entry['file']}' of {name} is not in {place}; to download data sets, "
            "pip install 'linpot[datasets]'"
        )
    return _downloaded(name, part, entry, place)


def load(name: str, part: str, **options: Any) -> Dataset:
    """
    Read a part of a set.

    Parameters
    ----------
    name, part : str
        See `path`.
    **options
        See `read_dataset`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError, FileFormatError
        See `path`.
    """
    return read_dataset(path(name, part), **options)


def _downloaded(name: str, part: str, entry: Mapping[str, str], place: str) -> Path:
    import pooch

    target = Path(pooch.os_cache("linpot")) / name
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        return Path(
            pooch.retrieve(
                entry["url"],
                known_hash=f"sha256:{entry['url_sha256']}",
                fname=f"{part}.extxyz",
                path=target,
            )
        )
    except ValueError as error:
        raise FileFormatError(
            f"{entry['url']} must have sha256 {entry['url_sha256']}, got another content"
        ) from error
    except Exception as error:  # each layer of the network raises its own kinds
        reason = type(error).__name__
        raise InputError(
            f"cannot download {entry['url']} ({reason}); without network, put "
            f"'{entry['file']}' of {name} into {place}"
        ) from error
    finally:
        logger.setLevel(level)


def _verified(file: Path, expected: str) -> Path:
    found = sha256_of(file)
    if found != expected:
        raise FileFormatError(
            f"'{file}' must have sha256 {expected}, got {found}; it is another version"
        )
    return file
