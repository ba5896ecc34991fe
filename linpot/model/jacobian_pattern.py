"""The static sparsity of d(features)/d(densities), compiled once per program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.basis.program import Program


@dataclass(frozen=True)
class JacobianPattern:
    """
    Operations that differentiate a program by its densities.

    Every node owns one entry per density it depends on; an operation adds
    ``coefficient * node * entry`` to an entry of a later node or of a feature.

    Attributes
    ----------
    node_ops, feature_ops : int64[n_ops, 3]
        Target entry, node that multiplies, source entry.
    node_coefficients, feature_coefficients : float64[n_ops]
    n_entries : int
    offsets : int64[n_features + 1]
    densities : int64[n_jacobian]
        Density of every Jacobian entry.
    ranges : int64[n_densities, 2]
        First and last neighbor species that contribute to a density.
    """

    node_ops: NDArray[np.int64]
    node_coefficients: NDArray[np.float64]
    feature_ops: NDArray[np.int64]
    feature_coefficients: NDArray[np.float64]
    n_entries: int
    offsets: NDArray[np.int64]
    densities: NDArray[np.int64]
    ranges: NDArray[np.int64]


def compile_jacobian(program: Program) -> JacobianPattern:
    """
    Find the sparsity pattern of a program's Jacobian.

    Parameters
    ----------
    program : Program

    Returns
    -------
    JacobianPattern
    """
    n_densities = program.n_densities
    entries: list[dict[int, int]] = [{} for _ in range(program.n_nodes)]  # density -> entry
    for k in range(n_densities):
        entries[1 + k][k] = k
    n_entries = n_densities
    node_ops: list[tuple[int, int, int]] = []
    node_coefficients: list[float] = []
    for t, a, b, c in zip(
        program.term_target.tolist(),
        program.term_left.tolist(),
        program.term_right.tolist(),
        program.term_coefficient.tolist(),
        strict=True,
    ):
        own = entries[t]
        for factor, other in ((a, b), (b, a)):
            for density, source in entries[factor].items():
                if density not in own:
                    own[density] = n_entries
                    n_entries += 1
                node_ops.append((own[density], other, source))
                node_coefficients.append(c)
    feature_ops: list[tuple[int, int, int]] = []
    feature_coefficients: list[float] = []
    offsets = [0]
    densities: list[int] = []
    left, right = program.leaf_left.tolist(), program.leaf_right.tolist()
    leaf, coefficient = program.feature_leaf.tolist(), program.feature_coefficient.tolist()
    starts = program.feature_offsets.tolist()
    for f in range(program.n_features):
        own = {}
        for e in range(starts[f], starts[f + 1]):
            a, b = left[leaf[e]], right[leaf[e]]
            for factor, other in ((a, b), (b, a)):
                for density, source in entries[factor].items():
                    if density not in own:
                        own[density] = len(densities)
                        densities.append(density)
                    feature_ops.append((own[density], other, source))
                    feature_coefficients.append(coefficient[e])
        offsets.append(len(densities))
    return JacobianPattern(
        node_ops=np.array(node_ops, dtype=np.int64).reshape(-1, 3),
        node_coefficients=np.array(node_coefficients, dtype=np.float64),
        feature_ops=np.array(feature_ops, dtype=np.int64).reshape(-1, 3),
        feature_coefficients=np.array(feature_coefficients, dtype=np.float64),
        n_entries=n_entries,
        offsets=np.array(offsets, dtype=np.int64),
        densities=np.array(densities, dtype=np.int64),
        ranges=_species_ranges(program),
    )


def _species_ranges(program: Program) -> NDArray[np.int64]:
    ranges = np.zeros((program.n_densities, 2), dtype=np.int64)
    for c, start in enumerate(program.channel_start - 1):
        species = np.flatnonzero(program.channel_weights[:, c])
        if len(species):
            ranges[start : start + program.channel_size[c]] = species[0], species[-1]
    return ranges
