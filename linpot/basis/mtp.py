"""
Moment tensor potentials: contractions of moments of the neighbor densities up to a level.

References
----------
Shapeev, Multiscale Model. Simul. 14, 1153 (2016); Novikov et al., Mach. Learn.: Sci. Technol. 2,
025002 (2021) (radial functions of species pairs, levels ``2 + 4 mu + nu``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations_with_replacement, product
from typing import Any, ClassVar

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot import checks
from linpot.basis.basis import Basis
from linpot.basis.chebyshev import ChebyshevRadial
from linpot.basis.contraction_program import contraction_program
from linpot.basis.contractions import MAX_LEVEL, scalar_contractions
from linpot.basis.program import Program
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import check_elements, pair_name
from linpot.errors import InputError

Pair = tuple[str, str]
Floats = NDArray[np.float64]
PairFunctions = RadialParameters | ChebyshevRadial
Mixing = Mapping[Pair, tuple[tuple[float, ...], ...]]

BODY_ORDER = 5
"""Of the tables that come with MLIP: up to four moments in a contraction."""
STEP = 0.002
"""A, between the nodes of radial tables: errors below 1e-9 of the functions."""
_WIDTH = 8  # functions in a row of a table are a multiple of it


@dataclass(frozen=True)
class MtpSpecification:
    """
    A basis of moment contractions.

    ``f_mu(r) = sum_k mixing[a, b][mu][k] phi_k(r)`` around an atom a for its neighbors b, with phi
    the functions of the unordered pair.

    Attributes
    ----------
    elements : tuple of str
        Chemical symbols, in the order of their atomic numbers.
    radial : mapping of (str, str) to RadialParameters or ChebyshevRadial
        One entry per unordered pair, the lighter element first.
    mixing : mapping of (str, str) to tuple of tuple of float
        One entry per ordered pair (centre, neighbor), a row for every mu.
    level : int or None
        Largest level; None for products that came with a file.
    body_order : int
        2 .. 7: one more than the largest number of moments in a contraction.

    Raises
    ------
    InputError
        If a value is out of range, or a pair is missing.
    """

    family: ClassVar[str] = "mtp"

    elements: tuple[str, ...]
    radial: Mapping[Pair, PairFunctions]
    mixing: Mixing
    level: int | None
    body_order: int = BODY_ORDER

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", check_elements(self.elements))
        checks.integer("body_order", self.body_order, low=2, high=7)
        n_radial = 1
        if self.level is not None:
            _check_level(self.level)
            n_radial = n_radial_of(self.level)
        for pair in self.pairs():
            if pair not in self.radial:
                raise InputError(f"`radial` must have every pair of elements, {pair} is missing")
        for ordered in product(self.elements, self.elements):
            rows = self.mixing.get(ordered, ())
            if len(rows) < n_radial or not rows[0] or len(set(map(len, rows))) != 1:
                raise InputError(
                    f"`mixing` of {ordered} must have {n_radial} rows of equal length, "
                    f"got {len(rows)}"
                )
            checks.finite_array("mixing", rows, [None, None])

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements, ascending."""
        return tuple(atomic_numbers[s] for s in self.elements)

    def pairs(self) -> Iterator[Pair]:
        """Yield the unordered pairs of elements, the lighter one first."""
        return combinations_with_replacement(self.elements, 2)

    def range_of(self, a: str, b: str) -> tuple[float, float, float]:
        """Return cutoff, start and end of the inner switch of a pair, A; 0, 0 for no switch."""
        own = self.radial[pair_name(a, b)]
        return own.cutoff, own.taper_start, own.taper_end

    @property
    def continuity(self) -> int:
        """How many times energies are continuously differentiable at cutoffs and inner switches."""
        return min(own.continuity for own in self.radial.values())

    def functions_of(self, symbol: str) -> int | None:
        """Return how many functions a centre species has; None if they came with a file."""
        return None if self.level is None else n_contractions(self.level, self.body_order)

    def with_mixing(self, mixing: Mapping[Pair, Floats]) -> MtpSpecification:
        """Return the same specification with other radial functions."""
        return replace(self, mixing={pair: _rows(table) for pair, table in mixing.items()})

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a file's header."""
        radial: dict[str, Any] = {}
        for a, b in self.pairs():
            own = self.radial[a, b]
            if isinstance(own, ChebyshevRadial):
                radial[f"{a}-{b}"] = ["chebyshev", own.nearest, own.cutoff, own.scaling]
            else:
                radial[f"{a}-{b}"] = ["orthogonal", *map(float, own.as_row())]
        return {
            "elements": list(self.elements),
            "radial": radial,
            "mixing": {
                f"{a}-{b}": [list(row) for row in self.mixing[a, b]]
                for a, b in product(self.elements, self.elements)
            },
            "level": self.level,
            "body_order": self.body_order,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MtpSpecification:
        """Rebuild a specification from a file's header."""
        radial: dict[Pair, PairFunctions] = {}
        for name, (kind, *numbers) in values["radial"].items():
            a, b = name.split("-")
            checks.one_of("radial", kind, ("chebyshev", "orthogonal"))
            made = ChebyshevRadial if kind == "chebyshev" else RadialParameters
            radial[a, b] = made(*map(float, numbers))
        mixing: dict[Pair, tuple[tuple[float, ...], ...]] = {}
        for name, rows in values["mixing"].items():
            a, b = name.split("-")
            mixing[a, b] = _rows(rows)
        return cls(tuple(values["elements"]), radial, mixing, values["level"], values["body_order"])


@dataclass(frozen=True)
class Mtp:
    """
    The choices of a moment tensor potential.

    Attributes
    ----------
    level : int
        Even. Number of functions: 9 at level 8, 92 at 16, 288 at 20, 864 at 24.
    body_order : int
        2 .. 7; 5 as in MLIP.
    n_radial : int
        Polynomials that radial functions are mixtures of, or more where the level needs them.
    learn : int
        Rounds in which the mixtures are fitted to the data; 0 keeps those of the start, in which
        f_mu is the polynomial mu, and neighbor species differ by a factor.
    mixing : mapping of str to sequence of sequence of float, optional
        Where the mixtures start: a row for every mu of each pair "centre-neighbor". Learning fills
        it in.
    """

    name: ClassVar[str] = "mtp"

    level: int = 16
    body_order: int = BODY_ORDER
    n_radial: int = 8
    learn: int = 8
    mixing: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        _check_level(self.level)
        checks.integer("body_order", self.body_order, low=2, high=7)
        checks.integer("n_radial", self.n_radial, low=1, high=40)
        checks.integer("learn", self.learn, low=0)

    def specify(
        self, elements: tuple[str, ...], radial: Mapping[Pair, RadialParameters]
    ) -> MtpSpecification:
        """Return the specification, given cutoffs and inner switches of all pairs."""
        n_mu = n_radial_of(self.level)
        n_base = max(self.n_radial, n_mu)
        mixing = {}
        for pair in product(elements, elements):
            if self.mixing is not None:
                mixing[pair] = _rows(self.mixing.get("-".join(pair), ()))
                continue
            table = np.eye(n_mu, n_base)
            place = elements.index(pair[1])
            # functions of even and odd mu see neighbor species differently from each other
            table[1::2] *= np.cos(np.pi * place / max(1, len(elements) - 1))
            table[0::2] *= 1.0 - 0.5 * place / max(1, len(elements) - 1)
            mixing[pair] = _rows(table)
        return MtpSpecification(elements, dict(radial), mixing, self.level, self.body_order)


def _check_level(level: int) -> None:
    checks.integer("level", level, low=2, high=MAX_LEVEL)
    if level % 2:
        raise InputError(f"`level` must be even as levels of contractions are, got {level}")


def n_radial_of(level: int) -> int:
    """Return how many radial functions contractions up to a level use."""
    return (level - 2) // 4 + 1


@cache
def n_contractions(level: int, body_order: int) -> int:
    """Return how many contractions there are up to a level."""
    return len(scalar_contractions(level, body_order - 1))


def build_mtp(specification: MtpSpecification) -> Basis:
    """
    Generate the basis of a specification.

    Parameters
    ----------
    specification : MtpSpecification

    Returns
    -------
    Basis

    Raises
    ------
    InputError
        If the products came with a file: the file has them.
    """
    if specification.level is None:
        raise InputError(
            "the functions of this moment tensor potential came with a file and cannot be "
            "generated again; choose a `level`"
        )
    n = len(specification.elements)
    program = contraction_program(specification.level, specification.body_order, n)
    return mtp_basis(specification, program)


def mtp_basis(specification: MtpSpecification, program: Program) -> Basis:
    """
    Return a basis with one program for all centre species and tabulated radial functions.

    Parameters
    ----------
    specification : MtpSpecification
    program : Program
        Its radial function mu is row mu of the mixing.

    Returns
    -------
    Basis
    """
    n, elements = len(specification.elements), specification.elements
    parameters = np.zeros((n, n, 4))
    for i, a in enumerate(elements):
        for j, b in enumerate(elements):
            cutoff = specification.radial[pair_name(a, b)].cutoff
            n_intervals = int(np.ceil(cutoff / STEP))
            parameters[i, j] = cutoff, n_intervals / cutoff, n_intervals, 0.0
    n_nodes = int(parameters[:, :, 2].max()) + 1
    n_functions = -(-program.n_radial // _WIDTH) * _WIDTH
    table = np.zeros((n, n, n_nodes, 2, n_functions))
    for i, a in enumerate(elements):
        for j, b in enumerate(elements):
            _, by_width, n_intervals, _ = parameters[i, j]
            own = mixed_functions(specification, a, b, np.arange(int(n_intervals) + 1) / by_width)[
                :, :, : program.n_radial
            ]
            own[-1] = 0.0  # at the cutoff
            table[i, j, : len(own), :, : own.shape[2]] = own
            table[i, j, :, 1] /= by_width
    return Basis(specification, (program,) * n, parameters, radial_table=table)


def mixed_functions(specification: MtpSpecification, a: str, b: str, r: Floats) -> Floats:
    """
    Evaluate the radial functions of an ordered pair.

    Parameters
    ----------
    specification : MtpSpecification
    a, b : str
        Centre and neighbor.
    r : float64[n], A

    Returns
    -------
    float64[n, 2, n_mu]
        Values and derivatives (1/A).
    """
    mixing = np.array(specification.mixing[a, b])
    base = specification.radial[pair_name(a, b)].values_and_slopes(r, mixing.shape[1])
    return np.stack([part @ mixing.T for part in base], axis=1)


def _rows(table: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(c) for c in row) for row in table)
