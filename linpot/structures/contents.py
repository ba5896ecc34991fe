"""What is asked of a data set again and again, from one pass over its structures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from sys import intern

import numpy as np
from numpy.typing import NDArray

from linpot.structures.structure import LABELS, Structure


@dataclass(frozen=True)
class Contents:
    """
    A few numbers per structure.

    Attributes
    ----------
    sizes : int64[n_structures]
        Atoms.
    groups : tuple of str
        Group of each structure.
    present : dict of label to bool[n_structures]
        Which structures carry it.
    atoms_of : dict of int to int
        Atoms of each atomic number, ascending.
    """

    sizes: NDArray[np.int64]
    groups: tuple[str, ...]
    present: dict[str, NDArray[np.bool_]]
    atoms_of: dict[int, int]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of each structure in a fit of energies, forces, stresses: int64[n_structures]."""
        has = self.present
        return has["energy"] + 3 * self.sizes * has["forces"] + 6 * has["stress"]

    @classmethod
    def of(cls, structures: Iterable[Structure]) -> Contents:
        """Look at every structure once."""
        sizes, groups, present = [], [], []
        atoms: dict[int, int] = {}
        for structure in structures:
            sizes.append(structure.n_atoms)
            groups.append(intern(structure.group))
            present.append([getattr(structure.labels, label) is not None for label in LABELS])
            for z, n in zip(*np.unique(structure.numbers, return_counts=True), strict=True):
                atoms[int(z)] = atoms.get(int(z), 0) + int(n)
        columns = np.array(present, dtype=bool).reshape(-1, len(LABELS)).T
        return cls(
            np.array(sizes, dtype=np.int64),
            tuple(groups),
            dict(zip(LABELS, columns, strict=True)),
            dict(sorted(atoms.items())),
        )
