"""
A ``.yace`` file (LAMMPS ``pair_style pace``) as plain data: what stands in it, nothing derived.

Names of the file are in brackets. Indices of radial functions count from 1, as in the file;
species are indices into `elements`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.errors import FileFormatError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

FAMILIES = ("ChebExpCos", "ChebPow", "ChebLinear", "SBessel")
INNER_KINDS = ("distance", "density", "zbl")
EMBEDDINGS = ("FinnisSinclairShiftedScaled", "FinnisSinclair")
MAX_RANK, MAX_L, MAX_RADIAL = 10, 30, 1000
_LARGEST = 1e100  # of coefficients: their sums must not overflow


@dataclass(frozen=True)
class Embedding:
    """
    How the densities of a species become its energy.

    Attributes
    ----------
    n_densities : int [ndensity]
    parameters : tuple of float [FS_parameters]
        Weight and exponent of each density in turn.
    kind : str [npoti]
    core_cutoff, core_width : float, eV [rho_core_cutoff, drho_core_cutoff]
        Where core repulsion switches the rest off.
    """

    n_densities: int = 1
    parameters: tuple[float, ...] = (1.0, 1.0)
    kind: str = "FinnisSinclairShiftedScaled"
    core_cutoff: float = 100000.0
    core_width: float = 250.0

    @property
    def is_linear(self) -> bool:
        """Whether the energy is a weighted sum of the densities."""
        return all(exponent == 1.0 for exponent in self.parameters[1::2])


@dataclass(frozen=True, eq=False)
class Bond:
    """
    The radial functions of one ordered pair [central species, neighbor species].

    Attributes
    ----------
    coefficients : float64[n_radial, l_max + 1, n_base] [radcoefficients]
        ``R_nl(r) = sum_k coefficients[n - 1, l, k] g_k(r)``.
    family : str [radbasename]
    parameters : tuple of float [radparameters]
        The first is the decay or power of the family.
    cutoff, cutoff_width : float, A [rcut, dcut]
    inner_cutoff, inner_width : float, A [rcut_in, dcut_in]
        Functions vanish below ``inner_cutoff - inner_width`` and are whole from `inner_cutoff` on.
    inner_kind : str [inner_cutoff_type]
    core_strength : float, eV A [prehc]
    core_decay : float, 1/A^2 [lambdahc]
    """

    coefficients: Floats
    family: str
    parameters: tuple[float, ...]
    cutoff: float
    cutoff_width: float = 0.0
    inner_cutoff: float = 0.0
    inner_width: float = 0.0
    inner_kind: str = "distance"
    core_strength: float = 0.0
    core_decay: float = 1.0

    @property
    def n_radial(self) -> int:
        """Number of radial functions [nradmax]."""
        return int(self.coefficients.shape[0])

    @property
    def l_max(self) -> int:
        """Largest angular momentum [lmax]."""
        return int(self.coefficients.shape[1]) - 1

    @property
    def n_base(self) -> int:
        """Number of base functions g_k [nradbasemax]."""
        return int(self.coefficients.shape[2])


@dataclass(frozen=True, eq=False)
class Function:
    """
    A sum of products of densities of one block.

    ``sum_m coefficients[m] Re prod_t A[species_t, radial_t, angular_t, components[m, t]]``; of
    rank 1 the density of ``g_k`` is taken, k = radial - 1, for higher ranks that of ``R_nl``.

    Attributes
    ----------
    species, radial, angular : int64[rank] [mus, ns, ls]
    components : int64[n_products, rank] [ms_combs]
    coefficients : float64[n_products, n_densities], eV [ctildes]
    """

    species: Ints
    radial: Ints
    angular: Ints
    components: Ints
    coefficients: Floats

    @property
    def rank(self) -> int:
        """Number of factors, the body order less one [rank]."""
        return len(self.species)


@dataclass(frozen=True, eq=False)
class YaceDocument:
    """
    A whole file.

    Attributes
    ----------
    elements : tuple of str
    isolated_atom_energies : tuple of float, eV [E0]
    spline_step : float, A [deltaSplineBins]
        Spacing of the tables that LAMMPS makes of the radial functions.
    embeddings : tuple of Embedding
        One per element.
    bonds : mapping of (int, int) to Bond
        All ordered pairs.
    functions : tuple of tuple of Function
        By central species.

    Raises
    ------
    FileFormatError
        If anything is missing, out of range or of the wrong shape; the message names the place.
    """

    elements: tuple[str, ...]
    isolated_atom_energies: tuple[float, ...]
    spline_step: float
    embeddings: tuple[Embedding, ...]
    bonds: Mapping[tuple[int, int], Bond]
    functions: tuple[tuple[Function, ...], ...]

    @property
    def cutoff(self) -> float:
        """Largest cutoff, A."""
        return max(bond.cutoff for bond in self.bonds.values())

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All ordered pairs of species."""
        n = len(self.elements)
        return [(i, j) for i in range(n) for j in range(n)]

    def __post_init__(self) -> None:
        n = len(self.elements)
        unknown = [s for s in self.elements if atomic_numbers.get(s, 0) < 1]
        if n == 0 or unknown or len(set(self.elements)) < n:
            _refuse("elements", "different chemical symbols", list(self.elements))
        if len(self.isolated_atom_energies) != n:
            _refuse("E0", f"{n} numbers", len(self.isolated_atom_energies))
        for energy in self.isolated_atom_energies:
            _finite("E0", energy)
        _positive("deltaSplineBins", self.spline_step)
        if len(self.embeddings) != n:
            _refuse("embeddings", f"given for {n} species", len(self.embeddings))
        if len(self.functions) != n:
            _refuse("functions", f"given for {n} species", len(self.functions))
        for i, embedding in enumerate(self.embeddings):
            _check_embedding(f"embeddings[{i}]", embedding)
        missing = [pair for pair in self.pairs if pair not in self.bonds]
        if missing or len(self.bonds) > n * n:
            _refuse("bonds", "given for all ordered pairs of species", sorted(self.bonds))
        for pair, bond in self.bonds.items():
            _check_bond(f"bonds[{list(pair)}]", bond)
        kinds = {bond.inner_kind for bond in self.bonds.values()}
        if len(kinds) > 1:
            _refuse("inner_cutoff_type", "the same for all bonds", sorted(kinds))
        for center, functions in enumerate(self.functions):
            for k, function in enumerate(functions):
                self._check_function(f"functions[{center}][{k}]", center, function)

    def _check_function(self, where: str, center: int, function: Function) -> None:
        rank = function.rank
        if not 1 <= rank <= MAX_RANK:
            _refuse(f"{where}: rank", f"1 to {MAX_RANK}", rank)
        n_products = len(function.components)
        if rank == 1 and n_products != 1:
            _refuse(f"{where}: num_ms_combs", "1 for rank 1", n_products)
        shapes = {
            "ns": (function.radial.shape, (rank,)),
            "ls": (function.angular.shape, (rank,)),
            "ms_combs": (function.components.shape, (n_products, rank)),
            "ctildes": (
                function.coefficients.shape,
                (n_products, self.embeddings[center].n_densities),
            ),
        }
        for name, (found, wanted) in shapes.items():
            if found != wanted:
                _refuse(f"{where}: {name}", f"of shape {list(wanted)}", list(found))
        _bounded(f"{where}: ctildes", function.coefficients)
        for t, (z, n, l) in enumerate(
            zip(function.species, function.radial, function.angular, strict=True)
        ):
            if not 0 <= z < len(self.elements):
                _refuse(f"{where}: mus[{t}]", f"0 to {len(self.elements) - 1}", int(z))
            bond = self.bonds[center, int(z)]
            n_top, l_top = (bond.n_base, 0) if rank == 1 else (bond.n_radial, bond.l_max)
            if not 1 <= n <= n_top:
                _refuse(f"{where}: ns[{t}]", f"1 to {n_top}", int(n))
            if not 0 <= l <= l_top:
                _refuse(f"{where}: ls[{t}]", f"0 to {l_top}", int(l))
        if (np.abs(function.components) > function.angular).any():
            _refuse(f"{where}: ms_combs", "from -l to l", function.components.tolist()[:3])


