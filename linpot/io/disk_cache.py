"""Results of calculators in a folder, one small file each."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linpot.errors import FileFormatError, InputError
from linpot.io.atomic import write_atomically

_CHECK_EVERY = 64


class DiskCache:
    """
    A folder of ``<key>.npz`` files, without pickles; those written first go first.

    Several processes may share it: files appear whole or not at all.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    max_megabytes : float
        Looked at once in 64 writes.
    """

    def __init__(self, folder: str | os.PathLike[str], max_megabytes: float = 1000.0) -> None:
        self.folder = Path(folder)
        self.max_bytes = int(1e6 * max_megabytes)
        self._writes = 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder '{folder}': {error.strerror}") from error

    def get(self, key: str) -> Mapping[str, NDArray[np.float64]] | None:
        """
        Return what was put under a key, or None.

        Raises
        ------
        FileFormatError
            If its file is damaged.
        """
        path = self._path(key)
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {name: np.asarray(arrays[name], dtype=np.float64) for name in arrays.files}
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise FileFormatError(
                f"cannot read '{path}' of the cache: {error}; delete the file"
            ) from error

    def put(self, key: str, arrays: Mapping[str, NDArray[np.float64]]) -> None:
        """Write arrays under a key; old ones may go."""

        def write(temporary: Path) -> None:
            with open(temporary, "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]

        write_atomically(self._path(key), write, overwrite=True)
        if self._writes % _CHECK_EVERY == 0:
            self._shrink()
        self._writes += 1

    def _path(self, key: str) -> Path:
        if not key.isalnum():
            raise InputError(f"keys of a cache must be letters and digits, got {key!r}")
        return self.folder / f"{key}.npz"

    def _shrink(self) -> None:
        """Delete the oldest files beyond the limit; others may do the same meanwhile."""
        found = []
        for path in self.folder.glob("*.npz"):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            found.append((status.st_mtime_ns, path.name, status.st_size, path))
        total = sum(size for _, _, size, _ in found)
        for _, _, size, path in sorted(found):
            if total <= self.max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= size
