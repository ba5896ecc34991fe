"""
Moment tensor potentials: published files and fits on zuo2020, and what they cost.

``LINPOT_MTP`` names a folder with ``<El>.mtp``, the published potentials of Zuo et al. (repository
materialsvirtuallab/maml, ``mvl_models/pes/<El>/mtp.2020.01/fitted.mtp``); they are not part of the
project. Times are of the learned part on one core, beside SNAP Si of LAMMPS in the same run.

    python -m benchmarks.mtp [--quick] [--no-fits]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import bulk

import linpot
from benchmarks.anchor import Anchor
from benchmarks.record import data_folder, write_results
from linpot.basis.mtp import Mtp
from linpot.model.packing import pack
from linpot.model.sum import learned_part
from linpot.parallel import run_tasks
from linpot.structures.structure import structure_from_atoms
from linpot.workflow.fit import run_fit
from linpot.workflow.settings import FitSettings

ELEMENTS = ("Si", "Ge", "Li", "Mo", "Cu", "Ni")
FITS = {"Si": (24, 5.0), "Mo": (20, 5.2)}
"""Level, that of the published potential, and cutoff (A)."""
CRYSTALS = {"Si": 4, "Ge": 4, "Li": 6, "Mo": 6, "Cu": 5, "Ni": 5}
"""Cubic cells along each edge."""


def crystal(element: str) -> Any:
    """Return a crystal of some hundred atoms, displaced by 0.05 A."""
    atoms = bulk(element, cubic=True) * ((CRYSTALS[element],) * 3)
    atoms.rattle(0.05, seed=0)
    return atoms


def cost(potential: linpot.LinearPotential, atoms: Any, rounds: int, anchor: Anchor) -> float:
    """Return us per atom of energies and forces of the learned part, the anchor in between."""
    batch = pack([structure_from_atoms(atoms)], potential.elements, potential.cutoffs)
    times = []
    for _ in range(rounds):
        anchor.run()
        for _ in range(5):
            work = potential.work_on(batch)
            begin = time.perf_counter()
            run_tasks(lambda task: task(), work.tasks, 1)
            work.result()
            times.append((time.perf_counter() - begin) / len(atoms) * 1e6)
    return float(np.median(times))


def short(metrics: Any) -> dict[str, float]:
    """Return errors in meV/atom and eV/A."""
    energy, forces = metrics["all"]["energy"], metrics["all"]["forces"]
    return {
        "energy_mae": energy["mae"] * 1e3,
        "energy_rmse": energy["rmse"] * 1e3,
        "forces_mae": forces["mae"],
        "forces_rmse": forces["rmse"],
    }


def published(rounds: int) -> list[dict[str, Any]]:
    """Evaluate and time the published files that are there."""
    rows = []
    folder = Path(os.environ.get("LINPOT_MTP", "."))
    for element in ELEMENTS:
        file = folder / f"{element}.mtp"
        test = data_folder() / "zuo2020" / f"{element}_test.extxyz.gz"
        if not file.exists():
            continue
        potential = linpot.read_mtp(file, [element])
        anchor = Anchor(crystal("Si"))
        row: dict[str, Any] = {
            "element": element,
            "functions": potential.n_functions[element],
            "cutoff": potential.cutoff,
            "us_per_atom": cost(potential, crystal(element), rounds, anchor),
            "snap_si_us_per_atom": anchor.median,
        }
        if test.exists():
            row["test"] = short(linpot.evaluate(potential, linpot.read_dataset(test)))
        rows.append(row)
        print(row)
    return rows


def fits(rounds: int) -> list[dict[str, Any]]:
    """Fit levels of the published potentials, with and without learning radial functions."""
    rows = []
    for element, (level, cutoff) in FITS.items():
        train, test = (
            linpot.read_dataset(data_folder() / "zuo2020" / f"{element}_{part}.extxyz.gz")
            for part in ("train", "test")
        )
        for learn in (0, Mtp().learn):
            begin = time.perf_counter()
            settings = FitSettings(family=Mtp(level=level, learn=learn), cutoff=cutoff)
            result = run_fit(train, test=test, settings=settings)
            seconds = time.perf_counter() - begin
            learned = learned_part(result.potential)
            anchor = Anchor(crystal("Si"))
            rows.append(
                {
                    "element": element,
                    "level": level,
                    "cutoff": cutoff,
                    "rounds_of_learning": learn,
                    "functions": learned.n_functions[element],
                    "seconds": seconds,
                    "us_per_atom": cost(learned, crystal(element), rounds, anchor),
                    "snap_si_us_per_atom": anchor.median,
                    "test": short(result.test),
                }
            )
            print(rows[-1])
    return rows


def main() -> None:
    """Run all, and write ``benchmarks/results/mtp.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of timings")
    parser.add_argument("--no-fits", action="store_true", help="published potentials only")
    options = parser.parse_args()
    rounds = 1 if options.quick else 5
    results: dict[str, Any] = {"published": published(rounds)}
    if not options.no_fits:
        results["fits"] = fits(rounds)
    print(write_results("mtp", results))


if __name__ == "__main__":
    main()
