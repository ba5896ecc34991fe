"""A structure: atoms in space, with the labels that a fit may use."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from linpot.checks import finite_array
from linpot.errors import InputError

INITIAL_CHARGES = "initial_charges"
"""Where ASE keeps given charges."""

LABELS = ("energy", "forces", "stress", "charges", "dipole")
"""Names of all labels."""

_WHOLE = 1e-3  # e: a sum of charges so close to a whole number is that number


@dataclass(frozen=True)
class Labels:
    """
    Reference values of one structure; None where there is none.

    Attributes
    ----------
    energy : float or None, eV
        Of the whole structure.
    forces : float64[n_atoms, 3] or None, eV/A
    stress : float64[6] or None, eV/A^3
        Voigt xx yy zz yz xz xy, tension positive (the sign of ASE).
    charges : float64[n_atoms] or None, e
        Only fits of charges look at them.
    dipole : float64[3] or None, e A
        ``sum q r`` about the origin of the coordinates; of structures that are not periodic.
    """

    energy: float | None = None
    forces: NDArray[np.float64] | None = None
    stress: NDArray[np.float64] | None = None
    charges: NDArray[np.float64] | None = None
    dipole: NDArray[np.float64] | None = None

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the labels that are there, in the order of `LABELS`."""
        return tuple(p for p in LABELS if getattr(self, p) is not None)


