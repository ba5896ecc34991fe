"""
Atoms pushed together: holes with and without restraints, dynamics at three times the melting point.

Eight sets, the default recipe. "Without" fits to the same data with `dense_restraint=0` and leaves
holes. Dynamics: crystal relaxed by the potential, 5000 steps of 1 fs at constant volume, Langevin;
a run ends where an atom falls below the energies of the crystal by more than 20 eV per atom.

    python -m benchmarks.walls [SET ...] [--missing]
"""

from __future__ import annotations

import argparse
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.optimize import BFGS

import linpot
from benchmarks.record import RESULTS, commit, data_folder, write_results
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import structure_from_atoms

THREADS = len(os.sched_getaffinity(0))
N_STEPS = 5000
LOST = -20.0  # eV per atom


def layered(a: float, symbols: tuple[str, str]) -> Atoms:
    """Return a face-centered cell whose layers alternate along z."""
    atoms = bulk(symbols[0], "fcc", a=a, cubic=True)
    atoms.symbols[np.flatnonzero(atoms.positions[:, 2] > 0.1)] = symbols[1]
    return atoms


# folder and prefix of the files, crystal, repeats, melting temperature in K
SETS: dict[str, tuple[str, Callable[[], Atoms], int, float]] = {
    "Ni": ("zuo2020/Ni_", lambda: bulk("Ni", cubic=True), 3, 1728.0),
    "Cu": ("zuo2020/Cu_", lambda: bulk("Cu", cubic=True), 3, 1358.0),
    "Mo": ("zuo2020/Mo_", lambda: bulk("Mo", cubic=True), 4, 2896.0),
    "Si": ("zuo2020/Si_", lambda: bulk("Si", cubic=True), 2, 1687.0),
    "Ta": ("ta_snap/", lambda: bulk("Ta", cubic=True), 4, 3290.0),
    "TiAl": ("tial_tutorial/", lambda: layered(4.0, ("Al", "Ti")), 3, 1733.0),
    "AgAu": ("agau_vasp/", lambda: layered(4.15, ("Ag", "Au")), 3, 1300.0),
    "MgO": ("mgo_vasp/", lambda: bulk("MgO", "rocksalt", a=4.25, cubic=True), 2, 3125.0),
}


