"""
A slow evaluator that shares nothing with the kernels: the oracle of the tests.

Loops run in Python, harmonics come from explicit polynomials, images from brute force. Every
quantity is an array over directions of complex positions, so that derivatives are complex steps
and exact to rounding (Squire and Trapp, SIAM Rev. 40, 110 (1998), eq. 6).
"""

from __future__ import annotations

from functools import cache
from itertools import product
from math import comb, factorial, sqrt

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.basis.program import Program
from linpot.model.linear_potential import LinearPotential
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Pair = tuple[int, int, tuple[int, int, int]]

_STEP = 1e-30  # any step whose square vanishes beside 1


def naive_energies(potential: LinearPotential, structure: Structure) -> Floats:
    """
    Return the energy of every atom, E0 included: float64[n_atoms], eV.

    Parameters
    ----------
    potential : LinearPotential
    structure : Structure
    """
    positions = structure.positions[None].astype(complex)
    cells = structure.cell[None].astype(complex)
    return _atomic_energies(potential, structure, positions, cells)[:, 0].real.copy()


def naive_features(potential: LinearPotential, structure: Structure) -> list[Floats]:
    """
    Return the features of every atom: list of float64[n_features of the centre species].

    Parameters
    ----------
    potential : LinearPotential
    structure : Structure
    """
    positions = structure.positions[None].astype(complex)
    cells = structure.cell[None].astype(complex)
    features = _features(potential, structure, positions, cells)
    return [values[:, 0].real.copy() for values in features]


