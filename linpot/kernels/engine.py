"""
The engine: from blocks of eight centres to energies, forces, features and design rows.

Centres of a block are of one species and may come from many structures. Forces, which reach beyond
a block, are added to arrays that callers keep apart where they split the blocks over threads.
"""

from __future__ import annotations

import numpy as np

from linpot.kernels.blocks import add_block_forces, fill_block, most_slots
from linpot.kernels.compile import kernel
from linpot.kernels.densities import (
    fill_densities,
    polar,
    pull_back_densities,
)
from linpot.kernels.embedding import embed
from linpot.kernels.harmonics import fill_harmonic_gradients
from linpot.kernels.jacobian import fill_feature_row, fill_node_entries
from linpot.kernels.lanes import aligned, at, fma, load, load_pairs, splat, store, twice
from linpot.kernels.products import (
    feature,
    fill_products,
    pull_back_leaves,
    pull_back_products,
    read_out,
)

TILE = 4
"""Slots whose density derivatives are held at a time: they then stay in the second-level cache."""


@kernel
def evaluate_blocks(
    first, last, layout, pairs, program, leaves, weights, embedding, adjoint, energies, forces,
    virials,
):  # fmt: skip
    """
    Evaluate K outputs per centre, and the forces of their weighted sum; or one function of them.

    Parameters
    ----------
    first, last : int
        Range of blocks.
    layout, pairs
        As in `fill_block`.
    program : tuple of (radials, channels, groups, constants, products)
        As in `fill_densities`, `pull_back_densities`, `fill_products`.
    leaves : tuple of (fours, twos, ones, right)
        As in `pull_back_leaves`.
    weights : float64[K, n_leaves], eV
    embedding : float64[n] or None
        As in `embed`: the energy is a function of the K outputs.
    adjoint : float64[n_atoms, K] or None
        Weight of every output of every atom in the sum whose forces are wanted; None for one
        output of weight 1, and with an embedding, which has its own.
    energies : float64[n_atoms, K], out, eV
        float64[n_atoms, 1] with an embedding.
    forces : float64[n_atoms, 3] or None, out (added to), eV/A
        Of ``sum_ik adjoint[i, k] energies[i, k]``, or of the embedding's energies.
    virials : float64[n_atoms, 6], out (set for the centres), eV
    """
    centers, slots, _ = layout
    radials, channels, groups, constants, products = program
    n_nodes, n_outputs, n_slots = products[5], len(weights), most_slots(first, last, slots)
    n_angular = len(radials[2]) * len(radials[2])
    n_widest = 16 * widest(channels[0])
    vectors, places = aligned(n_slots * 48), np.empty((n_slots, 16), dtype=np.int64)
    radial = aligned(n_slots * n_widest).reshape(-1, n_widest)
    slope = None if forces is None else aligned(n_slots * n_widest).reshape(-1, n_widest)
    gradients = aligned(n_slots * 48)
    harmonics = aligned(2 * 16 * n_angular).reshape(2, -1)
    ordered = aligned(8 * len(groups[5]))
    nodes = aligned(8 * n_nodes)
    nodes_adjoint = aligned(8 * n_nodes)
    outputs = aligned(8 * n_outputs)
    factors = aligned(8 * n_outputs)
    for block in range(first, last):
        fill_block(block, layout, pairs, vectors, places)
        own = slots[block]
        fill_densities(own, vectors, radials, channels, constants, radial, slope, harmonics, nodes)
        fill_products(1 + len(constants), products, nodes)
        if embedding is not None:
            for k in range(n_outputs):
                store(outputs, k, read_out(leaves, weights[k], nodes))
            embed(embedding, outputs, factors)
        if forces is not None:
            if embedding is not None:
                pull_back_leaves(leaves, weights, factors, nodes, nodes_adjoint)
            elif adjoint is None:
                store(outputs, 0, pull_back_leaves(leaves, weights, None, nodes, nodes_adjoint))
            else:
                for lane in range(8):
                    i = centers[block, lane]
                    for k in range(n_outputs):
                        factors[8 * k + lane] = adjoint[i, k] if i >= 0 else 0.0
                pull_back_leaves(leaves, weights, factors, nodes, nodes_adjoint)
            pull_back_products(products, nodes, nodes_adjoint)
            pull_back_densities(
                own, vectors, radials, groups,
                (radial, slope, harmonics[0], harmonics[1], ordered), nodes_adjoint, gradients,
            )  # fmt: skip
            add_block_forces(block, layout, pairs, vectors, places, gradients, forces, virials)
        if embedding is None and (forces is None or adjoint is not None):
            for k in range(n_outputs):
                store(outputs, k, read_out(leaves, weights[k], nodes))
        for lane in range(8):
            i = centers[block, lane]
            if i >= 0:
                for k in range(energies.shape[1]):
                    energies[i, k] = outputs[8 * k + lane]


