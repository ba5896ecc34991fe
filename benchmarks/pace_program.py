"""A LAMMPS with ML-PACE run on a structure: energies and forces, a trajectory, or times."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.lammps import Prism
from ase.io.lammpsdata import write_lammps_data
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """What LAMMPS says: energies float64[n_atoms] (eV), forces, positions float64[n_atoms, 3]."""

    energies: Floats
    forces: Floats
    positions: Floats


class PaceProgram:
    """
    One potential in LAMMPS.

    Parameters
    ----------
    program : str
        Path of an ``lmp`` with the package ML-PACE.
    elements : sequence of str
        In the order of the potential's elements.
    lines : sequence of str
        `pair_style` and `pair_coeff`, which name files without folders.
    files : sequence of Path
    """

    def __init__(
        self, program: str, elements: Sequence[str], lines: Sequence[str], files: Sequence[Path]
    ) -> None:
        self.program, self.elements = program, list(elements)
        self.lines, self.files = list(lines), list(files)

    @property
    def version(self) -> str:
        """First words of LAMMPS' own help."""
        text = subprocess.run([self.program, "-h"], capture_output=True, text=True).stdout
        return next(line for line in text.splitlines() if line.startswith("Large-scale"))

    def evaluate(self, atoms: Atoms, steps: int = 0) -> Answer:
        """Return energies and forces, after some steps of 1 fs at constant energy."""
        script = [
            "compute e all pe/atom",
            "fix 1 all nve",
            "timestep 0.001",
            f"dump 1 all custom {max(steps, 1)} last id c_e fx fy fz xu yu zu",
            "dump_modify 1 sort id format float %.17g",
            f"run {steps}",
        ]
        with tempfile.TemporaryDirectory() as folder:
            self._run(Path(folder), atoms, script)
            text = (Path(folder) / "last").read_text().split("ITEM: ATOMS")[-1]
        rows = np.array([line.split() for line in text.splitlines()[1:]], dtype=float)
        turn = Prism(atoms.cell.array, pbc=True).vector_to_ase
        return Answer(rows[:, 1], turn(rows[:, 2:5]), turn(rows[:, 5:8]))

    def step_time(self, atoms: Atoms, steps: int) -> tuple[float, float]:
        """Return the time of a step of dynamics, us per atom, and the pair styles' share of it."""
        script = [
            "velocity all create 300 1",
            "fix 1 all nve",
            "thermo 1000",
            "run 3",
            f"run {steps}",
        ]
        with tempfile.TemporaryDirectory() as folder:
            log = self._run(Path(folder), atoms, script)
        seconds, n = re.findall(r"Loop time of (\S+) on 1 procs for (\d+) steps", log)[-1]
        pair = re.findall(r"Pair +\| *(\S+) *\|", log)[-1]
        return float(seconds) / int(n) / len(atoms) * 1e6, float(pair) / float(seconds)

    def _run(self, folder: Path, atoms: Atoms, script: Sequence[str]) -> str:
        for file in self.files:
            shutil.copy(file, folder)
        moving = bool(atoms.get_momenta().any())
        write_lammps_data(
            folder / "atoms.data", atoms, specorder=self.elements, masses=True, velocities=moving
        )
        head = ["units metal", "atom_style atomic", "newton on", "boundary p p p"]
        head += ["neighbor 0.5 bin", "neigh_modify every 1 delay 0 check yes"]
        text = "\n".join([*head, "read_data atoms.data", *self.lines, *script]) + "\n"
        (folder / "in").write_text(text)
        done = subprocess.run(
            [self.program, "-in", "in", "-log", "log", "-screen", "none"],
            cwd=folder,
            capture_output=True,
            text=True,
            env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        )
        log = (folder / "log").read_text() if (folder / "log").exists() else ""
        if done.returncode != 0:
            raise SystemExit(f"LAMMPS stopped: {log[-1000:]}{done.stderr}")
        return log


def thermal(atoms: Atoms, temperature: float) -> Atoms:
    """Give atoms velocities, without drift."""
    atoms = atoms.copy()
    rng = np.random.default_rng(0)
    spread = np.sqrt(units.kB * temperature / atoms.get_masses())[:, None]
    velocities = spread * rng.standard_normal((len(atoms), 3))
    atoms.set_velocities(velocities - velocities.mean(axis=0))
    return atoms
