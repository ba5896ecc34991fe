"""
Long dynamics of silicon with a potential fitted to zuo2020 Si by the default recipe.

NVE: 512 atoms started at 600 K, 1 fs, 10 ps; slope of the total energy after the first ps.
NVT: 216 atoms, Langevin at 1500 K, 20 ps; closest pair ever seen.

    python -m benchmarks.dynamics
"""

from __future__ import annotations

import os
import warnings

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.md.langevin import Langevin

import linpot
from benchmarks.record import data_folder, write_results
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import structure_from_atoms
from linpot.workflow.dynamics import run_dynamics

THREADS = len(os.sched_getaffinity(0))


def closest_pair(atoms: Atoms) -> float:
    """Return the shortest distance, A."""
    structure = structure_from_atoms(atoms)
    neighbors = find_neighbors(structure, 3.0)
    vectors = neighbors.vectors(structure.positions, structure.cell)
    return float(np.linalg.norm(vectors, axis=1).min())


def main() -> None:
    train = linpot.read_dataset(data_folder() / "zuo2020" / "Si_train.extxyz.gz")
    settings = linpot.FitSettings(n_functions=1000, threads=THREADS)
    potential = linpot.run_fit(train, settings=settings).potential
    # equipartition halves the kinetic energy of atoms that start at rest in the crystal
    run = run_dynamics(
        potential,
        bulk("Si", cubic=True) * (4, 4, 4),
        temperature=1200.0,
        n_steps=10_000,
        timestep=1.0,
        threads=THREADS,
    )
    late = run.times >= 1000.0
    slope = np.polyfit(run.times[late], run.energies[late], 1)[0]
    nve = {
        "n_atoms": run.n_atoms,
        "picoseconds": 10.0,
        "mean_temperature_K": round(run.mean_temperature, 1),
        "drift_meV_per_atom_per_ps": float(slope * 1e6 / run.n_atoms),
        "fluctuation_meV_per_atom": float(1e3 * run.energies[late].std() / run.n_atoms),
    }
    print("NVE", nve)
    atoms = bulk("Si", cubic=True) * (3, 3, 3)
    atoms.calc = linpot.LinpotCalculator(potential, threads=THREADS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of ASE, about the centre of mass
        dynamics = Langevin(
            atoms,
            timestep=1.0 * units.fs,
            temperature_K=1500.0,
            friction=0.01 / units.fs,
            rng=np.random.default_rng(0),
        )
    closest, temperatures = np.inf, []
    for step, _ in enumerate(dynamics.irun(20_000)):
        if step % 10 == 0:
            closest = min(closest, closest_pair(atoms))
            temperatures.append(atoms.get_temperature())
    nvt = {
        "n_atoms": len(atoms),
        "picoseconds": 20.0,
        "mean_temperature_K": round(float(np.mean(temperatures[len(temperatures) // 2 :])), 1),
        "closest_pair_A": round(closest, 3),
        "final_energy_eV_per_atom": round(atoms.get_potential_energy() / len(atoms), 4),
    }
    print("NVT", nvt)
    print("written:", write_results("dynamics", {"seed": 0, "nve": nve, "nvt": nvt}))


if __name__ == "__main__":
    main()
