"""The features of a pool of structures, gone over as often as needed in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Structures = Callable[[], Iterator[Structure]]
"""Begins a new pass over the pool."""

CHUNK = 512
"""Atoms whose features are evaluated together, or those of one structure."""


@dataclass
class StructureRows:
    """
    Features of the atoms of one structure, by centre species.

    Attributes
    ----------
    index : int
        In the pool.
    name : str
    n_atoms : int
    atoms : tuple of int64[n_own]
    rows : tuple of float64[n_own, n_features]
    memo : object
        What a criterion remembers of these rows between two looks.
    """

    index: int
    name: str
    n_atoms: int
    atoms: tuple[Ints, ...]
    rows: tuple[Floats, ...]
    memo: object = field(default=None, repr=False)

    @property
    def n_bytes(self) -> int:
        """Memory of the rows."""
        return sum(a.nbytes + r.nbytes for a, r in zip(self.atoms, self.rows, strict=True))

    def per_atom(self, values: list[Floats]) -> Floats:
        """Put values of the atoms of each species into the order of the structure."""
        joined = np.empty(self.n_atoms)
        for own, of_species in zip(self.atoms, values, strict=True):
            joined[own] = of_species
        return joined


@dataclass(frozen=True)
class Survey:
    """
    What a pool holds.

    Attributes
    ----------
    n_structures : int
    n_atoms : int64[n_species]
    sums : tuple of float64[n_features]
        Of the features of the atoms of each species.
    grams : tuple of float64[n_features, n_features]
        ``sum b^T b`` over their rows.
    """

    n_structures: int
    n_atoms: Ints
    sums: tuple[Floats, ...]
    grams: tuple[Floats, ...]

    @property
    def sizes(self) -> list[Floats]:
        """Root mean square of every column, 1 where a column is empty: list of float64[n]."""
        sizes = []
        for n, gram in zip(self.n_atoms, self.grams, strict=True):
            own = np.sqrt(np.diag(gram) / max(int(n), 1))
            sizes.append(np.where(own > 0.0, own, 1.0))
        return sizes


class RowStream:
    """
    Goes over a pool; what fits into the budget is kept, so that it is evaluated only once.

    Parameters
    ----------
    engine : FeatureEngine
    structures : callable
        Begins a new pass.
    budget : int
        Bytes of rows that may be held.
    threads : int
        Results do not depend on it.

    Attributes
    ----------
    budget : int
    n_passes : int
        How often the structures were read.
    largest : int
        The most bytes of rows that were held.
    """

    def __init__(
        self, engine: FeatureEngine, structures: Structures, *, budget: int, threads: int = 1
    ) -> None:
        self._engine = engine
        self._structures = structures
        self._threads = threads
        self._kept: list[StructureRows] | None = None
        self._n_structures = 0
        self.budget = budget
        self.n_passes = 0
        self.largest = 0

    @property
    def is_kept(self) -> bool:
        """Whether the whole pool fits into the budget; known after the survey."""
        return self._kept is not None

    def survey(self, progress: Callable[[int], None] | None = None) -> Survey:
        """
        Go over the pool for the first time.

        Parameters
        ----------
        progress : callable, optional
            Called with the number of structures done.

        Returns
        -------
        Survey

        Raises
        ------
        InputError
            For elements that the basis does not know, and structures that are in the pool twice.
        """
        counts = [p.n_features for p in self._engine.basis.programs]
        n_atoms = np.zeros(len(counts), dtype=np.int64)
        sums = [np.zeros(n) for n in counts]
        grams = [np.zeros((n, n)) for n in counts]
        kept: list[StructureRows] | None = []
        n_bytes = 0
        for rows in self._evaluated(None, _refuse_duplicates(self._structures())):
            for z, own in enumerate(rows.rows):
                n_atoms[z] += len(own)
                sums[z] += own.sum(axis=0)
                grams[z] += own.T @ own
            self._n_structures += 1
            n_bytes += rows.n_bytes
            if kept is not None:
                kept.append(rows)
                self.hold(n_bytes)
                if n_bytes > self.budget:
                    kept = None
            if progress is not None:
                progress(self._n_structures)
        self._kept = kept
        return Survey(self._n_structures, n_atoms, tuple(sums), tuple(grams))

    def rows(self, wanted: Callable[[int], bool]) -> Iterator[StructureRows]:
        """
        Go over the pool again.

        Parameters
        ----------
        wanted : callable
            Says for the index of a structure, when its turn comes, whether its rows are needed.

        Yields
        ------
        StructureRows

        Raises
        ------
        InputError
            If the number of structures has changed.
        """
        if self._kept is not None:
            yield from (rows for rows in self._kept if wanted(rows.index))
            return
        seen = 0

        def counted() -> Iterator[Structure]:
            nonlocal seen
            for structure in self._structures():
                seen += 1
                yield structure

        yield from self._evaluated(wanted, counted())
        if seen != self._n_structures:
            raise InputError(
                f"`pool` must not change while it is read, got {self._n_structures} structures "
                f"and then {seen}"
            )

    def hold(self, n_bytes: int) -> None:
        """Note how many bytes of rows are held."""
        self.largest = max(self.largest, n_bytes)

    def _evaluated(
        self, wanted: Callable[[int], bool] | None, structures: Iterator[Structure]
    ) -> Iterator[StructureRows]:
        self.n_passes += 1
        chosen: list[tuple[int, Structure]] = []
        n_atoms = 0
        for index, structure in enumerate(structures):
            if wanted is None or wanted(index):
                chosen.append((index, structure))
                n_atoms += structure.n_atoms
            if n_atoms >= CHUNK:
                yield from self._rows_of(chosen)
                chosen, n_atoms = [], 0
        if chosen:
            yield from self._rows_of(chosen)

    def _rows_of(self, chosen: list[tuple[int, Structure]]) -> Iterator[StructureRows]:
        engine = self._engine
        batch = pack([s for _, s in chosen], engine.basis.elements, engine.cutoffs)
        by_species = engine.features_by_species(batch, threads=self._threads)
        for k, (index, structure) in enumerate(chosen):
            first, last = batch.first_atoms[k], batch.first_atoms[k + 1]
            atoms, rows = [], []
            for own, features in by_species:
                a, b = np.searchsorted(own, (first, last))
                atoms.append(own[a:b] - first)
                rows.append(features[a:b].copy())
            yield StructureRows(index, structure.name, structure.n_atoms, tuple(atoms), tuple(rows))


def _refuse_duplicates(structures: Iterator[Structure]) -> Iterator[Structure]:
    """Pass structures on; sixteen bytes of each are remembered."""
    seen: dict[bytes, int] = {}
    for index, structure in enumerate(structures):
        digest = hashlib.blake2b(digest_size=16)
        for array in (structure.numbers, structure.positions, structure.cell):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(bytes(structure.pbc))
        first = seen.setdefault(digest.digest(), index)
        if first != index:
            raise InputError(
                f"`pool` must hold every structure once, got structure {first} again as "
                f"{structure.name}; remove one of them"
            )
        yield structure
