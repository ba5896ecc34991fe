"""
Cost of grades, error bars and committees beside that of a step: energy and forces, one thread.

Silicon; a committee's energies are compared with energies alone.

Medians of interleaved rounds; the neighbor list with its skin is given in both, as in dynamics.

    python -m benchmarks.grades [--sizes 60,130,500,1000] [--rounds 15]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ase.build import bulk

import linpot
from benchmarks.record import data_folder, write_results
from linpot.model.packing import pack
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import structure_from_atoms

SIZES = (60, 130, 500, 1000)
EVERY = 10  # steps between two looks
CUTOFF = 5.0
SKIN = 0.5
LEVEL = 0.9
N_MEMBERS = 10


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(train: linpot.Dataset, n_functions: int, rounds: int) -> dict[str, Any]:
    settings = linpot.FitSettings(n_functions=n_functions, cutoff=CUTOFF)
    potential = linpot.fit_with_error_bars(train, settings=settings)
    bars = linpot.ErrorBars.of(potential)
    learned, active = bars.learned, bars.active
    committee = bars.committee(potential, n_members=N_MEMBERS)
    atoms = bulk("Si", cubic=True) * (5, 5, 5)
    atoms.rattle(0.1, seed=0)
    structure = structure_from_atoms(atoms)
    neighbors = find_neighbors(structure, potential.cutoff + SKIN)
    batch = pack([structure], learned.elements, learned.engine.cutoffs, [neighbors])
    calls = {
        "step": lambda: potential.predict(structure, neighbors),
        "grades": lambda: active.grades(learned.engine, structure, neighbors),
        "features": lambda: learned.engine.features_by_species(batch),
        "energy": lambda: potential.predict(structure, neighbors, forces=False),
        "energy_std": lambda: bars.energy_half_width(structure, LEVEL, neighbors),
        "members_energy": lambda: committee.predict(structure, neighbors, forces=False),
        "members": lambda: committee.predict(structure, neighbors),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call) / len(atoms) * 1e6)
    rows = active.rows[0]
    sizes = np.abs(rows).max(axis=0)
    features = learned.engine.features_by_species(batch)[0][1]
    solved = np.abs(np.linalg.solve((rows / sizes).T, (features / sizes).T)).max(axis=0)
    found = active.grades(learned.engine, structure, neighbors)
    us = {name: float(np.median(own)) for name, own in times.items()}
    ratio = us["grades"] / us["step"]
    return {
        "n_functions": learned.n_functions["Si"],
        "n_atoms": len(atoms),
        "condition": float(f"{np.linalg.cond(rows / sizes):.2g}"),
        "difference_from_solves": float(f"{np.abs(solved / found - 1.0).max():.1e}"),
        **{f"{name}_us_per_atom": round(value, 3) for name, value in us.items()},
        "grades_over_step": round(ratio, 2),
        f"step_with_grades_every_{EVERY}_over_step": round(1.0 + ratio / EVERY, 3),
        "energy_std_over_step": round(us["energy_std"] / us["step"], 2),
        f"energies_of_{N_MEMBERS}_over_energy": round(us["members_energy"] / us["energy"], 2),
        f"forces_of_{N_MEMBERS}_over_step": round(us["members"] / us["step"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    train = linpot.read_dataset(data_folder() / "zuo2020" / "Si_train.extxyz.gz")[::4]
    rows = []
    for size in arguments.sizes.split(","):
        rows.append(measure(train, int(size), arguments.rounds))
        print(rows[-1], flush=True)
    print(write_results("grades", {"cutoff_A": CUTOFF, "threads": 1, "sizes": rows}))


if __name__ == "__main__":
    main()
