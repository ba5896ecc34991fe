"""The one interface that everything obeys, learned or physical."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.model.charge_response import ChargeResponse
from linpot.model.packing import pack, species_indices
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import Prediction, Predictions, Work
from linpot.model.registry import class_of_kind
from linpot.parallel import run_tasks
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


class EnergyModel(ABC):
    """
    An energy as a function of a structure.

    Attributes
    ----------
    kind : str
        Name by which files find the class; see `linpot.model.registry`.
    can_be_scanned : bool
        Whether atoms at any distance have an energy, at a cost that scans of dimers may have.
    """

    kind: ClassVar[str]
    can_be_scanned: ClassVar[bool] = True

    @property
    def has_charges(self) -> bool:
        """Whether predictions have `charges` and, of molecules, `dipole` among their extras."""
        return False

    @property
    def continuity(self) -> int:
        """How many times energies are continuously differentiable, at cutoffs above all: 1 or 2."""
        return 2

    @property
    def part_name(self) -> str:
        """What results call this part of an energy: `kind`, or one word for several kinds."""
        return self.kind

    @property
    def part_names(self) -> tuple[str, ...]:
        """Keys of what `predict_parts` returns."""
        return (self.part_name,)

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
    ) -> Predictions:
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
        Predictions
        """
        given = neighbors or [None] * len(structures)
        return Predictions.of(
            [
                self.predict(structure, own, forces=forces, threads=threads)
                for structure, own in zip(structures, given, strict=True)
            ],
            [structure.n_atoms for structure in structures],
        )

    def for_trajectory(self) -> EnergyModel:
        """
        Return the model for the steps of one trajectory.

        Models that iterate may start where the last step ended; their results depend on it within
        their tolerance only.
        """
        return self

    def predict_parts(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> dict[str, Prediction]:
        """
        Evaluate the model part by part; see `predict`.

        Returns
        -------
        dict of part_name to Prediction
            They sum to what `predict` returns.
        """
        own = self.predict(structure, neighbors, forces=forces, threads=threads)
        return {self.part_name: own}

    def charge_response(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        threads: int = 1,
    ) -> ChargeResponse:
        """
        Return charges and how they follow moving atoms; see `predict`.

        Raises
        ------
        InputError
            If the model has no charges.
        """
        raise InputError(
            f"a model must have charges to have Born effective charges, got {self.kind}; fit with "
            "`charges`, or with a Coulomb baseline"
        )

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


class LinearModel(Protocol):
    """What a model offers whose energy is linear in its coefficients."""

    @property
    def coefficients(self) -> Floats:
        """float64[n_columns]."""

    def with_coefficients(self, coefficients: Floats) -> EnergyModel:
        """Return the model with other coefficients."""

    def design(self, structure: Structure) -> Floats:
        """
        Return the rows of a structure for a coefficient of 1 each.

        Returns
        -------
        float64[7 + 3 n_atoms, n_columns]
            Energy, virial xx yy zz yz xz xy, force components, per unit of the coefficient.
        """


class ManyAtOnce(EnergyModel):
    """A model that evaluates many structures in one go: one of them is the special case."""

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
    ) -> Predictions:
        """Evaluate many structures; see `EnergyModel.predict_many`."""


class BatchModel(ManyAtOnce):
    """A model whose own way is to evaluate many structures in one batch of pairs."""

    @property
    @abstractmethod
    def cutoffs(self) -> Floats:
        """Cutoff of each ordered pair of `elements`: float64[n_species, n_species], A."""

    @property
    def cutoff(self) -> float:
        """Largest cutoff, A."""
        return float(self.cutoffs.max())

    @abstractmethod
    def work_on(self, batch: PairBatch, *, forces: bool = True) -> Work:
        """
        Cut the evaluation of packed pairs into tasks.

        Parameters
        ----------
        batch : PairBatch
            Its elements are known to the model, its cutoffs not smaller than the model's.
        forces : bool

        Returns
        -------
        Work
        """

    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Predictions:
        """Evaluate many structures in one batch; see `EnergyModel.predict_many`."""
        batch = pack(structures, self.elements, self.cutoffs, neighbors, threads=threads)
        work = self.work_on(batch, forces=forces)
        run_tasks(lambda task: task(), work.tasks, threads)
        return work.result()
