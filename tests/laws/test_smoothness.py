"""
Energies are twice continuously differentiable wherever a pair enters, leaves or is tapered.

Third differences over h^3 tend to the third derivative, which may jump but stays bounded. A jump
in the second derivative would make them grow as 1/h, one in the slope as 1/h^2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cases import CUTOFF, MODELS, TAPER_END, TAPER_START, structure_for

from linpot.structures.structure import Structure

WINDOW = 0.05  # A on either side
COARSE, FINE = 5e-3, 6.25e-4  # A; rounding in third differences: 1e-15 eV / FINE^3 = 4e-6

PLACES = {
    "linear-1-order-5": [CUTOFF, TAPER_START, TAPER_END],
    "linear-2-order-4": [CUTOFF, TAPER_START, TAPER_END],
    "linear-3-order-3": [CUTOFF, TAPER_START, TAPER_END],
    "zbl": [3.0, 1.6],
    "sum": [CUTOFF, TAPER_START, TAPER_END, 3.0, 1.6],
}


def trimer(model, distance: float) -> Structure:
    """Two atoms at a fixed distance; a third one leaves the first, sideways of the second."""
    number = structure_for("atom", model).numbers[0]
    return Structure(
        np.full(3, number),
        np.array([[0, 0, 0], [1.4, -1.9, 0.6], [0.6 * distance, 0.64 * distance, 0.48 * distance]]),
        np.zeros((3, 3)),
        (False, False, False),
    )


def energies_around(model, place: float, step: float) -> np.ndarray:
    distances = place + np.arange(-WINDOW, WINDOW + step / 2, step) + 0.37 * step
    return np.array([model.predict(trimer(model, r), forces=False).energy for r in distances])


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name, places in PLACES.items() for place in places]
)
def test_third_derivative_of_the_energy_is_bounded(name, place):
    model = MODELS[name]()
    coarse = np.abs(np.diff(energies_around(model, place, COARSE), 3)).max() / COARSE**3
    fine = np.abs(np.diff(energies_around(model, place, FINE), 3)).max() / FINE**3
    assert fine > 1e-2  # eV/A^3
    # a kink of the second derivative would give 8
    assert fine < 2.0 * coarse


@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name, places in PLACES.items() for place in places]
)
def test_second_derivative_of_the_energy_is_continuous(name, place):
    model = MODELS[name]()
    curvature = np.diff(energies_around(model, place, FINE), 2) / FINE**2
    largest = np.abs(curvature).max()
    assert largest > 1e-4  # eV/A^2
    # neighboring values differ by FINE times the third derivative: at most a tenth of the range
    assert np.abs(np.diff(curvature)).max() < 0.1 * np.ptp(curvature)


def test_energy_and_forces_vanish_beyond_the_cutoff(model):
    dimer = structure_for("dimer", model)
    alone = sum(
        model.predict(replace(dimer, numbers=dimer.numbers[[i]], positions=np.zeros((1, 3)))).energy
        for i in range(2)
    )
    apart = replace(dimer, positions=np.array([[0, 0, 0], [0, 0, model.cutoff + 1e-9]]))
    prediction = model.predict(apart)
    assert prediction.energy == alone
    assert not prediction.forces.any()
    assert not prediction.virial.any()


def test_learned_part_vanishes_below_the_taper():
    model = MODELS["linear-1-order-5"]()
    dimer = structure_for("dimer", model)
    close = replace(dimer, positions=np.array([[0, 0, 0], [0, 0, 0.99 * TAPER_START]]))
    prediction = model.predict(close)
    assert prediction.energy == 2 * model.isolated_atom_energies["Si"]
    assert not prediction.forces.any()
