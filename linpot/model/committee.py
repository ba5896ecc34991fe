"""Many sets of coefficients on one basis, evaluated in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.kernels.committee import evaluate_members
from linpot.model.energy_engine import Task
from linpot.model.linear_potential import LinearPotential
from linpot.model.packing import pack
from linpot.model.prediction import FULL, plus
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part, with_learned_part, without_learned_part
from linpot.parallel import run_tasks
from linpot.structures.neighbors import Neighbors, find_neighbors
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
        neighbors = neighbors or find_neighbors(structure, self.potential.cutoff)
        members = self._members(structure, neighbors, forces=forces, threads=threads)
        baseline = without_learned_part(self.potential)
        if baseline is None:
            return members
        rest = baseline.predict(structure, neighbors, forces=forces, threads=threads)
        return MemberPredictions(
            members.energies + rest.energy,
            plus(members.forces, rest.forces),
            plus(members.virials, rest.virial),
        )

    def _members(
        self, structure: Structure, neighbors: Neighbors, *, forces: bool, threads: int
    ) -> MemberPredictions:
        learned, engine = self.learned, self.learned.engine
        batch = pack([structure], learned.elements, learned.cutoffs, [neighbors], threads=threads)
        n_members, layout = len(self), batch.blocks.layout
        tasks = engine.tasks(batch)
        energies = np.zeros((batch.n_atoms, n_members))
        all_forces = np.zeros((len(tasks), n_members, batch.n_atoms, 3)) if forces else None
        virials = np.zeros((n_members, batch.n_atoms if forces else 0, 6))

        def work(job: tuple[int, Task]) -> None:
            k, (species, first, last) = job
            program = engine.programs[species]
            weights, coefficients = self._by_species[species]
            evaluate_members(
                first, last, layout, batch.pairs, program.arrays, program.leaves, weights,
                program.readout, coefficients, energies,
                None if all_forces is None else all_forces[k], virials,
            )  # fmt: skip

        run_tasks(work, enumerate(tasks), threads)
        one_body = learned.one_body[batch.species].sum()
        total = energies.sum(axis=0) + one_body
        if all_forces is None:
            return MemberPredictions(total)
        return MemberPredictions(total, all_forces.sum(axis=0), virials.sum(axis=1)[:, FULL])
