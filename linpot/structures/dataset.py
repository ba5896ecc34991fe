"""Data sets: immutable sequences of labelled structures that know where their labels came from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from linpot.checks import integer, one_of
from linpot.errors import InputError
from linpot.structures.contents import Contents
from linpot.structures.from_atoms import MEMORY, label_structures
from linpot.structures.labels import AUTOMATIC, LabelKeys
from linpot.structures.sequences import LazyStructures, structure_bytes
from linpot.structures.structure import INITIAL_CHARGES, LABELS, Structure
from linpot.structures.summary import DatasetSummary, summarise


class Dataset(Sequence[Structure]):
    """
    Structures with reference labels, in a fixed order.

    Parameters
    ----------
    structures : iterable of Structure
        Held in memory, unless they are `LazyStructures`: those of a file larger than memory.
    label_places : iterable of (mapping of str to str), optional
        For each structure, where each label came from.

    Raises
    ------
    InputError
        If there is no structure.
    """

    __slots__ = ("_contents", "_label_places", "_structures")

    def __init__(
        self,
        structures: Iterable[Structure],
        *,
        label_places: Iterable[Mapping[str, str]] | None = None,
    ) -> None:
        self._structures: tuple[Structure, ...] | LazyStructures = (
            structures if isinstance(structures, LazyStructures) else tuple(structures)
        )
        if not len(self._structures):
            raise InputError("a data set must have at least one structure, got none")
        if label_places is None:
            label_places = (dict.fromkeys(s.labels.present, "labels") for s in self._structures)
        known: dict[tuple, Mapping[str, str]] = {}  # few are different
        self._label_places = tuple(known.setdefault(tuple(p.items()), p) for p in label_places)
        if len(self._label_places) != len(self._structures):
            raise InputError(
                "`label_places` must have one entry per structure, got "
                f"{len(self._label_places)} for {len(self._structures)}"
            )
        self._contents: Contents | None = None

    @classmethod
    def from_atoms(
        cls,
        atoms: Iterable[Atoms],
        *,
        keys: LabelKeys = AUTOMATIC,
        group_key: str = "config_type",
        weight_key: str = "weight",
        charges_key: str = INITIAL_CHARGES,
        source: str | Sequence[str] = MEMORY,
    ) -> Dataset:
        """
        Take over structures and labels; see `find_labels` for where labels are looked for.

        Parameters
        ----------
        atoms : iterable of ase.Atoms
            Not modified.
        keys : LabelKeys
        group_key : str
            Key of `info`; structures without it are in the group "all".
        weight_key : str
            Key of `info`, with "config_weight" as a synonym; multiplies the residuals of the
            structure, 1 where absent.
        charges_key : str
            Key of `arrays` with given charges (`Structure.charges`); one that is named must be in
            every structure. They are also the label "charges" of structures without another.
        source : str or sequence of str
            Where the structures come from, for messages: one for all, or one for each.

        Returns
        -------
        Dataset

        Raises
        ------
        InputError
            If there is no structure, if a named key is in none of them, if two atoms are closer
            than 0.1 A, and for everything that `find_labels` and `Structure` refuse.
        TypeError
            If an entry is not an `ase.Atoms`.
        """
        if isinstance(atoms, Atoms):
            raise TypeError("`atoms` must be a sequence of ase.Atoms, got one Atoms; pass [atoms]")
        images = list(atoms)
        if not images:
            place = f" in {source}" if isinstance(source, str) and source != MEMORY else ""
            raise InputError(f"a data set must have at least one structure, got none{place}")
        sources = [source] * len(images) if isinstance(source, str) else list(source)
        if len(sources) != len(images):
            raise InputError(
                f"`source` must be one or one per structure, got {len(sources)} for {len(images)}"
            )
        pairs = zip(images, sources, strict=True)
        labelled = label_structures(pairs, keys, group_key, weight_key, charges_key)
        structures, places = zip(*labelled, strict=True)
        return cls(structures, label_places=places)

    def __len__(self) -> int:
        return len(self._structures)

    @overload
    def __getitem__(self, index: int) -> Structure: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Structure | Dataset:
        if isinstance(index, slice):
            return self.subset(range(len(self))[index])
        return self._structures[index]

    def __iter__(self) -> Iterator[Structure]:
        return iter(self._structures)

    def __add__(self, other: Dataset) -> Dataset:
        if not isinstance(other, Dataset):
            return NotImplemented
        parts, n = (self._structures, other._structures), len(self)
        structures = self._made(
            lambda k: parts[0][k] if k < n else parts[1][k - n],
            n + len(other),
            lazily=not (self.is_in_memory and other.is_in_memory),
        )
        return Dataset(structures, label_places=self._label_places + other._label_places)

    def __repr__(self) -> str:
        labels = ", ".join(
            f"{label} {self.count(label)}"
            for label in LABELS
            if label in LABELS[:3] or self.count(label)
        )
        symbols = " ".join(self.symbols)
        return f"Dataset({len(self)} structures, {self.n_atoms} atoms of {symbols}; {labels})"

    @property
    def is_in_memory(self) -> bool:
        """Whether the structures are held; otherwise they are read whenever they are needed."""
        return not isinstance(self._structures, LazyStructures)

    @property
    def memory(self) -> int:
        """About how many bytes the structures take."""
        return sum(map(structure_bytes, self)) if self.is_in_memory else 0

    @property
    def contents(self) -> Contents:
        """Sizes, groups and labels of all structures, looked up once."""
        if self._contents is None:
            self._contents = Contents.of(self)
        return self._contents

    @property
    def n_atoms(self) -> int:
        """Number of atoms in all structures together."""
        return int(self.contents.sizes.sum())

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that occur, ascending."""
        return tuple(self.contents.atoms_of)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbols that occur, by atomic number."""
        return tuple(chemical_symbols[z] for z in self.elements)

    @property
    def groups(self) -> dict[str, int]:
        """Number of structures per group, in order of appearance."""
        return dict(Counter(self.contents.groups))

    @property
    def keys_found(self) -> dict[str, dict[str, int]]:
        """Where each label came from: label to place to number of structures."""
        return {
            label: dict(Counter(p[label] for p in self._label_places if label in p))
            for label in LABELS
            if any(label in p for p in self._label_places)
        }

    def count(self, label: Any) -> int:
        """Return the number of structures that carry a label such as "energy"."""
        one_of("label", label, LABELS)
        return int(self.contents.present[label].sum())

    def subset(self, indices: Iterable[int]) -> Dataset:
        """
        Return the structures at `indices`, in that order.

        Raises
        ------
        InputError
            If an index is not a whole number inside the data set, or if there is none.
        """
        chosen = [integer("indices", i, low=0, high=len(self) - 1) for i in indices]
        everything = self._structures
        return Dataset(
            self._made(lambda k: everything[chosen[k]], len(chosen), lazily=not self.is_in_memory),
            label_places=[self._label_places[i] for i in chosen],
        )

    def changed(self, change: Callable[[Structure], Structure]) -> Dataset:
        """Return the data with every structure replaced by what `change` makes of it."""
        everything = self._structures
        return Dataset(
            self._made(lambda k: change(everything[k]), len(self), lazily=not self.is_in_memory),
            label_places=self._label_places,
        )

    def summary(self) -> DatasetSummary:
        """Return what is in the data set, a row per group."""
        return summarise(self, self.keys_found)

    def content_hash(self) -> str:
        """
        Return a sha256 of atoms, cells, periodicity, given charges and labels, in order.

        Names, groups and weights do not enter; neither does the machine.
        """
        digest = hashlib.sha256()
        for s in self:
            energy = None if s.labels.energy is None else np.array(s.labels.energy)
            reals = (s.positions, s.cell, np.array(s.pbc), energy, s.labels.forces, s.labels.stress)
            digest.update(np.array([s.n_atoms, *s.numbers], dtype="<i8").tobytes())
            for value in reals:
                digest.update(b"-" if value is None else b"+")
                if value is not None:
                    digest.update((np.asarray(value, dtype="<f8") + 0.0).tobytes())  # -0 is 0
            if s.charges is not None:
                digest.update(b"q" + (s.charges.astype("<f8") + 0.0).tobytes())
            extra = {b"Q": s.labels.charges, b"d": s.labels.dipole, b"t": s.total_charge}
            for tag, more in extra.items():
                if more is not None:
                    digest.update(tag + (np.asarray(more, dtype="<f8") + 0.0).tobytes())
        return digest.hexdigest()

    @staticmethod
    def _made(
        make: Callable[[int], Structure], n: int, *, lazily: bool
    ) -> LazyStructures | list[Structure]:
        return LazyStructures(make, n) if lazily else [make(k) for k in range(n)]
