"""
The JSON files of FitSNAP: one structure each (several are read too), units named inside.

Stresses there are positive under compression. The group is the folder that a file lies in, as
FitSNAP has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ase.units
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from linpot.errors import FileFormatError, InputError

_PRESSURE = {
    "bar": 1e-4 * ase.units.GPa,
    "kb": 0.1 * ase.units.GPa,
    "kbar": 0.1 * ase.units.GPa,
    "gpa": ase.units.GPa,
}
_ENERGY = {
    "electronvolt": 1.0,
    "ev": 1.0,
    "hartree": ase.units.Hartree,
    "kcal/mol": ase.units.kcal / ase.units.mol,
    "kcalpermole": ase.units.kcal / ase.units.mol,
}
_LENGTH = {"angstrom": 1.0, "bohr": ase.units.Bohr}
_FORCE = {
    "electronvoltperangstrom": 1.0,
    "ev/a": 1.0,
    "hartreeperbohr": ase.units.Hartree / ase.units.Bohr,
    "hartree/bohr": ase.units.Hartree / ase.units.Bohr,
}


def stream_fitsnap(file: Path) -> Iterator[Atoms]:
    """
    Yield the structures of a file.

    Parameters
    ----------
    file : path

    Yields
    ------
    ase.Atoms
        In eV and A, periodic.

    Raises
    ------
    FileFormatError
        If it is not such a file; the message names what is missing or has an unknown unit.
    """
    text = file.read_text(encoding="utf-8-sig")
    body = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    try:
        data = json.loads(body)["Dataset"]
        entries = data["Data"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise FileFormatError(
            f"{file} must be a JSON file of FitSNAP, with Dataset and Data in it: {error}"
        ) from error
    for place, entry in enumerate(entries):
        try:
            yield _structure(entry, data, file)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, FileFormatError):
                raise
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise FileFormatError(f"{file}: cannot read structure {place}: {reason}") from error


def write_fitsnap(file: Path, images: Iterable[Atoms]) -> None:
    """
    Write structures with energies, forces and stresses (in bar).

    Parameters
    ----------
    file : path
    images : iterable of ase.Atoms
        Periodic. FitSNAP itself reads files of one structure only.
    """
    entries = []
    for atoms in images:
        if not all(atoms.pbc):
            raise InputError(
                f"FitSNAP's structures must be periodic in all directions, got {atoms.pbc.tolist()}"
            )
        results = getattr(atoms.calc, "results", {})
        entry: dict[str, Any] = {
            "AtomTypes": list(atoms.symbols),
            "Lattice": atoms.cell.array.tolist(),
            "NumAtoms": len(atoms),
            "Positions": atoms.positions.tolist(),
        }
        if "energy" in results:
            entry["Energy"] = float(results["energy"])
        if "forces" in results:
            entry["Forces"] = np.asarray(results["forces"]).tolist()
        if "stress" in results:
            xx, yy, zz, yz, xz, xy = -np.asarray(results["stress"]) / _PRESSURE["bar"]
            entry["Stress"] = [[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]
        entries.append(entry)
    document = {
        "Dataset": {
            "Data": entries,
            "EnergyStyle": "electronvolt",
            "StressStyle": "bar",
            "AtomTypeStyle": "chemicalsymbol",
            "PositionsStyle": "angstrom",
            "ForcesStyle": "electronvoltperangstrom",
            "LatticeStyle": "angstrom",
        }
    }
    file.write_text("# written by linpot\n" + json.dumps(document) + "\n", encoding="utf-8")


def _structure(entry: dict[str, Any], data: dict[str, Any], file: Path) -> Atoms:
    length = _unit(data, "Positions", _LENGTH, "angstrom", file)
    atoms = Atoms(
        entry["AtomTypes"],
        np.array(entry["Positions"], dtype=float) * length,
        cell=np.array(entry["Lattice"], dtype=float)
        * _unit(data, "Lattice", _LENGTH, "angstrom", file),
        pbc=True,
    )
    group = data.get("Group") or file.resolve().parent.name
    atoms.info["config_type"] = str(group)
    results: dict[str, Any] = {}
    if "Energy" in entry:
        results["energy"] = float(entry["Energy"]) * _unit(
            data, "Energy", _ENERGY, "electronvolt", file
        )
    if "Forces" in entry:
        results["forces"] = np.array(entry["Forces"], dtype=float) * _unit(
            data, "Forces", _FORCE, "electronvoltperangstrom", file
        )
    if "Stress" in entry:
        full = -np.array(entry["Stress"], dtype=float) * _unit(
            data, "Stress", _PRESSURE, "bar", file
        )
        results["stress"] = np.array(
            [full[0, 0], full[1, 1], full[2, 2], full[1, 2], full[0, 2], full[0, 1]]
        )
    if "Charges" in entry:
        atoms.set_initial_charges(entry["Charges"])
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _unit(
    data: dict[str, Any], what: str, units: dict[str, float], usual: str, file: Path
) -> float:
    name = str(data.get(f"{what}Style", usual))
    if name.lower() not in units:
        raise FileFormatError(
            f"{file}: {what}Style must be one of {', '.join(units)}, got {name!r}"
        )
    return units[name.lower()]
