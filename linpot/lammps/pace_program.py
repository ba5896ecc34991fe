"""
The functions of a ``.yace`` document around one species as a program of real densities.

Complex harmonics are ``Y^m = sum_a conj(U[a, m]) Y_a`` with two real ones at most, so the real part
of a product of densities is a sum of monomials of real densities; equal ones of all functions are
added up. Outputs of the program are the densities of the embedding and, where there is core
repulsion, its energy. All terms of rank 1 with a neighbor species are one radial function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, product

import numpy as np
from numpy.typing import NDArray

from linpot.basis.clebsch_gordan import real_from_complex
from linpot.basis.program import Program
from linpot.basis.shared_products import SharedProducts
from linpot.lammps.document import Function, YaceDocument

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_ROUNDING = 1e-14  # what cancels between terms of a monomial is below this, relative to them


@dataclass(frozen=True, eq=False)
class Channel:
    """
    One radial function of a neighbor species with a run of angular momenta.

    Attributes
    ----------
    species : int
    mixture : float64[n_base] or None
        Of base functions; None for the core repulsion.
    first_l, last_l : int
    """

    species: int
    mixture: Floats | None
    first_l: int = 0
    last_l: int = 0

    @property
    def size(self) -> int:
        """Number of densities."""
        return (self.last_l + 1) ** 2 - self.first_l**2


@dataclass(frozen=True, eq=False)
class PaceProgram:
    """
    What the engine needs of a centre species.

    Attributes
    ----------
    program : Program
        Its features are the densities of the embedding, and the core energy if there is one.
    channels : list of Channel
        Of the program; radial function q of neighbor species z is that of the channel whose
        `channel_radial` is q.
    has_core : bool
    """

    program: Program
    channels: list[Channel]
    has_core: bool


def pace_program(document: YaceDocument, center: int, mixing: Floats) -> PaceProgram:
    """
    Translate the functions of a species.

    Parameters
    ----------
    document : YaceDocument
    center : int
    mixing : float64[n_densities of the file, n_outputs]
        Columns are the sums of densities that are wanted.

    Returns
    -------
    PaceProgram
    """
    n_species, n_outputs = len(document.elements), mixing.shape[1]
    functions = document.functions[center]
    channels, place = _many_body_channels(document, center)
    terms: list[tuple[Ints, Floats]] = []  # nodes [n, rank], coefficients [n, outputs]
    rows = _pair_mixtures(document, center, mixing)
    has_core = any(document.bonds[center, z].core_strength != 0.0 for z in range(n_species))
    n_total = n_outputs + int(has_core)
    for z, k in product(range(n_species), range(n_outputs)):
        if rows[z][k].any():
            terms.append(_single(_next_node(channels), k, n_total))
            channels.append(Channel(z, rows[z][k]))
    for z in range(n_species):
        if document.bonds[center, z].core_strength != 0.0:
            terms.append(_single(_next_node(channels), n_outputs, n_total))
            channels.append(Channel(z, None))
    by_rank: dict[int, list[tuple[Ints, Floats]]] = {}
    for function in functions:
        if function.rank > 1:
            nodes = [place[key] for key in _keys(function)]
            monomials, coefficients = real_monomials(function, nodes)
            wide = np.zeros((len(monomials), n_total))
            wide[:, :n_outputs] = coefficients @ mixing
            by_rank.setdefault(function.rank, []).append((monomials, wide))
    for rank in sorted(by_rank):
        terms.append(_added_up(*map(np.concatenate, zip(*by_rank[rank], strict=True))))
    program = _assemble(channels, terms, n_species, n_total)
    return PaceProgram(program, channels, has_core)


def real_monomials(function: Function, nodes: Sequence[int]) -> tuple[Ints, Floats]:
    """
    Rewrite the real part of a sum of products of complex densities.

    Parameters
    ----------
    function : Function
        Of rank 2 or more.
    nodes : sequence of int
        Node of the component m = -l of each factor; the others follow.

    Returns
    -------
    monomials : int64[n, rank]
        Nodes, ascending in each row.
    coefficients : float64[n, n_densities]
    """
    rank, components = function.rank, function.components
    signs = np.array(list(product((1, -1), repeat=rank)), dtype=np.int64)
    real = signs[None] * np.abs(components)[:, None, :]  # [product, sign, factor]
    # m = 0 has one real harmonic: of its two signs, the second counts nothing
    weights = np.where((components[:, None, :] == 0) & (signs[None] < 0), 0.0 + 0.0j, 1.0)
    for t, l in enumerate(function.angular.tolist()):
        conjugate = real_from_complex(l).conj()
        weights[:, :, t] *= conjugate[l + real[:, :, t], l + components[:, None, t]]
    values = weights.prod(axis=2).real
    owners, which = np.nonzero(values)
    starts = np.asarray(nodes) + function.angular
    monomials = np.sort(starts + real[owners, which], axis=1)
    return _added_up(monomials, values[owners, which, None] * function.coefficients[owners])


def _added_up(rows: Ints, terms: Floats) -> tuple[Ints, Floats]:
    """Add up terms of equal rows; what cancels is dropped."""
    distinct, index = np.unique(rows, axis=0, return_inverse=True)
    totals, sizes = np.zeros((2, len(distinct), terms.shape[1]))
    for k, column in enumerate(terms.T):
        totals[:, k] = np.bincount(index.ravel(), column, minlength=len(distinct))
        sizes[:, k] = np.bincount(index.ravel(), np.abs(column), minlength=len(distinct))
    totals[np.abs(totals) <= _ROUNDING * sizes] = 0.0
    kept = totals.any(axis=1)
    return distinct[kept], totals[kept]


def _keys(function: Function) -> list[tuple[int, int, int]]:
    """Return species, n (from 1) and l of every factor."""
    factors = (function.species, function.radial, function.angular)
    return [(int(z), int(n), int(l)) for z, n, l in zip(*factors, strict=True)]


def _many_body_channels(
    document: YaceDocument, center: int
) -> tuple[list[Channel], dict[tuple[int, int, int], int]]:
    """
    List the channels of all R_nl that are used, l with the same function together.

    Returns
    -------
    channels : list of Channel
        Those with the same l follow each other: kernels take them in twos.
    place : dict of (species, n, l) to int
        Node of the component m = -l.
    """
    used = {k for f in document.functions[center] if f.rank > 1 for k in _keys(f)}
    runs: list[tuple[int, int, list[int]]] = []
    for (z, n), keys in groupby(sorted(used), key=lambda key: key[:2]):
        table = document.bonds[center, z].coefficients[n - 1]  # [l, k]
        for l in (key[2] for key in keys):
            run = runs[-1][2] if runs and runs[-1][:2] == (z, n) else []
            if run and (table[run[0] : l + 1] == table[l]).all():
                run.append(l)
            else:
                runs.append((z, n, [l]))
    channels: list[Channel] = []
    place: dict[tuple[int, int, int], int] = {}
    for z, n, run in sorted(runs, key=lambda r: (r[0], r[2][0], -r[2][-1], r[1])):
        start = _next_node(channels)
        place.update({(z, n, l): start + l * l - run[0] ** 2 for l in run})
        mixture = document.bonds[center, z].coefficients[n - 1, run[0]]
        channels.append(Channel(z, mixture, run[0], run[-1]))
    return channels, place


def _next_node(channels: list[Channel]) -> int:
    return 1 + sum(channel.size for channel in channels)


def _pair_mixtures(document: YaceDocument, center: int, mixing: Floats) -> list[Floats]:
    """Return the base functions that all terms of rank 1 sum: [species][output, base]."""
    mixtures = [
        np.zeros((mixing.shape[1], document.bonds[center, z].n_base))
        for z in range(len(document.elements))
    ]
    for function in document.functions[center]:
        if function.rank == 1:
            k = int(function.radial[0]) - 1
            mixtures[int(function.species[0])][:, k] += function.coefficients[0] @ mixing
    return mixtures


def _single(node: int, output: int, n_outputs: int) -> tuple[Ints, Floats]:
    """Return the term of one density alone."""
    coefficients = np.zeros((1, n_outputs))
    coefficients[0, output] = 1.0
    return np.array([[node]], dtype=np.int64), coefficients


def _assemble(
    channels: list[Channel], terms: list[tuple[Ints, Floats]], n_species: int, n_outputs: int
) -> Program:
    sizes = np.array([channel.size for channel in channels], dtype=np.int64)
    n_densities = int(sizes.sum())
    counts: dict[int, int] = {}
    radial = []  # counted inside a species
    for channel in channels:
        radial.append(counts.get(channel.species, 0))
        counts[channel.species] = radial[-1] + 1
    weights = np.zeros((n_species, len(channels)))
    weights[[channel.species for channel in channels], np.arange(len(channels))] = 1.0
    products = SharedProducts(1 + n_densities, [monomials for monomials, _ in terms])
    leaves = np.concatenate([np.zeros((0, 2), dtype=np.int64), *products.leaves])
    values = np.concatenate([np.zeros((0, n_outputs)), *(c for _, c in terms)])
    output, leaf = np.nonzero(values.T)
    return Program(
        channel_radial=np.array(radial, dtype=np.int64),
        channel_angular=np.array([c.first_l**2 for c in channels], dtype=np.int64),
        channel_size=sizes,
        channel_start=1 + np.cumsum(sizes) - sizes,
        channel_weights=weights,
        density_constants=np.zeros(n_densities),
        term_target=products.first_node + np.arange(len(products.terms), dtype=np.int64),
        term_left=np.ascontiguousarray(products.terms[:, 0]),
        term_right=np.ascontiguousarray(products.terms[:, 1]),
        term_coefficient=np.ones(len(products.terms)),
        n_nodes=products.first_node + len(products.terms),
        leaf_left=np.ascontiguousarray(leaves[:, 0]),
        leaf_right=np.ascontiguousarray(leaves[:, 1]),
        feature_offsets=np.searchsorted(output, np.arange(n_outputs + 1)).astype(np.int64),
        feature_leaf=leaf.astype(np.int64),
        feature_coefficient=np.ascontiguousarray(values.T[output, leaf]),
        factors=np.full((n_outputs, 1, 3), -1, dtype=np.int64),
    )
