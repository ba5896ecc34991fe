"""Short molecular dynamics, to see that a potential conserves energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray

from linpot import checks
from linpot.calculators.ase_calculator import LinpotCalculator
from linpot.model.protocol import EnergyModel

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DynamicsRun:
    """
    A run at constant energy.

    Attributes
    ----------
    n_atoms : int
    times : float64[n_steps + 1], fs
    temperatures : float64[n_steps + 1], K
    energies : float64[n_steps + 1], eV
        Potential and kinetic.
    """

    n_atoms: int
    times: Floats
    temperatures: Floats
    energies: Floats

    @property
    def mean_temperature(self) -> float:
        """Mean of the second half, K."""
        return float(self.temperatures[len(self.temperatures) // 2 :].mean())

    @property
    def drift(self) -> float:
        """Slope of the energy, eV/atom/ps."""
        slope = np.polyfit(self.times, self.energies, 1)[0]
        return float(slope * 1e3 / self.n_atoms)


def run_dynamics(
    model: EnergyModel,
    atoms: Atoms,
    *,
    temperature: float = 300.0,
    n_steps: int = 1000,
    timestep: float = 1.0,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> DynamicsRun:
    """
    Run at constant energy from random velocities.

    Parameters
    ----------
    model : EnergyModel
    atoms : ase.Atoms
        Not modified.
    temperature : float, K
        Of the velocities; about half of it remains if the atoms start at rest in a minimum.
    n_steps : int
    timestep : float, fs
    seed : int
    threads : int
    progress : callable, optional
        Called with the number of steps done.

    Returns
    -------
    DynamicsRun
    """
    checks.integer("n_steps", n_steps, low=1)
    moving = atoms.copy()
    moving.calc = LinpotCalculator(model, threads=threads)
    rng = np.random.default_rng(checks.integer("seed", seed, low=0))
    spread = np.sqrt(units.kB * checks.positive("temperature", temperature, "number of K"))
    masses = moving.get_masses()[:, None]
    velocities = spread * rng.standard_normal((len(moving), 3)) / np.sqrt(masses)
    moving.set_velocities(velocities - (masses * velocities).sum(axis=0) / masses.sum())
    step = checks.positive("timestep", timestep, "time in fs")
    dynamics = VelocityVerlet(moving, timestep=step * units.fs)
    temperatures: list[float] = []
    energies: list[float] = []
    for done, _ in enumerate(dynamics.irun(n_steps)):
        temperatures.append(moving.get_temperature())
        energies.append(moving.get_total_energy())
        if progress is not None:
            progress(done)
    times = step * np.arange(len(energies), dtype=np.float64)
    return DynamicsRun(
        len(moving), times, np.array(temperatures), np.array(energies, dtype=np.float64)
    )
