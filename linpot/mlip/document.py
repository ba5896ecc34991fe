"""What a ``.mtp`` file of MLIP says, as plain, validated data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.errors import FileFormatError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_RANK = 20
MAX_RADIAL = 100
MAX_MOMENTS = 1_000_000


@dataclass(frozen=True, eq=False)
class MtpDocument:
    """
    A moment tensor potential as MLIP stores it.

    Attributes
    ----------
    n_species : int
        Atom types are numbered from 0; the file does not name elements.
    scaling : float, 1/A^2
    nearest, cutoff : float, A
    radial_coefficients : float64[n_species, n_species, n_radial, n_polynomials]
        By type of the centre, of the neighbor, and radial function mu.
    basic : int64[n_basic, 4]
        mu and powers of x, y, z of the moments that are nodes 0, 1, ...
    times : int64[n_times, 4]
        ``node[d] += c node[a] node[b]`` for each row (a, b, c, d).
    n_nodes : int
    mapping : int64[n_functions]
        Nodes of the basis functions.
    species_coefficients : float64[n_species], eV
    moment_coefficients : float64[n_functions], eV

    Raises
    ------
    FileFormatError
        If shapes or indices do not fit, or a node is used before it is complete.
    """

    n_species: int
    scaling: float
    nearest: float
    cutoff: float
    radial_coefficients: Floats
    basic: Ints
    times: Ints
    n_nodes: int
    mapping: Ints
    species_coefficients: Floats
    moment_coefficients: Floats

    def __post_init__(self) -> None:
        self._check_numbers()
        n_basic, n_radial = len(self.basic), self.radial_coefficients.shape[2]
        factors, targets = self.times[:, :2], self.times[:, 3]
        _inside("alpha_index_basic", self.basic[:, 0], 0, n_radial, "`radial_funcs_count`")
        _inside("alpha_index_basic", self.basic[:, 1:].ravel(), 0, MAX_RANK + 1)
        _inside("alpha_index_times", factors.ravel(), 0, self.n_nodes, "`alpha_moments_count`")
        _inside("alpha_index_times", targets, n_basic, self.n_nodes, "`alpha_moments_count`")
        _inside("alpha_moment_mapping", self.mapping, 0, self.n_nodes, "`alpha_moments_count`")
        last = np.full(self.n_nodes, -1, dtype=np.int64)
        np.maximum.at(last, targets, np.arange(len(targets)))
        early = np.flatnonzero((last[factors] >= np.arange(len(factors))[:, None]).any(axis=1))
        if len(early):
            raise FileFormatError(
                f"`alpha_index_times` must complete a node before it is used, got row {early[0]}: "
                f"{self.times[early[0]].tolist()}"
            )

    def _check_numbers(self) -> None:
        if not 0.0 <= self.nearest < self.cutoff < 1e3:
            raise FileFormatError(
                "`min_dist` and `max_dist` must be lengths in A, the first the smaller one, got "
                f"{self.nearest} and {self.cutoff}"
            )
        for name, array in (
            ("scaling", np.array(self.scaling)),
            ("radial_coeffs", self.radial_coefficients),
            ("species_coeffs", self.species_coefficients),
            ("moment_coeffs", self.moment_coefficients),
        ):
            if not np.isfinite(array).all():
                raise FileFormatError(f"`{name}` must be finite")
        for name, found, wanted in (
            ("species_coeffs", len(self.species_coefficients), self.n_species),
            ("moment_coeffs", len(self.moment_coefficients), len(self.mapping)),
        ):
            if found != wanted:
                raise FileFormatError(f"`{name}` must have {wanted} values, got {found}")
        if len(self.basic) > self.n_nodes or self.n_nodes > MAX_MOMENTS:
            raise FileFormatError(
                f"`alpha_moments_count` must be from {len(self.basic)} to {MAX_MOMENTS}, "
                f"got {self.n_nodes}"
            )


def _inside(name: str, values: Ints, low: int, high: int, limit: str = "") -> None:
    wrong = values[(values < low) | (values >= high)]
    if len(wrong):
        of = f" ({limit})" if limit else ""
        raise FileFormatError(
            f"`{name}` must have entries from {low} to {high - 1}{of}, got {wrong[0]}"
        )
