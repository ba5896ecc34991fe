"""Labelled structures of a known pair potential, for tests of data tools."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

ATOM_ENERGY = -3.0  # eV


def label(atoms: Atoms, group: str, scale: float = 1.0) -> Atoms:
    """Attach energy, forces and stress of a smooth Lennard-Jones potential."""
    made = atoms.copy()
    made.calc = LennardJones(sigma=2.3, epsilon=0.35 * scale, rc=5.0, smooth=True)
    results = {
        "energy": made.get_potential_energy() + ATOM_ENERGY * len(made),
        "forces": made.get_forces(),
    }
    if made.pbc.all():
        results["stress"] = made.get_stress()
    made.calc = SinglePointCalculator(made, **results)
    made.info = {"config_type": group}
    return made


def rattled(n: int, group: str, seed: int, strain: float = 0.05) -> list[Atoms]:
    """Return sheared and rattled cells of four atoms."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
        deformation = np.eye(3) + strain * rng.uniform(-1.0, 1.0, (3, 3))
        atoms.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
        atoms.positions += rng.normal(scale=0.12, size=(len(atoms), 3))
        found.append(label(atoms, group))
    return found


def clusters(n: int, group: str, seed: int, n_atoms: int = 6) -> list[Atoms]:
    """Return small clusters without a cell."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < n:
        atoms = bulk("Cu", "fcc", a=3.7, cubic=True).repeat(2)[:n_atoms]
        atoms.set_cell(None)
        atoms.pbc = False
        atoms.positions += rng.normal(scale=0.15, size=(n_atoms, 3))
        found.append(label(atoms, group))
    return found


def change(atoms: Atoms, **changes) -> Atoms:
    """Return atoms with some results replaced by functions of the old ones."""
    made = atoms.copy()
    results = dict(atoms.calc.results)
    for name, function in changes.items():
        results[name] = function(results[name])
    made.calc = SinglePointCalculator(made, **results)
    return made
