"""
The engine: from packed pairs to energies, pair gradients, features and design rows.

Every entry works on a flat list of centres of one species, which may come from many structures,
and writes only what belongs to those centres, so that callers may split the list over threads.
"""

from __future__ import annotations

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.densities import fill_densities, fill_pairs, pull_back_densities
from linpot.kernels.products import (
    fill_features,
    fill_jacobian,
    fill_products,
    pull_back_products,
    read_out,
)


@kernel
def evaluate_centers(
    centers,
    pairs,
    species,
    radials,
    channels,
    products,
    leaves,
    weights,
    adjoint,
    energies,
    gradients,
):
    """
    Evaluate K outputs per centre and the gradient of their weighted sum.

    Parameters
    ----------
    centers : int64[n_centers]
        Atoms of one species.
    pairs : tuple of (int64[n_atoms + 1], int64[n_pairs], float64[n_pairs, 3])
        Packed offsets, neighbors, vectors.
    species : int64[n_atoms]
    radials : tuple of (parameters, recurrence, norms)
        As in `fill_pairs`.
    channels : tuple of (radial, angular, size, start, weights, constants)
        As in `Program`.
    products : tuple of (target, left, right, coefficient, n_nodes)
    leaves : tuple of (left, right)
    weights : float64[K, n_leaves], eV
    adjoint : float64[n_atoms, K] or None
        Weight of every output of every atom in the sum whose gradient is wanted; None for one
        output of weight 1.
    energies : float64[n_atoms, K], out, eV
    gradients : float64[n_pairs, 3] or None, out, eV/A
        Derivative of ``sum_ik adjoint[i, k] energies[i, k]`` by the pair vectors of the centres.
    """
    offsets, neighbors, vectors = pairs
    parameters, recurrence, norms = radials
    channel_radial, channel_angular, channel_size, channel_start, channel_weights, constants = (
        channels
    )
    target, left, right, coefficient, n_nodes = products
    leaf_left, leaf_right = leaves
    n_slots = 1
    for i in centers:
        n_slots = max(n_slots, offsets[i + 1] - offsets[i])
    n_angular = len(norms) * len(norms)
    legendre = np.zeros((len(norms) + 1, len(norms) + 2))
    distances = np.empty(n_slots)
    units = np.empty((n_slots, 3))
    radial = np.empty((n_slots, recurrence.shape[2]))
    d_radial = np.empty((n_slots, recurrence.shape[2]))
    harmonics = np.empty((n_slots, n_angular))
    d_harmonics = np.empty((n_slots, 3, n_angular))
    by_radial = np.empty(n_angular)
    by_slope = np.empty(n_angular)
    nodes = np.empty(n_nodes)
    nodes_adjoint = np.empty(n_nodes)
    leaf_weights = weights[0].copy()
    for i in centers:
        start, stop = offsets[i], offsets[i + 1]
        if gradients is not None:
            fill_pairs(
                start, stop, species[i], neighbors, vectors, species, parameters, recurrence,
                norms, legendre, distances, units, radial, d_radial, harmonics, d_harmonics,
            )  # fmt: skip
        else:
            fill_pairs(
                start, stop, species[i], neighbors, vectors, species, parameters, recurrence,
                norms, legendre, distances, units, radial, d_radial, harmonics, None,
            )  # fmt: skip
        fill_densities(
            start, stop, neighbors, species, channel_radial, channel_angular, channel_size,
            channel_start, channel_weights, constants, radial, harmonics, nodes,
        )  # fmt: skip
        fill_products(1 + len(constants), target, left, right, coefficient, nodes)
        read_out(leaf_left, leaf_right, weights, nodes, energies[i])
        if gradients is not None:
            if adjoint is not None:
                leaf_weights[:] = 0.0
                for k in range(len(weights)):
                    for t in range(len(leaf_weights)):
                        leaf_weights[t] += adjoint[i, k] * weights[k, t]
            pull_back_products(
                target, left, right, coefficient, leaf_left, leaf_right, leaf_weights, nodes,
                nodes_adjoint,
            )  # fmt: skip
            pull_back_densities(
                start, stop, neighbors, species, channel_radial, channel_angular, channel_size,
                channel_start, channel_weights, distances, units, radial, d_radial, harmonics,
                d_harmonics, nodes_adjoint, by_radial, by_slope, gradients,
            )  # fmt: skip


