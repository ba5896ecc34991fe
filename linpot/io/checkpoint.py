"""
Finished parts of a long fit in a folder, so that a killed one goes on where it was.

One ``.npz`` per chunk of structures: matrices and the rows behind each. Every file carries a
mark of what it was made from; the zip's own checksums tell damage.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.errors import FileFormatError, InputError
from linpot.io.atomic import write_atomically

Floats = NDArray[np.float64]
Part = tuple[tuple[str | None, str, int], Floats, int]
"""Key, matrix, number of rows behind it."""

_PATTERN = "chunk-{:06d}.npz"
_OF_OTHERS = (
    "`checkpoint` must be a folder of the same data and settings, but '{}' is of others; "
    "name another folder or delete this one"
)


class Checkpoint:
    """
    A folder of finished chunks.

    Parameters
    ----------
    folder : path
        Made if it is not there; its parent must be.
    n_columns : int
        Of every matrix.

    Raises
    ------
    InputError
        If the folder holds something else.
    """

    def __init__(self, folder: str | os.PathLike[str], n_columns: int) -> None:
        self._folder = Path(folder)
        self._n_columns = n_columns
        try:
            self._folder.mkdir(exist_ok=True)
            names = sorted(entry.name for entry in self._folder.iterdir())
        except OSError as error:
            raise InputError(
                f"`checkpoint` must be a folder that can be made, got '{folder}': {error.strerror}"
            ) from error
        strangers = [n for n in names if not (n.startswith(("chunk-", ".")) and n.endswith(".npz"))]
        if strangers:
            raise InputError(
                f"`checkpoint` must be an empty folder or one of an earlier fit, but '{folder}' "
                f"holds {strangers[0]!r}"
            )

    def has(self, index: int) -> bool:
        """Whether a chunk is finished."""
        return (self._folder / _PATTERN.format(index)).exists()

    def check(self, index: int, mark: str) -> None:
        """
        Check that a chunk, if it is finished, was made from what it should be.

        Raises
        ------
        FileFormatError
            If its file is damaged.
        InputError
            If it is of other data or settings.
        """
        path = self._folder / _PATTERN.format(index)
        if path.exists() and self._open(path, matrices=False)[0] != mark:
            raise InputError(_OF_OTHERS.format(path))

    def read(self, index: int) -> list[Part]:
        """
        Return what a finished chunk gave.

        Raises
        ------
        FileFormatError
            If its file is damaged.
        InputError
            If it is of other data or settings.
        """
        return self._open(self._folder / _PATTERN.format(index))[1]

    def write(self, index: int, mark: str, parts: list[Part]) -> None:
        """Store what a chunk gave, all or nothing."""
        header = {
            "mark": mark,
            "keys": [list(key) for key, _, _ in parts],
            "n_rows": [int(n) for _, _, n in parts],
        }
        arrays: dict[str, Any] = {f"matrix_{k}": matrix for k, (_, matrix, _) in enumerate(parts)}
        text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)

        def save(path: Path) -> None:
            np.savez(path, header=text, **arrays)

        write_atomically(self._folder / _PATTERN.format(index), save, overwrite=True)

    def _open(self, path: Path, *, matrices: bool = True) -> tuple[str, list[Part]]:
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                header: dict[str, Any] = json.loads(bytes(file["header"]))
                n_parts = len(header["keys"]) if matrices else 0
                found = [file[f"matrix_{k}"] for k in range(n_parts)]
            keys = [(key[0], str(key[1]), int(key[2])) for key in header["keys"][:n_parts]]
            counts = [int(n) for n in header["n_rows"][:n_parts]]
            mark = str(header["mark"])
            fits = all(
                m.ndim == 2 and m.dtype == np.float64 and np.isfinite(m).all() for m in found
            )
            if not fits or len(counts) != len(keys):
                raise ValueError("its arrays are not what they should be")
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            EOFError,
            zlib.error,
            zipfile.BadZipFile,
        ) as error:
            raise FileFormatError(
                f"checkpoint '{path}' is damaged ({error}); delete this file to make it again"
            ) from error
        if any(m.shape[1] != self._n_columns for m in found):
            raise InputError(_OF_OTHERS.format(path))
        return mark, list(zip(keys, found, counts, strict=True))