def _check_embedding(where: str, embedding: Embedding) -> None:
    if not 1 <= embedding.n_densities <= 100:
        _refuse(f"{where}: ndensity", "1 to 100", embedding.n_densities)
    if embedding.kind not in EMBEDDINGS:
        _refuse(f"{where}: npoti", " or ".join(EMBEDDINGS), repr(embedding.kind))
    if len(embedding.parameters) != 2 * embedding.n_densities:
        _refuse(
            f"{where}: FS_parameters", f"{2 * embedding.n_densities} numbers", embedding.parameters
        )
    for value in (*embedding.parameters, embedding.core_cutoff, embedding.core_width):
        _finite(where, value)


def _check_bond(where: str, bond: Bond) -> None:
    shape = bond.coefficients.shape
    if len(shape) != 3 or shape[0] > MAX_RADIAL or shape[2] > MAX_RADIAL or shape[1] > MAX_L + 1:
        _refuse(f"{where}: radcoefficients", "of shape [nradmax, lmax + 1, nradbasemax]", shape)
    _bounded(f"{where}: radcoefficients", bond.coefficients)
    if bond.family not in FAMILIES:
        _refuse(f"{where}: radbasename", f"one of {', '.join(FAMILIES)}", repr(bond.family))
    if bond.inner_kind not in INNER_KINDS:
        _refuse(
            f"{where}: inner_cutoff_type", f"one of {', '.join(INNER_KINDS)}", repr(bond.inner_kind)
        )
    if not bond.parameters:
        _refuse(f"{where}: radparameters", "at least one number", "none")
    for value in bond.parameters:
        _finite(f"{where}: radparameters", value)
    if bond.family == "ChebExpCos" and not 1e-6 <= abs(bond.parameters[0]) <= 100.0:
        _refuse(f"{where}: radparameters", "from 1e-6 to 100 in size", bond.parameters[0])
    if not 0.01 <= bond.cutoff <= 1000.0:
        _refuse(f"{where}: rcut", "from 0.01 to 1000 A", bond.cutoff)
    for name, value in (
        ("dcut", bond.cutoff_width),
        ("rcut_in", bond.inner_cutoff),
        ("dcut_in", bond.inner_width),
    ):
        if not (isfinite(value) and 0.0 <= value <= bond.cutoff):
            _refuse(f"{where}: {name}", f"0 to rcut = {bond.cutoff}", value)
    _finite(f"{where}: prehc", bond.core_strength)
    _finite(f"{where}: lambdahc", bond.core_decay)


def _bounded(where: str, values: Floats) -> None:
    if not (np.abs(values) < _LARGEST).all():  # NaN is not below anything
        worst = values[~(np.abs(values) < _LARGEST)][0]
        _refuse(where, f"finite and below {_LARGEST:g}", worst)


def _positive(where: str, value: float) -> None:
    if not (isfinite(value) and 0.0 < value < 1e6):
        _refuse(where, "a positive number", value)


def _finite(where: str, value: float) -> None:
    if not isfinite(value):
        _refuse(where, "finite", value)


def _refuse(where: str, rule: str, value: object) -> None:
    raise FileFormatError(f"{where} must be {rule}, got {value}")
