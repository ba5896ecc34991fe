"""
Atomic densities of eight centres, and the way back from their adjoints to pair gradients.

A slot holds two neighbors of each centre: pairs, in the sense of `lanes`.
"""

from __future__ import annotations

from linpot.kernels.compile import kernel
from linpot.kernels.harmonics import fill_harmonics, pull_back_harmonics
from linpot.kernels.hyperspherical import fill_hyperspherical
from linpot.kernels.lanes import at, fma, load, load_pairs, splat, square_root, store, twice
from linpot.kernels.radial import fill_radial
from linpot.kernels.tables import fill_from_table, table_scratch


@kernel
def polar(vectors, slot):
    """
    Return length, inverse length and unit vector of the pairs in a slot.

    Parameters
    ----------
    vectors : float64[n_slots * 3 * 16], A
        Pairs ``3 slot + axis``.
    slot : int

    Returns
    -------
    tuple of five pairs
    """
    x = load_pairs(vectors, 3 * slot)
    y = load_pairs(vectors, 3 * slot + 1)
    z = load_pairs(vectors, 3 * slot + 2)
    r = square_root(fma(x, x, fma(y, y, z * z)))
    inverse = 1.0 / r
    return r, inverse, x * inverse, y * inverse, z * inverse


@kernel
def fill_densities(slots, vectors, radials, channels, constants, radial, slope, harmonics, nodes):
    """
    Sum the densities of a block of centres into the first nodes, and keep the radial functions.

    Two slots are evaluated before the densities are touched, so that each is loaded and stored
    once per four neighbors.

    Parameters
    ----------
    slots : int64[n_species + 1]
        First slot of each neighbor species, and the end.
    vectors : float64[n_slots * 3 * 16], A
        Pairs ``3 slot + axis``.
    radials : tuple of (parameters[n_species, n], recurrence, harmonic, table)
        Radial functions by a table float64[n_species, n_nodes, 2, n_functions] as in
        `fill_from_table`; where it is None, by float64[n_species, n_radial, 3] as in `fill_radial`;
        where this is None as well, as in `fill_hyperspherical`.
    channels : tuple of (offsets, radial, weight, start, angular, size)
        Channels of neighbor species z are ``offsets[z]:offsets[z + 1]``, by ascending radial.
    constants : float64[n_densities]
    radial, slope : float64[n_slots, n_channels * 16], slope may be None, out
        Radial functions and their derivatives, left for `pull_back_densities`.
    harmonics : float64[2, n_angular * 16], scratch
    nodes : float64[n_nodes * 8], out
    """
    parameters, _, harmonic, table = radials
    offsets, _, _, _, _, _ = channels
    scratch = table_scratch(table)
    store(nodes, 0, splat(1.0))
    for k in range(len(constants)):
        store(nodes, 1 + k, splat(constants[k]))
    for species in range(len(parameters)):
        first, last = offsets[species], offsets[species + 1]
        slot, end = slots[species], slots[species + 1]
        while slot < end:
            together = min(2, end - slot)
            for u in range(together):
                r, _, x, y, z = polar(vectors, slot + u)
                if slope is None:
                    _fill_radials(
                        r, species, radials, table, scratch, first, last, channels,
                        radial[slot + u], None,
                    )  # fmt: skip
                else:
                    _fill_radials(
                        r, species, radials, table, scratch, first, last, channels,
                        radial[slot + u], slope[slot + u],
                    )  # fmt: skip
                fill_harmonics(x, y, z, harmonic, harmonics[u])
            if together == 2:
                _add_two_slots(
                    first, last, channels, radial[slot], radial[slot + 1],
                    harmonics[0], harmonics[1], nodes,
                )  # fmt: skip
            else:
                _add_slot(first, last, channels, radial[slot], harmonics[0], nodes)
            slot += together


