"""Three atoms and whole structures pushed together: whether the energy rises until a wall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.model.protocol import EnergyModel
from linpot.structures.structure import Labels, Structure

WALL = 5.0  # eV per atom: several times what a liquid at three times its melting point can climb
MOST_EXPANDED = 0.7  # scale by which the lowest energy of a structure must be reached
TOLERANCE = 1e-3  # eV per atom
N_STRUCTURES = 12
SMALLEST_TRIMER, SMALLEST_OF_DATA = 1.0 / 3.0, 0.5  # scales

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Compression:
    """
    Energies of atoms pushed together uniformly.

    Attributes
    ----------
    structure : Structure
        At scale 1.
    scales : float64[n]
        Of all distances, falling from 1: the shortest distances of the data for trimers, the
        structure as it is otherwise.
    energies : float64[n], eV per atom
    of_data : bool
        Whether it is a structure of the data, not a trimer.
    """

    structure: Structure
    scales: Floats
    energies: Floats
    of_data: bool

    @property
    def _falls(self) -> Floats:
        """How far the energy has fallen at each scale, between the first minimum and the wall."""
        # structures of the data may be expanded: they may fall at first
        rising = np.append(np.diff(self.energies) > 0.0, True) | (self.scales < MOST_EXPANDED)
        first = int(np.argmax(rising)) if self.of_data else 0
        inner = self.energies[first:]
        highest = np.maximum.accumulate(inner)
        behind = np.maximum.accumulate(highest >= inner[0] + WALL)
        falls = np.zeros_like(self.energies)
        falls[first:] = np.where(behind, 0.0, highest - inner)
        return falls

    @property
    def hole(self) -> float:
        """Largest fall on the way in, eV per atom."""
        return float(self._falls.max())

    @property
    def top(self) -> float:
        """Scale from which the energy first falls; the smallest where it does not."""
        falling = np.flatnonzero(self._falls > TOLERANCE)
        return float(self.scales[falling[0] - 1 if len(falling) else -1])

    @property
    def name(self) -> str:
        """What is pushed together."""
        return self.structure.name

    @property
    def is_repulsive(self) -> bool:
        """Whether the energy rises until the wall."""
        return self.hole <= TOLERANCE


def check_compression(
    model: EnergyModel,
    shortest: Mapping[tuple[str, str], float],
    structures: Sequence[Structure],
    *,
    threads: int = 1,
) -> list[Compression]:
    """
    Push trimers and structures together.

    Parameters
    ----------
    model : EnergyModel
    shortest : mapping of pair to float, A
        Shortest distance of each pair in the training data.
    structures : sequence of Structure
        Some of the training data; see `representatives`.
    threads : int

    Returns
    -------
    list of Compression
    """
    paths = [(s, False) for s in trimers(shortest)] + [(s, True) for s in structures]
    curves = []
    for structure, of_data in paths:
        scales = np.arange(1.0, SMALLEST_OF_DATA if of_data else SMALLEST_TRIMER, -0.02)
        steps = [compressed(structure, s) for s in scales.tolist()]
        found = model.predict_many(steps, forces=False, threads=threads)
        curves.append(Compression(structure, scales, found.energies / structure.n_atoms, of_data))
    return curves


def compressed(structure: Structure, scale: float) -> Structure:
    """Return the atoms with all distances scaled, and without labels."""
    return replace(
        structure,
        positions=scale * structure.positions,
        cell=scale * structure.cell,
        labels=Labels(),
    )


def trimers(shortest: Mapping[tuple[str, str], float]) -> list[Structure]:
    """
    Make triangles and rows of three atoms at the shortest distances of their pairs.

    Parameters
    ----------
    shortest : mapping of pair to float, A

    Returns
    -------
    list of Structure
        Triangles only where the three distances can make one.
    """
    symbols = sorted({s for pair in shortest for s in pair})
    found = []
    for a, b, c in combinations_with_replacement(symbols, 3):
        ab, bc, ac = (_of(shortest, *pair) for pair in ((a, b), (b, c), (a, c)))
        rows = {"row": np.array([[0.0, 0.0, 0.0], [ab, 0.0, 0.0], [ab + bc, 0.0, 0.0]])}
        x = (ab**2 + ac**2 - bc**2) / (2.0 * ab)
        if ac > abs(x):
            height = np.sqrt(ac**2 - x**2)
            rows["triangle"] = np.array([[0.0, 0.0, 0.0], [ab, 0.0, 0.0], [x, height, 0.0]])
        numbers = np.array([atomic_numbers[s] for s in (a, b, c)])
        found += [
            Structure(
                numbers, positions, np.zeros((3, 3)), (False, False, False), name=f"{a}-{b}-{c} {n}"
            )
            for n, positions in rows.items()
        ]
    return found


def representatives(groups: Sequence[str], sizes: NDArray[np.int64]) -> list[int]:
    """
    Choose structures to push together: small ones, of as many groups as possible.

    Parameters
    ----------
    groups : sequence of str
        Of every structure.
    sizes : int64[n_structures]
        Atoms.

    Returns
    -------
    list of int
        At most `N_STRUCTURES` indices.
    """
    ranked: dict[str, list[int]] = {}
    for k in np.argsort(sizes, kind="stable").tolist():
        if sizes[k] > 1:
            ranked.setdefault(groups[k], []).append(k)
    chosen: list[int] = []
    rank = 0
    while len(chosen) < N_STRUCTURES and any(len(own) > rank for own in ranked.values()):
        chosen += [own[rank] for own in ranked.values() if len(own) > rank]
        rank += 1
    return chosen[:N_STRUCTURES]


def _of(values: Mapping[tuple[str, str], float], a: str, b: str) -> float:
    return values[a, b] if (a, b) in values else values[b, a]
