"""Learned potentials as ``.yace`` documents, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot.basis.program import Program
from linpot.basis.radial import RadialParameters
from linpot.errors import InputError
from linpot.lammps.complex_products import complex_products
from linpot.lammps.document import Bond, Embedding, Function, YaceDocument
from linpot.lammps.radial_expansion import TOLERANCE, choose_expansions
from linpot.model.linear_potential import LinearPotential

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Channel = tuple[int, int, int]
"""Neighbor species, n from 0, l."""

SPLINE_STEP = 0.0005
"""A; tables of LAMMPS. Cubic Hermite: an error of step^4/384 times the fourth derivative, 1e-13 of
a function that varies over half an A."""


WORST_RADIAL = 1e-7
"""Error of a radial function, relative to its largest value, above which nothing is written."""


@dataclass(frozen=True)
class YaceExport:
    """
    A document and how well floating point met it.

    Attributes
    ----------
    document : YaceDocument
    radial_error : float
        Largest error of any radial function, relative to its largest value.
    """

    document: YaceDocument
    radial_error: float


def export_potential(
    potential: LinearPotential,
    *,
    tolerance: float = TOLERANCE,
    spline_step: float = SPLINE_STEP,
) -> YaceExport:
    """
    Rewrite a potential in the terms of ``pair_style pace``.

    Parameters
    ----------
    potential : LinearPotential
    tolerance : float
        Error of a radial function, relative to its largest value, from which more base functions
        are spent on it.
    spline_step : float, A

    Returns
    -------
    YaceExport

    Raises
    ------
    InputError
        If its programs hold more than products of species-resolved densities, or radial functions
        too steep for the base functions of LAMMPS.
    """
    basis = potential.basis
    if basis.radial_recurrence is None:
        raise InputError(
            f"a potential of family {basis.specification.family!r} cannot be written for LAMMPS "
            "`pace`: its radial functions are not of that format; run it by `linpot.LammpsDriver`"
        )
    contents = [
        _read_program(program, potential.coefficients[a:b], symbol)
        for program, symbol, (a, b) in zip(
            basis.programs, basis.elements, pairwise(basis.feature_offsets), strict=True
        )
    ]
    pairs = [(i, j) for i in range(len(basis.elements)) for j in range(len(basis.elements))]
    wanted = []
    for i, j in pairs:
        n_radial, _, mixture = _radial_needs(contents[i], j)
        n_total = max(n_radial, len(mixture))
        mixtures = np.zeros((n_radial + 1, n_total))
        mixtures[:n_radial, :n_radial] = np.eye(n_radial)
        mixtures[n_radial, : len(mixture)] = mixture  # the pair potential, one function
        radial = RadialParameters(*basis.radial_parameters[i, j])
        recurrence = basis.radial_recurrence[i, j]
        if len(recurrence) < n_total:
            raise InputError(f"the potential lacks radial functions: {n_total} are used")
        wanted.append((radial, recurrence[:n_total], mixtures))
    expansions = choose_expansions(wanted, len(basis.elements), tolerance)
    error = max(expansion.error for expansion in expansions)
    if error > WORST_RADIAL:
        largest = max(len(recurrence) for _, recurrence, _ in wanted) - 1
        raise InputError(
            "the potential cannot be written for LAMMPS `pace`: its radial functions, n up to "
            f"{largest}, err by {error:.0e} of their size in double precision; fit fewer "
            "functions, or a higher body order, or a taper that starts closer"
        )
    bonds, pair_terms = {}, {}
    for (i, j), (radial, _, _), expansion in zip(pairs, wanted, expansions, strict=True):
        _, l_max, _ = _radial_needs(contents[i], j)
        rows = expansion.coefficients
        bonds[i, j] = Bond(
            coefficients=np.repeat(rows[:-1, None, :], l_max + 1, axis=1),
            family="ChebExpCos",
            parameters=(radial.decay,),
            cutoff=radial.cutoff,
            inner_cutoff=radial.taper_end,
            inner_width=radial.taper_end - radial.taper_start,
        )
        pair_terms[i, j] = rows[-1]
    functions = tuple(
        (*_pair_functions(i, len(contents), pair_terms), *_many_body_functions(content))
        for i, content in enumerate(contents)
    )
    document = YaceDocument(
        elements=basis.elements,
        isolated_atom_energies=tuple(
            float(potential.isolated_atom_energies[s]) for s in basis.elements
        ),
        spline_step=spline_step,
        embeddings=tuple(Embedding() for _ in basis.elements),
        bonds=bonds,
        functions=functions,
    )
    return YaceExport(document, error)


@dataclass(frozen=True)
class _Content:
    """
    What a centre species sums.

    Attributes
    ----------
    pairs : dict of (species, n) to float
    blocks : dict of tuple of Channel to (monomials int64[n, rank], weights float64[n])
        Real component m of each factor.
    """

    pairs: dict[tuple[int, int], float]
    blocks: dict[tuple[Channel, ...], tuple[Ints, Floats]]


def _radial_needs(content: _Content, species: int) -> tuple[int, int, Floats]:
    """Return how many R_n (one at least) and the largest l of blocks; the pair potential by n."""
    n_radial, l_max = 1, 0
    for block in content.blocks:
        for z, n, l in block:
            if z == species:
                n_radial, l_max = max(n_radial, n + 1), max(l_max, l)
    own = {n: value for (z, n), value in content.pairs.items() if z == species}
    mixture = np.zeros(max(own, default=-1) + 1)
    for n, value in own.items():
        mixture[n] = value
    return n_radial, l_max, mixture


def _read_program(program: Program, coefficients: Floats, symbol: str) -> _Content:
    """Take a program apart into monomials of densities."""
    weights = program.leaf_weights(coefficients[None])[0]
    monomials, scales = _leaf_monomials(program, symbol)
    channels, components, factors = _density_table(program, symbol)
    pairs: dict[tuple[int, int], float] = {}
    rows: dict[tuple[Channel, ...], list[tuple[tuple[int, ...], float]]] = {}
    for monomial, weight in zip(monomials, weights * scales, strict=True):
        if weight == 0.0:
            continue
        for density in monomial:
            weight *= factors[density]
        if len(monomial) == 1:
            z, n, l = channels[monomial[0]]
            if l != 0:
                raise _not_exportable(symbol, "its pair functions depend on the direction")
            pairs[z, n] = pairs.get((z, n), 0.0) + float(weight)
            continue
        ordered = sorted(monomial, key=lambda d: (channels[d], components[d]))
        block = tuple(channels[d] for d in ordered)
        rows.setdefault(block, []).append((tuple(components[d] for d in ordered), float(weight)))
    blocks = {
        block: (
            np.array([m for m, _ in entries], dtype=np.int64),
            np.array([weight for _, weight in entries]),
        )
        for block, entries in sorted(rows.items(), key=lambda item: (len(item[0]), item[0]))
    }
    return _Content(pairs, blocks)


def _leaf_monomials(program: Program, symbol: str) -> tuple[list[tuple[int, ...]], Floats]:
    """Return the densities (from 0) that each leaf multiplies, and its factor."""
    targets, counts = np.unique(program.term_target, return_counts=True)
    if (counts > 1).any() or len(targets) != program.n_nodes - 1 - program.n_densities:
        raise _not_exportable(symbol, "its inner nodes are sums")
    content: dict[int, tuple[int, ...]] = {0: ()}
    scale: dict[int, float] = {0: 1.0}
    for density in range(program.n_densities):
        content[1 + density], scale[1 + density] = (density,), 1.0
    for target, left, right, factor in zip(
        program.term_target.tolist(),
        program.term_left.tolist(),
        program.term_right.tolist(),
        program.term_coefficient.tolist(),
        strict=True,
    ):
        content[target] = content[left] + content[right]
        scale[target] = factor * scale[left] * scale[right]
    monomials, scales = [], np.zeros(program.n_leaves)
    leaves = zip(program.leaf_left.tolist(), program.leaf_right.tolist(), strict=True)
    for k, (left, right) in enumerate(leaves):
        monomials.append(content[left] + content[right])
        scales[k] = scale[left] * scale[right]
        if not monomials[-1]:
            raise _not_exportable(symbol, "it has a constant among its functions")
    return monomials, scales


def _density_table(program: Program, symbol: str) -> tuple[list[Channel], list[int], list[float]]:
    """Return channel, component m and weight of every density."""
    if program.density_constants.any():
        raise _not_exportable(symbol, "its densities have constants")
    channels: list[Channel] = [(0, 0, 0)] * program.n_densities
    components, factors = [0] * program.n_densities, [0.0] * program.n_densities
    seen = np.zeros(program.n_densities, dtype=bool)
    for c in range(len(program.channel_radial)):
        species = np.flatnonzero(program.channel_weights[:, c])
        if len(species) != 1:
            raise _not_exportable(symbol, "its densities mix neighbor species")
        for a in range(program.channel_size[c]):
            density = int(program.channel_start[c]) - 1 + a
            angular = int(program.channel_angular[c]) + a
            l = int(np.sqrt(angular + 0.5))
            if seen[density]:
                raise _not_exportable(symbol, "several channels fill one density")
            seen[density] = True
            channels[density] = (int(species[0]), int(program.channel_radial[c]), l)
            components[density] = angular - l * (l + 1)
            factors[density] = float(program.channel_weights[species[0], c])
    return channels, components, factors


def _pair_functions(
    center: int, n_species: int, pair_terms: dict[tuple[int, int], Floats]
) -> Iterator[Function]:
    for species in range(n_species):
        for k in np.flatnonzero(pair_terms[center, species]):
            yield Function(
                species=np.array([species]),
                radial=np.array([k + 1]),
                angular=np.zeros(1, dtype=np.int64),
                components=np.zeros((1, 1), dtype=np.int64),
                coefficients=pair_terms[center, species][[k], None],
            )


def _many_body_functions(content: _Content) -> Iterator[Function]:
    for block, (monomials, weights) in content.blocks.items():
        components, coefficients = complex_products(
            [l for _, _, l in block], classes_of(block), monomials, weights[None]
        )
        if len(components):
            yield Function(
                species=np.array([z for z, _, _ in block]),
                radial=np.array([n + 1 for _, n, _ in block]),
                angular=np.array([l for _, _, l in block]),
                components=components,
                coefficients=coefficients.T,
            )


def classes_of(block: tuple[Channel, ...]) -> list[int]:
    """Return equal numbers for equal channels; equal channels are adjacent."""
    order = {channel: k for k, channel in enumerate(dict.fromkeys(block))}
    return [order[channel] for channel in block]


def _not_exportable(symbol: str, reason: str) -> InputError:
    return InputError(
        f"the potential cannot be written for LAMMPS `pace`: around {symbol}, {reason}; "
        "only potentials of the ACE basis can"
    )
