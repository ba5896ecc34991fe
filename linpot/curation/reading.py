"""Reading data that may be wrong: structures that cannot be used are listed, not the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from linpot.errors import InputError
from linpot.io.datasets import STRUCTURE_MEMORY, stream_structures
from linpot.io.file_endings import PathLike
from linpot.io.structure_file import hold_structures
from linpot.structures.from_atoms import label_structure
from linpot.structures.labels import AUTOMATIC, LabelKeys, has_key
from linpot.structures.structure import INITIAL_CHARGES, Structure

FEWEST = 4
"""Structures that a group must have to be judged by itself; smaller ones are judged together."""

SMALL = "(small groups)"


@dataclass
class LabelledFile:
    """
    The structures of one file.

    Attributes
    ----------
    path : str
    is_test : bool
    structures : sequence of Structure
        Those that can be used.
    places : list of int
        Where each of them stands in the file, from 0.
    refused : list of (int, str)
        Places of the others, and why.
    label_places : Counter of (str, str)
        Label and where it came from.
    """

    path: str
    is_test: bool = False
    structures: Sequence[Structure] = ()
    places: list[int] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    label_places: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """Name without folders."""
        return Path(self.path).name


def read_labelled(
    path: PathLike,
    *,
    is_test: bool = False,
    keys: LabelKeys = AUTOMATIC,
    group_key: str = "config_type",
    elements: Sequence[str] | None = None,
    structure_memory: float = STRUCTURE_MEMORY,
) -> LabelledFile:
    """
    Read a file; structures that `Dataset.from_atoms` would refuse are listed.

    Parameters
    ----------
    path : path
    is_test : bool
    keys : LabelKeys
    group_key : str
    elements : sequence of str, optional
        See `read_dataset`.
    structure_memory : float, GB
        See `read_dataset`.

    Returns
    -------
    LabelledFile

    Raises
    ------
    InputError
        If the file is not there, or if a named key is in none of its structures.
    FileFormatError
        If it cannot be read as what it claims to be.
    """
    found = LabelledFile(str(path), is_test)
    missing = set(keys.named)

    def structures() -> Iterator[Structure]:
        for place, atoms in enumerate(stream_structures(path, elements=elements)):
            missing.difference_update(q for q in set(missing) if has_key(atoms, q, keys.named[q]))
            try:
                structure, where = label_structure(
                    atoms, place, found.name, keys, group_key, "weight", INITIAL_CHARGES
                )
            except InputError as error:
                found.refused.append((place, str(error)))
                continue
            found.places.append(place)
            found.label_places.update(where.items())
            yield structure

    found.structures = hold_structures(structures(), structure_memory)
    for quantity in sorted(missing):
        raise InputError(
            f"`{quantity}` key must be in at least one structure of {path}, "
            f"got {keys.named[quantity]!r}"
        )
    return found


def name_units(files: Sequence[LabelledFile]) -> list[list[str]]:
    """
    Name what is judged together: the groups of a file.

    Parameters
    ----------
    files : sequence of LabelledFile

    Returns
    -------
    list of list of str
        Per file and structure: its group, with the file in front where several files have it;
        `SMALL` for groups of fewer than `FEWEST` structures.
    """
    counts = [Counter(s.group for s in file.structures) for file in files]
    owners = Counter(group for own in counts for group in own)
    short = len({file.name for file in files}) == len(files)
    names = []
    for file, own in zip(files, counts, strict=True):
        front = f"{file.name if short else file.path}: "

        def named(group: str, own: Counter[str] = own, front: str = front) -> str:
            if own[group] < FEWEST:
                return SMALL if len(files) == 1 else front + SMALL
            return front + group if owners[group] > 1 else group

        names.append([named(s.group) for s in file.structures])
    return names


def sample_evenly(
    units: Sequence[str], sizes: Sequence[int], per_unit: int, atoms: int
) -> list[int]:
    """
    Choose structures evenly spread over every unit.

    Parameters
    ----------
    units : sequence of str
        Of each structure.
    sizes : sequence of int
        Atoms of each.
    per_unit : int
        Structures of a unit at most.
    atoms : int
        Atoms altogether, about; every unit keeps at least `FEWEST` structures.

    Returns
    -------
    list of int
        Places, ascending.
    """
    members: dict[str, list[int]] = {}
    for place, unit in enumerate(units):
        members.setdefault(unit, []).append(place)
    share = atoms / len(members)
    # units that need less than their share leave the rest to the others
    spare = sum(max(0.0, share - sum(sizes[p] for p in own)) for own in members.values())
    hungry = sum(sum(sizes[p] for p in own) > share for own in members.values())
    share += spare / max(hungry, 1)
    chosen: list[int] = []
    for own in members.values():
        mean = sum(sizes[p] for p in own) / len(own)
        n = min(len(own), per_unit, max(FEWEST, int(share / mean)))
        chosen += [own[k] for k in np.linspace(0, len(own) - 1, n).round().astype(int)]
    return sorted(chosen)