@kernel
def _fill_radials(
    r, species, radials, table, scratch, first, last, channels, radial, d_radial
):  # fmt: skip
    """Evaluate radial functions by a table, a recurrence, or on the sphere of SNAP."""
    parameters, recurrence, _, _ = radials
    _, channel_radial, weight, _, _, _ = channels
    if table is None:
        _fill_without_table(
            r, parameters[species], recurrence, species, first, last, channel_radial, weight,
            radial, d_radial,
        )  # fmt: skip
    else:
        fill_from_table(
            r, parameters[species], table[species], scratch, first, last, channel_radial, weight,
            radial, d_radial,
        )  # fmt: skip


@kernel
def _fill_without_table(
    r, parameters, recurrence, species, first, last, channel_radial, weight, radial, d_radial
):  # fmt: skip
    if recurrence is None:
        fill_hyperspherical(r, parameters, first, last, channel_radial, weight, radial, d_radial)
    else:
        fill_radial(
            r, parameters, recurrence[species], first, last, channel_radial, weight, radial,
            d_radial,
        )  # fmt: skip


@kernel
def _add_slot(first, last, channels, radial, harmonics, nodes):
    """Add the two neighbors of a slot to the densities."""
    _, _, _, start, angular, size = channels
    for c in range(last - first):
        node, a = at(start, first + c), at(angular, first + c)
        w0, w1 = load(radial, 2 * c), load(radial, 2 * c + 1)
        for m in range(at(size, first + c)):
            total = fma(w0, load(harmonics, 2 * (a + m)), load(nodes, node + m))
            store(nodes, node + m, fma(w1, load(harmonics, 2 * (a + m) + 1), total))


@kernel
def _add_two_slots(first, last, channels, radial_0, radial_1, harmonics_0, harmonics_1, nodes):
    """Add the four neighbors of two slots; channels in twos, as far as both go."""
    _, _, _, start, angular, size = channels
    c = first
    while c < last:
        k = 2 * (c - first)
        node, a, begin = at(start, c), 2 * at(angular, c), 0
        w0, w1 = load(radial_0, k), load(radial_0, k + 1)
        w2, w3 = load(radial_1, k), load(radial_1, k + 1)
        alike = c + 1 < last and at(angular, c + 1) == at(angular, c)
        if alike and at(size, c + 1) <= at(size, c):
            begin, other = at(size, c + 1), at(start, c + 1)
            v0, v1 = load(radial_0, k + 2), load(radial_0, k + 3)
            v2, v3 = load(radial_1, k + 2), load(radial_1, k + 3)
            for m in range(begin):
                y0, y1 = load(harmonics_0, a + 2 * m), load(harmonics_0, a + 2 * m + 1)
                y2, y3 = load(harmonics_1, a + 2 * m), load(harmonics_1, a + 2 * m + 1)
                total = fma(w0, y0, load(nodes, node + m))
                other_total = fma(v0, y0, load(nodes, other + m))
                total, other_total = fma(w1, y1, total), fma(v1, y1, other_total)
                total, other_total = fma(w2, y2, total), fma(v2, y2, other_total)
                total, other_total = fma(w3, y3, total), fma(v3, y3, other_total)
                store(nodes, node + m, total)
                store(nodes, other + m, other_total)
        for m in range(begin, at(size, c)):
            total = fma(w0, load(harmonics_0, a + 2 * m), load(nodes, node + m))
            total = fma(w1, load(harmonics_0, a + 2 * m + 1), total)
            total = fma(w2, load(harmonics_1, a + 2 * m), total)
            total = fma(w3, load(harmonics_1, a + 2 * m + 1), total)
            store(nodes, node + m, total)
        c += 2 if begin > 0 else 1


