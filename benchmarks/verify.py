"""
Laws that the potentials of all sets obey: the checks of `linpot verify`, rough use for crystals.

Crystals are fitted with a random search of 100 cells a round, which knows none of the cells here,
and with the isolated atoms that the README of the set gives, if any.

The first potential is then verified again with one planted fault each: the check that is there for
a fault must find it. Sets that were measured before with the same settings are kept.

    python -m benchmarks.verify [SET ...] [--n-functions N] [--random N] [--most N] [--again]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk

import linpot
from benchmarks.materials import SETS as MATERIALS
from benchmarks.record import RESULTS, commit, data_folder, write_results
from benchmarks.walls import layered

THREADS = len(os.sched_getaffinity(0))
SEARCHED = 100

# training file, baseline, crystal and melting temperature (K) of rough use
SETS: dict[str, tuple[str, str, Callable[[], Atoms] | None, float | None]] = {
    "Si": ("zuo2020/Si_train", "zbl", lambda: bulk("Si"), 1687.0),
    "Ni": ("zuo2020/Ni_train", "zbl", lambda: bulk("Ni"), 1728.0),
    "Cu": ("zuo2020/Cu_train", "zbl", lambda: bulk("Cu"), 1358.0),
    "Mo": ("zuo2020/Mo_train", "zbl", lambda: bulk("Mo"), 2896.0),
    "Ta": ("ta_snap/train", "zbl", lambda: bulk("Ta"), 3290.0),
    "TiAl": ("tial_tutorial/train", "zbl", lambda: layered(4.0, ("Al", "Ti")), 1733.0),
    "AgAu": ("agau_vasp/train", "zbl", lambda: layered(4.1, ("Ag", "Au")), 1300.0),
    "InP": ("inp_snap/train", "zbl", lambda: bulk("InP", "zincblende", a=5.87), 1335.0),
    "MgO": ("mgo_vasp/train", "zbl", lambda: bulk("MgO", "rocksalt", a=4.25), 3125.0),
    "water": ("water_rpbe_d3/water_train", "zbl", None, None),
    "ethanol": ("rmd17/ethanol_train_split01", "zbl", None, None),
    "aspirin": ("rmd17/aspirin_train_split01", "zbl", None, None),
    "azobenzene": ("rmd17/azobenzene_train_split01", "zbl", None, None),
    "3BPA": ("3bpa/train_300K", "zbl", None, None),
    "NaCl": ("xtb_nacl/train", "zbl,coulomb:Na=1,Cl=-1", None, None),
}


def _wrong_force(results: dict[str, Any], atoms: Atoms) -> None:
    results["forces"] = results["forces"].copy()
    results["forces"][-1, 1] *= 1.01


def _wrong_stress(results: dict[str, Any], atoms: Atoms) -> None:
    if "stress" in results:
        results["stress"] = results["stress"][[0, 1, 2, 5, 4, 3]]


def _not_extensive(results: dict[str, Any], atoms: Atoms) -> None:
    results["energy"] += 1e-4 * len(atoms) ** 2


def _special_origin(results: dict[str, Any], atoms: Atoms) -> None:
    results["energy"] += 1e-3 * atoms.positions[:, 0].sum()
    results["forces"] = results["forces"] - np.array([1e-3, 0.0, 0.0])


def _step(results: dict[str, Any], atoms: Atoms) -> None:
    if not atoms.pbc.any():
        distances = atoms.get_all_distances()
        results["energy"] += 2e-5 * np.count_nonzero((distances > 0.0) & (distances < 3.1234))


# what is broken, and the check that must find it
FAULTS: dict[str, tuple[Callable[[dict[str, Any], Atoms], None], str]] = {
    "one force component of the last atom is 1 % too large": (_wrong_force, "forces"),
    "the stress has the order of LAMMPS": (_wrong_stress, "stress"),
    "the energy has a term in the square of the number of atoms": (_not_extensive, "supercells"),
    "the energy depends on the origin": (_special_origin, "translation"),
    "pairs gain 4e-5 eV within 3.1234 A": (_step, "smoothness"),
}


class Broken(linpot.LinpotCalculator):
    """A potential with a planted fault."""

    def __init__(
        self, model: linpot.EnergyModel, fault: Callable[[dict[str, Any], Atoms], None]
    ) -> None:
        super().__init__(model)
        self.fault = fault

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = (),
    ) -> None:
        """Evaluate the potential, then spoil what it said; called by ASE."""
        super().calculate(atoms, [*properties, "forces"], system_changes)
        self.fault(self.results, self.atoms)


def break_it(potential: linpot.EnergyModel) -> dict[str, Any]:
    """Verify a potential with each fault; what was found, and whether it should have been."""
    found = {}
    for name, (fault, check) in FAULTS.items():
        report = linpot.verify(
            lambda fault=fault: Broken(potential, fault),
            elements=potential.elements,
            cutoff=potential.cutoff,
            only=[check],
        )
        lines = report[check].failures
        found[name] = {"check": check, "found": bool(lines), "told": lines[:1]}
        print(f"broken, {name}: {lines[:1] or 'NOT FOUND'}", flush=True)
    return found


def fit(name: str, n_functions: int, most: int) -> tuple[linpot.EnergyModel, int]:
    """Fit one set with the default recipe; return the potential and the number of structures."""
    file, baseline, crystal, _ = SETS[name]
    train = linpot.read_dataset(data_folder() / f"{file}.extxyz.gz")
    if most and len(train) > most:
        train = train.subset(range(0, len(train), -(-len(train) // most)))
    stated = MATERIALS[name].e0 if name in MATERIALS else {}
    settings = linpot.FitSettings(
        n_functions=n_functions,
        baseline=baseline,
        e0=stated if any(stated.values()) else "auto",
        random_search=0 if crystal is None else SEARCHED,
        threads=THREADS,
    )
    return linpot.run_fit(train, settings=settings).potential, len(train)


def measure(name: str, potential: linpot.EnergyModel, n_random: int) -> dict[str, Any]:
    """Verify the potential of one set."""
    _, baseline, crystal, melting = SETS[name]
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
        "seconds": round(time.perf_counter() - started, 1),
        **found.to_dict(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(SETS), metavar="SET")
    parser.add_argument("--n-functions", type=int, default=300)
    parser.add_argument("--random", type=int, default=300, help="random cells of rough use")
    parser.add_argument("--most", type=int, default=0, help="structures at most; 0 for all")
    parser.add_argument("--again", action="store_true", help="also what was measured before")
    options = parser.parse_args()
    chosen = {
        "seed": 0,
        "n_functions": options.n_functions,
        "n_random": options.random,
        "most": options.most,
    }
    results: dict[str, Any] = {**chosen, "sets": {}, "broken": {}}
    path = RESULTS / "verify.json"
    if path.exists() and not options.again:
        known = json.loads(path.read_text())
        if all(known.get(name) == value for name, value in chosen.items()):
            results |= {"sets": known["sets"], "broken": known["broken"]}
    for name in options.sets:
        if name in results["sets"]:
            continue
        potential, n_structures = fit(name, options.n_functions, options.most)
        results["sets"][name] = {
            "commit": commit(),
            "n_structures": n_structures,
            **measure(name, potential, options.random),
        }
        results["sets"] = {n: results["sets"][n] for n in SETS if n in results["sets"]}
        if not results["broken"]:
            results["broken"] = break_it(potential)
        print("written:", write_results("verify", results))
    missed = [name for name, own in results["broken"].items() if not own["found"]]
    if missed:
        raise SystemExit(f"not found: {missed}")


if __name__ == "__main__":
    main()
