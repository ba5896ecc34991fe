"""Neighbor lists in linpot's order."""

from __future__ import annotations

import numpy as np

from linpot.kernels.compile import kernel


@kernel
def sort_list(n_atoms, centers, neighbors, shifts):
    """
    Sort pairs by centre, then neighbor, then shift.

    Parameters
    ----------
    n_atoms : int
    centers, neighbors : integer[n_pairs]
    shifts : integer[n_pairs, 3]

    Returns
    -------
    offsets : int64[n_atoms + 1]
        Pairs of centre i are ``offsets[i]:offsets[i + 1]``.
    sorted_neighbors : int64[n_pairs]
    sorted_shifts : float64[n_pairs, 3]
    """
    n_pairs = len(centers)
    offsets = np.zeros(n_atoms + 1, dtype=np.int64)
    for p in range(n_pairs):
        offsets[np.int64(centers[p]) + 1] += 1
    for i in range(n_atoms):
        offsets[i + 1] += offsets[i]
    filled = offsets[:-1].copy()
    order = np.empty(n_pairs, dtype=np.int64)
    for p in range(n_pairs):
        i = np.int64(centers[p])
        # insertion from behind: lists arrive almost sorted, and those of one atom are short
        place = filled[i]
        filled[i] += 1
        while place > offsets[i] and _before(p, order[place - 1], neighbors, shifts):
            order[place] = order[place - 1]
            place -= 1
        order[place] = p
    sorted_neighbors = np.empty(n_pairs, dtype=np.int64)
    sorted_shifts = np.empty((n_pairs, 3))
    for k in range(n_pairs):
        p = order[k]
        sorted_neighbors[k] = np.int64(neighbors[p])
        for axis in range(3):
            sorted_shifts[k, axis] = shifts[p, axis]
    return offsets, sorted_neighbors, sorted_shifts


@kernel
def _before(p, q, neighbors, shifts):
    if neighbors[p] != neighbors[q]:
        return neighbors[p] < neighbors[q]
    for axis in range(3):
        if shifts[p, axis] != shifts[q, axis]:
            return shifts[p, axis] < shifts[q, axis]
    return False