@kernel
def pull_back_densities(slots, vectors, radials, groups, scratch, adjoint, gradients):
    """
    Turn derivatives by densities into derivatives by pair vectors.

    First ``P_a = sum_c R_c adjoint`` and ``Q_a = sum_c R'_c adjoint`` are contracted for up to
    three angular functions and both neighbors of a slot at a time, then each harmonic is touched
    once.

    Parameters
    ----------
    slots, vectors, radials
        As in `fill_densities`.
    groups : tuple of (offsets, angular, width, entries, channel, node)
        Groups of neighbor species z are ``offsets[z]:offsets[z + 1]``. A group is up to three
        angular functions from `angular` on that occur in the same channels:
        ``channel[entries[g]:entries[g + 1]]``, counted inside z. `node` lists the densities of all
        groups, channel by channel.
    scratch : tuple of (radial, slope, by_radial[n], by_slope[n], ordered[n])
        The first two as `fill_densities` left them.
    adjoint : float64[n_nodes * 8], eV
    gradients : float64[n_slots * 3 * 16], out, eV/A
    """
    offsets, angular, width, entries, channel, node = groups
    radial, slope, by_radial, by_slope, ordered = scratch
    for k in range(len(node)):
        store(ordered, k, load(adjoint, at(node, k)))
    after = 0
    for species in range(len(offsets) - 1):
        before = after
        for slot in range(slots[species], slots[species + 1]):
            r, d = radial[slot], slope[slot]
            k = before
            for g in range(offsets[species], offsets[species + 1]):
                a, n = at(angular, g), at(width, g)
                begin, end = at(entries, g), at(entries, g + 1)
                if n == 3:
                    _contract_three(a, k, begin, end, channel, r, d, ordered, by_radial, by_slope)
                elif n == 2:
                    _contract_two(a, k, begin, end, channel, r, d, ordered, by_radial, by_slope)
                else:
                    _contract_one(a, k, begin, end, channel, r, d, ordered, by_radial, by_slope)
                k += n * (end - begin)
            _, inverse, x, y, z = polar(vectors, slot)
            pull_back_harmonics(x, y, z, inverse, radials[2], by_radial, by_slope, slot, gradients)
        for g in range(offsets[species], offsets[species + 1]):
            after += width[g] * (entries[g + 1] - entries[g])


@kernel
def _contract_one(a, k, begin, end, channel, radial, slope, ordered, by_radial, by_slope):
    p, q = twice(splat(0.0)), twice(splat(0.0))
    for e in range(begin, end):
        r, d = load_pairs(radial, at(channel, e)), load_pairs(slope, at(channel, e))
        w = twice(load(ordered, k))
        p, q = fma(w, r, p), fma(w, d, q)
        k += 1
    store(by_radial, a, p)
    store(by_slope, a, q)


@kernel
def _contract_two(a, k, begin, end, channel, radial, slope, ordered, by_radial, by_slope):
    p0, q0, p1, q1 = twice(splat(0.0)), twice(splat(0.0)), twice(splat(0.0)), twice(splat(0.0))
    for e in range(begin, end):
        r, d = load_pairs(radial, at(channel, e)), load_pairs(slope, at(channel, e))
        w0, w1 = twice(load(ordered, k)), twice(load(ordered, k + 1))
        p0, q0 = fma(w0, r, p0), fma(w0, d, q0)
        p1, q1 = fma(w1, r, p1), fma(w1, d, q1)
        k += 2
    store(by_radial, a, p0)
    store(by_radial, a + 1, p1)
    store(by_slope, a, q0)
    store(by_slope, a + 1, q1)


@kernel
def _contract_three(a, k, begin, end, channel, radial, slope, ordered, by_radial, by_slope):
    p0, q0, p1, q1 = twice(splat(0.0)), twice(splat(0.0)), twice(splat(0.0)), twice(splat(0.0))
    p2, q2 = twice(splat(0.0)), twice(splat(0.0))
    for e in range(begin, end):
        r, d = load_pairs(radial, at(channel, e)), load_pairs(slope, at(channel, e))
        w0, w1 = twice(load(ordered, k)), twice(load(ordered, k + 1))
        w2 = twice(load(ordered, k + 2))
        p0, q0 = fma(w0, r, p0), fma(w0, d, q0)
        p1, q1 = fma(w1, r, p1), fma(w1, d, q1)
        p2, q2 = fma(w2, r, p2), fma(w2, d, q2)
        k += 3
    store(by_radial, a, p0)
    store(by_radial, a + 1, p1)
    store(by_radial, a + 2, p2)
    store(by_slope, a, q0)
    store(by_slope, a + 1, q1)
    store(by_slope, a + 2, q2)
