"""
Laws that the potentials of six sets obey: the checks of `linpot verify`, rough use for crystals.

    python -m benchmarks.verify [SET ...] [--n-functions N] [--random N] [--most N]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

from ase import Atoms
from ase.build import bulk

import linpot
from benchmarks.record import data_folder, write_results
from benchmarks.walls import layered

THREADS = len(os.sched_getaffinity(0))

# training file, baseline, crystal and melting temperature (K) of rough use
SETS: dict[str, tuple[str, str, Callable[[], Atoms] | None, float | None]] = {
    "Si": ("zuo2020/Si_train", "zbl", lambda: bulk("Si"), 1687.0),
    "Ni": ("zuo2020/Ni_train", "zbl", lambda: bulk("Ni"), 1728.0),
    "TiAl": ("tial_tutorial/train", "zbl", lambda: layered(4.0, ("Al", "Ti")), 1733.0),
    "water": ("water_rpbe_d3/water_train", "zbl", None, None),
    "ethanol": ("rmd17/ethanol_train_split01", "zbl", None, None),
    "NaCl": ("xtb_nacl/train", "zbl,coulomb:Na=1,Cl=-1", None, None),
}


def measure(name: str, n_functions: int, n_random: int, most: int) -> dict[str, Any]:
    """Fit one set with the default recipe and verify the potential."""
    file, baseline, crystal, melting = SETS[name]
    train = linpot.read_dataset(data_folder() / f"{file}.extxyz.gz")
    if most and len(train) > most:
        train = train.subset(range(0, len(train), -(-len(train) // most)))
    settings = linpot.FitSettings(n_functions=n_functions, baseline=baseline, threads=THREADS)
    potential = linpot.run_fit(train, settings=settings).potential
    started = time.perf_counter()
    found = linpot.verify(
        potential,
        structures=[] if crystal is None else [crystal()],
        rough=crystal is not None,
        n_random=n_random,
        melting=melting,
    )
    print(name, "passed" if found.passed else f"failed {found.failed}", flush=True)
    for check in found.checks:
        for line in check.failures[:3]:
            print(f"  {check.name}: {line}", flush=True)
    return {
        "baseline": baseline,
        "n_structures": len(train),
        "seconds": round(time.perf_counter() - started, 1),
        **found.to_dict(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    parser.add_argument("--n-functions", type=int, default=300)
    parser.add_argument("--random", type=int, default=300, help="random cells of rough use")
    parser.add_argument("--most", type=int, default=0, help="structures at most; 0 for all")
    options = parser.parse_args()
    results: dict[str, Any] = {
        "seed": 0,
        "n_functions": options.n_functions,
        "n_random": options.random,
        "most": options.most,
        "sets": {},
    }
    for name in options.sets:
        results["sets"][name] = measure(name, options.n_functions, options.random, options.most)
        write_results("verify", results)
    print("written:", write_results("verify", results))


if __name__ == "__main__":
    main()
