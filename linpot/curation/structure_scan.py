"""What single structures show: missing labels, net forces and torques, atoms that are too close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

NET_FORCE = 0.1  # eV/A; data sets of finite grids reach a few hundredths
NET_SHARE = 0.02  # of the sum of the sizes of all forces
TORQUE_SHARE = 0.1  # of the sum of the sizes of all torques
TOO_CLOSE = 0.45  # of the sum of covalent radii
BOHR_WINDOW = (1.4, 2.3)  # shortest distances over sums of radii, if lengths are in Bohr
_SEARCH = 3.0  # A
_NOBLE = {atomic_numbers[s] for s in ("He", "Ne", "Ar", "Kr", "Xe", "Rn")}


@dataclass
class UnitScan:
    """
    Counts of one unit.

    Attributes
    ----------
    n_structures : int
    present : Counter of str
        Label to number of structures.
    bulk : int
        Structures that are periodic in three directions.
    net_force, torque, close : list of (int, float)
        Place and size of what is beyond the limits: eV/A; share; shortest distance, A.
    largest_net_force : float, eV/A
    energies : list of float, eV
    ratios : list of float
        Shortest distance over sum of covalent radii, of each structure that has one.
    """

    n_structures: int = 0
    present: Counter[str] = field(default_factory=Counter)
    bulk: int = 0
    net_force: list[tuple[int, float]] = field(default_factory=list)
    torque: list[tuple[int, float]] = field(default_factory=list)
    close: list[tuple[int, float]] = field(default_factory=list)
    largest_net_force: float = 0.0
    energies: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    def add(self, place: int, structure: Structure) -> None:
        """Look at a structure."""
        labels = structure.labels
        self.n_structures += 1
        self.present.update(labels.present)
        self.bulk += structure.is_bulk
        if labels.energy is not None:
            self.energies.append(labels.energy)
        if labels.forces is not None and structure.n_atoms > 1:
            self._add_forces(place, structure, labels.forces)
        self._add_distances(place, structure)

    def _add_forces(self, place: int, structure: Structure, forces: Floats) -> None:
        sizes = np.linalg.norm(forces, axis=1).sum()
        net = float(np.linalg.norm(forces.sum(axis=0)))
        self.largest_net_force = max(self.largest_net_force, net)
        if net > NET_FORCE and net > NET_SHARE * sizes:
            self.net_force.append((place, net))
        if not any(structure.pbc) and structure.n_atoms > 2 and sizes > 0.1:
            arms = structure.positions - structure.positions.mean(axis=0)
            torques = np.cross(arms, forces)
            total = np.linalg.norm(arms, axis=1) @ np.linalg.norm(forces, axis=1)
            share = float(np.linalg.norm(torques.sum(axis=0)) / total)
            if share > TORQUE_SHARE:
                self.torque.append((place, share))

    def _add_distances(self, place: int, structure: Structure) -> None:
        if set(structure.numbers.tolist()) & _NOBLE:
            return
        reach = max(_SEARCH, BOHR_WINDOW[1] * 2.0 * float(covalent_radii[structure.numbers].max()))
        pairs = find_neighbors(structure, reach)
        if not pairs.n_pairs:
            return
        r = np.linalg.norm(pairs.vectors(structure.positions, structure.cell), axis=1)
        radii = covalent_radii[structure.numbers]
        ratios = r / (radii[pairs.centers] + radii[pairs.neighbors])
        closest = int(ratios.argmin())
        self.ratios.append(float(ratios[closest]))
        if ratios[closest] < TOO_CLOSE:
            self.close.append((place, float(r[closest])))


def scan_structures(
    structures: Iterable[Structure], units: Iterable[str], places: Iterable[int]
) -> dict[str, UnitScan]:
    """
    Look at every structure once.

    Parameters
    ----------
    structures : iterable of Structure
    units : iterable of str
    places : iterable of int
        In the file.

    Returns
    -------
    dict of unit to UnitScan
    """
    scans: dict[str, UnitScan] = {}
    for structure, unit, place in zip(structures, units, places, strict=True):
        scans.setdefault(unit, UnitScan()).add(place, structure)
    return scans
