"""
Everything that goes over pairs one by one: packing, and the sums of their gradients.

A pair vector points from the centre to the neighbor, ``r = r_j - r_i``. With ``g = dE/dr`` the
force on the centre is +g, on the neighbor -g, and the virial is ``W = -sum r (x) g``.
"""

from __future__ import annotations

from linpot.kernels.compile import kernel


@kernel
def pack_pairs(
    offsets, neighbors, shifts, positions, cell, species, cutoffs, packed_offsets,
    packed_neighbors, packed_vectors, counts,
):  # fmt: skip
    """
    Keep the pairs inside their cutoff, those of one centre sorted by neighbor species.

    Parameters
    ----------
    offsets : int64[n_atoms + 1]
    neighbors : int64[n_pairs]
    shifts : float64[n_pairs, 3]
    positions : float64[n_atoms, 3], A
    cell : float64[3, 3], A
    species : int64[n_atoms]
        Species index of every atom.
    cutoffs : float64[n_species, n_species], A
    packed_offsets : int64[n_atoms + 1], out
    packed_neighbors : int64[n_pairs + 1], out
    packed_vectors : float64[n_pairs + 1, 3], out, A
    counts : int64[n_atoms, n_species], out
        Pairs of each centre by neighbor species.

    Returns
    -------
    float
        Smallest squared distance seen, A^2.
    """
    n_species = len(cutoffs)
    count = 0
    smallest = 1e300
    packed_offsets[0] = 0
    for i in range(len(offsets) - 1):
        x0, y0, z0 = positions[i, 0], positions[i, 1], positions[i, 2]
        for wanted in range(n_species):
            limit = cutoffs[species[i], wanted] * cutoffs[species[i], wanted]
            before = count
            for p in range(offsets[i], offsets[i + 1]):
                j = neighbors[p]
                if n_species > 1 and species[j] != wanted:
                    continue
                a, b, c = shifts[p, 0], shifts[p, 1], shifts[p, 2]
                x = positions[j, 0] - x0 + (a * cell[0, 0] + b * cell[1, 0] + c * cell[2, 0])
                y = positions[j, 1] - y0 + (a * cell[0, 1] + b * cell[1, 1] + c * cell[2, 1])
                z = positions[j, 2] - z0 + (a * cell[0, 2] + b * cell[1, 2] + c * cell[2, 2])
                square = x * x + y * y + z * z
                smallest = min(smallest, square)
                # written in any case and overwritten by the next: no branch to mispredict
                packed_neighbors[count] = j
                packed_vectors[count, 0] = x
                packed_vectors[count, 1] = y
                packed_vectors[count, 2] = z
                count += 1 if square < limit else 0
            counts[i, wanted] = count - before
        packed_offsets[i + 1] = count
    return smallest


@kernel
def fill_blocks(
    centers, slots, offsets, neighbors, vectors, counts, cutoffs, block_vectors, block_neighbors,
    places,
):  # fmt: skip
    """
    Put the pairs of eight centres side by side; empty places get a pair at the cutoff.

    Parameters
    ----------
    centers : int64[n_blocks, 8]
        Atoms of one species per block, -1 for padding.
    slots : int64[n_blocks, n_species + 1]
        First slot of each neighbor species, and the end.
    offsets, neighbors, vectors, counts
        As `pack_pairs` left them.
    cutoffs : float64[n_blocks, n_species], A
    block_vectors : float64[n_slots * 3 * 8], out, A
    block_neighbors : int64[n_slots, 8], out
    places : int64[n_pairs], out
        Where the x component of each pair lies in `block_vectors`; y and z follow 8 and 16 later.
    """
    for block in range(len(centers)):
        for lane in range(8):
            i = centers[block, lane]
            p = offsets[i] if i >= 0 else 0
            for species in range(slots.shape[1] - 1):
                begin, end = slots[block, species], slots[block, species + 1]
                filled = begin + (counts[i, species] if i >= 0 else 0)
                for slot in range(begin, end):
                    place = 24 * slot + lane
                    if slot < filled:
                        block_vectors[place] = vectors[p, 0]
                        block_vectors[place + 8] = vectors[p, 1]
                        block_vectors[place + 16] = vectors[p, 2]
                        block_neighbors[slot, lane] = neighbors[p]
                        places[p] = place
                        p += 1
                    else:
                        block_vectors[place] = cutoffs[block, species]
                        block_vectors[place + 8] = 0.0
                        block_vectors[place + 16] = 0.0
                        block_neighbors[slot, lane] = -1


@kernel
def sum_pair_gradients(
    offsets, neighbors, vectors, places, stride, gradients, structure, forces, virials
):
    """
    Turn derivatives by pair vectors into forces and virials, in the order of the pairs.

    Parameters
    ----------
    offsets : int64[n_atoms + 1]
    neighbors : int64[n_pairs]
    vectors : float64[n_pairs, 3], A
    places : int64[n_pairs]
        Where the x component of each pair's gradient lies.
    stride : int
        How much later y and z follow.
    gradients : float64[...], eV/A
    structure : int64[n_atoms]
        Which structure an atom belongs to.
    forces : float64[n_atoms, 3], out (added to), eV/A
    virials : float64[n_structures, 3, 3], out (added to), eV
    """
    for i in range(len(offsets) - 1):
        fx, fy, fz = 0.0, 0.0, 0.0
        xx, yy, zz, yz, xz, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for p in range(offsets[i], offsets[i + 1]):
            j, place = neighbors[p], places[p]
            gx, gy, gz = gradients[place], gradients[place + stride], gradients[place + 2 * stride]
            x, y, z = vectors[p, 0], vectors[p, 1], vectors[p, 2]
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
        virial = virials[structure[i]]
        virial[0, 0] += xx
        virial[1, 1] += yy
        virial[2, 2] += zz
        virial[1, 2] += yz
        virial[2, 1] += yz
        virial[0, 2] += xz
        virial[2, 0] += xz
        virial[0, 1] += xy
        virial[1, 0] += xy
