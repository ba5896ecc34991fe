"""Short molecular dynamics."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk

import linpot
from linpot.workflow.dynamics import run_dynamics


@pytest.fixture(scope="module")
def crystal():
    return bulk("Cu", "fcc", 3.2, cubic=True)


ZBL = linpot.ZBL(("Cu",), {("Cu", "Cu"): 1.0}, {("Cu", "Cu"): 3.0})


def test_dynamics_conserve_energy(crystal):
    run = run_dynamics(ZBL, crystal, temperature=300.0, n_steps=50)
    assert run.n_atoms == 4
    np.testing.assert_array_equal(run.times, np.arange(51.0))
    kinetic = 1.5 * 8.617e-5 * run.temperatures * run.n_atoms
    assert np.ptp(kinetic) > 1e-2  # energy does flow between kinetic and potential
    assert np.ptp(run.energies) < 1e-2 * np.ptp(kinetic)  # Verlet: (timestep omega)^2 / 8
    assert abs(run.drift) < 1e-2


def test_dynamics_repeat_with_the_seed_and_leave_atoms_alone(crystal):
    before = crystal.positions.copy()
    first, second = (run_dynamics(ZBL, crystal, n_steps=5, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.energies, second.energies)
    np.testing.assert_array_equal(crystal.positions, before)
    assert crystal.calc is None


def test_dynamics_refuse_negative_temperature(crystal):
    with pytest.raises(linpot.InputError, match="`temperature` must be a positive number of K"):
        run_dynamics(ZBL, crystal, temperature=-5.0, n_steps=1)
