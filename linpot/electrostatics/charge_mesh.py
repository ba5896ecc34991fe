"""Charges on a mesh: spread by B-splines, and potentials read off again."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from linpot.electrostatics.cells import ChargeCell
from linpot.errors import InputError
from linpot.kernels.mesh import PADDING, copy_row_ends, interpolate, sort_into_columns, spread
from linpot.parallel import cut, run_tasks

Floats = NDArray[np.float64]

MOST_POINTS = 2**29
"""Larger meshes are refused; this one takes 13 GB."""

PLANES_PER_TASK, CHARGES_PER_TASK = 16, 512


class ChargeMesh:
    """
    Charges of a periodic cell on a mesh.

    Parameters
    ----------
    cell : ChargeCell
    spacing : float, A
        Largest distance of mesh points along the lattice vectors.
    order : int
        Of the B-splines: 4, 6 or 8.

    Attributes
    ----------
    sizes : tuple of 3 int
        Points along each axis.
    corrections : tuple of three float64[n]
        Squared spline factors ``|b(m)|^2`` along each axis, the third padded to whole lanes.
    planes : list of (int, int)
        Runs of planes for tasks, whatever the threads: the same sums.

    Raises
    ------
    InputError
        If the mesh would be too large.

    References
    ----------
    Essmann et al., J. Chem. Phys. 103, 8577 (1995).
    """

    def __init__(self, cell: ChargeCell, spacing: float, order: int) -> None:
        self.cell, self._order = cell, order
        lengths = np.linalg.norm(cell.cell, axis=1)
        n_x, n_y, n_z = (
            scipy.fft.next_fast_len(max(int(np.ceil(length / spacing)), PADDING), real=True)
            for length in lengths
        )
        if n_x * n_y * n_z > MOST_POINTS:
            raise InputError(
                f"a mesh for charges must have at most {MOST_POINTS} points, got {n_x} x {n_y} x "
                f"{n_z}; ask for less `accuracy`, or take a smaller cell"
            )
        self.sizes = int(n_x), int(n_y), int(n_z)
        half = n_z // 2 + 1
        corrections = [_spline_factors(n, order) for n in self.sizes]
        padded = np.zeros(-(-half // 8) * 8)
        padded[:half] = corrections[2][:half]
        self.corrections = corrections[0], corrections[1], padded
        self.planes = cut(n_x, max(1, n_x // PLANES_PER_TASK))
        self._powers = _spline_powers(order)
        self._charge_order, self._first_of_plane = sort_into_columns(
            cell.fractions, np.array(self.sizes)
        )

    def transform(self, charges: Floats, threads: int) -> tuple[Floats, Any]:
        """
        Spread charges and transform them.

        Returns
        -------
        mesh : float64[n_x, n_y, n_z + PADDING]
            For `read` to use again.
        waves : complex128[n_x, n_y, n_z // 2 + 1]
        """
        n_x, n_y, n_z = self.sizes
        mesh = np.empty((n_x, n_y, n_z + PADDING))

        def put(run: tuple[int, int]) -> None:
            spread(
                *run, charges, self.cell.fractions, self._charge_order, self._first_of_plane,
                self._powers, self._order, mesh,
            )  # fmt: skip

        run_tasks(put, self.planes, threads)
        return mesh, scipy.fft.rfftn(mesh[:, :, :n_z], workers=threads)

    def read(
        self, waves: Any, mesh: Floats, threads: int, *, gradients: bool
    ) -> tuple[Floats, Floats | None]:
        """
        Transform back and read values at the charges, without the factor of the transform.

        Parameters
        ----------
        waves : complex128[n_x, n_y, n_z // 2 + 1], changed
        mesh : float64[n_x, n_y, n_z + PADDING], changed
        threads : int
        gradients : bool
            Whether derivatives by the fractions are wanted.

        Returns
        -------
        values : float64[n_atoms]
        gradients : float64[n_atoms, 3] or None
        """
        n_atoms = len(self.cell.fractions)
        values = scipy.fft.irfftn(
            waves, s=self.sizes, norm="forward", overwrite_x=True, workers=threads
        )
        run_tasks(lambda run: copy_row_ends(*run, values, mesh), self.planes, threads)
        result = np.empty(n_atoms)
        slopes = np.empty((n_atoms, 3)) if gradients else None

        def take(run: tuple[int, int]) -> None:
            interpolate(
                *run, self.cell.fractions, self._charge_order, self._powers, self._order, mesh,
                result, slopes,
            )  # fmt: skip

        run_tasks(take, cut(n_atoms, max(1, n_atoms // CHARGES_PER_TASK)), threads)
        return result, slopes


@cache
def _spline_powers(order: int) -> Floats:
    """
    Return B-splines by mesh point as polynomials of the distance behind it.

    Returns
    -------
    float64[2, 8, 8]
        Of values and of slopes, the coefficient of (t - 1/2)^k for the point j: ``M_p(t + p-1-j)``.
    """
    half, one = Polynomial([0.5, 1.0]), Polynomial([1.0])  # t, in powers of t - 1/2
    pieces = [half, one - half]  # M_2(t + k)
    for n in range(3, order + 1):  # Essmann et al., eq. 4.1
        none = [Polynomial([0.0])]
        pieces = [
            ((half + k) * one_more + (n - k - half) * one_less) / (n - 1)
            for k, (one_more, one_less) in enumerate(zip(pieces + none, none + pieces, strict=True))
        ]
    powers = np.zeros((2, 8, 8))
    for k, piece in enumerate(pieces):
        j = order - 1 - k
        powers[0, : len(piece.coef), j] = piece.coef
        slope = piece.deriv().coef
        powers[1, : len(slope), j] = slope
    return powers


@cache
def _spline_factors(n: int, order: int) -> Floats:
    """
    Return |b(m)|^2 of Essmann et al., eq. 4.4, for all n modes; 0 for the one at the edge.

    The mode n/2 of an even mesh is its own mirror image, but not in a skewed cell: left out.
    """
    points = np.arange(1, order)
    splines = np.zeros(order + 1)
    splines[1] = 1.0  # M_2 at whole numbers
    for p in range(3, order + 1):
        k = np.arange(1, p)
        splines[1:p] = (k * splines[1:p] + (p - k) * splines[: p - 1]) / (p - 1)
    modes = np.arange(n)[:, None]
    sums = (splines[1:order] * np.exp(2j * np.pi * modes * (points - 1) / n)).sum(axis=1)
    factors = 1.0 / np.abs(sums) ** 2
    if n % 2 == 0:
        factors[n // 2] = 0.0
    return factors
