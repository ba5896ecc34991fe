"""From `ase.Atoms` to labelled structures, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from vesin import NeighborList

from linpot.checks import finite_array, non_negative
from linpot.errors import InputError
from linpot.structures.labels import LabelKeys, find_labels, has_key, present_keys
from linpot.structures.neighbors import complete_cell
from linpot.structures.structure import INITIAL_CHARGES, Structure, structure_from_atoms

MEMORY = "<memory>"
"""Source of atoms that come from no file."""

_SHORTEST_DISTANCE = 0.1  # A; shorter ones are mistakes in the data
_LONGEST = 1e7  # A, a millimetre
_WEIGHT_SYNONYM = "config_weight"


def label_structures(
    images: Iterable[tuple[Atoms, str]],
    keys: LabelKeys,
    group_key: str,
    weight_key: str,
    charges_key: str,
) -> Iterator[tuple[Structure, dict[str, str]]]:
    """
    Yield structures with the places of their labels; none is held.

    Parameters
    ----------
    images : iterable of (ase.Atoms, str)
        Atoms and where they come from.
    keys, group_key, weight_key, charges_key
        See `Dataset.from_atoms`.

    Yields
    ------
    (Structure, dict of label to place)

    Raises
    ------
    InputError, TypeError
        See `Dataset.from_atoms`; absent keys are known at the end only.
    """
    counts: Counter[str] = Counter()
    offered: dict[str, set[str]] = {quantity: set() for quantity in keys.named}
    for image, origin in images:
        if not isinstance(image, Atoms):
            raise TypeError(f"`atoms` must hold ase.Atoms, got {type(image).__name__}")
        index, counts[origin] = counts[origin], counts[origin] + 1
        for quantity in list(offered):
            if has_key(image, quantity, keys.named[quantity]):
                del offered[quantity]
            else:
                offered[quantity] |= present_keys(image, quantity)
        yield label_structure(image, index, origin, keys, group_key, weight_key, charges_key)
    for quantity, others in offered.items():
        place = "" if list(counts) == [MEMORY] else f" of {', '.join(counts)}"
        raise InputError(
            f"`{quantity}` key must be in at least one structure{place}, "
            f"got {keys.named[quantity]!r}; there are: {', '.join(sorted(others)) or 'none'}"
        )


def label_structure(
    atoms: Atoms,
    index: int,
    source: str,
    keys: LabelKeys,
    group_key: str,
    weight_key: str,
    charges_key: str,
) -> tuple[Structure, dict[str, str]]:
    """
    Return one structure with the places of its labels.

    Parameters
    ----------
    atoms : ase.Atoms
    index : int
        Its place in the source, for messages.
    source : str
    keys, group_key, weight_key, charges_key
        See `Dataset.from_atoms`.

    Raises
    ------
    InputError
        See `Dataset.from_atoms`.
    """
    group = atoms.info.get(group_key)
    name = f"structure {index}" + ("" if group is None else f" ({str(group)!r})")
    if source != MEMORY:
        name += f" of {source}"
    if group is not None and not isinstance(group, str | int | float | np.generic):
        raise InputError(f"`{group_key}` must be a name, got {group!r} in {name}")
    structure = structure_from_atoms(
        atoms,
        group="all" if group is None else str(group),
        weight=_weight(atoms, weight_key, name),
        name=name,
        charges_key=charges_key,
    )
    if structure.charges is None and charges_key != INITIAL_CHARGES:
        offered = ", ".join(sorted(set(atoms.arrays) - {"numbers", "positions"})) or "none"
        raise InputError(
            f"`charges_key` must be in every structure, got {charges_key!r}, which {name} has not; "
            f"there are: {offered}"
        )
    for what, lengths in (("positions", structure.positions), ("cell", structure.cell)):
        finite_array(what, lengths, [None, 3], name, largest=_LONGEST)
    _refuse_overlaps(structure)
    found = find_labels(atoms, keys, name)
    labels, places = found.labels, found.keys
    asked = "charges" in keys.named or keys.ignores("charges")
    if labels.charges is None and structure.charges is not None and not asked:
        labels = replace(labels, charges=structure.charges)
        places = {**places, "charges": f"arrays[{charges_key!r}]"}
    return structure.with_labels(labels), places


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
    _refuse_short_vectors(structure, cell)
    centers, neighbors, distances = search.compute(structure.positions, cell, structure.pbc, "ijd")
    if len(distances) and distances.min() < _SHORTEST_DISTANCE:
        p = int(distances.argmin())
        i, j = sorted((int(centers[p]), int(neighbors[p])))
        what = f"atom {i} and its own image" if i == j else f"atoms {i} and {j}"
        raise InputError(
            f"{structure.name}: {what} must be at least {_SHORTEST_DISTANCE} A apart, "
            f"got {distances[p]:.3g} A; check positions and cell"
        )


def _refuse_short_vectors(structure: Structure, cell: NDArray[np.float64]) -> None:
    """Refuse cells with so many images that a search would not end."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    if heights.min() >= _SHORTEST_DISTANCE:  # no lattice vector is shorter than all heights
        return
    reduced, _ = minkowski_reduce(cell, structure.pbc)
    shortest = float(np.linalg.norm(reduced[list(structure.pbc)], axis=1).min())
    if shortest < _SHORTEST_DISTANCE:
        raise InputError(
            f"{structure.name}: atom 0 and its own image must be at least {_SHORTEST_DISTANCE} A "
            f"apart, got {shortest:.3g} A; check the cell and its unit"
        )
