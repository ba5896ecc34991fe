"""What a user says about a basis; everything else follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, ClassVar

from ase.data import atomic_numbers, chemical_symbols

from linpot import checks
from linpot.basis.mixing import Mixing
from linpot.basis.radial import RadialParameters
from linpot.errors import InputError

MAX_BODY_ORDER = 7
DEGREE_OFFSETS = (0.0, 0.0, 2.5, 5.0, 7.5, 10.0)
"""Added to the degree of body orders 2, 3, ...: high orders get few functions."""

Degrees = float | Sequence[float]


@dataclass(frozen=True)
class BasisSpecification:
    """
    An ACE basis in the user's terms.

    The degree of a function is ``sum(n + angular_weight * l)`` over its factors, n and l from 0.
    Functions of body order b are kept while ``degree + degree_offsets[b - 2] <= level``; for pairs
    (b = 2) n counts `pair_weight` instead of 1, so that the pair block has more polynomials.
    Either `max_degree` gives the limits directly, or `n_functions` asks for a number of functions
    per centre species and the level is found.

    Attributes
    ----------
    elements : tuple of str
        Chemical symbols, in the order of their atomic numbers.
    radial : mapping of (str, str) to RadialParameters
        One entry per unordered pair, the lighter element first.
    body_order : int
        2 .. 7.
    n_functions : int or mapping of str to int, optional
        Per centre species, E0 excluded; met within 3 %.
    max_degree : float, sequence or mapping of str to those, optional
        Largest degree: one number, or one per body order from 2 on; a mapping by centre species.
    angular_weight : float
    pair_weight : float
    degree_offsets : tuple of float
        One per body order from 2 on.
    l_max : int
        Largest angular momentum of any factor.
    mixing : Mixing, optional
        Functions of higher body orders of mixed species.

    Raises
    ------
    InputError
        If a value is out of range, a pair is missing, or not exactly one of `n_functions` and
        `max_degree` is given.
    """

    family: ClassVar[str] = "ace"

    elements: tuple[str, ...]
    radial: Mapping[tuple[str, str], RadialParameters]
    body_order: int = 5
    n_functions: int | Mapping[str, int] | None = None
    max_degree: Degrees | Mapping[str, Degrees] | None = None
    angular_weight: float = 0.8
    pair_weight: float = 0.7
    degree_offsets: tuple[float, ...] = DEGREE_OFFSETS
    l_max: int = 12
    mixing: Mixing | None = None

    def __post_init__(self) -> None:
        checks.integer("body_order", self.body_order, low=2, high=MAX_BODY_ORDER)
        checks.integer("l_max", self.l_max, low=0, high=30)
        checks.positive("angular_weight", self.angular_weight)
        checks.positive("pair_weight", self.pair_weight)
        object.__setattr__(self, "elements", check_elements(self.elements))
        object.__setattr__(self, "radial", dict(self.radial))
        missing = [pair for pair in self.pairs() if pair not in self.radial]
        if missing:
            raise InputError(f"`radial` must have every pair of elements, {missing[0]} is missing")
        if (self.n_functions is None) == (self.max_degree is None):
            raise InputError("exactly one of `n_functions` and `max_degree` must be given")
        if len(self.degree_offsets) < self.body_order - 1:
            raise InputError(
                f"`degree_offsets` must have {self.body_order - 1} values for body order "
                f"{self.body_order}, got {len(self.degree_offsets)}"
            )
        for symbol in self.elements:
            self.functions_of(symbol)
            self.degrees_of(symbol)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements, ascending."""
        return tuple(atomic_numbers[s] for s in self.elements)

    @property
    def cutoff(self) -> float:
        """Largest cutoff of any pair, A."""
        return max(self.radial[pair].cutoff for pair in self.pairs())

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the unordered pairs of elements, the lighter one first."""
        return combinations_with_replacement(self.elements, 2)

    def radial_of(self, a: str, b: str) -> RadialParameters:
        """Return the radial parameters of a pair in either order."""
        pair = (a, b) if atomic_numbers[a] <= atomic_numbers[b] else (b, a)
        return self.radial[pair]

    def species_of(self, order: int) -> range:
        """Return the species of the factors of a correlation order; mixtures count from there."""
        n = len(self.elements)
        if self.mixing is None or order + 1 < self.mixing.from_body_order:
            return range(n)
        return range(n, n + self.mixing.n_mixtures)

    def cost_of(self, species: int) -> float:
        """Return the degrees that a factor of a species or mixture has before its n and l."""
        return self.mixing.cost if self.mixing and species > len(self.elements) else 0.0

    def range_of(self, a: str, b: str) -> tuple[float, float, float]:
        """Return cutoff, start and end of the inner switch of a pair, A; 0, 0 for no switch."""
        radial = self.radial_of(a, b)
        return radial.cutoff, radial.taper_start, radial.taper_end

    @property
    def continuity(self) -> int:
        """How many times energies are continuously differentiable at cutoffs and inner switches."""
        return 2

    def functions_of(self, symbol: str) -> int | None:
        """Return how many functions are asked for on a centre species, or None."""
        wanted = _for_element("n_functions", self.n_functions, symbol)
        return None if wanted is None else checks.integer("n_functions", wanted, low=1)

    def degrees_of(self, symbol: str) -> tuple[float, ...] | None:
        """Return the largest degree for body orders 2 .. `body_order`, or None."""
        limits = _for_element("max_degree", self.max_degree, symbol)
        if limits is None:
            return None
        if isinstance(limits, int | float):
            limits = [limits] * (self.body_order - 1)
        if len(limits) != self.body_order - 1:
            raise InputError(
                f"`max_degree` must be one number or {self.body_order - 1} (body orders 2 to "
                f"{self.body_order}), got {list(limits)}"
            )
        return tuple(checks.non_negative("max_degree", d) for d in limits)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a file's header."""
        return {
            "elements": list(self.elements),
            "radial": {
                f"{a}-{b}": [float(v) for v in self.radial[a, b].as_row()] for a, b in self.pairs()
            },
            "body_order": self.body_order,
            "n_functions": _plain(self.n_functions),
            "max_degree": _plain(self.max_degree),
            "angular_weight": self.angular_weight,
            "pair_weight": self.pair_weight,
            "degree_offsets": list(self.degree_offsets),
            "l_max": self.l_max,
            **({} if self.mixing is None else {"mixing": self.mixing.as_dict()}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BasisSpecification:
        """Rebuild a specification from a file's header."""
        state = dict(values)
        state["elements"] = tuple(state["elements"])
        state["degree_offsets"] = tuple(state["degree_offsets"])
        state["radial"] = {
            tuple(pair.split("-")): RadialParameters(*row) for pair, row in state["radial"].items()
        }
        if "mixing" in state:
            state["mixing"] = Mixing(**state["mixing"])
        return cls(**state)


def check_elements(symbols: Sequence[str]) -> tuple[str, ...]:
    """
    Return elements once each, by atomic number.

    Raises
    ------
    InputError
        If there are none, or one is not a chemical symbol.
    """
    for symbol in symbols:
        if symbol not in atomic_numbers or atomic_numbers[symbol] == 0:
            raise InputError(f"`elements` must be chemical symbols, got {symbol!r}")
    if not symbols:
        raise InputError("`elements` must name at least one element, got none")
    return tuple(sorted(set(symbols), key=atomic_numbers.__getitem__))


def pair_name(a: str, b: str) -> tuple[str, str]:
    """Return a pair of symbols, the lighter element first."""
    return (a, b) if atomic_numbers[a] <= atomic_numbers[b] else (b, a)


def symbols_of(numbers: Sequence[int]) -> tuple[str, ...]:
    """Return the chemical symbols of atomic numbers."""
    return tuple(chemical_symbols[int(z)] for z in numbers)


def _for_element(name: str, value: Any, symbol: str) -> Any:
    if isinstance(value, Mapping):
        if symbol not in value:
            raise InputError(f"`{name}` must name every element, {symbol!r} is missing")
        return value[symbol]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(value)
    return value
