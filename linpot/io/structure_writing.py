"""Writing structures in the format that a name tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io.formats import UnknownFileTypeError, filetype

from linpot.errors import InputError
from linpot.io.atomic import write_atomically
from linpot.io.extxyz import append_xyz
from linpot.io.file_endings import PathLike, ending, is_extxyz, opener
from linpot.io.mlip_cfg import write_cfg
from linpot.io.structure_formats import FORMATS, format_of_name

_CFG = "mlip-cfg"  # like the names of formats of ase.io


def write_structures(
    path: PathLike, atoms: Iterable[Atoms], *, overwrite: bool = False, format: str | None = None
) -> int:
    """
    Write structures with the results of their calculators, all or nothing.

    Parameters
    ----------
    path : path
        Its ending tells the format: ``.extxyz``, ``.xyz`` (both extended XYZ), ``.cfg`` (of MLIP),
        ``.db``, ``.traj`` ..., with ``.gz`` for compression.
    atoms : iterable of ase.Atoms
        Not modified. Taken one after the other for extended XYZ, databases and the formats of
        `linpot.io.structure_formats`; held together for others.
    overwrite : bool
    format : str or None
        A format of `ase.io` or `linpot.io.structure_formats`, where the ending does not tell it.

    Returns
    -------
    int
        Structures written.

    Raises
    ------
    InputError
        If there is no structure, if the format is unknown or cannot hold the structures, or if
        the file exists or cannot be written.
    """
    kind = format or format_by_name(path)
    written = 0

    def counted() -> Iterator[Atoms]:
        nonlocal written
        for image in atoms:
            written += 1
            yield image
        if not written:
            raise InputError(f"there must be at least one structure to write to '{path}', got none")

    def write(temporary: Path) -> None:
        try:
            _write_as(kind, temporary, counted())
        except (OSError, InputError):
            raise
        except Exception as error:  # formats raise many kinds
            raise InputError(f"cannot write '{path}' as {kind}: {error}") from error

    write_atomically(path, write, overwrite=overwrite)
    return written


def _write_as(kind: str, file: Path, images: Iterable[Atoms]) -> None:
    own = FORMATS.get(kind)
    if own is not None and own.write is not None:
        own.write(file, images)
    elif kind == "extxyz":
        with opener(file)(file, "wt", encoding="utf-8") as stream:
            for image in images:
                append_xyz(stream, image)
    elif kind == _CFG:
        with opener(file)(file, "wt", encoding="utf-8") as stream:
            write_cfg(stream, images)
    else:
        ase.io.write(file, list(images), format=kind)


def format_by_name(path: PathLike) -> str:
    """
    Return the format that the ending of a path to be written tells.

    Raises
    ------
    InputError
        If it is none that can be written.
    """
    file = Path(path)
    if is_extxyz(file):
        return "extxyz"
    if ending(file) == ".cfg":
        return _CFG
    own = format_of_name(file)
    if own is None:
        return _kind_by_name(file)
    if own.write is None:
        raise InputError(f"`path` must end with a format that is written, got '{file}'")
    return own.name


def _kind_by_name(file: Path) -> str:
    try:
        kind = filetype(file.name, read=False)
        known = kind in ase.io.formats.ioformats and ase.io.formats.ioformats[kind].can_write
    except UnknownFileTypeError:
        known = False
    if not known:
        raise InputError(f"`path` must end with a known format such as .extxyz, got '{file}'")
    return str(kind)
