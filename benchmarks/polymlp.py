"""pypolymlp through ASE, atoms of alloys in any order (its own calculator wants them grouped)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray
from pypolymlp.core.data_format import PolymlpStructure


def ordered(atoms: Atoms, symbols: Sequence[str]) -> tuple[PolymlpStructure, NDArray[np.int64]]:
    """Return a structure as the package takes it, by species, and where each atom comes from."""
    types = np.array([symbols.index(symbol) for symbol in atoms.symbols])
    order = np.argsort(types, kind="stable")
    structure = PolymlpStructure(
        axis=atoms.cell.array.T,
        positions=atoms.get_scaled_positions()[order].T,
        n_atoms=np.bincount(types, minlength=len(symbols)).tolist(),
        elements=[symbols[t] for t in types[order]],
        types=types[order].tolist(),
        volume=atoms.get_volume(),
    )
    return structure, order


class PolymlpCalculator(Calculator):
    """
    A potential of the package, energies of isolated atoms included.

    Parameters
    ----------
    properties : pypolymlp.calculator.properties.Properties
    symbols : sequence of str
        Elements in the order of its parameters.
    e0 : mapping of str to float, eV
    """

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, properties: Any, symbols: Sequence[str], e0: Mapping[str, float]) -> None:
        super().__init__()
        self._properties = properties
        self._symbols = symbols
        self._e0 = e0

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute all properties."""
        super().calculate(atoms, properties, system_changes)
        structure, order = ordered(self.atoms, self._symbols)
        energy, forces, virial = self._properties.eval(structure)
        back = np.empty((len(order), 3))
        back[order] = forces.T
        self.results["energy"] = energy + sum(self._e0[s] for s in self.atoms.symbols)
        self.results["forces"] = back
        # eV in the order xx, yy, zz, xy, yz, zx
        self.results["stress"] = -np.asarray(virial)[[0, 1, 2, 4, 5, 3]] / structure.volume
