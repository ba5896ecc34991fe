"""Tables of what a data set holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from linpot.structures.structure import Structure


@dataclass(frozen=True)
class GroupSummary:
    """
    One row of a data set's table.

    Attributes
    ----------
    group : str
    n_structures, n_atoms : int
    n_energy, n_forces, n_stress : int
        Structures that carry the label.
    energy_range : tuple of 2 float or None, eV/atom
        Lowest and highest.
    max_force : float or None, eV/A
        Longest force vector.
    weight_range : tuple of 2 float
        Smallest and largest weight of a structure.
    """

    group: str
    n_structures: int
    n_atoms: int
    n_energy: int
    n_forces: int
    n_stress: int
    energy_range: tuple[float, float] | None
    max_force: float | None
    weight_range: tuple[float, float]


@dataclass(frozen=True)
class DatasetSummary:
    """
    What is in a data set, for a table.

    Attributes
    ----------
    symbols : tuple of str
    rows : tuple of GroupSummary
        In order of appearance.
    total : GroupSummary
        Named "all".
    keys_found : mapping of str to (mapping of str to int)
    """

    symbols: tuple[str, ...]
    rows: tuple[GroupSummary, ...]
    total: GroupSummary
    keys_found: Mapping[str, Mapping[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "elements": list(self.symbols),
            "all": asdict(self.total),
            "groups": {row.group: asdict(row) for row in self.rows},
            "labels": {label: dict(places) for label, places in self.keys_found.items()},
        }


def summarise(
    structures: Iterable[Structure], keys_found: Mapping[str, Mapping[str, int]]
) -> DatasetSummary:
    """
    Count structures, atoms and labels per group.

    Parameters
    ----------
    structures : iterable of Structure
    keys_found : mapping of str to (mapping of str to int)
        Label to place to number of structures.

    Returns
    -------
    DatasetSummary
    """
    rows: dict[str, _Row] = {}
    total = _Row()
    elements: set[int] = set()
    for structure in structures:
        for row in (rows.setdefault(structure.group, _Row()), total):
            row.add(structure)
        elements.update(int(z) for z in np.unique(structure.numbers))
    return DatasetSummary(
        symbols=tuple(chemical_symbols[z] for z in sorted(elements)),
        rows=tuple(row.summary(group) for group, row in rows.items()),
        total=total.summary("all"),
        keys_found=keys_found,
    )


class _Row:
    """Counts and ranges of what was added."""

    def __init__(self) -> None:
        self.n_structures = self.n_atoms = self.n_energy = self.n_forces = self.n_stress = 0
        self.energies: tuple[float, float] | None = None
        self.weights: tuple[float, float] | None = None
        self.max_force: float | None = None

    def add(self, structure: Structure) -> None:
        labels = structure.labels
        self.n_structures += 1
        self.n_atoms += structure.n_atoms
        self.weights = _widened(self.weights, structure.weight)
        if labels.energy is not None:
            self.n_energy += 1
            self.energies = _widened(self.energies, labels.energy / structure.n_atoms)
        if labels.forces is not None:
            self.n_forces += 1
            longest = float(np.linalg.norm(labels.forces, axis=1).max())
            self.max_force = max(longest, self.max_force or 0.0)
        self.n_stress += labels.stress is not None

    def summary(self, group: str) -> GroupSummary:
        return GroupSummary(
            group=group,
            n_structures=self.n_structures,
            n_atoms=self.n_atoms,
            n_energy=self.n_energy,
            n_forces=self.n_forces,
            n_stress=self.n_stress,
            energy_range=self.energies,
            max_force=self.max_force,
            weight_range=self.weights or (1.0, 1.0),
        )


def _widened(ends: tuple[float, float] | None, value: float) -> tuple[float, float]:
    return (value, value) if ends is None else (min(ends[0], value), max(ends[1], value))
