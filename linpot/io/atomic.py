"""Writing files all or nothing: a reader sees the old file or the complete new one."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from linpot.errors import InputError


def check_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """
    Check that `path` can be written, before the work that leads there.

    Parameters
    ----------
    path : path
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        Where the file will lie; symbolic links are followed.

    Raises
    ------
    InputError
        If the folder is missing or read-only, if `path` is no regular file, or if it exists and
        `overwrite` is False.
    """
    try:
        target = Path(path).resolve()
        if not target.parent.is_dir():
            raise InputError(
                f"cannot write '{path}': there is no folder '{target.parent}'; create it first"
            )
        if target.exists() and not target.is_file():
            raise InputError(f"cannot write '{path}': it is a folder or a device, not a file")
        if target.exists() and not overwrite:
            raise InputError(
                f"cannot write '{path}': the file exists; choose another name, or pass "
                "overwrite=True (--overwrite)"
            )
    except (OSError, RuntimeError, ValueError) as error:  # names too long, link loops, NUL
        if isinstance(error, InputError):
            raise
        raise _unwritable(path, error) from error
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write '{path}': folder '{target.parent}' is read-only")
    return target


def write_atomically(
    path: str | os.PathLike[str], writer: Callable[[Path], None], *, overwrite: bool = False
) -> None:
    """
    Write a file under a temporary name in the same folder, then move it to `path`.

    Whatever happens (an exception, an interrupt), `path` is either untouched or complete, and no
    temporary file stays behind.

    Parameters
    ----------
    path : path
    writer : callable
        Called with the temporary path, which ends with the name of `path`, so that formats and
        compression can be told from it; must create that file.
    overwrite : bool

    Raises
    ------
    InputError
        If the file exists and `overwrite` is False, or if the system refuses to write.
    """
    target = check_output(path, overwrite=overwrite)
    temporary = target.with_name(f".{secrets.token_hex(4)}-{target.name}")
    try:
        writer(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if target.exists():
            check_output(path, overwrite=overwrite)  # it may have appeared meanwhile
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _unwritable(path: str | os.PathLike[str], error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(f"cannot write '{path}': {reason}; choose another place, or free this one")
