"""Design rows of labelled structures; the only file of the room that knows atoms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.fitting.weights import Weights, composition, lowest_energies
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.parallel import map_in_order
from linpot.structures.batches import batches_of_atoms
from linpot.structures.structure import Labels, Structure

Floats = NDArray[np.float64]
Observation = tuple[int, Structure, Labels]
TargetRule = Callable[[Sequence[Structure]], Sequence[Labels]]
"""What the linear part has to explain of some structures."""

BATCH = 48
"""Atoms whose rows are built together at least: six full blocks of lanes."""


@dataclass(frozen=True)
class RowBlock:
    """
    Rows of one property of one structure.

    Attributes
    ----------
    structure : int
        Index in the data.
    group : str
    name : str
        "energy" (per atom, eV), "forces" (eV/A) or "stress" (virial per atom, eV).
    X : float64[n_rows, n_features]
        Multiplied by the weights that differ inside a group.
    y : float64[n_rows]
    one_body : float64[n_rows, n_elements]
        Atoms of each element per atom, weighted alike; zero for forces and stresses.
    """

    structure: int
    group: str
    name: str
    X: Floats
    y: Floats
    one_body: Floats

    @property
    def rows(self) -> Floats:
        """``[X one_body y]``: what factors are made of."""
        return np.column_stack([self.X, self.one_body, self.y])


@dataclass(frozen=True)
class RowBuilder:
    """
    Turns labelled structures into rows.

    Attributes
    ----------
    engine : FeatureEngine
    weights : Weights
        Only what differs inside a group is used here.
    lowest : mapping of composition to float, eV
        For the energy window.
    """

    engine: FeatureEngine
    weights: Weights
    lowest: Mapping[tuple[tuple[int, int], ...], float]

    @classmethod
    def for_data(
        cls, engine: FeatureEngine, weights: Weights, structures: Iterable[Structure]
    ) -> RowBuilder:
        """Make a builder that knows the lowest energies of the data."""
        return cls(engine, weights, lowest_energies(structures))

    def build(self, observations: Sequence[Observation]) -> list[RowBlock]:
        """
        Build the rows of some structures, which share the lanes of the engine.

        Parameters
        ----------
        observations : sequence of (index, structure, target)
            The structure's own labels decide the weights; the target is what the linear part has
            to explain: labels less E0 and baselines.

        Returns
        -------
        list of RowBlock
            One per structure and property present.
        """
        structures = [structure for _, structure, _ in observations]
        batch = pack(structures, self.engine.basis.elements, self.engine.cutoffs)
        blocks = []
        for (index, structure, target), rows in zip(
            observations, self.engine.design_rows(batch), strict=True
        ):
            blocks += self.weighted(index, structure, target, rows)
        return blocks

    def weighted(
        self, index: int, structure: Structure, target: Labels, rows: Floats
    ) -> list[RowBlock]:
        """
        Scale rows so that residuals of different cells compare, and by weights inside groups.

        Parameters
        ----------
        index, structure, target
            See `build`.
        rows : float64[7 + 3 n_atoms, n_columns]
            Energy, virial and forces for a coefficient of 1 each; see `FeatureEngine.design_rows`.

        Returns
        -------
        list of RowBlock
        """
        group, n_atoms = structure.group, structure.n_atoms
        lowest = self.lowest.get(composition(structure), 0.0)
        factor = structure.weight * self.weights.energy_factor(structure, lowest)
        numbers = self.engine.basis.specification.numbers
        counts = np.array([[np.count_nonzero(structure.numbers == z) for z in numbers]], float)
        blocks = []
        if target.energy is not None:
            scale = factor / n_atoms
            y = np.array([target.energy * scale])
            blocks.append(RowBlock(index, group, "energy", rows[:1] * scale, y, counts * scale))
        if target.forces is not None and structure.labels.forces is not None:
            scales = factor * self.weights.force_factors(structure.labels.forces)
            y = target.forces.ravel() * scales
            none = np.zeros((len(y), len(numbers)))
            blocks.append(RowBlock(index, group, "forces", rows[7:] * scales[:, None], y, none))
        if target.stress is not None:
            scale = factor / n_atoms
            y = -target.stress * structure.volume * scale
            none = np.zeros((len(y), len(numbers)))
            blocks.append(RowBlock(index, group, "stress", rows[1:7] * scale, y, none))
        return blocks


def stream_rows(
    builder: RowBuilder,
    structures: Sequence[Structure],
    targets: TargetRule,
    *,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Iterator[RowBlock]:
    """
    Yield the rows of all structures in their order; only a few structures are held at a time.

    Parameters
    ----------
    builder : RowBuilder
    structures : sequence of Structure
    targets : callable
        From some structures to their targets.
    threads : int
    progress : callable, optional
        Called with the number of structures done.

    Yields
    ------
    RowBlock
    """

    def build(batch: tuple[int, list[Structure]]) -> list[RowBlock]:
        first, members = batch
        places = range(first, first + len(members))
        return builder.build(list(zip(places, members, targets(members), strict=True)))

    batches = _numbered(batches_of_atoms(structures, BATCH))
    done = 0
    for blocks in map_in_order(build, batches, threads):
        yield from blocks
        done = max([done, *(block.structure + 1 for block in blocks)])
        if progress is not None:
            progress(done)


def _numbered(batches: Iterable[list[Structure]]) -> Iterator[tuple[int, list[Structure]]]:
    """Give every batch the place of its first structure."""
    first = 0
    for batch in batches:
        yield first, batch
        first += len(batch)
