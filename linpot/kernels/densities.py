"""Atomic densities of one centre, and the way back from their adjoints to pair gradients."""

from __future__ import annotations

from linpot.kernels.compile import kernel
from linpot.kernels.harmonics import fill_harmonics
from linpot.kernels.radial import fill_radial


@kernel
def fill_pairs(
    start,
    stop,
    center_species,
    neighbors,
    vectors,
    species,
    radial_parameters,
    radial_recurrence,
    norms,
    legendre,
    distances,
    units,
    radial,
    d_radial,
    harmonics,
    d_harmonics,
):
    """
    Evaluate radial and angular functions of all pairs of one centre.

    Parameters
    ----------
    start, stop : int
        Range of the centre's pairs.
    center_species : int
    neighbors : int64[n_pairs]
    vectors : float64[n_pairs, 3], A
    species : int64[n_atoms]
    radial_parameters : float64[n_species, n_species, 4]
    radial_recurrence : float64[n_species, n_species, n_radial, 3]
    norms, legendre
        As in `fill_harmonics`.
    distances : float64[n_slots], out, A
    units : float64[n_slots, 3], out
    radial, d_radial : float64[n_slots, n_radial], out
    harmonics : float64[n_slots, n_angular], out
    d_harmonics : float64[n_slots, 3, n_angular] or None, out
        With None, `d_radial` is left alone too.
    """
    for p in range(start, stop):
        s = p - start
        x, y, z = vectors[p, 0], vectors[p, 1], vectors[p, 2]
        r = (x * x + y * y + z * z) ** 0.5
        x, y, z = x / r, y / r, z / r
        distances[s] = r
        units[s, 0], units[s, 1], units[s, 2] = x, y, z
        other = species[neighbors[p]]
        parameters = radial_parameters[center_species, other]
        recurrence = radial_recurrence[center_species, other]
        if d_harmonics is not None:
            fill_radial(r, parameters, recurrence, radial[s], d_radial[s])
            fill_harmonics(x, y, z, norms, legendre, harmonics[s], d_harmonics[s])
        else:
            fill_radial(r, parameters, recurrence, radial[s], None)
            fill_harmonics(x, y, z, norms, legendre, harmonics[s], None)


@kernel
def fill_densities(
    start,
    stop,
    neighbors,
    species,
    channel_radial,
    channel_angular,
    channel_size,
    channel_start,
    channel_weights,
    density_constants,
    radial,
    harmonics,
    nodes,
):
    """
    Sum the densities of one centre into the first nodes.

    Parameters
    ----------
    start, stop : int
        Range of the centre's pairs.
    neighbors : int64[n_pairs]
    species : int64[n_atoms]
    channel_radial, channel_angular, channel_size, channel_start, channel_weights
        As in `Program`.
    density_constants : float64[n_densities]
    radial : float64[n_slots, n_radial]
    harmonics : float64[n_slots, n_angular]
    nodes : float64[n_nodes], out
        Node 0 becomes 1, the densities follow.
    """
    nodes[0] = 1.0
    for k in range(len(density_constants)):
        nodes[1 + k] = density_constants[k]
    for p in range(start, stop):
        s = p - start
        other = species[neighbors[p]]
        for c in range(len(channel_radial)):
            weight = channel_weights[other, c]
            if weight != 0.0:
                value = weight * radial[s, channel_radial[c]]
                first = channel_start[c]
                angular = channel_angular[c]
                for a in range(channel_size[c]):
                    nodes[first + a] += value * harmonics[s, angular + a]


@kernel
def pull_back_densities(
    start,
    stop,
    neighbors,
    species,
    channel_radial,
    channel_angular,
    channel_size,
    channel_start,
    channel_weights,
    distances,
    units,
    radial,
    d_radial,
    harmonics,
    d_harmonics,
    adjoint,
    by_radial,
    by_slope,
    gradients,
):
    """
    Turn derivatives by densities into derivatives by pair vectors.

    First ``P_a = sum_n w R_n adjoint`` and ``Q_a = sum_n w R'_n adjoint`` are contracted, then
    each angular function is touched once.

    Parameters
    ----------
    start, stop, neighbors, species, channel_*
        As in `fill_densities`.
    distances, units, radial, d_radial, harmonics, d_harmonics
        As in `fill_pairs`.
    adjoint : float64[n_nodes]
        dE/dnode.
    by_radial, by_slope : float64[n_angular], scratch
    gradients : float64[n_pairs, 3], out, eV/A
    """
    n_angular = len(by_radial)
    for p in range(start, stop):
        s = p - start
        other = species[neighbors[p]]
        by_radial[:] = 0.0
        by_slope[:] = 0.0
        for c in range(len(channel_radial)):
            weight = channel_weights[other, c]
            if weight != 0.0:
                value = weight * radial[s, channel_radial[c]]
                slope = weight * d_radial[s, channel_radial[c]]
                first = channel_start[c]
                angular = channel_angular[c]
                for a in range(channel_size[c]):
                    by_radial[angular + a] += value * adjoint[first + a]
                    by_slope[angular + a] += slope * adjoint[first + a]
        along, gx, gy, gz = 0.0, 0.0, 0.0, 0.0
        for a in range(n_angular):
            along += by_slope[a] * harmonics[s, a]
            gx += by_radial[a] * d_harmonics[s, 0, a]
            gy += by_radial[a] * d_harmonics[s, 1, a]
            gz += by_radial[a] * d_harmonics[s, 2, a]
        inverse = 1.0 / distances[s]
        gradients[p, 0] = along * units[s, 0] + gx * inverse
        gradients[p, 1] = along * units[s, 1] + gy * inverse
        gradients[p, 2] = along * units[s, 2] + gz * inverse
