"""
Everything that goes over pairs one by one: packing them, and the sums of central forces.

A pair vector points from the centre to the neighbor, ``r = r_j - r_i``. With ``g = dE/dr`` the
force on the centre is +g, on the neighbor -g, and the virial is ``W = -sum r (x) g``. Every kernel
works on a range of centres, so that callers may split the work over threads.
"""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import at, put


@kernel
def pack_pairs(
    first, last, offsets, listed, shifts, first_atoms, positions, cells, structure, species,
    cutoffs, neighbors, vectors, counts,
):  # fmt: skip
    """
    Keep the pairs inside their cutoff, those of one centre sorted by neighbor species.

    Parameters
    ----------
    first, last : int
        Range of centres.
    offsets : int64[n_atoms + 1]
        Listed pairs of each centre; what is kept of them starts at the same place.
    listed : int64[n_pairs]
        Neighbors, counted inside their structure.
    shifts : float64[n_pairs, 3]
    first_atoms : int64[n_structures + 1]
    positions : float64[n_atoms, 3], A
    cells : float64[n_structures, 3, 3], A
    structure, species : int64[n_atoms]
    cutoffs : float64[n_species, n_species], A
    neighbors : int64[n_pairs], out
    vectors : float64[n_pairs, 3], out, A
    counts : int64[n_atoms, n_species], out
        Pairs of each centre by neighbor species.

    Returns
    -------
    float
        Smallest squared distance seen, A^2.
    """
    n_species = len(cutoffs)
    smallest = 1e300
    # flat views, and `at`: indices that are known to be inside are not looked at
    place_of, steps, to = positions.reshape(-1), shifts.reshape(-1), vectors.reshape(-1)
    for i in range(first, last):
        x0, y0, z0 = at(place_of, 3 * i), at(place_of, 3 * i + 1), at(place_of, 3 * i + 2)
        cell, base, own = cells[structure[i]], first_atoms[structure[i]], species[i]
        xx, xy, xz = cell[0, 0], cell[0, 1], cell[0, 2]
        yx, yy, yz = cell[1, 0], cell[1, 1], cell[1, 2]
        zx, zy, zz = cell[2, 0], cell[2, 1], cell[2, 2]
        begin, end = at(offsets, i), at(offsets, i + 1)
        place = begin
        for wanted in range(n_species):
            limit = cutoffs[own, wanted] * cutoffs[own, wanted]
            before = place
            for p in range(begin, end):
                j = base + at(listed, p)
                if n_species > 1 and at(species, j) != wanted:
                    continue
                a, b, c = at(steps, 3 * p), at(steps, 3 * p + 1), at(steps, 3 * p + 2)
                x = at(place_of, 3 * j) - x0 + (a * xx + b * yx + c * zx)
                y = at(place_of, 3 * j + 1) - y0 + (a * xy + b * yy + c * zy)
                z = at(place_of, 3 * j + 2) - z0 + (a * xz + b * yz + c * zz)
                square = x * x + y * y + z * z
                smallest = min(smallest, square)
                # written in any case and overwritten by the next: no branch to mispredict
                put(neighbors, place, j)
                put(to, 3 * place, x)
                put(to, 3 * place + 1, y)
                put(to, 3 * place + 2, z)
                place += 1 if square < limit else 0
            counts[i, wanted] = place - before
    return smallest


@kernel
def select_pairs(first, last, pairs, species, cutoffs, kept_neighbors, kept_vectors, kept_counts):
    """
    Keep packed pairs inside smaller cutoffs, sorted by another numbering of species.

    Parameters
    ----------
    first, last : int
        Range of centres.
    pairs : tuple of (starts, counts, neighbors, vectors)
        As `pack_pairs` left them.
    species : int64[n_atoms]
        In the new numbering.
    cutoffs : float64[n_species, n_species], A
    kept_neighbors, kept_vectors, kept_counts : out
        What is kept starts at the same places.
    """
    starts, counts, neighbors, vectors = pairs
    for i in range(first, last):
        place = starts[i]
        end = starts[i] + counts[i].sum()
        for wanted in range(len(cutoffs)):
            limit = cutoffs[species[i], wanted] * cutoffs[species[i], wanted]
            before = place
            for p in range(starts[i], end):
                x, y, z = vectors[p, 0], vectors[p, 1], vectors[p, 2]
                if species[neighbors[p]] == wanted and x * x + y * y + z * z < limit:
                    kept_neighbors[place] = neighbors[p]
                    kept_vectors[place, 0] = x
                    kept_vectors[place, 1] = y
                    kept_vectors[place, 2] = z
                    place += 1
            kept_counts[i, wanted] = place - before


@kernel
def gather_pairs(first, last, pairs, species, cutoffs, centers, others, r, within):
    """
    List the pairs of some centres that are inside smaller cutoffs.

    Parameters
    ----------
    first, last : int
        Range of centres.
    pairs : tuple of (starts, counts, neighbors, vectors)
        As `pack_pairs` left them.
    species : int64[n_atoms]
    cutoffs : float64[n_species, n_species], A
    centers, others : int64[n], out
        Both ends of the pairs.
    r : float64[n], out, A
    within : float64[n, 3], out, A
        Their vectors.

    Returns
    -------
    int
        How many there are.
    """
    starts, counts, neighbors, vectors = pairs
    count = 0
    for i in range(first, last):
        for p in range(starts[i], starts[i] + counts[i].sum()):
            j = neighbors[p]
            x, y, z = vectors[p, 0], vectors[p, 1], vectors[p, 2]
            square = x * x + y * y + z * z
            centers[count] = i
            others[count] = j
            r[count] = square
            within[count, 0] = x
            within[count, 1] = y
            within[count, 2] = z
            limit = cutoffs[species[i], species[j]]
            count += 1 if square < limit * limit else 0
    for k in range(count):
        r[k] = math.sqrt(r[k])
    return count


@kernel
def sum_central_pairs(centers, r, vectors, energies, derivatives, atomic, forces, virials):
    """
    Give centres half the energy and half the virial of their central pairs, and all of the force.

    Every pair is there from both of its ends, with the same bits but for the sign of the vector.

    Parameters
    ----------
    centers : int64[n_pairs]
    r : float64[n_pairs], A
    vectors : float64[n_pairs, 3], A
    energies, derivatives : float64[n_pairs], eV, eV/A
        Of the whole pair.
    atomic : float64[n_atoms], out (added to), eV
    forces : float64[n_atoms, 3], out (added to), eV/A
    virials : float64[n_atoms, 6], out (added to), eV
    """
    for p in range(len(r)):
        i = centers[p]
        atomic[i] += 0.5 * energies[p]
        slope = derivatives[p] / r[p]
        x, y, z = vectors[p, 0], vectors[p, 1], vectors[p, 2]
        forces[i, 0] += slope * x
        forces[i, 1] += slope * y
        forces[i, 2] += slope * z
        virials[i, 0] -= 0.5 * slope * x * x
        virials[i, 1] -= 0.5 * slope * y * y
        virials[i, 2] -= 0.5 * slope * z * z
        virials[i, 3] -= 0.5 * slope * y * z
        virials[i, 4] -= 0.5 * slope * x * z
        virials[i, 5] -= 0.5 * slope * x * y
