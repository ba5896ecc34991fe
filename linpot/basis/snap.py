"""
SNAP: bispectrum components of the density around an atom on the sphere in four dimensions.

References
----------
Thompson et al., J. Comput. Phys. 285, 316 (2015); Wood and Thompson, J. Chem. Phys. 148, 241721
(2018) (products of two components); Cusentino et al., J. Phys. Chem. A 124, 5456 (2020) (densities
of each species).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any, ClassVar

import numpy as np
from ase.data import atomic_numbers

from linpot import checks
from linpot.basis.basis import Basis
from linpot.basis.bispectrum import bispectrum_program, bispectrum_triples, with_self_terms
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import check_elements, pair_name
from linpot.errors import InputError

Pair = tuple[str, str]

MAX_TWOJMAX = 16
RFAC0 = 0.99363
"""Of all published potentials: the farthest neighbor stays off the pole."""


@dataclass(frozen=True)
class SnapSpecification:
    """
    A SNAP basis; names of the flags are those of LAMMPS.

    Functions vanish for an isolated atom (`bzeroflag`), and components are divided by 2 j + 1
    (`bnormflag`): constants and scales that coefficients take up.

    Attributes
    ----------
    elements : tuple of str
        Chemical symbols, in the order of their atomic numbers.
    cutoffs : mapping of (str, str) to float, A
        One entry per unordered pair, the lighter element first.
    twojmax : int
        Twice the largest angular momentum.
    weights : mapping of str to float
        Of every element as a neighbor.
    rfac0 : float
        Share of pi that is the angle at the cutoff, 0 to 1.
    rmin0 : float, A
        Where the angle is 0.
    inner : mapping of (str, str) to (float, float), A
        Start and end of an inner switch (`switchinnerflag`); none for pairs without.
    chem : bool
        A density for each neighbor species (`chemflag`) instead of one for all.
    self_in_all : bool
        The centre counts in the densities of all species (`wselfallflag`), not its own only.
    quadratic : bool
        Products of two components as well (`quadraticflag`).

    Raises
    ------
    InputError
        If a value is out of range, or a pair or an element is missing.
    """

    family: ClassVar[str] = "snap"

    elements: tuple[str, ...]
    cutoffs: Mapping[Pair, float]
    twojmax: int = 8
    weights: Mapping[str, float] = field(default_factory=dict)
    rfac0: float = RFAC0
    rmin0: float = 0.0
    inner: Mapping[Pair, tuple[float, float]] = field(default_factory=dict)
    chem: bool = False
    self_in_all: bool = False
    quadratic: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", check_elements(self.elements))
        _check_sphere(self.twojmax, self.rfac0, self.rmin0)
        object.__setattr__(
            self, "weights", {s: float(self.weights.get(s, 1.0)) for s in self.elements}
        )
        checks.finite_array("weights", list(self.weights.values()), [None])
        for pair in self.pairs():
            if pair not in self.cutoffs:
                raise InputError(f"`cutoffs` must have every pair of elements, {pair} is missing")
            cutoff = checks.positive("cutoff", self.cutoffs[pair], "length in A")
            if self.rmin0 >= cutoff:
                raise InputError(f"`rmin0` must be below the cutoff {cutoff}, got {self.rmin0}")
            _, start, end = self.range_of(*pair)
            if end and not start < end:
                raise InputError(f"`inner` must ascend, got {start}, {end} for {pair}")

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements, ascending."""
        return tuple(atomic_numbers[s] for s in self.elements)

    @property
    def n_kinds(self) -> int:
        """Kinds of densities."""
        return len(self.elements) if self.chem else 1

    def pairs(self) -> Iterator[Pair]:
        """Yield the unordered pairs of elements, the lighter one first."""
        return combinations_with_replacement(self.elements, 2)

    def range_of(self, a: str, b: str) -> tuple[float, float, float]:
        """Return cutoff, start and end of the inner switch of a pair, A; 0, 0 for no switch."""
        pair = pair_name(a, b)
        return (self.cutoffs[pair], *self.inner.get(pair, (0.0, 0.0)))

    @property
    def continuity(self) -> int:
        """How many times energies are continuously differentiable: both switches are cosines."""
        return 1

    def functions_of(self, symbol: str) -> int:
        """Return how many functions a centre species has."""
        n = len(bispectrum_triples(self.twojmax, self.n_kinds))
        return n + n * (n + 1) // 2 if self.quadratic else n

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a file's header."""
        return {
            "elements": list(self.elements),
            "ranges": {f"{a}-{b}": list(self.range_of(a, b)) for a, b in self.pairs()},
            "twojmax": self.twojmax,
            "weights": dict(self.weights),
            "rfac0": self.rfac0,
            "rmin0": self.rmin0,
            "chem": self.chem,
            "self_in_all": self.self_in_all,
            "quadratic": self.quadratic,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SnapSpecification:
        """Rebuild a specification from a file's header."""
        state = dict(values)
        ranges = {tuple(pair.split("-")): row for pair, row in state.pop("ranges").items()}
        return cls(
            **{**state, "elements": tuple(state["elements"])},
            cutoffs={pair: row[0] for pair, row in ranges.items()},
            inner={pair: (row[1], row[2]) for pair, row in ranges.items() if row[2]},
        )


@dataclass(frozen=True)
class Snap:
    """
    The choices of a SNAP fit.

    Attributes
    ----------
    twojmax : int
        Twice the largest angular momentum: 6 makes 30 functions, 8 makes 55.
    quadratic : bool
        Products of two components as well.
    chem : bool
        A density for each neighbor species; else one for all, in which they have weights.
    self_in_all : bool
        With `chem`: the centre counts in the densities of all species.
    inner_switch : bool
        Functions vanish below the shortest distances of the data, where the repulsion rules.
    rfac0 : float
    rmin0 : float, A
    weights : mapping of str to float, optional
        Of neighbor species without `chem`. By default they are 1, 1/2, -1, -1/2, ..: alike for one
        element only.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    name: ClassVar[str] = "snap"

    twojmax: int = 8
    quadratic: bool = False
    chem: bool = False
    self_in_all: bool = False
    inner_switch: bool = True
    rfac0: float = RFAC0
    rmin0: float = 0.0
    weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        _check_sphere(self.twojmax, self.rfac0, self.rmin0)
        if self.self_in_all and not self.chem:
            raise InputError("`self_in_all` needs `chem`, a density for each species")

    def specify(
        self, elements: tuple[str, ...], radial: Mapping[Pair, RadialParameters]
    ) -> SnapSpecification:
        """Return the specification, given cutoffs and inner switches of all pairs."""
        weights = self.weights
        if weights is None:
            weights = dict.fromkeys(elements, 1.0)
            if not self.chem:
                weights = {s: (-1.0) ** (k // 2) / (1 + k % 2) for k, s in enumerate(elements)}
        unknown = [s for s in weights if s not in elements]
        if unknown:
            raise InputError(f"`weights` must name elements of the data, got {unknown[0]!r}")
        return SnapSpecification(
            elements,
            {pair: own.cutoff for pair, own in radial.items()},
            twojmax=self.twojmax,
            weights=weights,
            rfac0=self.rfac0,
            rmin0=self.rmin0,
            inner={
                pair: (own.taper_start, own.taper_end)
                for pair, own in radial.items()
                if self.inner_switch and own.taper_end
            },
            chem=self.chem,
            self_in_all=self.self_in_all,
            quadratic=self.quadratic,
        )


def _check_sphere(twojmax: int, rfac0: float, rmin0: float) -> None:
    checks.integer("twojmax", twojmax, low=0, high=MAX_TWOJMAX)
    checks.positive("rfac0", rfac0)
    checks.non_negative("rmin0", rmin0, "length in A")
    if rfac0 > 1.0:
        raise InputError(f"`rfac0` must be at most 1, got {rfac0}")


def build_snap(specification: SnapSpecification) -> Basis:
    """
    Generate the basis of a specification.

    Parameters
    ----------
    specification : SnapSpecification

    Returns
    -------
    Basis
    """
    elements, n_kinds = specification.elements, specification.n_kinds
    weights = [specification.weights[s] for s in elements]
    by_kind = [weights]
    if specification.chem:
        by_kind = [
            [w if z == kind else 0.0 for z, w in enumerate(weights)] for kind in range(n_kinds)
        ]
    bare = bispectrum_program(
        specification.twojmax, tuple(map(tuple, by_kind)), specification.quadratic
    )
    everywhere = specification.self_in_all or not specification.chem
    made = {}
    for z in range(len(elements)):
        own = tuple(range(n_kinds)) if everywhere else (z,)
        if own not in made:
            made[own] = with_self_terms(bare, specification.twojmax, own, n_kinds)
    programs = [made[tuple(range(n_kinds)) if everywhere else (z,)] for z in range(len(elements))]
    parameters = np.zeros((len(elements), len(elements), 6))
    for i, a in enumerate(elements):
        for j, b in enumerate(elements):
            cutoff, start, end = specification.range_of(a, b)
            parameters[i, j] = (
                cutoff, specification.rfac0, specification.rmin0, start, end, specification.twojmax
            )  # fmt: skip
    return Basis(specification, tuple(programs), parameters)
