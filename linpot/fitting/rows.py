"""Design rows of labelled structures; the only file of the room that knows atoms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from linpot.fitting.weights import Weights, composition, lowest_energies
from linpot.model.feature_engine import FeatureEngine
from linpot.model.pair_batch import pack
from linpot.structures.structure import Labels, Structure

Floats = NDArray[np.float64]


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
    """

    structure: int
    group: str
    name: str
    X: Floats
    y: Floats


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
        cls, engine: FeatureEngine, weights: Weights, structures: Sequence[Structure]
    ) -> RowBuilder:
        """Make a builder that knows the lowest energies of the data."""
        return cls(engine, weights, lowest_energies(list(structures)))

    def build(self, index: int, structure: Structure, target: Labels) -> list[RowBlock]:
        """
        Build the rows of one structure.

        Parameters
        ----------
        index : int
        structure : Structure
            Its own labels decide the weights.
        target : Labels
            What the linear part has to explain: labels less E0 and baselines.

        Returns
        -------
        list of RowBlock
            One per property present.
        """
        batch = pack([structure], self.engine.basis.elements, self.engine.cutoffs)
        rows = self.engine.design_rows(batch)[0]
        n_atoms = structure.n_atoms
        lowest = self.lowest.get(composition(structure), 0.0)
        factor = structure.weight * self.weights.energy_factor(structure, lowest)
        blocks = []
        if target.energy is not None:
            scale = factor / n_atoms
            blocks.append(("energy", rows[:1] * scale, np.array([target.energy * scale])))
        if target.forces is not None and structure.labels.forces is not None:
            scales = factor * self.weights.force_factors(structure.labels.forces)
            y = target.forces.ravel() * scales
            blocks.append(("forces", rows[7:] * scales[:, None], y))
        if target.stress is not None:
            scale = factor / n_atoms
            y = -target.stress * structure.volume * scale
            blocks.append(("stress", rows[1:7] * scale, y))
        return [RowBlock(index, structure.group, name, X, y) for name, X, y in blocks]


def stream_rows(
    builder: RowBuilder,
    structures: Sequence[Structure],
    targets: Sequence[Labels],
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
    targets : sequence of Labels
    threads : int
    progress : callable, optional
        Called with the number of structures done.

    Yields
    ------
    RowBlock
    """
    jobs = (
        delayed(builder.build)(index, structure, target)
        for index, (structure, target) in enumerate(zip(structures, targets, strict=True))
    )
    results = Parallel(
        n_jobs=threads, backend="threading", return_as="generator", pre_dispatch="2*n_jobs"
    )(jobs)
    for done, blocks in enumerate(results, start=1):
        yield from blocks
        if progress is not None:
            progress(done)
