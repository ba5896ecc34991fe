"""The smooth part of a lattice sum by Fourier transforms on a mesh."""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy.fft
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from linpot.electrostatics.cells import ChargeCell
from linpot.electrostatics.sums import Sums
from linpot.errors import InputError
from linpot.kernels.mesh import (
    PADDING,
    convolve,
    copy_row_ends,
    interpolate,
    sort_into_columns,
    spread,
)
from linpot.parallel import cut, run_tasks

Floats = NDArray[np.float64]

MOST_POINTS = 2**29
"""Larger meshes are refused; this one takes 13 GB."""

PLANES_PER_TASK, CHARGES_PER_TASK = 16, 512
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
        self._cell, self._alpha, self._order = cell, alpha, order
        lengths = np.linalg.norm(cell.cell, axis=1)
        self._sizes = np.array(
            [
                scipy.fft.next_fast_len(max(int(np.ceil(length / spacing)), PADDING), real=True)
                for length in lengths
            ]
        )
        n_x, n_y, n_z = (int(n) for n in self._sizes)
        if n_x * n_y * n_z > MOST_POINTS:
            raise InputError(
                f"a mesh for charges must have at most {MOST_POINTS} points, got {n_x} x {n_y} x "
                f"{n_z}; ask for less `accuracy`, or take a smaller cell"
            )
        half = n_z // 2 + 1
        corrections = [_spline_factors(n, order) for n in (n_x, n_y, n_z)]
        padded = np.zeros(-(-half // 8) * 8)
        padded[:half] = corrections[2][:half]
        self._corrections = corrections[0], corrections[1], padded
        self._powers = _spline_powers(order)
        self._charge_order, self._planes = sort_into_columns(cell.fractions, self._sizes)

    def evaluate(self, charges: Floats, *, forces: bool, threads: int) -> Sums:
        """Spread, transform, multiply, transform back, and read."""
        n_x, n_y, n_z = (int(n) for n in self._sizes)
        planes = cut(n_x, max(1, n_x // PLANES_PER_TASK))  # whatever the threads: the same sums
        fractions = self._cell.fractions
        mesh = np.empty((n_x, n_y, n_z + PADDING))

        def put(run: tuple[int, int]) -> None:
            spread(
                *run,
                charges,
                fractions,
                self._charge_order,
                self._planes,
                self._powers,
                self._order,
                mesh,
            )

        run_tasks(put, planes, threads)
        waves = scipy.fft.rfftn(mesh[:, :, :n_z], workers=threads)
        sums = np.empty((n_x, 7))

        def multiply(run: tuple[int, int]) -> None:
            convolve(
                *run, waves.view(np.float64), n_z, self._cell.reciprocal,
                1.0 / (4.0 * self._alpha**2), self._corrections, sums,
            )  # fmt: skip

        run_tasks(multiply, planes, threads)
        values = scipy.fft.irfftn(
            waves, s=(n_x, n_y, n_z), norm="forward", overwrite_x=True, workers=threads
        )
        run_tasks(lambda run: copy_row_ends(*run, values, mesh), planes, threads)
        potentials = np.empty(len(charges))
        gradients = np.empty((len(charges), 3)) if forces else None

        def read(run: tuple[int, int]) -> None:
            interpolate(
                *run,
                fractions,
                self._charge_order,
                self._powers,
                self._order,
                mesh,
                potentials,
                gradients,
            )

        tasks = cut(len(charges), max(1, len(charges) // CHARGES_PER_TASK))
        run_tasks(read, tasks, threads)
        factor = 4.0 * np.pi / self._cell.volume
        potentials *= factor
        if gradients is None:
            return Sums(potentials, None, None)
        fields = gradients @ (self._cell.reciprocal * (-factor / (2.0 * np.pi)))
        total = 0.5 * factor * sums.sum(axis=0)
        return Sums(potentials, fields, total[0] * np.eye(3) - total[1:][_VOIGT])


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
