"""The Coulomb operator of one structure as dense arrays, for training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.electrostatics.coulomb_sum import CoulombSum

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Interaction:
    """
    Potentials and fields of unit charges.

    Attributes
    ----------
    matrix : float64[n_atoms, n_atoms], V/e
        Potentials of unit charges.
    fields : float64[n_atoms, 3, n_atoms], V/(A e)
        ``fields[i, :, j]``: field at atom i of a unit charge at atom j.
    """

    matrix: Floats
    fields: Floats

    @classmethod
    def of(cls, total: CoulombSum) -> Interaction:
        """Evaluate a sum for every unit charge."""
        fields = []
        for unit in np.eye(total.structure.n_atoms):
            found = total.evaluate(unit).fields
            assert found is not None
            fields.append(found)
        return cls(total.matrix, np.stack(fields, axis=2))
