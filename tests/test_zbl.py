"""Screened nuclear repulsion: its values, its smooth end, and what it refuses."""

from __future__ import annotations

import re

import numpy as np
import pytest

from linpot.baselines.zbl import ZBL
from linpot.errors import InputError
from linpot.structures.structure import Structure

PAIRS = [("Si", "Si"), ("H", "Si"), ("H", "H"), ("W", "W")]


def of_pair(a: str, b: str, start: float = 1.2, stop: float = 2.4) -> ZBL:
    return ZBL(
        tuple(dict.fromkeys((a, b))), *(dict.fromkeys(all_pairs(a, b), v) for v in (start, stop))
    )


def all_pairs(a: str, b: str) -> set[tuple[str, str]]:
    return {(a, a), (a, b), (b, b)}


def evaluate(model: ZBL, r: np.ndarray, first: int = 0, second: int = -1):
    second = second % len(model.symbols)
    return model.pair_energies(r, np.full(len(r), first), np.full(len(r), second))


def bare(za: int, zb: int, r: np.ndarray) -> np.ndarray:
    """Ziegler, Biersack, Littmark (1985); 14.3996 eV A is e^2 / (4 pi eps0)."""
    x = r / (0.46850 / (za**0.23 + zb**0.23))
    screening = (
        0.18175 * np.exp(-3.19980 * x)
        + 0.50986 * np.exp(-0.94229 * x)
        + 0.28022 * np.exp(-0.40290 * x)
        + 0.02817 * np.exp(-0.20162 * x)
    )
    return 14.399645478 * za * zb / r * screening


@pytest.mark.parametrize(("a", "b", "za", "zb"), [("Si", "Si", 14, 14), ("H", "W", 1, 74)])
def test_energy_below_the_switch_is_the_closed_form_and_a_constant(a, b, za, zb):
    model = of_pair(a, b)
    r = np.linspace(0.05, 1.2, 40)
    energies, _ = evaluate(model, r)
    difference = energies - bare(za, zb, r)
    assert energies[0] > 100.0
    assert np.ptp(difference) < 1e-9 * energies[0]
    assert abs(difference[0]) < bare(za, zb, np.array([1.2]))[0]


def test_energy_has_the_values_of_the_lammps_formula():
    """
    The switch of ``pair_style zbl`` written out: S(r) = A/3 (r - r1)^3 + B/4 (r - r1)^4 + C.

    A = (-3 E' + w E'') / w^2, B = (2 E' - w E'') / w^3, C = -E + w E' / 2 - w^2 E'' / 12, all at
    the cutoff; E' and E'' here by differences, good to 1e-8.
    """
    start, stop, h = 1.2, 2.4, 1e-3
    e = bare(14, 14, stop + h * np.arange(-2, 3))
    d1 = (e[0] - 8 * e[1] + 8 * e[3] - e[4]) / (12 * h)
    d2 = (-e[0] + 16 * e[1] - 30 * e[2] + 16 * e[3] - e[4]) / (12 * h**2)
    w = stop - start
    a, b = (-3 * d1 + w * d2) / w**2, (2 * d1 - w * d2) / w**3
    c = -e[2] + w * d1 / 2 - w**2 * d2 / 12
    r = np.linspace(1.2, 2.4, 30)
    t = r - start
    expected = bare(14, 14, r) + a / 3 * t**3 + b / 4 * t**4 + c
    energies, _ = evaluate(of_pair("Si", "Si"), r)
    assert np.allclose(energies, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_energy_vanishes_at_the_cutoff_with_two_derivatives(a, b):
    """The fourth power is the first that remains of (cutoff - r)^3 C: values fall by 8 or more."""
    model = of_pair(a, b)
    distances = np.array([0.08, 0.04, 0.02])
    energies, slopes = evaluate(model, 2.4 - distances)
    scale = evaluate(model, np.array([1.2]))[0][0]
    assert (np.abs(energies) < 5.0 * distances**3 * scale).all()
    assert (np.abs(energies[:-1] / energies[1:]) > 7.0).all()
    assert (np.abs(slopes[:-1] / slopes[1:]) > 3.5).all()
    assert np.abs(energies).min() > 1e-12


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_slope_equals_differences_and_is_repulsive(a, b):
    model, h = of_pair(a, b), 1e-4
    r = np.linspace(0.3, 2.39, 60)
    _, slopes = evaluate(model, r)
    found = sum(
        c * evaluate(model, r + k * h)[0]
        for k, c in ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
    )
    # h^4 / 30 times the fifth derivative, which at 0.3 A is below 1e7 of the slope
    assert np.allclose(found / h, slopes, rtol=1e-8, atol=1e-9)
    assert (slopes < 0.0).all()


def test_pairs_are_symmetric():
    model = of_pair("H", "Si")
    r = np.linspace(0.2, 2.3, 20)
    for one, other in zip(evaluate(model, r, 0, 1), evaluate(model, r, 1, 0), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(model.cutoffs, model.cutoffs.T)
    reverse = ZBL(("H", "Si"), *({p[::-1]: v for p in all_pairs("H", "Si")} for v in (1.2, 2.4)))
    assert np.array_equal(evaluate(model, r)[0], evaluate(reverse, r)[0])


def test_energy_of_a_dimer_is_that_of_its_pair_half_on_each_atom():
    model = of_pair("H", "Si")
    dimer = Structure(
        np.array([1, 14]), np.array([[0, 0, 0], [0, 0, 1.0]]), np.zeros((3, 3)), (False,) * 3
    )
    energy, slope = (values[0] for values in evaluate(model, np.array([1.0])))
    prediction = model.predict(dimer)
    assert prediction.energy == pytest.approx(energy, rel=1e-15)
    assert np.allclose(prediction.atomic_energies, energy / 2, rtol=1e-15)
    assert np.allclose(prediction.forces, [[0, 0, slope], [0, 0, -slope]], rtol=1e-15)


@pytest.mark.parametrize(
    ("starts", "stops", "message"),
    [
        ({("Si", "Si"): -1.0}, {("Si", "Si"): 2.0}, "`switch_start` must be a positive length"),
        ({("Si", "Si"): 1.0}, {("Si", "Si"): 0.0}, "`cutoff` must be a positive length in A"),
        (
            {("Si", "Si"): 2.0},
            {("Si", "Si"): 2.0},
            "`switch_start` must be below the cutoff, got 2.0 and 2.0 A for Si-Si",
        ),
        ({}, {}, "ZBL needs a switch and a cutoff for every pair, Si-Si is missing"),
    ],
)
def test_invalid_switch_is_refused_with_its_value(starts, stops, message):
    with pytest.raises(InputError, match=re.escape(message)):
        ZBL(("Si",), starts, stops)
