"""
Read the text of ``.mtp`` files of MLIP-2, version 1.1.0.

Lines are ``name = value``; values in braces are lists. Behind the coefficients a file may have the
state of active learning (from ``#MVS`` on, binary), which is not looked at.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from linpot.errors import FileFormatError
from linpot.mlip.document import MAX_RADIAL, MtpDocument

STATE = "#MVS"
"""What follows it belongs to active learning."""

_VERSION = "1.1.0"
_BASIS = "RBChebyshev"
_NAME = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)")
_PAIR = re.compile(r"(\d+)\s*-\s*(\d+)")
_MAX_SPECIES = 118

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def is_mtp(text: str) -> bool:
    """Return whether a text is of a moment tensor potential: its first line is ``MTP``."""
    return text.lstrip().split("\n", 1)[0].strip() == "MTP"


def parse_mtp(text: str, name: str = "the text") -> MtpDocument:
    """
    Read a document.

    Parameters
    ----------
    text : str
    name : str
        How messages call the file.

    Returns
    -------
    MtpDocument

    Raises
    ------
    FileFormatError
        If anything is missing, not a number or out of range, for another version or another
        radial basis, and for potentials without coefficients; the message names the line.
    """
    try:
        if not is_mtp(text):
            raise FileFormatError("its first line must be 'MTP'")
        return _document(_Values(text.split(STATE, 1)[0]))
    except FileFormatError as error:
        raise FileFormatError(f"cannot read '{name}': {error}") from error


class _Values:
    """The values of a file by name, with their lines."""

    def __init__(self, text: str) -> None:
        self._found: dict[str, tuple[int, str]] = {}
        self.radial: list[tuple[int, str]] = []  # lines under radial_coeffs
        in_radial = False
        for number, line in enumerate(text.splitlines(), start=1):
            content = line.strip()
            match = _NAME.fullmatch(content)
            if match:
                in_radial = False
                key, value = match.groups()
                if key in self._found:
                    raise FileFormatError(f"line {number}: `{key}` must stand in the file once")
                self._found[key] = number, value
            elif content == "radial_coeffs":
                in_radial = True
            elif in_radial and content:
                self.radial.append((number, content))
            elif content and number > 1:
                raise FileFormatError(
                    f"line {number}: expected 'name = value', got {content[:40]!r}"
                )

    def has(self, key: str) -> bool:
        return key in self._found

    def text(self, key: str) -> str:
        if key not in self._found:
            raise FileFormatError(f"it has no `{key}`")
        return self._found[key][1]

    def number(self, key: str) -> float:
        return float(self.floats(key, (1,))[0])

    def count(self, key: str, high: int) -> int:
        value = int(self.ints(key, (1,))[0])
        if not 0 < value <= high:
            raise FileFormatError(self._at(key, f"must be from 1 to {high}, got {value}"))
        return value

    def ints(self, key: str, shape: tuple[int, ...]) -> Ints:
        return self._array(key, shape, np.int64)

    def floats(self, key: str, shape: tuple[int, ...]) -> Floats:
        return self._array(key, shape, np.float64)

    def _array(self, key: str, shape: tuple[int, ...], kind: type) -> NDArray:
        words = numbers_of(self.text(key))
        if len(words) != int(np.prod(shape)):
            wanted = " x ".join(map(str, shape))
            raise FileFormatError(self._at(key, f"must have {wanted} numbers, got {len(words)}"))
        try:
            return np.array([kind(w) for w in words], dtype=kind).reshape(shape)
        except (ValueError, OverflowError) as error:
            raise FileFormatError(self._at(key, f"must hold numbers: {error}")) from error

    def _at(self, key: str, rule: str) -> str:
        return f"line {self._found[key][0]}: `{key}` {rule}"


def numbers_of(text: str) -> list[str]:
    """Return the words of a list in braces."""
    return re.sub(r"[{},]", " ", text).split()


def _document(values: _Values) -> MtpDocument:
    for key, wanted in (("version", _VERSION), ("radial_basis_type", _BASIS)):
        if values.text(key) != wanted:
            raise FileFormatError(f"`{key}` must be {wanted}, got {values.text(key)!r}")
    if not values.has("moment_coeffs"):
        raise FileFormatError("it has no `moment_coeffs`: the potential is not fitted")
    n_species = values.count("species_count", _MAX_SPECIES)
    n_polynomials = values.count("radial_basis_size", MAX_RADIAL)
    n_radial = values.count("radial_funcs_count", MAX_RADIAL)
    n_basic = values.count("alpha_index_basic_count", 10**6)
    n_times = int(values.ints("alpha_index_times_count", (1,))[0])
    n_functions = values.count("alpha_scalar_moments", 10**6)
    return MtpDocument(
        n_species=n_species,
        scaling=values.number("scaling") if values.has("scaling") else 1.0,
        nearest=values.number("min_dist"),
        cutoff=values.number("max_dist"),
        radial_coefficients=_radial(values.radial, n_species, n_radial, n_polynomials),
        basic=values.ints("alpha_index_basic", (n_basic, 4)),
        times=values.ints("alpha_index_times", (n_times, 4)),
        n_nodes=values.count("alpha_moments_count", 10**6),
        mapping=values.ints("alpha_moment_mapping", (n_functions,)),
        species_coefficients=values.floats("species_coeffs", (n_species,)),
        moment_coefficients=values.floats("moment_coeffs", (n_functions,)),
    )


def _radial(
    lines: list[tuple[int, str]], n_species: int, n_radial: int, n_polynomials: int
) -> Floats:
    """Read blocks of a pair of types and a row for every radial function."""
    table = np.full((n_species, n_species, n_radial, n_polynomials), np.nan)
    pair, row = None, n_radial
    for number, content in lines:
        match = _PAIR.fullmatch(content)
        if match:
            _refuse_incomplete(number, row, n_radial)
            pair, row = (int(match[1]), int(match[2])), 0
            if max(pair) >= n_species:
                raise FileFormatError(
                    f"line {number}: types must be below {n_species}, got {content}"
                )
            continue
        words = numbers_of(content)
        if pair is None or row == n_radial or len(words) != n_polynomials:
            raise FileFormatError(
                f"line {number}: expected a pair of types and under it {n_radial} rows of "
                f"{n_polynomials} radial coefficients, got {content[:40]!r}"
            )
        try:
            table[(*pair, row)] = [float(word) for word in words]
        except ValueError as error:
            raise FileFormatError(f"line {number}: {error}") from error
        row += 1
    _refuse_incomplete(lines[-1][0] if lines else 0, row, n_radial)
    missing = np.argwhere(np.isnan(table).any(axis=(2, 3)))
    if len(missing):
        raise FileFormatError(
            f"`radial_coeffs` must have every pair of types, {missing[0][0]}-{missing[0][1]} is "
            "missing"
        )
    return table


def _refuse_incomplete(number: int, row: int, n_radial: int) -> None:
    if row != n_radial:
        raise FileFormatError(
            f"line {number}: `radial_coeffs` must have {n_radial} rows for every pair of types, "
            f"got {row}"
        )
