"""
Agreement of exported potentials in LAMMPS with linpot's engine, and the cost of a step of both.

Needs an ``lmp`` with the package ML-PACE, given as an argument or by LINPOT_LMP, and says in the
results how it was built, which the program does not know. Everything runs on one core, LAMMPS and
linpot in turn. Times of linpot as in `benchmarks.engine`: energy, forces and stress through ASE.

    python -m benchmarks.lammps lmp --build "g++ 12.2 -O3 -march=native -DNDEBUG"
    python -m benchmarks.lammps lmp --build ... --published fit3/InP_pot.yace Cu-PBE-core-rep.ace
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet

import linpot
from benchmarks.engine import CUTOFF, fit_silicon, rattled_silicon, step_time
from benchmarks.pace_program import PaceProgram, thermal
from benchmarks.record import data_folder, write_results
from linpot.lammps.yace_parser import parse_yace
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import structure_from_atoms

SIZES = (130, 520)
REPEATS, CALLS = 3, 30
LOOSE = 1e-8
"""Tolerance of radial functions that costs LAMMPS less than the default."""


@dataclass(frozen=True)
class Exported:
    """A potential in linpot and in LAMMPS, and what its file is like."""

    potential: linpot.EnergyModel
    files: Any
    program: PaceProgram

    @property
    def n_base(self) -> int:
        """Number of base functions of LAMMPS."""
        document = parse_yace(self.files.potential.read_text())
        return max(bond.n_base for bond in document.bonds.values())


def exported(
    lmp: str, potential: linpot.EnergyModel, folder: str, name: str, **options: Any
) -> Exported:
    files = linpot.write_lammps(potential, Path(folder) / f"{name}.yace", **options)
    used = [files.potential, *([files.table] if files.table else [])]
    return Exported(potential, files, PaceProgram(lmp, potential.elements, files.lines, used))


def agreement(program: PaceProgram, model: linpot.EnergyModel, atoms: Atoms) -> dict[str, Any]:
    """Largest differences of energies and forces between LAMMPS and linpot."""
    found = program.evaluate(atoms)
    expected = model.predict(structure_from_atoms(atoms))
    assert expected.forces is not None
    assert expected.atomic_energies is not None
    largest = np.abs(expected.forces).max()
    return {
        "n_atoms": len(atoms),
        "largest_force_eV_A": float(largest),
        "energy_of_an_atom_eV": float(np.abs(found.energies - expected.atomic_energies).max()),
        "forces_of_the_largest": float(np.abs(found.forces - expected.forces).max() / largest),
    }


def trajectory(own: Exported, steps: int = 50) -> dict[str, Any]:
    """Run the same dynamics by LAMMPS and by ASE."""
    atoms = thermal(rattled_silicon(2), 600.0)
    found = own.program.evaluate(atoms, steps)
    atoms.calc = linpot.LinpotCalculator(own.potential)
    VelocityVerlet(atoms, timestep=1.0 * units.fs).run(steps)
    difference = found.positions - atoms.positions
    fractions = difference @ np.linalg.inv(atoms.cell.array)
    difference = (fractions - np.round(fractions)) @ atoms.cell.array
    return {"steps_of_1_fs": steps, "positions_A": float(np.abs(difference).max())}


def sheared(atoms: Atoms, amplitude: float) -> Atoms:
    """Shear a cell and move its atoms."""
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.1 * np.tri(3, k=-1)), scale_atoms=True)
    atoms.rattle(amplitude, seed=1)
    return atoms


def random_alloys(lmp: str, folder: str) -> list[dict[str, Any]]:
    """Two elements with ZBL, and three of body order 3 to 6; random coefficients."""
    rows = []
    two = bulk("Si", "diamond", a=5.3, cubic=True) * (2, 2, 2)
    two.symbols[1::2] = "Ge"
    two = sheared(two, 0.2)
    switches = {("Si", "Si"): 1.0, ("Si", "Ge"): 1.1, ("Ge", "Ge"): 1.2}
    zbl = linpot.ZBL(("Si", "Ge"), switches, {pair: 2.6 + r for pair, r in switches.items()})
    potential = random_potential(("Si", "Ge"), 4) + zbl
    for tables in (True, False):
        own = exported(lmp, potential, folder, f"two{tables:d}", tables=tables)
        what = "tables" if tables else "`zbl`"
        row = {"potential": f"two elements, body order 4, ZBL of three switches as {what}"}
        rows.append(row | agreement(own.program, potential, two))
    three = bulk("Si", "diamond", a=5.3, cubic=True) * (2, 2, 2)
    three.symbols[:] = (["C", "Si", "Ge"] * 22)[: len(three)]
    three.rattle(0.2, seed=2)
    for order in (3, 4, 5, 6):
        potential = random_potential(("C", "Si", "Ge"), order)
        own = exported(lmp, potential, folder, f"three{order}")
        row = {"potential": f"three elements, random, body order {order}"}
        rows.append(row | agreement(own.program, potential, three))
    return rows


def random_potential(elements: tuple[str, ...], body_order: int) -> linpot.LinearPotential:
    """Random coefficients that shrink with the body order, so that all count."""
    radial = linpot.RadialParameters(4.5, 2.0, 1.2, 2.0)
    pairs = {(a, b): radial for k, a in enumerate(elements) for b in elements[k:]}
    degrees = [4.0, 3.0, 2.0, 1.5, 1.0][: body_order - 1]
    basis = linpot.build_basis(
        linpot.BasisSpecification(elements, pairs, body_order=body_order, max_degree=degrees)
    )
    rng = np.random.default_rng(body_order)
    orders = np.concatenate([program.body_orders for program in basis.programs])
    coefficients = rng.normal(size=basis.n_features) * 0.3 ** (orders - 2.0)
    return linpot.LinearPotential(basis, coefficients, dict.fromkeys(elements, -1.0))


def in_turn(programs: dict[str, PaceProgram], models: dict[str, Any], atoms: Atoms) -> Any:
    """Time LAMMPS and linpot one after the other, several times; us per atom and step."""
    times: dict[str, list[float]] = {name: [] for name in (*programs, *models)}
    shares = []
    for _ in range(REPEATS):
        for name, program in programs.items():
            time, share = program.step_time(atoms, CALLS)
            times[name].append(time)
            shares.append(share)
        for name, model in models.items():
            times[name].append(step_time(model, atoms, 1, CALLS))
    result = {name: {"median": float(np.median(own)), "all": own} for name, own in times.items()}
    return result | {"share_of_pair_styles_in_lammps": min(shares)}


def silicon(lmp: str, folder: str) -> dict[str, Any]:
    train = linpot.read_dataset(data_folder() / "zuo2020" / "Si_train.extxyz.gz")
    test = linpot.read_dataset(data_folder() / "zuo2020" / "Si_test.extxyz.gz")
    crystal, small = rattled_silicon(), sheared(bulk("Si", cubic=True) * (2, 2, 2), 0.1)
    results: dict[str, Any] = {"cutoff_A": CUTOFF, "agreement": [], "sizes": []}
    for n_functions in SIZES:
        potential = fit_silicon(n_functions, train, test).potential
        own = exported(lmp, potential, folder, f"si{n_functions}")
        loose = exported(lmp, potential, folder, f"si{n_functions}loose", tolerance=LOOSE)
        again = linpot.read_lammps(own.files.potential)
        baseline = next(p for p in potential.parts if p.kind == "zbl")
        tabulated = linpot.PacePotential(parse_yace(own.files.potential.read_text()))
        row = {
            "n_functions": n_functions,
            "n_atoms": len(crystal),
            "bytes": own.files.n_bytes,
            "base_functions": {"default": own.n_base, f"{LOOSE:g}": loose.n_base},
            "radial_error": {
                "default": own.files.radial_error,
                f"{LOOSE:g}": loose.files.radial_error,
            },
            "us": in_turn(
                {"lammps": own.program, "lammps_loose": loose.program},
                {"linpot": again + baseline, "linpot_from_tables": tabulated + baseline},
                crystal,
            ),
        }
        fastest = min(row["us"]["lammps"]["median"], row["us"]["lammps_loose"]["median"])
        row["times_faster"] = fastest / row["us"]["linpot"]["median"]
        row["times_faster_from_tables"] = fastest / row["us"]["linpot_from_tables"]["median"]
        print(row, flush=True)
        results["sizes"].append(row)
        for tables in (True, False):
            other = exported(lmp, potential, folder, f"si{n_functions}{tables:d}", tables=tables)
            what = "table" if tables else "`zbl`"
            entry = {"potential": f"silicon, {n_functions} functions, ZBL as {what}"}
            entry |= agreement(other.program, potential, small)
            if tables:
                entry |= trajectory(other)
            print(entry, flush=True)
            results["agreement"].append(entry)
    return results


def published(lmp: str, path: Path) -> dict[str, Any]:
    """Compare a file of another origin on crystals of its elements."""
    model = linpot.read_lammps(path)
    lines = ["pair_style pace", f"pair_coeff * * {path.name} {' '.join(model.elements)}"]
    program = PaceProgram(lmp, model.elements, lines, [path])
    if len(model.elements) == 1:
        crystal = bulk(model.elements[0], cubic=True)
    else:
        crystal = bulk("Si", "diamond", a=5.87, cubic=True)  # InP: elements in turn
        crystal.symbols[:] = [model.elements[k % len(model.elements)] for k in range(len(crystal))]
    small = crystal * (2, 2, 2)
    small.rattle(0.2, seed=1)
    times = round(np.ceil((1000 / len(crystal)) ** (1 / 3)))
    large = crystal * (times, times, times)
    large.rattle(0.1, seed=0)
    pairs = find_neighbors(structure_from_atoms(large), model.cutoff).n_pairs
    row = {
        "file": "/".join(path.parts[-2:]),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "elements": list(model.elements),
        "n_functions": model.n_functions,
        "cutoff_A": model.cutoff,
        "n_atoms": len(large),
        "neighbors": pairs / len(large),
        "agreement": agreement(program, model, small),
        "us": in_turn({"lammps": program}, {"linpot": model}, large),
    }
    row["times_faster"] = row["us"]["lammps"]["median"] / row["us"]["linpot"]["median"]
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lmp", nargs="?", default=os.environ.get("LINPOT_LMP"))
    parser.add_argument("--build", required=True, help="compiler and flags of that program")
    parser.add_argument("--published", nargs="*", type=Path, default=[], metavar="FILE")
    parser.add_argument(
        "--only-published", action="store_true", help="those files alone: lammps_published.json"
    )
    given = parser.parse_args()
    if given.lmp is None:
        raise SystemExit("name an `lmp` with ML-PACE, as an argument or by LINPOT_LMP")
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    version = PaceProgram(given.lmp, [], [], []).version
    results: dict[str, Any] = {"seed": 0, "lammps": {"version": version, "build": given.build}}
    with tempfile.TemporaryDirectory() as folder:
        if not given.only_published:
            results["silicon"] = silicon(given.lmp, folder)
            results["random"] = random_alloys(given.lmp, folder)
        results["published"] = [published(given.lmp, path) for path in given.published]
    os.sched_setaffinity(0, cores)
    name = "lammps_published" if given.only_published else "lammps"
    print("written:", write_results(name, results))


if __name__ == "__main__":
    main()
