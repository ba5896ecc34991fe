"""
Everything that goes over pairs one by one: packing them, and the sums of central forces.

A pair vector points from the centre to the neighbor, ``r = r_j - r_i``. With ``g = dE/dr`` the
force on the centre is +g, on the neighbor -g, and the virial is ``W = -sum r (x) g``. Every kernel
works on a range of centres, so that callers may split the work over threads.
"""

from __future__ import annotations

import math

import numpy as np

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
    shifts : float64[n_pairs, 3] or float64[0, 3]
        Empty where nothing is periodic.
    first_atoms : int64[n_structures + 1]
    positions : float64[n_atoms, 3], A
    cells : float64[n_structures, 3, 3], A
    structure, species : int64[n_atoms]
    cutoffs : float64[n_species, n_species], A
    neighbors : int64[n_pairs], out
    vectors : float64[n_pairs, 3], out, A
    counts : int64[n_atoms, n_species], zeros in, out
        Pairs of each centre by neighbor species.

    Returns
    -------
    float
        Smallest squared distance seen, A^2.
    """
    n_species = len(cutoffs)
    flat = vectors.reshape(-1)
    lists = (offsets, listed, shifts.reshape(-1))
    atoms = (positions.reshape(-1), species, structure, first_atoms, cells)
    if n_species == 1:
        return _collect(first, last, lists, atoms, cutoffs, neighbors, None, flat, counts)
    longest = 1
    for i in range(first, last):
        longest = max(longest, offsets[i + 1] - offsets[i])
    inside, kinds = np.empty(longest, dtype=np.int64), np.empty(longest, dtype=np.int64)
    found, ends = np.empty(3 * longest), np.zeros(n_species, dtype=np.int64)
    smallest = 1e300
    for i in range(first, last):
        closest = _collect(i, i + 1, lists, atoms, cutoffs, inside, kinds, found, counts)
        smallest = min(smallest, closest)
        total, counts[i, 0] = counts[i, 0], 0
        for k in range(total):
            counts[i, at(kinds, k)] += 1
        place = offsets[i]
        for kind in range(n_species):
            ends[kind] = place
            place += counts[i, kind]
        for k in range(total):
            kind = at(kinds, k)
            place = at(ends, kind)
            put(ends, kind, place + 1)
            put(neighbors, place, at(inside, k))
            for axis in range(3):
                put(flat, 3 * place + axis, at(found, 3 * k + axis))
    return smallest


@kernel
def _collect(first, last, lists, atoms, cutoffs, inside, kinds, found, counts):
    """
    Write the pairs of centres that are inside their cutoff, and how many they are.

    Without `kinds` they go to the places where they are listed, else to the beginning, with their
    species. Returns the smallest squared distance seen.
    """
    offsets, listed, shifts = lists
    positions, species, structure, first_atoms, cells = atoms
    shifted = len(shifts) > 0
    smallest = 1e300
    for i in range(first, last):
        x0, y0, z0 = positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]
        base, cell, own = first_atoms[structure[i]], cells[structure[i]], species[i]
        xx, xy, xz = cell[0, 0], cell[0, 1], cell[0, 2]
        yx, yy, yz = cell[1, 0], cell[1, 1], cell[1, 2]
        zx, zy, zz = cell[2, 0], cell[2, 1], cell[2, 2]
        limit = cutoffs[own, 0] * cutoffs[own, 0]
        begin, end = offsets[i], offsets[i + 1]
        start = begin if kinds is None else 0
        count = start
        for p in range(begin, end):
            # `at`: these indices are known to be inside and are not looked at
            j = base + at(listed, p)
            x, y = at(positions, 3 * j) - x0, at(positions, 3 * j + 1) - y0
            z = at(positions, 3 * j + 2) - z0
            if shifted:
                a, b, c = at(shifts, 3 * p), at(shifts, 3 * p + 1), at(shifts, 3 * p + 2)
                x += a * xx + b * yx + c * zx
                y += a * xy + b * yy + c * zy
                z += a * xz + b * yz + c * zz
            square = x * x + y * y + z * z
            smallest = min(smallest, square)
            if kinds is not None:
                kind = at(species, j)
                put(kinds, count, kind)
                limit = cutoffs[own, kind] * cutoffs[own, kind]
            # written in any case and overwritten by the next: no branch to mispredict
            put(inside, count, j)
            put(found, 3 * count, x)
            put(found, 3 * count + 1, y)
            put(found, 3 * count + 2, z)
            count += 1 if square < limit else 0
        counts[i, 0] = count - start
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
