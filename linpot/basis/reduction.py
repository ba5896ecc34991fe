"""Programs of some of the functions of another program."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.basis.program import Program

Ints = NDArray[np.int64]


def reduce_basis(basis: Basis, columns: Ints) -> Basis:
    """
    Keep some functions of a basis and only the work that they need.

    Parameters
    ----------
    basis : Basis
    columns : int64[n_kept]
        Ascending, by `Basis.feature_offsets`.

    Returns
    -------
    Basis
        Its specification is still that of all functions.
    """
    offsets = basis.feature_offsets
    cuts = np.searchsorted(columns, offsets)
    made: dict[tuple[int, bytes], Program] = {}  # equal choices from equal programs stay shared
    programs = []
    for z, program in enumerate(basis.programs):
        own = np.asarray(columns[cuts[z] : cuts[z + 1]] - offsets[z], dtype=np.int64)
        key = (id(program), own.tobytes())
        if key not in made:
            made[key] = reduce_program(program, own)
        programs.append(made[key])
    return replace(basis, programs=tuple(programs))


def reduce_program(program: Program, features: Ints) -> Program:
    """
    Keep some features, and of leaves, products and densities what they use.

    Parameters
    ----------
    program : Program
    features : int64[n_kept]

    Returns
    -------
    Program
        Its features have the same bits.
    """
    starts, ends = program.feature_offsets[features], program.feature_offsets[features + 1]
    entries = np.concatenate(
        [np.arange(a, b) for a, b in zip(starts, ends, strict=True)] or [np.zeros(0, dtype=int)]
    ).astype(np.int64)
    leaves, leaf_of = np.unique(program.feature_leaf[entries], return_inverse=True)
    needed = np.zeros(program.n_nodes, dtype=bool)
    needed[program.leaf_left[leaves]] = True
    needed[program.leaf_right[leaves]] = True
    for target, left, right in zip(
        program.term_target[::-1].tolist(),
        program.term_left[::-1].tolist(),
        program.term_right[::-1].tolist(),
        strict=True,
    ):
        if needed[target]:
            needed[left] = needed[right] = True
    channels, sizes = _channels(program, needed)
    densities = [program.channel_start[c] + np.arange(n) for c, n in zip(channels, sizes)]  # noqa: B905
    first_product = 1 + program.n_densities
    products = first_product + np.flatnonzero(needed[first_product:])
    kept = np.concatenate([[0], *densities, products]).astype(np.int64)
    place = np.full(program.n_nodes, -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    n_densities = int(sum(sizes))
    terms = needed[program.term_target]
    return Program(
        channel_radial=program.channel_radial[channels],
        channel_angular=program.channel_angular[channels],
        channel_size=np.array(sizes, dtype=np.int64),
        channel_start=(1 + np.cumsum([0, *sizes])[:-1]).astype(np.int64),
        channel_weights=np.ascontiguousarray(program.channel_weights[:, channels]),
        density_constants=program.density_constants[kept[1 : 1 + n_densities] - 1],
        term_target=place[program.term_target[terms]],
        term_left=place[program.term_left[terms]],
        term_right=place[program.term_right[terms]],
        term_coefficient=program.term_coefficient[terms],
        n_nodes=len(kept),
        leaf_left=place[program.leaf_left[leaves]],
        leaf_right=place[program.leaf_right[leaves]],
        feature_offsets=np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64),
        feature_leaf=leaf_of.ravel().astype(np.int64),
        feature_coefficient=program.feature_coefficient[entries],
        factors=program.factors[features],
    )


def _channels(program: Program, needed: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    """Channels that are used, and how many densities of each: whole shells of l."""
    channels, sizes = [], []
    for c in range(len(program.channel_start)):
        start, size = int(program.channel_start[c]), int(program.channel_size[c])
        used = np.flatnonzero(needed[start : start + size])
        if len(used):
            first = int(program.channel_angular[c])
            shells = math.isqrt(first + int(used[-1])) + 1
            channels.append(c)
            sizes.append(min(size, shells * shells - first))
    return channels, sizes
