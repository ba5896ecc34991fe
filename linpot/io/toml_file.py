"""Settings from TOML files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from linpot.errors import FileFormatError, InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """
    Read a TOML file.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If the file cannot be read.
    FileFormatError
        If it is not TOML; the message names line and column.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} must be text, got other bytes: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"{path} must be a TOML file: {error}") from error
