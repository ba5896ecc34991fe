"""Tables of what a data set holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    everything = list(structures)
    members: dict[str, list[Structure]] = {}
    for structure in everything:
        members.setdefault(structure.group, []).append(structure)
    elements = sorted({int(z) for s in everything for z in np.unique(s.numbers)})
    return DatasetSummary(
        symbols=tuple(chemical_symbols[z] for z in elements),
        rows=tuple(_row(group, of_group) for group, of_group in members.items()),
        total=_row("all", everything),
        keys_found=keys_found,
    )


def _row(group: str, members: Sequence[Structure]) -> GroupSummary:
    energies = [s.labels.energy / s.n_atoms for s in members if s.labels.energy is not None]
    forces = [s.labels.forces for s in members if s.labels.forces is not None]
    weights = [s.weight for s in members]
    return GroupSummary(
        group=group,
        n_structures=len(members),
        n_atoms=sum(s.n_atoms for s in members),
        n_energy=len(energies),
        n_forces=len(forces),
        n_stress=sum(s.labels.stress is not None for s in members),
        energy_range=(min(energies), max(energies)) if energies else None,
        max_force=max(float(np.linalg.norm(f, axis=1).max()) for f in forces) if forces else None,
        weight_range=(min(weights), max(weights)),
    )
