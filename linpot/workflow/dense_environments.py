"""
Environments denser than any data, made to hold the learned part in check.

A polynomial of the density grows without bound where no data hold it: pushed together, crystals
and hot liquids fall into holes tens of eV deep, whatever their dimers do. A few hundred such
environments, in which the learned energy of an atom shall stay near its mean unless repulsion
dwarfs it, close most of these holes at little cost on the data: see docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.structures.distances import PairDistances
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Labels, Structure

N_RANDOM, N_ENVIRONMENTS = 100, 200
N_ATOMS = 16
"""Of a random cell; and atoms of a compressed one that are looked at."""
LARGEST = 64
"""Atoms of a structure that is compressed, if there are such."""

MIXABLE = 1.5
"""Most by which usual distances of pairs may differ where elements may be neighbors at random: in
alloys and salts, not where molecules or networks say who binds to whom."""

RANDOM_VOLUMES, COMPRESSED_VOLUMES = (0.3, 1.2), (0.35, 0.9)  # of the usual one
CLOSEST = (0.75, 1.0)  # of the shortest distances seen
RATTLE = 0.1  # of the mean distance of atoms, at most
N_PUSHES = 40

Floats = NDArray[np.float64]
Distances = Mapping[tuple[str, str], PairDistances]


def dense_environments(
    train: Sequence[Structure], distances: Distances, *, seed: int = 0
) -> list[Structure]:
    """
    Make random dense cells of the data's compositions, and compressed copies of its structures.

    Parameters
    ----------
    train : sequence of Structure
    distances : mapping of pair to PairDistances
    seed : int

    Returns
    -------
    list of Structure
        Without labels. Atoms of random cells are pushed apart to at least about `CLOSEST`. Where
        elements do not mix, compressed copies only.
    """
    rng = np.random.default_rng(seed)
    picked = [train[int(k)] for k in rng.integers(len(train), size=N_ENVIRONMENTS)]
    typical = [seen.typical for seen in distances.values()]
    n_random = N_RANDOM if max(typical) < MIXABLE * min(typical) else 0
    usual = float(np.median([_volume(s, distances) for s in picked]))
    small = [s for s in picked if s.n_atoms <= LARGEST] or [min(picked, key=lambda s: s.n_atoms)]
    dense = []
    for k, structure in enumerate(picked[:n_random]):
        numbers = rng.choice(structure.numbers, size=N_ATOMS)
        volume = N_ATOMS * min(_volume(structure, distances), usual) * rng.uniform(*RANDOM_VOLUMES)
        dense.append(_random_cell(rng, numbers, volume, distances, f"dense environment {k}"))
    for k in range(N_ENVIRONMENTS - n_random):
        structure = small[int(rng.integers(len(small)))]
        start = _volume(structure, distances)
        volume = min(start, usual) * rng.uniform(*COMPRESSED_VOLUMES)
        scale = (volume / start) ** (1 / 3)
        shifts = rng.standard_normal(structure.positions.shape) * rng.uniform(0.0, RATTLE)
        dense.append(
            replace(
                structure,
                positions=structure.positions * scale + shifts * volume ** (1 / 3),
                cell=structure.cell * scale,
                labels=Labels(),
                name=f"compressed environment {k}",
            )
        )
    return dense


def _volume(structure: Structure, distances: Distances) -> float:
    """Volume per atom, A^3; of molecules and surfaces the cube of the usual nearest distance."""
    if structure.is_bulk:
        return structure.volume / structure.n_atoms
    symbols = {z: s for pair in distances for s in pair for z in [atomic_numbers[s]]}
    own = {symbols[z] for z in np.unique(structure.numbers).tolist()}
    typical = [d.typical for pair, d in distances.items() if set(pair) <= own]
    return float(np.mean(typical)) ** 3


def _random_cell(
    rng: np.random.Generator,
    numbers: NDArray[np.int64],
    volume: float,
    distances: Distances,
    name: str,
) -> Structure:
    """Throw atoms into a skewed cell and push apart those that are too close."""
    cell = np.eye(3) + 0.15 * rng.standard_normal((3, 3))
    cell *= (volume / abs(np.linalg.det(cell))) ** (1 / 3)
    closest = rng.uniform(*CLOSEST)
    allowed = np.zeros((119, 119))
    for (a, b), seen in distances.items():
        i, j = atomic_numbers[a], atomic_numbers[b]
        allowed[i, j] = allowed[j, i] = closest * seen.shortest
    reach = float(allowed[np.ix_(numbers, numbers)].max())
    positions = rng.random((len(numbers), 3)) @ cell
    for _ in range(N_PUSHES):
        structure = Structure(numbers, positions, cell, (True, True, True), name=name)
        pairs = find_neighbors(structure, reach)
        vectors = pairs.vectors(positions, cell)
        r = np.maximum(np.linalg.norm(vectors, axis=1), 1e-3)
        overlap = allowed[numbers[pairs.centers], numbers[pairs.neighbors]] - r
        close = overlap > 1e-2
        if not close.any():
            break
        moves = np.zeros_like(positions)
        push = (-0.5 * overlap / r)[:, None] * vectors
        np.add.at(moves, pairs.centers[close], push[close])
        positions = positions + moves
    return Structure(numbers, positions, cell, (True, True, True), name=name)
