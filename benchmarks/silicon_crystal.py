"""
More silicon by the DFT of the shipped set: small strains and vibrations of diamond.

What the shipped set, made for a demonstration, has least of; `benchmarks.validation` fits both.

    python -m benchmarks.silicon_crystal --work DIR --pseudo-dir DIR [--pw pw.x]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write

from benchmarks.silicon_data import PSEUDO, Runner, label
from benchmarks.silicon_structures import diamond, strained, thermal

FILE = Path(__file__).resolve().parent / "data" / "silicon_crystal.extxyz"
SEED = 20261122
STRETCHES = (-0.02, -0.01, -0.005, 0.005, 0.01, 0.02)  # along [001]
SHEARS = (-0.02, -0.01, 0.0, 0.01, 0.02)  # along [111]: yz, xz and xy at once
SPLITS = (-0.03, 0.0, 0.03)  # A, between the two atoms along [111], beside
KELVIN = (150, 300, 450, 600)


def frames() -> list[Atoms]:
    """Return the cells, with `name` and `config_type` in info, 8 decimals."""
    rng = np.random.default_rng(SEED)
    cells = [("stretch", strained(diamond(2), (0, 0, size, 0, 0, 0))) for size in STRETCHES]
    for shear in SHEARS:
        for split in SPLITS:
            if shear or split > 0.0:
                cell = strained(diamond(2), (0, 0, 0, shear, shear, shear))
                cell.positions[1] += split / np.sqrt(3.0)
                cells.append(("shear", cell))
    cells += [("vibration", thermal(diamond(8), kelvin, rng)) for kelvin in KELVIN]
    out = []
    for k, (kind, atoms) in enumerate(cells):
        kept = Atoms(
            atoms.symbols,
            positions=atoms.positions.round(8),
            cell=atoms.cell[:].round(8),
            pbc=True,
        )
        kept.info = {"name": f"{kind}_{k:02d}", "config_type": kind}
        out.append(kept)
    return out


def main() -> None:
    """Run what is not cached, then write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="cache and scratch directory")
    parser.add_argument("--pseudo-dir", type=Path, required=True, help=f"where {PSEUDO} is")
    parser.add_argument("--pw", default="pw.x", help="executable of Quantum ESPRESSO's pw.x")
    options = parser.parse_args()
    runner = Runner(options.work, options.pseudo_dir.resolve(), options.pw)
    done = []
    for atoms in frames():
        done.append(label(atoms.copy(), runner(atoms)))
        print(atoms.info["name"], flush=True)
    FILE.parent.mkdir(exist_ok=True)
    write(FILE, done, format="extxyz")
    print("written:", FILE)


if __name__ == "__main__":
    main()
