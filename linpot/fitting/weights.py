"""
Observation weights: how much each residual counts.

A weight multiplies the residual; its square multiplies the loss. Weights per property and group
are applied to finished factors; those that differ inside a group go into the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError
from linpot.structures.structure import Structure

PROPERTIES = ("energy", "forces", "stress", "charges", "dipole")


@dataclass(frozen=True)
class Weights:
    """
    Weights of the residuals.

    Attributes
    ----------
    energy : float, 1/eV
        For the energy per atom.
    forces : float, A/eV
        For every force component.
    stress : float, 1/eV
        For the virial per atom, so that stresses of dense and dilute cells count alike.
    charges : float, 1/e
        For the charge of every atom, in fits of charges.
    dipole : float, 1/(e A)
        For every component of a dipole, in fits of charges.
    groups : mapping of str to float or to mapping of property to float
        Factors for groups of structures: ``{"liquid": 0.5, "surface": {"energy": 2.0}}``.
    energy_window : float or None, eV
        Structures whose energy per atom lies further above the lowest of their composition are
        weighted down by ``energy_window / distance``.
    force_cap : float or None, eV/A
        Forces on atoms that feel more than this are weighted down by ``force_cap / |F|``.
    """

    energy: float = 200.0
    forces: float = 1.0
    stress: float = 3.0
    charges: float = 10.0
    dipole: float = 10.0
    groups: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)
    energy_window: float | None = None
    force_cap: float | None = None

    def __post_init__(self) -> None:
        for name in PROPERTIES:
            checks.non_negative(f"weights.{name}", getattr(self, name))
        for name, unit in (("energy_window", "energy in eV"), ("force_cap", "force in eV/A")):
            if getattr(self, name) is not None:
                checks.positive(f"weights.{name}", getattr(self, name), unit)
        for group, factor in self.groups.items():
            factors = factor if isinstance(factor, Mapping) else dict.fromkeys(PROPERTIES, factor)
            for name, value in factors.items():
                checks.one_of(f"weights.groups[{group!r}]", name, PROPERTIES)
                checks.non_negative(f"weights.groups[{group!r}]", value)

    def of(self, group: str, name: str) -> float:
        """Return the weight of a property in a group."""
        factor = self.groups.get(group, 1.0)
        if isinstance(factor, Mapping):
            factor = factor.get(name, 1.0)
        return float(getattr(self, name)) * float(factor)

    def check_groups(self, known: tuple[str, ...]) -> None:
        """
        Check that every group named here is in the data.

        Raises
        ------
        InputError
            Naming the first that is not.
        """
        for group in self.groups:
            if group not in known:
                raise InputError(
                    f"`weights.groups` must name groups of the data ({', '.join(known)}), "
                    f"got {group!r}"
                )

    def energy_factor(self, structure: Structure, lowest: float) -> float:
        """
        Weight of a structure by its energy above the lowest of its composition.

        Parameters
        ----------
        structure : Structure
        lowest : float, eV
            Per atom, of the same composition.

        Returns
        -------
        float
            In (0, 1].
        """
        if self.energy_window is None or structure.labels.energy is None:
            return 1.0
        distance = structure.labels.energy / structure.n_atoms - lowest
        return min(1.0, self.energy_window / distance) if distance > 0.0 else 1.0

    def force_factors(self, forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Weight of every force component: float64[3 n_atoms], in (0, 1].

        Parameters
        ----------
        forces : float64[n_atoms, 3], eV/A
        """
        if self.force_cap is None:
            return np.ones(forces.size)
        sizes = np.maximum(np.linalg.norm(forces, axis=1), self.force_cap)
        return np.repeat(self.force_cap / sizes, 3)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for provenance."""
        return {
            **{name: getattr(self, name) for name in PROPERTIES},
            "groups": {k: dict(v) if isinstance(v, Mapping) else v for k, v in self.groups.items()},
            "energy_window": self.energy_window,
            "force_cap": self.force_cap,
        }


def lowest_energies(structures: Iterable[Structure]) -> dict[tuple[tuple[int, int], ...], float]:
    """
    Find the lowest energy per atom of every composition.

    Returns
    -------
    dict
        From `composition` to eV per atom.
    """
    lowest: dict[tuple[tuple[int, int], ...], float] = {}
    for structure in structures:
        if structure.labels.energy is not None:
            key = composition(structure)
            energy = structure.labels.energy / structure.n_atoms
            lowest[key] = min(energy, lowest.get(key, np.inf))
    return lowest


def composition(structure: Structure) -> tuple[tuple[int, int], ...]:
    """Return (atomic number, count) in lowest terms, so that supercells compare."""
    numbers, counts = np.unique(structure.numbers, return_counts=True)
    divisor = int(np.gcd.reduce(counts))
    return tuple((int(z), int(n) // divisor) for z, n in zip(numbers, counts, strict=True))
