"""
The pair function of dispersion, damped or not, less what a lattice sum adds in another way.

``u(r) = -(phi_6 + phi_8) + sum_n c_n L_n(r)``: phi_n is ``C_n/r^n`` with its damping, and
``L_n = P(n/2, a^2 r^2) / r^n`` the smooth, long-ranged share of a power that is summed over
reciprocal space; P is the regularised lower incomplete gamma function. See docs/dispersion.md.
"""

from __future__ import annotations

import math

import numpy as np

from linpot.kernels.compile import kernel
from linpot.kernels.elementary import exponential
from linpot.kernels.lanes import (
    choose_below,
    filled,
    fma,
    load,
    smaller,
    splat,
    square_root,
    store,
)

UNDAMPED, BECKE_JOHNSON, TANG_TOENNIES = 0, 1, 2

POWERS = (6, 8, 12, 16)
"""Powers n of ``c_n / r^n`` that lattices sum: the last two are the tails of rational damping."""

_SERIES_BELOW = 2.0
_N_SERIES = 24  # 2^24 3!/27! = 1e-20
_LARGEST = 600.0  # exp(-600) is a number still, and times any power here zero
_INVERSE = tuple(0.0 if k == 0 else 1.0 / k for k in range(40))
_INVERSE_FACTORIAL = tuple(1.0 / math.factorial(k) for k in range(12))


@kernel
def _lower_gamma(m, x, decay, close):
    """
    Return P(m, x) and its derivative, for a whole m from 1 to 9.

    ``P = 1 - exp(-x) sum_{k<m} x^k/k!`` loses digits at small x, where instead
    ``P = exp(-x) x^m/m! sum_k x^k m!/(m+k)!``, of which no term is negative.

    Parameters
    ----------
    m : int
    x, decay : lanes
        decay is exp(-x).
    close : bool
        Whether any x may be below 2.
    """
    power = x
    for _ in range(m - 2):
        power = power * x
    slope = power * decay * _INVERSE_FACTORIAL[m - 1]
    total = filled(x, 1.0)
    for k in range(m - 1, 0, -1):
        total = fma(total * x, _INVERSE[k], 1.0)
    value = fma(total * (-1.0), decay, 1.0)
    if close:
        series = filled(x, 1.0)
        for k in range(_N_SERIES, 0, -1):
            series = fma(series * x, _INVERSE[m + k], 1.0)
        value = choose_below(x, _SERIES_BELOW, slope * x * series * _INVERSE[m], value)
    return value, slope


@kernel
def _add_long_range(m, x, decay, close, coefficient, inverse_power, twice, energy, slope):
    """Add ``c P(m, x)/r^n``, n = 2 m, and ``r`` times its derivative."""
    value, derivative = _lower_gamma(m, x, decay, close)
    scale = coefficient * inverse_power
    energy = fma(scale, value, energy)
    return energy, fma(scale, fma(derivative, twice, value * (-2.0 * m)), slope)


