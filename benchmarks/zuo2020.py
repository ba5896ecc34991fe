"""
Elements of Zuo et al. (2020): errors, fit time and memory of the default recipe.

One recipe for all elements; nothing is chosen by the test sets, which are evaluated once per size.
Five-fold cross-validation on the training data stands beside them. Every fit runs in a process of
its own, so that time includes reading and compiled-kernel loading, and memory is that of the fit.

    python -m benchmarks.zuo2020 [--elements Si,Mo] [--sizes 130,350,1000]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any

import linpot
from benchmarks.record import data_folder, write_results

ELEMENTS = ("Ni", "Cu", "Mo", "Si")
SIZES = (130, 350, 1000)


def measure(element: str, n_functions: int, threads: int) -> dict[str, Any]:
    """Fit one potential in this process."""
    folder = data_folder() / "zuo2020"
    train = linpot.read_dataset(folder / f"{element}_train.extxyz.gz")
    test = linpot.read_dataset(folder / f"{element}_test.extxyz.gz")
    settings = linpot.FitSettings(n_functions=n_functions, threads=threads)
    linpot.run_fit(train[:3], settings=linpot.FitSettings(n_functions=20))  # loads the kernels
    clock = _Clock()
    result = linpot.run_fit(train, test=test, settings=settings, monitor=clock)
    clock.stage("end", 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    errors = linpot.cross_validate(train, settings=settings)
    assert result.test is not None
    potential = linpot.learned_part(result.potential)
    return {
        "element": element,
        "n_functions": potential.n_functions[element],
        "cutoff_A": potential.cutoff,
        "test": result.test["all"],
        "test_groups": result.test["groups"],
        "train": result.train["all"],
        "cross_validation": errors["all"],
        "seconds": {name: round(value, 2) for name, value in clock.seconds.items()},
        "peak_memory_GB": round(peak / 1e9, 3),
        "dimers_repulsive": all(d.is_repulsive for d in result.walls.dimers),
        "penalty": potential.provenance["solver"]["penalty"],
        "threads": threads,
    }


class _Clock:
    """Wall time of every stage of a fit."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._start = "prepare", time.perf_counter()

    def planned(self, plan: object) -> None:
        pass

    def stage(self, name: str, total: int) -> None:
        now = time.perf_counter()
        self.seconds[self._name] = now - self._start
        self._name, self._start = name, now

    def advance(self, done: int) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", default=",".join(ELEMENTS))
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--one", nargs=2, metavar=("ELEMENT", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        element, size = arguments.one
        print(json.dumps(measure(element, int(size), arguments.threads)))
        return
    runs = []
    for element in arguments.elements.split(","):
        for size in arguments.sizes.split(","):
            command = [sys.executable, "-m", "benchmarks.zuo2020", "--one", element, size]
            command += ["--threads", str(arguments.threads)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            runs.append(json.loads(output.splitlines()[-1]))
            print(_line(runs[-1]), flush=True)
    print("written:", write_results("zuo2020", {"seed": 0, "runs": runs}))


def _line(run: dict[str, Any]) -> str:
    test, folds = run["test"], run["cross_validation"]
    return (
        f"{run['element']:2s} {run['n_functions']:5d} functions  test MAE "
        f"{1e3 * test['energy']['mae']:.2f} meV/atom {test['forces']['mae']:.4f} eV/A   5-fold "
        f"{1e3 * folds['energy']['mae']:.2f} {folds['forces']['mae']:.4f}   "
        f"rows {run['seconds']['design rows']:.1f} s, solve {run['seconds']['solve']:.1f} s, "
        f"{run['peak_memory_GB']:.2f} GB"
    )


if __name__ == "__main__":
    main()
