"""
The engine: from blocks of eight centres to energies, pair gradients, features and design rows.

Centres of a block are of one species and may come from many structures. Every entry writes only
what belongs to its blocks, so that callers may split the blocks over threads.
"""

from __future__ import annotations

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.densities import (
    fill_densities,
    polar,
    pull_back_densities,
)
from linpot.kernels.harmonics import fill_harmonic_gradients, fill_harmonics
from linpot.kernels.jacobian import fill_feature_row, fill_node_entries
from linpot.kernels.lanes import fma, load, splat, store
from linpot.kernels.products import (
    feature,
    fill_products,
    pull_back_leaves,
    pull_back_products,
    read_out,
)
from linpot.kernels.radial import fill_radial

TILE = 8
"""Slots whose density derivatives are held at a time: they then stay in the second-level cache."""


@kernel
def evaluate_blocks(first, last, blocks, program, leaves, weights, adjoint, energies, gradients):
    """
    Evaluate K outputs per centre and the gradient of their weighted sum.

    Parameters
    ----------
    first, last : int
        Range of blocks.
    blocks : tuple of (centers[n_blocks, 8], slots[n_blocks, n_species + 1], vectors)
        Centres are atoms, -1 for padding; vectors as in `fill_densities`.
    program : tuple of (radials, channels, by_angular, constants, products)
        As in `fill_densities`, `pull_back_densities`, `fill_products`.
    leaves : tuple of (left, offsets, right)
        As in `read_out`.
    weights : float64[K, n_leaves], eV
    adjoint : float64[n_atoms, K] or None
        Weight of every output of every atom in the sum whose gradient is wanted; None for one
        output of weight 1.
    energies : float64[n_atoms, K], out, eV
    gradients : float64[n_slots * 3 * 8] or None, out, eV/A
        Derivative of ``sum_ik adjoint[i, k] energies[i, k]`` by the pair vectors.
    """
    centers, slots, vectors = blocks
    radials, channels, by_angular, constants, products = program
    n_outputs = len(weights)
    n_angular = len(radials[2]) * len(radials[2])
    n_widest = _widest(channels[0])
    legendre = np.empty(8 * n_angular)
    radial = np.empty((4, 8 * n_widest))
    harmonics = np.empty((4, 8 * n_angular))
    by_radial, by_slope = harmonics[:2], harmonics[2:]
    nodes = np.empty(8 * products[4])
    nodes_adjoint = np.empty(8 * products[4])
    outputs = np.empty(8 * n_outputs)
    factors = np.zeros(8 * n_outputs)
    for block in range(first, last):
        fill_densities(
            block, slots, vectors, radials, channels, constants,
            (legendre, radial, harmonics), nodes,
        )  # fmt: skip
        fill_products(1 + len(constants), products, nodes)
        if gradients is not None:
            if adjoint is None:
                store(outputs, 0, pull_back_leaves(leaves, weights, None, nodes, nodes_adjoint))
            else:
                for lane in range(8):
                    i = centers[block, lane]
                    for k in range(n_outputs):
                        factors[8 * k + lane] = adjoint[i, k] if i >= 0 else 0.0
                pull_back_leaves(leaves, weights, factors, nodes, nodes_adjoint)
            pull_back_products(products, nodes, nodes_adjoint)
            pull_back_densities(
                block, slots, vectors, radials, channels, by_angular,
                (legendre, radial, by_radial, by_slope), nodes_adjoint, gradients,
            )  # fmt: skip
        if gradients is None or adjoint is not None:
            for k in range(n_outputs):
                store(outputs, k, read_out(leaves, weights[k], nodes))
        for lane in range(8):
            i = centers[block, lane]
            if i >= 0:
                for k in range(n_outputs):
                    energies[i, k] = outputs[8 * k + lane]