@kernel
def pair_terms(square, parameters, mode, splitting, nearest):
    """
    Evaluate eight pairs.

    Parameters
    ----------
    square : lanes, A^2
        Squared distances.
    parameters : float64[6, 8]
        C_6 and C_8 (eV A^n); two parameters of the damping: R^6 and R^8 (Becke-Johnson), or the
        decay b (1/A) and 0; c_12 and c_16 (eV A^n).
    mode : int
        UNDAMPED, BECKE_JOHNSON or TANG_TOENNIES.
    splitting : float, 1/A
        a; 0 for a plain sum.
    nearest : float, A^2
        No square is smaller.

    Returns
    -------
    energy : lanes, eV
    slope : lanes, eV
        r du/dr.
    """
    c6, c8 = load(parameters[0], 0), load(parameters[1], 0)
    energy, slope = filled(square, 0.0), filled(square, 0.0)
    inverse = 1.0 / square
    inverse6 = inverse * inverse * inverse
    inverse8 = inverse6 * inverse
    if mode == BECKE_JOHNSON:
        power6 = square * square * square
        power8 = power6 * square
        damped6 = 1.0 / (power6 + load(parameters[2], 0))
        damped8 = 1.0 / (power8 + load(parameters[3], 0))
        term6, term8 = c6 * damped6, c8 * damped8
        energy = energy - term6 - term8
        slope = fma(term6 * 6.0, power6 * damped6, slope)
        slope = fma(term8 * 8.0, power8 * damped8, slope)
    elif mode == TANG_TOENNIES:
        x = smaller(square_root(square) * load(parameters[2], 0), _LARGEST)
        close = math.sqrt(nearest) * parameters[2].min() < _SERIES_BELOW
        decay = exponential(x * (-1.0))
        value6, derivative6 = _lower_gamma(7, x, decay, close)
        value8, derivative8 = _lower_gamma(9, x, decay, close)
        term6, term8 = c6 * inverse6, c8 * inverse8
        energy = energy - term6 * value6 - term8 * value8
        slope = slope - term6 * fma(x, derivative6, value6 * (-6.0))
        slope = slope - term8 * fma(x, derivative8, value8 * (-8.0))
    else:
        term6, term8 = c6 * inverse6, c8 * inverse8
        energy = energy - term6 - term8
        slope = fma(term6, 6.0, term8 * 8.0)
    if splitting > 0.0:
        x = smaller(square * (splitting * splitting), _LARGEST)
        close = nearest * splitting * splitting < _SERIES_BELOW
        decay, twice = exponential(x * (-1.0)), x * 2.0
        energy, slope = _add_long_range(3, x, decay, close, c6, inverse6, twice, energy, slope)
        energy, slope = _add_long_range(4, x, decay, close, c8, inverse8, twice, energy, slope)
        if mode == BECKE_JOHNSON:
            energy, slope = _add_long_range(
                6, x, decay, close, load(parameters[4], 0), inverse6 * inverse6, twice, energy,
                slope,
            )  # fmt: skip
            energy, slope = _add_long_range(
                8, x, decay, close, load(parameters[5], 0), inverse8 * inverse8, twice, energy,
                slope,
            )  # fmt: skip
    return energy, slope


@kernel
def _nothing():
    """Return ten sums of lanes: energy, force and virial."""
    zero = splat(0.0)
    return zero, zero, zero, zero, zero, zero, zero, zero, zero, zero


@kernel
def _added(sums, x, y, z, energy, slope):
    """Return sums with eight pairs added; slope is ``1/r du/dr``."""
    e, fx, fy, fz, xx, yy, zz, yz, xz, xy = sums
    sx, sy, sz = slope * x, slope * y, slope * z
    return (
        e + energy,
        fx + sx,
        fy + sy,
        fz + sz,
        fma(sx, x, xx),
        fma(sy, y, yy),
        fma(sz, z, zz),
        fma(sy, z, yz),
        fma(sx, z, xz),
        fma(sx, y, xy),
    )


@kernel
def _give(sums, target, scratch, atomic, forces, virials):
    """Give a centre half the energy and virial of its pairs, and all of the force."""
    e, fx, fy, fz, xx, yy, zz, yz, xz, xy = sums
    store(scratch[0], 0, e)
    store(scratch[1], 0, fx)
    store(scratch[2], 0, fy)
    store(scratch[3], 0, fz)
    store(scratch[4], 0, xx)
    store(scratch[5], 0, yy)
    store(scratch[6], 0, zz)
    store(scratch[7], 0, yz)
    store(scratch[8], 0, xz)
    store(scratch[9], 0, xy)
    atomic[target] += 0.5 * scratch[0].sum()
    for k in range(3):
        forces[target, k] += scratch[1 + k].sum()
    for k in range(6):
        virials[target, k] -= 0.5 * scratch[4 + k].sum()


@kernel
def _set_parameters(parameters, row):
    for k in range(6):
        for lane in range(8):
            parameters[k, lane] = row[k]