@kernel
def fill_block_features(first, last, layout, pairs, program, readout, features):
    """
    Evaluate the features of the centres of some blocks.

    Parameters
    ----------
    first, last, layout, pairs, program
        As in `evaluate_blocks`.
    readout : tuple of (offsets, left, right, coefficient)
        As in `feature`.
    features : float64[n_atoms, >= n_features], out
    """
    centers, slots, _ = layout
    radials, channels, _, constants, products = program
    n_slots, n_angular = most_slots(first, last, slots), len(radials[2]) * len(radials[2])
    n_widest = 16 * widest(channels[0])
    vectors, places = aligned(n_slots * 48), np.empty((n_slots, 16), dtype=np.int64)
    radial = aligned(n_slots * n_widest).reshape(-1, n_widest)
    harmonics = aligned(2 * 16 * n_angular).reshape(2, -1)
    nodes = aligned(8 * products[5])
    value = aligned(8)
    for block in range(first, last):
        fill_block(block, layout, pairs, vectors, places)
        fill_densities(
            slots[block], vectors, radials, channels, constants, radial, None, harmonics, nodes
        )
        fill_products(1 + len(constants), products, nodes)
        for f in range(len(readout[0]) - 1):
            store(value, 0, feature(f, readout, nodes))
            for lane in range(8):
                i = centers[block, lane]
                if i >= 0:
                    features[i, f] = value[lane]