@kernel
def fill_block_features(first, last, blocks, program, readout, features):
    """
    Evaluate the features of the centres of some blocks.

    Parameters
    ----------
    first, last, blocks, program
        As in `evaluate_blocks`.
    readout : tuple of (offsets, left, right, coefficient)
        As in `feature`.
    features : float64[n_atoms, >= n_features], out
    """
    centers, slots, vectors = blocks
    radials, channels, _, constants, products = program
    n_angular = len(radials[2]) * len(radials[2])
    legendre = np.empty(8 * n_angular)
    radial = np.empty((4, 8 * _widest(channels[0])))
    harmonics = np.empty((4, 8 * n_angular))
    nodes = np.empty(8 * products[4])
    value = np.empty(8)
    for block in range(first, last):
        fill_densities(
            block, slots, vectors, radials, channels, constants,
            (legendre, radial, harmonics), nodes,
        )  # fmt: skip
        fill_products(1 + len(constants), products, nodes)
        for f in range(len(readout[0]) - 1):
            store(value, 0, feature(f, readout, nodes))
            for lane in range(8):
                i = centers[block, lane]
                if i >= 0:
                    features[i, f] = value[lane]


@kernel
def add_design_rows(
    first, last, blocks, neighbors, program, readout, node_ops, feature_ops, uses, sizes, atom_rows,
    energy_rows, rows,
):  # fmt: skip
    """
    Add what the centres of some blocks contribute to design rows.

    Parameters
    ----------
    first, last, blocks, program, readout
        As above.
    neighbors : int64[n_slots, 8]
        Atom at the other end of each pair, -1 for padding.
    node_ops, feature_ops
        As in `fill_node_entries` and `fill_feature_row`.
    uses : tuple of (offsets[n_features * n_species + 1], entry, density)
        Which entries of a feature's row see the neighbors of a species, and their densities.
    sizes : tuple of (n_entries, n_widest_row)
    atom_rows : int64[n_atoms]
        Row of the x force of an atom.
    energy_rows : int64[n_atoms]
        Row of the energy of an atom's structure; the virial xx yy zz yz xz xy follows.
    rows : float64[n_features, n_rows], out (added to)
        Energies (eV), virials (eV), forces (eV/A) for a coefficient of 1.
    """
    centers, slots, vectors = blocks
    radials, channels, _, constants, products = program
    n_features = len(readout[0]) - 1
    n_species = len(radials[0])
    n_angular = len(radials[2]) * len(radials[2])
    n_widest = _widest(channels[0])
    legendre = np.empty(8 * n_angular)
    radial = np.empty((4, 8 * n_widest))
    harmonics = np.empty((4, 8 * n_angular))
    scratch = (legendre, radial, harmonics)
    slopes = np.empty(8 * 3 * n_angular)
    nodes = np.empty(8 * products[4])
    entries = np.empty(8 * sizes[0])
    row = np.empty(8 * sizes[1])
    derivatives = np.zeros(8 * 3 * TILE * len(constants))  # [density, slot in tile, axis]
    sums = np.empty((n_features, 8 * 9))  # per feature: virial (6), force on the centre (3)
    pair = np.empty(8 * 6)
    value = np.empty(8)
    for block in range(first, last):
        fill_densities(block, slots, vectors, radials, channels, constants, scratch, nodes)
        fill_products(1 + len(constants), products, nodes)
        fill_node_entries(node_ops, len(constants), nodes, entries)
        sums[:] = 0.0
        for species in range(n_species):
            begin, end = slots[block, species], slots[block, species + 1]
            for tile in range(begin, end, TILE):
                count = min(TILE, end - tile)
                _fill_density_derivatives(
                    tile, count, species, vectors, radials, channels, scratch, slopes,
                    derivatives,
                )  # fmt: skip
                for f in range(n_features):
                    use = f * n_species + species
                    if uses[0][use] == uses[0][use + 1]:
                        continue
                    fill_feature_row(f, feature_ops, nodes, entries, row)
                    _add_tile(
                        tile, count, neighbors, vectors, use, uses, row, derivatives, atom_rows,
                        pair, sums[f], rows[f],
                    )  # fmt: skip
        for f in range(n_features):
            store(value, 0, feature(f, readout, nodes))
            for lane in range(8):
                i = centers[block, lane]
                if i >= 0:
                    e, x = energy_rows[i], atom_rows[i]
                    rows[f, e] += value[lane]
                    for k in range(6):
                        rows[f, e + 1 + k] += sums[f, 8 * k + lane]
                    for k in range(3):
                        rows[f, x + k] += sums[f, 8 * (6 + k) + lane]


