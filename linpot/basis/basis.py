"""A basis of any family, ready for the kernels, and what a family says about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from linpot.basis.program import Program
from linpot.basis.radial import RadialParameters
from linpot.errors import FileFormatError

Floats = NDArray[np.float64]

N_PARAMETERS = {"recurrence": 4, "table": 4, "hyperspherical": 6}
"""How many numbers the kernels want of a pair of species, by the kind of radial functions."""


class Specification(Protocol):
    """
    What a user says about a basis of one family; everything else follows from it.

    Attributes
    ----------
    family : str
        Under which files and `linpot.basis.families` know it.
    elements : tuple of str
        Chemical symbols, by atomic number.
    """

    family: ClassVar[str]

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, by atomic number."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """Atomic numbers of the elements, ascending."""

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield the unordered pairs of elements, the lighter one first."""

    def range_of(self, a: str, b: str) -> tuple[float, float, float]:
        """Return cutoff, start and end of the inner switch of a pair, A; 0, 0 for no switch."""

    @property
    def continuity(self) -> int:
        """How many times energies are continuously differentiable at cutoffs and inner switches."""

    def functions_of(self, symbol: str) -> int | None:
        """Return how many functions a centre species will have; None if only building tells."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a file's header."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Specification:
        """Rebuild a specification from a file's header."""


@dataclass(frozen=True, repr=False)
class Basis:
    """
    A basis ready for the kernels.

    Attributes
    ----------
    specification : Specification
    programs : tuple of Program
        One per element, in the order of `specification.elements`.
    radial_parameters : float64[n_species, n_species, n]
        Of the radial functions of each ordered pair, the cutoff first; see `radial_kind`.
    radial_recurrence : float64[n_species, n_species, n_radial, 3] or None
        As in `linpot.kernels.radial.fill_radial`.
    radial_table : float64[n_species, n_species, n_nodes, 2, n_functions] or None
        As in `linpot.kernels.tables.fill_from_table`, in place of a recurrence. Without either,
        the functions are those of `linpot.kernels.hyperspherical`.
    """

    specification: Specification
    programs: tuple[Program, ...]
    radial_parameters: Floats
    radial_recurrence: Floats | None = None
    radial_table: Floats | None = None

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} functions on {s}" for s, n in self.n_functions.items())
        return f"Basis({counts}; cutoff {self.cutoff:g} A)"

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, by atomic number."""
        return self.specification.elements

    @property
    def cutoff(self) -> float:
        """Largest cutoff, A."""
        return float(self.radial_parameters[:, :, 0].max())

    @property
    def n_features(self) -> int:
        """Number of features of all centre species together: columns of a design matrix."""
        return sum(p.n_features for p in self.programs)

    @property
    def n_functions(self) -> dict[str, int]:
        """Number of features per centre species."""
        return {s: p.n_features for s, p in zip(self.elements, self.programs, strict=True)}

    @property
    def feature_offsets(self) -> NDArray[np.int64]:
        """First column of each centre species: int64[n_species + 1]."""
        return np.cumsum([0] + [p.n_features for p in self.programs]).astype(np.int64)

    @property
    def radial_kind(self) -> str:
        """Where radial functions come from: "recurrence", "table" or "hyperspherical"."""
        if self.radial_table is not None:
            return "table"
        return "hyperspherical" if self.radial_recurrence is None else "recurrence"

    @property
    def body_orders(self) -> NDArray[np.int64]:
        """Body order of every column: int64[n_features]."""
        return np.concatenate([program.body_orders for program in self.programs])

    def has_functions_of(self, other: Basis) -> bool:
        """Whether all functions are the same, in the same order."""
        return self.specification == other.specification and all(
            np.array_equal(mine, theirs)
            for own, its in zip(self.programs, other.programs, strict=True)
            for mine, theirs in zip(own.arrays().values(), its.arrays().values(), strict=True)
        )

    def table(self) -> list[tuple[str, int, int, int, int, int]]:
        """
        Summarise the blocks for people.

        Returns
        -------
        list of (centre, body order, functions, products, largest n, largest l)
        """
        rows = []
        for symbol, program in zip(self.elements, self.programs, strict=True):
            orders = program.body_orders
            for order in np.unique(orders):
                mine = np.flatnonzero(orders == order)
                entries = np.concatenate(
                    [program.feature_leaf[slice(*program.feature_offsets[f : f + 2])] for f in mine]
                )
                factors = program.factors[mine]
                rows.append(
                    (
                        symbol,
                        int(order),
                        len(mine),
                        len(np.unique(entries)),
                        int(factors[:, :, 1].max()),
                        int(factors[:, :, 2].max()),
                    )
                )
        return rows

    def validate(self) -> None:
        """
        Check that programs and radial functions belong together: kernels trust them.

        Raises
        ------
        FileFormatError
            If they do not.
        """
        n, kind = len(self.elements), self.radial_kind
        parameters, n_radial = self.radial_parameters, max(p.n_radial for p in self.programs)
        consistent = (
            len(self.programs) == n
            and all(p.channel_weights.shape[0] == n for p in self.programs)
            and parameters.shape == (n, n, N_PARAMETERS[kind])
            and bool(np.isfinite(parameters).all())
            and bool((parameters[:, :, 0] > 0.0).all() and (parameters[:, :, 0] < 1e3).all())
        )
        if consistent and self.radial_table is not None:
            table, intervals = self.radial_table, parameters[:, :, 2]
            consistent = (
                table.ndim == 5
                and table.shape[:2] == (n, n)
                and table.shape[3] == 2
                and table.shape[4] % 8 == 0
                and table.shape[4] >= n_radial
                and bool(np.isfinite(table).all())
                and bool((intervals >= 1.0).all() and (intervals < table.shape[2]).all())
                and np.allclose(parameters[:, :, 0] * parameters[:, :, 1], intervals, rtol=1e-9)
            )
        elif consistent and self.radial_recurrence is not None:
            recurrence = self.radial_recurrence
            consistent = (
                recurrence.ndim == 4
                and recurrence.shape[:2] == (n, n)
                and recurrence.shape[2] >= n_radial
                and recurrence.shape[3] == 3
                and bool(np.isfinite(recurrence).all())
            )
            if consistent:
                for row in parameters.reshape(-1, 4):
                    RadialParameters(*row)  # refuses what kernels cannot run
        elif consistent:
            cutoff, factor, nearest, start, end, highest = np.moveaxis(parameters, 2, 0)
            consistent = bool(
                ((highest >= 0) & (highest <= 100) & (factor > 0.0) & (factor <= 1.0)).all()
                and ((nearest < cutoff) & ((start < end) | (end == 0.0))).all()
                and ((highest + 1) * (highest + 2) / 2 >= n_radial).all()
            )
        if not consistent:
            raise FileFormatError("the arrays of the potential do not belong together")
