"""What a set of charges says about a structure beside its energy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


def charge_extras(structure: Structure, charges: Floats) -> dict[str, Floats]:
    """
    Return what models with charges put into `Prediction.extras`.

    The dipole is ``sum q r`` about the origin of the coordinates: of charged molecules it depends
    on where they stand. A periodic structure has none: it would depend on the choice of images.

    Parameters
    ----------
    structure : Structure
    charges : float64[n_atoms], e

    Returns
    -------
    dict
        "charges": float64[n_atoms], e, and "dipole": float64[3], e A, of molecules.
    """
    if any(structure.pbc):
        return {"charges": charges}
    return {"charges": charges, "dipole": charges @ structure.positions}
