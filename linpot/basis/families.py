"""The families of basis functions: what users choose, how each is specified, and built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar, Protocol, runtime_checkable

from linpot.basis.ace import build_ace
from linpot.basis.basis import Basis, Specification
from linpot.basis.mtp import Mtp, MtpSpecification, build_mtp
from linpot.basis.radial import RadialParameters
from linpot.basis.snap import Snap, SnapSpecification, build_snap
from linpot.basis.soap import Soap, SoapSpecification, build_soap
from linpot.basis.specification import BasisSpecification
from linpot.errors import FileFormatError, InputError

Pair = tuple[str, str]


@runtime_checkable
class Family(Protocol):
    """
    The choices of a user that are special to a family; a frozen dataclass of plain values.

    Attributes
    ----------
    name : str
        That of the specification's `family`.
    """

    name: ClassVar[str]

    def specify(
        self, elements: tuple[str, ...], radial: Mapping[Pair, RadialParameters]
    ) -> Specification:
        """
        Return the specification, given cutoffs and inner switches of all pairs.

        Raises
        ------
        InputError
            If the choices do not suit the elements.
        """


@dataclass(frozen=True)
class _Entry:
    """
    A family.

    Attributes
    ----------
    specification : class of Specification
    build : callable
        Takes a specification and returns a `Basis`.
    choices : class of Family, optional
        None for ACE, whose choices are those of every fit.
    """

    specification: type[Any]
    build: Callable[[Any], Basis]
    choices: type[Any] | None = None


_FAMILIES = {
    entry.specification.family: entry
    for entry in (
        _Entry(BasisSpecification, build_ace),
        _Entry(SoapSpecification, build_soap, Soap),
        _Entry(MtpSpecification, build_mtp, Mtp),
        _Entry(SnapSpecification, build_snap, Snap),
    )
}

FAMILIES = tuple(_FAMILIES)
"""Names of all families."""


def parse_family(family: str | Family) -> Family | None:
    """
    Read what a user writes.

    Parameters
    ----------
    family : str or Family
        ``"snap"``, ``"snap:twojmax=6,quadratic"``, or the choices themselves.

    Returns
    -------
    Family or None
        None for ACE.

    Raises
    ------
    InputError
        If there is no such family, or choice.
    """
    if not isinstance(family, str):
        if not isinstance(family, Family):
            raise InputError(f"`family` must be one of {', '.join(FAMILIES)}, got {family!r}")
        return family
    name, _, text = family.partition(":")
    if name not in _FAMILIES:
        raise InputError(f"`family` must be one of {', '.join(FAMILIES)}, got {name!r}")
    choices = _FAMILIES[name].choices
    if choices is None:
        if text:
            raise InputError(f"`family` {name!r} has no choices of its own, got {text!r}")
        return None
    defaults = plain_choices(name)
    values: dict[str, Any] = {}
    for word in filter(None, text.split(",")):
        key, _, value = (part.strip() for part in word.partition("="))
        if key not in defaults:
            in_python = key in {f.name for f in fields(choices)}
            raise InputError(
                f"choice {key!r} of `family` {name!r} can only be given in Python: "
                f"{choices.__name__}({key}=...)"
                if in_python
                else f"`family` {name!r} has no choice {key!r} ({', '.join(defaults)})"
            )
        if key in values:
            raise InputError(f"`{name}:{key}` must be given once, got {text!r}")
        values[key] = _read(f"{name}:{key}", value, type(defaults[key]))
    chosen: Family = choices(**values)
    return chosen


def plain_choices(name: str) -> dict[str, Any]:
    """Return the choices of a family that a text can give, with their defaults."""
    choices = _FAMILIES[name].choices
    if choices is None:
        return {}
    return {f.name: f.default for f in fields(choices) if isinstance(f.default, int | float)}


def _read(name: str, text: str, kind: type[Any]) -> Any:
    """Read a plain value; a word alone means true."""
    if kind is bool:
        if text not in ("", "true", "false"):
            raise InputError(f"`{name}` must be true or false, got {text!r}")
        return text != "false"
    try:
        return kind(text)
    except ValueError as error:
        what = {int: "a whole number", float: "a number"}.get(kind, "a word")
        raise InputError(f"`{name}` must be {what}, got {text!r}") from error


def build_basis(specification: Specification) -> Basis:
    """
    Generate the basis of a specification; repeated calls return the same object.

    Parameters
    ----------
    specification : Specification
        Of any family.

    Returns
    -------
    Basis

    Raises
    ------
    InputError
        If the number of functions asked for cannot be met.
    """
    return _build(_Key(specification))


def specification_from(family: str, values: Mapping[str, Any]) -> Specification:
    """
    Rebuild a specification from a file's header.

    Raises
    ------
    FileFormatError
        If there is no such family.
    """
    if family not in _FAMILIES:
        raise FileFormatError(
            f"family {family!r} is not known to this version (known: {', '.join(FAMILIES)}); "
            "the file may need a newer linpot"
        )
    specification: Specification = _FAMILIES[family].specification.from_dict(values)
    return specification


class _Key:
    """Makes a specification hashable by its content."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        self._text = f"{specification.family} {specification.as_dict()!r}"

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._text == other._text


@lru_cache(maxsize=16)
def _build(key: _Key) -> Basis:
    return _FAMILIES[key.specification.family].build(key.specification)
