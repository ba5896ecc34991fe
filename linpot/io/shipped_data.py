"""Data that come with the package."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from linpot.errors import InputError


def shipped_silicon() -> tuple[Path, Path]:
    """
    Return the paths of the silicon data for training and for testing.

    Raises
    ------
    InputError
        If the installation lacks them.
    """
    folder = Path(str(files("linpot") / "io" / "shipped"))
    train, test = folder / "silicon_train.extxyz", folder / "silicon_test.extxyz"
    for path in (train, test):
        if not path.is_file():
            raise InputError(f"this installation lacks '{path}'; install linpot again")
    return train, test


def shipped_table(name: str) -> dict[str, Any]:
    """
    Return a table that comes with the package.

    Parameters
    ----------
    name : str
        Of the file.

    Raises
    ------
    InputError
        If the installation lacks it.
    """
    path = Path(str(files("linpot") / "io" / "shipped")) / name
    if not path.is_file():
        raise InputError(f"this installation lacks '{path}'; install linpot again")
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table
