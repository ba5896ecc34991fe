"""
Evaluate ``.yace`` documents from the formulas of the format: the check of every export.

Nothing is shared with linpot's engine but the neighbor list: complex harmonics, products as the
file lists them, and on request the cubic tables that LAMMPS makes of the radial functions.

References
----------
Drautz, Phys. Rev. B 99, 014104 (2019), eq. 17-20; Lysogorskiy et al., npj Comput. Mater. 7, 97
(2021), eq. 24-27 (radial functions) and methods (recursion, densities).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial, sqrt

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.lammps.direct_embedding import embedded
from linpot.lammps.direct_radials import base_values, core_repulsion, tabulated
from linpot.lammps.document import Bond, Function, YaceDocument
from linpot.model.packing import species_indices
from linpot.model.prediction import Prediction
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Ints = NDArray[np.int64]


def evaluate_document(
    document: YaceDocument, structure: Structure, *, splines: bool = False
) -> Prediction:
    """
    Return energy, forces, virial and atomic energies.

    Parameters
    ----------
    document : YaceDocument
    structure : Structure
    splines : bool
        Take the radial functions from cubic tables with the spacing of the file, as LAMMPS does,
        instead of their formulas.

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        For an inner cutoff of kind "zbl", or an unknown element.
    """
    if any(bond.inner_kind == "zbl" for bond in document.bonds.values()):
        raise InputError("`inner_cutoff_type` zbl is not a sum of energies of atoms and pairs")
    species = species_indices(structure, document.elements)
    neighbors = find_neighbors(structure, document.cutoff)
    vectors = neighbors.vectors(structure.positions, structure.cell)
    packed = [_pack(document, center) for center in range(len(document.elements))]
    energies = np.zeros(structure.n_atoms)
    gradients = np.zeros_like(vectors)
    for i in range(structure.n_atoms):
        own = slice(neighbors.offsets[i], neighbors.offsets[i + 1])
        center = int(species[i])
        energies[i], gradients[own] = _atom(
            document,
            center,
            species[neighbors.neighbors[own]],
            vectors[own],
            packed[center],
            splines,
        )
    forces = np.zeros_like(structure.positions)
    np.add.at(forces, neighbors.centers, gradients)
    np.add.at(forces, neighbors.neighbors, -gradients)
    virial = -np.einsum("pa,pb->ab", vectors, gradients)
    return Prediction(float(energies.sum()), forces, 0.5 * (virial + virial.T), energies)


def complex_harmonics(units: Floats, l_max: int) -> tuple[Complexes, Complexes]:
    """
    Harmonics of Condon and Shortley times sqrt(4 pi), and gradients of their polynomials.

    ``Y_l^m = (-1)^m sqrt((2 l + 1) (l - m)! / (l + m)!) P_l^(m)(z) (x + i y)^m`` with the m-th
    derivative of the Legendre polynomial, for m >= 0; ``Y_l^-m = (-1)^m conj(Y_l^m)``.

    Parameters
    ----------
    units : float64[n, 3]
    l_max : int

    Returns
    -------
    values : complex128[n, (l_max + 1)^2]
        Index l (l + 1) + m.
    gradients : complex128[n, (l_max + 1)^2, 3]
        By x, y, z as if they were independent.
    """
    z = units[:, 2]
    plane = units[:, 0] + 1j * units[:, 1]
    legendre = np.zeros((l_max + 2, l_max + 2, len(units)))  # [l, m, point]
    for m in range(l_max + 1):
        legendre[m, m] = float(np.prod(np.arange(1, 2 * m, 2)))
        if m < l_max:
            legendre[m + 1, m] = (2 * m + 1) * z * legendre[m, m]
        for l in range(m + 2, l_max + 1):
            legendre[l, m] = (
                (2 * l - 1) * z * legendre[l - 1, m] - (l + m - 1) * legendre[l - 2, m]
            ) / (l - m)
    values = np.zeros((len(units), (l_max + 1) ** 2), dtype=complex)
    gradients = np.zeros((*values.shape, 3), dtype=complex)
    for l in range(l_max + 1):
        for m in range(l + 1):
            norm = (-1) ** m * sqrt((2 * l + 1) * factorial(l - m) / factorial(l + m))
            k, mirror = l * (l + 1) + m, l * (l + 1) - m
            values[:, k] = norm * legendre[l, m] * plane**m
            if m > 0:
                gradients[:, k, 0] = norm * legendre[l, m] * m * plane ** (m - 1)
                gradients[:, k, 1] = 1j * gradients[:, k, 0]
            gradients[:, k, 2] = norm * legendre[l, m + 1] * plane**m
            values[:, mirror] = (-1) ** m * values[:, k].conj()
            gradients[:, mirror] = (-1) ** m * gradients[:, k].conj()
            if m == 0:
                values[:, k], gradients[:, k] = values[:, k].real, gradients[:, k].real
    return values, gradients


class _Packed:
    """
    All products of one rank: ``rho_p = sum c_p Re prod A[index]``.

    Attributes
    ----------
    index : int64[n, rank]
        Into the flat densities of a centre.
    coefficients : float64[n, n_densities]
    """

    def __init__(self, index: list[Ints], coefficients: list[Floats]) -> None:
        self.index = np.concatenate(index)
        self.coefficients = np.concatenate(coefficients)


def _pack(document: YaceDocument, center: int) -> dict[int, _Packed]:
    """Collect the functions of a species by rank."""
    sizes = _sizes(document)
    by_rank: dict[int, tuple[list[Ints], list[Floats]]] = {}
    for function in document.functions[center]:
        index, coefficients = by_rank.setdefault(function.rank, ([], []))
        index.append(_flat_index(function, sizes))
        coefficients.append(function.coefficients)
    return {rank: _Packed(*lists) for rank, lists in by_rank.items()}


def _sizes(document: YaceDocument) -> tuple[int, int, int]:
    """Return the largest numbers of base functions, radial functions and harmonics."""
    bonds = document.bonds.values()
    return (
        max(bond.n_base for bond in bonds),
        max(bond.n_radial for bond in bonds),
        (max(bond.l_max for bond in bonds) + 1) ** 2,
    )


def _flat_index(function: Function, sizes: Sequence[int]) -> Ints:
    n_base, n_radial, n_harmonics = sizes
    if function.rank == 1:
        return (function.species * n_base + function.radial - 1)[None]
    base = (function.species * n_radial + function.radial - 1) * n_harmonics
    l = function.angular
    flat: Ints = base + l * (l + 1) + function.components
    return flat


def _atom(
    document: YaceDocument,
    center: int,
    others: Ints,
    vectors: Floats,
    packed: dict[int, _Packed],
    splines: bool,
) -> tuple[float, Floats]:
    """Return the energy of one atom and its gradient by the vectors of its pairs."""
    n_base, n_radial, n_harmonics = _sizes(document)
    n_species = len(document.elements)
    l_max = int(sqrt(n_harmonics)) - 1
    r = np.linalg.norm(vectors, axis=1)
    units = vectors / r[:, None]
    harmonics, d_harmonics = complex_harmonics(units, l_max)
    tangent = np.eye(3) - units[:, :, None] * units[:, None, :]
    d_harmonics = np.einsum("pka,pab->pkb", d_harmonics, tangent) / r[:, None, None]
    base, d_base = np.zeros((2, len(r), n_base))
    radial, d_radial = np.zeros((2, len(r), n_radial, n_harmonics))
    core, d_core = np.zeros((2, len(r)))
    for j in range(n_species):
        bond = document.bonds[center, j]
        mine = np.flatnonzero((others == j) & (r < bond.cutoff))
        if len(mine) == 0:
            continue
        g, dg = (tabulated if splines else _formulas)(bond, r[mine], document.spline_step)
        base[mine, : bond.n_base], d_base[mine, : bond.n_base] = g, dg
        degrees = np.repeat(np.arange(bond.l_max + 1), 2 * np.arange(bond.l_max + 1) + 1)
        table = bond.coefficients[:, degrees, :]  # [n, lm, k]
        own = np.ix_(mine, np.arange(bond.n_radial), np.arange(len(degrees)))
        radial[own] = np.einsum("nak,pk->pna", table, g)
        d_radial[own] = np.einsum("nak,pk->pna", table, dg)
        core[mine], d_core[mine] = core_repulsion(bond, r[mine])
    pair_densities = np.zeros((n_species, n_base))
    densities = np.zeros((n_species, n_radial, n_harmonics), dtype=complex)
    np.add.at(pair_densities, others, base)
    np.add.at(densities, others, radial * harmonics[:, None, :])

    embedding = document.embeddings[center]
    totals = np.zeros(embedding.n_densities)
    for rank, products in packed.items():
        factors = (pair_densities if rank == 1 else densities).ravel()[products.index]
        totals += factors.prod(axis=1).real @ products.coefficients
    energy, slopes, by_core = embedded(embedding, totals, float(core.sum()))
    energy += document.isolated_atom_energies[center]
    pair_adjoint = np.zeros(pair_densities.size)
    adjoint = np.zeros(densities.size, dtype=complex)
    for rank, products in packed.items():
        coefficients = products.coefficients @ slopes
        if rank == 1:
            np.add.at(pair_adjoint, products.index[:, 0], coefficients)
            continue
        factors = densities.ravel()[products.index]
        for t in range(rank):
            rest = np.delete(factors, t, axis=1).prod(axis=1)
            np.add.at(adjoint, products.index[:, t], coefficients * rest)
    pair_adjoint = pair_adjoint.reshape(pair_densities.shape)[others]  # [pair, k]
    adjoint = adjoint.reshape(densities.shape)[others]  # [pair, n, lm]
    along = (
        by_core * d_core
        + np.einsum("pk,pk->p", pair_adjoint, d_base)
        + np.einsum("pna,pna,pa->p", adjoint, d_radial, harmonics).real
    )
    across = np.einsum("pna,pna,pab->pb", adjoint, radial, d_harmonics).real
    return energy, along[:, None] * units + across


def _formulas(bond: Bond, r: Floats, step: float) -> tuple[Floats, Floats]:
    return base_values(bond, r)
