"""Atomic densities of eight centres, and the way back from their adjoints to pair gradients."""

from __future__ import annotations

from linpot.kernels.compile import kernel
from linpot.kernels.harmonics import fill_harmonics, pull_back_harmonics
from linpot.kernels.lanes import fma, load, splat, square_root, store
from linpot.kernels.radial import fill_radial


@kernel
def polar(vectors, slot):
    """
    Return length, inverse length and unit vector of the pairs in a slot.

    Parameters
    ----------
    vectors : float64[n_slots * 3 * 8], A
        Lanes ``3 slot + axis``.
    slot : int

    Returns
    -------
    tuple of five lanes
    """
    x, y, z = load(vectors, 3 * slot), load(vectors, 3 * slot + 1), load(vectors, 3 * slot + 2)
    r = square_root(fma(x, x, fma(y, y, z * z)))
    inverse = splat(1.0) / r
    return r, inverse, x * inverse, y * inverse, z * inverse


@kernel
def fill_densities(block, slots, vectors, radials, channels, constants, scratch, nodes):
    """
    Sum the densities of a block of centres into the first nodes.

    Four slots are evaluated before the densities are touched, so that each is loaded and stored
    once per four neighbors.

    Parameters
    ----------
    block : int
    slots : int64[n_blocks, n_species + 1]
        First slot of each neighbor species, and the end.
    vectors : float64[n_slots * 3 * 8], A
    radials : tuple of (parameters[n_species, 4], recurrence[n_species, n_radial, 3], norms)
    channels : tuple of (offsets, radial, weight, start, angular, size)
        Channels of neighbor species z are ``offsets[z]:offsets[z + 1]``, by ascending radial.
    constants : float64[n_densities]
    scratch : tuple of (legendre, radial[4, n], harmonics[4, n])
    nodes : float64[n_nodes * 8], out
    """
    parameters, recurrence, norms = radials
    offsets, channel_radial, weight, start, angular, size = channels
    legendre, radial, harmonics = scratch
    r0, r1, r2, r3 = radial[0], radial[1], radial[2], radial[3]
    y0, y1, y2, y3 = harmonics[0], harmonics[1], harmonics[2], harmonics[3]
    store(nodes, 0, splat(1.0))
    for k in range(len(constants)):
        store(nodes, 1 + k, splat(constants[k]))
    for species in range(len(parameters)):
        first, last = offsets[species], offsets[species + 1]
        slot, end = slots[block, species], slots[block, species + 1]
        while slot < end:
            together = 4 if slot + 4 <= end else 1
            for u in range(together):
                r, _, x, y, z = polar(vectors, slot + u)
                fill_radial(
                    r,
                    parameters[species],
                    recurrence[species],
                    channel_radial[first:last],
                    weight[first:last],
                    radial[u],
                    None,
                )
                fill_harmonics(x, y, z, norms, legendre, harmonics[u])
            for c in range(last - first):
                node, a = start[first + c], angular[first + c]
                w0 = load(r0, c)
                if together == 4:
                    w1, w2, w3 = load(r1, c), load(r2, c), load(r3, c)
                    for m in range(size[first + c]):
                        total = fma(w0, load(y0, a + m), load(nodes, node + m))
                        total = fma(w1, load(y1, a + m), total)
                        total = fma(w2, load(y2, a + m), total)
                        total = fma(w3, load(y3, a + m), total)
                        store(nodes, node + m, total)
                else:
                    for m in range(size[first + c]):
                        total = fma(w0, load(y0, a + m), load(nodes, node + m))
                        store(nodes, node + m, total)
            slot += together


@kernel
def pull_back_densities(
    block, slots, vectors, radials, channels, by_angular, scratch, adjoint, gradients
):
    """
    Turn derivatives by densities into derivatives by pair vectors.

    First ``P_a = sum_c R_c adjoint`` and ``Q_a = sum_c R'_c adjoint`` are contracted, two slots at
    a time, then each harmonic is touched once.

    Parameters
    ----------
    block, slots, vectors, radials, channels
        As in `fill_densities`.
    by_angular : tuple of (offsets, channel, node)
        Densities with angular function a of neighbor species z are entries
        ``offsets[z, a]:offsets[z, a + 1]``: their channel (counted inside z) and node.
    scratch : tuple of (legendre, radial[4, n], by_radial[2, n], by_slope[2, n])
    adjoint : float64[n_nodes * 8], eV
    gradients : float64[n_slots * 3 * 8], out, eV/A
    """
    parameters, recurrence, norms = radials
    offsets, channel_radial, weight, _, _, _ = channels
    angular_offsets, channel, node = by_angular
    legendre, radial, by_radial, by_slope = scratch
    r0, r1, d0, d1 = radial[0], radial[1], radial[2], radial[3]
    p0, p1, q0, q1 = by_radial[0], by_radial[1], by_slope[0], by_slope[1]
    for species in range(len(parameters)):
        first, last = offsets[species], offsets[species + 1]
        slot, end = slots[block, species], slots[block, species + 1]
        while slot < end:
            together = 2 if slot + 2 <= end else 1
            for u in range(together):
                r, _, _, _, _ = polar(vectors, slot + u)
                fill_radial(
                    r,
                    parameters[species],
                    recurrence[species],
                    channel_radial[first:last],
                    weight[first:last],
                    radial[u],
                    radial[2 + u],
                )
            for a in range(len(norms) * len(norms)):
                sum_p0, sum_q0 = splat(0.0), splat(0.0)
                sum_p1, sum_q1 = splat(0.0), splat(0.0)
                for e in range(angular_offsets[species, a], angular_offsets[species, a + 1]):
                    c = channel[e]
                    w = load(adjoint, node[e])
                    sum_p0 = fma(w, load(r0, c), sum_p0)
                    sum_q0 = fma(w, load(d0, c), sum_q0)
                    sum_p1 = fma(w, load(r1, c), sum_p1)
                    sum_q1 = fma(w, load(d1, c), sum_q1)
                store(p0, a, sum_p0)
                store(q0, a, sum_q0)
                store(p1, a, sum_p1)
                store(q1, a, sum_q1)
            for u in range(together):
                _, inverse, x, y, z = polar(vectors, slot + u)
                pull_back_harmonics(
                    x, y, z, inverse, norms, legendre, by_radial[u], by_slope[u], slot + u,
                    gradients,
                )  # fmt: skip
            slot += together