@kernel
def fill_center_features(
    centers, pairs, species, radials, channels, products, leaves, readout, features
):
    """
    Evaluate the features of a list of centres.

    Parameters
    ----------
    centers, pairs, species, radials, channels, products, leaves
        As in `evaluate_centers`.
    readout : tuple of (offsets, leaf, coefficient)
        As in `Program`.
    features : float64[n_centers, n_features], out
        In the order of `centers`.
    """
    offsets, neighbors, vectors = pairs
    parameters, recurrence, norms = radials
    channel_radial, channel_angular, channel_size, channel_start, channel_weights, constants = (
        channels
    )
    target, left, right, coefficient, n_nodes = products
    n_slots = 1
    for i in centers:
        n_slots = max(n_slots, offsets[i + 1] - offsets[i])
    n_angular = len(norms) * len(norms)
    legendre = np.zeros((len(norms) + 1, len(norms) + 2))
    distances = np.empty(n_slots)
    units = np.empty((n_slots, 3))
    radial = np.empty((n_slots, recurrence.shape[2]))
    harmonics = np.empty((n_slots, n_angular))
    nodes = np.empty(n_nodes)
    for row in range(len(centers)):
        i = centers[row]
        start, stop = offsets[i], offsets[i + 1]
        fill_pairs(
            start, stop, species[i], neighbors, vectors, species, parameters, recurrence, norms,
            legendre, distances, units, radial, radial, harmonics, None,
        )  # fmt: skip
        fill_densities(
            start, stop, neighbors, species, channel_radial, channel_angular, channel_size,
            channel_start, channel_weights, constants, radial, harmonics, nodes,
        )  # fmt: skip
        fill_products(1 + len(constants), target, left, right, coefficient, nodes)
        fill_features(
            readout[0], readout[1], readout[2], leaves[0], leaves[1], nodes, features[row]
        )