@dataclass(frozen=True, eq=False)
class Structure:
    """
    Atoms in space.

    Attributes
    ----------
    numbers : int64[n_atoms]
        Atomic numbers.
    positions : float64[n_atoms, 3], A
    cell : float64[3, 3], A
        Lattice vectors as rows; zero rows along directions without one.
    pbc : tuple of 3 bool
    labels : Labels
    group : str
        From the `config_type` of the data.
    weight : float
        Multiplies the residuals of this structure in a fit.
    name : str
        How messages call it: "structure 17 ('liquid')".
    charges : float64[n_atoms] or None, e
        Given charges, for models that ask for them; not labels.
    total_charge : float or None, e
        None where it was not given; see `net_charge`.

    Raises
    ------
    InputError
        If an array has the wrong shape or is not finite, if a periodic direction has no
        lattice vector, or if the periodic lattice vectors are linearly dependent.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: tuple[bool, bool, bool]
    labels: Labels = field(default_factory=Labels)
    group: str = "all"
    weight: float = 1.0
    name: str = "the structure"
    charges: NDArray[np.float64] | None = None
    total_charge: float | None = None

    def __post_init__(self) -> None:
        numbers = np.ascontiguousarray(self.numbers, dtype=np.int64)
        if numbers.ndim != 1 or len(numbers) == 0:
            raise InputError(f"{self.name} must have at least one atom, got none")
        object.__setattr__(self, "numbers", numbers)
        positions = finite_array("positions", self.positions, [len(numbers), 3], self.name)
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "cell", finite_array("cell", self.cell, [3, 3], self.name))
        object.__setattr__(self, "pbc", tuple(bool(p) for p in self.pbc))
        if self.charges is not None:
            charges = finite_array("charges", self.charges, [len(numbers)], self.name)
            object.__setattr__(self, "charges", charges)
        if self.total_charge is not None:
            total = float(finite_array("total_charge", self.total_charge, [], self.name))
            object.__setattr__(self, "total_charge", total)
        self._check_periodicity()

    def _check_periodicity(self) -> None:
        periodic = self.cell[list(self.pbc)]
        if len(periodic) == 0:
            return
        lengths = np.linalg.norm(periodic, axis=1)
        if lengths.min() == 0.0:
            raise InputError(
                f"{self.name} is periodic along a direction without a lattice vector; "
                "give the cell, or set pbc to False there"
            )
        if len(periodic) == 3 and abs(_determinant(periodic)) > 1e-5 * lengths.prod():
            return  # of unit vectors it is at most 1.5 times the smallest singular value
        singular = np.linalg.svd(periodic / lengths[:, None], compute_uv=False)
        if singular.min() < 1e-6:
            raise InputError(
                f"{self.name} has linearly dependent lattice vectors: {periodic.tolist()}"
            )

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def is_bulk(self) -> bool:
        """Whether it is periodic in all three directions, so that a stress is defined."""
        return all(self.pbc)

    @property
    def net_charge(self) -> float:
        """
        The charge of the structure, e: as given, else the sum of given charges, else 0.

        A sum within 0.001 e of a whole number is that number: reference charges are rounded.
        """
        if self.total_charge is not None:
            return self.total_charge
        if self.charges is None:
            return 0.0
        total = float(self.charges.sum())
        return float(round(total)) if abs(total - round(total)) < _WHOLE else total

    @property
    def volume(self) -> float:
        """Volume of the cell, A^3; zero where the cell is not three-dimensional."""
        return float(abs(np.linalg.det(self.cell)))

    def with_labels(self, labels: Labels) -> Structure:
        """Return the same atoms with other labels."""
        return replace(self, labels=labels)


def _determinant(matrix: NDArray[np.float64]) -> float:
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def structure_from_atoms(
    atoms: Atoms,
    *,
    labels: Labels | None = None,
    group: str = "all",
    weight: float = 1.0,
    name: str = "the structure",
    charges_key: str = INITIAL_CHARGES,
) -> Structure:
    """
    Copy atoms, cell, periodicity and given charges of an `ase.Atoms`; labels are not looked at.

    The charge of the structure is that of ``info['total_charge']`` or ``info['charge']``.

    Parameters
    ----------
    atoms : ase.Atoms
        Not modified.
    labels : Labels or None
    group : str
    weight : float
    name : str
    charges_key : str
        Key of `arrays` with given charges, e; none are taken where it is absent.

    Returns
    -------
    Structure

    Raises
    ------
    InputError
        If there is a dummy atom ('X'), and for everything that `Structure` refuses.
    """
    dummies = np.flatnonzero((atoms.numbers < 1) | (atoms.numbers >= len(chemical_symbols)))
    if len(dummies):
        first = int(dummies[0])
        raise InputError(
            f"`numbers` must be atomic numbers from 1 to {len(chemical_symbols) - 1}, "
            f"got numbers[{first}] = {atoms.numbers[first]} in {name}; remove dummy atoms"
        )
    x, y, z = (bool(p) for p in atoms.pbc)
    return Structure(
        numbers=np.array(atoms.numbers, dtype=np.int64),
        positions=np.array(atoms.positions, dtype=np.float64),
        cell=np.array(atoms.cell.array, dtype=np.float64),
        pbc=(x, y, z),
        labels=labels or Labels(),
        group=group,
        weight=weight,
        name=name,
        charges=given_charges(atoms, charges_key),
        total_charge=given_total_charge(atoms, name),
    )


def given_charges(atoms: Atoms, charges_key: str = INITIAL_CHARGES) -> NDArray[np.float64] | None:
    """Return a copy of the charges that an `ase.Atoms` carries, e; None where there are none."""
    charges = atoms.arrays.get(charges_key)
    return None if charges is None else np.array(charges)


def given_total_charge(atoms: Atoms, name: str = "the structure") -> float | None:
    """
    Return the total charge that the `info` of an `ase.Atoms` names, e; None where it names none.

    Raises
    ------
    InputError
        If it is not a number, or if `total_charge` and `charge` differ.
    """
    found = {k: atoms.info[k] for k in ("total_charge", "charge") if atoms.info.get(k) is not None}
    values = [float(finite_array(f"info[{k!r}]", value, [], name)) for k, value in found.items()]
    if len(set(values)) > 1:
        raise InputError(f"{name} has two total charges that differ: {found}; remove one")
    return values[0] if values else None
