"""Does an exported file say what the potential says? Evaluated twice on random structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.lammps.direct import evaluate_document
from linpot.lammps.pace_potential import PacePotential
from linpot.lammps.reading import potential_of
from linpot.lammps.yace_parser import parse_yace
from linpot.model.linear_potential import LinearPotential
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

_N_ATOMS = 8
_TRIES = 2000


@dataclass(frozen=True)
class ExportCheck:
    """
    Largest differences between a potential and its file.

    Attributes
    ----------
    n_structures, n_atoms : int
    energy_error : float, eV
        Of the energy of an atom, by the formulas and cubic tables of the format.
    forces_error : float, eV/A
        Of a force component, likewise.
    largest_force : float, eV/A
    restored_energy_error : float, eV
        After reading the file back into the engine.
    restored_forces_error : float, eV/A
    """

    n_structures: int
    n_atoms: int
    energy_error: float
    forces_error: float
    largest_force: float
    restored_energy_error: float
    restored_forces_error: float

    @property
    def is_good(self) -> bool:
        """Whether the file reproduces the potential as well as tables of LAMMPS can."""
        scale = max(self.largest_force, 1.0)
        energies = max(self.energy_error, self.restored_energy_error)
        forces = max(self.forces_error, self.restored_forces_error)
        return energies < 1e-7 * scale and forces < 1e-6 * scale


def check_export(
    potential: LinearPotential | PacePotential, text: str, *, seed: int = 0
) -> ExportCheck:
    """
    Read a file back and compare energies and forces with the potential it came from.

    The file is evaluated from the formulas of the format, with cubic tables as LAMMPS makes them,
    and by the engine after reading. Structures: every dimer, a cluster and a periodic cell with all
    elements, atoms as close as the inner half of the taper.

    Parameters
    ----------
    potential : LinearPotential or PacePotential
    text : str
        Of the file.
    seed : int

    Returns
    -------
    ExportCheck
    """
    document = parse_yace(text, "the exported file")
    restored = potential_of(document)
    structures = random_structures(potential, seed)
    energy = forces = restored_energy = restored_forces = largest = 0.0
    for structure in structures:
        expected = potential.predict(structure)
        by_formula = evaluate_document(document, structure, splines=True)
        again = restored.predict(structure)
        energy = max(energy, _largest(by_formula.atomic_energies, expected.atomic_energies))
        forces = max(forces, _largest(by_formula.forces, expected.forces))
        restored_energy = max(
            restored_energy, _largest(again.atomic_energies, expected.atomic_energies)
        )
        restored_forces = max(restored_forces, _largest(again.forces, expected.forces))
        largest = max(largest, _largest(expected.forces, None))
    return ExportCheck(
        n_structures=len(structures),
        n_atoms=sum(structure.n_atoms for structure in structures),
        energy_error=energy,
        forces_error=forces,
        largest_force=largest,
        restored_energy_error=restored_energy,
        restored_forces_error=restored_forces,
    )


def random_structures(potential: LinearPotential | PacePotential, seed: int = 0) -> list[Structure]:
    """
    Make structures in which all functions count.

    Parameters
    ----------
    potential : LinearPotential or PacePotential
    seed : int

    Returns
    -------
    list of Structure
    """
    rng = np.random.default_rng(seed)
    numbers = [atomic_numbers[s] for s in potential.elements]
    ranges = _ranges(potential)
    structures = []
    none = np.zeros((3, 3))
    for i, j in combinations_with_replacement(range(len(numbers)), 2):
        cutoff, start, end = ranges[i, j]
        for r in (0.5 * (start + end) if end > 0.0 else 0.3 * cutoff, 0.7 * cutoff):
            direction = rng.normal(size=3)
            ends = np.array([np.zeros(3), r * direction / np.linalg.norm(direction)])
            structures.append(_structure([numbers[i], numbers[j]], ends, none, False))
    closest = max(0.5 * float((ranges[:, :, 1] + ranges[:, :, 2]).max()), 0.3)
    closest = min(max(closest, 0.3 * potential.cutoff), 0.6 * potential.cutoff)
    many = [numbers[k % len(numbers)] for k in range(max(_N_ATOMS, len(numbers) + 2))]
    side = 1.3 * closest * len(many) ** (1.0 / 3.0)
    cell = side * (np.eye(3) + 0.1 * rng.normal(size=(3, 3)))
    structures.append(_structure(many, _scatter(rng, len(many), closest, cell, False), none, False))
    structures.append(_structure(many, _scatter(rng, len(many), closest, cell, True), cell, True))
    return structures


def _ranges(potential: LinearPotential | PacePotential) -> Floats:
    """Return cutoff, start and end of the taper: float64[n_species, n_species, 3], A."""
    if isinstance(potential, LinearPotential):
        return np.ascontiguousarray(potential.basis.radial_parameters[:, :, [0, 2, 3]])
    ranges = np.zeros((len(potential.elements), len(potential.elements), 3))
    for (i, j), bond in potential.document.bonds.items():
        tapered = bond.inner_kind == "distance"
        taper = (bond.inner_cutoff - bond.inner_width, bond.inner_cutoff) if tapered else (0.0, 0.0)
        ranges[i, j] = bond.cutoff, *taper
    return ranges


def _scatter(
    rng: np.random.Generator, n_atoms: int, closest: float, cell: Floats, periodic: bool
) -> Floats:
    """Place atoms at random, each as far from the others as a number of tries allows."""
    shifts = np.array(list(np.ndindex(3, 3, 3))) - 1 if periodic else np.zeros((1, 3))
    positions = np.zeros((1, 3))
    while len(positions) < n_atoms:
        best, widest = np.zeros(3), -1.0
        for _ in range(_TRIES):
            trial = rng.random(3) @ cell
            gaps = trial - (positions[:, None, :] + (shifts @ cell)[None])
            nearest = float(np.linalg.norm(gaps, axis=2).min())
            if nearest > widest:
                best, widest = trial, nearest
            if widest > closest:
                break
        positions = np.concatenate([positions, best[None]])
    return positions


def _structure(
    numbers: Sequence[int], positions: Floats, cell: Floats, periodic: bool
) -> Structure:
    return Structure(
        np.array(numbers), positions, cell, (periodic,) * 3, name="a structure of the check"
    )


def _largest(found: Floats | None, expected: Floats | None) -> float:
    assert found is not None  # forces and atomic energies were asked for
    difference = found if expected is None else found - expected
    return float(np.abs(difference).max())