@kernel
def add_design_rows(
    centers, pairs, species, radials, channels, products, leaves, readout, pattern, coefficients,
    ranges, rows,
):  # fmt: skip
    """
    Add what a list of centres contributes to the design rows of one structure.

    Parameters
    ----------
    centers, pairs, species, radials, channels, products, leaves
        As in `evaluate_centers`; all atoms belong to the structure.
    readout : tuple of (offsets, leaf, coefficient)
    pattern : tuple of (node_ops, feature_ops, n_entries, jacobian_offsets, jacobian_density)
        Static sparsity of the Jacobian: entries ``jacobian_offsets[f]:jacobian_offsets[f + 1]``
        are derivatives of feature f by the densities ``jacobian_density``.
    coefficients : tuple of (float64[n_node_ops], float64[n_feature_ops])
    ranges : int64[n_densities, 2]
        First and last neighbor species that contribute to a density.
    rows : float64[n_features, 7 + 3 n_atoms], out (added to)
        Per feature: energy (eV), virial xx yy zz yz xz xy (eV), forces (eV/A), for a
        coefficient of 1.
    """
    offsets, neighbors, vectors = pairs
    parameters, recurrence, norms = radials
    channel_radial, channel_angular, channel_size, channel_start, channel_weights, constants = (
        channels
    )
    target, left, right, coefficient, n_nodes = products
    node_ops, feature_ops, n_entries, jacobian_offsets, jacobian_density = pattern
    n_densities = len(constants)
    n_features = len(jacobian_offsets) - 1
    n_species = len(parameters)
    n_slots = 1
    for i in centers:
        n_slots = max(n_slots, offsets[i + 1] - offsets[i])
    n_angular = len(norms) * len(norms)
    legendre = np.zeros((len(norms) + 1, len(norms) + 2))
    distances = np.empty(n_slots)
    units = np.empty((n_slots, 3))
    radial = np.empty((n_slots, recurrence.shape[2]))
    d_radial = np.empty((n_slots, recurrence.shape[2]))
    harmonics = np.empty((n_slots, n_angular))
    d_harmonics = np.empty((n_slots, 3, n_angular))
    nodes = np.empty(n_nodes)
    features = np.empty(n_features)
    entries = np.empty(n_entries)
    jacobian = np.empty(len(jacobian_density))
    d_density = np.zeros((n_densities, 3 * n_slots))  # [density, slot * 3 + axis]
    gradient = np.empty(3 * n_slots)
    first = np.zeros(n_species + 1, dtype=np.int64)
    shared = np.zeros(len(channel_radial), dtype=np.bool_)  # channels of several species
    for c in range(len(channel_radial)):
        k = channel_start[c] - 1
        shared[c] = ranges[k, 0] != ranges[k, 1]
    for i in centers:
        start, stop = offsets[i], offsets[i + 1]
        n_pairs = stop - start
        fill_pairs(
            start, stop, species[i], neighbors, vectors, species, parameters, recurrence, norms,
            legendre, distances, units, radial, d_radial, harmonics, d_harmonics,
        )  # fmt: skip
        fill_densities(
            start, stop, neighbors, species, channel_radial, channel_angular, channel_size,
            channel_start, channel_weights, constants, radial, harmonics, nodes,
        )  # fmt: skip
        fill_products(1 + n_densities, target, left, right, coefficient, nodes)
        fill_features(readout[0], readout[1], readout[2], leaves[0], leaves[1], nodes, features)
        fill_jacobian(node_ops, feature_ops, coefficients, n_densities, nodes, entries, jacobian)
        first[:] = 0  # first slot of each species: packed pairs are sorted by species
        for p in range(start, stop):
            first[species[neighbors[p]] + 1] += 1
        for z in range(n_species):
            first[z + 1] += first[z]
        for c in range(len(channel_radial)):
            q, angular, begin = channel_radial[c], channel_angular[c], channel_start[c] - 1
            for s in range(n_pairs):
                weight = channel_weights[species[neighbors[start + s]], c]
                if weight == 0.0 and not shared[c]:
                    continue
                slope = weight * d_radial[s, q]
                value = weight * radial[s, q] / distances[s]
                for a in range(channel_size[c]):
                    along = slope * harmonics[s, angular + a]
                    k = begin + a
                    for axis in range(3):
                        d_density[k, 3 * s + axis] = (
                            along * units[s, axis] + value * d_harmonics[s, axis, angular + a]
                        )
        for f in range(n_features):
            row = rows[f]
            row[0] += features[f]
            gradient[: 3 * n_pairs] = 0.0
            for e in range(jacobian_offsets[f], jacobian_offsets[f + 1]):
                k = jacobian_density[e]
                value = jacobian[e]
                slots = d_density[k]
                for t in range(3 * first[ranges[k, 0]], 3 * first[ranges[k, 1] + 1]):
                    gradient[t] += value * slots[t]
            _add_gradient(start, stop, i, neighbors, vectors, gradient, row)


@kernel
def _add_gradient(start, stop, i, neighbors, vectors, gradient, row):
    """Add the gradients of one feature of one centre to its row: see kernels/pairs.py for signs."""
    for p in range(start, stop):
        s = 3 * (p - start)
        j = 7 + 3 * neighbors[p]
        gx, gy, gz = gradient[s], gradient[s + 1], gradient[s + 2]
        x, y, z = vectors[p, 0], vectors[p, 1], vectors[p, 2]
        row[1] -= x * gx
        row[2] -= y * gy
        row[3] -= z * gz
        row[4] -= 0.5 * (y * gz + z * gy)
        row[5] -= 0.5 * (x * gz + z * gx)
        row[6] -= 0.5 * (x * gy + y * gx)
        row[j] -= gx
        row[j + 1] -= gy
        row[j + 2] -= gz
        row[7 + 3 * i] += gx
        row[8 + 3 * i] += gy
        row[9 + 3 * i] += gz
