"""Molecules: normal modes and torsions."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.data import covalent_radii
from numpy.typing import NDArray

from linpot.validation.quantities import Case, Curve, Measured, NotMeasuredError

Floats = NDArray[np.float64]

DISPLACEMENT = 5e-3  # A; central differences
BONDED = 1.25  # of the sum of covalent radii
AT_MOST = 4  # torsions
ANGLES = np.arange(0.0, 361.0, 15.0)
# sqrt(eV / A^2 / amu) as a wave number
WAVE_NUMBER = 1e10 * np.sqrt(units._e / units._amu) / (2.0 * np.pi * units._c) / 100.0


def normal_modes(case: Case) -> Measured:
    """Wave numbers of all vibrations, and the largest of what should be none."""
    atoms = case.ground
    hessian = numerical_hessian(case, atoms)
    masses = np.repeat(atoms.get_masses(), 3)
    values, modes = np.linalg.eigh(hessian / np.sqrt(np.outer(masses, masses)))
    wave_numbers = np.sign(values) * np.sqrt(np.abs(values)) * WAVE_NUMBER
    rigid = _rigid_motions(atoms) * np.sqrt(masses)[:, None]
    rigid, singular, _ = np.linalg.svd(rigid, full_matrices=False)
    rigid = rigid[:, singular > 1e-6 * singular.max()]  # five of linear molecules
    shares = ((rigid.T @ modes) ** 2).sum(axis=0)
    free = np.sort(np.argsort(-shares)[: rigid.shape[1]])
    found = Measured()
    for number, k in enumerate(k for k in range(len(values)) if k not in free):
        found.add(f"mode {number + 1}", wave_numbers[k], "1/cm")
    found.add("largest mode of free motion", np.abs(wave_numbers[free]).max(), "1/cm")
    return found


def torsions(case: Case) -> Measured:
    """Energy against the angle of rotatable bonds; the two halves are rigid."""
    found = Measured()
    atoms = case.ground
    bonds = rotatable_bonds(atoms)
    if not bonds:
        raise NotMeasuredError("no bond can be rotated")
    rest = case.energy(atoms)
    for (i, j), moving in bonds[:AT_MOST]:
        energies = []
        axis = atoms.positions[j] - atoms.positions[i]
        for angle in ANGLES:
            turned = atoms.copy()
            part = turned[moving]
            part.rotate(angle, axis, center=atoms.positions[j])
            turned.positions[moving] = part.positions
            energies.append(case.energy(turned) - rest)
        name = f"{atoms.symbols[i]}{i}-{atoms.symbols[j]}{j}"
        found.add(f"torsion barrier {name}", max(energies), "eV")
        found.curves.append(
            Curve(f"torsion {name}", "angle (degrees)", "energy (eV)", ANGLES.tolist(), [energies])
        )
    if len(bonds) > AT_MOST:
        found.notes.append(f"{AT_MOST} of {len(bonds)} rotatable bonds")
    return found


def numerical_hessian(case: Case, atoms: Atoms) -> Floats:
    """
    Second derivatives of the energy by central differences of forces.

    Parameters
    ----------
    case : Case
    atoms : ase.Atoms

    Returns
    -------
    float64[3 n_atoms, 3 n_atoms], eV/A^2
        Made symmetric.
    """
    n = 3 * len(atoms)
    hessian = np.empty((n, n))
    moved = atoms.copy()
    moved.calc = case.calculator
    for row in range(n):
        i, x = divmod(row, 3)
        sides = []
        for sign in (1.0, -1.0):
            moved.positions[i, x] = atoms.positions[i, x] + sign * DISPLACEMENT
            sides.append(moved.get_forces().ravel())
        moved.positions[i, x] = atoms.positions[i, x]
        hessian[row] = (sides[1] - sides[0]) / (2.0 * DISPLACEMENT)
    return 0.5 * (hessian + hessian.T)


def rotatable_bonds(atoms: Atoms) -> list[tuple[tuple[int, int], list[int]]]:
    """
    Find bonds between two atoms that both have others, and that are in no ring.

    Returns
    -------
    list of ((i, j), atoms on the side of j)
        The smaller side, without j.
    """
    radii = covalent_radii[atoms.numbers]
    distances = atoms.get_all_distances()
    bonded = (distances < BONDED * (radii[:, None] + radii)) & ~np.eye(len(atoms), dtype=bool)
    found = []
    for i, j in np.argwhere(np.triu(bonded)).tolist():
        if bonded[i].sum() < 2 or bonded[j].sum() < 2:
            continue
        side = _reached(bonded, j, without=i)
        if i in side:
            continue  # a ring
        if len(side) > len(atoms) // 2:
            i, j, side = j, i, set(range(len(atoms))) - side
        found.append(((i, j), sorted(side - {j})))
    return found


def _reached(bonded: NDArray[np.bool_], start: int, *, without: int) -> set[int]:
    """Atoms that hang together with one, not over the bond to another."""
    seen, waiting = {start}, [start]
    while waiting:
        k = waiting.pop()
        for other in np.flatnonzero(bonded[k]).tolist():
            if (k == start and other == without) or other in seen:
                continue
            seen.add(other)
            waiting.append(other)
    return seen


def _rigid_motions(atoms: Atoms) -> Floats:
    """Displacements of three shifts and three turns: float64[3 n_atoms, 6]."""
    r = atoms.positions - atoms.get_center_of_mass()
    shifts = np.tile(np.eye(3), (len(atoms), 1))
    turns = np.stack([np.cross(axis, r).ravel() for axis in np.eye(3)], axis=1)
    return np.hstack([shifts, turns])
