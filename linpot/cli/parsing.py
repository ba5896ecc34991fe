"""
What option values mean, written on the command line or in a TOML file.

Every parser takes text or the plain value of TOML and returns what `FitSettings` takes. Ranges are
checked there, so that both ways and Python complain alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from linpot import checks
from linpot.basis.families import parse_family
from linpot.basis.mixing import Mixing
from linpot.basis.specification import check_elements
from linpot.charges.catalogue import parse_charges
from linpot.errors import InputError
from linpot.fitting.catalogue import SOLVERS
from linpot.fitting.reference_energies import RULES
from linpot.fitting.ridge import PENALTY_RULES
from linpot.fitting.weights import PROPERTIES, Weights
from linpot.workflow.baseline import parse_baseline

Parser = Callable[[str, Any], Any]


class Value(click.ParamType):
    """
    A type of option.

    Parameters
    ----------
    metavar : str
        How the help calls the value.
    parse : callable
        Takes the name of the setting and the value.
    """

    def __init__(self, metavar: str, parse: Parser) -> None:
        self.name = metavar
        self._parse = parse

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return how the help calls the value."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the value; called by click."""
        return self._parse(str(param.name) if param else self.name, value)


class PathValue(Value):
    """Text that shells complete as the name of a file."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leave it to the shell."""
        return [CompletionItem(incomplete, type="file")]


def parse_text(name: str, value: Any) -> str:
    """Return text; numbers of TOML are refused."""
    if not isinstance(value, str):
        raise InputError(f"`{name}` must be text, got {value!r}")
    return value


def parse_whole(name: str, value: Any) -> int:
    """Return a whole number."""
    return checks.integer(name, _read(int, value))


