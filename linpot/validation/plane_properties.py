"""Surfaces and stacking faults."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import fcc111, surface
from ase.constraints import FixCartesian
from ase.optimize import LBFGS
from numpy.typing import NDArray

from linpot.validation.crystals import cubic_cell, kind_of
from linpot.validation.quantities import Case, Curve, Measured, NotMeasuredError

Floats = NDArray[np.float64]

J_PER_M2 = 16.02176634  # of 1 eV/A^2, exact since the 2019 SI
THICKNESS, VACUUM = 12.0, 8.0  # A; of a slab, and on each side of it
CUBIC_FACES = ((1, 0, 0), (1, 1, 0), (1, 1, 1))
OTHER_FACES = ((0, 0, 1), (1, 0, 0), (0, 1, 0))
APART = 0.05  # A: layers closer than this are one
FAULT_LAYERS = 12
FAULT_STEPS = np.linspace(0.0, 1.0, 11)


def surfaces(case: Case) -> Measured:
    """Energies of low-index surfaces, unreconstructed, relaxed, of the cheapest cut."""
    cubic = cubic_cell(case.ground)
    cell, faces = (case.ground, OTHER_FACES) if cubic is None else (cubic, CUBIC_FACES)
    bulk = case.energy_per_atom()
    found = Measured()
    for face in faces:
        name = f"surface ({''.join(map(str, face))})"
        slab = cheapest_slab(case, cell, face)
        area = float(np.linalg.norm(np.cross(slab.cell[0], slab.cell[1])))
        unrelaxed = (case.energy(slab) - len(slab) * bulk) / (2.0 * area)
        found.add(f"{name}, unrelaxed", unrelaxed * J_PER_M2, "J/m^2")
        try:
            energy = (case.relaxed(slab, fmax=0.02)[1] - len(slab) * bulk) / (2.0 * area)
            found.add(name, energy * J_PER_M2, "J/m^2")
        except NotMeasuredError as reason:
            found.notes.append(f"{name}: {reason}")
    return found


def cheapest_slab(case: Case, cell: Atoms, face: tuple[int, int, int]) -> Atoms:
    """
    Cut a slab where it costs least.

    Parameters
    ----------
    case : Case
    cell : ase.Atoms
        Whose lattice vectors the Miller indices refer to.
    face : (int, int, int)

    Returns
    -------
    Atoms
        Periodic in all directions, with a gap.
    """
    normal = np.array(face) @ cell.cell.reciprocal().array
    spacing = 1.0 / float(np.linalg.norm(normal))  # of lattice planes: the layers repeat after it
    normal *= spacing
    heights = np.sort((cell.positions @ normal) % spacing)
    gaps = np.diff(heights, append=heights[0] + spacing)
    n_layers = int(np.ceil(THICKNESS / spacing))
    best: tuple[float, Atoms] | None = None
    for cut in (heights + 0.5 * gaps)[gaps > APART]:
        shifted = cell.copy()
        shifted.positions -= cut * normal
        slab = surface(shifted, face, n_layers, vacuum=VACUUM, periodic=True)
        energy = case.energy(slab)
        if best is None or energy < best[0] - 1e-6:
            best = (energy, slab)
    if best is None:
        raise NotMeasuredError(f"no cut through {face}")
    return best[1]


def stacking_fault(case: Case) -> Measured:
    """Line of faults of face-centered crystals: half a crystal slides along <112> on (111)."""
    if kind_of(case.ground) != "fcc":
        raise NotMeasuredError("only face-centered cubic elements")
    cubic = cubic_cell(case.ground)
    assert cubic is not None
    a = float(cubic.cell.lengths().mean())
    perfect = fcc111(cubic.symbols[0], (1, 1, FAULT_LAYERS), a=a, periodic=True)
    perfect.cell[2] = [0.0, 0.0, FAULT_LAYERS * a / np.sqrt(3.0)]
    perfect.pbc = True
    partial = (perfect.cell[0] + perfect.cell[1]) / 3.0
    area = float(np.linalg.norm(np.cross(perfect.cell[0], perfect.cell[1])))
    halves = [case.energy(_slid(perfect, 0.5 * sign * partial)) for sign in (1.0, -1.0)]
    if halves[1] < halves[0]:  # the other way leads over the tops of atoms
        partial = -partial
    rest = case.energy(perfect)
    energies = []
    for fraction in FAULT_STEPS:
        slid = _slid(perfect, fraction * partial)
        slid.set_constraint(FixCartesian(list(range(len(slid))), mask=(True, True, False)))
        slid.calc = case.calculator
        if not LBFGS(slid, logfile=None).run(fmax=5e-3, steps=300):
            raise NotMeasuredError("the fault did not relax in 300 steps")
        energies.append(1e3 * J_PER_M2 * (slid.get_potential_energy() - rest) / area)
    found = Measured()
    found.add("stacking fault, intrinsic", energies[-1], "mJ/m^2")
    found.add("stacking fault, unstable", max(energies), "mJ/m^2")
    found.curves.append(
        Curve("stacking fault line", "slip / partial Burgers vector", "energy (mJ/m^2)",
              FAULT_STEPS.tolist(), [energies])
    )  # fmt: skip
    return found


def _slid(perfect: Atoms, shift: Floats) -> Atoms:
    """Tilt the cell: its upper end is shifted against the next image, a single fault."""
    slid = perfect.copy()
    cell = slid.cell.array.copy()
    cell[2] += shift
    slid.set_cell(cell)
    return slid
