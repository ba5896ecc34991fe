"""Screened nuclear repulsion at short distances (Ziegler, Biersack, Littmark)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot import checks
from linpot.baselines.pair_potential import PairPotential
from linpot.constants import COULOMB
from linpot.errors import InputError
from linpot.model.registry import register_model

Floats = NDArray[np.float64]

# Ziegler, Biersack, Littmark, The Stopping and Range of Ions in Matter (1985), chapter 2,
# with the digits of the LAMMPS manual, pair_style zbl
_AMPLITUDES = np.array([0.18175, 0.50986, 0.28022, 0.02817])
_DECAYS = np.array([3.19980, 0.94229, 0.40290, 0.20162])
_LENGTH = 0.46850  # A, 0.8854 Bohr radii
_EXPONENT = 0.23


@register_model
@dataclass(frozen=True)
class ZBL(PairPotential):
    """
    ``V(r) = k Z_a Z_b / r phi(r / a) + S(r)``, ``a = 0.4685 A / (Z_a^0.23 + Z_b^0.23)``.

    S is a constant below `switch_start` and a cubic plus a quartic above, chosen so that energy,
    force and its derivative vanish at the cutoff: the switch of the LAMMPS `pair_style zbl`.

    Attributes
    ----------
    symbols : tuple of str
        Elements.
    switch_starts : mapping of (str, str) to float, A
        Per unordered pair.
    pair_cutoffs : mapping of (str, str) to float, A
        Per unordered pair.

    References
    ----------
    Ziegler, Biersack, Littmark, The Stopping and Range of Ions in Matter (Pergamon, 1985);
    LAMMPS manual, pair_style zbl (the switch).
    """

    symbols: tuple[str, ...]
    switch_starts: Mapping[tuple[str, str], float]
    pair_cutoffs: Mapping[tuple[str, str], float]
    kind = "zbl"

    def __post_init__(self) -> None:
        for i, a in enumerate(self.symbols):
            for b in self.symbols[i:]:
                start, stop = self._of(self.switch_starts, a, b), self._of(self.pair_cutoffs, a, b)
                checks.positive("switch_start", start, "length in A")
                checks.positive("cutoff", stop, "length in A")
                if start >= stop:
                    raise InputError(
                        f"`switch_start` must be below the cutoff, got {start} and {stop} A "
                        f"for {a}-{b}"
                    )

    @staticmethod
    def _of(values: Mapping[tuple[str, str], float], a: str, b: str) -> float:
        if (a, b) in values:
            return values[a, b]
        if (b, a) in values:
            return values[b, a]
        raise InputError(f"ZBL needs a switch and a cutoff for every pair, {a}-{b} is missing")

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements, in the order given."""
        return self.symbols

    @cached_property
    def cutoffs(self) -> Floats:
        """Cutoff of each pair: float64[n_species, n_species], A."""
        return self._matrix(self.pair_cutoffs)

    @cached_property
    def _starts(self) -> Floats:
        return self._matrix(self.switch_starts)

    @cached_property
    def _charges(self) -> Floats:
        return np.array([float(atomic_numbers[s]) for s in self.symbols])

    @cached_property
    def _switch(self) -> Floats:
        """A, B, C of the switch of each pair: float64[3, n_species, n_species]."""
        n = len(self.symbols)
        first, second = np.divmod(np.arange(n * n, dtype=np.int64), np.int64(n))
        return self._switch_coefficients(first, second).reshape(3, n, n)

    def _matrix(self, values: Mapping[tuple[str, str], float]) -> Floats:
        return np.array([[self._of(values, a, b) for b in self.symbols] for a in self.symbols])

    def pair_energies(
        self, r: Floats, first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """Evaluate the switched repulsion."""
        bare, slope, _ = self._bare(r, first, second)
        a, b, c = self._switch[:, first, second]
        t = np.maximum(r - self._starts[first, second], 0.0)
        energies = bare + t**3 * (a / 3.0 + b / 4.0 * t) + c
        return energies, slope + t**2 * (a + b * t)

    def _bare(
        self, r: Floats, first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats]:
        """Return energy, first and second derivative without the switch."""
        charges = self._charges
        za, zb = charges[first], charges[second]
        decays = _DECAYS[:, None] * (za**_EXPONENT + zb**_EXPONENT) / _LENGTH
        terms = _AMPLITUDES[:, None] * np.exp(-decays * r) * (COULOMB * za * zb / r)
        by_r = 1.0 / r
        return (
            terms.sum(axis=0),
            -(terms * (decays + by_r)).sum(axis=0),
            (terms * ((decays + by_r) ** 2 + by_r**2)).sum(axis=0),
        )

    def _switch_coefficients(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
        """Return A, B, C of the LAMMPS switch: float64[3, n_pairs]."""
        starts = self._starts[first, second]
        cutoffs = self.cutoffs[first, second]
        width = cutoffs - starts
        energy, slope, curvature = self._bare(cutoffs, first, second)
        a = (-3.0 * slope + width * curvature) / width**2
        b = (2.0 * slope - width * curvature) / width**3
        c = -energy + width * slope / 2.0 - width**2 * curvature / 12.0
        return np.stack([a, b, c])

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return plain values."""
        pairs = [(a, b) for i, a in enumerate(self.symbols) for b in self.symbols[i:]]
        return {
            "symbols": list(self.symbols),
            "switch_starts": {f"{a}-{b}": self._of(self.switch_starts, a, b) for a, b in pairs},
            "cutoffs": {f"{a}-{b}": self._of(self.pair_cutoffs, a, b) for a, b in pairs},
        }, {}

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> ZBL:
        """Rebuild from plain values."""

        def by_pair(values: Mapping[str, float]) -> dict[tuple[str, str], float]:
            return {(k.split("-")[0], k.split("-")[1]): float(v) for k, v in values.items()}

        return cls(
            tuple(header["symbols"]), by_pair(header["switch_starts"]), by_pair(header["cutoffs"])
        )
