"""Point defects of elements: vacancy, its migration, interstitials."""

from __future__ import annotations

import numpy as np
from ase import Atom, Atoms
from ase.mep import NEB
from ase.optimize import FIRE
from numpy.typing import NDArray
from scipy.spatial import Voronoi, cKDTree

from linpot.validation.crystals import cubic_cell, defect_cell, nearest_distance
from linpot.validation.quantities import Case, Measured, NotMeasuredError

Floats = NDArray[np.float64]

SPLIT = 0.8  # distance of the two atoms of a dumbbell, of that of neighbors
DUMBBELLS = ((1, 0, 0), (1, 1, 0), (1, 1, 1))
TIGHTEST = 0.5  # of the distance of neighbors: smaller voids hold no atom
CLEARANCE = 0.05  # relative: atoms of a void that are equally far
NEB_FORCE = 0.03  # eV/A


def vacancy(case: Case) -> Measured:
    """Energy to form a vacancy, with atoms at their sites and relaxed."""
    perfect, bulk = _element_cell(case)
    missing = perfect[1:]
    found = Measured()
    found.add("vacancy formation, unrelaxed", case.energy(missing) - len(missing) * bulk, "eV")
    found.add("vacancy formation", case.relaxed(missing)[1] - len(missing) * bulk, "eV")
    found.notes.append(f"in a cell of {len(perfect)} atoms at constant volume")
    return found


def migration(case: Case) -> Measured:
    """Barrier of a vacancy to a neighboring site, by the nudged elastic band with climbing."""
    perfect, _ = _element_cell(case)
    distances = perfect.get_distances(0, range(len(perfect)), mic=True)
    distances[0] = np.inf
    neighbor = int(distances.argmin())
    first = perfect[1:]
    last = first.copy()
    step = perfect.get_distance(neighbor, 0, mic=True, vector=True)
    last.positions[neighbor - 1] += step
    ends = [case.relaxed(end)[0] for end in (first, last)]
    n_images = 3 if case.quick else 5
    images = [ends[0], *(ends[0].copy() for _ in range(n_images)), ends[1]]
    band = NEB(images, climb=True, method="improvedtangent", allow_shared_calculator=True)
    band.interpolate(mic=True)
    for image in images:
        image.calc = case.calculator
    if not FIRE(band, logfile=None).run(fmax=NEB_FORCE, steps=300):
        raise NotMeasuredError("the band did not converge in 300 steps")
    energies = [case.energy(image) for image in images]
    found = Measured()
    found.add("vacancy migration", max(energies) - energies[0], "eV")
    return found


def interstitials(case: Case) -> Measured:
    """Energies to form an extra atom: dumbbells and voids of the crystal."""
    perfect, bulk = _element_cell(case)
    symbol, near = perfect.symbols[0], nearest_distance(perfect)
    started: list[tuple[str, Atoms]] = []
    if cubic_cell(case.ground) is not None:
        for direction in DUMBBELLS:
            axis = np.array(direction) / np.linalg.norm(direction)
            split = perfect.copy()
            split.positions[0] -= 0.5 * SPLIT * near * axis
            split.append(Atom(symbol, perfect.positions[0] + 0.5 * SPLIT * near * axis))
            started.append((f"<{''.join(map(str, direction))}> split", split))
    for name, place in voids(perfect):
        filled = perfect.copy()
        filled.append(Atom(symbol, place))
        started.append((name, filled))
    found, energies = Measured(), []
    for name, atoms in started:
        try:
            energy = case.relaxed(atoms, fmax=0.02)[1] - len(atoms) * bulk
        except NotMeasuredError as reason:
            found.notes.append(f"{name}: {reason}")
            continue
        energies.append(energy)
        found.add(f"interstitial {name}", energy, "eV")
    if not energies:
        raise NotMeasuredError("; ".join(found.notes) or "the crystal has no void for another atom")
    found.add("interstitial, lowest", min(energies), "eV")
    found.notes.append("named by where they start; some relax into each other")
    return found


def voids(atoms: Atoms) -> list[tuple[str, Floats]]:
    """
    Find places as far from atoms as possible.

    Corners of Voronoi cells are; they are told apart by distance and number of the atoms there.

    Parameters
    ----------
    atoms : ase.Atoms
        Periodic, of many atoms.

    Returns
    -------
    list of (str, float64[3])
        Largest first.
    """
    middle = atoms.cell.array.sum(axis=0) / 2.0
    around = [
        atoms.positions + np.array([i, j, k]) @ atoms.cell.array
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        for k in (-1, 0, 1)
    ]
    positions = np.concatenate(around)
    near = nearest_distance(atoms)
    positions = positions[np.linalg.norm(positions - middle, axis=1) < 5.0 * near]
    tree = cKDTree(positions)
    corners = Voronoi(positions).vertices
    corners = corners[np.linalg.norm(corners - middle, axis=1) < 1.5 * near]
    unique: dict[tuple[float, int], Floats] = {}
    for corner in corners:
        radius = float(tree.query(corner)[0])
        if radius < TIGHTEST * near:
            continue
        count = len(tree.query_ball_point(corner, radius * (1.0 + CLEARANCE)))
        unique.setdefault((round(radius, 2), count), corner)
    names = {4: "tetrahedral", 6: "octahedral"}
    found: list[tuple[str, Floats]] = []
    for (radius, count), corner in sorted(unique.items(), key=lambda item: -item[0][0]):
        name = names.get(count, f"{count}-fold void")
        if any(name == other for other, _ in found):
            name += f" {radius:.2f} A"
        found.append((name, corner))
    return found


def _element_cell(case: Case) -> tuple[Atoms, float]:
    if len(set(case.ground.symbols)) > 1:
        raise NotMeasuredError("point defects of compounds need chemical potentials")
    return defect_cell(case.ground, case.length), case.energy_per_atom()
