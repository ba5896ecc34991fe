"""A potential as an ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from numpy.typing import NDArray

from linpot import checks
from linpot.model.prediction import Prediction
from linpot.model.protocol import EnergyModel
from linpot.structures.neighbors import Neighbors, find_neighbors
from linpot.structures.structure import Structure, given_charges, given_total_charge

_STRESSES = {"stress", "stresses"}
_DERIVED = {"forces"} | _STRESSES
_BORN = "born_effective_charges"


class LinpotCalculator(Calculator):
    """
    Energy, forces and stress of any linpot model.

    `energies` and `stresses` belong to atoms and sum to `energy` and `stress`; `stresses` are
    derivatives of `energies` by strain, for models whose energy is divided among atoms. Asking for
    forces or stress gives both and the energy in one evaluation.

    The neighbor list reaches `skin` beyond the cutoff and is kept until an atom has moved half of
    that (strains of the cell count as moves).

    Parameters
    ----------
    model : EnergyModel
    skin : float, A
        0 makes a new list for every call.
    threads : int
        Results do not depend on it.
    parts : bool
        Give the energy of every part too (`energy_short`, `energy_zbl`, ...; see
        `EnergyModel.part_name`) and, with forces, `forces_short`, ...: in `results`, and for
        ``calculator.get_property("energy_zbl", atoms)``. Energies of parts are always given by
        models with charges, whose `charges` (e) and `dipole` (e A, of molecules, about the origin
        of the coordinates) answer `atoms.get_charges()` and `atoms.get_dipole_moment()`. Their
        `born_effective_charges` (e, [n_atoms, 3, 3], dP_a/dR_ib) cost more than forces: they are
        found when they are asked for, ``calculator.get_property("born_effective_charges", atoms)``.

    Attributes
    ----------
    prediction : Prediction or None
        All that the model said at the last evaluation.
    """

    implemented_properties: ClassVar[list[str]] = [
        "energy",
        "free_energy",
        "energies",
        "forces",
        "stress",
        "stresses",
    ]

    def __init__(
        self,
        model: EnergyModel,
        *,
        skin: float = 0.5,
        threads: int = 1,
        parts: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.results: dict[str, Any] = {}
        self.model = model.for_trajectory()
        self.parts = parts
        self._by_part = parts or model.has_charges
        named = ("energy", "forces") if parts else ("energy",)
        self.implemented_properties = [  # type: ignore[misc]  # ASE's own way
            *type(self).implemented_properties,
            *(["charges", "dipole", _BORN] if model.has_charges else []),
            *(f"{n}_{part}" for part in model.part_names for n in named if self._by_part),
        ]
        self.skin = checks.non_negative("skin", skin, "length in A")
        self.threads = checks.integer("threads", threads, low=1)
        self.prediction: Prediction | None = None
        self._list: _SkinList | None = None

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """
        Return what has changed since the last evaluation; called by ASE before every answer.

        Every change counts, however small: comparing bits takes a tenth of the time of comparing
        with a tolerance.
        """
        if self.atoms is None or len(self.atoms) != len(atoms):
            return list(all_changes)
        known = self.atoms
        pairs = {
            "positions": (known.positions, atoms.positions),
            "numbers": (known.numbers, atoms.numbers),
            "cell": (known.cell.array, atoms.cell.array),
            "pbc": (known.pbc, atoms.pbc),
        }
        for name in ("initial_charges", "initial_magmoms"):
            if known.has(name) or atoms.has(name):
                absent = np.zeros(len(atoms))  # ASE takes them for zeros
                pairs[name] = (known.arrays.get(name, absent), atoms.arrays.get(name, absent))
        changes = [name for name, (old, new) in pairs.items() if not np.array_equal(old, new)]
        if given_total_charge(known) != given_total_charge(atoms):
            changes.append("total_charge")
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """
        Evaluate the model on `atoms`; called by ASE.

        Raises
        ------
        PropertyNotImplementedError
            If a stress is asked for without periodicity in all three directions.
        InputError
            For unknown elements, positions that are not finite, or overlapping atoms.
        """
        if atoms is not None and self.atoms is not None and list(system_changes) == ["positions"]:
            self.atoms.positions[:] = atoms.positions  # a step of dynamics: nothing else to copy
        else:
            super().calculate(atoms, properties, system_changes)
        structure = Structure(
            self.atoms.numbers,
            self.atoms.positions,
            self.atoms.cell.array,
            tuple(self.atoms.pbc),
            name="the structure",
            charges=given_charges(self.atoms),
            total_charge=given_total_charge(self.atoms),
        )
        if _STRESSES.intersection(properties) and not structure.is_bulk:
            raise PropertyNotImplementedError(
                "`stress` needs periodicity in all three directions, got "
                f"pbc={list(structure.pbc)}; set atoms.pbc = True or do not ask for it"
            )
        if self._list is None or not self._list.covers(structure):
            self._list = _SkinList.of(structure, self.model.cutoff, self.skin)
        kept = {} if system_changes else {k: v for k, v in self.results.items() if k == _BORN}
        if _BORN in properties:
            response = self.model.charge_response(
                structure, self._list.neighbors, threads=self.threads
            )
            kept[_BORN] = response.born_charges()
            if set(properties) == {_BORN} and not system_changes:
                self.results = {**self.results, **kept}
                return
        derived = any(p in _DERIVED or p.startswith("forces_") for p in properties)
        given, threads = self._list.neighbors, self.threads
        by_part: dict[str, Prediction] = {}
        if self._by_part:
            by_part = self.model.predict_parts(structure, given, forces=derived, threads=threads)
            prediction = reduce(Prediction.plus, by_part.values())
        else:
            prediction = self.model.predict(structure, given, forces=derived, threads=threads)
        self.prediction = prediction
        results: dict[str, Any] = {
            "energy": prediction.energy,
            "free_energy": prediction.energy,
            **prediction.extras,
            **kept,
        }
        for name, part in by_part.items():
            results[f"energy_{name}"] = part.energy
            if self.parts and part.forces is not None:
                results[f"forces_{name}"] = part.forces
        if prediction.atomic_energies is not None:
            results["energies"] = prediction.atomic_energies
        if prediction.forces is not None:
            results["forces"] = prediction.forces
            if structure.is_bulk:
                results["stress"] = prediction.stress(structure)
                if prediction.atomic_virials is not None:
                    results["stresses"] = -prediction.atomic_virials / structure.volume
        self.results = results


class _SkinList:
    """A neighbor list and where the atoms were when it was made."""

    def __init__(self, structure: Structure, neighbors: Neighbors, skin: float) -> None:
        self._made_for = structure
        self.neighbors = neighbors
        self._skin = skin

    @classmethod
    def of(cls, structure: Structure, cutoff: float, skin: float) -> _SkinList:
        return cls(structure, find_neighbors(structure, cutoff + skin), skin)

    def covers(self, structure: Structure) -> bool:
        """Return whether no pair can have come inside the cutoff unseen."""
        old = self._made_for
        if old.n_atoms != structure.n_atoms or old.pbc != structure.pbc:
            return False
        if not np.array_equal(old.cell, structure.cell):
            return self._covers_strained(structure)
        return _largest(structure.positions - old.positions) <= 0.5 * self._skin

    def _covers_strained(self, structure: Structure) -> bool:
        """
        Whether pairs stay covered when the cell has changed by a small strain.

        With ``h_new = h_old F`` a pair vector goes from r to ``r F + u``, u being twice the largest
        displacement left after the strain; a pair now inside the cutoff was then within
        ``(cutoff + 2 u) |F^-1|`` before.
        """
        old = self._made_for
        if not structure.is_bulk:
            return False
        deformation = np.linalg.solve(old.cell, structure.cell)
        moved = _largest(structure.positions - old.positions @ deformation)
        stretch = 1.0 / np.linalg.svd(deformation, compute_uv=False).min()
        cutoff = self.neighbors.cutoff - self._skin
        return bool((cutoff + 2.0 * moved) * stretch <= self.neighbors.cutoff)


def _largest(displacements: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.einsum("ia,ia->i", displacements, displacements).max()))
