"""The energy of one structure as a function of its charges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from linpot.constants import COULOMB
from linpot.electrostatics.coulomb_sum import CoulombSum

Floats = NDArray[np.float64]


def self_hardness(widths: Floats) -> Floats:
    """
    Return the curvature of the energy of a Gaussian cloud with itself, ``k/(s sqrt(pi))``.

    Parameters
    ----------
    widths : float64[n], A

    Returns
    -------
    float64[n], V/e
    """
    return COULOMB / (np.sqrt(np.pi) * widths)


@dataclass(frozen=True, eq=False)
class ChargeEnergy:
    """
    ``E(q) = sum_i [chi q + 1/2 J q^2 + c q^3/3 + d q^4/4]_i + 1/2 q (h + G) q``.

    Attributes
    ----------
    coulomb : CoulombSum
        G.
    electronegativity : float64[n_atoms], V
        chi.
    hardness : float64[n_atoms], V/e
        J, that of the cloud itself (`self_hardness`) included.
    coupling : sparse array [n_atoms, n_atoms] or None, V/e
        h, symmetric.
    cubic, quartic : float64[n_atoms] or None, V/e^2 and V/e^3
        c and d.
    threads : int
        Results do not depend on it.
    """

    coulomb: CoulombSum
    electronegativity: Floats
    hardness: Floats
    coupling: scipy.sparse.csr_array | None = None
    cubic: Floats | None = None
    quartic: Floats | None = None
    threads: int = 1

    @property
    def n_atoms(self) -> int:
        """Number of charges."""
        return len(self.electronegativity)

    @property
    def is_quadratic(self) -> bool:
        """Whether the Hessian is the same for all charges."""
        return self.cubic is None and self.quartic is None

    def between(self, charges: Floats) -> Floats:
        """Return ``(G + h) q``: float64[n_atoms], V."""
        result = self.coulomb.potentials(charges, threads=self.threads)
        return result if self.coupling is None else result + self.coupling @ charges

    def own_slope(self, charges: Floats) -> Floats:
        """Return the derivative of the terms of single atoms by their charges: V."""
        q = charges
        slope = self.electronegativity + self.hardness * q
        if self.cubic is not None:
            slope = slope + self.cubic * q**2
        return slope if self.quartic is None else slope + self.quartic * q**3

    def own_curvature(self, charges: Floats) -> Floats:
        """Return the second derivative of the terms of single atoms: float64[n_atoms], V/e."""
        curvature = self.hardness
        if self.cubic is not None:
            curvature = curvature + 2.0 * self.cubic * charges
        return curvature if self.quartic is None else curvature + 3.0 * self.quartic * charges**2

    def own_energies(self, charges: Floats) -> Floats:
        """Return the terms of single atoms: float64[n_atoms], eV."""
        q = charges
        energies = self.electronegativity * q + 0.5 * self.hardness * q**2
        if self.cubic is not None:
            energies = energies + self.cubic * q**3 / 3.0
        return energies if self.quartic is None else energies + 0.25 * self.quartic * q**4

    def energy(self, charges: Floats, between: Floats | None = None) -> float:
        """Return E(q), eV; `between` is ``(G + h) q`` where that is known."""
        pairs = self.between(charges) if between is None else between
        return float(self.own_energies(charges).sum() + 0.5 * charges @ pairs)

    def slope(self, charges: Floats, between: Floats | None = None) -> Floats:
        """Return dE/dq: float64[n_atoms], V."""
        pairs = self.between(charges) if between is None else between
        return self.own_slope(charges) + pairs

    @cached_property
    def pair_matrix(self) -> Floats:
        """G + h as a dense matrix: float64[n_atoms, n_atoms], V/e."""
        matrix = self.coulomb.matrix
        return matrix if self.coupling is None else matrix + self.coupling.toarray()

    def hessian(self, charges: Floats) -> Floats:
        """Return d2E/dq2 as a dense matrix: float64[n_atoms, n_atoms], V/e."""
        matrix = self.pair_matrix.copy()
        matrix[np.diag_indices_from(matrix)] += self.own_curvature(charges)
        return matrix

    def residual_scale(self, total: float) -> float:
        """
        Return what residuals are compared with, V.

        The RMS deviation of electronegativities from their mean, and what the mean charge does to
        the mean hardness.
        """
        chi = self.electronegativity
        return float(chi.std() + self.hardness.mean() * abs(total) / self.n_atoms)
