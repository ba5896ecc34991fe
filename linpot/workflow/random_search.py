"""
Random cells that relax below the crystal: found while fitting, and lifted.

No data hold a potential in environments that no method would make data of. Where cells with atoms
at random places relax to less than the most stable structure of the data, the learned energy has
run away; such cells become rows that ask for more than that structure has, and the search begins
anew. Rows, not inequalities: those push single cells up and let their neighbors fall.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from math import gcd

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.structures.distances import PairDistances
from linpot.structures.structure import Labels, Structure
from linpot.validation.random_cells import MOST, random_cell
from linpot.validation.relaxation import relax_many
from linpot.workflow.regression import noise_of
from linpot.workflow.restraints import GROUP, Restraints
from linpot.workflow.session import FitSession

N_PARENTS = 6
ROUNDS = 6
TOLERATED = 0.05  # eV/atom below the parent: data may know a somewhat better structure
DEEP = 0.5  # eV/atom below it, where no relaxation goes on
LIFT, ERROR = 0.3, 0.3  # eV/atom above the parent, and how strictly
KEPT = 60  # cells that start again from where they fell
_STREAM = 1  # of random numbers; `verify` has another

Floats = NDArray[np.float64]
Distances = Mapping[tuple[str, str], PairDistances]


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
    again: list[tuple[Structure, int]] = []
    found = n_fresh = searched = 0
    for number in range(ROUNDS):
        potential = session.solve().potential
        stage(f"random search {number + 1}", n_cells + len(again))
        cells = [_cell(k % len(parents), parents, distances, rng) for k in range(n_cells)] + again
        fallen, targets = _fallen(potential, parents, cells, advance, settings.threads)
        n_fresh = sum(k < n_cells for k, _ in fallen)
        searched += n_cells
        if not fallen:
            break
        found += n_fresh
        structures = [structure for _, structure in fallen]
        session.restrain(
            Restraints(restraints.repulsion, _lifted(structures, targets, session, noise / ERROR))
        )
        again = [(structure, cells[k][1]) for k, structure in fallen][:KEPT]
    if not found:
        return f"none of {searched} random cells relaxes below the data"
    return (
        f"{found} of {searched} random cells relaxed below the most stable structures of the data "
        f"and were lifted; {n_fresh} of the last {n_cells} still did"
    )


def _formula(structure: Structure) -> tuple[str, ...]:
    counts = Counter(chemical_symbols[z] for z in structure.numbers.tolist())
    divisor = reduce(gcd, counts.values())
    return tuple(s for s in sorted(counts) for _ in range(counts[s] // divisor))


def _cell(
    parent: int, parents: list[Parent], distances: Distances, rng: np.random.Generator
) -> tuple[Structure, int]:
    def shortest(a: str, b: str) -> float:
        return distances[(a, b) if (a, b) in distances else (b, a)].shortest

    atoms = random_cell(parents[parent].formula, parents[parent].volume, shortest, rng)
    cell = np.asarray(atoms.cell.array)
    structure = Structure(
        atoms.numbers, atoms.positions, cell, (True, True, True), group=GROUP, name="a random cell"
    )
    return structure, parent


def _fallen(
    potential: EnergyModel,
    parents: list[Parent],
    cells: list[tuple[Structure, int]],
    advance: Callable[[int], None],
    threads: int,
) -> tuple[list[tuple[int, Structure]], Floats]:
    """Return indices and ends of cells that fell, and the energies they shall have (eV)."""
    own = [replace(p.structure, labels=Labels()) for p in parents]
    _, levels = relax_many(potential, own, threads=threads)
    fallen, targets = [], []
    for parent, level in enumerate(levels.tolist()):
        members = [k for k, (_, p) in enumerate(cells) if p == parent]
        ends, energies = relax_many(
            potential, [cells[k][0] for k in members], floor=level - DEEP, threads=threads
        )
        for k, end, energy in zip(members, ends, energies.tolist(), strict=True):
            if energy < level - TOLERATED:
                fallen.append((k, end))
                targets.append((level + LIFT) * end.n_atoms)
        advance(len(members))
    return fallen, np.array(targets)


def _lifted(
    structures: list[Structure], energies: Floats, session: FitSession, weight: float
) -> list[Structure]:
    """Label structures with what the learned part shall have of their energies."""
    e0 = session.reference.values
    baseline = np.zeros(len(structures))
    if session.baseline is not None:
        said = session.baseline.predict_many(structures, forces=False)
        baseline = said.energies
    lifted = []
    for structure, energy, other in zip(structures, energies, baseline, strict=True):
        alone = sum(e0[chemical_symbols[z]] for z in structure.numbers.tolist())
        labels = Labels(energy=float(energy - other - alone))
        lifted.append(replace(structure, labels=labels, weight=weight))
    return lifted
