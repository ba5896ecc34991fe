"""Data sets: immutable sequences of labelled structures that know where their labels came from."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from vesin import NeighborList

from linpot.checks import integer, non_negative, one_of
from linpot.errors import InputError
from linpot.structures.labels import AUTOMATIC, LabelKeys, find_labels, has_key, present_keys
from linpot.structures.neighbors import complete_cell
from linpot.structures.structure import Structure, structure_from_atoms
from linpot.structures.summary import DatasetSummary, summarise

_LABELS = ("energy", "forces", "stress")
_MEMORY = "<memory>"
_SHORTEST_DISTANCE = 0.1  # A; shorter ones are mistakes in the data
_WEIGHT_SYNONYM = "config_weight"


class Dataset(Sequence[Structure]):
    """
    Structures with reference labels, in a fixed order.

    Parameters
    ----------
    structures : iterable of Structure
    label_places : iterable of (mapping of str to str), optional
        For each structure, where each label came from.

    Raises
    ------
    InputError
        If there is no structure.
    """

    __slots__ = ("_label_places", "_structures")

    def __init__(
        self,
        structures: Iterable[Structure],
        *,
        label_places: Iterable[Mapping[str, str]] | None = None,
    ) -> None:
        self._structures = tuple(structures)
        if not self._structures:
            raise InputError("a data set must have at least one structure, got none")
        if label_places is None:
            label_places = [dict.fromkeys(s.labels.present, "labels") for s in self._structures]
        self._label_places = tuple(dict(places) for places in label_places)
        if len(self._label_places) != len(self._structures):
            raise InputError(
                "`label_places` must have one entry per structure, got "
                f"{len(self._label_places)} for {len(self._structures)}"
            )

    @classmethod
    def from_atoms(
        cls,
        atoms: Iterable[Atoms],
        *,
        keys: LabelKeys = AUTOMATIC,
        group_key: str = "config_type",
        weight_key: str = "weight",
        source: str | Sequence[str] = _MEMORY,
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
            place = f" in {source}" if isinstance(source, str) and source != _MEMORY else ""
            raise InputError(f"a data set must have at least one structure, got none{place}")
        sources = [source] * len(images) if isinstance(source, str) else list(source)
        if len(sources) != len(images):
            raise InputError(
                f"`source` must be one or one per structure, got {len(sources)} for {len(images)}"
            )
        structures, places = [], []
        counts: Counter[str] = Counter()
        for image, origin in zip(images, sources, strict=True):
            if not isinstance(image, Atoms):
                raise TypeError(f"`atoms` must hold ase.Atoms, got {type(image).__name__}")
            index, counts[origin] = counts[origin], counts[origin] + 1
            structure, found = _structure(image, index, origin, keys, group_key, weight_key)
            structures.append(structure)
            places.append(found)
        _refuse_absent_keys(images, keys, list(counts))
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
        return Dataset(
            self._structures + other._structures,
            label_places=self._label_places + other._label_places,
        )

    def __repr__(self) -> str:
        labels = ", ".join(f"{label} {self.count(label)}" for label in _LABELS)
        symbols = " ".join(self.symbols)
        return f"Dataset({len(self)} structures, {self.n_atoms} atoms of {symbols}; {labels})"

    @property
    def n_atoms(self) -> int:
        """Number of atoms in all structures together."""
        return sum(s.n_atoms for s in self)

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers that occur, ascending."""
        return tuple(int(z) for z in np.unique(np.concatenate([s.numbers for s in self])))

    @property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbols that occur, by atomic number."""
        return tuple(chemical_symbols[z] for z in self.elements)

    @property
    def groups(self) -> dict[str, int]:
        """Number of structures per group, in order of appearance."""
        return dict(Counter(s.group for s in self))

    @property
    def keys_found(self) -> dict[str, dict[str, int]]:
        """Where each label came from: label to place to number of structures."""
        return {
            label: dict(Counter(p[label] for p in self._label_places if label in p))
            for label in _LABELS
            if any(label in p for p in self._label_places)
        }

    def count(self, label: Any) -> int:
        """Return the number of structures that carry a label ("energy", "forces", "stress")."""
        one_of("label", label, _LABELS)
        return sum(label in s.labels.present for s in self)

    def subset(self, indices: Iterable[int]) -> Dataset:
        """
        Return the structures at `indices`, in that order.

        Raises
        ------
        InputError
            If an index is not a whole number inside the data set, or if there is none.
        """
        chosen = [integer("indices", i, low=0, high=len(self) - 1) for i in indices]
        return Dataset(
            [self._structures[i] for i in chosen],
            label_places=[self._label_places[i] for i in chosen],
        )

    def summary(self) -> DatasetSummary:
        """Return what is in the data set, a row per group."""
        return summarise(self, self.keys_found)

    def content_hash(self) -> str:
        """
        Return a sha256 of atoms, cells, periodicity and labels, in order.

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
        return digest.hexdigest()


def _structure(
    atoms: Atoms, index: int, source: str, keys: LabelKeys, group_key: str, weight_key: str
) -> tuple[Structure, dict[str, str]]:
    group = atoms.info.get(group_key)
    name = f"structure {index}" + ("" if group is None else f" ({str(group)!r})")
    if source != _MEMORY:
        name += f" of {source}"
    if group is not None and not isinstance(group, str | int | float | np.generic):
        raise InputError(f"`{group_key}` must be a name, got {group!r} in {name}")
    structure = structure_from_atoms(
        atoms,
        group="all" if group is None else str(group),
        weight=_weight(atoms, weight_key, name),
        name=name,
    )
    _refuse_overlaps(structure)
    found = find_labels(atoms, keys, name)
    return structure.with_labels(found.labels), found.keys


def _weight(atoms: Atoms, weight_key: str, name: str) -> float:
    given = {k: atoms.info[k] for k in (weight_key, _WEIGHT_SYNONYM) if k in atoms.info}
    weights = [non_negative(f"{key} of {name}", value) for key, value in given.items()]
    if len(set(weights)) > 1:
        raise InputError(f"{name} has two weights that differ: {given}; remove one")
    return weights[0] if weights else 1.0


def _refuse_overlaps(structure: Structure) -> None:
    # A wider search is faster: vesin's grid has cells of the size of the cutoff.
    search = NeighborList(cutoff=2.5, full_list=False, n_threads=1)
    cell = complete_cell(structure.cell, structure.pbc)
    centers, neighbors, distances = search.compute(structure.positions, cell, structure.pbc, "ijd")
    if len(distances) and distances.min() < _SHORTEST_DISTANCE:
        p = int(distances.argmin())
        i, j = sorted((int(centers[p]), int(neighbors[p])))
        what = f"atom {i} and its own image" if i == j else f"atoms {i} and {j}"
        raise InputError(
            f"{structure.name}: {what} must be at least {_SHORTEST_DISTANCE} A apart, "
            f"got {distances[p]:.3g} A; check positions and cell"
        )


def _refuse_absent_keys(images: list[Atoms], keys: LabelKeys, sources: list[str]) -> None:
    for quantity, key in keys.named.items():
        if any(has_key(atoms, quantity, key) for atoms in images):
            continue
        offered = sorted(set().union(*(present_keys(atoms, quantity) for atoms in images)))
        place = "" if sources == [_MEMORY] else f" of {', '.join(sources)}"
        raise InputError(
            f"`{quantity}` key must be in at least one structure{place}, got {key!r}; "
            f"there are: {', '.join(offered) or 'none'}"
        )
