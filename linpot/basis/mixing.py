"""
Mixed species: fixed linear maps of species densities, for many elements.

From some body order on functions are made of a few mixtures ``A_k[n l m] = sum_z w[k, n, z]
A_z[n l m]`` instead of the densities of all species, so that their number grows with the number of
mixtures and not with that of species. Pairs are never mixed. The first mixture is the sum of all
species: chemically alike ones differ little in what many of them do together. The others are random
and others for each n.

References
----------
Darby et al., Phys. Rev. Lett. 131, 028001 (2023) (random mixtures of species and radial functions);
Willatt et al., Phys. Chem. Chem. Phys. 20, 29661 (2018), eq. 6 (learnt mixtures of species).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mixing:
    """
    How species are mixed.

    Attributes
    ----------
    n_mixtures : int
        For each n.
    from_body_order : int
        The lowest body order that is made of mixtures, at least 3.
    seed : int
        Of the random mixtures.
    weights : mapping of str to sequence of float, optional
        Learnt or chosen mixtures: `n_mixtures` numbers for every element, the same for all n.
        None for the sum and random ones, orthonormal, others for each n.
    cost : float
        Degrees by which a factor of any mixture but the first is dearer: what species differ in
        is then looked for in smoother functions than what they have in common.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    n_mixtures: int
    from_body_order: int = 3
    seed: int = 0
    weights: Mapping[str, Sequence[float]] | None = None
    cost: float = 0.0

    def __post_init__(self) -> None:
        checks.integer("n_mixtures", self.n_mixtures, low=1)
        checks.integer("from_body_order", self.from_body_order, low=3)
        checks.integer("seed", self.seed, low=0)
        checks.non_negative("cost", self.cost, "number of degrees")
        for symbol, row in (self.weights or {}).items():
            checks.finite_array(f"weights[{symbol!r}]", list(row), [self.n_mixtures])

    def table(self, elements: tuple[str, ...], n_radial: int) -> Floats:
        """
        Return the weights of all mixtures.

        Parameters
        ----------
        elements : tuple of str
        n_radial : int

        Returns
        -------
        float64[n_mixtures, n_radial, n_elements]
            Those of one n are orthonormal unless given, and do not depend on `n_radial`.

        Raises
        ------
        InputError
            If an element has no weights, or there are more mixtures than elements.
        """
        if self.n_mixtures > len(elements):
            raise InputError(
                f"`n_mixtures` must be at most the number of elements {len(elements)}, "
                f"got {self.n_mixtures}"
            )
        if self.weights is not None:
            missing = [s for s in elements if s not in self.weights]
            if missing:
                raise InputError(f"`weights` must name every element, {missing[0]!r} is missing")
            rows = np.array([self.weights[s] for s in elements], dtype=np.float64)
            return np.repeat(rows.T[:, None, :], n_radial, axis=1)
        rng = np.random.default_rng(self.seed)
        table = np.zeros((self.n_mixtures, n_radial, len(elements)))
        for n in range(n_radial):
            columns = rng.normal(size=(len(elements), len(elements)))
            columns[:, 0] = 1.0
            q, r = np.linalg.qr(columns)
            table[:, n] = (q * np.sign(np.diag(r))).T[: self.n_mixtures]
        return table

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        weights = self.weights
        return {
            "n_mixtures": self.n_mixtures,
            "from_body_order": self.from_body_order,
            "seed": self.seed,
            "cost": self.cost,
            "weights": None if weights is None else {s: list(w) for s, w in weights.items()},
        }
