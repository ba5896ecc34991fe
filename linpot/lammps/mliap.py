"""
A linpot model as LAMMPS' ``pair_style mliap unified``: pair vectors in, pair gradients out.

LAMMPS finds the pairs, on any number of processes; every process evaluates the atoms that it owns.
What it wants is ``dE/dr_ij`` of every pair, E being the energy of all centres: it adds that to atom
i and takes it from atom j, which may be a ghost, and tallies ``-r_ij (x) dE/dr_ij``. So each pair
gets a neighbor of its own here, and the force on that neighbor is what is wanted, with its sign
turned. Interface: `MLIAPUnified` in the Python module of LAMMPS.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError
from linpot.model.packing import CLOSEST
from linpot.model.pair_batch import PairBatch
from linpot.model.protocol import BatchModel, EnergyModel
from linpot.model.sum import ModelSum
from linpot.parallel import run_tasks

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class MliapModel:
    """
    What LAMMPS calls at every step; attributes and methods have the names that it asks for.

    Parameters
    ----------
    model : EnergyModel
        A learned or pair potential, or a sum of such.
    threads : int
        Of every process of LAMMPS. Results do not depend on it.

    Attributes
    ----------
    element_types : list of str
        What `pair_coeff` may name.
    rcutfac : float, A
        Half of the cutoff.
    ndescriptors, nparams : int
        Sizes of arrays that LAMMPS keeps and nobody uses.
    interface : object
        Set by LAMMPS.

    Raises
    ------
    InputError
        If the energy of the model is no sum over atoms of functions of their neighbors.

    Examples
    --------
    ::

        lammps.mliap.activate_mliappy(lmp)
        lammps.mliap.load_unified(linpot.MliapModel(linpot.load("my.linpot")))
        lmp.command("pair_style mliap unified EXISTS")
        lmp.command("pair_coeff * * Si")
    """

    def __init__(self, model: EnergyModel, *, threads: int = 1) -> None:
        parts = model.parts if isinstance(model, ModelSum) else (model,)
        for part in parts:
            if not isinstance(part, BatchModel):
                raise InputError(
                    "a model for `pair_style mliap` must be a sum over atoms of functions of their "
                    f"neighbors, got a part of kind {part.kind!r}; use `linpot.LammpsDriver`"
                )
        self.model = model
        self.threads = checks.integer("threads", threads, low=1)
        self.interface: Any = None
        self.element_types = list(model.elements)
        self.rcutfac = 0.5 * model.cutoff
        self.ndescriptors = 1
        self.nparams = 1
        self._parts = [part for part in parts if isinstance(part, BatchModel)]

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise InputError(
            "a model for `pair_style mliap` must be loaded in the process of LAMMPS "
            "(`lammps.mliap.load_unified`), not from a pickle; save the potential by `linpot.save`"
        )

    def compute_descriptors(self, data: Any) -> None:
        """Do nothing: `compute_forces` does all."""

    def compute_gradients(self, data: Any) -> None:
        """Do nothing: `compute_forces` does all."""

    def compute_forces(self, data: Any) -> None:
        """
        Evaluate the centres of this process.

        Parameters
        ----------
        data : MLIAPDataPy
            Of LAMMPS.

        Raises
        ------
        InputError
            If an atom has no element, two atoms are on top of each other, or the arrays lie on an
            accelerator.
        """
        n_centers = int(data.nlistatoms)
        if n_centers == 0:  # a process without atoms: LAMMPS' arrays may not be touched
            data.energy = 0.0
            return
        counts = np.asarray(data.numneighs)[:n_centers].astype(np.int64)
        used = int(counts.sum())  # pairs of ghosts may follow, if LAMMPS was asked for them
        species = _species(data.ielems, n_centers)
        others = _species(data.jelems, used) if used else np.empty(0, dtype=np.int64)
        vectors = data.rij[:used] if used else np.empty((0, 3))
        squares = np.einsum("pa,pa->p", vectors, vectors)
        if squares.min(initial=np.inf) < CLOSEST**2:
            raise InputError(
                f"atoms must be at least {CLOSEST} A apart, got {squares.min() ** 0.5:.3g} A"
            )
        energies, gradients = self.evaluate(species, counts, others, vectors)
        data.eatoms = energies
        data.energy = float(energies.sum())
        if used:
            unused = np.zeros((int(data.npairs) - used, 3))
            data.update_pair_forces(np.concatenate([gradients, unused]))

    def evaluate(
        self, species: Ints, counts: Ints, others: Ints, vectors: Floats
    ) -> tuple[Floats, Floats]:
        """
        Evaluate centres from their pair vectors.

        Parameters
        ----------
        species : int64[n_centers]
            Indices into `element_types`.
        counts : int64[n_centers]
            Pairs of every centre, which follow each other.
        others : int64[n_pairs]
            Species of the neighbors.
        vectors : float64[n_pairs, 3], A
            From centre to neighbor; those beyond the cutoff of the pair count nothing.

        Returns
        -------
        energies : float64[n_centers], eV
        gradients : float64[n_pairs, 3], eV/A
            Derivative of the energy of all centres by each vector.
        """
        n_centers, n_pairs = len(species), len(others)
        n_species = len(self.element_types)
        centers = np.repeat(np.arange(n_centers), counts)
        order = np.lexsort((others, centers))
        by_species = np.bincount(centers * n_species + others, minlength=n_centers * n_species)
        batch = PairBatch(
            elements=tuple(self.element_types),
            cutoffs=np.full(
                (n_species, n_species), np.inf
            ),  # each part takes what is inside its own
            species=np.concatenate([species, others]),
            structure=np.zeros(n_centers + n_pairs, dtype=np.int64),
            first_atoms=np.array([0, n_centers + n_pairs]),
            starts=np.cumsum(counts) - counts,
            counts=by_species.reshape(n_centers, n_species),
            neighbors=n_centers + order,
            vectors=np.ascontiguousarray(np.asarray(vectors, dtype=np.float64)[order]),
        )
        work = [part.work_on(batch) for part in self._parts]
        run_tasks(lambda task: task(), [task for own in work for task in own.tasks], self.threads)
        energies, gradients = np.zeros(n_centers), np.zeros((n_pairs, 3))
        for own in work:
            result = own.result()
            assert result.atomic_energies is not None
            assert result.forces is not None
            energies += result.atomic_energies[:n_centers]
            gradients -= result.forces[n_centers:]
        return energies, gradients


def _species(elements: Any, n: int) -> Ints:
    """Return indices of elements that LAMMPS gives, checked."""
    if not isinstance(elements, np.ndarray):
        raise InputError(
            "pairs of LAMMPS must be in the memory of the processor, got "
            f"{type(elements).__name__}; run `mliap` without Kokkos, or export the potential for "
            "`pair_style pace`"
        )
    species = elements[:n].astype(np.int64)
    if species.min() < 0:
        raise InputError("every atom type must have an element in `pair_coeff`, got NULL")
    return species
