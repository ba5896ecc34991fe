"""
The extrapolation grade: how far an atom's environment lies outside the training data.

With A the active rows of its element, ``gamma = max_k |(b A^-1)_k|`` for features b: the energy of
the atom is a combination of energies of training atoms with no coefficient beyond gamma.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from linpot.checks import finite_array
from linpot.errors import ConvergenceError, FileFormatError, InputError
from linpot.model.feature_engine import FeatureEngine
from linpot.model.linear_potential import LinearPotential
from linpot.model.packing import pack
from linpot.structures.batches import batches_of_atoms
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure
from linpot.uncertainty.maxvol import ActiveRows, RowCoordinates

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CHUNK = 2000
"""Atoms whose features are held at a time."""
MOST_PASSES = 100


@dataclass(frozen=True)
class ActiveSet:
    """
    The active rows of every element of a basis.

    Attributes
    ----------
    rows : tuple of float64[n_features, n_features]
        One matrix per element.
    sources : tuple of int64[n_features, 2]
        Structure and atom of every row; -1 for directions that the data do not have.

    References
    ----------
    Podryabinkin and Shapeev, Comput. Mater. Sci. 140, 171 (2017); Lysogorskiy et al.,
    Phys. Rev. Mater. 7, 043801 (2023).
    """

    rows: tuple[Floats, ...]
    sources: tuple[Ints, ...]

    @cached_property
    def _coordinates(self) -> list[RowCoordinates]:
        return [RowCoordinates(rows) for rows in self.rows]

    def grades(
        self,
        engine: FeatureEngine,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        threads: int = 1,
    ) -> Floats:
        """
        Return the extrapolation grade of every atom: float64[n_atoms].

        An atom without neighbors has no features and the grade 0: its energy is E0.

        Parameters
        ----------
        engine : FeatureEngine
            Of the basis that the rows belong to.
        structure : Structure
        neighbors : Neighbors, optional
            Found if not given.
        threads : int
            Results do not depend on it.

        Returns
        -------
        float64[n_atoms]

        Raises
        ------
        InputError
            If the rows belong to another basis, or an element is unknown.
        """
        counts = [p.n_features for p in engine.basis.programs]
        if [len(rows) for rows in self.rows] != counts:
            raise InputError(
                f"the active set must belong to the basis of {counts} functions, "
                f"got {[len(rows) for rows in self.rows]}"
            )
        batch = pack([structure], engine.basis.elements, engine.cutoffs, [neighbors])
        grades = np.zeros(structure.n_atoms)
        by_species = engine.features_by_species(batch, threads=threads)
        for coordinates, (own, features) in zip(self._coordinates, by_species, strict=True):
            grades[own] = coordinates.largest(features, threads=threads)
        return grades

    def to_arrays(self) -> dict[str, NDArray]:
        """Return what a file keeps."""
        arrays: dict[str, NDArray] = {}
        for z, (rows, sources) in enumerate(zip(self.rows, self.sources, strict=True)):
            arrays[f"active/{z}/rows"] = rows
            arrays[f"active/{z}/sources"] = sources
        return arrays

    @classmethod
    def of(cls, learned: LinearPotential) -> ActiveSet:
        """Read the active set that is attached to a potential; see `from_arrays`."""
        return cls.from_arrays(learned.engine, learned.attachments)

    @staticmethod
    def is_in(learned: LinearPotential) -> bool:
        """Return whether an active set is attached to a potential."""
        return "active/0/rows" in learned.attachments

    @classmethod
    def from_arrays(cls, engine: FeatureEngine, arrays: Mapping[str, NDArray]) -> ActiveSet:
        """
        Read what `to_arrays` returned.

        Raises
        ------
        InputError
            If there is no active set among the arrays.
        FileFormatError
            If it does not fit the basis.
        """
        if "active/0/rows" not in arrays:
            raise InputError(
                "the potential has no active set for extrapolation grades; make one with "
                "`linpot.with_active_set` or `linpot fit --active-set`"
            )
        rows, sources = [], []
        for z, program in enumerate(engine.basis.programs):
            n = program.n_features
            try:
                own = arrays[f"active/{z}/rows"], arrays[f"active/{z}/sources"]
                rows.append(finite_array("active rows", own[0], [n, n]))
            except (KeyError, InputError) as error:
                raise FileFormatError(f"the active set does not fit the basis: {error}") from error
            if own[1].shape != (n, 2) or own[1].dtype.kind != "i":
                raise FileFormatError(
                    f"`sources` of the active set must be whole numbers [{n}, 2], "
                    f"got {own[1].dtype} {list(own[1].shape)}"
                )
            sizes = np.abs(rows[-1]).max(axis=0)
            if not sizes.all() or np.linalg.matrix_rank(rows[-1] / sizes) < n:
                raise FileFormatError("the active rows must be independent")
            sources.append(own[1].astype(np.int64))
        return cls(tuple(rows), tuple(sources))


def find_active_set(
    engine: FeatureEngine,
    structures: Sequence[Structure],
    *,
    tolerance: float = 1.01,
    threads: int = 1,
) -> ActiveSet:
    """
    Choose the active rows of every element by MaxVol, in passes over the structures.

    Parameters
    ----------
    engine : FeatureEngine
    structures : sequence of Structure
    tolerance : float
        No atom of these structures has a larger grade.
    threads : int

    Returns
    -------
    ActiveSet

    Raises
    ------
    InputError
        If the tolerance is not above 1.
    ConvergenceError
        If the passes do not end.
    """
    if not tolerance > 1.0:
        raise InputError(f"`tolerance` must be above 1, got {tolerance}")
    counts = [p.n_features for p in engine.basis.programs]
    squares = [np.zeros(n) for n in counts]
    atoms = np.zeros(len(counts))
    for z, rows, _ in _chunks(engine, structures, threads):
        squares[z] += (rows**2).sum(axis=0)
        atoms[z] += len(rows)
    active = [
        ActiveRows(np.sqrt(s / max(n, 1.0)), tolerance=tolerance)
        for s, n in zip(squares, atoms, strict=True)
    ]
    swaps = 0
    for _ in range(MOST_PASSES):
        chunks = _chunks(engine, structures, threads)
        swaps = sum(active[z].offer(rows, sources) for z, rows, sources in chunks)
        if not swaps:
            return ActiveSet(tuple(a.rows for a in active), tuple(a.sources for a in active))
    raise ConvergenceError("the choice of active rows", iterations=MOST_PASSES, residual=swaps)


def _chunks(
    engine: FeatureEngine, structures: Sequence[Structure], threads: int
) -> Iterator[tuple[int, Floats, Ints]]:
    """Yield element, features and (structure, atom) of the atoms of a few structures at a time."""
    first = 0
    for chosen in batches_of_atoms(structures, CHUNK):
        batch = pack(chosen, engine.basis.elements, engine.cutoffs)
        inside = np.arange(batch.n_atoms) - batch.first_atoms[batch.structure]
        sources = np.column_stack([batch.structure + first, inside])
        for z, (own, rows) in enumerate(engine.features_by_species(batch, threads=threads)):
            if len(own):
                yield z, rows, sources[own]
        first += len(chosen)
