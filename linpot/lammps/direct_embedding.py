"""
Embeddings of ``.yace`` files from their formulas, for the direct sums of `direct`.

References
----------
The functions `Fexp`, `FexpShiftedScaled` and `inner_cutoff` of github.com/ICAMS/lammps-user-pace,
commit 99aa6e6.
"""

from __future__ import annotations

from math import copysign, exp

import numpy as np
from numpy.typing import NDArray

from linpot.lammps.document import Embedding

Floats = NDArray[np.float64]


def embedded(embedding: Embedding, densities: Floats, core: float) -> tuple[float, Floats, float]:
    """
    Return the energy of an atom without E0, and its derivatives.

    ``s(core) sum_p w_p F_p(rho_p) + core``.

    Parameters
    ----------
    embedding : Embedding
    densities : float64[n_densities]
    core : float, eV
        Sum of the core repulsions of its pairs.

    Returns
    -------
    energy : float, eV
    by_densities : float64[n_densities], eV
    by_core : float
    """
    weights, exponents = np.array(embedding.parameters).reshape(-1, 2).T
    function = _plain if embedding.kind == "FinnisSinclair" else _shifted
    pairs = [function(rho, m) for rho, m in zip(densities.tolist(), exponents, strict=True)]
    values, slopes = np.array(pairs).T
    kept, d_kept = _switch(core, embedding.core_cutoff, embedding.core_width)
    total = float(weights @ values)
    return kept * total + core, kept * weights * slopes, 1.0 + total * d_kept


def _plain(rho: float, m: float) -> tuple[float, float]:
    """Return ``sign(rho) |rho|^m``, bent into a line below 1e-6, and its derivative."""
    a, line = abs(rho), 1e-6 ** (m - 1.0)
    if a <= 1e-10:
        return line * rho, line
    bent = exp(-min((1e6 * a) ** 3, 700.0))
    bent = bent if (1e6 * a) ** 3 <= 30.0 else 0.0
    d_bent = -3e18 * a * a * bent
    value = (1.0 - bent) * a**m + line * bent * a
    slope = (1.0 - bent) * m * a ** (m - 1.0) - d_bent * a**m + line * (bent + d_bent * a)
    return copysign(value, rho), slope


def _shifted(rho: float, m: float) -> tuple[float, float]:
    """Return ``sign(rho) ((x e^-a + a)^m - y e^-a)``, a = |rho|, and its derivative."""
    if abs(m - 1.0) < 1e-10:
        return rho, 1.0
    a, k = abs(rho), 1.0 / m
    x, y = (k ** (power / (1.0 - k)) * exp(-a) for power in (k, 1.0))
    return copysign((x + a) ** m - y, rho), y + m * (x + a) ** (m - 1.0) * (1.0 - x)


def _switch(core: float, cutoff: float, width: float) -> tuple[float, float]:
    """Return a quintic from 1 at ``cutoff - width`` to 0 at the cutoff, and its derivative."""
    if core <= cutoff - width:
        return 1.0, 0.0
    if core >= cutoff:
        return 0.0, 0.0
    x = 2.0 * (cutoff - core) / width - 1.0
    value = 0.5 + (15.0 * x - 10.0 * x**3 + 3.0 * x**5) / 16.0
    return value, -2.0 / width * 15.0 / 16.0 * (1.0 - x * x) ** 2