@kernel
def add_design_rows(
    first, last, layout, pairs, program, readout, node_ops, feature_ops, uses, sizes, pair_rows,
    atom_rows, energy_rows, rows,
):  # fmt: skip
    """
    Add what the centres of some blocks contribute to design rows.

    Parameters
    ----------
    first, last, layout, pairs, program, readout
        As above.
    node_ops, feature_ops
        As in `fill_node_entries` and `fill_feature_row`.
    uses : tuple of (offsets[n_features * n_species + 1], entry, density)
        Which entries of a feature's row see the neighbors of a species, and their densities.
    sizes : tuple of (n_entries, n_widest_row)
    pair_rows : int64[n_places]
        Row of the x force of the neighbor of a pair; y and z follow.
    atom_rows : int64[n_atoms]
        Row of the x force of a centre.
    energy_rows : int64[n_atoms]
        Row of the energy of a centre; the virial xx yy zz yz xz xy follows.
    rows : float64[n_features, n_rows], out (added to)
        Energies (eV), virials (eV), forces (eV/A) for a coefficient of 1.
    """
    centers, slots, _ = layout
    radials, channels, _, constants, products = program
    n_features = len(readout[0]) - 1
    n_species = len(radials[0])
    n_angular = len(radials[2]) * len(radials[2])
    n_widest = 16 * widest(channels[0])
    n_slots = most_slots(first, last, slots)
    vectors, places = aligned(n_slots * 48), np.empty((n_slots, 16), dtype=np.int64)
    radial = aligned(n_slots * n_widest).reshape(-1, n_widest)
    slope = aligned(n_slots * n_widest).reshape(-1, n_widest)
    harmonics = aligned(2 * 16 * n_angular).reshape(2, -1)
    slopes = aligned(16 * 3 * n_angular)
    nodes = aligned(8 * products[5])
    entries = aligned(8 * sizes[0])
    row = aligned(8 * sizes[1])
    derivatives = aligned(16 * 3 * TILE * len(constants))  # [density, slot in tile, axis]
    # per feature: virial (6), force on the centre (3)
    sums = aligned(n_features * 16 * 9).reshape(n_features, -1)
    pair = aligned(16 * 3)
    value = aligned(8)
    for block in range(first, last):
        fill_block(block, layout, pairs, vectors, places)
        fill_densities(
            slots[block], vectors, radials, channels, constants, radial, slope, harmonics, nodes
        )
        fill_products(1 + len(constants), products, nodes)
        fill_node_entries(node_ops, len(constants), nodes, entries)
        sums[:] = 0.0
        for species in range(n_species):
            begin, end = slots[block, species], slots[block, species + 1]
            for tile in range(begin, end, TILE):
                count = min(TILE, end - tile)
                _fill_density_derivatives(
                    tile, count, species, vectors, radials[2], channels,
                    (radial[tile:], slope[tile:], harmonics[0], slopes), derivatives,
                )  # fmt: skip
                for f in range(n_features):
                    use = f * n_species + species
                    if uses[0][use] == uses[0][use + 1]:
                        continue
                    fill_feature_row(f, feature_ops, nodes, entries, row)
                    _add_tile(
                        tile, count, places, vectors, use, uses, row, derivatives, pair_rows,
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
                        rows[f, e + 1 + k] += sums[f, 16 * k + lane] + sums[f, 16 * k + 8 + lane]
                    for k in range(3):
                        s = 16 * (6 + k) + lane
                        rows[f, x + k] += sums[f, s] + sums[f, s + 8]


@kernel
def widest(offsets):
    """Return the largest number of channels of any neighbor species."""
    widest = 1
    for z in range(len(offsets) - 1):
        widest = max(widest, offsets[z + 1] - offsets[z])
    return widest


@kernel
def _fill_density_derivatives(
    tile, count, species, vectors, harmonic, channels, scratch, derivatives
):
    """
    Differentiate the densities by the pair vectors of the slots of a tile.

    Radial functions and slopes are those of `fill_densities`, from the tile's first slot on.
    `derivatives` is indexed [density, slot in tile, axis]; only densities that see `species` are
    written.
    """
    radial, slope, harmonics, slopes = scratch
    offsets, _, _, start, angular, size = channels
    begin, end = offsets[species], offsets[species + 1]
    for u in range(count):
        _, inverse, x, y, z = polar(vectors, tile + u)
        fill_harmonic_gradients(x, y, z, harmonic, harmonics, slopes)
        for c in range(end - begin):
            across, along = load_pairs(radial[u], c) * inverse, load_pairs(slope[u], c)
            a = angular[begin + c]
            for m in range(size[begin + c]):
                outward = along * load_pairs(harmonics, a + m)
                k = 3 * ((start[begin + c] - 1 + m) * TILE + u)
                s = 3 * (a + m)
                store(derivatives, k, fma(across, load_pairs(slopes, s), outward * x))
                store(derivatives, k + 1, fma(across, load_pairs(slopes, s + 1), outward * y))
                store(derivatives, k + 2, fma(across, load_pairs(slopes, s + 2), outward * z))


@kernel
def _add_tile(
    tile, count, places, vectors, use, uses, row, derivatives, pair_rows, pair, sums, target
):  # fmt: skip
    """Add one feature's gradients over a tile: forces on neighbors, and sums for the centre."""
    offsets, entry, density = uses
    for u in range(count):
        gx, gy, gz = twice(splat(0.0)), twice(splat(0.0)), twice(splat(0.0))
        for e in range(offsets[use], offsets[use + 1]):
            value = twice(load(row, at(entry, e)))
            k = 3 * (at(density, e) * TILE + u)
            gx = fma(value, load_pairs(derivatives, k), gx)
            gy = fma(value, load_pairs(derivatives, k + 1), gy)
            gz = fma(value, load_pairs(derivatives, k + 2), gz)
        store(pair, 0, gx)
        store(pair, 1, gy)
        store(pair, 2, gz)
        slot = 3 * (tile + u)
        x, y, z = (
            load_pairs(vectors, slot), load_pairs(vectors, slot + 1), load_pairs(vectors, slot + 2)
        )  # fmt: skip
        store(sums, 0, load_pairs(sums, 0) - x * gx)
        store(sums, 1, load_pairs(sums, 1) - y * gy)
        store(sums, 2, load_pairs(sums, 2) - z * gz)
        store(sums, 3, load_pairs(sums, 3) - (y * gz + z * gy) * 0.5)
        store(sums, 4, load_pairs(sums, 4) - (x * gz + z * gx) * 0.5)
        store(sums, 5, load_pairs(sums, 5) - (x * gy + y * gx) * 0.5)
        store(sums, 6, load_pairs(sums, 6) + gx)
        store(sums, 7, load_pairs(sums, 7) + gy)
        store(sums, 8, load_pairs(sums, 8) + gz)
        for inside in range(16):
            p = places[tile + u, inside]
            if p >= 0:
                k = pair_rows[p]
                target[k] -= pair[inside]
                target[k + 1] -= pair[16 + inside]
                target[k + 2] -= pair[32 + inside]
