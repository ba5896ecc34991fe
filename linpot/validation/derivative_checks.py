"""Checks of forces and stress against differences of energies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from ase import Atoms

from linpot.validation.findings import Findings
from linpot.validation.samples import sample_name
from linpot.validation.subject import Subject, ask, energy_of

STEP, STRAIN = 2e-3, 1e-3  # A, 1
FORCES, STRESS = 1e-5, 1e-5  # eV/A, eV/A^3
RELATIVE = 1e-5  # of the largest component
AT_MOST = 8  # atoms of a structure that are moved
REASON = (
    "1e-5 eV/A or eV/A^3 and 1e-5 of the largest component: differences of fourth order with "
    "steps of 0.002 A err by step^4 times the fifth derivative, and by the rounding of the energy "
    "over the step"
)


def forces(subject: Subject, samples: Mapping[str, Atoms], slack: float) -> Findings:
    """Compare forces with differences of energies; without an outer field they sum to zero."""
    found, calculator = Findings(), subject.make(1)
    for atoms in samples.values():
        given = ask(calculator, atoms).forces
        tolerance = slack * (FORCES + RELATIVE * np.abs(given).max())
        net = np.abs(given.sum(axis=0)).max()
        found.add("net force", net, tolerance, "eV/A", sample_name(atoms))
        for i in range(min(len(atoms), AT_MOST)):
            for x in range(3):

                def energy(step: float, atom: int = i, axis: int = x, base: Atoms = atoms) -> float:
                    moved = base.copy()
                    moved.positions[atom, axis] += step
                    return energy_of(calculator, moved)

                slope = _derivative(energy, STEP)
                where = (
                    f"{sample_name(atoms)}, atom {i} along {'xyz'[x]}: force {given[i, x]:.6g}, "
                    f"-dE/dr {-slope:.6g}"
                )
                found.add("force", abs(given[i, x] + slope), tolerance, "eV/A", where)
    return found


def stress(subject: Subject, samples: Mapping[str, Atoms], slack: float) -> Findings:
    """Compare the stress with differences of energies by strain, over the volume."""
    found, calculator = Findings(), subject.make(1)
    atoms = samples.get("TTT")
    given = None if atoms is None else ask(calculator, atoms).stress
    if atoms is None or given is None:
        found.left_out = "the calculator gives no stress"
        return found
    tolerance = slack * (STRESS + RELATIVE * np.abs(given).max())
    for k, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):

        def energy(step: float, row: int = a, column: int = b) -> float:
            deformation = np.eye(3)
            deformation[row, column] += 0.5 * step
            deformation[column, row] += 0.5 * step
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
            return energy_of(calculator, strained)

        slope = _derivative(energy, STRAIN) / atoms.get_volume()
        where = (
            f"{sample_name(atoms)}, component {['xx', 'yy', 'zz', 'yz', 'xz', 'xy'][k]}: stress "
            f"{given[k]:.6g}, dE/dstrain/V {slope:.6g}"
        )
        found.add("stress", abs(given[k] - slope), tolerance, "eV/A^3", where)
    return found


def _derivative(function: Callable[[float], float], step: float) -> float:
    """Central difference of fourth order: error ``step^4 f''''' / 30``."""
    near = (function(step) - function(-step)) / (2.0 * step)
    far = (function(2.0 * step) - function(-2.0 * step)) / (4.0 * step)
    return (4.0 * near - far) / 3.0
