"""
Everything that is summed over pairs; the only place that knows the sign of the virial.

A pair vector points from the centre to the neighbor, ``r = r_j - r_i``. With ``g = dE/dr`` the
force on the centre is +g, on the neighbor -g, and the virial is ``W = -sum r (x) g``.
"""

from __future__ import annotations

from linpot.kernels.compile import kernel


@kernel
def pack_pairs(
    offsets, neighbors, vectors, species, cutoffs, packed_offsets, packed_neighbors, packed_vectors
):
    """
    Keep the pairs inside their cutoff, those of one centre sorted by neighbor species.

    Parameters
    ----------
    offsets : int64[n_atoms + 1]
    neighbors : int64[n_pairs]
    vectors : float64[n_pairs, 3], A
    species : int64[n_atoms]
        Species index of every atom.
    cutoffs : float64[n_species, n_species], A
    packed_offsets : int64[n_atoms + 1], out
    packed_neighbors : int64[n_pairs], out
    packed_vectors : float64[n_pairs, 3], out, A

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
        for wanted in range(n_species):
            limit = cutoffs[species[i], wanted] * cutoffs[species[i], wanted]
            for p in range(offsets[i], offsets[i + 1]):
                if n_species > 1 and species[neighbors[p]] != wanted:
                    continue
                x, y, z = vectors[p, 0], vectors[p, 1], vectors[p, 2]
                square = x * x + y * y + z * z
                if square < limit:
                    smallest = min(smallest, square)
                    packed_neighbors[count] = neighbors[p]
                    packed_vectors[count, 0] = x
                    packed_vectors[count, 1] = y
                    packed_vectors[count, 2] = z
                    count += 1
        packed_offsets[i + 1] = count
    return smallest


@kernel
def sum_pair_gradients(offsets, neighbors, vectors, gradients, structure, forces, virials):
    """
    Turn derivatives by pair vectors into forces and virials, in the order of the pairs.

    Parameters
    ----------
    offsets : int64[n_atoms + 1]
    neighbors : int64[n_pairs]
    vectors : float64[n_pairs, 3], A
    gradients : float64[n_pairs, 3], eV/A
    structure : int64[n_atoms]
        Which structure an atom belongs to.
    forces : float64[n_atoms, 3], out (added to), eV/A
    virials : float64[n_structures, 3, 3], out (added to), eV
    """
    for i in range(len(offsets) - 1):
        s = structure[i]
        for p in range(offsets[i], offsets[i + 1]):
            j = neighbors[p]
            for a in range(3):
                g = gradients[p, a]
                forces[i, a] += g
                forces[j, a] -= g
                for b in range(3):
                    virials[s, a, b] -= 0.5 * (vectors[p, b] * g + vectors[p, a] * gradients[p, b])


@kernel
def scale_to_vectors(vectors, derivatives, gradients):
    """
    Turn dE/dr of central pair terms into derivatives by the pair vector.

    Parameters
    ----------
    vectors : float64[n_pairs, 3], A
    derivatives : float64[n_pairs], eV/A
    gradients : float64[n_pairs, 3], out, eV/A
    """
    for p in range(len(vectors)):
        x, y, z = vectors[p, 0], vectors[p, 1], vectors[p, 2]
        scale = derivatives[p] / (x * x + y * y + z * z) ** 0.5
        gradients[p, 0] = scale * x
        gradients[p, 1] = scale * y
        gradients[p, 2] = scale * z
