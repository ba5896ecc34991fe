"""
Sums of dispersion over one structure: lattices in reciprocal space, open structures directly.

A sum adds to arrays over the atoms of its structure. Its tasks come in two rounds: all of the first
must have run before the second is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma, gammainc

from linpot.baselines.damped_pairs import DampedPairs
from linpot.baselines.power_sums import ReciprocalVectors, SpeciesBlocks, Splitting
from linpot.errors import InputError
from linpot.kernels.dispersion_pairs import add_all_pairs, add_packed_pairs
from linpot.kernels.dispersion_sums import add_reciprocal, fill_phases, fill_structure_factors
from linpot.model.pair_batch import PairBatch
from linpot.parallel import cut
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Task = Callable[[], None]
Totals = tuple[Floats, Floats, Floats]
"""Energies [n], forces [n, 3] and virials [n, 6] of atoms, to be added to."""

WORK_PER_TASK = 40_000
"""Pairs of a block and a reciprocal vector, or of a block and an atom, that a task takes."""
MOST_IMAGES = 1_000_000
_SYMMETRIC = (np.array([0, 1, 2, 1, 0, 0]), np.array([0, 1, 2, 2, 2, 1]))


def near_pair_tasks(
    batch: PairBatch,
    pairs: DampedPairs,
    splitting: Splitting,
    targets: Ints,
    totals: Totals,
) -> list[Task]:
    """
    Return the tasks of the pairs inside the cutoff of a lattice sum.

    Parameters
    ----------
    batch : PairBatch
        Packed for the elements of `pairs` and the cutoff of the splitting.
    pairs : DampedPairs
    splitting : Splitting
    targets : int64[n_atoms]
        Where an atom of the batch belongs in the totals.
    totals : Totals
    """

    def work(first: int, last: int) -> None:
        add_packed_pairs(
            first, last, batch.pairs, batch.species, pairs.table, pairs.mode, splitting.screening,
            targets, *totals,
        )  # fmt: skip

    runs = cut(batch.n_atoms, int(batch.counts.sum()) // (8 * WORK_PER_TASK))
    return [partial(work, *run) for run in runs]


class ReciprocalSum:
    """
    What a three-dimensional lattice adds to the pairs inside the cutoff.

    Parameters
    ----------
    structure : Structure
        Periodic in three dimensions.
    species : int64[n_atoms]
    pairs : DampedPairs
    splitting : Splitting
    totals : Totals
    """

    def __init__(
        self,
        structure: Structure,
        species: Ints,
        pairs: DampedPairs,
        splitting: Splitting,
        totals: Totals,
    ) -> None:
        n_species = len(pairs.c6)
        self.volume, self.pairs, self.splitting, self.totals = (
            structure.volume, pairs, splitting, totals,
        )  # fmt: skip
        self.blocks = SpeciesBlocks.of(structure.positions, species, n_species)
        self.vectors = ReciprocalVectors.inside(structure.cell, splitting.largest)
        n_blocks, reach = len(self.blocks.species), self.vectors.reach
        inverse = np.linalg.inv(structure.cell)
        fractions = np.einsum("abl,ac->cbl", self.blocks.coordinates, inverse)
        self.phases: tuple[Floats, Floats, Floats] = (
            np.empty((n_blocks, 16 * int(reach[0] + 1))),
            np.empty((n_blocks, 16 * int(2 * reach[1] + 1))),
            np.empty((n_blocks, 16 * int(2 * reach[2] + 1))),
        )
        fill_phases(
            0, n_blocks, np.ascontiguousarray(fractions), self.blocks.weights, reach, *self.phases
        )
        self.factors = np.empty((n_species, 2, len(self.vectors.lengths)))
        self._add_constants(species, np.bincount(species, minlength=n_species))

    def _add_constants(self, species: Ints, counts: Ints) -> None:
        """Add k = 0, and take away what every atom has to do with itself."""
        atomic, _, virials = self.totals
        for n, matrix in self.pairs.powers.items():
            uniform = -(matrix @ counts) * self.splitting.at_zero(n) / (2.0 * self.volume)
            own = 0.5 * np.diag(matrix) * self.splitting.own(n)
            atomic += (uniform + own)[species]
            virials[:, :3] += uniform[species, None]

    def first_tasks(self) -> list[Task]:
        """Return tasks that sum the structure factors."""
        vectors, blocks = self.vectors, self.blocks

        def work(first: int, last: int) -> None:
            fill_structure_factors(
                first, last, vectors.rows, blocks.starts, vectors.reach, *self.phases, self.factors
            )

        size = len(vectors.lengths) * len(blocks.species)
        return [partial(work, *run) for run in cut(len(vectors.rows), size // WORK_PER_TASK)]

    def second_tasks(self) -> list[Task]:
        """Return tasks that give atoms what is theirs, once the structure factors are there."""
        vectors, blocks = self.vectors, self.blocks
        n_species, _, n_k = self.factors.shape
        potentials, slopes = np.zeros((2, n_species, 2, n_k))
        for n, matrix in self.pairs.powers.items():
            values, derivatives = self.splitting.coefficients(vectors.lengths, n)
            mixed = np.tensordot(matrix * (-2.0 / self.volume), self.factors, axes=1)
            potentials += mixed * values
            slopes += mixed * derivatives

        def work(first: int, last: int) -> None:
            add_reciprocal(
                first, last, vectors.rows, blocks.species, vectors.reach, *self.phases,
                vectors.cell, potentials, slopes, blocks.atoms, *self.totals,
            )  # fmt: skip

        size = n_k * len(blocks.species)
        return [partial(work, *run) for run in cut(len(blocks.species), size // WORK_PER_TASK)]


class DirectSum:
    """
    All pairs of a structure that is not periodic in three dimensions.

    Along one or two periodic directions, images are summed up to a radius that grows with the
    lattice vectors; what is further away is so smooth that its integral, the first term of its
    Fourier series, is all of it.

    Parameters
    ----------
    structure : Structure
    species : int64[n_atoms]
    pairs : DampedPairs
    accuracy : float
    totals : Totals

    Raises
    ------
    InputError
        If a thin cell needs too many images.
    """

    def __init__(
        self,
        structure: Structure,
        species: Ints,
        pairs: DampedPairs,
        accuracy: float,
        totals: Totals,
    ) -> None:
        self.species, self.pairs, self.totals = species, pairs, totals
        self.lattice = _reduced(structure.cell[list(structure.pbc)])
        self.positions = structure.positions
        self.screening, self.reach, self.shifts = 0.0, math.inf, np.zeros((1, 3))
        if len(self.lattice):
            inverse = np.linalg.pinv(self.lattice)
            self.positions = self.positions - np.floor(self.positions @ inverse) @ self.lattice
            self.screening, self.reach = self._split(accuracy)
            self.shifts = self._images(structure)
        self.blocks = SpeciesBlocks.of(self.positions, species, len(pairs.c6))

    def _split(self, accuracy: float) -> tuple[float, float]:
        """Return the screening that leaves the first Fourier term alone, and the radius."""
        # the reciprocal lattice of a reduced one is reduced: its shortest vector is among these
        lengths = 2.0 * np.pi * np.linalg.norm(np.linalg.pinv(self.lattice), axis=0)
        at_one = Splitting.of(1.0, accuracy)
        screening = float(lengths.min()) / at_one.largest * at_one.screening
        reach = at_one.screening / screening
        return screening, max(reach, self.pairs.needed_cutoff(accuracy))

    def _images(self, structure: Structure) -> Floats:
        """Return the shifts of all images that may be inside the radius, none first."""
        extent = float(np.linalg.norm(np.ptp(self.positions, axis=0)))
        heights = 1.0 / np.linalg.norm(np.linalg.pinv(self.lattice), axis=0)
        most = np.ceil((self.reach + extent) / heights).astype(int)
        if np.prod(2.0 * most + 1.0) > MOST_IMAGES:
            raise InputError(
                f"the lattice sum of {structure.name} needs more than {MOST_IMAGES} images of a "
                "thin cell; repeat the cell along its shorter lattice vector"
            )
        grid = np.indices(tuple(2 * most + 1)).reshape(len(most), -1).T - most
        shifts = grid @ self.lattice
        lengths = np.linalg.norm(shifts, axis=1)
        shifts = shifts[lengths <= self.reach + extent]
        return np.ascontiguousarray(shifts[np.argsort(np.linalg.norm(shifts, axis=1))])

    def first_tasks(self) -> list[Task]:
        """Return all tasks."""
        blocks, places = self.blocks, self.blocks.places
        n_atoms = len(places)

        def work(first: int, last: int) -> None:
            add_all_pairs(
                first, last, blocks.coordinates, blocks.weights, blocks.species, places,
                self.pairs.table, self.pairs.mode, self.screening, self.shifts, self.reach,
                *self.totals,
            )  # fmt: skip

        size = n_atoms * len(blocks.species) * len(self.shifts)
        runs = cut(n_atoms, size // WORK_PER_TASK)
        return [partial(work, *run) for run in runs]

    def second_tasks(self) -> list[Task]:
        """Return tasks for the smooth part of images, if there are any."""
        if not len(self.lattice):
            return []
        n_atoms = len(self.species)
        return [partial(self._add_smooth, *run) for run in cut(n_atoms, n_atoms**2 // 4096)]

    def _add_smooth(self, first: int, last: int) -> None:
        """
        Add the integral over the lattice of ``P(n/2, a^2 r^2)/r^n``.

        In D dimensions, at a distance d from the lattice, with s = (n - D)/2 and H_s = P(s, x)/x^s,
        it is ``pi^(D/2) Gamma(s)/Gamma(n/2) a^(n - D) H_s(a^2 d^2)`` over the size of the cell; and
        ``dH_s/dx = -s H_{s+1}``.
        """
        atomic, forces, virials = self.totals
        dimensions = len(self.lattice)
        size = math.sqrt(np.linalg.det(self.lattice @ self.lattice.T))
        along = np.linalg.pinv(self.lattice) @ self.lattice  # projects on periodic directions
        vectors = self.positions[None] - self.positions[first:last, None]
        vectors = vectors - vectors @ along
        a = self.screening
        x = a * a * (vectors**2).sum(axis=2)
        energies, slopes = np.zeros_like(x), np.zeros_like(x)
        own = np.zeros(last - first)
        for n, matrix in self.pairs.powers.items():
            s = 0.5 * (n - dimensions)
            scale = np.pi ** (0.5 * dimensions) * gamma(s) / gamma(0.5 * n) / size
            terms = -matrix[self.species[first:last, None], self.species] * scale
            terms = terms * a ** (n - dimensions)
            energies += terms * _ratio(s, x)
            slopes += terms * (-2.0 * a * a * s) * _ratio(s + 1.0, x)
            diagonal = np.diag(matrix)[self.species[first:last]]
            own += 0.5 * diagonal * a**n / math.factorial(n // 2)
        each = 0.5 * energies.sum(axis=1)
        atomic[first:last] += each + own
        forces[first:last] += np.einsum("ij,ija->ia", slopes, vectors)
        rows, columns = _SYMMETRIC
        virials[first:last] += np.outer(each, along[rows, columns])
        products = vectors[:, :, rows] * vectors[:, :, columns]
        virials[first:last] -= 0.5 * np.einsum("ij,ijv->iv", slopes, products)


def _reduced(lattice: Floats) -> Floats:
    """Return the shortest vectors of a lattice of one or two (Gauss)."""
    if len(lattice) < 2:
        return lattice
    short, long = sorted(lattice, key=np.linalg.norm)
    while True:
        long = long - np.rint(long @ short / (short @ short)) * short
        if long @ long >= short @ short:
            return np.stack([short, long])
        short, long = long, short


def _ratio(s: float, x: Floats) -> Floats:
    """Return ``P(s, x)/x^s``; at small x the first two terms of its series."""
    small = x < 1e-8
    safe = np.where(small, 1.0, x)
    return np.where(small, (1.0 - s * x / (s + 1.0)) / gamma(s + 1.0), gammainc(s, safe) / safe**s)
