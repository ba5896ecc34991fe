"""What option values of `linpot data` mean."""

from __future__ import annotations

from typing import Any

from linpot.cli.parsing import parse_number, split_pairs
from linpot.errors import InputError

_MOST = 10_000_000


def parse_words(name: str, value: Any) -> list[str]:
    """Return names between commas."""
    words = [word.strip() for word in str(value).split(",")]
    if not all(words):
        raise InputError(f"`{name}` must be names between commas, got {value!r}")
    return words


def parse_places(name: str, value: Any) -> set[int]:
    """Return places of structures like ``3,7:12``, the end of a range excluded."""
    places: set[int] = set()
    for entry in parse_words(name, value):
        ends = entry.split(":")
        if len(ends) > 2 or not all(end.isdecimal() for end in ends):
            raise InputError(f"`{name}` must be places like '3,7:12', got {value!r}")
        first, last = int(ends[0]), int(ends[-1]) + (len(ends) == 1)
        if last <= first or last > _MOST:
            raise InputError(f"`{name}` must be ascending ranges like '7:12', got {entry!r}")
        places.update(range(first, last))
    return places


def parse_symbols(name: str, value: Any) -> dict[str, float]:
    """Return a number per element, ``Si=-158.5,O=-2041.3``."""
    pairs = split_pairs(name, value, "Si=-158.5,O=-2041.3")
    return {symbol: parse_number(f"{name}[{symbol!r}]", number) for symbol, number in pairs}


def parse_parts(name: str, value: Any) -> dict[str, float]:
    """Return a share per part, ``train=0.8,test=0.2``."""
    pairs = split_pairs(name, value, "train=0.8,test=0.2")
    for part, _ in pairs:
        if "/" in part:
            raise InputError(f"`{name}` must be names without '/', got {part!r}")
    return {part: parse_number(f"{name}[{part!r}]", share) for part, share in pairs}
