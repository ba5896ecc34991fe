"""
One block at a time: the pairs of eight centres side by side, and their gradients back to atoms.

A slot holds two neighbors of each centre. A block's pairs fit into the first- or second-level
cache, where they stay until its forces have been added up.
"""

from __future__ import annotations

import numpy as np

from linpot.kernels.compile import kernel


@kernel
def most_slots(first, last, slots):
    """Return the largest number of slots of some blocks, at least one."""
    most = 1
    for block in range(first, last):
        most = max(most, slots[block, -1])
    return most


@kernel
def fill_block(block, layout, pairs, vectors, places):
    """
    Put the pairs of eight centres side by side; empty places get a pair at the cutoff.

    Parameters
    ----------
    block : int
    layout : tuple of (centers[n_blocks, 8], slots[n_blocks, n_species + 1], padding)
        Centres are atoms, -1 for padding. Slots of a block start with 0; those of neighbor species
        z are ``slots[block, z]:slots[block, z + 1]``. Padding is float64[n_blocks, n_species], A.
    pairs : tuple of (starts, counts, neighbors, vectors)
        As `pack_pairs` left them.
    vectors : float64[n_slots * 3 * 16], out, A
        Pairs ``3 slot + axis``.
    places : int64[n_slots, 16], out
        Which packed pair it is, -1 for padding.
    """
    centers, slots, padding = layout
    starts, counts, _, packed = pairs
    begins, ends = np.zeros(8, dtype=np.int64), np.zeros(8, dtype=np.int64)
    for lane in range(8):
        i = centers[block, lane]
        ends[lane] = starts[i] if i >= 0 else 0
    for species in range(slots.shape[1] - 1):
        outside = padding[block, species]
        for lane in range(8):
            i = centers[block, lane]
            begins[lane] = ends[lane]
            ends[lane] += counts[i, species] if i >= 0 else 0
        for slot in range(slots[block, species], slots[block, species + 1]):
            for inside in range(16):
                lane, place = inside % 8, 48 * slot + inside
                p = begins[lane]
                if p < ends[lane]:
                    vectors[place] = packed[p, 0]
                    vectors[place + 16] = packed[p, 1]
                    vectors[place + 32] = packed[p, 2]
                    places[slot, inside] = p
                    begins[lane] = p + 1
                else:
                    vectors[place] = outside
                    vectors[place + 16] = 0.0
                    vectors[place + 32] = 0.0
                    places[slot, inside] = -1


@kernel
def add_block_forces(block, layout, pairs, vectors, places, gradients, forces, virials):
    """
    Turn derivatives by pair vectors into forces and virials.

    With ``g = dE/dr`` the force on the centre is +g, on the neighbor -g, the virial -r (x) g.

    Parameters
    ----------
    block, layout, pairs
        As in `fill_block`.
    vectors, places
        As `fill_block` left them.
    gradients : float64[n_slots * 3 * 16], eV/A
        Laid out as `vectors`.
    forces : float64[n_atoms, 3], out (added to), eV/A
    virials : float64[n_atoms, 6], out (set for the centres), eV
        xx yy zz yz xz xy of each centre's own energy.
    """
    centers, slots, _ = layout
    _, _, neighbors, _ = pairs
    for lane in range(8):
        i = centers[block, lane]
        if i < 0:
            continue
        fx, fy, fz = 0.0, 0.0, 0.0
        xx, yy, zz, yz, xz, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for slot in range(slots[block, -1]):
            for half in range(2):
                inside = 8 * half + lane
                p, place = places[slot, inside], 48 * slot + inside
                if p < 0:
                    continue
                j = neighbors[p]
                gx, gy, gz = gradients[place], gradients[place + 16], gradients[place + 32]
                x, y, z = vectors[place], vectors[place + 16], vectors[place + 32]
                fx += gx
                fy += gy
                fz += gz
                forces[j, 0] -= gx
                forces[j, 1] -= gy
                forces[j, 2] -= gz
                xx -= x * gx
                yy -= y * gy
                zz -= z * gz
                yz -= 0.5 * (y * gz + z * gy)
                xz -= 0.5 * (x * gz + z * gx)
                xy -= 0.5 * (x * gy + y * gx)
        forces[i, 0] += fx
        forces[i, 1] += fy
        forces[i, 2] += fz
        virials[i, 0] = xx
        virials[i, 1] = yy
        virials[i, 2] = zz
        virials[i, 3] = yz
        virials[i, 4] = xz
        virials[i, 5] = xy
