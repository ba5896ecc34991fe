"""The periodic cell in which charges are summed: that of a crystal, or of a slab with vacuum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

_LEAST_HEIGHT = 3.0  # A, that a flat slab is taken to occupy
_HEIGHT_STEP = 1.05  # heights are rounded up to powers of it: not a new cell in every step


@dataclass(frozen=True, eq=False)
class ChargeCell:
    """
    A cell that is periodic in three directions, and where the charges are in it.

    Attributes
    ----------
    cell : float64[3, 3], A
        Lattice vectors as rows. For a slab the third one is its normal, long enough for images to
        no longer feel each other's structure.
    positions : float64[n_atoms, 3], A
        Inside the cell, up to the thickness of a slab.
    fractions : float64[n_atoms, 3]
        In units of the lattice vectors, 0 <= fraction < 1.
    normal : float64[3] or None
        Of a slab.
    occupied : float, A^3
        Volume that holds atoms.
    """

    cell: Floats
    positions: Floats
    fractions: Floats
    normal: Floats | None
    occupied: float

    @cached_property
    def volume(self) -> float:
        """Volume, A^3."""
        return float(abs(np.linalg.det(self.cell)))

    @cached_property
    def reciprocal(self) -> Floats:
        """Reciprocal lattice vectors as rows, 2 pi included: float64[3, 3], 1/A."""
        return np.ascontiguousarray(2.0 * np.pi * np.linalg.inv(self.cell).T)

    @cached_property
    def heights(self) -> Floats:
        """Distances of opposite faces: float64[3], A."""
        return 2.0 * np.pi / np.linalg.norm(self.reciprocal, axis=1)

    def depth(self) -> Floats:
        """Positions along the normal of a slab, from its middle: float64[n_atoms], A."""
        assert self.normal is not None
        depth = self.positions @ self.normal
        return depth - 0.5 * (depth.max() + depth.min())

    @property
    def height(self) -> float:
        """Period along the normal of a slab, A."""
        assert self.normal is not None
        return float(abs(self.cell @ self.normal).max())


def charge_cell(structure: Structure, accuracy: float) -> ChargeCell | None:
    """
    Return the cell to sum in; None for a molecule.

    Parameters
    ----------
    structure : Structure
    accuracy : float
        Of a slab's images: their distance makes ``exp(-G gap)`` that small, G the shortest
        reciprocal vector of the slab.

    Returns
    -------
    ChargeCell or None

    Raises
    ------
    InputError
        For a structure that is periodic in one direction only.
    """
    n_periodic = sum(structure.pbc)
    if n_periodic == 0:
        return None
    if n_periodic == 1:
        raise InputError(
            f"charges cannot be summed with one periodic direction, got pbc={list(structure.pbc)} "
            f"for {structure.name}; set pbc to True in all three directions of a wide cell"
        )
    if n_periodic == 3:
        volume = structure.volume
        return ChargeCell(structure.cell, *_wrapped(structure, structure.cell), None, volume)
    axis = structure.pbc.index(False)
    a, b = (structure.cell[k] for k in range(3) if k != axis)
    across = np.cross(a, b)
    area = float(np.linalg.norm(across))
    normal = across / area
    depth = structure.positions @ normal
    thickness = max(float(np.ptp(depth)), _LEAST_HEIGHT)
    gap = -math.log(accuracy) / _shortest_reciprocal(a, b, area)
    steps = math.ceil(math.log(thickness + gap) / math.log(_HEIGHT_STEP))
    cell = np.array(structure.cell)
    height = _HEIGHT_STEP**steps
    cell[axis] = normal * height
    # the slab lies in the middle: rounding takes no atom through a face of the cell
    bottom = depth.min() - 0.5 * (height - np.ptp(depth))
    positions, fractions = _wrapped_positions(structure.positions - normal * bottom, cell)
    return ChargeCell(cell, positions, fractions, normal, area * thickness)


def _wrapped(structure: Structure, cell: Floats) -> tuple[Floats, Floats]:
    return _wrapped_positions(structure.positions, cell)


def _wrapped_positions(positions: Floats, cell: Floats) -> tuple[Floats, Floats]:
    fractions = positions @ np.linalg.inv(cell)
    fractions -= np.floor(fractions)
    fractions[fractions >= 1.0] = 0.0  # of tiny negative numbers
    return np.ascontiguousarray(fractions @ cell), np.ascontiguousarray(fractions)


def _shortest_reciprocal(a: Floats, b: Floats, area: float) -> float:
    """Length of the shortest reciprocal vector of a lattice in two dimensions, 1/A."""
    # Gauss's reduction: the shortest reciprocal vector stands on the longer of the reduced two
    if a @ a > b @ b:
        a, b = b, a
    while True:
        b = b - round(float(a @ b) / float(a @ a)) * a
        if b @ b >= a @ a:
            break
        a, b = b, a
    return 2.0 * math.pi * float(np.linalg.norm(a)) / area