@kernel
def _widest(offsets):
    """Return the largest number of channels of any neighbor species."""
    widest = 1
    for z in range(len(offsets) - 1):
        widest = max(widest, offsets[z + 1] - offsets[z])
    return widest


@kernel
def _fill_density_derivatives(
    tile, count, species, vectors, radials, channels, scratch, slopes, derivatives
):
    """
    Differentiate the densities by the pair vectors of the slots of a tile.

    `derivatives` is indexed [density, slot in tile, axis]; only densities that see `species` are
    written.
    """
    parameters, recurrence, norms = radials
    offsets, channel_radial, weight, start, angular, size = channels
    legendre, radial, harmonics = scratch
    begin, end = offsets[species], offsets[species + 1]
    for u in range(count):
        r, inverse, x, y, z = polar(vectors, tile + u)
        fill_radial(
            r, parameters[species], recurrence[species], channel_radial[begin:end],
            weight[begin:end], radial[0], radial[1],
        )  # fmt: skip
        fill_harmonics(x, y, z, norms, legendre, harmonics[0])
        fill_harmonic_gradients(x, y, z, norms, legendre, harmonics[0], slopes)
        for c in range(end - begin):
            across, along = load(radial[0], c) * inverse, load(radial[1], c)
            a = angular[begin + c]
            for m in range(size[begin + c]):
                outward = along * load(harmonics[0], a + m)
                k = 3 * ((start[begin + c] - 1 + m) * TILE + u)
                s = 3 * (a + m)
                store(derivatives, k, fma(across, load(slopes, s), outward * x))
                store(derivatives, k + 1, fma(across, load(slopes, s + 1), outward * y))
                store(derivatives, k + 2, fma(across, load(slopes, s + 2), outward * z))


@kernel
def _add_tile(
    tile, count, neighbors, vectors, use, uses, row, derivatives, atom_rows, pair, sums, target
):  # fmt: skip
    """Add one feature's gradients over a tile: forces on neighbors, and sums for the centre."""
    offsets, entry, density = uses
    for u in range(0, count, 2):
        x0, y0, z0 = splat(0.0), splat(0.0), splat(0.0)
        x1, y1, z1 = splat(0.0), splat(0.0), splat(0.0)
        for e in range(offsets[use], offsets[use + 1]):
            value = load(row, entry[e])
            k = 3 * (density[e] * TILE + u)
            x0 = fma(value, load(derivatives, k), x0)
            y0 = fma(value, load(derivatives, k + 1), y0)
            z0 = fma(value, load(derivatives, k + 2), z0)
            x1 = fma(value, load(derivatives, k + 3), x1)
            y1 = fma(value, load(derivatives, k + 4), y1)
            z1 = fma(value, load(derivatives, k + 5), z1)
        store(pair, 0, x0)
        store(pair, 1, y0)
        store(pair, 2, z0)
        store(pair, 3, x1)
        store(pair, 4, y1)
        store(pair, 5, z1)
        for v in range(min(2, count - u)):
            slot = tile + u + v
            x, y, z = (
                load(vectors, 3 * slot),
                load(vectors, 3 * slot + 1),
                load(vectors, 3 * slot + 2),
            )
            gx, gy, gz = load(pair, 3 * v), load(pair, 3 * v + 1), load(pair, 3 * v + 2)
            store(sums, 0, load(sums, 0) - x * gx)
            store(sums, 1, load(sums, 1) - y * gy)
            store(sums, 2, load(sums, 2) - z * gz)
            store(sums, 3, load(sums, 3) - (y * gz + z * gy) * 0.5)
            store(sums, 4, load(sums, 4) - (x * gz + z * gx) * 0.5)
            store(sums, 5, load(sums, 5) - (x * gy + y * gx) * 0.5)
            store(sums, 6, load(sums, 6) + gx)
            store(sums, 7, load(sums, 7) + gy)
            store(sums, 8, load(sums, 8) + gz)
            for lane in range(8):
                j = neighbors[slot, lane]
                if j >= 0:
                    k = atom_rows[j]
                    target[k] -= pair[24 * v + lane]
                    target[k + 1] -= pair[24 * v + 8 + lane]
                    target[k + 2] -= pair[24 * v + 16 + lane]
