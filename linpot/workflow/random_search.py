"""
Random cells that relax below the crystal: found while fitting, and lifted.

No data hold a potential in environments that no method would make data of. Where cells with atoms
at random places relax to less than the most stable structure of the data, the learned energy has
run away; where they end becomes rows that ask for more than that structure has, and for little
force, so that what is around does not fall either; then the search begins anew. Cells that end with
atoms closer than any in the data are lifted as well. Rows, not inequalities: those push single
cells up and let their neighbors fall.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from math import gcd

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.structures.distances import PairDistances
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Labels, Structure
from linpot.validation.random_cells import MOST, random_cell
from linpot.validation.relaxation import relax_many
from linpot.workflow.regression import noise_of
from linpot.workflow.restraints import GROUP, Restraints
from linpot.workflow.session import FitSession
from linpot.workflow.walls import growth_of_errors

N_PARENTS = 6
ROUNDS = 10
TOLERATED = 0.05  # eV/atom below the parent: data may know a somewhat better structure
DEEP = 0.5  # eV/atom below it, where no relaxation goes on
CLOSER = 0.9  # than this share of the shortest distance of the data no atoms end
LIFT, ERROR = 0.3, 0.3  # eV/atom above the parent, and how strictly
FLAT = 1.0  # eV/A: how strictly no force acts there
MANY, STRICTER = 0.5, 2.0  # share of new cells that fall again, and what labels then count more
KEPT = 60  # cells that start again, from where they did and from where they fell
_STREAM = 1  # of random numbers; `verify` has another

Floats = NDArray[np.float64]
Distances = Mapping[tuple[str, str], PairDistances]


Cell = tuple[Structure, int]
"""And the place of its parent."""


@dataclass(frozen=True)
class Parent:
    """
    The most stable structure of a composition in the data.

    Attributes
    ----------
    formula : tuple of str
    structure : Structure
    """

    formula: tuple[str, ...]
    structure: Structure

    @property
    def volume(self) -> float:
        """Per atom, A^3."""
        return self.structure.volume / self.structure.n_atoms


def find_parents(train: Dataset) -> list[Parent]:
    """
    Return the lowest periodic structures of compositions, at most `N_PARENTS` of them.

    Raises
    ------
    InputError
        If no periodic structure with an energy has a formula of at most `MOST` atoms.
    """
    lowest: dict[tuple[str, ...], tuple[float, Structure]] = {}
    for structure in train:
        if not structure.is_bulk or structure.labels.energy is None:
            continue
        formula = _formula(structure)
        energy = structure.labels.energy / structure.n_atoms
        if len(formula) <= MOST and (formula not in lowest or energy < lowest[formula][0]):
            lowest[formula] = (energy, structure)
    if not lowest:
        raise InputError(
            "`random_search` needs periodic structures with energies and at most "
            f"{MOST} atoms per formula, got none; leave it out (--random-search 0)"
        )
    formulas = sorted(lowest)
    picked = np.unique(np.linspace(0, len(formulas) - 1, N_PARENTS).round().astype(int))
    return [Parent(formulas[k], lowest[formulas[k]][1]) for k in picked.tolist()]


def lift_minima(
    session: FitSession,
    train: Dataset,
    distances: Distances,
    stage: Callable[[str, int], None],
    advance: Callable[[int], None],
) -> str:
    """
    Search, and ask for more energy where cells fall below their parents.

    Parameters
    ----------
    session : FitSession
        With restraints; gets more of them.
    train : Dataset
    distances : mapping of pair to PairDistances
    stage, advance : callable
        Of a `Monitor`.

    Returns
    -------
    str
        What was done.
    """
    restraints, settings = session.restraints, session.settings
    assert restraints is not None  # `plan_fit` refuses
    parents, n_cells = find_parents(train), settings.random_search
    rng = np.random.default_rng([settings.seed, _STREAM])
    noise = noise_of(session.factors)
    before = solution = session.solve()
    again: list[Cell] = []
    found = n_fresh = searched = 0
    for number in range(ROUNDS):
        stage(f"random search {number + 1}", n_cells + len(again))
        cells = [_cell(k % len(parents), parents, distances, rng) for k in range(n_cells)] + again
        fallen = _fallen(solution.potential, parents, cells, distances, advance, settings.threads)
        n_fresh = sum(end.cell < n_cells for end in fallen)
        searched += n_cells
        if not fallen:
            break
        found += n_fresh
        if number > 0 and n_fresh > MANY * n_cells:
            noise *= STRICTER
        session.restrain(Restraints(restraints.repulsion, lifted(fallen, session, noise)))
        solution = session.solve()
        starts = ((cells[end.cell], (end.structure, cells[end.cell][1])) for end in fallen)
        again = list(chain.from_iterable(starts))[:KEPT]
    if not found:
        return f"none of {searched} random cells relaxes below the data"
    return (
        f"{found} of {searched} random cells relaxed below the most stable structures of the data, "
        f"or to shorter distances, and were lifted; {n_fresh} of the last {n_cells} still did; "
        f"errors on the training data grew by {growth_of_errors(session, before, solution)}"
    )


def _formula(structure: Structure) -> tuple[str, ...]:
    counts = Counter(chemical_symbols[z] for z in structure.numbers.tolist())
    divisor = reduce(gcd, counts.values())
    return tuple(s for s in sorted(counts) for _ in range(counts[s] // divisor))


def _cell(
    parent: int, parents: list[Parent], distances: Distances, rng: np.random.Generator
) -> Cell:
    def shortest(a: str, b: str) -> float:
        return _shortest(distances, a, b)

    atoms = random_cell(parents[parent].formula, parents[parent].volume, shortest, rng)
    cell = np.asarray(atoms.cell.array)
    structure = Structure(
        atoms.numbers, atoms.positions, cell, (True, True, True), group=GROUP, name="a random cell"
    )
    return structure, parent


@dataclass(frozen=True)
class End:
    """
    Where a cell fell to.

    Attributes
    ----------
    cell : int
        Its place.
    structure : Structure
    energy : float, eV
        That it shall have.
    flat : bool
        Whether no forces shall act.
    """

    cell: int
    structure: Structure
    energy: float
    flat: bool


def _fallen(
    potential: EnergyModel,
    parents: list[Parent],
    cells: list[Cell],
    distances: Distances,
    advance: Callable[[int], None],
    threads: int,
) -> list[End]:
    """Relax cells; return the ends of those that fell, or whose atoms came too close."""
    own = [replace(p.structure, labels=Labels()) for p in parents]
    _, levels = relax_many(potential, own, threads=threads)
    fallen = []
    for parent, level in enumerate(levels.tolist()):
        members = [k for k, (_, p) in enumerate(cells) if p == parent]
        ends, energies = relax_many(
            potential, [cells[k][0] for k in members], floor=level - DEEP, threads=threads
        )
        for k, end, energy in zip(members, ends, energies.tolist(), strict=True):
            low = energy < level - TOLERATED
            if low or closer_than_data(end, distances):
                # too close is no place to stay at: higher than it is, without a say on forces
                target = (level if low else max(level, energy)) + LIFT
                fallen.append(End(k, end, target * end.n_atoms, flat=low))
        advance(len(members))
    return fallen


def closer_than_data(structure: Structure, distances: Distances) -> bool:
    """Tell whether any atoms are closer than `CLOSER` of the shortest distance of the data."""
    symbols = [chemical_symbols[z] for z in structure.numbers.tolist()]
    reach = CLOSER * max(_shortest(distances, a, b) for a in set(symbols) for b in set(symbols))
    pairs = find_neighbors(structure, reach)
    lengths = np.linalg.norm(pairs.vectors(structure.positions, structure.cell), axis=1)
    allowed = [
        _shortest(distances, symbols[i], symbols[j])
        for i, j in zip(pairs.centers.tolist(), pairs.neighbors.tolist(), strict=True)
    ]
    return bool((lengths < CLOSER * np.array(allowed)).any())


def _shortest(distances: Distances, a: str, b: str) -> float:
    return distances[(a, b) if (a, b) in distances else (b, a)].shortest


def lifted(fallen: list[End], session: FitSession, noise: float) -> list[Structure]:
    """Label ends with what the learned part shall have of their energies and forces."""
    e0 = session.reference.values
    structures = [end.structure for end in fallen]
    others = [(0.0, np.zeros_like(s.positions)) for s in structures]
    if session.baseline is not None:
        said = session.baseline.predict_many(structures)
        others = [(one.energy, np.asarray(one.forces)) for one in said]
    labelled = []
    for end, (energy, force) in zip(fallen, others, strict=True):
        structure = end.structure
        alone = sum(e0[chemical_symbols[z]] for z in structure.numbers.tolist())
        wanted = Labels(energy=end.energy - energy - alone)
        labelled.append(replace(structure, labels=wanted, weight=noise / ERROR))
        if end.flat:
            labelled.append(replace(structure, labels=Labels(forces=-force), weight=noise / FLAT))
    return labelled
