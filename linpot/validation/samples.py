"""Structures on which laws are checked: small, without any symmetry, all elements in them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

import numpy as np
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray

from linpot.validation.subject import Subject

Floats = NDArray[np.float64]

CONDITIONS = {
    "TTT": (True, True, True),
    "TTF": (True, True, False),
    "TFF": (True, False, False),
    "FFF": (False, False, False),
}
"""Boundary conditions: periodic (T) or free (F) along the three lattice vectors."""

_RATTLE = 0.06  # of the distance of neighbors: no two distances are alike
_ATTEMPTS = 2000


def make_samples(subject: Subject, seed: int = 0) -> dict[str, Atoms]:
    """
    Make a structure for every boundary condition.

    A sheared and rattled close-packed cell with the elements at random on its sites, at the largest
    of the usual distances of pairs; a film and a wire cut out of it; a cluster that is grown atom
    by atom at the usual distance of each pair, whose close pairs reach where the crystal does not.

    Parameters
    ----------
    subject : Subject
    seed : int

    Returns
    -------
    dict of "TTT", "TTF", "TFF" and "FFF" to Atoms
    """
    rng = np.random.default_rng(seed)
    crystal = _crystal(subject, rng)
    found = {"TTT": crystal}
    for name, axes in (("TTF", [2]), ("TFF", [1, 2])):
        cut = crystal.copy()
        cut.center(vacuum=6.0, axis=axes)
        cut.pbc = CONDITIONS[name]
        found[name] = cut
    found["FFF"] = _cluster(subject, rng)
    return {name: subject.charged(atoms) for name, atoms in found.items()}


def sample_name(atoms: Atoms) -> str:
    """Return how findings call a structure: formula and boundary conditions."""
    periodic = "".join("T" if p else "F" for p in atoms.pbc)
    return f"{atoms.symbols.formula.format('hill')} {periodic}"


def conditions_of(atoms: Atoms) -> str:
    """Return the key of `CONDITIONS` that has as many periodic directions."""
    return ("FFF", "TFF", "TTF", "TTT")[int(atoms.pbc.sum())]


def _crystal(subject: Subject, rng: np.random.Generator) -> Atoms:
    elements = subject.elements
    sizes = ((2, 2, 2), (3, 2, 2), (3, 3, 2), (3, 3, 3), (4, 3, 3), (4, 4, 3), (4, 4, 4), (5, 5, 5))
    repeats = next((size for size in sizes if np.prod(size) >= 2 * len(elements)), sizes[-1])
    distance = max(subject.distance(a, b) for a in elements for b in elements)
    atoms = bulk("Cu", "fcc", a=np.sqrt(2.0) * 1.08 * distance) * repeats
    shear = np.eye(3) + rng.uniform(-0.06, 0.06, (3, 3))
    atoms.set_cell(atoms.cell.array @ shear, scale_atoms=True)
    atoms.symbols[:] = _spread(elements, len(atoms), rng)
    atoms.positions += _RATTLE * distance * rng.uniform(-1.0, 1.0, (len(atoms), 3))
    return atoms


def _cluster(subject: Subject, rng: np.random.Generator) -> Atoms:
    n_atoms = max(6, 2 * len(subject.elements))
    symbols = _spread(subject.elements, n_atoms, rng)
    positions = [np.zeros(3)]
    for k in range(1, n_atoms):
        positions.append(_next_to(subject, symbols[: k + 1], np.array(positions), rng))
    return Atoms(symbols, positions=positions)


def _next_to(
    subject: Subject, symbols: Sequence[str], positions: Floats, rng: np.random.Generator
) -> Floats:
    """Place one more atom beside one of the others; farther out the longer that takes."""
    last, least = symbols[-1], np.array([subject.distance(symbols[-1], s) for s in symbols[:-1]])
    for attempt in range(_ATTEMPTS):
        k = int(rng.integers(len(positions)))
        direction = rng.standard_normal(3)
        reach = subject.distance(last, symbols[k]) * (1.05 + 0.2 * rng.random() + 1e-3 * attempt)
        place = positions[k] + reach * direction / np.linalg.norm(direction)
        if (np.linalg.norm(positions - place, axis=1) >= 1.02 * least).all():
            return place
    return positions.max(axis=0) + least.max()  # beyond all others


def _spread(elements: Sequence[str], n_atoms: int, rng: np.random.Generator) -> list[str]:
    """Return every element about equally often, in random order."""
    symbols = list(islice(cycle(elements), n_atoms))
    return [symbols[k] for k in rng.permutation(n_atoms)]
