"""How charges follow moving atoms, and the Born effective charges that come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from linpot.structures.neighbors import complete_cell
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

_WAVES = 6
"""Of `_saw_tooth`: 0.1 % off at a fifth of the period, 1.5 % at a quarter."""


@dataclass(frozen=True, eq=False)
class ChargeResponse:
    """
    The charges of one structure, and what moving atoms does to them.

    Attributes
    ----------
    structure : Structure
    charges : float64[n_atoms], e
    slopes : callable
        Takes weights w, float64[n_atoms], and returns the derivative of ``sum_j w_j q_j`` by
        positions: float64[n_atoms, 3], e/A per unit of weight.
    """

    structure: Structure
    charges: Floats
    slopes: Callable[[Floats], Floats]

    def born_charges(self) -> Floats:
        """
        Return the Born effective charges ``Z_i,ab = dP_a/dR_ib``: float64[n_atoms, 3, 3], e.

        P is the dipole ``sum q r``. Along periodic directions, where it depends on the choice of
        images, an atom sees the charges that follow it at their distance from itself, by a smooth
        periodic function s of the difference of fractions f:

            Z_i,ab = q_i delta_ab + sum_j dq_j/dR_ib sum_c s(f_jc - f_ic) h_ca

        Which images the positions are of does not matter. The sum rule ``sum_i Z_i = Q`` holds
        exactly: what it lacks in a periodic cell is shared by all atoms.

        References
        ----------
        Gonze and Lee, Phys. Rev. B 55, 10355 (1997): definition and sum rule.
        """
        structure = self.structure
        cell = complete_cell(structure.cell, structure.pbc)
        fractions = structure.positions @ np.linalg.inv(cell)
        charges = np.zeros((structure.n_atoms, 3, 3))
        for axis, periodic in enumerate(structure.pbc):
            f = fractions[:, axis]
            if periodic:
                slopes = np.zeros((structure.n_atoms, 3))
                for m, height in enumerate(_saw_tooth(_WAVES), start=1):
                    # sin(x_j - x_i) by sums over j of either factor
                    sine, cosine = np.sin(2.0 * np.pi * m * f), np.cos(2.0 * np.pi * m * f)
                    slopes += height * cosine[:, None] * self.slopes(sine)
                    slopes -= height * sine[:, None] * self.slopes(cosine)
            else:
                slopes = self.slopes(f - f.mean())
            charges += cell[axis][:, None] * slopes[:, None, :]
        charges += self.charges[:, None, None] * np.eye(3)
        if any(structure.pbc):
            excess = charges.sum(axis=0) - self.charges.sum() * np.eye(3)
            charges -= excess / structure.n_atoms
        return charges


def _saw_tooth(n: int) -> list[float]:
    """
    Return a_m of ``s(f) = sum_m a_m sin(2 pi m f)``, which is f to order 2 n about f = 0.

    They are the weights of the central difference of that order, turned around.
    """
    return [
        (-1) ** (m + 1) * factorial(n) ** 2 / (m * factorial(n - m) * factorial(n + m)) / np.pi
        for m in range(1, n + 1)
    ]
