"""
Random cells that relax below the data: what E0 of separated atoms and a search while fitting do.

Every set is fitted with E0 by least squares or fitted with the functions, as the program did until
E0 was estimated; with the default; and with `random_search`. Then cells that no fit has seen, of
the most stable structure's composition, are relaxed: those that end more than 0.1 eV per atom below
that structure are counted. Test sets are only evaluated.

    python -m benchmarks.random_search [--sets Si,Ni,...] [--cells N] [--n-functions N]
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import numpy as np

import linpot
from benchmarks.record import data_folder, write_results
from linpot.structures.distances import survey_distances
from linpot.structures.structure import Structure
from linpot.validation.random_cells import random_cell
from linpot.validation.relaxation import relax_many
from linpot.workflow.random_search import Parent, find_parents

SETS = {
    "Si": ("zuo2020/Si", "least-squares"),
    "Ni": ("zuo2020/Ni", "least-squares"),
    "Mo": ("zuo2020/Mo", "least-squares"),
    "TiAl": ("tial_tutorial/", "joint"),
}
SEED = 20261122
BELOW, FLOOR = 0.1, 1.0  # eV/atom
SEARCHED = 100


def cells(parent: Parent, data: linpot.Dataset, n: int) -> list[Structure]:
    """Return random cells of one composition; the streams of fits and of `verify` are others."""
    rng = np.random.default_rng(SEED)
    near = {frozenset(pair): d.shortest for pair, d in survey_distances(data, data.symbols).items()}
    found = []
    for _ in range(n):
        atoms = random_cell(
            parent.formula, parent.volume, lambda a, b: near[frozenset((a, b))], rng
        )
        cell = np.asarray(atoms.cell.array)
        found.append(Structure(atoms.numbers, atoms.positions, cell, (True, True, True)))
    return found


def measure(
    train: linpot.Dataset, test: linpot.Dataset, settings: linpot.FitSettings, n_cells: int
) -> dict[str, Any]:
    """Fit, evaluate, relax."""
    cpu = time.process_time()
    fitted = linpot.run_fit(train, test=test, settings=settings)
    cpu = time.process_time() - cpu
    parent = min(find_parents(train), key=lambda p: len(p.formula))
    _, [level] = relax_many(fitted.potential, [parent.structure])
    _, energies = relax_many(fitted.potential, cells(parent, train, n_cells), floor=level - FLOOR)
    assert fitted.test is not None
    errors = fitted.test["all"]
    return {
        "e0": {"rule": settings.e0, "values": dict(fitted.reference.values)},
        "energy_mae": errors["energy"]["mae"],
        "forces_mae": errors["forces"]["mae"],
        "level": level,
        "below": int((energies < level - BELOW).sum()),
        "lowest": float(min(energies.min() - level, 0.0)),
        "cpu_seconds": round(cpu, 1),
        "notes": [note for note in fitted.notes if "random cells" in note],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--n-functions", type=int, default=500)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    rows = []
    for name in options.sets.split(","):
        file, before = SETS[name]
        stem = file if file.endswith("/") else f"{file}_"
        train, test = (
            linpot.read_dataset(data_folder() / f"{stem}{part}.extxyz.gz")
            for part in ("train", "test")
        )
        choices = {
            "before": {"e0": before},
            "default": {},
            "search": {"random_search": SEARCHED},
        }
        row: dict[str, Any] = {"set": name}
        for kind, own in choices.items():
            settings = linpot.FitSettings(
                n_functions=options.n_functions, threads=options.threads, **own
            )
            row[kind] = measure(train, test, settings, options.cells)
            print(name, kind, row[kind], flush=True)
        rows.append(row)
    results = {
        "seed": SEED,
        "n_functions": options.n_functions,
        "n_cells": options.cells,
        "searched_per_round": SEARCHED,
        "threads": options.threads,
        "rows": rows,
    }
    print("written:", write_results("random_search", results))


if __name__ == "__main__":
    main()
