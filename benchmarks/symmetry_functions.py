"""
Atom-centered symmetry functions with their derivatives, for `benchmarks.network`.

Radial G2 and angular G4 with the cosine cutoff, J. Behler, J. Chem. Phys. 134, 074106 (2011),
equations 4, 6 and 8; one element. Packages that install today have no analytic derivatives of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from ase import units
from numpy.typing import NDArray

from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SymmetryFunctions:
    """
    Settings of the functions of one element.

    Attributes
    ----------
    cutoff : float, A
    radial : float64[n_radial, 2]
        Width (1/A^2) and shift (A) of every G2.
    angular : float64[n_angular, 3]
        Width (1/A^2), sign lambda and exponent zeta of every G4.
    """

    cutoff: float
    radial: Floats
    angular: Floats

    def __len__(self) -> int:
        return len(self.radial) + len(self.angular)


@dataclass(frozen=True)
class Described:
    """
    One structure in terms of its functions.

    Attributes
    ----------
    values : float64[n_atoms, n_functions]
    slopes : float64[n_pairs, n_functions, 3], 1/A
        Derivatives of the values of the center by the position of the neighbor.
    centers, neighbors : int64[n_pairs]
    vectors : float64[n_pairs, 3], A
    """

    values: Floats
    slopes: Floats
    centers: NDArray[np.int64]
    neighbors: NDArray[np.int64]
    vectors: Floats


def grid(
    cutoff: float, radial_widths: list[float], shifts: list[float], angular_widths: list[float]
) -> SymmetryFunctions:
    """
    Make the functions of Zuo et al., in the order of n2p2: width, then shift or exponent and sign.

    Parameters
    ----------
    cutoff : float, A
    radial_widths, angular_widths : list of float, 1/bohr^2
    shifts : list of float, A

    Returns
    -------
    SymmetryFunctions
    """
    per_square = units.Bohr**-2
    radial = [(w * per_square, s) for w in radial_widths for s in shifts]
    angular = [
        (w * per_square, sign, zeta)
        for w in angular_widths
        for zeta in (1.0, 2.0, 4.0, 16.0)
        for sign in (-1.0, 1.0)
    ]
    return SymmetryFunctions(cutoff, np.array(radial), np.array(angular))


def describe(structure: Structure, functions: SymmetryFunctions) -> Described:
    """
    Evaluate all functions of all atoms of a structure.

    Parameters
    ----------
    structure : Structure
    functions : SymmetryFunctions

    Returns
    -------
    Described
    """
    found = find_neighbors(structure, functions.cutoff)
    vectors = found.vectors(structure.positions, structure.cell)
    values = np.zeros((structure.n_atoms, len(functions)))
    slopes = np.zeros((found.n_pairs, len(functions), 3))
    _evaluate(
        found.offsets,
        vectors,
        functions.cutoff,
        functions.radial,
        functions.angular,
        values,
        slopes,
    )
    return Described(values, slopes, found.centers, found.neighbors, vectors)


@numba.njit(cache=True, error_model="numpy")
def _cutoff(r: float, cutoff: float) -> tuple[float, float]:
    """Cosine cutoff and its derivative."""
    x = np.pi * r / cutoff
    return 0.5 * (np.cos(x) + 1.0), -0.5 * np.pi / cutoff * np.sin(x)


@numba.njit(cache=True, error_model="numpy")
def _evaluate(
    offsets: NDArray[np.int64],
    vectors: Floats,
    cutoff: float,
    radial: Floats,
    angular: Floats,
    values: Floats,
    slopes: Floats,
) -> None:
    n_radial = len(radial)
    r = np.sqrt((vectors**2).sum(axis=1))
    for i in range(len(offsets) - 1):
        for j in range(offsets[i], offsets[i + 1]):
            u, f, df = vectors[j], *_cutoff(r[j], cutoff)
            for m in range(n_radial):
                gap = r[j] - radial[m, 1]
                wave = np.exp(-radial[m, 0] * gap * gap)
                values[i, m] += wave * f
                slope = wave * (df - 2.0 * radial[m, 0] * gap * f) / r[j]
                for x in range(3):
                    slopes[j, m, x] += slope * u[x]
            for k in range(j + 1, offsets[i + 1]):
                v = vectors[k]
                w = v - u
                far = np.sqrt(w[0] ** 2 + w[1] ** 2 + w[2] ** 2)
                if far >= cutoff:
                    continue
                g, dg = _cutoff(r[k], cutoff)
                h, dh = _cutoff(far, cutoff)
                cosine = (u[0] * v[0] + u[1] * v[1] + u[2] * v[2]) / (r[j] * r[k])
                size = r[j] ** 2 + r[k] ** 2 + far**2
                for m in range(len(angular)):
                    width, sign, zeta = angular[m]
                    angle = max(0.0, 1.0 + sign * cosine)
                    wave = 2.0 ** (1.0 - zeta) * np.exp(-width * size)
                    lower = angle ** (zeta - 1.0)
                    own = wave * lower * angle
                    values[i, n_radial + m] += own * f * g * h
                    turn = wave * zeta * sign * lower * f * g * h
                    for x in range(3):
                        by_u = turn * (v[x] / r[k] - cosine * u[x] / r[j]) / r[j]
                        by_v = turn * (u[x] / r[j] - cosine * v[x] / r[k]) / r[k]
                        by_u += own * df * g * h * u[x] / r[j]
                        by_v += own * f * dg * h * v[x] / r[k]
                        across = own * (f * g * dh * w[x] / far)
                        spread = 2.0 * width * own * f * g * h
                        by_u -= across + spread * (u[x] - w[x])
                        by_v += across - spread * (v[x] + w[x])
                        slopes[j, n_radial + m, x] += by_u
                        slopes[k, n_radial + m, x] += by_v
