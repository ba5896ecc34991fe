"""Phonons and what follows from them, by phonopy (Togo, J. Phys. Soc. Jpn. 92, 012001 (2023))."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import kJ, mol
from numpy.typing import NDArray

from linpot.validation.crystals import repeats_for
from linpot.validation.quantities import Case, Curve, Measured, NotMeasuredError

Floats = NDArray[np.float64]

DISPLACEMENT = 0.01  # A
MESH = 12
AT_REST = 0.02  # THz: modes below, the three of translation, hold no free energy
EXPANDED = (0.985, 1.0, 1.015, 1.03, 1.045)  # volumes of the quasi-harmonic crystal
TEMPERATURES = np.arange(0.0, 601.0, 25.0)  # K
ROOM = 300.0  # K
_PER_LINE = 40  # points between two special points


def phonons(case: Case) -> Measured:
    """Frequencies at special points, the lowest anywhere, and the bands."""
    phonon = harmonic_crystal(case, case.ground)
    path = case.ground.cell.bandpath(npoints=0)
    found = Measured()
    for name in sorted(set(path.path.replace(",", ""))):
        if name not in path.special_points:
            continue
        frequencies = _frequencies(phonon, [path.special_points[name]])[0]
        found.add(f"phonon {name} highest", frequencies[-1], "THz")
        if name != "G":
            found.add(f"phonon {name} lowest", frequencies[0], "THz")
    found.add("lowest phonon", _lowest_of_mesh(phonon), "THz")
    found.notes.append("imaginary frequencies are negative")
    found.curves.append(_bands(phonon, path))
    return found


def thermal_expansion(case: Case) -> Measured:
    """Linear thermal expansion of the quasi-harmonic crystal, of fixed shape, at 300 K."""
    volumes, free = [], []
    for ratio in EXPANDED:
        scaled = case.ground.copy()
        scaled.set_cell(ratio ** (1 / 3) * scaled.cell.array, scale_atoms=True)
        scaled, energy = case.relaxed(scaled, fmax=1e-4)
        phonon = harmonic_crystal(case, scaled)
        lowest = _lowest_of_mesh(phonon)
        if lowest < 0.0:
            raise NotMeasuredError(f"phonons are imaginary at {ratio:.3f} V0 ({lowest:.2g} THz)")
        phonon.run_thermal_properties(temperatures=TEMPERATURES, cutoff_frequency=AT_REST)
        vibrations = phonon.thermal_properties.free_energy
        free.append(energy + np.asarray(vibrations) * kJ / mol)
        volumes.append(scaled.get_volume())
    best = [_minimum(np.array(volumes), own) for own in np.array(free).T]
    slope = np.gradient(np.log(best), TEMPERATURES)
    room = int(np.argmin(np.abs(TEMPERATURES - ROOM)))
    found = Measured()
    found.add("thermal expansion", 1e6 * slope[room] / 3.0, "1e-6/K")
    ratio = ((np.array(best) / case.ground.get_volume()) ** (1 / 3)).tolist()
    found.curves.append(
        Curve("thermal expansion", "temperature (K)", "length / length at rest",
              TEMPERATURES.tolist(), [ratio])
    )  # fmt: skip
    return found


def harmonic_crystal(case: Case, atoms: Atoms) -> Any:
    """
    Force constants from displacements in a supercell.

    Parameters
    ----------
    case : Case
    atoms : ase.Atoms
        The cell; its supercell is at least `case.length` long, an even number of cells.

    Returns
    -------
    phonopy.Phonopy

    Raises
    ------
    NotMeasuredError
        Without phonopy.
    """
    if find_spec("phonopy") is None:
        raise NotMeasuredError("it needs phonopy; pip install 'linpot[phonons]'")
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    cell = PhonopyAtoms(
        symbols=list(atoms.symbols),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
        masses=atoms.get_masses(),
    )
    repeats = repeats_for(atoms, case.length, even=True)
    phonon = Phonopy(cell, supercell_matrix=np.diag(repeats), primitive_matrix=np.eye(3))
    phonon.generate_displacements(distance=DISPLACEMENT)
    forces = []
    for displaced in phonon.supercells_with_displacements:
        moved = Atoms(
            displaced.symbols,
            cell=displaced.cell,
            scaled_positions=displaced.scaled_positions,
            pbc=True,
        )
        moved.calc = case.calculator
        forces.append(moved.get_forces())
    phonon.forces = np.array(forces)
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    return phonon


def _lowest_of_mesh(phonon: Any) -> float:
    """Run a mesh and return its lowest frequency, THz; without the three translations."""
    phonon.run_mesh([MESH] * 3, is_gamma_center=True)
    frequencies = phonon.mesh.frequencies.copy()
    [center] = np.flatnonzero(np.abs(phonon.mesh.qpoints).max(axis=1) < 1e-12)
    frequencies[center, np.argsort(np.abs(frequencies[center]))[:3]] = np.inf
    return float(frequencies.min())


def _frequencies(phonon: Any, points: list[Floats]) -> Floats:
    phonon.run_qpoints(points)
    return np.sort(phonon.qpoints.frequencies, axis=1)


def _bands(phonon: Any, path: Any) -> Curve:
    """Return the bands along the path of ASE; broken paths follow each other."""
    reciprocal = path.cell.reciprocal()
    x, rows, ticks, position = [], [], [], 0.0
    for part in path.path.split(","):
        names = [name for name in _labels(part) if name in path.special_points]
        for first, last in pairwise(names):
            start, end = path.special_points[first], path.special_points[last]
            fractions = np.linspace(0.0, 1.0, _PER_LINE)
            points = [start + f * (end - start) for f in fractions]
            length = float(np.linalg.norm((end - start) @ reciprocal))
            ticks.append((position, first))
            x.extend((position + fractions * length).tolist())
            rows.append(_frequencies(phonon, points))
            position += length
        ticks.append((position, names[-1]))
    lines = np.concatenate(rows).T.tolist()
    return Curve("phonons", "wave vector", "frequency (THz)", x, lines, ticks)


def _labels(part: str) -> list[str]:
    """Split "GXU1" into G, X, U1."""
    found: list[str] = []
    for letter in part:
        if letter.isdigit():
            found[-1] += letter
        else:
            found.append(letter)
    return found


def _minimum(volumes: Floats, energies: Floats) -> float:
    """Return the volume of lowest free energy, by a cubic through all."""
    center = volumes.mean()
    cubic = np.polynomial.Polynomial.fit(volumes - center, energies, 3)
    roots = cubic.deriv().roots()
    real = roots[np.abs(roots.imag) < 1e-9].real + center
    curvature = cubic.deriv(2)
    inside = [v for v in real if volumes[0] * 0.98 < v < volumes[-1] * 1.02]
    stable = [v for v in inside if curvature(v - center) > 0.0]
    if not stable:
        raise NotMeasuredError("the free energy has no minimum within 4 % of the volume")
    return float(stable[0])