def naive_forces_and_virial(
    potential: LinearPotential, structure: Structure
) -> tuple[Floats, Floats]:
    """
    Differentiate the energy by complex steps of the positions and of the strain.

    Under a strain e, positions and lattice vectors go from r to ``r (1 + e)``; pairs are kept.

    Parameters
    ----------
    potential : LinearPotential
    structure : Structure

    Returns
    -------
    forces : float64[n_atoms, 3], eV/A
        ``-dE/dr``.
    virial : float64[3, 3], eV
        ``-dE/dstrain``.
    """
    n_moves = 3 * structure.n_atoms
    n_directions = n_moves + 9
    positions = np.repeat(structure.positions[None].astype(complex), n_directions, axis=0)
    cells = np.repeat(structure.cell[None].astype(complex), n_directions, axis=0)
    for direction in range(n_moves):
        positions[direction, direction // 3, direction % 3] += 1j * _STEP
    for a, b in product(range(3), range(3)):
        direction = n_moves + 3 * a + b
        positions[direction, :, b] += 1j * _STEP * structure.positions[:, a]
        cells[direction, :, b] += 1j * _STEP * structure.cell[:, a]
    energies = _atomic_energies(potential, structure, positions, cells).sum(axis=0)
    slopes = energies.imag / _STEP
    return -slopes[:n_moves].reshape(-1, 3), -slopes[n_moves:].reshape(3, 3)


def naive_pairs(structure: Structure, cutoff: float) -> list[Pair]:
    """
    List all ordered pairs (centre, neighbor, shift) closer than a cutoff, by trying all images.

    Parameters
    ----------
    structure : Structure
    cutoff : float, A
    """
    axes = [axis for axis in range(3) if structure.pbc[axis]]
    reach = [0, 0, 0]
    if axes:
        dual = np.linalg.pinv(structure.cell[axes])  # columns: normals over plane distances
        spread = np.ptp(structure.positions @ dual, axis=0)
        for axis, normal, extent in zip(axes, dual.T, spread, strict=True):
            reach[axis] = int(np.ceil(cutoff * np.linalg.norm(normal) + extent))
    images = [range(-n, n + 1) for n in reach]
    pairs: list[Pair] = []
    for i, j in product(range(structure.n_atoms), repeat=2):
        for shift in product(images[0], images[1], images[2]):
            if i == j and shift == (0, 0, 0):
                continue
            vector = structure.positions[j] - structure.positions[i] + shift @ structure.cell
            if np.linalg.norm(vector) < cutoff:
                pairs.append((i, j, shift))
    return pairs


def naive_harmonics(x: Complexes, y: Complexes, z: Complexes, l_max: int) -> list[Complexes]:
    """
    Return the real harmonics of unit vectors, index l (l + 1) + m, by explicit polynomials.

    Parameters
    ----------
    x, y, z : complex128[n_directions]
    l_max : int

    Returns
    -------
    list of complex128[n_directions]

    References
    ----------
    Helgaker, Jorgensen, Olsen, Molecular Electronic-Structure Theory (2000), eq. 6.4.20-6.4.22,
    6.4.47 (real solid harmonics without the Condon-Shortley phase).
    """
    values = []
    for l in range(l_max + 1):
        for m in range(-l, l + 1):
            order = abs(m)
            polar = sum(c * z**k for k, c in _polar_polynomial(l, order))
            azimuth = sum(
                comb(order, k) * x ** (order - k) * y**k * (-1) ** (k // 2)
                for k in range(order + 1)
                if k % 2 == (m < 0)  # cosine for m >= 0, sine for m < 0
            )
            norm = sqrt((2 * l + 1) * (2 if m else 1))
            values.append(norm * polar * azimuth)
    return values


@cache
def _polar_polynomial(l: int, m: int) -> tuple[tuple[int, float], ...]:
    """Powers of z and their coefficients, ``sqrt((l-m)!/(l+m)!)`` times d^m P_l / dz^m."""
    scale = sqrt(factorial(l - m) / factorial(l + m)) / 2**l
    return tuple(
        (
            l - 2 * k - m,
            scale
            * (-1) ** k
            * comb(l, k)
            * comb(2 * l - 2 * k, l)
            * (factorial(l - 2 * k) / factorial(l - 2 * k - m)),
        )
        for k in range((l - m) // 2 + 1)
    )


def naive_radials(basis: Basis, center: int, neighbor: int, r: Complexes) -> list[Complexes]:
    """
    Return the radial functions of a pair of species, of whatever kind the basis has.

    Parameters
    ----------
    basis : Basis
    center, neighbor : int
    r : complex128[n_directions], A
    """
    parameters = basis.radial_parameters[center, neighbor]
    if basis.radial_table is not None:
        return naive_table(r, parameters, basis.radial_table[center, neighbor])
    if basis.radial_recurrence is not None:
        return naive_radial(r, parameters, basis.radial_recurrence[center, neighbor])
    return naive_hyperspherical(r, parameters)


def naive_table(r: Complexes, parameters: Floats, table: Floats) -> list[Complexes]:
    """
    Return the cubic polynomials of Hermite of one pair.

    Parameters
    ----------
    r : complex128[n_directions], A
    parameters : float64[4]
        Cutoff, intervals per A, number of intervals, 0.
    table : float64[n_nodes, 2, n_functions]
        Values, and slopes times the width of an interval.
    """
    if r[0].real >= parameters[0]:
        return [np.zeros_like(r) for _ in range(table.shape[2])]
    k = min(int(r[0].real * parameters[1]), int(parameters[2]) - 1)
    t = r * parameters[1] - k
    (a, da), (b, db) = table[k], table[k + 1]
    hermite = (  # value and slope on the left, on the right
        (1 + 2 * t) * (1 - t) ** 2,
        t * (1 - t) ** 2,
        t**2 * (3 - 2 * t),
        t**2 * (t - 1),
    )
    return [
        sum(h * c for h, c in zip(hermite, column, strict=True))
        for column in zip(a, da, b, db, strict=True)
    ]


def naive_hyperspherical(r: Complexes, parameters: Floats) -> list[Complexes]:
    """
    Return ``f(r) sin^l t C^(l+1)_n(cos t)`` of one pair from the explicit sum of Gegenbauer.

    Parameters
    ----------
    r : complex128[n_directions], A
    parameters : float64[6]
        Cutoff, rfac0, rmin0, start and end of the inner switch, 2J.

    References
    ----------
    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), eq. 22.3.4.
    """
    cutoff, factor, nearest, start, end, highest = parameters
    if r[0].real >= cutoff:
        return [np.zeros_like(r) for _ in range(int((highest + 1) * (highest + 2)) // 2)]
    u = (r - nearest) / (cutoff - nearest)
    envelope = (1 + np.cos(np.pi * u)) / 2 if u[0].real > 0 else np.ones_like(r)
    if end > 0.0:
        rise = (r - start) / (end - start)
        if rise[0].real < 0:
            envelope = np.zeros_like(r)
        elif rise[0].real < 1:
            envelope = envelope * (1 - np.cos(np.pi * rise)) / 2
    side = 1.0 if u[0].real > 0 else -1.0
    sine, cosine = side * np.sin(np.pi * factor * u), side * np.cos(np.pi * factor * u)
    values = []
    for l in range(int(highest) + 1):
        for n in range(int(highest) - l + 1):
            polynomial = sum(
                (-1) ** k
                * factorial(n - k + l)
                / (factorial(l) * factorial(k) * factorial(n - 2 * k))
                * (2 * cosine) ** (n - 2 * k)
                for k in range(n // 2 + 1)
            )
            values.append(envelope * sine**l * polynomial)
    return values


def naive_radial(r: Complexes, parameters: Floats, recurrence: Floats) -> list[Complexes]:
    """
    Return R_n of one pair, straight from the formulas of `RadialParameters`.

    Parameters
    ----------
    r : complex128[n_directions], A
    parameters : float64[4]
        Cutoff, decay, taper_start, taper_end.
    recurrence : float64[n_radial, 3]

    Returns
    -------
    list of complex128[n_directions]
    """
    cutoff, decay, start, end = parameters
    if r[0].real >= cutoff or r[0].real < start:
        return [np.zeros_like(r) for _ in recurrence]
    x = 1 - 2 * (np.exp(-decay * r / cutoff) - np.exp(-decay)) / (1 - np.exp(-decay))
    envelope = (1 + np.cos(np.pi * r / cutoff)) / 2 * (1 - x)
    if r[0].real < end:
        t = (r - start) / (end - start)
        envelope = envelope * (10 * t**3 - 15 * t**4 + 6 * t**5)
    polynomials = [np.full_like(x, recurrence[0, 0])]
    for n in range(1, len(recurrence)):
        a, b, c = recurrence[n]
        before = polynomials[n - 2] if n > 1 else 0.0
        polynomials.append((a * x + b) * polynomials[n - 1] - c * before)
    return [envelope * p for p in polynomials]


def _atomic_energies(
    potential: LinearPotential, structure: Structure, positions: Complexes, cells: Complexes
) -> Complexes:
    """Return complex128[n_atoms, n_directions]."""
    species = potential.species_of(structure)
    starts = potential.basis.feature_offsets
    energies = np.zeros((structure.n_atoms, len(positions)), dtype=complex)
    for i, features in enumerate(_features(potential, structure, positions, cells)):
        energies[i] = potential.isolated_atom_energies[potential.elements[species[i]]]
        own = potential.coefficients[starts[species[i]] : starts[species[i] + 1]]
        for coefficient, feature in zip(own, features, strict=True):
            energies[i] += coefficient * feature
    return energies


def _features(
    potential: LinearPotential, structure: Structure, positions: Complexes, cells: Complexes
) -> list[Complexes]:
    """Return complex128[n_features, n_directions] of every atom."""
    basis = potential.basis
    species = potential.species_of(structure)
    densities = []
    for i in range(structure.n_atoms):
        constants = basis.programs[species[i]].density_constants
        densities.append([np.full(len(positions), c, dtype=complex) for c in constants])
    for i, j, shift in naive_pairs(structure, potential.cutoff):
        vectors = positions[:, j] - positions[:, i] + np.array(shift, dtype=float) @ cells
        x, y, z = vectors.T
        r = np.sqrt(x * x + y * y + z * z)
        program = basis.programs[species[i]]
        radial = naive_radials(basis, species[i], species[j], r)
        harmonics = naive_harmonics(x / r, y / r, z / r, program.l_max)
        for c in range(len(program.channel_radial)):
            weight = program.channel_weights[species[j], c]
            for a in range(program.channel_size[c]):
                densities[i][program.channel_start[c] - 1 + a] += (
                    weight
                    * radial[program.channel_radial[c]]
                    * harmonics[program.channel_angular[c] + a]
                )
    return [_read(basis.programs[z], own) for z, own in zip(species, densities, strict=True)]


def _read(program: Program, densities: list[Complexes]) -> Complexes:
    """Run a program on the densities of one atom."""
    n_directions = len(densities[0])
    nodes = [np.ones(n_directions, dtype=complex), *densities]
    nodes += [np.zeros(n_directions, dtype=complex) for _ in range(len(nodes), program.n_nodes)]
    for target, left, right, coefficient in zip(
        program.term_target,
        program.term_left,
        program.term_right,
        program.term_coefficient,
        strict=True,
    ):
        nodes[target] = nodes[target] + coefficient * nodes[left] * nodes[right]
    features = np.zeros((program.n_features, n_directions), dtype=complex)
    for f in range(program.n_features):
        for entry in range(program.feature_offsets[f], program.feature_offsets[f + 1]):
            leaf = program.feature_leaf[entry]
            features[f] += (
                program.feature_coefficient[entry]
                * nodes[program.leaf_left[leaf]]
                * nodes[program.leaf_right[leaf]]
            )
    return features
