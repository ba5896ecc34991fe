"""Cubic tables of radial functions."""

from __future__ import annotations

import numpy as np
import pytest

from linpot.lammps.direct_radials import base_values, core_repulsion
from linpot.lammps.document import FAMILIES, Bond
from linpot.lammps.pace_program import Channel
from linpot.lammps.radial_tables import (
    COARSEST,
    FINEST,
    radial_table,
    stack_tables,
    table_parameters,
)

CUTOFF = 4.5
CHANNELS = [Channel(0, np.array([1.0, 0.5, -0.2])), Channel(0, None)]


def bond(family: str) -> Bond:
    return Bond(
        np.ones((1, 1, 3)),
        family,
        (2.5,),
        CUTOFF,
        inner_kind="density",
        core_strength=10.0,
        core_decay=0.3,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_nodes_have_values_and_slopes_of_the_formulas(family):
    parameters = table_parameters(bond(family), 0.01)
    table = radial_table(bond(family), CHANNELS, parameters)
    assert table.shape == (451, 2, 2)
    r = np.arange(1, 450) * 0.01
    values, slopes = base_values(bond(family), r)
    core, d_core = core_repulsion(bond(family), r)
    mixture = CHANNELS[0].mixture
    assert np.abs(table[1:-1, 0, 0] - values @ mixture).max() < 1e-13
    assert np.abs(table[1:-1, 1, 0] - 0.01 * slopes @ mixture).max() < 1e-13
    assert np.abs(table[1:-1, 0, 1] - core).max() < 1e-13 * core.max()
    assert np.abs(table[1:-1, 1, 1] - 0.01 * d_core).max() < 1e-11 * np.abs(d_core).max()
    assert (table[[0, -1]] == 0.0).all()


@pytest.mark.parametrize(
    ("step", "expected"), [(0.002, 0.002), (1e-6, FINEST), (0.5, COARSEST), (0.00101, 0.00101)]
)
def test_spacing_is_that_of_lammps_within_limits(step, expected):
    cutoff, by_width, n_intervals, _ = table_parameters(bond("SBessel"), step)
    assert cutoff == CUTOFF
    assert n_intervals == int(CUTOFF / expected)
    assert by_width == n_intervals / CUTOFF


def test_stacked_tables_are_filled_up_for_the_kernels():
    tables = [np.ones((4, 2, 3)), np.ones((6, 2, 9))]
    stacked = stack_tables(tables)
    assert stacked.shape == (2, 6, 2, 16)
    assert stacked.sum() == 4 * 2 * 3 + 6 * 2 * 9
    assert stack_tables([np.ones((4, 2, 0))]).shape == (1, 4, 2, 8)
