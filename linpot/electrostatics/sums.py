"""What a part of a Coulomb sum adds, in units of e and A."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """
    Contributions to potentials and their derivatives.

    Attributes
    ----------
    potentials : float64[n_atoms], e/A
    fields : float64[n_atoms, 3] or None, e/A^2
    virial : float64[3, 3] or None, e^2/A
        ``-dE/dstrain`` at fixed charges, ``E = 1/2 sum q phi``.
    """

    potentials: Floats
    fields: Floats | None
    virial: Floats | None

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.potentials + other.potentials,
            None if self.fields is None or other.fields is None else self.fields + other.fields,
            None if self.virial is None or other.virial is None else self.virial + other.virial,
        )
