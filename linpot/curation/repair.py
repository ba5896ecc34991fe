"""Changes of labels that mend what a check finds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from ase.data import chemical_symbols

from linpot import checks
from linpot.curation.stress_labels import SHEARS
from linpot.curation.units import ENERGY, FORCE, LENGTH, STRESS, find_unit
from linpot.errors import InputError
from linpot.structures.structure import Labels, Structure

_LABELS = ("energy", "forces", "stress")


@dataclass(frozen=True)
class Repair:
    """
    What is changed, and where.

    Units say what the numbers are in; results are in eV and A.

    Attributes
    ----------
    groups : collection of str
        Only these; all if empty.
    structures : collection of int, optional
        Only these places of the file, from 0.
    swap_stress : tuple of str
        Two shear components that change places, or all three of them in the order in which they
        stand at yz, xz, xy.
    flip_stress, flip_forces, flip_energies : bool
        Change the sign.
    energy_unit, force_unit, stress_unit, length_unit : str
    stress_is_virial : bool
        Labels found as stresses are virials.
    virial_is_stress : bool
        Labels found as virials are stresses.
    energies_per_atom : bool
        Energies are per atom.
    subtract_atoms : mapping of str to float, eV
        Energies of single atoms that are taken off.
    drop_labels : collection of str
        Of "energy", "forces", "stress".

    Raises
    ------
    InputError
        If a component, a unit, an element or a label is unknown.
    """

    groups: Collection[str] = ()
    structures: Collection[int] | None = None
    swap_stress: tuple[str, ...] = ()
    flip_stress: bool = False
    flip_forces: bool = False
    flip_energies: bool = False
    energy_unit: str = "eV"
    force_unit: str = "eV/A"
    stress_unit: str = "eV/A^3"
    length_unit: str = "A"
    stress_is_virial: bool = False
    virial_is_stress: bool = False
    energies_per_atom: bool = False
    subtract_atoms: Mapping[str, float] = field(default_factory=dict)
    drop_labels: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.swap_stress and (
            len(set(self.swap_stress)) != len(self.swap_stress)
            or not set(self.swap_stress) <= set(SHEARS)
            or len(self.swap_stress) < 2
        ):
            raise InputError(
                "`swap_stress` must be two of yz, xz, xy, or all three in the order in which they "
                f"stand, got {','.join(self.swap_stress)!r}"
            )
        for name, units in (
            ("energy_unit", ENERGY),
            ("force_unit", FORCE),
            ("stress_unit", STRESS),
            ("length_unit", LENGTH),
        ):
            found = find_unit(getattr(self, name), units)
            if found is None:
                checks.one_of(name, getattr(self, name), units)
            object.__setattr__(self, name, found)
        for label in self.drop_labels:
            checks.one_of("drop_labels", label, _LABELS)
        for symbol, value in self.subtract_atoms.items():
            if symbol not in chemical_symbols[1:]:
                raise InputError(f"`subtract_atoms` must name elements, got {symbol!r}")
            checks.finite_array(f"subtract_atoms[{symbol!r}]", value, [])
        if self.stress_is_virial and self.virial_is_stress:
            raise InputError("only one of `stress_is_virial` and `virial_is_stress` must be given")

    @property
    def changes_nothing(self) -> bool:
        """Whether labels and positions stay what they are."""
        return replace(self, groups=(), structures=None) == Repair()

    def concerns(self, structure: Structure, place: int) -> bool:
        """Whether a structure is to be changed."""
        if self.groups and structure.group not in self.groups:
            return False
        return self.structures is None or place in self.structures

    def apply(self, structure: Structure) -> Structure:
        """
        Return a structure with its labels changed.

        Raises
        ------
        InputError
            If an element of it has no energy in `subtract_atoms`.
        """
        length = LENGTH[self.length_unit]
        if length != 1.0:
            structure = replace(
                structure,
                positions=structure.positions * length,
                cell=structure.cell * length,
            )
        labels = structure.labels
        return structure.with_labels(
            Labels(
                None if "energy" in self.drop_labels else self._energy(structure, labels.energy),
                None if "forces" in self.drop_labels else self._forces(labels),
                None if "stress" in self.drop_labels else self._stress(structure, labels),
            )
        )

    def _energy(self, structure: Structure, energy: float | None) -> float | None:
        if energy is None:
            return None
        if self.energies_per_atom:
            energy *= structure.n_atoms
        energy *= ENERGY[self.energy_unit] * (-1.0 if self.flip_energies else 1.0)
        if self.subtract_atoms:
            for z in structure.numbers.tolist():
                symbol = chemical_symbols[z]
                if symbol not in self.subtract_atoms:
                    raise InputError(
                        f"`subtract_atoms` must have an energy of {symbol}, which is in "
                        f"{structure.name}"
                    )
                energy -= self.subtract_atoms[symbol]
        return energy

    def _forces(self, labels: Labels) -> np.ndarray | None:
        if labels.forces is None:
            return None
        return labels.forces * FORCE[self.force_unit] * (-1.0 if self.flip_forces else 1.0)

    def _stress(self, structure: Structure, labels: Labels) -> np.ndarray | None:
        if labels.stress is None:
            return None
        stress = labels.stress * STRESS[self.stress_unit] * (-1.0 if self.flip_stress else 1.0)
        if self.stress_is_virial:
            stress = -stress / structure.volume
        elif self.virial_is_stress:
            stress = -stress * structure.volume
        if self.swap_stress:
            stress = stress.copy()
            stress[3:] = stress[3:][self._order()]
        return stress

    def _order(self) -> list[int]:
        """Return where yz, xz and xy stand."""
        if len(self.swap_stress) == len(SHEARS):
            return [SHEARS.index(name) for name in self.swap_stress]
        a, b = (SHEARS.index(name) for name in self.swap_stress)
        order = [0, 1, 2]
        order[a], order[b] = b, a
        return order
