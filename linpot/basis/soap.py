"""
SOAP: the power spectrum and the bispectrum of neighbor densities, in linpot's radial functions.

They are the functions of ACE of correlation order 2 and 3, whatever their degree: all n below one
number and all l up to another. Lower orders stand beside them: in SOAP the centre, which is part of
its density, brings them in.

References
----------
Bartok et al., Phys. Rev. B 87, 184115 (2013), eq. 17 and 36; Drautz, Phys. Rev. B 99, 014104
(2019), section III (both as parts of ACE).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, ClassVar

from ase.data import atomic_numbers

from linpot import checks
from linpot.basis.ace import build_program, native_radials
from linpot.basis.basis import Basis
from linpot.basis.counting import count_invariants
from linpot.basis.enumeration import Block
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import check_elements, pair_name
from linpot.errors import InputError

Pair = tuple[str, str]
POWER_SPECTRUM, BISPECTRUM = 2, 3


@dataclass(frozen=True)
class SoapSpecification:
    """
    A basis of power spectra or bispectra.

    Attributes
    ----------
    elements : tuple of str
        Chemical symbols, in the order of their atomic numbers.
    radial : mapping of (str, str) to RadialParameters
        One entry per unordered pair, the lighter element first.
    n_max : int
        Number of radial functions.
    l_max : int
        Largest angular momentum.
    correlation_order : int
        2 for the power spectrum, 3 for the bispectrum.

    Raises
    ------
    InputError
        If a value is out of range, or a pair is missing.
    """

    family: ClassVar[str] = "soap"

    elements: tuple[str, ...]
    radial: Mapping[Pair, RadialParameters]
    n_max: int = 8
    l_max: int = 6
    correlation_order: int = POWER_SPECTRUM

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", check_elements(self.elements))
        _check_box(self.n_max, self.l_max, self.correlation_order)
        missing = [pair for pair in self.pairs() if pair not in self.radial]
        if missing:
            raise InputError(f"`radial` must have every pair of elements, {missing[0]} is missing")

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements, ascending."""
        return tuple(atomic_numbers[s] for s in self.elements)

    def pairs(self) -> Iterator[Pair]:
        """Yield the unordered pairs of elements, the lighter one first."""
        return combinations_with_replacement(self.elements, 2)

    def radial_of(self, a: str, b: str) -> RadialParameters:
        """Return the radial parameters of a pair in either order."""
        return self.radial[pair_name(a, b)]

    def range_of(self, a: str, b: str) -> tuple[float, float, float]:
        """Return cutoff, start and end of the inner switch of a pair, A; 0, 0 for no switch."""
        radial = self.radial_of(a, b)
        return radial.cutoff, radial.taper_start, radial.taper_end

    @property
    def continuity(self) -> int:
        """How many times energies are continuously differentiable at cutoffs and inner switches."""
        return 2

    def functions_of(self, symbol: str) -> int:
        """Return how many functions a centre species has."""
        return sum(block.n_functions for block in self.blocks())

    def blocks(self) -> list[Block]:
        """List the blocks, by correlation order; the same for all centre species."""
        densities = [
            (l, z, n)
            for l in range(self.l_max + 1)
            for z in range(len(self.elements))
            for n in range(self.n_max)
        ]
        blocks = []
        for order in range(1, self.correlation_order + 1):
            for channels in combinations_with_replacement(densities, order):
                block = Block(float(sum(l + n for l, _, n in channels)), channels, 0)
                if sum(block.ls) % 2 == 0 and max(block.ls) <= sum(block.ls) / 2:
                    n_functions = count_invariants(block.ls, block.classes)
                    if n_functions:
                        blocks.append(Block(block.level, channels, n_functions))
        return blocks

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a file's header."""
        return {
            "elements": list(self.elements),
            "radial": {
                f"{a}-{b}": [float(v) for v in self.radial[a, b].as_row()] for a, b in self.pairs()
            },
            "n_max": self.n_max,
            "l_max": self.l_max,
            "correlation_order": self.correlation_order,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SoapSpecification:
        """Rebuild a specification from a file's header."""
        radial = {
            tuple(pair.split("-")): RadialParameters(*row) for pair, row in values["radial"].items()
        }
        return cls(**{**values, "elements": tuple(values["elements"]), "radial": radial})


@dataclass(frozen=True)
class Soap:
    """
    The choices of a SOAP fit.

    Attributes
    ----------
    n_max : int
        Number of radial functions.
    l_max : int
        Largest angular momentum.
    correlation_order : int
        2 for the power spectrum, 3 for the bispectrum.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    name: ClassVar[str] = "soap"

    n_max: int = 8
    l_max: int = 6
    correlation_order: int = POWER_SPECTRUM

    def __post_init__(self) -> None:
        _check_box(self.n_max, self.l_max, self.correlation_order)

    def specify(
        self, elements: tuple[str, ...], radial: Mapping[Pair, RadialParameters]
    ) -> SoapSpecification:
        """Return the specification, given the radial functions of all pairs."""
        return SoapSpecification(elements, radial, self.n_max, self.l_max, self.correlation_order)


def _check_box(n_max: int, l_max: int, correlation_order: int) -> None:
    checks.integer("n_max", n_max, low=1, high=30)
    checks.integer("l_max", l_max, low=0, high=30)
    checks.integer("correlation_order", correlation_order, low=POWER_SPECTRUM, high=BISPECTRUM)


def build_soap(specification: SoapSpecification) -> Basis:
    """
    Generate the basis of a specification.

    Parameters
    ----------
    specification : SoapSpecification

    Returns
    -------
    Basis
    """
    program = build_program(tuple(specification.blocks()), len(specification.elements))
    programs = (program,) * len(specification.elements)
    return Basis(specification, programs, *native_radials(specification, program.n_radial))