def parse_number(name: str, value: Any) -> float:
    """Return a number."""
    number = _read(float, value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InputError(f"`{name}` must be a number, got {value!r}")
    return number


def parse_symbols(name: str, value: Any) -> tuple[str, ...]:
    """Return chemical symbols in the order given: ``Nb,Mo,Ta``."""
    symbols = tuple(word.strip() for word in parse_text(name, value).split(","))
    check_elements(symbols)
    return symbols


def parse_family_name(name: str, value: Any) -> str:
    """Return the name of a family with its choices, checked."""
    text = parse_text(name, value)
    parse_family(text)
    return text


def parse_range(name: str, value: Any) -> tuple[float, float]:
    """Return two numbers, as in '4.0,4.8'."""
    words = value if isinstance(value, list | tuple) else str(value).split(",")
    if len(words) != 2:
        raise InputError(f"`{name}` must be two numbers like 4.0,4.8, got {value!r}")
    return parse_number(name, words[0]), parse_number(name, words[1])


def parse_mixing(name: str, value: Any) -> Mixing:
    """Return how species are mixed: number of mixtures, lowest body order, cost in degrees."""
    words = str(value).split(",")
    if len(words) > 3:
        raise InputError(f"`{name}` must be up to three numbers like 2,3,2.5, got {value!r}")
    return Mixing(
        parse_whole(name, words[0]),
        from_body_order=parse_whole(name, words[1]) if len(words) > 1 else 3,
        cost=parse_number(name, words[2]) if len(words) > 2 else 0.0,
    )


def parse_n_functions(name: str, value: Any) -> int | dict[str, int]:
    """Return a number of functions, or one per element."""
    if isinstance(value, Mapping) or "=" in str(value):
        return {
            s: parse_whole(f"{name}[{s!r}]", v) for s, v in split_pairs(name, value, "Si=300,O=200")
        }
    return parse_whole(name, value)


def parse_max_degree(name: str, value: Any) -> Any:
    """Return a degree, one per body order, or either of them per element."""
    if isinstance(value, str) and "=" not in value and "," in value:
        value = [entry.strip() for entry in value.split(",")]
    if isinstance(value, list):
        return [parse_number(name, entry) for entry in value]
    if isinstance(value, Mapping) or "=" in str(value):
        pairs = split_pairs(name, value, "Si=14,O=12")
        return {s: parse_max_degree(f"{name}[{s!r}]", v) for s, v in pairs}
    return parse_number(name, value)


def parse_cutoff(name: str, value: Any) -> float | dict[str, float]:
    """Return a cutoff, or one per named pair."""
    if isinstance(value, Mapping) or "=" in str(value):
        return {
            p: parse_number(f"{name}[{p!r}]", v) for p, v in split_pairs(name, value, "Si-O=5.0")
        }
    number = _read(float, value)
    if isinstance(number, str):
        raise InputError(
            f"`{name}` must be a length in A, or lengths of pairs like 'Si-O=5.0,O-O=4.5', "
            f"got {value!r}"
        )
    return checks.positive(name, number, "length in A")


def parse_e0(name: str, value: Any) -> str | dict[str, float]:
    """Return a rule, or a value per element."""
    if isinstance(value, Mapping) or "=" in str(value):
        return {
            s: parse_number(f"{name}[{s!r}]", v) for s, v in split_pairs(name, value, "Si=-0.8")
        }
    if value not in RULES:
        raise InputError(
            f"`{name}` must be one of {', '.join(RULES)} or energies in eV like 'Si=-0.8,O=-1.5', "
            f"got {value!r}"
        )
    return str(value)


def parse_solver(name: str, value: Any) -> str | float:
    """Return a rule for the penalty, the penalty, or the name of another solver."""
    allowed = (*PENALTY_RULES, *SOLVERS)
    if value in allowed:
        return str(value)
    number = _read(float, value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InputError(
            f"`{name}` must be one of {', '.join(allowed)} or the penalty of ridge "
            f"regression, a number, got {value!r}"
        )
    return checks.non_negative(name, number)


def checked_baseline(name: str, value: Any) -> Any:
    """Return the terms of a baseline as they are written, after reading them."""
    parse_baseline(value)
    return value


def checked_charges(name: str, value: Any) -> Any:
    """Return a rung of charges as it is written, after reading it."""
    parse_charges(value)
    return value


def parse_weights(name: str, value: Any) -> dict[str, Any]:
    """
    Return keywords of `Weights`: ``energy=100,liquid=0.5,surface.energy=2``.

    Properties set their weight; groups, and properties of groups, get factors.
    """
    flat: dict[str, float] = {}
    for key, entry in split_pairs(name, value, "energy=100,forces=1,liquid=0.5,surface.energy=2"):
        inner = entry if isinstance(entry, Mapping) else {"": entry}
        for part, number in inner.items():
            full = f"{key}.{part}" if part else key
            flat[full] = checks.non_negative(f"{name}[{full!r}]", _read(float, number))
    keywords: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    for key, number in flat.items():
        group, _, last = key.rpartition(".")
        if key in PROPERTIES:
            keywords[key] = number
        elif group and last in PROPERTIES:
            of_group = groups.setdefault(group, {})
            if not isinstance(of_group, dict):
                raise InputError(f"`{name}` must name group {group!r} as a whole or by property")
            of_group[last] = number
        elif key in groups:
            raise InputError(f"`{name}` must name group {key!r} as a whole or by property")
        else:
            groups[key] = number
    return {**keywords, "groups": groups}


def make_weights(
    keywords: Mapping[str, Any] | None, energy_window: float | None, force_cap: float | None
) -> Weights:
    """Return the weights of the three options about them."""
    return Weights(**(keywords or {}), energy_window=energy_window, force_cap=force_cap)


def _read(kind: type, value: Any) -> Any:
    """Text as a number where it is one; the checks refuse the rest as it was written."""
    if isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            return value
    return value


def split_pairs(name: str, value: Any, example: str) -> list[tuple[str, Any]]:
    """Split ``a=1,b=2``, or the table of a TOML file."""
    if isinstance(value, Mapping):
        return list(value.items())
    pairs: dict[str, Any] = {}
    for entry in str(value).split(","):
        key, equals, text = (part.strip() for part in entry.rpartition("="))
        if not equals or not key or not text:
            raise InputError(f"`{name}` must be like '{example}', got {value!r}")
        if key in pairs:
            raise InputError(f"`{name}` must name {key!r} once, got {value!r}")
        pairs[key] = text
    return list(pairs.items())
