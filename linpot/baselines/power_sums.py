"""
Lattice sums of ``1/r^n`` for even n: how they are split, and their reciprocal coefficients.

``1/r^n = Q(n/2, a^2 r^2)/r^n + P(n/2, a^2 r^2)/r^n``, with the regularised incomplete gamma
functions Q = 1 - P. The first part is summed over pairs, the second over reciprocal vectors k:

    G_n(k) = pi^(3/2) / Gamma(n/2) (k/2)^(n-3) Gamma(3/2 - n/2, k^2/4a^2).

See docs/dispersion.md.

References
----------
Nijboer, de Wette, Physica 23, 309 (1957) (any n, by incomplete gamma functions); Williams, Acta
Cryst. A27, 452 (1971); Karasawa, Goddard, J. Phys. Chem. 93, 7320 (1989) (n = 6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, gammainccinv

from linpot.kernels.dispersion_sums import list_rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Splitting:
    """
    How a lattice sum is split.

    Attributes
    ----------
    screening : float, 1/A
        a.
    largest : float, 1/A
        Length up to which reciprocal vectors are summed.
    """

    screening: float
    largest: float

    @classmethod
    def of(cls, cutoff: float, accuracy: float) -> Splitting:
        """
        Return the splitting that leaves a relative error of about `accuracy` in a sum of 1/r^6.

        Parameters
        ----------
        cutoff : float, A
            Of the pairs.
        accuracy : float
            What is left of 1/r^6 at the cutoff, ``Q(3, a^2 r^2)``, and of the Gaussian of the
            largest reciprocal vector.
        """
        a = math.sqrt(float(gammainccinv(3.0, accuracy))) / cutoff
        return cls(a, 2.0 * a * math.sqrt(-math.log(accuracy)))

    def at_zero(self, n: int) -> float:
        """Return ``G_n(0)``, A^(3-n)."""
        m = n // 2
        return math.pi**1.5 / math.gamma(m) * self.screening ** (n - 3) / (m - 1.5)

    def own(self, n: int) -> float:
        """Return the long-ranged part at no distance, ``a^n/(n/2)!``, A^-n."""
        return self.screening**n / math.factorial(n // 2)

    def coefficients(self, k: Floats, n: int) -> tuple[Floats, Floats]:
        """
        Return ``G_n(k)`` (A^(3-n)) and its derivative over k, ``G_n'(k)/k`` (A^(5-n)).

        Parameters
        ----------
        k : float64[n_k], 1/A
            Positive lengths.
        n : int
            Even, at least 4.
        """
        m = n // 2
        x = (k / (2.0 * self.screening)) ** 2
        decay, power = np.exp(-x), np.sqrt(x)
        # Gamma(s, x) = (Gamma(s + 1, x) - x^s exp(-x)) / s from s = 1/2 down to 3/2 - m
        value = math.sqrt(math.pi) * erfc(power)
        before = value
        for step in range(m - 1):
            s = -0.5 - step
            power = power / x
            before, value = value, (value - power * decay) / s
        scale = math.pi**1.5 / math.gamma(m) * (0.5 * k) ** (n - 3)
        return scale * value, -0.5 * scale / (0.5 * k) ** 2 * before


@dataclass(frozen=True, eq=False)
class ReciprocalVectors:
    """
    Half of the reciprocal vectors inside a sphere, in the rows of the kernels.

    Attributes
    ----------
    cell : float64[3, 3], 1/A
        Reciprocal lattice vectors with 2 pi, as rows.
    rows : int64[n_rows, 5]
        See `list_rows`.
    reach : int64[3]
        Largest index along each of them.
    lengths : float64[n_k], 1/A
    """

    cell: Floats
    rows: Ints
    reach: Ints
    lengths: Floats

    @classmethod
    def inside(cls, cell: Floats, largest: float) -> ReciprocalVectors:
        """List those of a lattice (rows of `cell`, A) up to a length, 1/A."""
        reciprocal = 2.0 * np.pi * np.ascontiguousarray(np.linalg.inv(cell).T)
        reach = np.floor(largest * np.linalg.norm(cell, axis=1) / (2.0 * np.pi)).astype(np.int64)
        rows = list_rows(reciprocal, largest, reach)
        counts = rows[:, 3] - rows[:, 2] + 1
        third = np.arange(counts.sum()) - np.repeat(rows[:, 4] - rows[:, 2], counts)
        indices = np.column_stack([np.repeat(rows[:, :2], counts, axis=0), third])
        return cls(reciprocal, rows, reach, np.linalg.norm(indices @ reciprocal, axis=1))


@dataclass(frozen=True, eq=False)
class SpeciesBlocks:
    """
    The atoms of one structure, eight of one species side by side.

    Attributes
    ----------
    coordinates : float64[3, n_blocks, 8], A
    weights : float64[n_blocks, 8]
        1 for an atom, 0 for an empty place.
    atoms : int64[n_blocks, 8]
        Atom of every place, -1 for none.
    species : int64[n_blocks]
    starts : int64[n_species + 1]
        Blocks of species z are ``starts[z]:starts[z + 1]``.
    """

    coordinates: Floats
    weights: Floats
    atoms: Ints
    species: Ints
    starts: Ints

    @classmethod
    def of(cls, positions: Floats, species: Ints, n_species: int) -> SpeciesBlocks:
        """Arrange positions float64[n_atoms, 3] by species."""
        counts = np.bincount(species, minlength=n_species)
        starts = np.concatenate([[0], np.cumsum(-(-counts // 8))])
        order = np.argsort(species, kind="stable")
        ends = np.cumsum(counts)
        inside = np.arange(len(order)) - np.repeat(ends - counts, counts)
        atoms = np.full(8 * starts[-1], -1, dtype=np.int64)
        atoms[np.repeat(8 * starts[:-1], counts) + inside] = order
        filled = np.where(atoms < 0, order[0], atoms)
        return cls(
            np.ascontiguousarray(positions[filled].T).reshape(3, -1, 8),
            (atoms >= 0).astype(np.float64).reshape(-1, 8),
            atoms.reshape(-1, 8),
            np.repeat(np.arange(n_species), np.diff(starts)),
            starts,
        )

    @property
    def places(self) -> Ints:
        """Block, lane and atom of every atom, in the order of the blocks: int64[n_atoms, 3]."""
        blocks, lanes = np.nonzero(self.atoms >= 0)
        return np.column_stack([blocks, lanes, self.atoms[blocks, lanes]])
