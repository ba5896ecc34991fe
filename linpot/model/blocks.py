"""Centres side by side: how the engine wants packed pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.kernels.lanes import DEPTH, WIDTH

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Blocks:
    """
    Centres side by side: `WIDTH` of one species to a block, two neighbors of each to a slot.

    Attributes
    ----------
    ranges : int64[n_species + 1]
        Blocks of centre species z are ``ranges[z]:ranges[z + 1]``.
    centers : int64[n_blocks, WIDTH]
        Atoms, -1 for padding.
    slots : int64[n_blocks, n_species + 1]
        First slot of each neighbor species, from 0 on in every block, and the end.
    padding : float64[n_blocks, n_species], A
        Cutoffs: where pairs without a neighbor are put.
    """

    ranges: Ints
    centers: Ints
    slots: Ints
    padding: Floats

    @property
    def layout(self) -> tuple[Ints, Ints, Floats]:
        """What kernels take."""
        return self.centers, self.slots, self.padding


def arrange(species: Ints, counts: Ints, cutoffs: Floats) -> Blocks:
    """
    Choose which centres share a block: those of one species with alike neighbor counts.

    Parameters
    ----------
    species : int64[n_atoms]
    counts : int64[n_atoms, n_species]
    cutoffs : float64[n_species, n_species], A

    Returns
    -------
    Blocks
    """
    n_atoms, n_species = counts.shape
    order = _by_species_and_counts(species, counts)
    per_species = np.bincount(species, minlength=n_species)
    n_blocks = -(-per_species // WIDTH)
    ranges = np.zeros(n_species + 1, dtype=np.int64)
    np.cumsum(n_blocks, out=ranges[1:])
    centers = np.full((int(ranges[-1]), WIDTH), -1, dtype=np.int64)
    # the place of the k-th atom in order: padding of earlier species shifts it
    shift = WIDTH * ranges[:-1] - (np.cumsum(per_species) - per_species)
    centers.reshape(-1)[np.arange(n_atoms) + np.repeat(shift, per_species)] = order
    padded = np.concatenate([counts, np.zeros((1, n_species), dtype=np.int64)])
    widths = -(-padded[centers].max(axis=1) // DEPTH)  # slots [block, species]
    slots = np.zeros((len(centers), n_species + 1), dtype=np.int64)
    np.cumsum(widths, axis=1, out=slots[:, 1:])
    return Blocks(ranges, centers, slots, np.repeat(cutoffs, n_blocks, axis=0))


def _by_species_and_counts(species: Ints, counts: Ints) -> Ints:
    """Sort atoms by species, then by their counts, the first one first."""
    base = int(counts.max(initial=0)) + 1
    if base ** counts.shape[1] * counts.shape[1] < 2**62:
        weights = base ** np.arange(counts.shape[1] - 1, -1, -1, dtype=np.int64)
        key = species * base ** counts.shape[1] + counts @ weights
        return np.argsort(key, kind="stable")
    return np.lexsort((*counts.T[::-1], species))
