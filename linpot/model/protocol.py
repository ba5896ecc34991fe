"""The one interface that everything obeys, learned or physical."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.model.registry import class_of_kind
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


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
    extras : mapping of str to arrays
        Whatever else a model offers ("charges", ...).
    """

    energy: float
    forces: Floats | None = None
    virial: Floats | None = None
    atomic_energies: Floats | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)

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
        return -self.virial.ravel()[[0, 4, 8, 5, 2, 1]] / structure.volume


class EnergyModel(ABC):
    """
    An energy as a function of a structure.

    Attributes
    ----------
    kind : str
        Name by which files find the class; see `linpot.model.registry`.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def cutoff(self) -> float:
        """Radius up to which neighbor pairs are needed, A; 0 for models without."""

    @property
    @abstractmethod
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols that the model knows."""

    @abstractmethod
    def predict(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Prediction:
        """
        Evaluate the model.

        Parameters
        ----------
        structure : Structure
        neighbors : Neighbors, optional
            Pairs up to at least `cutoff`, made for this structure before atoms moved less than the
            skin; found afresh if not given.
        forces : bool
            Whether forces and virial are wanted.
        threads : int
            Results do not depend on it.

        Returns
        -------
        Prediction

        Raises
        ------
        InputError
            For an element that the model does not know.
        """

    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> list[Prediction]:
        """
        Evaluate the model on many structures; models that can do so put them into one batch.

        Parameters
        ----------
        structures : sequence of Structure
        neighbors : sequence of Neighbors or None, optional
            One per structure.
        forces, threads
            As in `predict`.

        Returns
        -------
        list of Prediction
        """
        given = neighbors or [None] * len(structures)
        return [
            self.predict(structure, own, forces=forces, threads=threads)
            for structure, own in zip(structures, given, strict=True)
        ]

    @abstractmethod
    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return plain values and arrays from which `from_state` rebuilds the model."""

    @classmethod
    @abstractmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> EnergyModel:
        """Rebuild a model from what `to_state` returned."""

    def __add__(self, other: EnergyModel) -> EnergyModel:
        """Return the sum of two models."""
        # a sum is itself a model and stands above this file: the registry knows it
        total: EnergyModel = class_of_kind("sum").of(self, other)
        return total

    def species_of(self, structure: Structure) -> NDArray[np.int64]:
        """
        Return the index into `elements` of every atom: int64[n_atoms].

        Raises
        ------
        InputError
            Naming the first unknown element.
        """
        return species_indices(structure, self.elements)


class BatchModel(EnergyModel):
    """A model whose own way is to evaluate many structures in one batch."""

    def predict(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Prediction:
        """Evaluate one structure; see `EnergyModel.predict`."""
        return self.predict_many([structure], [neighbors], forces=forces, threads=threads)[0]

    @abstractmethod
    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> list[Prediction]:
        """Evaluate many structures; see `EnergyModel.predict_many`."""


def species_indices(structure: Structure, elements: tuple[str, ...]) -> NDArray[np.int64]:
    """
    Return the index into `elements` of every atom: int64[n_atoms].

    Raises
    ------
    InputError
        Naming the first element that is not among them.
    """
    known = np.full(len(chemical_symbols) + 1, -1, dtype=np.int64)
    for index, symbol in enumerate(elements):
        known[atomic_numbers[symbol]] = index
    species = known[np.clip(structure.numbers, 0, len(chemical_symbols))]
    if species.min() < 0:
        atom = int(np.argmin(species))
        symbol = chemical_symbols[int(structure.numbers[atom])]
        raise InputError(
            f"element {symbol!r} (atom {atom} of {structure.name}) is not in this potential "
            f"(elements: {', '.join(elements)}); refit with data that hold {symbol}"
        )
    return species
