"""Sums of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.errors import FileFormatError, InputError
from linpot.model.charge_response import ChargeResponse
from linpot.model.linear_potential import LinearPotential
from linpot.model.packing import complete_lists, pack_listed
from linpot.model.prediction import Prediction, Predictions
from linpot.model.protocol import BatchModel, EnergyModel, ManyAtOnce
from linpot.model.registry import class_of_kind, register_model
from linpot.parallel import run_tasks
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


@register_model
@dataclass(frozen=True)
class ModelSum(ManyAtOnce):
    """
    The sum of several models, evaluated on one neighbor list.

    Attributes
    ----------
    parts : tuple of EnergyModel
        Two or more; none of them a sum itself.
    """

    parts: tuple[EnergyModel, ...]
    kind = "sum"

    def __post_init__(self) -> None:
        if not self.elements:
            raise InputError("the parts of a sum must share at least one element")

    @classmethod
    def of(cls, *models: EnergyModel) -> ModelSum:
        """Return the sum, sums among the models opened up."""
        parts: list[EnergyModel] = []
        for model in models:
            parts.extend(model.parts if isinstance(model, ModelSum) else [model])
        return cls(tuple(parts))

    @property
    def cutoff(self) -> float:
        """Largest cutoff of the parts, A."""
        return max(part.cutoff for part in self.parts)

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Elements that all parts know."""
        shared = set.intersection(*(set(part.elements) for part in self.parts))
        return tuple(s for s in self.parts[0].elements if s in shared)

    @property
    def continuity(self) -> int:
        """That of the roughest part."""
        return min(part.continuity for part in self.parts)

    @property
    def has_charges(self) -> bool:
        """Whether a part has charges."""
        return any(part.has_charges for part in self.parts)

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the parts, each once."""
        return tuple(dict.fromkeys(part.part_name for part in self.parts))

    @cached_property
    def cutoffs(self) -> Floats:
        """Largest cutoff of the parts that go over pairs, by pair of species, A."""
        cutoffs = np.zeros((len(self.elements), len(self.elements)))
        for part in self._over_pairs:
            rows = [part.elements.index(e) for e in self.elements]
            cutoffs = np.maximum(cutoffs, part.cutoffs[np.ix_(rows, rows)])
        return cutoffs

    @cached_property
    def _over_pairs(self) -> list[BatchModel]:
        return [part for part in self.parts if isinstance(part, BatchModel)]

    def for_trajectory(self) -> ModelSum:
        """Return the sum for the steps of one trajectory; see `EnergyModel.for_trajectory`."""
        return ModelSum(tuple(part.for_trajectory() for part in self.parts))

    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Predictions:
        """Evaluate all parts on one set of packed pairs; see `EnergyModel.predict_many`."""
        by_part = self._by_part(structures, neighbors, forces, threads)
        return reduce(Predictions.plus, (own for _, own in by_part))

    def predict_parts(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> dict[str, Prediction]:
        """Evaluate all parts; parts of one name are added up. See `EnergyModel.predict_parts`."""
        named: dict[str, Predictions] = {}
        for part, own in self._by_part([structure], [neighbors], forces, threads):
            name = part.part_name
            named[name] = named[name].plus(own) if name in named else own
        return {name: own[0] for name, own in named.items()}

    def charge_response(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        threads: int = 1,
    ) -> ChargeResponse:
        """Return that of the part whose charges are among the extras of predictions."""
        for part in reversed(self.parts):
            if part.has_charges:
                return part.charge_response(structure, neighbors, threads=threads)
        return super().charge_response(structure, neighbors, threads=threads)

    def _by_part(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None,
        forces: bool,
        threads: int,
    ) -> list[tuple[EnergyModel, Predictions]]:
        """Evaluate every part, those over pairs first."""
        lists = complete_lists(structures, self.cutoff, neighbors)
        work = []
        if self._over_pairs:
            batch = pack_listed(structures, self.elements, self.cutoffs, lists, threads=threads)
            work = [part.work_on(batch, forces=forces) for part in self._over_pairs]
        tasks = [task for own in work for task in own.tasks]
        run_tasks(lambda task: task(), tasks, threads)
        results: list[tuple[EnergyModel, Predictions]] = [
            (part, own.result()) for part, own in zip(self._over_pairs, work, strict=True)
        ]
        return results + [
            (part, part.predict_many(structures, lists, forces=forces, threads=threads))
            for part in self.parts
            if not isinstance(part, BatchModel)
        ]

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return the states of the parts, their arrays under ``<index>/``."""
        headers, arrays = [], {}
        for index, part in enumerate(self.parts):
            header, own = part.to_state()
            headers.append({"kind": part.kind, **header})
            arrays.update({f"{index}/{name}": array for name, array in own.items()})
        return {"parts": headers}, arrays

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> ModelSum:
        """Rebuild the parts through the registry."""
        parts = []
        for index, own in enumerate(header["parts"]):
            if own["kind"] == cls.kind:
                raise FileFormatError("a sum inside a sum is not written by linpot")
            prefix = f"{index}/"
            mine = {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
            parts.append(class_of_kind(own["kind"]).from_state(own, mine))
        return cls(tuple(parts))


def learned_part(model: EnergyModel) -> LinearPotential:
    """
    Return the learned part of a potential.

    Raises
    ------
    InputError
        If there is none, or more than one.
    """
    parts: Sequence[EnergyModel] = model.parts if isinstance(model, ModelSum) else [model]
    learned = [part for part in parts if isinstance(part, LinearPotential)]
    if len(learned) != 1:
        raise InputError(f"a model with one learned part is needed, got {len(learned)}")
    return learned[0]


def without_unscannable(model: EnergyModel) -> tuple[EnergyModel, tuple[str, ...]]:
    """Return a potential without parts that scans leave out, and the names of these parts."""
    parts = model.parts if isinstance(model, ModelSum) else (model,)
    kept = tuple(part for part in parts if part.can_be_scanned)
    if len(kept) == len(parts) or not kept:
        return model, ()
    names = tuple(part.part_name for part in parts if not part.can_be_scanned)
    return kept[0] if len(kept) == 1 else ModelSum(kept), names


def with_learned_part(model: EnergyModel, learned: LinearPotential) -> EnergyModel:
    """
    Return a potential with another learned part.

    Raises
    ------
    InputError
        If there is none, or more than one.
    """
    old = learned_part(model)
    if not isinstance(model, ModelSum):
        return learned
    return ModelSum(tuple(learned if part is old else part for part in model.parts))


def without_learned_part(model: EnergyModel) -> EnergyModel | None:
    """
    Return what a potential has beside its learned part, or None where that is all.

    Raises
    ------
    InputError
        If there is no learned part, or more than one.
    """
    learned = learned_part(model)
    if not isinstance(model, ModelSum):
        return None
    rest = [part for part in model.parts if part is not learned]
    return rest[0] if len(rest) == 1 else ModelSum(tuple(rest))
