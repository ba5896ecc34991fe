"""
Moment tensor potentials: published files, their cost, and what learning radial functions brings.

``LINPOT_MTP`` names a folder with ``<El>.mtp``, the published potentials of Zuo et al. (repository
materialsvirtuallab/maml, ``mvl_models/pes/<El>/mtp.2020.01/fitted.mtp``); they are not part of the
project. ``LINPOT_LAMMPS_MTP`` may name a LAMMPS program with ``pair_style mtp`` (ML-MTP): it then
takes turns with linpot. Times are of the learned part on one core, beside SNAP Si of LAMMPS in the
same run. Fits of the published sizes are rows of `benchmarks.families`.

    python -m benchmarks.mtp [--only published,learning] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import bulk

import linpot
from benchmarks.anchor import STEPS, Anchor, lammps_energy, lammps_time
from benchmarks.record import RESULTS, data_folder, write_results
from linpot.basis.mtp import Mtp
from linpot.model.packing import pack
from linpot.model.sum import learned_part
from linpot.parallel import run_tasks
from linpot.structures.structure import structure_from_atoms
from linpot.workflow.fit import run_fit
from linpot.workflow.settings import FitSettings

ELEMENTS = ("Si", "Ge", "Li", "Mo", "Cu", "Ni")
CRYSTALS = {"Si": 4, "Ge": 4, "Li": 6, "Mo": 6, "Cu": 5, "Ni": 5}
"""Cubic cells along each edge."""
EARLIER = {"Si": 375.0, "Mo": 152.0, "Cu": 102.0}
EARLIER_ANCHOR = 169.0
"""us per atom and step of ML-MTP and of SNAP Si in LAMMPS, measured earlier on such a core."""


def crystal(element: str) -> Any:
    """Return a crystal of some hundred atoms, displaced by 0.05 A."""
    atoms = bulk(element, cubic=True) * ((CRYSTALS[element],) * 3)
    atoms.rattle(0.05, seed=0)
    return atoms


def cost(potential: linpot.LinearPotential, atoms: Any) -> float:
    """Return us per atom of energies and forces of the learned part; the mean of calls."""
    batch = pack([structure_from_atoms(atoms)], potential.elements, potential.cutoffs)
    times = []
    for _ in range(STEPS + 1):
        work = potential.work_on(batch)
        begin = time.perf_counter()
        run_tasks(lambda task: task(), work.tasks, 1)
        work.result()
        times.append((time.perf_counter() - begin) / len(atoms) * 1e6)
    return float(np.mean(times[1:]))


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
    program = os.environ.get("LINPOT_LAMMPS_MTP")
    for element in ELEMENTS:
        file = (folder / f"{element}.mtp").resolve()
        test = data_folder() / "zuo2020" / f"{element}_test.extxyz.gz"
        if not file.exists():
            continue
        potential, atoms = linpot.read_mtp(file, [element]), crystal(element)
        anchor, own, theirs = Anchor(crystal("Si")), [], []
        for _ in range(rounds):
            anchor.run()
            own.append(cost(potential, atoms))
            if program:
                theirs.append(lammps_time(program, atoms, f"mtp {file}"))
        row: dict[str, Any] = {
            "element": element,
            "functions": potential.n_functions[element],
            "cutoff": potential.cutoff,
            "us_per_atom": round(float(np.median(own)), 2),
            "snap_si_us_per_atom": anchor.median,
        }
        if theirs:
            energy = potential.predict(structure_from_atoms(atoms)).energy
            found = lammps_energy(str(program), atoms, f"mtp {file}")
            row["ml_mtp_us_per_atom"] = round(float(np.median(theirs)), 2)
            row["times_faster"] = round(float(np.median(np.array(theirs) / np.array(own))), 2)
            row["energy_difference_eV_per_atom"] = abs(energy - found) / len(atoms)
        if element in EARLIER and anchor.median is not None:
            times = np.array(own) / np.array(anchor.times)
            row["over_snap_si"] = round(float(np.median(times)), 3)
            row["ml_mtp_over_snap_si_earlier"] = round(EARLIER[element] / EARLIER_ANCHOR, 3)
        if test.exists():
            row["test"] = short(linpot.evaluate(potential, linpot.read_dataset(test)))
        rows.append(row)
        print(row, flush=True)
    return rows


def learning(_: int) -> list[dict[str, Any]]:
    """Fit with and without learning radial functions, at the published cutoffs."""
    rows = []
    for element, cutoff in (("Si", 4.7), ("Mo", 5.2)):
        train, test = (
            linpot.read_dataset(data_folder() / "zuo2020" / f"{element}_{part}.extxyz.gz")
            for part in ("train", "test")
        )
        for rounds in (0, 2, Mtp().learn):
            settings = FitSettings(family=Mtp(level=16, learn=rounds), cutoff=cutoff)
            result = run_fit(train, test=test, settings=settings)
            rows.append(
                {
                    "element": element,
                    "level": 16,
                    "cutoff": cutoff,
                    "rounds_of_learning": rounds,
                    "functions": learned_part(result.potential).n_functions[element],
                    "test": short(result.test),
                }
            )
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Run parts, and write ``benchmarks/results/mtp.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="published,learning")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    path = RESULTS / "mtp.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    parts = {"published": published, "learning": learning}
    results = {name: before[name] for name in parts if name in before}
    for name in options.only.split(","):
        results[name] = parts[name](options.rounds)
    print(write_results("mtp", {name: results[name] for name in parts if name in results}))


if __name__ == "__main__":
    main()
