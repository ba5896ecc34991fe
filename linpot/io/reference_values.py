"""Reference values of properties: shipped for elements, or given in a TOML or JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from linpot.checks import finite_array
from linpot.errors import FileFormatError, InputError
from linpot.io.toml_file import read_toml

_EXAMPLE = 'C11 = { value = 165.7, source = "H. J. McSkimin 1953" }'


@dataclass(frozen=True)
class Reference:
    """
    What a property should be.

    Attributes
    ----------
    value : float
        In the unit of the property.
    source : str
    """

    value: float
    source: str


def read_references(path: str | os.PathLike[str]) -> dict[str, Reference]:
    """
    Read reference values by name of their quantity.

    Parameters
    ----------
    path : path
        TOML or JSON (by its ending): a number per name, or a table with `value` and `source`. A
        file that `linpot validate --json` has written is one, too: its quantities are taken.

    Returns
    -------
    dict of str to Reference

    Raises
    ------
    InputError
        If the file cannot be read.
    FileFormatError
        If an entry is no number.
    """
    if Path(path).suffix == ".json":
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
        except ValueError as error:
            raise FileFormatError(f"{path} must be a JSON file: {error}") from error
    else:
        content = read_toml(path)
    if not isinstance(content, Mapping):
        raise FileFormatError(f"{path} must hold a table of names, got {type(content).__name__}")
    quantities = content.get("quantities")
    return _references(quantities if isinstance(quantities, Mapping) else content, str(path))


def shipped_references(symbol: str) -> tuple[dict[str, Reference], float | None]:
    """
    Return reference values of an element, and its melting temperature.

    Parameters
    ----------
    symbol : str

    Returns
    -------
    dict of str to Reference
        Empty where nothing is shipped.
    float or None, K
    """
    content = read_toml(Path(str(files("linpot") / "io" / "shipped" / "elements.toml")))
    own = dict(content.get(symbol, {}))
    melting = own.pop("melting temperature", None)
    return _references(own, "the shipped elements"), None if melting is None else melting["value"]


def _references(content: Mapping[str, Any], path: str) -> dict[str, Reference]:
    found = {}
    for name, entry in content.items():
        value, source = entry, path
        if isinstance(entry, Mapping):
            value, source = entry.get("value"), str(entry.get("source", path))
        try:
            number = float(finite_array(name, value, []))
        except InputError as error:
            raise FileFormatError(
                f"{path}: {name} must be a number or like '{_EXAMPLE}', got {entry!r}"
            ) from error
        found[str(name)] = Reference(number, source)
    return found
