"""
Structures that occur twice, whatever their position, orientation, order of atoms or cell.

A fingerprint is the mean of rotation-invariant features over the atoms of each element, reduced to
a few numbers by fixed random combinations. Structures with equal fingerprints are compared by the
sorted distances of their pairs, over a longer range: two molecules that are far apart have the
features of single ones at any distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from linpot.basis.basis import Basis
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.structures.batches import batches_of_atoms
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

SAME_ENERGY = 1e-3  # eV/atom; the same structure with energies further apart is a contradiction
_COPIED = 1e-6  # eV/atom; a calculation of an equivalent structure differs by more
_AT_REST = 0.02  # eV/A, root mean square of the sizes of forces
_DISTINCT = 0.75  # of the atoms have a force of their own where there is no symmetry
_NUMBERS = 12  # of a fingerprint
_BATCH = 2000  # atoms
_TOLERANCE = 2e-4  # relative to the size of features; positions printed with 4 decimals
_DISTANCE = 2e-3  # A; sorted distances of equal structures
_MOST_PAIRS = 200_000
_REACH = 15.0  # A


@dataclass(frozen=True)
class Pair:
    """
    Two structures that are the same.

    Attributes
    ----------
    first, second : int
        Places in the sequence, ascending.
    is_exact : bool
        Whether positions and cells are the same numbers, to 1e-4 A.
    difference : float or None, eV/atom
        Of their energies, where both have one.
    is_copy : bool
        Whether one can only be a copy of the other: the same numbers, or the same energy of
        a structure without symmetry, whose forces all differ. Strained or faulted crystals come
        to be equivalent by symmetry.
    """

    first: int
    second: int
    is_exact: bool
    difference: float | None
    is_copy: bool


def fingerprints(
    structures: Sequence[Structure], basis: Basis, *, threads: int = 1
) -> tuple[Floats, list[tuple[int, ...]]]:
    """
    Return a few invariant numbers of each structure.

    Parameters
    ----------
    structures : sequence of Structure
    basis : Basis
        Knows their elements.
    threads : int

    Returns
    -------
    numbers : float64[n_structures, 12]
        Of about the same spread over the data.
    compositions : list of tuple of int
        Atoms of each element.
    """
    engine = FeatureEngine(basis)
    rng = np.random.default_rng(0)
    widths = [program.n_features for program in basis.programs]
    mixing = [rng.standard_normal((width, _NUMBERS)) for width in widths]
    numbers, compositions = [], []
    for batch in batches_of_atoms(structures, _BATCH):
        packed = pack(batch, basis.elements, engine.cutoffs)
        by_species = engine.features_by_species(packed, threads=threads)
        sums = np.zeros((len(batch), _NUMBERS))
        for (atoms, features), mix in zip(by_species, mixing, strict=True):
            # signed square roots: features of dense and of dilute structures become comparable
            reduced = np.sign(features) * np.sqrt(np.abs(features))
            np.add.at(sums, packed.structure[atoms], reduced @ mix)
        sizes = np.array([s.n_atoms for s in batch], dtype=float)
        numbers.append(sums / sizes[:, None])
        compositions += [
            tuple(int(np.count_nonzero(s.numbers == z)) for z in basis.specification.numbers)
            for s in batch
        ]
    found = np.concatenate(numbers)
    spread = found.std(axis=0)
    return found / np.where(spread > 0.0, spread, 1.0), compositions


def find_duplicates(
    structures: Sequence[Structure], basis: Basis, *, threads: int = 1
) -> list[Pair]:
    """
    Find structures that occur more than once.

    Parameters
    ----------
    structures : sequence of Structure
    basis : Basis
    threads : int

    Returns
    -------
    list of Pair
        Each structure with the first one that it repeats.
    """
    numbers, compositions = fingerprints(structures, basis, threads=threads)
    members: dict[tuple[int, ...], list[int]] = {}
    for place, composition in enumerate(compositions):
        members.setdefault(composition, []).append(place)
    pairs = []
    for own in members.values():
        if len(own) < 2:
            continue
        tree = cKDTree(numbers[own])
        close = sorted(tree.query_pairs(_TOLERANCE))
        repeated: set[int] = set()
        for a, b in close:
            if b in repeated:
                continue
            first, second = structures[own[a]], structures[own[b]]
            exact = _is_exact(first, second)
            if exact or _same_distances(first, second):
                repeated.add(b)
                difference = _difference(first, second)
                copied = exact or (_is_general(second) and (difference or 0.0) < _COPIED)
                pairs.append(Pair(own[a], own[b], exact, difference, copied))
    return sorted(pairs, key=lambda pair: (pair.second, pair.first))


def _is_exact(a: Structure, b: Structure) -> bool:
    return (
        a.pbc == b.pbc
        and bool((a.numbers == b.numbers).all())
        and bool(np.abs(a.positions - b.positions).max() < 1e-4)
        and bool(np.abs((a.cell - b.cell)[list(a.pbc)]).max(initial=0.0) < 1e-4)
    )


def _is_general(s: Structure) -> bool:
    if s.labels.forces is None or s.n_atoms < 3:
        return False
    sizes = np.linalg.norm(s.labels.forces, axis=1)
    distinct = len(np.unique(np.round(sizes, 4)))
    return float(np.sqrt((sizes**2).mean())) > _AT_REST and distinct > _DISTINCT * s.n_atoms


def _difference(a: Structure, b: Structure) -> float | None:
    if a.labels.energy is None or b.labels.energy is None:
        return None
    return abs(a.labels.energy - b.labels.energy) / a.n_atoms


def _same_distances(a: Structure, b: Structure) -> bool:
    if a.pbc != b.pbc:
        return False
    if a.is_bulk and abs(a.volume - b.volume) > 1e-4 * a.volume:
        return False
    if any(a.pbc):
        density = a.n_atoms / max(a.volume, 1.0)
        most = (3.0 * _MOST_PAIRS / (4.0 * np.pi * density * a.n_atoms)) ** (1 / 3)
        reach = float(min(_REACH, most))
    else:
        reach = 1.0 + max(float(np.ptp(s.positions, axis=0).sum()) for s in (a, b))
    first, second = _sorted_distances(a, reach), _sorted_distances(b, reach)
    if first.keys() != second.keys():
        return False
    for kind, r in first.items():
        s = second[kind]
        n = min(len(r), len(s))
        if abs(len(r) - len(s)) > 0.01 * n + 2:  # at the edge, a pair may be in or out
            return False
        if n and np.abs(r[:n] - s[:n]).max() > _DISTANCE:
            return False
    return True


def _sorted_distances(s: Structure, reach: float) -> dict[tuple[int, int], Floats]:
    pairs = find_neighbors(s, reach)
    r = np.linalg.norm(pairs.vectors(s.positions, s.cell), axis=1)
    first, second = s.numbers[pairs.centers], s.numbers[pairs.neighbors]
    return {
        (a, b): np.sort(r[(first == a) & (second == b)])
        for a in np.unique(s.numbers).tolist()
        for b in np.unique(s.numbers).tolist()
        if a <= b
    }
