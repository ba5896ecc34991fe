"""The smooth part of a lattice sum by Fourier transforms on a mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from linpot.electrostatics.cells import ChargeCell
from linpot.electrostatics.charge_mesh import ChargeMesh
from linpot.electrostatics.sums import Sums
from linpot.kernels.mesh import convolve
from linpot.parallel import run_tasks

Floats = NDArray[np.float64]

_VOIGT = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]


class MeshSum:
    """
    ``4 pi/V sum_k exp(-k^2/4 alpha^2)/k^2 exp(i k r)`` with charges and potentials on a mesh.

    Fields are the exact derivative of the energy on the mesh; they sum to zero to its accuracy.

    Parameters
    ----------
    cell : ChargeCell
    alpha : float, 1/A
    spacing : float, A
        Largest distance of mesh points along the lattice vectors.
    order : int
        Of the B-splines: 4, 6 or 8.

    Raises
    ------
    InputError
        If the mesh would be too large.
    """

    def __init__(self, cell: ChargeCell, alpha: float, spacing: float, order: int) -> None:
        self._cell, self._alpha = cell, alpha
        self._mesh = ChargeMesh(cell, spacing, order)

    def evaluate(self, charges: Floats, *, forces: bool, threads: int) -> Sums:
        """Spread, transform, multiply, transform back, and read."""
        mesh, waves = self._mesh.transform(charges, threads)
        n_x, _, n_z = self._mesh.sizes
        sums = np.empty((n_x, 7))

        def multiply(run: tuple[int, int]) -> None:
            convolve(
                *run, waves.view(np.float64), n_z, self._cell.reciprocal,
                1.0 / (4.0 * self._alpha**2), self._mesh.corrections, sums,
            )  # fmt: skip

        run_tasks(multiply, self._mesh.planes, threads)
        potentials, gradients = self._mesh.read(waves, mesh, threads, gradients=forces)
        factor = 4.0 * np.pi / self._cell.volume
        potentials *= factor
        if gradients is None:
            return Sums(potentials, None, None)
        fields = gradients @ (self._cell.reciprocal * (-factor / (2.0 * np.pi)))
        total = 0.5 * factor * sums.sum(axis=0)
        return Sums(potentials, fields, total[0] * np.eye(3) - total[1:][_VOIGT])
