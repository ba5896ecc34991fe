"""Numbers and curves that are computed with a calculator."""

from __future__ import annotations

from dataclasses import dataclass, field

from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.optimize import LBFGS


class NotMeasuredError(RuntimeError):
    """A property that the structure does not have, or that could not be found; says why."""


@dataclass(frozen=True)
class Quantity:
    """
    A number with a name.

    Attributes
    ----------
    name : str
        "C11", "vacancy formation" ...; by which references are found.
    value : float
    unit : str
    """

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Curve:
    """
    One or more lines over one axis, for figures.

    Attributes
    ----------
    title, x_label, y_label : str
    x : list of float
    lines : list of list of float
        Each as long as `x`.
    ticks : list of (float, str)
        Names of places on the x axis; empty for numbers.
    """

    title: str
    x_label: str
    y_label: str
    x: list[float]
    lines: list[list[float]]
    ticks: list[tuple[float, str]] = field(default_factory=list)


@dataclass
class Measured:
    """
    What one property gives.

    Attributes
    ----------
    quantities : list of Quantity
    curves : list of Curve
    notes : list of str
        How it was done, where that matters.
    """

    quantities: list[Quantity] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, value: float, unit: str) -> None:
        """Add one number."""
        self.quantities.append(Quantity(name, float(value), unit))


@dataclass(frozen=True)
class Case:
    """
    What properties are computed of.

    Attributes
    ----------
    ground : Atoms
        Relaxed, cell and all for crystals; without a calculator.
    calculator : ase Calculator
    length : float, A
        Cells of defects and phonons are at least that long.
    melting : float or None, K
        Melting temperature, for the liquid.
    quick : bool
        Fewer images, volumes and steps.
    seed : int
    """

    ground: Atoms
    calculator: Calculator
    length: float = 10.0
    melting: float | None = None
    quick: bool = False
    seed: int = 0

    def energy(self, atoms: Atoms) -> float:
        """Energy of atoms as they are, eV."""
        asked = atoms.copy()
        asked.calc = self.calculator
        return float(asked.get_potential_energy())

    def energy_per_atom(self) -> float:
        """Energy of the ground state, eV per atom."""
        return self.energy(self.ground) / len(self.ground)

    def relaxed(self, atoms: Atoms, *, fmax: float = 5e-3, steps: int = 400) -> tuple[Atoms, float]:
        """
        Relax positions in a fixed cell.

        Returns
        -------
        Atoms, float
            A copy without calculator, and its energy in eV.

        Raises
        ------
        NotMeasuredError
            If forces do not fall below `fmax` (eV/A).
        """
        moving = atoms.copy()
        moving.calc = self.calculator
        optimizer = LBFGS(moving, logfile=None)
        if not optimizer.run(fmax=fmax, steps=steps):
            raise NotMeasuredError(f"{len(atoms)} atoms did not relax in {steps} steps")
        energy = float(moving.get_potential_energy())
        moving.calc = None
        return moving, energy
