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
from linpot.kernels.repulsion import fill_screened_repulsion
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
    def _table(self) -> Floats:
        """What the kernel takes, one row per ordered pair of species."""
        charges = np.array([float(atomic_numbers[s]) for s in self.symbols])
        screening = charges**_EXPONENT
        strengths = COULOMB * np.outer(charges, charges).ravel()
        scales = np.add.outer(screening, screening).ravel() / _LENGTH
        starts, cutoffs = self._matrix(self.switch_starts).ravel(), self.cutoffs.ravel()
        energy, slope, curvature = _bare(cutoffs, strengths, scales[:, None] * _DECAYS)
        width = cutoffs - starts
        return np.stack(
            [
                strengths,
                scales,
                starts,
                (-3.0 * slope + width * curvature) / width**2,
                (2.0 * slope - width * curvature) / width**3,
                -energy + width * slope / 2.0 - width**2 * curvature / 12.0,
            ],
            axis=1,
        )

    def _matrix(self, values: Mapping[tuple[str, str], float]) -> Floats:
        return np.array([[self._of(values, a, b) for b in self.symbols] for a in self.symbols])

    def pair_energies(
        self, r: Floats, first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """Evaluate the switched repulsion."""
        energies, derivatives = np.empty_like(r), np.empty_like(r)
        pair = first * len(self.symbols) + second
        fill_screened_repulsion(r, pair, _AMPLITUDES, _DECAYS, self._table, energies, derivatives)
        return energies, derivatives

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


def _bare(r: Floats, strengths: Floats, decays: Floats) -> tuple[Floats, Floats, Floats]:
    """Return energy, first and second derivative of every pair at its own r, without the switch."""
    by_r = 1.0 / r[:, None]
    terms = _AMPLITUDES * np.exp(-decays * r[:, None]) * strengths[:, None] * by_r
    return (
        terms.sum(axis=1),
        -(terms * (decays + by_r)).sum(axis=1),
        (terms * ((decays + by_r) ** 2 + by_r**2)).sum(axis=1),
    )
