"""
Memory of large fits: data that grow tenfold, and ten thousand functions.

Rows: a file of generated silicon cells, and one ten times as large; each is fitted by
``linpot fit`` in a process of its own, with few structures allowed in memory. Columns: three keys
with more rows than columns each, and their ridge by evidence, on generated rows of a decaying
spectrum; the memory is that of factors, solver and interpreter.

    python -m benchmarks.scale [--structures 2000] [--columns 10000] [--only rows,columns]
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import RESULTS, commit, write_results

SEED = 0
CELL = 2  # of eight atoms along each axis
STRUCTURE_MEMORY = 0.005  # GB: less than either of the files takes
N_FUNCTIONS = 100
THREADS = 2


def generate(path: Path, n_structures: int) -> None:
    """Write rattled diamond cells with labels of a harmonic crystal."""
    from ase.build import bulk

    crystal = bulk("Si", "diamond", 5.43, cubic=True).repeat(CELL)
    cell = " ".join(f"{x:.6f}" for x in crystal.cell.array.ravel())
    comment = f'Lattice="{cell}" Properties=species:S:1:pos:R:3:forces:R:3 pbc="T T T"'
    rng = np.random.default_rng(SEED)
    with gzip.open(path, "wt", compresslevel=1) as stream:
        for _ in range(n_structures):
            steps = 0.1 * rng.standard_normal(crystal.positions.shape)
            forces, energy = -5.0 * steps, 2.5 * (steps**2).sum() - 4.6 * len(crystal)
            stream.write(f"{len(crystal)}\n{comment} energy={energy:.8f}\n")
            for row in np.hstack([crystal.positions + steps, forces]).tolist():
                stream.write("Si " + " ".join(f"{x:.8f}" for x in row) + "\n")


def measure_rows(n_structures: int) -> dict[str, Any]:
    """Fit a file in this process."""
    import linpot
    from linpot.workflow.plan import plan_fit

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.extxyz.gz"
        subprocess.run(
            [sys.executable, "-m", "benchmarks.scale", "--generate", str(path), str(n_structures)],
            check=True,
        )
        begin = time.perf_counter()
        data = linpot.read_dataset(path, structure_memory=STRUCTURE_MEMORY)
        read = time.perf_counter() - begin
        settings = linpot.FitSettings(n_functions=N_FUNCTIONS, body_order=4, threads=THREADS)
        announced = plan_fit(data, settings).estimate
        result = linpot.run_fit(data, settings=settings)
    return {
        "n_structures": len(data),
        "n_atoms": data.n_atoms,
        "n_rows": announced.n_rows,
        "rows_GB": round(8e-9 * announced.n_rows * announced.n_columns, 3),
        "in_memory": data.is_in_memory,
        "announced_GB": round(announced.memory / 1e9, 3),
        "peak_GB": _peak(),
        "seconds_reading": round(read, 1),
        "seconds_all": round(time.perf_counter() - begin, 1),
        "forces_rmse": result.train["all"]["forces"]["rmse"],
    }


def measure_columns(n_columns: int) -> dict[str, Any]:
    """Three full factors, and ridge by evidence on their combination, in this process."""
    from linpot.fitting.factors import FactorSet, factor_bytes
    from linpot.fitting.ridge import Ridge
    from linpot.workflow.estimate import PROGRAM_BYTES

    rng = np.random.default_rng(SEED)
    decay = np.logspace(0.0, -6.0, n_columns - 1)
    factors: FactorSet[str] = FactorSet(n_columns)
    begin = time.perf_counter()
    truth = rng.standard_normal(n_columns - 1)
    n_rows = n_columns + 3000
    for key in ("energy", "forces", "stress"):
        for first in range(0, n_rows, 500):
            X = rng.standard_normal((min(500, n_rows - first), n_columns - 1)) * decay
            factors.add(key, X, X @ truth + 0.01 * rng.standard_normal(len(X)))
    seconds = {"factors": round(time.perf_counter() - begin, 1)}
    begin = time.perf_counter()
    factor, count = factors.combined(lambda key: 1.0)
    seconds["combination"] = round(time.perf_counter() - begin, 1)
    begin = time.perf_counter()
    solver = Ridge("evidence").fit_factor(factor, count)
    seconds["ridge by evidence"] = round(time.perf_counter() - begin, 1)
    return {
        "n_columns": n_columns,
        "n_keys": len(factors),
        "n_rows": count,
        "announced_GB": round((PROGRAM_BYTES + factor_bytes(n_columns, len(factors))) / 1e9, 3),
        "peak_GB": _peak(),
        "seconds": seconds,
        "noise_found": float(solver.noise_variance_**0.5),
        "noise_put_in": 0.01,
    }


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 * 1.024, 3)


def _measured(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scale", *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--structures", type=int, default=2000)
    parser.add_argument("--columns", type=int, default=10_000)
    parser.add_argument("--only", default="rows,columns")
    parser.add_argument("--generate", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        generate(Path(arguments.generate[0]), int(arguments.generate[1]))
        return
    if arguments.measure:
        what, size = arguments.measure
        print(json.dumps((measure_rows if what == "rows" else measure_columns)(int(size))))
        return
    path = RESULTS / "scale.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    parts = {name: results[name] for name in ("rows", "columns") if name in results}
    if "rows" in arguments.only:
        sizes = (arguments.structures, 10 * arguments.structures)
        runs = [_measured("--measure", "rows", str(size)) for size in sizes]
        parts["rows"] = {"commit": commit(), "runs": runs}
    if "columns" in arguments.only:
        run = _measured("--measure", "columns", str(arguments.columns))
        parts["columns"] = {"commit": commit(), **run}
    print(write_results("scale", {"seed": SEED, "threads": THREADS, **parts}))


if __name__ == "__main__":
    main()
