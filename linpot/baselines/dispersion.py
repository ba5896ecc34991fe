"""Dispersion, -C6/r^6 and -C8/r^8 with damping, summed over lattices without a cutoff."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot import checks
from linpot.baselines.damped_pairs import MODES, DampedPairs
from linpot.baselines.dispersion_sums import (
    DirectSum,
    ReciprocalSum,
    Task,
    Totals,
    near_pair_tasks,
)
from linpot.baselines.free_atoms import free_atom_c6, free_atom_radii
from linpot.baselines.power_sums import Splitting
from linpot.errors import InputError
from linpot.model.packing import CLOSEST, pack_listed, species_indices
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import Predictions
from linpot.model.protocol import ManyAtOnce
from linpot.model.registry import register_model
from linpot.parallel import run_tasks
from linpot.structures.neighbors import Neighbors, find_neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]
Pair = tuple[str, str]
Table = Mapping[Any, float]
"""Values by element or by pair of elements."""

_NEAR = 1.0  # A; of lists that only serve to find atoms on top of each other
CUTOFF = 10.0
"""Of the pairs of a lattice sum, A, where damping does not ask for more: a balance of costs."""


@register_model
@dataclass(frozen=True)
class Dispersion(ManyAtOnce):
    """
    ``E = -sum_pairs [C6 f6(r)/r^6 + C8 f8(r)/r^8]``, without a cutoff.

    Three-dimensional lattices by Ewald sums of all powers, also of the first tail of rational
    damping; slabs, wires and molecules by direct sums. See docs/dispersion.md.

    Tables may be given by element or by pair. Of elements a and b, C6 and C8 are geometric means,
    radii sums, decays arithmetic means.

    Attributes
    ----------
    c6 : mapping of pair (or element) to float, eV A^6
        Names the elements of the model.
    c8 : mapping or None, eV A^8
        0 where not given.
    damping : "becke-johnson", "tang-toennies" or None
        ``f_n = r^n/(r^n + R^n)``, or ``1 - exp(-b r) sum_{k<=n} (b r)^k/k!``, or 1.
    damping_radii : mapping, float or None, A
        R, for Becke-Johnson damping.
    damping_decays : mapping, float or None, 1/A
        b, for Tang-Toennies damping.
    accuracy : float
        Relative error that the sums may leave, about.
    pair_cutoff : float or None, A
        Up to which a lattice sum goes over pairs: a matter of speed, not of the result. By default
        10, or what damping needs.

    Raises
    ------
    InputError
        If a table lacks a pair, a value is out of range, or the cutoff is too short.
    """

    c6: Table
    c8: Table | None = None
    damping: str | None = "becke-johnson"
    damping_radii: Table | float | None = None
    damping_decays: Table | float | None = None
    accuracy: float = 1e-8
    pair_cutoff: float | None = None
    kind = "dispersion"
    part_name = "dispersion"

    def __post_init__(self) -> None:
        if self.damping not in MODES:
            raise InputError(
                f"`damping` must be 'becke-johnson', 'tang-toennies' or None, got {self.damping!r}"
            )
        if not 1e-15 <= checks.positive("accuracy", self.accuracy) <= 1e-2:
            raise InputError(f"`accuracy` must be from 1e-15 to 1e-2, got {self.accuracy!r}")
        elements = _elements(self.c6)
        self._complete("c6", elements, _geometric, "value in eV A^6", zero=True)
        if self.c8 is not None:
            self._complete("c8", elements, _geometric, "value in eV A^8", zero=True)
        for name, damping, mean, unit in (
            ("damping_radii", "becke-johnson", _sum, "length in A"),
            ("damping_decays", "tang-toennies", _mean, "number in 1/A"),
        ):
            given = getattr(self, name)
            if (given is not None) != (self.damping == damping):
                raise InputError(
                    f"`{name}` must be given for damping {damping!r} and for no other, "
                    f"got {given!r} for {self.damping!r}"
                )
            if given is not None:
                self._complete(name, elements, mean, unit)
        if self.pair_cutoff is not None:
            checks.positive("pair_cutoff", self.pair_cutoff, "length in A")
            needed = self.pairs.needed_cutoff(self.accuracy)
            if self.pair_cutoff < needed:
                raise InputError(
                    f"`pair_cutoff` must be at least {needed:g} A for this damping and an accuracy "
                    f"of {self.accuracy:g}, got {self.pair_cutoff:g}"
                )

    def _complete(
        self,
        name: str,
        elements: tuple[str, ...],
        combine: Callable[[float, float], float],
        unit: str,
        *,
        zero: bool = False,
    ) -> None:
        """Replace a table by one that names every pair once."""
        given = getattr(self, name)
        check = checks.non_negative if zero else checks.positive
        complete = {}
        for a, b in combinations_with_replacement(elements, 2):
            value = _value(name, given, a, b, combine)
            complete[a, b] = check(f"{name}[{a}-{b}]", value, unit)
        object.__setattr__(self, name, complete)

    @classmethod
    def of_free_atoms(
        cls,
        elements: Sequence[str],
        *,
        damping: str | None = "becke-johnson",
        radius_scale: float = 1.0,
        **settings: Any,
    ) -> Dispersion:
        """
        Return the dispersion of free atoms; see `linpot.baselines.free_atoms` for the tables.

        Parameters
        ----------
        elements : sequence of str
        damping : str or None
            Decays of Tang-Toennies damping have no default and must be given.
        radius_scale : float
            Multiplies sums of van der Waals radii to make the radii of Becke-Johnson damping.
        **settings
            Whatever else `Dispersion` takes.

        Raises
        ------
        InputError
            For an element that the tables do not have.
        """
        c6 = free_atom_c6(elements)
        if damping == "becke-johnson" and "damping_radii" not in settings:
            checks.positive("radius_scale", radius_scale)
            radii = free_atom_radii(elements)
            settings["damping_radii"] = {p: radius_scale * r for p, r in radii.items()}
        return cls(c6, damping=damping, **settings)

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Elements of `c6`, by atomic number."""
        return _elements(self.c6)

    @cached_property
    def pairs(self) -> DampedPairs:
        """The coefficients as matrices over species."""
        parameters = self.damping_radii or self.damping_decays
        zero = np.zeros((len(self.elements),) * 2)
        return DampedPairs(
            MODES[self.damping],
            self._matrix(self.c6),
            zero if self.c8 is None else self._matrix(self.c8),
            zero if parameters is None else self._matrix(parameters),
        )

    def _matrix(self, table: Any) -> Floats:
        return np.array(
            [[table.get((a, b), table.get((b, a))) for b in self.elements] for a in self.elements]
        )

    @cached_property
    def cutoff(self) -> float:
        """Cutoff of the pairs of a lattice sum, A."""
        if self.pair_cutoff is not None:
            return float(self.pair_cutoff)
        return max(CUTOFF, self.pairs.needed_cutoff(self.accuracy))

    @cached_property
    def splitting(self) -> Splitting:
        """How lattice sums are split."""
        return Splitting.of(self.cutoff, self.accuracy)

    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Predictions:
        """Evaluate structures of any periodicity; see `EnergyModel.predict_many`."""
        first_atoms = np.cumsum([0, *(s.n_atoms for s in structures)]).astype(np.int64)
        n_atoms = int(first_atoms[-1])
        totals = (np.zeros(n_atoms), np.zeros((n_atoms, 3)), np.zeros((n_atoms, 6)))
        batch = self._packed(structures, neighbors, threads)
        tasks: list[Task] = []
        if batch is not None:
            inside = np.repeat([s.is_bulk for s in structures], np.diff(first_atoms))
            targets = np.flatnonzero(inside)
            tasks = near_pair_tasks(batch, self.pairs, self.splitting, targets, totals)
        sums: list[ReciprocalSum | DirectSum] = []
        for structure, a, b in zip(structures, first_atoms[:-1], first_atoms[1:], strict=True):
            own: Totals = (totals[0][a:b], totals[1][a:b], totals[2][a:b])
            species = species_indices(structure, self.elements)
            if structure.is_bulk:
                sums.append(ReciprocalSum(structure, species, self.pairs, self.splitting, own))
            else:
                sums.append(DirectSum(structure, species, self.pairs, self.accuracy, own))
            tasks += sums[-1].first_tasks()
        run_tasks(lambda task: task(), tasks, threads)
        tasks = [task for own_sum in sums for task in own_sum.second_tasks()]
        run_tasks(lambda task: task(), tasks, threads)
        energies, summed, virials = totals
        return Predictions.of_atoms(first_atoms, energies, *((summed, virials) if forces else ()))

    def _packed(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None,
        threads: int,
    ) -> PairBatch | None:
        """Pack the lattices, if any; atoms on top of each other are refused everywhere."""
        given = neighbors or [None] * len(structures)
        lists = [
            find_neighbors(s, self.cutoff if s.is_bulk else _NEAR) if own is None else own
            for s, own in zip(structures, given, strict=True)
        ]
        batch = None
        for bulk, cutoff in ((False, CLOSEST), (True, self.cutoff)):
            chosen = [k for k, s in enumerate(structures) if s.is_bulk == bulk]
            if chosen:
                batch = pack_listed(
                    [structures[k] for k in chosen],
                    self.elements,
                    np.full((len(self.elements),) * 2, cutoff),
                    [lists[k] for k in chosen],
                    threads=threads,
                )
        return batch if any(s.is_bulk for s in structures) else None

    @property
    def coefficients(self) -> Floats:
        """What the energy is linear in: C6 of all pairs, in the order of `c6`, eV A^6."""
        return np.array([self.c6[pair] for pair in self.c6])

    def with_coefficients(self, coefficients: Floats) -> Dispersion:
        """Return the model with other C6; C8 keep their ratio to them, damping stays."""
        values = np.asarray(coefficients, dtype=np.float64)
        ratios = self._ratios()
        c8 = None if self.c8 is None else dict(zip(self.c6, values * ratios, strict=True))
        return replace(self, c6=dict(zip(self.c6, values.tolist(), strict=True)), c8=c8)

    def design(self, structure: Structure) -> Floats:
        """
        Return what the energy is linear in, see `LinearModel.design`.

        Returns
        -------
        float64[7 + 3 n_atoms, n_pairs]
            For C6 of 1 eV A^6 each, C8 in the ratio that they have.
        """
        columns = []
        for unit in np.eye(len(self.c6)):
            found = self.with_coefficients(unit).predict(structure)
            virial = np.asarray(found.virial).ravel()[[0, 4, 8, 5, 2, 1]]
            columns.append(
                np.concatenate([[found.energy], virial, np.asarray(found.forces).ravel()])
            )
        return np.column_stack(columns)

    def _ratios(self) -> Floats:
        """C8/C6 of all pairs, A^2."""
        if self.c8 is None:
            return np.zeros(len(self.c6))
        for pair, c6 in self.c6.items():
            if c6 == 0.0 and self.c8[pair] > 0.0:
                raise InputError(f"`c6` of {'-'.join(pair)} must be positive where `c8` is, got 0")
        return np.array([self.c8[p] / c6 if c6 > 0.0 else 0.0 for p, c6 in self.c6.items()])

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return plain values."""
        state: dict[str, Any] = {"damping": self.damping, "accuracy": self.accuracy}
        for name in ("c6", "c8", "damping_radii", "damping_decays"):
            table = getattr(self, name)
            state[name] = None if table is None else {"-".join(p): v for p, v in table.items()}
        return {**state, "pair_cutoff": self.pair_cutoff}, {}

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Dispersion:
        """Rebuild from plain values."""

        def table(name: str) -> dict[Pair, float] | None:
            values = header[name]
            if values is None:
                return None
            return {(k.split("-")[0], k.split("-")[1]): float(v) for k, v in values.items()}

        c6 = table("c6")
        if c6 is None:
            raise InputError("`c6` must be given")
        return cls(
            c6,
            table("c8"),
            header["damping"],
            table("damping_radii"),
            table("damping_decays"),
            float(header["accuracy"]),
            header["pair_cutoff"],
        )


def _elements(c6: Table) -> tuple[str, ...]:
    """Return the elements that a table names, by atomic number."""
    if not isinstance(c6, Mapping) or not c6:
        raise InputError(f"`c6` must map elements or pairs of them to numbers, got {c6!r}")
    named = {symbol for key in c6 for symbol in ((key,) if isinstance(key, str) else key)}
    for symbol in named:
        if symbol not in atomic_numbers or symbol == "X":
            raise InputError(f"`c6` must name elements, got {symbol!r}")
    return tuple(sorted(named, key=lambda symbol: atomic_numbers[symbol]))


def _value(
    name: str, given: Any, a: str, b: str, combine: Callable[[float, float], float]
) -> float:
    """Return the value of a pair: of itself, of one for all, or combined of its elements."""
    if not isinstance(given, Mapping):
        return checks.non_negative(name, given)
    for key in ((a, b), (b, a)):
        if key in given:
            return float(given[key])
    for symbol in (a, b):
        if symbol not in given:
            raise InputError(
                f"`{name}` must have a value for {a}-{b}, or for the elements {a} and {b}"
            )
    own = [checks.non_negative(f"{name}[{s}]", given[s]) for s in (a, b)]
    return combine(*own)


def _geometric(a: float, b: float) -> float:
    return float(np.sqrt(a * b))


def _sum(a: float, b: float) -> float:
    return a + b


def _mean(a: float, b: float) -> float:
    return 0.5 * (a + b)
