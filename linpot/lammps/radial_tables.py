"""Cubic tables of the radial functions of ``.yace`` files, for the engine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from linpot.kernels.lanes import WIDTH
from linpot.lammps.direct_radials import base_values, core_repulsion
from linpot.lammps.document import Bond
from linpot.lammps.pace_program import Channel

FINEST, COARSEST = 0.001, 0.01
"""A. Tables of the spacing of the file are those of LAMMPS. A finer one gains nothing: the error is
spacing^4/384 times the fourth derivative. A coarser one would reach distances at which atoms can
be, in the first interval, where LAMMPS stops."""

Floats = NDArray[np.float64]


def table_parameters(bond: Bond, step: float) -> Floats:
    """
    Return what `fill_from_table` wants to know of a pair of species: float64[4].

    Parameters
    ----------
    bond : Bond
    step : float, A
        Of the file.
    """
    n_intervals = max(int(bond.cutoff / min(max(step, FINEST), COARSEST)), 1)
    return np.array([bond.cutoff, n_intervals / bond.cutoff, n_intervals, 0.0])


def radial_table(bond: Bond, channels: list[Channel], parameters: Floats) -> Floats:
    """
    Tabulate the functions of one pair of species.

    Parameters
    ----------
    bond : Bond
    channels : list of Channel
        Of the neighbor species.
    parameters : float64[4]
        See `table_parameters`.

    Returns
    -------
    float64[n_nodes, 2, n_channels]
        Values, and slopes times the width of an interval. They vanish at the cutoff, and at the
        first node, distance 0, which no pair of atoms comes near.
    """
    n_intervals = int(parameters[2])
    r = np.arange(1, n_intervals) / parameters[1]
    base, d_base = base_values(bond, r)
    core, d_core = core_repulsion(bond, r)
    table = np.zeros((n_intervals + 1, 2, len(channels)))
    for q, channel in enumerate(channels):
        if channel.mixture is None:
            table[1:-1, 0, q], table[1:-1, 1, q] = core, d_core
        else:
            table[1:-1, 0, q], table[1:-1, 1, q] = base @ channel.mixture, d_base @ channel.mixture
    table[:, 1] /= parameters[1]
    return table


def stack_tables(tables: list[Floats]) -> Floats:
    """
    Put the tables of all neighbor species into one array, as kernels want it.

    Returns
    -------
    float64[n_species, n_nodes, 2, n_functions]
        Filled up with zeros; n_functions is a multiple of eight.
    """
    widest = max(table.shape[2] for table in tables)
    n_functions = max(-(-widest // WIDTH), 1) * WIDTH
    stacked = np.zeros((len(tables), max(len(table) for table in tables), 2, n_functions))
    for z, table in enumerate(tables):
        stacked[z, : len(table), :, : table.shape[2]] = table
    return stacked
