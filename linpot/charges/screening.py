"""An approximate inverse of the Hessian of charges in periodic cells, for conjugate gradients."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from linpot.constants import COULOMB
from linpot.electrostatics.cells import charge_cell
from linpot.electrostatics.charge_mesh import ChargeMesh
from linpot.electrostatics.real_space import RealSpaceSum
from linpot.kernels.charge_pairs import solve_by_polynomial
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

_RADIUS = 1.9
"""Pairs up to so many mean distances are taken as they are; alpha is 2.2 over that radius."""
_ALPHA = 2.2
_SPACING = 0.75
"""Mesh spacing times alpha: errors of some percent do no harm here."""
_DEGREE = 4
_EVEN, _LONG = 1.2, 0.3
"""Largest local response over the mean of the cell up to which a medium is even; what waves are
long, times alpha. Iterations for 24,000 water-like atoms: 12 instead of 14."""
_CONDITION = 6.0
"""Largest over smallest curvature for which the polynomial is made; smaller ones still converge."""


class ScreenedInverse:
    """
    ``M = N - N f N`` with N about the inverse of near pairs, f the screened far interaction.

    The Hessian is split as in a lattice sum: curvatures of atoms, less the screening clouds, and
    pairs within a short radius; and the smooth rest, a sum over reciprocal vectors with
    ``g(k) = 4 pi exp(-k^2/4 alpha^2)/k^2``. The near part is well conditioned: N is a Chebyshev
    polynomial of it. The far part is what makes plain iterations grow with the cell. In a medium
    that answers uniformly, with x charge per volume and volt, the inverse of both is M with
    ``f(k) = g/(1 + x g)/V``, applied on a coarse mesh. For x the largest local response is taken,
    so that M stays positive in slabs and beside interfaces too; in an even medium less of what it
    is above the mean for long waves, half at most.

    Parameters
    ----------
    structure : Structure
        Periodic in two or three directions.
    curvature : float64[n_atoms], V/e
        Of atoms, positive.
    widths : float64[n_atoms] or None, A
    """

    def __init__(self, structure: Structure, curvature: Floats, widths: Floats | None) -> None:
        cell = charge_cell(structure, 1e-2)
        assert cell is not None
        radius = _RADIUS * (cell.occupied / structure.n_atoms) ** (1.0 / 3.0)
        alpha = _ALPHA / radius
        self._pairs = RealSpaceSum(structure, cell, radius, alpha, widths, None).stored
        own = curvature - 2.0 / math.sqrt(math.pi) * alpha * COULOMB
        rows = COULOMB * self._pairs.sizes()
        # Jacobi scaling: the spectrum of what remains lies around one
        self._own = np.maximum(own, 0.25 * curvature)
        self._highest = float((1.0 + rows / self._own).max())
        self._lowest = self._highest / _CONDITION
        self._mesh = ChargeMesh(cell, _SPACING / alpha, 4)
        far = 4.0 * math.pi * COULOMB / self._squares * self._smooth(alpha)
        far[0, 0, 0] = 0.0
        answer = self._near(np.ones(structure.n_atoms))
        local = self._smooth(0.5 * alpha) * self._splines
        largest, mean = float(self._through(answer, local, 1).max()), answer.sum() / cell.volume
        x: Floats | float = largest
        if largest <= _EVEN * mean:
            # long waves see less of the unevenness
            waves = self._squares / (self._squares + (_LONG * alpha) ** 2)
            x = mean + (largest - mean) * np.maximum(waves, 0.5)
        self._filter = far / (1.0 + x * far) * self._splines

    def _near(self, pulls: Floats) -> Floats:
        """Chebyshev iteration for near pairs, a polynomial that is positive below `_highest`."""
        known, result = self._pairs, np.empty(len(pulls))
        solve_by_polynomial(
            known.images, known.offsets, known.places, known.values, COULOMB, self._own,
            0.5 * (self._highest + self._lowest), 0.5 * (self._highest - self._lowest), _DEGREE,
            pulls, result,
        )  # fmt: skip
        return result

    @cached_property
    def _squares(self) -> Floats:
        """|k|^2 of all modes of the mesh, 1 instead of 0: float64[n_x, n_y, n_z // 2 + 1]."""
        n_x, n_y, n_z = self._mesh.sizes
        b = self._mesh.cell.reciprocal
        k = (
            np.fft.fftfreq(n_x, 1.0 / n_x)[:, None, None, None] * b[0]
            + np.fft.fftfreq(n_y, 1.0 / n_y)[:, None, None] * b[1]
            + np.arange(n_z // 2 + 1.0)[:, None] * b[2]
        )
        squares = (k**2).sum(axis=3)
        squares[0, 0, 0] = 1.0
        return squares

    def _smooth(self, alpha: float) -> Floats:
        """``exp(-k^2/4 alpha^2)`` of all modes."""
        smooth: Floats = np.exp(-self._squares / (4.0 * alpha**2))
        smooth[0, 0, 0] = 1.0
        return smooth

    @cached_property
    def _splines(self) -> Floats:
        """Squared spline factors of all modes over the volume of the cell, 1/A^3."""
        by_x, by_y, by_z = self._mesh.corrections
        factors: Floats = by_x[:, None, None] * by_y[:, None] * by_z[: self._mesh.sizes[2] // 2 + 1]
        return factors / self._mesh.cell.volume

    def _through(self, charges: Floats, filtered: Floats, threads: int) -> Floats:
        """Values at the atoms of a convolution of charges with a function given by its modes."""
        mesh, waves = self._mesh.transform(charges, threads)
        waves *= filtered
        return self._mesh.read(waves, mesh, threads, gradients=False)[0]

    def __call__(self, pulls: Floats, *, threads: int = 1) -> Floats:
        """
        Apply the approximate inverse, symmetric and positive.

        Parameters
        ----------
        pulls : float64[n_atoms], V
        threads : int

        Returns
        -------
        float64[n_atoms], e
        """
        charges = self._near(pulls)
        return charges - self._near(self._through(charges, self._filter, threads))
