"""The two files of LAMMPS' ``pair_style snap``: coefficients and parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.basis.snap import MAX_TWOJMAX, RFAC0
from linpot.errors import FileFormatError

_FLAGS = (
    "switchflag",
    "bzeroflag",
    "quadraticflag",
    "chemflag",
    "bnormflag",
    "wselfallflag",
    "switchinnerflag",
)
_NUMBERS = ("rcutfac", "rfac0", "rmin0")
_PER_ELEMENT = ("sinner", "dinner")
_OF_KOKKOS = ("chunksize", "parallelthresh")  # how LAMMPS works, not what it computes


@dataclass(frozen=True)
class SnapParameters:
    """
    A ``.snapparam`` file; names and defaults are those of LAMMPS.

    Attributes
    ----------
    rcutfac : float
        Times the radii of two elements, their cutoff (A).
    twojmax : int
    rfac0 : float
    rmin0 : float, A
    sinner, dinner : tuple of float, A
        Middle and half width of the inner switch of each element.
    switchflag, bzeroflag, quadraticflag, chemflag, bnormflag, wselfallflag, switchinnerflag : bool
    """

    rcutfac: float
    twojmax: int
    rfac0: float = RFAC0
    rmin0: float = 0.0
    sinner: tuple[float, ...] = ()
    dinner: tuple[float, ...] = ()
    switchflag: bool = True
    bzeroflag: bool = True
    quadraticflag: bool = False
    chemflag: bool = False
    bnormflag: bool = False
    wselfallflag: bool = False
    switchinnerflag: bool = False


@dataclass(frozen=True)
class SnapCoefficients:
    """
    A ``.snapcoeff`` file.

    Attributes
    ----------
    elements : tuple of str
        In the order of the file.
    radii : tuple of float
    weights : tuple of float
    values : float64[n_elements, n_coefficients], eV
        The constant, linear coefficients, and the upper triangle of quadratic ones.
    """

    elements: tuple[str, ...]
    radii: tuple[float, ...]
    weights: tuple[float, ...]
    values: NDArray[np.float64] = field(repr=False)


def parse_snap_parameters(text: str, source: str) -> SnapParameters:
    """
    Read a ``.snapparam`` file.

    Parameters
    ----------
    text : str
    source : str
        Its name, for errors.

    Raises
    ------
    FileFormatError
        If a keyword is not known or missing, or a value has the wrong form.
    """
    found: dict[str, object] = {}
    for number, words in _lines(text):
        where, key, values = f"{source}, line {number}", words[0], words[1:]
        if key in found:
            raise FileFormatError(f"{where}: {key} must be given once")
        if key in _PER_ELEMENT:
            found[key] = tuple(_number(where, key, word) for word in values)
            continue
        if len(values) != 1:
            raise FileFormatError(f"{where}: {key} must have one value, got {len(values)}")
        if key in _FLAGS:
            if values[0] not in ("0", "1"):
                raise FileFormatError(f"{where}: {key} must be 0 or 1, got {values[0]!r}")
            found[key] = values[0] == "1"
        elif key in _NUMBERS:
            found[key] = _number(where, key, values[0])
        elif key == "twojmax":
            if not values[0].isdigit() or int(values[0]) > MAX_TWOJMAX:
                raise FileFormatError(
                    f"{where}: twojmax must be a whole number up to {MAX_TWOJMAX}, "
                    f"got {values[0]!r}"
                )
            found[key] = int(values[0])
        elif key not in _OF_KOKKOS:
            raise FileFormatError(f"{where}: keyword {key!r} is not known")
    for key in ("rcutfac", "twojmax"):
        if key not in found:
            raise FileFormatError(f"{source}: {key} is missing")
    return SnapParameters(**found)  # type: ignore[arg-type]


def parse_snap_coefficients(text: str, source: str) -> SnapCoefficients:
    """
    Read a ``.snapcoeff`` file.

    Parameters
    ----------
    text : str
    source : str
        Its name, for errors.

    Raises
    ------
    FileFormatError
        If it ends early or goes on, or a line has the wrong form.
    """
    lines = _lines(text)

    def following(what: str, count: int | None) -> tuple[str, list[str]]:
        for number, words in lines:
            where = f"{source}, line {number}"
            if count is not None and len(words) < count:
                raise FileFormatError(f"{where}: expected {what}, got {' '.join(words)!r}")
            return where, words
        raise FileFormatError(f"{source}: the file ends before {what}")

    where, words = following("the numbers of elements and of coefficients", 2)
    if not all(word.isdigit() and 0 < int(word) < 10**7 for word in words[:2]):
        raise FileFormatError(f"{where}: expected two numbers, got {' '.join(words)!r}")
    n_elements, n_coefficients = int(words[0]), int(words[1])
    elements, radii, weights = [], [], []
    values: list[list[float]] = []
    for _ in range(n_elements):
        where, words = following("an element, its radius and weight", 3)
        if words[0] not in atomic_numbers or words[0] in elements:
            raise FileFormatError(f"{where}: expected another element, got {words[0]!r}")
        elements.append(words[0])
        radii.append(_number(where, "radius", words[1]))
        weights.append(_number(where, "weight", words[2]))
        own = []
        for _ in range(n_coefficients):
            where, words = following(f"{n_coefficients} coefficients of {elements[-1]}", 1)
            own.append(_number(where, "coefficient", words[0]))
        values.append(own)
    for number, words in lines:
        raise FileFormatError(
            f"{source}, line {number}: expected the end of the file, got {' '.join(words)!r}"
        )
    return SnapCoefficients(tuple(elements), tuple(radii), tuple(weights), np.array(values))


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and words of all lines that say something."""
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words


def _number(where: str, name: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError as error:
        raise FileFormatError(f"{where}: {name} must be a number, got {word!r}") from error
    if not np.isfinite(value):
        raise FileFormatError(f"{where}: {name} must be finite, got {word!r}")
    return value
