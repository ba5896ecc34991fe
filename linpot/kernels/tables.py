"""Radial functions of many pairs from cubic tables."""

from __future__ import annotations

from linpot.kernels.compile import kernel
from linpot.kernels.lanes import aligned, at, fma, load, load_pairs, store, transpose


@kernel
def table_scratch(table):
    """Return what `fill_from_table` works in; None without table."""
    if table is None:
        return None
    n = 16 * table.shape[3]
    return aligned(16), aligned(n), aligned(n), aligned(n)


@kernel
def fill_from_table(
    r, parameters, table, scratch, first, last, channel_radial, channel_weight, radial, d_radial
):
    """
    Evaluate ``w_c R_q(c)(r)`` of a range of channels and, if asked for, its derivative.

    Cubic Hermite polynomials. One pair at a time, eight functions side by side: what a pair needs
    lies together in two rows of the table. Then eight pairs and eight functions change places.

    Parameters
    ----------
    r : pairs, A
        Up to the cutoff.
    parameters : float64[4]
        Cutoff, intervals per A, number of intervals, 0.
    table : float64[n_nodes, 2, n_functions]
        Values, and slopes times the width of an interval; n_functions is a multiple of 8.
    scratch : tuple of float64[16], then three of float64[n_functions * 16]
        As `table_scratch` makes it.
    first, last : int
        Range of channels.
    channel_radial : int64[n_channels]
        Function of each channel.
    channel_weight : float64[n_channels]
    radial : float64[(last - first) * 16], out
    d_radial : as radial, or None, out, 1/A
    """
    distances, values, slopes, turned = scratch
    n_groups = table.shape[2] // 8
    rows = table.reshape(-1)  # one array: a slice for every pair would be counted and forgotten
    by_width, last_interval = parameters[1], int(parameters[2]) - 1
    store(distances, 0, r)
    for inside in range(16):
        place = at(distances, inside) * by_width
        node = min(int(place), last_interval)
        t = place - node
        row = 2 * n_groups * node
        for g in range(n_groups):
            start, d_start = load(rows, row + g), load(rows, row + n_groups + g)
            d_end = load(rows, row + 3 * n_groups + g)
            rise = load(rows, row + 2 * n_groups + g) - start
            square = rise * 3.0 - d_end - d_start * 2.0
            cube = d_start + d_end - rise * 2.0
            store(
                values, inside * n_groups + g, fma(fma(fma(cube, t, square), t, d_start), t, start)
            )
            if d_radial is not None:
                slope = fma(fma(cube * 3.0, t, square * 2.0), t, d_start)
                store(slopes, inside * n_groups + g, slope * by_width)
    _distribute(values, n_groups, turned, first, last, channel_radial, channel_weight, radial)
    if d_radial is not None:
        _distribute(slopes, n_groups, turned, first, last, channel_radial, channel_weight, d_radial)


@kernel
def _distribute(values, n_groups, turned, first, last, channel_radial, channel_weight, radial):
    """Turn values of pairs, functions side by side, into those of channels, pairs side by side."""
    for g in range(n_groups):
        transpose(values, g, n_groups, turned, 16 * g, 2)
        transpose(values, 8 * n_groups + g, n_groups, turned, 16 * g + 1, 2)
    for c in range(first, last):
        value = load_pairs(turned, at(channel_radial, c))
        store(radial, c - first, value * at(channel_weight, c))
