"""Plain values as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linpot.io.atomic import write_atomically


def write_json(
    path: str | os.PathLike[str], values: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """
    Write plain values, all or nothing.

    Parameters
    ----------
    path : path
    values : mapping
        Of finite numbers, text, lists and mappings.
    overwrite : bool

    Raises
    ------
    InputError
        If the file exists and `overwrite` is False, or cannot be written.
    """
    text = json.dumps(values, indent=1, allow_nan=False) + "\n"

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write, overwrite=overwrite)
