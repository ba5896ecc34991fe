"""Choices from the data, and how a user overrides them."""

from __future__ import annotations

import pytest

from linpot.errors import InputError
from linpot.structures.distances import PairDistances
from linpot.workflow.defaults import CUTOFF, DECAY, default_radial, default_zbl

PAIRS = {
    ("O", "O"): PairDistances(2.2, 2.6, True),
    ("O", "Si"): PairDistances(1.5, 1.6, True),
    ("Si", "Si"): PairDistances(2.1, 3.0, True),
}


def test_defaults_follow_the_distances():
    radial = default_radial(PAIRS)
    assert radial["O", "Si"].cutoff == CUTOFF
    assert radial["Si", "Si"].cutoff == pytest.approx(1.9 * 3.0)  # large atoms reach further
    assert radial["O", "O"].decay == DECAY
    assert radial["O", "O"].taper_end == pytest.approx(0.95 * 2.2)


def test_one_number_overrides_all_pairs():
    radial = default_radial(PAIRS, 4.0, 2.0)
    assert {(r.cutoff, r.decay) for r in radial.values()} == {(4.0, 2.0)}


def test_named_pairs_are_overridden_in_either_order():
    radial = default_radial(PAIRS, {"Si-O": 4.5}, {"O-O": 3.0})
    assert radial["O", "Si"].cutoff == 4.5
    assert radial["O", "O"].cutoff == CUTOFF
    assert [r.decay for r in radial.values()] == [3.0, DECAY, DECAY]


def test_lengths_of_the_repulsion_are_short_enough_to_be_read_by_people():
    """They stand in input files of LAMMPS; 1e-6 A is far below what any structure determines."""
    zbl = default_zbl({("Si", "Si"): PairDistances(1.8500000004086583, 2.4, True)}, ("Si",))
    assert (zbl.switch_starts["Si", "Si"], zbl.pair_cutoffs["Si", "Si"]) == (1.48, 3.7)


@pytest.mark.parametrize(
    ("cutoff", "decay", "message"),
    [
        (-5.0, None, r"`cutoff` must be a positive length in A, got -5\.0"),
        (None, 0.0, r"`decay` must be a positive number, got 0\.0"),
        ({"Si-Ge": 5.0}, None, "`cutoff` must name pairs like 'Si-O' of the data, got 'Si-Ge'"),
        (2.0, None, "`cutoff` of O-O must be well above the shortest distance"),
    ],
)
def test_wrong_overrides_are_refused(cutoff, decay, message):
    with pytest.raises(InputError, match=message):
        default_radial(PAIRS, cutoff, decay)
