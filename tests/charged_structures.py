"""Charged structures, and lattice sums written down plainly, for the tests of electrostatics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, erfc

from linpot.electrostatics.coulomb_sum import CoulombSum
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

STEP = 1e-4  # A, and as a strain
STENCIL = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))


def structure_of(positions, cell, pbc, numbers=None) -> Structure:
    positions = np.asarray(positions, dtype=float)
    numbers = np.ones(len(positions), dtype=int) if numbers is None else numbers
    return Structure(numbers, positions, np.asarray(cell, dtype=float), pbc)


def scattered(n_atoms: int, cell: Floats, seed: int, closest: float = 1.3) -> Floats:
    """Random positions in a cell, images no closer than a distance."""
    rng = np.random.default_rng(seed)
    shifts = np.array(list(np.ndindex(3, 3, 3))) - 1
    found: list[Floats] = []
    while len(found) < n_atoms:
        new = rng.random(3) @ cell
        images = new + shifts @ cell
        if all(np.linalg.norm(images - old, axis=1).min() > closest for old in found):
            found.append(new)
    return np.array(found)


TRICLINIC = np.array([[6.1, 0.4, -0.2], [1.7, 5.6, 0.3], [-1.1, 0.9, 7.2]])
SKEWED = np.array([[4.0, 0.0, 0.0], [3.1, 3.0, 0.0], [1.9, 2.2, 2.9]])
PLANAR = np.array([[5.2, 0.3, 0.1], [-1.2, 6.4, 0.2], [0.0, 0.0, 0.0]])


def cases() -> dict[str, tuple[Structure, Floats]]:
    """Structures and charges, neutral but for the last ones."""
    rng = np.random.default_rng(5)
    q = rng.normal(size=12)
    q -= q.mean()
    bulk = scattered(12, TRICLINIC, 1)
    small = np.array([[0.1, 0.2, 0.3], [1.6, 1.5, 1.2]])
    slab = scattered(10, np.array([*PLANAR[:2], [0.3, 0.2, 4.5]]), 2)
    # a slab whose normal is no axis, with another axis left open
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    turned = np.stack([PLANAR[0], [0.0, 0.0, 0.0], PLANAR[1]]) @ turn
    molecule = scattered(9, np.diag([4.0, 5.0, 6.0]), 3)
    neutral = rng.normal(size=10)
    neutral -= neutral.mean()
    everywhere, plane = (True, True, True), (True, True, False)
    return {
        "triclinic": (structure_of(bulk, TRICLINIC, everywhere), q),
        "skewed": (structure_of(small, SKEWED, everywhere), np.array([1.0, -1.0])),
        "slab": (structure_of(slab, PLANAR, plane), neutral),
        "turned slab": (structure_of(slab @ turn, turned, (True, False, True)), neutral),
        "molecule": (structure_of(molecule, np.zeros((3, 3)), (False,) * 3), q[:9]),
        "charged": (structure_of(bulk, TRICLINIC, everywhere), q + 0.3),
        "charged slab": (structure_of(slab, PLANAR, plane), neutral + 0.2),
    }


CASES = cases()
PERIODIC = [name for name, (s, _) in CASES.items() if any(s.pbc)]


def moved(structure: Structure, displacements: Floats) -> Structure:
    return replace(structure, positions=structure.positions + displacements)


def strained(structure: Structure, matrix: Floats) -> Structure:
    return replace(structure, positions=structure.positions @ matrix, cell=structure.cell @ matrix)


def energy_of(structure: Structure, charges: Floats, **options) -> float:
    return CoulombSum(structure, **options).evaluate(charges, forces=False).energy


def slope(function) -> float:
    """Derivative at 0 by five points."""
    return sum(c * function(k * STEP) for k, c in STENCIL) / STEP


def plain_sum(positions: Floats, charges: Floats, widths: Floats | None = None) -> float:
    """``1/2 sum q q / r`` over all pairs of a molecule, e^2/A."""
    vectors = positions[:, None] - positions
    r = np.linalg.norm(vectors, axis=2) + np.eye(len(charges))
    f = 1.0 / r
    if widths is not None:
        reach = np.sqrt(2.0 * np.add.outer(widths**2, widths**2))
        f *= erf(r / np.maximum(reach, 1e-6))  # erf(1e6) is 1: points
    np.fill_diagonal(f, 0.0)
    return 0.5 * float(charges @ f @ charges)


def slab_sum(structure: Structure, charges: Floats, alpha: float = 1.0) -> float:
    """
    The exact Ewald sum with two periodic directions, e^2/A.

    Parry, Surf. Sci. 49, 433 (1975); the form of Heyes, Barber, Clarke, Faraday Trans. 2 73, 1485
    (1977). Images to 7/alpha, vectors to 14 alpha: erfc(7) and exp(-49) are below 1e-21.
    """
    periodic = structure.cell[list(structure.pbc)]
    across = np.cross(*periodic)
    area = np.linalg.norm(across)
    normal = across / area
    vectors = structure.positions[:, None] - structure.positions
    z = vectors @ normal
    products = np.outer(charges, charges)
    numbers = np.array([(a, b) for a in range(-14, 15) for b in range(-14, 15)])
    total = -alpha / np.sqrt(np.pi) * float(charges @ charges)
    for shift in numbers @ periodic:
        r = np.linalg.norm(vectors + shift, axis=2)
        if not shift.any():
            np.fill_diagonal(r, np.inf)
        total += 0.5 * float((products * erfc(alpha * r) / r).sum())
    reciprocal = 2.0 * np.pi * np.linalg.inv(np.array([*periodic, normal])).T[:2]
    for h in numbers @ reciprocal:
        k = np.linalg.norm(h)
        if 0.0 < k < 14.0 * alpha:
            waves = np.exp(k * z) * erfc(k / (2 * alpha) + alpha * z)
            waves += np.exp(-k * z) * erfc(k / (2 * alpha) - alpha * z)
            total += np.pi / (2 * area * k) * float((products * np.cos(vectors @ h) * waves).sum())
    flat = np.exp(-((alpha * z) ** 2)) / alpha + np.sqrt(np.pi) * z * erf(alpha * z)
    return total - np.sqrt(np.pi) / area * float((products * flat).sum())
