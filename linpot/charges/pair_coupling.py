"""How charges of neighbors are coupled beyond Coulomb's law: short-ranged functions per pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.basis.radial import RadialParameters
from linpot.errors import InputError
from linpot.model.pair_batch import PairBatch

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CoupledPairs:
    """
    Radial functions of all ordered pairs of one structure.

    Attributes
    ----------
    centers, neighbors : int64[n_pairs]
    species : int64[n_pairs]
        Of the unordered pair, in the order of ``numpy.triu_indices``.
    directions : float64[n_pairs, 3]
        Unit vectors from centre to neighbor.
    distances : float64[n_pairs], A
    values, slopes : float64[n_pairs, n_radial], 1 and 1/A
        R_n and R_n'.
    """

    centers: Ints
    neighbors: Ints
    species: Ints
    directions: Floats
    distances: Floats
    values: Floats
    slopes: Floats

    @classmethod
    def of(cls, batch: PairBatch, basis: Basis, n_radial: int) -> CoupledPairs:
        """
        Evaluate the first radial functions of a basis on packed pairs.

        Raises
        ------
        InputError
            If the basis has fewer, or radial functions of another kind.
        """
        recurrence = basis.radial_recurrence
        if recurrence is None:
            raise InputError(
                "couplings need a basis of the ACE family, got radial functions from a "
                f"{basis.radial_kind}"
            )
        if n_radial > recurrence.shape[2]:
            raise InputError(
                f"`n_radial` of the coupling must be at most {recurrence.shape[2]}, "
                f"those of the basis, got {n_radial}"
            )
        totals = batch.counts.sum(axis=1)
        centers = np.repeat(np.arange(batch.n_centers), totals)
        used = np.arange(len(centers)) + np.repeat(
            batch.starts - (np.cumsum(totals) - totals), totals
        )
        neighbors, vectors = batch.neighbors[used], batch.vectors[used]
        distances = np.sqrt((vectors**2).sum(axis=1))
        low, high = (
            side(batch.species[centers], batch.species[neighbors])
            for side in (np.minimum, np.maximum)
        )
        n_species = len(basis.elements)
        number = np.zeros((n_species, n_species), dtype=np.int64)
        number[np.triu_indices(n_species)] = np.arange(n_species * (n_species + 1) // 2)
        species = number[low, high]
        values, slopes = (np.zeros((len(used), n_radial)) for _ in range(2))
        for a, b in zip(*np.triu_indices(n_species), strict=True):
            own = np.flatnonzero(species == number[a, b])
            values[own], slopes[own] = radial_functions(
                distances[own],
                RadialParameters(*basis.radial_parameters[a, b]),
                recurrence[a, b, :n_radial],
            )
        return cls(
            centers, neighbors, species, vectors / distances[:, None], distances, values, slopes
        )

    def matrix(self, coefficients: Floats, n_atoms: int) -> scipy.sparse.csr_array:
        """
        Return h of all pairs, images added up: [n_atoms, n_atoms], V/e.

        Parameters
        ----------
        coefficients : float64[n_species_pairs, n_radial], V/e
        n_atoms : int
        """
        entries = (self.values * coefficients[self.species]).sum(axis=1)
        shape = (n_atoms, n_atoms)
        return scipy.sparse.csr_array((entries, (self.centers, self.neighbors)), shape=shape)

    def slope(self, coefficients: Floats) -> Floats:
        """Return h'(r) of every pair: float64[n_pairs], V/(e A)."""
        return (self.slopes * coefficients[self.species]).sum(axis=1)

    def forces(
        self, coefficients: Floats, charges: Floats, others: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """
        Return minus the derivatives of ``1/2 sum q_i q_j h(r_ij)`` at fixed charges.

        With other charges p, those of ``sum p_i q_j h(r_ij)``.

        Returns
        -------
        forces : float64[n_atoms, 3], eV/A
        virial : float64[3, 3], eV
        """
        c, n = self.centers, self.neighbors
        products = charges[c] * charges[n]
        if others is not None:
            products = others[c] * charges[n] + charges[c] * others[n]
        tension = 0.5 * products * self.slope(coefficients)
        gradient = tension[:, None] * self.directions
        forces = np.zeros((len(charges), 3))
        for axis in range(3):
            forces[:, axis] = np.bincount(
                self.centers, gradient[:, axis], len(charges)
            ) - np.bincount(self.neighbors, gradient[:, axis], len(charges))
        virial = -(gradient * self.distances[:, None]).T @ self.directions
        return forces, virial


def radial_functions(
    r: Floats, parameters: RadialParameters, recurrence: Floats
) -> tuple[Floats, Floats]:
    """
    Return R_n(r) and R_n'(r) of docs/conventions.md.

    Parameters
    ----------
    r : float64[n], A
    parameters : RadialParameters
    recurrence : float64[n_radial, 3]

    Returns
    -------
    values, slopes : float64[n, n_radial]
    """
    cutoff, decay = parameters.cutoff, parameters.decay
    floor = np.exp(-decay)
    x = parameters.transform(r)
    dx = 2.0 * decay / cutoff * np.exp(-decay * r / cutoff) / (1.0 - floor)
    angle = np.pi * r / cutoff
    smooth, d_smooth = 0.5 * (1.0 + np.cos(angle)), -0.5 * np.pi / cutoff * np.sin(angle)
    switch, d_switch = parameters.switch(r), np.zeros_like(r)
    if parameters.taper_end > 0.0:
        width = parameters.taper_end - parameters.taper_start
        t = np.clip((r - parameters.taper_start) / width, 0.0, 1.0)
        d_switch = 30.0 * t**2 * (1.0 - t) ** 2 / width
    inside = r < cutoff
    envelope = np.where(inside, switch * smooth * (1.0 - x), 0.0)
    d_envelope = np.where(
        inside,
        d_switch * smooth * (1.0 - x) + switch * (d_smooth * (1.0 - x) - smooth * dx),
        0.0,
    )
    values, slopes = (np.zeros((len(r), len(recurrence))) for _ in range(2))
    older = d_older = np.zeros_like(r)
    new, d_new = envelope, d_envelope
    for n, (a, b, c) in enumerate(recurrence):
        if n == 0:
            new, d_new = a * new, a * d_new
        else:
            line = a * x + b
            older, d_older, new, d_new = (
                new,
                d_new,
                line * new - c * older,
                line * d_new + a * dx * new - c * d_older,
            )
        values[:, n], slopes[:, n] = new, d_new
    return values, slopes
