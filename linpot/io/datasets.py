"""Reading data sets and structures."""

from __future__ import annotations

import difflib
import gzip
import lzma
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms
from ase.io.formats import UnknownFileTypeError

from linpot.checks import non_negative
from linpot.errors import FileFormatError, InputError
from linpot.io.extxyz import Frame, parse_frame, split_frames
from linpot.io.file_endings import PathLike, is_extxyz, opener
from linpot.io.frame_selection import Index, frame_selection, name_with_selection
from linpot.io.mlip_cfg import is_cfg, stream_cfg
from linpot.io.structure_file import hold_structures
from linpot.io.structure_formats import StructureFormat, format_of_file
from linpot.structures.dataset import Dataset
from linpot.structures.from_atoms import label_structures
from linpot.structures.labels import AUTOMATIC, LabelKeys
from linpot.structures.structure import INITIAL_CHARGES, Structure

_BROKEN_COMPRESSION = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)

_HEAD = 64  # bytes that tell it

STRUCTURE_MEMORY = 1.0
"""GB of structures that are held; more of them stay in a temporary file."""


def read_dataset(
    path: PathLike | Sequence[PathLike],
    *,
    keys: LabelKeys = AUTOMATIC,
    group_key: str = "config_type",
    weight_key: str = "weight",
    charges_key: str = INITIAL_CHARGES,
    index: Index = ":",
    elements: Sequence[str] | None = None,
    structure_memory: float = STRUCTURE_MEMORY,
) -> Dataset:
    """
    Read structures with their labels, one after the other.

    Extended XYZ (``.xyz``, ``.extxyz``) and the ``.cfg`` of MLIP, also compressed with gz, bz2 or
    xz, are read strictly; everything else goes through `ase.io`. Structures that take more memory
    than a bound move into a temporary file and are read from there whenever they are needed;
    nothing else changes.

    Parameters
    ----------
    path : path or sequence of path
        Several files are put one after the other.
    keys : LabelKeys
        Where the labels are; see `find_labels`.
    group_key, weight_key, charges_key : str
        See `Dataset.from_atoms`.
    index : str, int or slice
        Which frames of each file, "0:100" for example.
    elements : sequence of str, optional
        Chemical symbols of the atom types 0, 1, ... of ``.cfg`` files, which do not name them.
    structure_memory : float, GB
        The bound; 0 keeps all of them in a file.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If a file is not there, its content is refused by `Dataset.from_atoms`, or the temporary
        file cannot be written.
    FileFormatError
        If a file cannot be read as what it claims to be, is empty, or ends inside a frame.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    if not paths:
        raise InputError("`path` must name at least one file, got none")
    non_negative("structure_memory", structure_memory, "number of GB")
    for one in paths:
        _refuse_absent(Path(one))
    short = len({Path(one).name for one in paths}) == len(paths)
    images = (
        (atoms, name_with_selection(Path(one).name if short else str(one), index))
        for one in paths
        for atoms in stream_structures(one, index=index, elements=elements)
    )
    places: list[dict[str, str]] = []

    def structures() -> Iterator[Structure]:
        known: dict[tuple, dict[str, str]] = {}  # few are different
        for structure, found in label_structures(images, keys, group_key, weight_key, charges_key):
            places.append(known.setdefault(tuple(found.items()), found))
            yield structure

    return Dataset(hold_structures(structures(), structure_memory), label_places=places)


def read_structures(
    path: PathLike, *, index: Index = ":", elements: Sequence[str] | None = None
) -> list[Atoms]:
    """
    Read the structures of one file, with whatever labels they carry; see `stream_structures`.

    Returns
    -------
    list of ase.Atoms
        At least one.
    """
    return list(stream_structures(path, index=index, elements=elements))


def stream_structures(
    path: PathLike,
    *,
    index: Index = ":",
    elements: Sequence[str] | None = None,
    trust_pickle: bool = False,
) -> Iterator[Atoms]:
    """
    Yield the structures of one file, with whatever labels they carry.

    Parameters
    ----------
    path : path
    index : str, int or slice
    elements : sequence of str, optional
        See `read_dataset`.
    trust_pickle : bool
        Whether files that run code when they are opened are opened: data frames of pacemaker.

    Yields
    ------
    ase.Atoms
        At least one.

    Raises
    ------
    InputError
        If the file is not there, if `index` is malformed or selects no frame, or if the file is a
        pickle and not trusted.
    FileFormatError
        If the file cannot be read.
    """
    file = Path(path)
    selection = frame_selection(index)
    _refuse_absent(file)
    if is_extxyz(file):
        images = _stream_extxyz(file, selection)
    elif _is_cfg(file):
        images = _stream_cfg(file, selection, elements)
    else:
        images = _stream_any(file, selection, trust_pickle)
    seen = False
    try:
        for image in images:
            seen = True
            yield image
    except OSError as error:
        raise InputError(f"cannot read '{file}': {error.strerror or error}") from error
    if not seen:
        raise InputError(f"`index` must select frames of '{file}', got {index!r}, which has none")


def _is_cfg(file: Path) -> bool:
    """Look into the file: AtomEye has files of this name as well."""
    try:
        with opener(file)(file, "rb") as stream:
            head: Any = stream.read(_HEAD)
    except (OSError, *_BROKEN_COMPRESSION):
        return False
    return is_cfg(head)


def _refuse_absent(file: Path) -> None:
    if file.is_file():
        return
    if file.exists():
        raise InputError(f"`path` must be a file, got the folder '{file}'; name a file inside it")
    if file.is_symlink():
        raise InputError(f"`path` must be an existing file, got '{file}', a link to none")
    try:
        nearby = [p.name for p in file.parent.iterdir()]
    except OSError:
        raise InputError(
            f"`path` must be an existing file, got '{file}'; there is no folder '{file.parent}'"
        ) from None
    guess = difflib.get_close_matches(file.name, nearby, n=1)
    advice = f"did you mean '{guess[0]}'?" if guess else f"check the name in '{file.parent}'"
    raise InputError(f"`path` must be an existing file, got '{file}'; {advice}")


def _stream_extxyz(file: Path, selection: slice) -> Iterator[Atoms]:
    """Yield what is selected; the rest is looked at as well, so that broken files are noticed."""
    ends = (selection.start, selection.stop, selection.step)
    known = all(end is None or end >= 0 for end in ends)
    n_frames = sys.maxsize if known else sum(1 for _ in _frames(file))
    places = range(n_frames)[selection]
    chosen: Iterable[Frame] = (frame for frame in _frames(file) if frame.number in places)
    if places.step < 0:  # these frames are held
        chosen = reversed(list(chosen))
    for frame in chosen:
        yield parse_frame(frame, str(file))


def _frames(file: Path) -> Iterator[Frame]:
    """Yield the frames of a file, of which there must be one."""
    first = True
    for frame in split_frames(_lines(file), str(file)):
        first = False
        yield frame
    if first:
        raise FileFormatError(f"{file} must hold at least one structure, got an empty file")


def _lines(file: Path) -> Iterator[str]:
    """Yield the lines of a text file, compressed or not."""
    try:
        with opener(file)(file, "rt", encoding="utf-8-sig") as stream:
            yield from stream
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{file} must be text, got other bytes: {error}") from error
    except _BROKEN_COMPRESSION as error:
        raise FileFormatError(
            f"{file} must be a complete {file.suffix} file: {error}; copy it again"
        ) from error


def _stream_cfg(file: Path, selection: slice, elements: Sequence[str] | None) -> Iterator[Atoms]:
    images = stream_cfg(_lines(file), str(file), elements)
    ends = (selection.start, selection.stop, selection.step)
    if all(end is None or end >= 0 for end in ends):
        yield from islice(images, *ends)
    else:  # what is counted from the end is held
        yield from list(images)[selection]


def _stream_any(file: Path, selection: slice, trust_pickle: bool) -> Iterator[Atoms]:
    if file.stat().st_size == 0:
        raise FileFormatError(f"{file} must hold at least one structure, got an empty file")
    own = format_of_file(file)
    try:
        if own is not None:
            yield from _selected(own, file, selection, trust_pickle)
            return
        yield from ase.io.iread(file, index=selection, do_not_split_by_at_sign=True)
    except UnknownFileTypeError as error:
        raise FileFormatError(
            f"{file} must be in a format that ASE reads, got an unknown one; "
            "convert it to extended XYZ (.extxyz)"
        ) from error
    except (InputError, OSError):
        raise
    except Exception as error:  # each of ASE's readers raises its own kinds
        reason = f"{type(error).__name__}: {error}"
        raise FileFormatError(f"{file} cannot be read: {reason}") from error


def _selected(own: StructureFormat, file: Path, selection: slice, trusted: bool) -> Iterator[Atoms]:
    ends = (selection.start, selection.stop, selection.step)
    if all(end is None or end >= 0 for end in ends):
        yield from islice(own.stream(file, trusted), *ends)
    else:  # what is counted from the end is held
        yield from list(own.stream(file, trusted))[selection]
