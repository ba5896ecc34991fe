"""
Functions that differ on the data: errors at the same number, with candidates and without.

The default recipe but for `candidates`, four times the functions that are kept. Ethanol of rMD17:
frames 0 to 299 of the training half, judged on its frames 700 to 999. Silicon and copper of
Zuo et al. (2020): every fifth structure of the training set is left out. No test set is read.

    python -m benchmarks.candidates [--threads N]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import linpot
from benchmarks.record import data_folder, write_results

SIZES = (250, 500, 1000)
TIMES = 4


def sets() -> Iterator[tuple[str, linpot.Dataset, linpot.Dataset]]:
    """Yield the name of each set, and what is trained and judged on."""
    ethanol = linpot.read_dataset(data_folder() / "rmd17" / "ethanol_train_split01.extxyz.gz")
    yield "ethanol", ethanol[:300], ethanol[700:]
    for element in ("Si", "Cu"):
        data = linpot.read_dataset(data_folder() / "zuo2020" / f"{element}_train.extxyz.gz")
        places = range(len(data))
        yield (
            element,
            data.subset(k for k in places if k % 5),
            data.subset(k for k in places if k % 5 == 0),
        )


def measure(
    train: linpot.Dataset, held_out: linpot.Dataset, settings: linpot.FitSettings
) -> dict[str, Any]:
    """Fit once."""
    cpu = time.process_time()
    result = linpot.run_fit(train, test=held_out, settings=settings)
    assert result.test is not None
    errors = result.test["all"]
    return {
        "energy_mae": errors["energy"]["mae"],
        "forces_mae": errors["forces"]["mae"],
        "cpu_seconds": round(time.process_time() - cpu, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    threads = parser.parse_args().threads
    rows: list[dict[str, Any]] = []
    for name, train, held_out in sets():
        for n in SIZES:
            plain = linpot.FitSettings(n_functions=n, threads=threads)
            rows.append(
                {
                    "set": name,
                    "n_train": len(train),
                    "n_functions": n,
                    "plain": measure(train, held_out, plain),
                    "candidates": measure(train, held_out, replace(plain, candidates=TIMES * n)),
                }
            )
            print(rows[-1], flush=True)
    results = {"seed": 0, "candidates_per_function": TIMES, "threads": threads, "rows": rows}
    print("written:", write_results("candidates", results))


if __name__ == "__main__":
    main()
