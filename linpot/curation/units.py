"""
Units in which energies, forces, stresses and lengths are met, and what they are in ours.

Conversion factors multiply a number in the unit; they come from `ase.units` (CODATA 2014).
"""

from __future__ import annotations

from collections.abc import Mapping

import ase.units

ENERGY = {
    "eV": 1.0,
    "meV": 1e-3,
    "Hartree": ase.units.Hartree,
    "Rydberg": ase.units.Rydberg,
    "kcal/mol": ase.units.kcal / ase.units.mol,
    "kJ/mol": ase.units.kJ / ase.units.mol,
}
LENGTH = {"A": 1.0, "Bohr": ase.units.Bohr, "nm": 10.0}
FORCE = {
    "eV/A": 1.0,
    "Hartree/Bohr": ase.units.Hartree / ase.units.Bohr,
    "Rydberg/Bohr": ase.units.Rydberg / ase.units.Bohr,
    "Hartree/A": ase.units.Hartree,
    "eV/Bohr": 1.0 / ase.units.Bohr,
    "kcal/mol/A": ase.units.kcal / ase.units.mol,
    "kJ/mol/A": ase.units.kJ / ase.units.mol,
    "kJ/mol/nm": ase.units.kJ / ase.units.mol / 10.0,
}
STRESS = {
    "eV/A^3": 1.0,
    "GPa": ase.units.GPa,
    "kbar": 0.1 * ase.units.GPa,
    "bar": 1e-4 * ase.units.GPa,
    "Pa": 1e-9 * ase.units.GPa,
    "Hartree/Bohr^3": ase.units.Hartree / ase.units.Bohr**3,
    "Rydberg/Bohr^3": ase.units.Rydberg / ase.units.Bohr**3,
}


def find_unit(name: str, units: Mapping[str, float]) -> str | None:
    """Return the name of a unit as it is spelled here, whatever its case; None if unknown."""
    known = {unit.lower(): unit for unit in units}
    return known.get(name.strip().lower().replace("**", "^").replace("angstrom", "a"))