def hot(potential: linpot.EnergyModel, crystal: Atoms, repeats: int, melts: float) -> dict:
    """Run at three times the melting temperature."""
    crystal.calc = linpot.LinpotCalculator(potential)
    BFGS(FrechetCellFilter(crystal), logfile=None).run(fmax=1e-3, steps=200)
    usual = closest_pair(crystal)
    atoms = crystal * (repeats, repeats, repeats)
    atoms.calc = linpot.LinpotCalculator(potential)
    ground = atoms.get_potential_energy() / len(atoms)
    rng = np.random.default_rng(0)
    spread = np.sqrt(2.0 * units.kB * 3.0 * melts / atoms.get_masses())[:, None]
    atoms.set_velocities(spread * rng.standard_normal((len(atoms), 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of ASE, about the center of mass
        dynamics = Langevin(
            atoms, 1.0 * units.fs, temperature_K=3.0 * melts, friction=0.02 / units.fs, rng=rng
        )
    closest, lowest, done, temperatures = np.inf, 0.0, 0, []
    try:
        for done, _ in enumerate(dynamics.irun(N_STEPS)):
            lowest = min(lowest, atoms.get_potential_energy() / len(atoms) - ground)
            if done % 10 == 0:
                closest = min(closest, closest_pair(atoms))
                temperatures.append(atoms.get_temperature())
            if lowest < LOST:
                break
    except linpot.InputError:  # atoms on top of each other
        closest = 0.0
    return {
        "n_atoms": len(atoms),
        "steps": done,
        "temperature_K": round(float(np.mean(temperatures[len(temperatures) // 2 :])), 0),
        "closest_over_nearest": round(closest / usual, 3),
        "lowest_below_crystal_eV_per_atom": round(-lowest, 3),
    }


def closest_pair(atoms: Atoms) -> float:
    """Return the shortest distance, A."""
    structure = structure_from_atoms(atoms)
    neighbors = find_neighbors(structure, 4.5)
    vectors = neighbors.vectors(structure.positions, structure.cell)
    return float(np.linalg.norm(vectors, axis=1).min())


def curves(train: linpot.Dataset, settings: linpot.FitSettings) -> dict[str, Any]:
    """Energies of a dimer and of compressed diamond, with and without what holds them up."""
    scales = np.linspace(1.0, 0.5, 51)
    distances = np.linspace(0.8, 5.2, 89)
    found: dict[str, Any] = {"scales": scales.tolist(), "distances_A": distances.tolist()}
    for label, changes in (
        ("default", {}),
        ("without dense environments", {"dense_restraint": 0.0}),
        ("without baseline", {"baseline": "none"}),
    ):
        own = replace(settings, allow_holes=True, **changes)
        potential = linpot.run_fit(train, settings=own).potential
        atom, dimer, crystal = Atoms("Si"), Atoms("Si2"), bulk("Si")
        structures = []
        for r in distances:
            dimer.positions[1] = (0.0, 0.0, r)
            structures.append(structure_from_atoms(dimer))
        for scale in scales:
            smaller = crystal.copy()
            smaller.set_cell(scale * crystal.cell, scale_atoms=True)
            structures.append(structure_from_atoms(smaller))
        said = potential.predict_many([structure_from_atoms(atom), *structures], forces=False)
        pair = said.energies[1 : len(distances) + 1] - 2.0 * said.energies[0]
        cell = said.energies[len(distances) + 1 :] / 2.0
        found[label] = {
            "dimer_eV": pair.round(4).tolist(),
            "diamond_eV_per_atom": (cell - cell[0]).round(4).tolist(),
        }
    return found


def measure(name: str, n_functions: int) -> dict[str, Any]:
    """Fit with and without restraints of dense environments, and heat both."""
    prefix, crystal, repeats, melts = SETS[name]
    folder = Path(data_folder())
    train, test = (
        linpot.read_dataset(folder / f"{prefix}{part}.extxyz.gz") for part in ("train", "test")
    )
    settings = linpot.FitSettings(n_functions=n_functions, threads=THREADS)
    found: dict[str, Any] = {}
    for label, own in (
        ("default", settings),
        ("without", replace(settings, dense_restraint=0.0, allow_holes=True)),
    ):
        result = linpot.run_fit(train, test=test, settings=own)
        assert result.test is not None
        errors = result.test["all"]
        found[label] = {
            "test_energy_mae": errors["energy"]["mae"],
            "test_forces_mae": errors["forces"]["mae"],
            "checked": len(result.walls.dimers) + len(result.walls.compressions),
            "holes": len(result.walls.holes),
            "notes": result.walls.notes,
            "hot": hot(result.potential, crystal(), repeats, melts),
        }
        print(name, label, found[label], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    parser.add_argument("--n-functions", type=int, default=500)
    parser.add_argument(
        "--missing", action="store_true", help="keep what a stopped run of this commit has written"
    )
    options = parser.parse_args()
    results: dict[str, Any] = {"seed": 0, "n_functions": options.n_functions, "sets": {}}
    if options.missing:
        written = json.loads((RESULTS / "walls.json").read_text())
        if written["commit"] == commit():
            results["sets"] = written["sets"]
    for name in (name for name in options.sets if name not in results["sets"]):
        results["sets"][name] = measure(name, options.n_functions)
        write_results("walls", results)
    train = linpot.read_dataset(data_folder() / "zuo2020" / "Si_train.extxyz.gz")
    settings = linpot.FitSettings(n_functions=options.n_functions, threads=THREADS)
    results["silicon"] = curves(train, settings)
    print("written:", write_results("walls", results))


if __name__ == "__main__":
    main()
