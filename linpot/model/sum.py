"""Sums of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from linpot.errors import FileFormatError, InputError
from linpot.model.protocol import BatchModel, EnergyModel, Prediction
from linpot.model.registry import class_of_kind, register_model
from linpot.structures.neighbors import Neighbors, find_neighbors
from linpot.structures.structure import Structure


@register_model
@dataclass(frozen=True)
class ModelSum(BatchModel):
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

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements that all parts know."""
        shared = set.intersection(*(set(part.elements) for part in self.parts))
        return tuple(s for s in self.parts[0].elements if s in shared)

    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> list[Prediction]:
        """Evaluate all parts on one set of neighbor lists; see `EnergyModel.predict_many`."""
        lists = [
            find_neighbors(structure, self.cutoff) if given is None else given
            for structure, given in zip(
                structures, neighbors or [None] * len(structures), strict=True
            )
        ]
        by_part = [
            part.predict_many(structures, lists, forces=forces, threads=threads)
            for part in self.parts
        ]
        return [_sum(predictions) for predictions in zip(*by_part, strict=True)]

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


def _sum(predictions: Sequence[Prediction]) -> Prediction:
    return Prediction(
        energy=sum(p.energy for p in predictions),
        forces=_add([p.forces for p in predictions]),
        virial=_add([p.virial for p in predictions]),
        atomic_energies=_add([p.atomic_energies for p in predictions]),
        extras={name: value for p in predictions for name, value in p.extras.items()},
    )


def _add(values: list[NDArray | None]) -> NDArray | None:
    total: NDArray | None = None
    for value in values:
        if value is None:
            return None
        total = value if total is None else total + value
    return total