@kernel
def add_packed_pairs(
    first, last, pairs, species, table, mode, splitting, targets, atomic, forces, virials
):
    """
    Sum over the packed pairs of some centres.

    Parameters
    ----------
    first, last : int
        Range of centres.
    pairs : tuple of (starts, counts, neighbors, vectors)
        As `pack_pairs` left them: those of a centre sorted by species, all inside the cutoff.
    species : int64[n_atoms]
    table : float64[n_species * n_species, 6]
        See `pair_terms`.
    mode : int
    splitting : float, 1/A
    targets : int64[n_atoms]
        Where a centre belongs in the results.
    atomic : float64[n_targets], out (added to), eV
    forces : float64[n_targets, 3], out (added to), eV/A
    virials : float64[n_targets, 6], out (added to), eV
    """
    starts, counts, _, vectors = pairs
    n_species = counts.shape[1]
    parameters, lanes, scratch = np.empty((6, 8)), np.empty((5, 8)), np.empty((10, 8))
    for i in range(first, last):
        sums = _nothing()
        place = starts[i]
        for other in range(n_species):
            end = place + counts[i, other]
            if end > place:
                _set_parameters(parameters, table[species[i] * n_species + other])
            while place < end:
                count = min(8, end - place)
                nearest = 1e300
                for lane in range(8):
                    p = place + min(lane, count - 1)
                    x, y, z = vectors[p, 0], vectors[p, 1], vectors[p, 2]
                    square = x * x + y * y + z * z
                    nearest = min(nearest, square)
                    lanes[0, lane], lanes[1, lane], lanes[2, lane] = x, y, z
                    lanes[3, lane] = square
                    lanes[4, lane] = 1.0 if lane < count else 0.0
                square, inside = load(lanes[3], 0), load(lanes[4], 0)
                energy, slope = pair_terms(square, parameters, mode, splitting, nearest)
                sums = _added(
                    sums, load(lanes[0], 0), load(lanes[1], 0), load(lanes[2], 0),
                    energy * inside, slope * inside / square,
                )  # fmt: skip
                place += count
        _give(sums, targets[i], scratch, atomic, forces, virials)


@kernel
def add_all_pairs(
    first, last, coordinates, weights, block_species, places, table, mode, splitting, shifts,
    reach, atomic, forces, virials,
):  # fmt: skip
    """
    Sum over all pairs of a structure and over given images, for some centres.

    Parameters
    ----------
    first, last : int
        Range of centres, in the order of the blocks.
    coordinates : float64[3, n_blocks, 8], A
        Atoms, eight of one species side by side.
    weights : float64[n_blocks, 8]
        1 for an atom, 0 for an empty place.
    block_species : int64[n_blocks]
    places : int64[n_atoms, 3]
        Block and lane of every atom of the blocks, and where it belongs in the results.
    table : float64[n_species * n_species, 6]
    mode : int
    splitting : float, 1/A
    shifts : float64[n_images, 3], A
        The first of them zero.
    reach : float, A
        Pairs further away do not count.
    atomic : float64[n_atoms], out (added to), eV
    forces : float64[n_atoms, 3], out (added to), eV/A
    virials : float64[n_atoms, 6], out (added to), eV
    """
    n_species = int(math.sqrt(len(table)) + 0.5)
    parameters, present, squares = np.empty((6, 8)), np.empty(8), np.empty(8)
    scratch = np.empty((10, 8))
    limit = reach * reach
    for place in range(first, last):
        own_block, own_lane, target = places[place, 0], places[place, 1], places[place, 2]
        x0 = coordinates[0, own_block, own_lane]
        y0 = coordinates[1, own_block, own_lane]
        z0 = coordinates[2, own_block, own_lane]
        sums = _nothing()
        before = -1
        for block in range(len(block_species)):
            pair = block_species[own_block] * n_species + block_species[block]
            if pair != before:
                before = pair
                _set_parameters(parameters, table[pair])
            for image in range(len(shifts)):
                x = load(coordinates[0, block], 0) + (shifts[image, 0] - x0)
                y = load(coordinates[1, block], 0) + (shifts[image, 1] - y0)
                z = load(coordinates[2, block], 0) + (shifts[image, 2] - z0)
                store(squares, 0, fma(x, x, fma(y, y, z * z)))
                nearest, count = 1e300, 0
                for lane in range(8):
                    here = weights[block, lane] > 0.0 and squares[lane] < limit
                    if image == 0 and block == own_block and lane == own_lane:
                        here = False
                    present[lane] = 1.0 if here else 0.0
                    if here:
                        nearest = min(nearest, squares[lane])
                        count += 1
                    else:
                        squares[lane] = 1e4  # any distance that does no harm
                if count == 0:
                    continue
                square, inside = load(squares, 0), load(present, 0)
                energy, slope = pair_terms(square, parameters, mode, splitting, nearest)
                sums = _added(sums, x, y, z, energy * inside, slope * inside / square)
        _give(sums, target, scratch, atomic, forces, virials)
