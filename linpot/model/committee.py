"""Many sets of coefficients on one basis, evaluated in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.kernels.committee import evaluate_members
from linpot.model.energy_engine import Task
from linpot.model.linear_potential import LinearPotential
from linpot.model.packing import complete_lists, pack_listed
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import FULL, Prediction, plus
from linpot.model.protocol import BatchModel, EnergyModel
from linpot.model.sum import ModelSum, learned_part, with_learned_part
from linpot.parallel import run_tasks
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MemberPredictions:
    """
    What the members of a committee say about one structure.

    Attributes
    ----------
    energies : float64[n_members], eV
    forces : float64[n_members, n_atoms, 3] or None, eV/A
    virials : float64[n_members, 3, 3] or None, eV
        ``-dE/dstrain``.
    """

    energies: Floats
    forces: Floats | None = None
    virials: Floats | None = None

    def plus(self, other: Prediction) -> MemberPredictions:
        """Add what is the same for all members."""
        return MemberPredictions(
            self.energies + other.energy,
            plus(self.forces, other.forces),
            plus(self.virials, other.virial),
        )


@dataclass(frozen=True)
class Committee:
    """
    A potential and other sets of coefficients for its learned part.

    Attributes
    ----------
    potential : EnergyModel
        Its baseline is that of every member.
    coefficients : float64[n_members, n_features], eV
    """

    potential: EnergyModel
    coefficients: Floats

    def __post_init__(self) -> None:
        n = self.learned.basis.n_features
        own = checks.finite_array("coefficients", self.coefficients, [None, n])
        checks.integer("the number of members", len(own), low=1)
        object.__setattr__(self, "coefficients", own)

    def __len__(self) -> int:
        return len(self.coefficients)

    @property
    def learned(self) -> LinearPotential:
        """Learned part of the potential."""
        return learned_part(self.potential)

    @cached_property
    def _by_species(self) -> list[tuple[Floats, Floats]]:
        """Leaf weights and coefficients of every centre species."""
        columns = pairwise(self.learned.basis.feature_offsets)
        own = [np.ascontiguousarray(self.coefficients[:, a:b]) for a, b in columns]
        return list(zip(self.learned.engine.leaf_weights(own), own, strict=True))

    def member(self, index: int) -> EnergyModel:
        """Return one member as a potential of its own."""
        learned = self.learned.with_coefficients(self.coefficients[index])
        return with_learned_part(self.potential, learned)

    def predict(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> MemberPredictions:
        """
        Evaluate all members on one structure.

        Parameters
        ----------
        structure : Structure
        neighbors : Neighbors, optional
            As in `EnergyModel.predict`.
        forces : bool
            Whether forces and virials are wanted.
        threads : int
            Results do not depend on it.

        Returns
        -------
        MemberPredictions

        Raises
        ------
        InputError
            For an element that the potential does not know.
        """
        whole = self.potential if isinstance(self.potential, ModelSum) else self.learned
        parts = whole.parts if isinstance(whole, ModelSum) else (whole,)
        beside = [part for part in parts if part is not self.learned]
        lists = complete_lists([structure], whole.cutoff, [neighbors])
        batch = pack_listed([structure], whole.elements, whole.cutoffs, lists, threads=threads)
        over_pairs = [part for part in beside if isinstance(part, BatchModel)]
        work = [part.work_on(batch, forces=forces) for part in over_pairs]
        own, members = self._work_on(batch, forces=forces)
        tasks = [*own, *(task for one in work for task in one.tasks)]
        run_tasks(lambda task: task(), tasks, threads)
        rest = [one.result()[0] for one in work] + [
            part.predict(structure, lists[0], forces=forces, threads=threads)
            for part in beside
            if not isinstance(part, BatchModel)
        ]
        return reduce(MemberPredictions.plus, rest, members())

    def _work_on(
        self, batch: PairBatch, *, forces: bool
    ) -> tuple[list[Callable[[], None]], Callable[[], MemberPredictions]]:
        """Cut the learned parts into tasks; the second return value tells what they have found."""
        learned, engine = self.learned, self.learned.engine
        batch = batch.within(learned.elements, learned.cutoffs)
        n_members, layout = len(self), batch.blocks.layout
        tasks = engine.tasks(batch)
        energies = np.zeros((batch.n_atoms, n_members))
        all_forces = np.zeros((len(tasks), n_members, batch.n_atoms, 3)) if forces else None
        virials = np.zeros((n_members, batch.n_atoms if forces else 0, 6))

        def work(k: int, task: Task) -> None:
            species, first, last = task
            program = engine.programs[species]
            weights, coefficients = self._by_species[species]
            evaluate_members(
                first, last, layout, batch.pairs, program.arrays, program.leaves, weights,
                program.readout, coefficients, energies,
                None if all_forces is None else all_forces[k], virials,
            )  # fmt: skip

        def result() -> MemberPredictions:
            total = energies.sum(axis=0) + learned.one_body[batch.species].sum()
            if all_forces is None:
                return MemberPredictions(total)
            return MemberPredictions(total, all_forces.sum(axis=0), virials.sum(axis=1)[:, FULL])

        return [partial(work, k, task) for k, task in enumerate(tasks)], result
