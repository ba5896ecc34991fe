"""Crystals: their ground state, their cubic cells, and their supercells."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS
from numpy.typing import NDArray

from linpot.validation.quantities import NotMeasuredError

Floats = NDArray[np.float64]

_CUBIC = (  # rows: cubic vectors in terms of primitive ones, as ase.build.bulk makes them
    np.eye(3),
    np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]),  # face-centered
    np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]),  # body-centered
)
_ALIKE = 1e-3  # relative: lengths that are the same after relaxation
_SHELL = 1.1  # of the nearest distance
_KINDS = {(12, 4): "fcc", (8, 2): "bcc", (4, 8): "diamond", (6, 1): "sc"}


def ground_state(atoms: Atoms, calculator: Calculator) -> Atoms:
    """
    Relax a crystal, cell and positions, or a molecule.

    Parameters
    ----------
    atoms : ase.Atoms
        Not modified. Periodic in all directions, or in none.
    calculator : ase Calculator

    Returns
    -------
    Atoms
        Without calculator.

    Raises
    ------
    NotMeasuredError
        If it does not relax, or leaves its structure (volume changed by more than 60 %).
    """
    moving = atoms.copy()
    moving.calc = calculator
    periodic = bool(moving.pbc.all())
    target = FrechetCellFilter(moving) if periodic else moving
    converged = False
    for state in BFGS(target, logfile=None).irun(fmax=1e-4, steps=500):
        converged = bool(state)
        # at once: a cell that collapses has more and more images within the cutoff
        if periodic and not 0.4 < moving.get_volume() / atoms.get_volume() < 1.6:
            raise NotMeasuredError(
                f"{atoms.symbols} left its structure: its volume went from "
                f"{atoms.get_volume():.1f} to {moving.get_volume():.1f} A^3"
            )
    if not converged:
        raise NotMeasuredError(f"{atoms.symbols} did not relax in 500 steps")
    moving.calc = None
    return moving


def cubic_cell(atoms: Atoms) -> Atoms | None:
    """Return the crystal in its cubic cell along x, y, z, or None if it has none there."""
    for rows in _CUBIC:
        cell = rows @ atoms.cell.array
        length = abs(cell[0, 0])
        if np.abs(cell - length * np.eye(3)).max() < _ALIKE * length:
            if len(rows) and np.array_equal(rows, np.eye(3)):
                return atoms.copy()
            return make_supercell(atoms, rows)
    return None


def kind_of(atoms: Atoms) -> str | None:
    """Return "fcc", "bcc", "diamond" or "sc" for elements in these structures, else None."""
    cubic = cubic_cell(atoms)
    if cubic is None or len(set(atoms.symbols)) > 1:
        return None
    counts = np.bincount(neighbor_list("i", cubic, _SHELL * nearest_distance(cubic)))
    if len(set(counts.tolist())) != 1:
        return None
    return _KINDS.get((int(counts[0]), len(cubic)))


def nearest_distance(atoms: Atoms) -> float:
    """Return the shortest distance, A."""
    reach = 3.0
    while True:
        distances = neighbor_list("d", atoms, reach)
        if len(distances):
            return float(distances.min())
        reach *= 1.5


def supercell(atoms: Atoms, length: float, *, even: bool = False) -> Atoms:
    """
    Repeat a cell until it is long enough.

    Parameters
    ----------
    atoms : ase.Atoms
    length : float, A
        Least length of every lattice vector.
    even : bool
        Even numbers of repeats: points at the zone boundary are commensurate.

    Returns
    -------
    Atoms
    """
    return atoms * tuple(repeats_for(atoms, length, even=even))


def repeats_for(atoms: Atoms, length: float, *, even: bool = False) -> list[int]:
    """Return how often a cell is repeated along each vector; see `supercell`."""
    repeats = np.ceil(length / atoms.cell.lengths() - 1e-3).astype(int)
    return [int(n + n % 2) if even else int(n) for n in np.maximum(repeats, 1)]


def defect_cell(atoms: Atoms, length: float) -> Atoms:
    """Return a supercell for defects, of the cubic cell where there is one."""
    cubic = cubic_cell(atoms)
    return supercell(atoms if cubic is None else cubic, length)
