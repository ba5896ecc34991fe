"""
Heated silicon: extrapolation grades and force errors from 300 to 4000 K.

Two potentials drive their own dynamics (Langevin, 216 atoms): one fitted to all training data of
Zuo et al. (2020), one that has not seen hot structures (force RMS of a structure above 1 eV/A).
Force errors are root mean squares against a potential of 1000 functions fitted to all data. The
threshold is that of `ExtrapolationWatch`, 5; errors are too large above three times the force
RMSE on test structures of the kind that was trained on.

    python -m benchmarks.heating [--seeds 3] [--picoseconds 10]
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
from ase import units
from ase.build import bulk
from ase.md.langevin import Langevin

import linpot
from benchmarks.record import data_folder, write_results

COLD_FORCE = 1.0  # eV/A
SIZE, LARGE = 300, 1000
THRESHOLD, TIMES = 5.0, 3.0
FIRST, LAST = 300.0, 4000.0
LOOK = 25  # steps


def cold(data: linpot.Dataset) -> linpot.Dataset:
    kept = [
        k for k, s in enumerate(data) if np.sqrt(np.mean(s.labels.forces**2)) < COLD_FORCE
    ]  # fmt: skip
    return data.subset(kept)


def heat(
    potential: linpot.EnergyModel, reference: linpot.EnergyModel, seed: int, steps: int
) -> list[dict[str, float]]:
    atoms = bulk("Si", cubic=True) * (3, 3, 3)
    atoms.calc = linpot.UncertainCalculator(potential)
    judge = linpot.LinpotCalculator(reference)
    rng = np.random.default_rng(seed)
    scale = np.sqrt(units.kB * FIRST / atoms.get_masses())[:, None]
    atoms.set_velocities(scale * rng.standard_normal((len(atoms), 3)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of ASE, about the centre of mass
        dynamics = Langevin(
            atoms,
            timestep=1.0 * units.fs,
            temperature_K=FIRST,
            friction=0.01 / units.fs,
            rng=rng,
        )
    looks = []
    for step in range(0, steps, LOOK):
        wanted = FIRST + (LAST - FIRST) * step / steps
        dynamics.set_temperature(temperature_K=wanted)
        dynamics.run(LOOK)
        other = atoms.copy()
        other.calc = judge
        error = np.sqrt(np.mean((atoms.get_forces() - other.get_forces()) ** 2))
        grade = atoms.calc.get_property("extrapolation_grade", atoms).max()
        looks.append(
            {
                "thermostat_K": round(wanted, 1),
                "temperature_K": round(float(atoms.get_temperature()), 1),
                "grade": round(float(grade), 4),
                "force_error": round(float(error), 5),
            }
        )
        if grade > 1e4:  # atoms that fly apart tell no more
            break
    return looks


def first_above(looks: list[dict[str, float]], name: str, limit: float) -> float | None:
    return next((row["thermostat_K"] for row in looks if row[name] > limit), None)


def measure(
    train: linpot.Dataset,
    test: linpot.Dataset,
    reference: linpot.EnergyModel,
    seeds: int,
    steps: int,
) -> dict[str, Any]:
    potential = linpot.run_fit(train, settings=linpot.FitSettings(n_functions=SIZE)).potential
    potential = linpot.with_active_set(potential, train)
    rmse = linpot.evaluate(potential, test)["all"]["forces"]["rmse"]
    runs = []
    for seed in range(seeds):
        looks = heat(potential, reference, seed, steps)
        runs.append(
            {
                "seed": seed,
                "grade_crosses_at_K": first_above(looks, "grade", THRESHOLD),
                "error_crosses_at_K": first_above(looks, "force_error", TIMES * rmse),
                "looks": looks,
            }
        )
        print({k: v for k, v in runs[-1].items() if k != "looks"}, flush=True)
    return {
        "structures": len(train),
        "test_structures": len(test),
        "test_force_rmse": round(rmse, 5),
        "runs": runs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--picoseconds", type=float, default=10.0)
    arguments = parser.parse_args()
    folder = data_folder() / "zuo2020"
    train = linpot.read_dataset(folder / "Si_train.extxyz.gz")
    test = linpot.read_dataset(folder / "Si_test.extxyz.gz")
    reference = linpot.run_fit(train, settings=linpot.FitSettings(n_functions=LARGE)).potential
    steps = round(1000 * arguments.picoseconds)
    rest = (reference, arguments.seeds, steps)
    document = {
        "n_functions": SIZE,
        "n_functions_reference": LARGE,
        "n_atoms": 216,
        "picoseconds": arguments.picoseconds,
        "threshold": THRESHOLD,
        "times_test_error": TIMES,
        "largest_rms_force_of_cold": COLD_FORCE,
        "cold": measure(cold(train), cold(test), *rest),
        "all": measure(train, test, *rest),
    }
    print(write_results("heating", document))


if __name__ == "__main__":
    main()
