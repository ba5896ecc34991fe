"""
Molecules of rMD17: errors, time and memory of one recipe, with 1000 and with 50 structures.

One recipe for all molecules; it differs from the default in more weight on forces, a shorter
cutoff, an order of functions that prefers angles, and functions that differ on the data out of four
times as many candidates. Fits to 50 structures take the first 50 of the shipped training split,
fewer functions, and the penalty by folds. Every fit runs in a process of its own.

    python -m benchmarks.rmd17 [--molecules ethanol,...] [--sizes 1000,50] [--functions N]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import linpot
from benchmarks.record import RESULTS, commit, data_folder, write_results

MOLECULES = ("ethanol", "aspirin", "azobenzene")
SIZES = (1000, 50)

# Test MAE (meV, meV/A) of linear ACE: Kovacs et al., J. Chem. Theory Comput. 17, 7696 (2021)
PUBLISHED = {
    "ethanol": {1000: (1.2, 7.3), 50: (8.6, 43.0)},
    "aspirin": {1000: (6.1, 17.9), 50: (26.2, 63.8)},
    "azobenzene": {1000: (3.6, 10.9), 50: (9.0, 28.8)},
}
N_FUNCTIONS = {1000: 4000, 50: 1000}
RECIPE: dict[str, Any] = {
    "cutoff": 4.4,
    "angular_weight": 0.35,
    "degree_offsets": (0.0, 0.0, 2.5, 5.0, 7.5, 10.0),
    "prior": linpot.SmoothnessPrior(order_strength=0.05, angular=0.5),
    "weights": linpot.Weights(energy=50.0),
    "dense_restraint": 0.1,
    "memory_limit": 11.9,
}
"""Found on frames 700 to 999 of the training data of all three (docs/decisions.md)."""


def recipe(n_functions: int) -> dict[str, Any]:
    """Return the settings of a fit with so many functions per element."""
    return {**RECIPE, "n_functions": n_functions, "candidates": 4 * n_functions}


def plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as JSON takes them."""
    return {k: v.as_dict() if hasattr(v, "as_dict") else v for k, v in settings.items()}


def read(molecule: str, part: str) -> linpot.Dataset:
    """Read one half of the shipped split."""
    return linpot.read_dataset(data_folder() / "rmd17" / f"{molecule}_{part}_split01.extxyz.gz")


def measure(molecule: str, n_train: int, n_functions: int, threads: int) -> dict[str, Any]:
    """Fit one potential in this process."""
    train, test = read(molecule, "train")[:n_train], read(molecule, "test")
    own = recipe(n_functions)
    settings = linpot.FitSettings(**own, threads=threads)
    begin, cpu = time.perf_counter(), time.process_time()
    if n_train == 50:
        settings = replace(settings, penalty=linpot.penalty_by_folds(train, settings))
    result = linpot.run_fit(train, test=test, settings=settings)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert result.test is not None
    errors, n_atoms = result.test["all"], train[0].n_atoms
    learned = linpot.learned_part(result.potential)
    return {
        "molecule": molecule,
        "n_train": n_train,
        "commit": commit(),
        "recipe": plain(own),
        "n_functions": learned.n_functions,
        "energy_mae_meV": 1e3 * n_atoms * errors["energy"]["mae"],
        "forces_mae_meV_A": 1e3 * errors["forces"]["mae"],
        "forces_rmse_meV_A": 1e3 * errors["forces"]["rmse"],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_memory_GB": round(peak / 1e9, 2),
        "threads": threads,
        "penalty": learned.provenance["solver"]["penalty"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--molecules", default=",".join(MOLECULES))
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--functions", type=int, help="of each element, instead of the usual ones")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        molecule, size = options.one
        n_functions = options.functions or N_FUNCTIONS[int(size)]
        print(json.dumps(measure(molecule, int(size), n_functions, options.threads)))
        return
    for molecule in options.molecules.split(","):
        for size in options.sizes.split(","):
            command = [sys.executable, "-m", "benchmarks.rmd17", "--one", molecule, size]
            command += ["--threads", str(options.threads)]
            command += ["--functions", str(options.functions)] * bool(options.functions)
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            run = json.loads(output.splitlines()[-1])
            print(run, flush=True)
            print("written:", write_results("rmd17", {"seed": 0, "runs": _with(run)}))


def _with(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Put a run in the place of one of the same molecule and size, if there is one."""
    path = RESULTS / "rmd17.json"
    known = json.loads(path.read_text())["runs"] if path.exists() else []
    runs = {(r["molecule"], r["n_train"]): r for r in [*known, run]}
    return [runs[m, n] for m in MOLECULES for n in SIZES if (m, n) in runs]


if __name__ == "__main__":
    main()
