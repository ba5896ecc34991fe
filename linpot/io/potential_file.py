"""
The potential file: a zip of ``header.json`` and ``.npy`` arrays.

Never a pickle: a hostile file can fail to load but cannot run code.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.errors import FileFormatError, InputError
from linpot.io.atomic import write_atomically
from linpot.model.protocol import EnergyModel
from linpot.model.registry import class_of_kind

FORMAT_VERSION = 1
_MAX_BYTES = 8 * 2**30  # unpacked; a potential of 100,000 functions takes about 100 MB
_MAX_HEADER = 64 * 2**20
_MAGIC = b"PK\x03\x04"  # of a zip
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal potentials make equal files


def save_potential(
    model: EnergyModel, path: str | os.PathLike[str], *, overwrite: bool = True
) -> None:
    """
    Write a model to one file.

    Parameters
    ----------
    model : EnergyModel
    path : path
        By custom it ends with ``.linpot``.
    overwrite : bool

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    state, arrays = model.to_state()
    header = {
        "format": "linpot potential",
        "format_version": FORMAT_VERSION,
        "units": {"energy": "eV", "length": "A", "stress": "eV/A^3", "charge": "e"},
        "model": {"kind": model.kind, **state},
    }
    text = json.dumps(header, indent=1, sort_keys=True, allow_nan=False)

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_entry("header.json"), text)
            for name in sorted(arrays):
                buffer = io.BytesIO()
                np.lib.format.write_array(
                    buffer, np.asarray(arrays[name], order="C"), allow_pickle=False
                )
                archive.writestr(_entry(f"{name}.npy"), buffer.getvalue())

    write_atomically(path, write, overwrite=overwrite)


def load_potential(path: str | os.PathLike[str]) -> EnergyModel:
    """
    Read a model from a file.

    Parameters
    ----------
    path : path

    Returns
    -------
    EnergyModel

    Raises
    ------
    InputError
        If there is no such file.
    FileFormatError
        If it is not a potential file, damaged, or of a newer format version.
    """
    if not Path(path).is_file():
        raise InputError(f"there is no potential file '{path}'; check the path")
    try:
        with zipfile.ZipFile(path) as archive:
            header = _read_header(archive, path)
            arrays = _read_arrays(archive)
        description = header["model"]
        return class_of_kind(description["kind"]).from_state(description, arrays)
    except FileFormatError as error:
        raise FileFormatError(f"cannot read potential '{path}': {error}") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        ValueError,
        NotImplementedError,
        OverflowError,
        RuntimeError,
    ) as error:
        raise FileFormatError(
            f"cannot read potential '{path}': not a linpot potential, or damaged "
            f"({type(error).__name__}: {error}); make it again or restore a copy"
        ) from error


def is_potential_file(path: str | os.PathLike[str]) -> bool:
    """
    Whether a file means to be a potential, by its first bytes or its name.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    return start == _MAGIC or Path(path).suffix == ".linpot"


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _read_header(archive: zipfile.ZipFile, path: str | os.PathLike[str]) -> dict[str, Any]:
    if "header.json" not in archive.namelist():
        raise FileFormatError("it has no header.json")
    if archive.getinfo("header.json").file_size > _MAX_HEADER:
        raise FileFormatError("its header is implausibly large")
    header = json.loads(archive.read("header.json"))
    if not isinstance(header, dict) or header.get("format") != "linpot potential":
        raise FileFormatError("its header is not that of a linpot potential")
    version = header.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION or version < 1:
        raise FileFormatError(
            f"its format version must be 1 to {FORMAT_VERSION}, got {version!r}; "
            "a newer linpot may read it"
        )
    return header


def _read_arrays(archive: zipfile.ZipFile) -> dict[str, NDArray]:
    if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
        raise FileFormatError(f"it unpacks to more than {_MAX_BYTES // 2**30} GiB")
    arrays = {}
    for name in archive.namelist():
        if name.endswith(".npy"):
            try:
                array = np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
            except (ValueError, MemoryError) as error:  # sizes may be claimed that nobody has
                raise FileFormatError(f"its array {name!r} cannot be read: {error}") from error
            if array.dtype.kind not in "fi":
                raise FileFormatError(f"its array {name!r} must hold numbers, got {array.dtype}")
            arrays[name[: -len(".npy")]] = array
    return arrays
