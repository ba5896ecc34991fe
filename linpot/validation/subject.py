"""What is verified: how to make its calculator, what it claims, and how it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError
from ase.data import atomic_numbers, covalent_radii
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """
    What a calculator says about one structure.

    Attributes
    ----------
    energy : float, eV
    forces : float64[n_atoms, 3], eV/A
    stress : float64[6] or None, eV/A^3
        None without periodicity in three directions, or where it is not implemented.
    """

    energy: float
    forces: Floats
    stress: Floats | None

    def has_the_bits_of(self, other: Answer) -> bool:
        """Whether both are the same to the last bit."""
        if (self.stress is None) != (other.stress is None):
            return False
        same = self.energy == other.energy and np.array_equal(self.forces, other.forces)
        if self.stress is None or other.stress is None:
            return same
        return same and np.array_equal(self.stress, other.stress)


@dataclass(frozen=True)
class Subject:
    """
    A calculator and what it claims.

    Attributes
    ----------
    name : str
    make : callable
        Takes a number of threads, returns an ASE calculator.
    elements : tuple of str
        That it claims to know.
    cutoff : float or None, A
        None where it is not known.
    shortest : mapping of pair to float, A
        Shortest distances that it was made for; sums of covalent radii where absent.
    charges : mapping of element to float, e
        Initial charges that atoms carry; empty for none.
    continuity : int
        How many times energies are claimed to be continuously differentiable, 0 to 2.
    makes_many : bool
        Whether `make` returns a new calculator every time.
    takes_threads : bool
        Whether `make` heeds the number of threads.
    """

    name: str
    make: Callable[[int], Calculator]
    elements: tuple[str, ...]
    cutoff: float | None = None
    shortest: Mapping[tuple[str, str], float] = field(default_factory=dict)
    charges: Mapping[str, float] = field(default_factory=dict)
    continuity: int = 2
    makes_many: bool = True
    takes_threads: bool = False

    def distance(self, a: str, b: str) -> float:
        """Shortest usual distance of a pair, A."""
        radii = covalent_radii[[atomic_numbers[a], atomic_numbers[b]]]
        return float(self.shortest.get((a, b), self.shortest.get((b, a), radii.sum())))

    def charged(self, atoms: Atoms) -> Atoms:
        """Give atoms the charges of their elements; returns the same atoms."""
        if self.charges:
            atoms.set_initial_charges([self.charges.get(s, 0.0) for s in atoms.symbols])
        return atoms


def ask(calculator: Calculator, atoms: Atoms) -> Answer:
    """
    Ask a calculator for everything at once; atoms are not modified.

    Parameters
    ----------
    calculator : ase Calculator
    atoms : ase.Atoms

    Returns
    -------
    Answer

    Raises
    ------
    ValueError
        If a number is not finite. What the calculator raises is passed on.
    """
    asked = atoms.copy()
    asked.calc = calculator
    forces = np.array(asked.get_forces(), dtype=np.float64)
    energy = float(asked.get_potential_energy())
    stress = None
    if asked.pbc.all():
        try:
            stress = np.array(asked.get_stress(), dtype=np.float64)
        except (PropertyNotImplementedError, NotImplementedError):
            stress = None
    numbers = [np.array([energy]), forces.ravel(), stress if stress is not None else np.zeros(0)]
    if not np.isfinite(np.concatenate(numbers)).all():
        raise ValueError("the answer must be finite, got NaN or infinity")
    return Answer(energy, forces, stress)


def energy_of(calculator: Calculator, atoms: Atoms) -> float:
    """Ask for the energy alone, eV; atoms are not modified."""
    asked = atoms.copy()
    asked.calc = calculator
    return float(asked.get_potential_energy())
