"""
Why the defaults are what they are: one setting changed at a time.

Five-fold cross-validation on the training data of zuo2020 at 350 functions, folds random and in
blocks of consecutive frames; the deepest hole of the dimer after a fit to all training data; and
the smallest distance in a hot compressed liquid. No test set is read. Written after every row.

    python -m benchmarks.recipes
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import numpy as np
from ase import units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet

import linpot
from benchmarks.dynamics import closest_pair
from benchmarks.record import data_folder, write_results

THREADS = len(os.sched_getaffinity(0))
N_FUNCTIONS = 350
ELEMENTS = ("Si", "Mo", "Cu")
Prior, Weights = linpot.SmoothnessPrior, linpot.Weights

# settings of FitSettings, or names in capitals: constants of linpot.workflow.defaults
VARIANTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "steep taper, short ZBL, no restraint": {
        "TAPER": (0.90, 1.10), "ZBL": (0.7, 1.5), "restraint": 0.0,
    },
    "deep taper, short ZBL, no restraint": {
        "TAPER": (0.75, 0.97), "ZBL": (0.5, 1.15), "restraint": 0.0,
    },
    "no restraint": {"restraint": 0.0},
    "energy weight 100": {"weights": Weights(energy=100.0)},
    "energy weight 400": {"weights": Weights(energy=400.0)},
    "stress weight 1": {"weights": Weights(stress=1.0)},
    "stress weight 10": {"weights": Weights(stress=10.0)},
    "prior: strength 1 per order": {"prior": Prior(order_strength=1.0)},
    "prior: strength 0.02 per order": {"prior": Prior(order_strength=0.02)},
    "prior: power 2": {"prior": Prior(power=2.0)},
    "penalty by GCV": {"penalty": "gcv"},
    "cutoff 4.5": {"cutoff": 4.5},
    "cutoff 5.75": {"cutoff": 5.75},
    "decay 1": {"decay": 1.0},
    "decay 3": {"decay": 3.0},
    "angular weight 1": {"angular_weight": 1.0},
    "angular weight 1.5": {"angular_weight": 1.5},
    "offsets 0 per order": {"degree_offsets": (0.0,) * 6},
    "body order 4": {"body_order": 4},
    "body order 6": {"body_order": 6},
}  # fmt: skip


def measure(data: linpot.Dataset, changes: dict[str, Any]) -> dict[str, Any]:
    """Cross-validate and fit with some settings changed."""
    options = {name: value for name, value in changes.items() if not name.isupper()}
    settings = linpot.FitSettings(**{"n_functions": N_FUNCTIONS, "threads": THREADS, **options})
    with ExitStack() as stack:
        for name, (start, end) in ((n, v) for n, v in changes.items() if n.isupper()):
            last = "END" if name == "TAPER" else "CUTOFF"
            stack.enter_context(patch(f"linpot.workflow.defaults.{name}_START", start))
            stack.enter_context(patch(f"linpot.workflow.defaults.{name}_{last}", end))
        random = linpot.cross_validate(data, settings=settings)
        blocked = linpot.cross_validate(data, settings=settings, blocked=True)
        fitted = linpot.run_fit(data, settings=settings)
    surface = blocked["groups"].get("Surface", {}).get("energy", {})
    return {
        "random": _errors(random["all"]),
        "blocked": _errors(blocked["all"]),
        "blocked_surface_energy_mae": surface.get("mae"),
        "dimer_hole_eV": max(d.hole for d in fitted.walls.dimers),
    }


def _errors(errors: dict[str, Any]) -> dict[str, float]:
    return {
        f"{name}_{kind}": errors[name][kind]
        for name in ("energy", "forces", "stress")
        for kind in ("mae", "rmse")
        if name in errors
    }


def collapse(data: linpot.Dataset, n_functions: int) -> float:
    """Smallest distance (A) of 216 atoms at 0.97 of a, 3 ps from 6000 K; 0 if they overlap."""
    settings = linpot.FitSettings(n_functions=n_functions, cutoff=5.0, threads=THREADS)
    atoms = bulk("Si", cubic=True) * (3, 3, 3)
    atoms.set_cell(atoms.cell * 0.97, scale_atoms=True)
    potential = linpot.run_fit(data, settings=settings).potential
    atoms.calc = linpot.LinpotCalculator(potential, threads=THREADS)
    spread = np.sqrt(units.kB * 6000.0 / atoms.get_masses())[:, None]
    atoms.set_velocities(spread * np.random.default_rng(0).standard_normal((len(atoms), 3)))
    closest = np.inf
    try:
        for step, _ in enumerate(VelocityVerlet(atoms, 1.0 * units.fs).irun(3000)):
            if step % 20 == 0:
                closest = min(closest, closest_pair(atoms))
    except linpot.InputError:  # atoms on top of each other
        return 0.0
    return closest


def main() -> None:
    folder = data_folder() / "zuo2020"
    data = {e: linpot.read_dataset(folder / f"{e}_train.extxyz.gz") for e in ELEMENTS}
    results: dict[str, Any] = {"seed": 0, "n_functions": N_FUNCTIONS, "variants": {}}
    results["closest_in_hot_liquid_A"] = {
        str(n): collapse(data["Si"], n) for n in (40, 60, 80, 130, 500)
    }
    for name, changes in VARIANTS.items():
        results["variants"][name] = {e: measure(data[e], changes) for e in ELEMENTS}
        write_results("recipes", results)
        print(name, results["variants"][name], flush=True)


if __name__ == "__main__":
    main()
