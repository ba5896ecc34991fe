"""
Many sets of coefficients on one basis: what members share is evaluated once.

Energies cost one read-out of the features, then a scalar product per member. Forces share the way
there and go back once per member.
"""

from __future__ import annotations

import numpy as np

from linpot.kernels.blocks import add_block_forces, fill_block, most_slots
from linpot.kernels.compile import kernel
from linpot.kernels.densities import fill_densities, pull_back_densities
from linpot.kernels.engine import widest
from linpot.kernels.lanes import aligned, at, fma, load, splat, store
from linpot.kernels.products import (
    feature,
    fill_products,
    pull_back_leaves,
    pull_back_products,
)


@kernel
def evaluate_members(
    first, last, layout, pairs, program, leaves, weights, readout, coefficients, energies, forces,
    virials,
):  # fmt: skip
    """
    Evaluate the energies of centres, and forces, under K sets of coefficients.

    Parameters
    ----------
    first, last, layout, pairs, program, leaves, readout
        As in `linpot.kernels.engine`.
    weights : float64[K, n_leaves], eV
        The coefficients folded into leaves; used with forces.
    coefficients : float64[K, n_features], eV
        Used without forces.
    energies : float64[n_atoms, K], out, eV
    forces : float64[K, n_atoms, 3] or None, out (added to), eV/A
    virials : float64[K, n_atoms, 6], out (set for the centres), eV
    """
    centers, slots, _ = layout
    radials, channels, groups, constants, products = program
    n_members, n_features = len(weights), len(readout[0]) - 1
    n_slots = most_slots(first, last, slots)
    n_angular = len(radials[2]) * len(radials[2])
    n_widest = 16 * widest(channels[0])
    vectors, places = aligned(n_slots * 48), np.empty((n_slots, 16), dtype=np.int64)
    radial = aligned(n_slots * n_widest).reshape(-1, n_widest)
    slope = None if forces is None else aligned(n_slots * n_widest).reshape(-1, n_widest)
    gradients = aligned(n_slots * 48)
    harmonics = aligned(2 * 16 * n_angular).reshape(2, -1)
    ordered = aligned(8 * len(groups[5]))
    nodes = aligned(8 * products[5])
    adjoint = aligned(8 * products[5])
    features = aligned(8 * n_features)
    outputs = aligned(8 * n_members)
    for block in range(first, last):
        fill_block(block, layout, pairs, vectors, places)
        own = slots[block]
        fill_densities(own, vectors, radials, channels, constants, radial, slope, harmonics, nodes)
        fill_products(1 + len(constants), products, nodes)
        if forces is None:
            for f in range(n_features):
                store(features, f, feature(f, readout, nodes))
            for k in range(0, n_members - 3, 4):
                _four_scalar_products(k, coefficients, features, outputs)
            for k in range(n_members - n_members % 4, n_members):
                store(outputs, k, _scalar_product(coefficients[k], features))
        else:
            for k in range(n_members):
                energy = pull_back_leaves(leaves, weights[k : k + 1], None, nodes, adjoint)
                store(outputs, k, energy)
                pull_back_products(products, nodes, adjoint)
                pull_back_densities(
                    own, vectors, radials, groups,
                    (radial, slope, harmonics[0], harmonics[1], ordered), adjoint, gradients,
                )  # fmt: skip
                add_block_forces(
                    block, layout, pairs, vectors, places, gradients, forces[k], virials[k]
                )
        for lane in range(8):
            i = centers[block, lane]
            if i >= 0:
                for k in range(n_members):
                    energies[i, k] = outputs[8 * k + lane]


@kernel
def _four_scalar_products(k, coefficients, features, outputs):
    """Store the scalar products of members k to k + 3: each feature is loaded once for the four."""
    n = coefficients.shape[1]
    s0, s1, s2, s3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    for f in range(n):
        value, at_f = load(features, f), k * n + f
        s0 = fma(value, at(coefficients, at_f), s0)
        s1 = fma(value, at(coefficients, at_f + n), s1)
        s2 = fma(value, at(coefficients, at_f + 2 * n), s2)
        s3 = fma(value, at(coefficients, at_f + 3 * n), s3)
    store(outputs, k, s0)
    store(outputs, k + 1, s1)
    store(outputs, k + 2, s2)
    store(outputs, k + 3, s3)


@kernel
def _scalar_product(coefficients, features):
    """Return ``sum_f coefficients[f] features[f]`` in lanes, in four chains."""
    s0, s1, s2, s3 = splat(0.0), splat(0.0), splat(0.0), splat(0.0)
    n = len(coefficients)
    for f in range(0, n - 3, 4):
        s0 = fma(load(features, f), at(coefficients, f), s0)
        s1 = fma(load(features, f + 1), at(coefficients, f + 1), s1)
        s2 = fma(load(features, f + 2), at(coefficients, f + 2), s2)
        s3 = fma(load(features, f + 3), at(coefficients, f + 3), s3)
    for f in range(n - n % 4, n):
        s0 = fma(load(features, f), at(coefficients, f), s0)
    return (s0 + s1) + (s2 + s3)
