"""What models say about structures, one or many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]
_VOIGT = np.array([0, 4, 8, 5, 2, 1])
FULL = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
"""Where the elements of a symmetric tensor stand among xx yy zz yz xz xy."""


@dataclass(frozen=True)
class Prediction:
    """
    What a model says about a structure.

    Attributes
    ----------
    energy : float, eV
    forces : float64[n_atoms, 3] or None, eV/A
    virial : float64[3, 3] or None, eV
        ``-dE/dstrain = -volume * stress``.
    atomic_energies : float64[n_atoms] or None, eV
        Sum to `energy`; None for models without a division by atoms.
    atomic_virials : float64[n_atoms, 6] or None, eV
        ``-dE_i/dstrain`` of every atomic energy, xx yy zz yz xz xy; sum to `virial`.
    extras : mapping of str to arrays
        Whatever else a model offers: "charges" (float64[n_atoms], e) and, of molecules, "dipole"
        (float64[3], e A, about the origin of the coordinates), ...
    """

    energy: float
    forces: Floats | None = None
    virial: Floats | None = None
    atomic_energies: Floats | None = None
    atomic_virials: Floats | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)

    def plus(self, other: Prediction) -> Prediction:
        """Return the sum with what another model says about the same structure."""
        return Prediction(
            self.energy + other.energy,
            plus(self.forces, other.forces),
            plus(self.virial, other.virial),
            plus(self.atomic_energies, other.atomic_energies),
            plus(self.atomic_virials, other.atomic_virials),
            {**self.extras, **other.extras},
        )

    def stress(self, structure: Structure) -> Floats:
        """
        Return the stress: float64[6], eV/A^3, xx yy zz yz xz xy, tension positive.

        Raises
        ------
        InputError
            If the structure is not periodic in three dimensions, or no virial was asked for.
        """
        if not structure.is_bulk:
            raise InputError(
                "`stress` needs periodicity in all three directions, "
                f"got pbc={list(structure.pbc)} for {structure.name}"
            )
        if self.virial is None:
            raise InputError("`stress` needs a prediction made with `forces=True`")
        return -self.virial.ravel()[_VOIGT] / structure.volume


@dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """
    What a model says about many structures, in arrays over all of them; item k is a `Prediction`.

    Attributes
    ----------
    first_atoms : int64[n_structures + 1]
        Atoms of structure k are ``first_atoms[k]:first_atoms[k + 1]``.
    energies : float64[n_structures], eV
    forces : float64[n_atoms, 3] or None, eV/A
    virials : float64[n_structures, 3, 3] or None, eV
    atomic_energies : float64[n_atoms] or None, eV
    atomic_virials : float64[n_atoms, 6] or None, eV
    extras : tuple of mapping
        One per structure, or empty.
    """

    first_atoms: NDArray[np.int64]
    energies: Floats
    forces: Floats | None = None
    virials: Floats | None = None
    atomic_energies: Floats | None = None
    atomic_virials: Floats | None = None
    extras: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of_atoms(
        cls,
        first_atoms: NDArray[np.int64],
        atomic_energies: Floats,
        forces: Floats | None = None,
        atomic_virials: Floats | None = None,
    ) -> Predictions:
        """Sum what belongs to atoms over their structures, in their order."""
        starts = first_atoms[:-1]
        virials = None
        if atomic_virials is not None:
            virials = np.add.reduceat(atomic_virials, starts, axis=0)[:, FULL]
        return cls(
            first_atoms,
            np.add.reduceat(atomic_energies, starts),
            forces,
            virials,
            atomic_energies,
            atomic_virials,
        )

    @classmethod
    def of(cls, predictions: Sequence[Prediction], n_atoms: Sequence[int]) -> Predictions:
        """Put single predictions side by side."""

        def joined(name: str, join: Any) -> Floats | None:
            values = [getattr(p, name) for p in predictions]
            return None if any(v is None for v in values) else join(values)

        return cls(
            np.cumsum([0, *n_atoms]).astype(np.int64),
            np.array([p.energy for p in predictions], dtype=np.float64),
            joined("forces", np.concatenate),
            joined("virial", np.stack),
            joined("atomic_energies", np.concatenate),
            joined("atomic_virials", np.concatenate),
            tuple(p.extras for p in predictions),
        )

    def __len__(self) -> int:
        return len(self.energies)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> list[Prediction]: ...
    def __getitem__(self, index: int | slice) -> Prediction | list[Prediction]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        k = range(len(self))[index]
        atoms = slice(int(self.first_atoms[k]), int(self.first_atoms[k + 1]))
        return Prediction(
            float(self.energies[k]),
            None if self.forces is None else self.forces[atoms],
            None if self.virials is None else self.virials[k],
            None if self.atomic_energies is None else self.atomic_energies[atoms],
            None if self.atomic_virials is None else self.atomic_virials[atoms],
            self.extras[k] if self.extras else {},
        )

    def plus(self, other: Predictions) -> Predictions:
        """Return the sum with what another model says about the same structures."""
        extras = self.extras or other.extras
        if self.extras and other.extras:
            extras = tuple({**a, **b} for a, b in zip(self.extras, other.extras, strict=True))
        return Predictions(
            self.first_atoms,
            self.energies + other.energies,
            plus(self.forces, other.forces),
            plus(self.virials, other.virials),
            plus(self.atomic_energies, other.atomic_energies),
            plus(self.atomic_virials, other.atomic_virials),
            extras,
        )


@dataclass(frozen=True)
class Work:
    """
    Predictions still to be made.

    Attributes
    ----------
    tasks : list of callable
        May run in any order and side by side.
    result : callable
        Returns `Predictions` once all tasks have run.
    """

    tasks: list[Callable[[], None]]
    result: Callable[[], Predictions]


def plus(a: Floats | None, b: Floats | None) -> Floats | None:
    """Return the sum of two arrays, or None where one is missing."""
    return None if a is None or b is None else a + b
