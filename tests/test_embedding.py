"""Embedding functions: closed forms and derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from linpot.kernels.embedding import embed, falling_switch, plain, shifted

EXPONENTS = (0.5, 0.75, 1.0, 1.5, 2.0)
DENSITIES = (-20.0, -1.3, -0.02, 0.013, 0.4, 3.0, 50.0)


@pytest.mark.parametrize("function", [plain, shifted])
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_slopes_equal_differences(function, exponent):
    for rho in DENSITIES:
        step = 1e-5 * abs(rho)
        ends = [function(rho + sign * step, exponent)[0] for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert function(rho, exponent)[1] == pytest.approx(slope, rel=1e-8)


def test_plain_function_is_a_power_except_near_zero():
    assert plain(0.25, 0.5)[0] == 0.5
    assert plain(-0.25, 0.5)[0] == -0.5
    assert plain(0.0, 0.5) == (0.0, 1e3)
    for rho in (5e-7, 1e-6, 2e-6):
        ends = [plain(rho + sign * 1e-11, 0.5)[0] for sign in (1, -1)]
        assert plain(rho, 0.5)[1] == pytest.approx((ends[0] - ends[1]) / 2e-11, rel=1e-6)


def test_shifted_function_vanishes_smoothly_and_becomes_the_power():
    for exponent in (0.5, 2.0):
        assert shifted(0.0, exponent)[0] == pytest.approx(0.0, abs=1e-15)
        assert shifted(-0.7, exponent)[0] == -shifted(0.7, exponent)[0]
        assert shifted(60.0, exponent)[0] == pytest.approx(60.0**exponent, rel=1e-14)
        assert shifted(1e-9, exponent)[1] == pytest.approx(shifted(-1e-9, exponent)[1], rel=1e-8)


@pytest.mark.parametrize("function", [plain, shifted])
def test_exponent_one_is_the_density(function):
    for rho in DENSITIES:
        assert function(rho, 1.0) == pytest.approx((rho, 1.0), rel=1e-14)


def test_switch_falls_from_one_to_zero_smoothly():
    assert falling_switch(2.0, 5.0, 3.0) == (1.0, 0.0)
    assert falling_switch(5.0, 5.0, 3.0) == (0.0, 0.0)
    assert falling_switch(3.5, 5.0, 3.0)[0] == 0.5
    assert falling_switch(0.0, 0.0, 0.0) == (1.0, 0.0)
    for core in (2.001, 2.7, 3.9, 4.999):
        ends = [falling_switch(core + sign * 1e-6, 5.0, 3.0)[0] for sign in (1, -1)]
        assert falling_switch(core, 5.0, 3.0)[1] == pytest.approx(
            (ends[0] - ends[1]) / 2e-6, abs=1e-9
        )


@pytest.mark.parametrize("kind", [0.0, 1.0])
@pytest.mark.parametrize("has_core", [False, True])
def test_derivatives_by_all_densities_equal_differences(kind, has_core):
    rng = np.random.default_rng(0)
    embedding = np.array([kind, 3.0, 2.5, float(has_core), 1.0, 1.0, -0.4, 0.5])
    n = 2 + has_core
    outputs = rng.uniform(0.3, 2.8, size=8 * n)

    def energies(values):
        slopes, copy = np.zeros(8 * n), values.copy()
        embed(embedding, copy, slopes)
        return copy[:8], slopes

    _, slopes = energies(outputs)
    for k in range(n):
        step = np.zeros(8 * n)
        step[8 * k : 8 * k + 8] = 1e-6
        difference = (energies(outputs + step)[0] - energies(outputs - step)[0]) / 2e-6
        assert np.abs(difference).min() > 1e-3
        assert np.abs(difference - slopes[8 * k : 8 * k + 8]).max() < 1e-8
