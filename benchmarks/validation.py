"""
Silicon: properties of a potential beside those of the DFT that made its data, in the same cells.

The shipped LDA data and more of it (`benchmarks.silicon_crystal`); references by the same code,
pseudopotential, cutoff and k-point spacing (`benchmarks.silicon_data`), in cells small enough for
both: 16 atoms for phonons and the vacancy.

    python -m benchmarks.validation --references --work DIR --pseudo-dir DIR [--pw pw.x]
    python -m benchmarks.validation

The potential has the default number of functions and error bars calibrated on left-out groups; the
same properties with other numbers, and with error bars calibrated on random fifths, beside.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

import linpot
from benchmarks.record import RESULTS, write_results
from benchmarks.silicon_crystal import FILE as MORE
from benchmarks.silicon_data import Runner
from linpot.constants import GPA_PER_EV_A3
from linpot.report.figures import save_figure
from linpot.report.validation_figures import draw_curves
from linpot.uncertainty.properties import with_error_bars
from linpot.validation.bulk_properties import STRAIN, equation_of_state
from linpot.validation.crystals import ground_state
from linpot.validation.phonon_properties import phonons
from linpot.validation.quantities import Case, NotMeasuredError

THREADS = len(os.sched_getaffinity(0))
REFERENCES = "silicon_references"
FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"
LENGTH = 6.0  # A: two primitive cells along each vector, 16 atoms
LEVEL, N_MEMBERS = 0.9, 20
FOLDS = "groups"  # left out: properties are those of structures unlike the data
OTHERS = ((300, "groups"), (500, 5), (1000, "groups"))  # functions, folds


class PwCalculator(Calculator):
    """pw.x with a cache; see `Runner`."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.runner = runner

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Any = ("energy",),
        system_changes: Any = tuple(all_changes),
    ) -> None:
        """Run or look up one SCF; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        asked = self.atoms.copy()
        asked.info = {"name": f"reference of {len(asked)} atoms", "config_type": "reference"}
        said = self.runner(asked)
        self.results = {
            "energy": said["energy"],
            "forces": np.array(said["forces"]),
            "stress": full_3x3_to_voigt_6_stress(np.array(said["stress"])),
        }


def properties(case: Case) -> dict[str, float]:
    """Compute elastic constants, phonons and the vacancy in cells that DFT can afford."""
    return {**_elastic(case), **_phonons(case), **_vacancy(case)}


def _elastic(case: Case) -> dict[str, float]:
    """C11 and C12 by a stretch, C44 by a shear with relaxed ions; both by central differences."""
    stresses = []
    for a, b in ((0, 0), (1, 2)):
        sides = []
        for sign in (1.0, -1.0):
            deformation = np.eye(3)
            deformation[a, b] += 0.5 * sign * STRAIN
            deformation[b, a] += 0.5 * sign * STRAIN
            strained = case.ground.copy()
            strained.set_cell(strained.cell.array @ deformation, scale_atoms=True)
            relaxed, _ = case.relaxed(strained, fmax=1e-3)  # symmetry allows one coordinate
            relaxed.calc = case.calculator
            sides.append(relaxed.get_stress())
        stresses.append((sides[0] - sides[1]) / (2.0 * STRAIN) * GPA_PER_EV_A3)
    stretched, sheared = stresses
    c12 = 0.5 * (stretched[1] + stretched[2])
    return {"C11": float(stretched[0]), "C12": float(c12), "C44": float(sheared[3])}


def _phonons(case: Case) -> dict[str, float]:
    """Frequencies at G, X and L, which are commensurate with 16 atoms."""
    own = {q.name: q.value for q in phonons(case).quantities}
    points = ("phonon G", "phonon X", "phonon L")
    return {name: value for name, value in own.items() if name.startswith(points)}


def _vacancy(case: Case) -> dict[str, float]:
    """One atom of 16 missing, at its sites and, if it can be, relaxed at constant volume."""
    missing = (case.ground * (2, 2, 2))[1:]
    rest = len(missing) * case.energy_per_atom()
    found = {"vacancy formation, unrelaxed": case.energy(missing) - rest}
    with suppress(NotMeasuredError):  # a member of a committee may have no such minimum
        found["vacancy formation"] = case.relaxed(missing, fmax=0.02)[1] - rest
    return found


def references(work: Path, pseudo_dir: Path, pw: str) -> Path:
    """Compute the references, cached SCF by SCF."""
    record = json.loads((files("linpot") / "io" / "shipped" / "silicon.json").read_text())
    fitted = record["equation_of_state"]
    started = time.perf_counter()
    calculator = PwCalculator(Runner(work, pseudo_dir.resolve(), pw))
    case = Case(bulk("Si", a=fitted["a0_a"]), calculator, length=LENGTH)
    values = {"a": fitted["a0_a"], "bulk modulus": fitted["bulk_gpa"], **properties(case)}
    seconds = round(time.perf_counter() - started)
    settings = {k: record[k] for k in ("code", "functional", "pseudopotential", "cutoff_ry")}
    return write_results(
        REFERENCES, {"settings": settings, "seconds": seconds, "quantities": values}
    )


def of_potential(potential: linpot.EnergyModel) -> dict[str, float]:
    """Compute the same properties with a potential, at its own lattice constant."""
    calculator = linpot.LinpotCalculator(potential)
    case = Case(ground_state(bulk("Si", a=5.40), calculator), calculator, length=LENGTH)
    a = float((4.0 * case.ground.get_volume()) ** (1 / 3))  # a quarter of the cube: two atoms
    [modulus] = (q.value for q in equation_of_state(case).quantities)
    return {"a": a, "bulk modulus": modulus, **properties(case)}


def same_cell(n_functions: int, folds: int | str) -> tuple[linpot.EnergyModel, dict[str, Any]]:
    """Fit silicon with error bars, calibrated on folds; compare what DFT could afford."""
    shipped, test = linpot.shipped_silicon()
    train = linpot.read_dataset([shipped, MORE])
    settings = linpot.FitSettings(n_functions=n_functions, threads=THREADS)
    potential = linpot.fit_with_error_bars(train, settings=settings, folds=folds)
    errors = linpot.evaluate(potential, test)["all"]
    known = json.loads((RESULTS / f"{REFERENCES}.json").read_text())["quantities"]
    bars = with_error_bars(of_potential, potential, n_members=N_MEMBERS, level=LEVEL)
    rows = {
        name: {
            "reference": known[name],
            "value": own.value,
            "interval": list(own.interval),
            "inside": own.interval[0] <= known[name] <= own.interval[1],
            "relative_error": own.value / known[name] - 1.0,
        }
        for name, own in bars.items()
        if name in known
    }
    vacancy = of_potential(potential)["vacancy formation"]
    return potential, {
        "n_functions": n_functions,
        "folds": folds,
        "n_structures": len(train),
        "test": {"energy_mae": errors["energy"]["mae"], "forces_mae": errors["forces"]["mae"]},
        "same_cell": rows,
        "largest_elastic_error": max(abs(rows[c]["relative_error"]) for c in ("C11", "C12", "C44")),
        "vacancy_error_eV": abs(vacancy - known["vacancy formation"]),
        "share_inside": sum(row["inside"] for row in rows.values()) / len(rows),
    }


def compare() -> dict[str, Any]:
    """Compare the default number of functions, then others; validate the former in full."""
    potential, own = same_cell(linpot.FitSettings().n_functions, FOLDS)
    known = json.loads((RESULTS / f"{REFERENCES}.json").read_text())["quantities"]
    started = time.perf_counter()
    full = linpot.validate(potential, bulk("Si", a=5.40), references=known, n_members=0)
    seconds = round(time.perf_counter() - started, 1)
    figure = draw_curves(full.curves, "shipped silicon data, LDA")
    save_figure(figure, FIGURES / "validation.svg", overwrite=True)
    return {
        "level": LEVEL,
        "n_members": N_MEMBERS,
        **own,
        "lowest_phonon_THz": full["lowest phonon"],
        "validation_seconds": seconds,
        "validation": {f.name: f.value for f in full.findings},
        "left_out": full.left_out,
        "others": [same_cell(n, folds)[1] for n, folds in OTHERS],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--references", action="store_true", help="compute the references by DFT")
    parser.add_argument("--work", type=Path, help="cache and scratch directory of pw.x")
    parser.add_argument("--pseudo-dir", type=Path, help="where the pseudopotential is")
    parser.add_argument("--pw", default="pw.x", help="executable of Quantum ESPRESSO's pw.x")
    options = parser.parse_args()
    if options.references:
        if options.work is None or options.pseudo_dir is None:
            parser.error("--references needs --work and --pseudo-dir")
        print("written:", references(options.work, options.pseudo_dir, options.pw))
        return
    found = compare()
    for name, row in found["same_cell"].items():
        print(f"{name:32s} {row['value']:9.4f} {row['reference']:9.4f} inside {row['inside']}")
    print("written:", write_results("validation", {"seed": 0, **found}))


if __name__ == "__main__":
    main()
