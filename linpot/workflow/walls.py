"""No potential leaves with a hole: check, strengthen restraints, solve again, or refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ase.data import chemical_symbols

from linpot.errors import HoleError
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part, without_unscannable
from linpot.structures.dataset import Dataset
from linpot.structures.distances import PairDistances
from linpot.structures.structure import Labels, Structure
from linpot.validation.compression import (
    Compression,
    check_compression,
    compressed,
    representatives,
)
from linpot.validation.dimers import DimerCurve, check_dimers
from linpot.workflow.restraints import GROUP, Restraints, wall_dimers
from linpot.workflow.session import FitSession
from linpot.workflow.solution import Solution

ATTEMPTS = 4
STRONGER = 5.0  # every attempt
DIMER_WEIGHT = 30.0  # 1/eV, at first
ERROR = 0.1  # eV per atom, that rows of the data have left; scales the weights of structures
LEAST, SHARE = 0.1, 0.2  # eV per atom, and of the rise of the repulsion: what is left to structures


@dataclass(frozen=True)
class Walls:
    """
    What happens to atoms that are pushed together.

    Attributes
    ----------
    dimers : list of DimerCurve
    compressions : list of Compression
        Of trimers and of some structures of the data.
    notes : list of str
        What was done about holes.
    """

    dimers: list[DimerCurve]
    compressions: list[Compression]
    notes: list[str] = field(default_factory=list)

    @property
    def holes(self) -> list[str]:
        """One line for every hole."""
        lines = [
            f"the energy of {'-'.join(c.pair)} falls by {c.hole:.3g} eV when two atoms come closer "
            f"than any in the data ({c.shortest:.2f} A)"
            for c in self.dimers
            if not c.is_repulsive
        ]
        return lines + [
            f"the energy of {c.name} falls by {c.hole:.3g} eV per atom when it is compressed"
            for c in self.compressions
            if not c.is_repulsive
        ]


def solve_without_holes(
    session: FitSession, distances: Mapping[tuple[str, str], PairDistances], train: Dataset
) -> tuple[Solution, Walls]:
    """
    Solve, push atoms together, and strengthen restraints until they repel.

    Parameters
    ----------
    session : FitSession
    distances : mapping of pair to PairDistances
    train : Dataset

    Returns
    -------
    Solution
    Walls

    Raises
    ------
    HoleError
        If there are holes after `ATTEMPTS`, and the settings do not allow them. Without a
        repulsion in the baseline nothing is refused.
    """
    contents = train.contents
    structures = [train[k] for k in representatives(contents.groups, contents.sizes)]
    shortest = {pair: seen.shortest for pair, seen in distances.items()}

    def check(solution: Solution) -> Walls:
        threads = session.settings.threads
        scanned, left_out = without_unscannable(solution.potential)
        walls = Walls(
            check_dimers(scanned, shortest),
            check_compression(scanned, shortest, structures, threads=threads),
        )
        if left_out:
            walls.notes.append(
                f"dimers were checked without {', '.join(left_out)}, which costs too much"
            )
        return walls

    solution = session.solve()
    walls = check(solution)
    if session.restraints is None or session.settings.allow_holes:
        return solution, walls
    for attempt in range(ATTEMPTS):
        if not walls.holes:
            break
        found = walls.holes
        more = mending_structures(walls, solution.potential, session, STRONGER**attempt)
        session.restrain(Restraints(session.restraints.repulsion, more))
        solution = session.solve()
        walls = check(solution)
        if not walls.holes:
            walls.notes.append(
                f"{len(more)} restraints were added where {len(found)} holes had been found, "
                f"first: {found[0]}"
            )
    if walls.holes:
        raise HoleError(
            f"the potential has {len(walls.holes)} holes: {walls.holes[0]}; add such structures to "
            "the data, ask for fewer functions, raise the restraints, or allow holes "
            "(--allow-holes)"
        )
    return solution, walls


def mending_structures(
    walls: Walls, potential: EnergyModel, session: FitSession, strength: float
) -> list[Structure]:
    """
    Make restraints where the energy falls.

    The learned energy of dimers and trimers shall vanish; that of structures shall stay as it was
    where the energy began to fall, so that the rising repulsion of the baseline is left.

    Parameters
    ----------
    walls : Walls
    potential : EnergyModel
        With the holes.
    session : FitSession
    strength : float
        Of the weights.

    Returns
    -------
    list of Structure
        With learned energies, E0 excluded, as labels.
    """
    learned, restraints = learned_part(potential), session.restraints
    if restraints is None:
        return []
    found = []
    for curve in walls.dimers:
        if not curve.is_repulsive:
            start = float(curve.r[0]) / curve.shortest
            seen = {curve.pair: PairDistances(curve.shortest, curve.shortest, True)}
            found += wall_dimers(seen, start, strength * DIMER_WEIGHT)
    for compression in walls.compressions:
        if compression.is_repulsive:
            continue
        scales = [s for s in compression.scales.tolist() if s <= compression.top]
        steps = [compressed(compression.structure, s) for s in scales]
        n_atoms = compression.structure.n_atoms
        numbers = compression.structure.numbers.tolist()
        repulsion = restraints.repulsion.predict_many(steps, forces=False).energies / n_atoms
        e0 = sum(learned.isolated_atom_energies[chemical_symbols[z]] for z in numbers)
        kept = learned.predict(steps[0], forces=False).energy - e0 if compression.of_data else 0.0
        for step, rise in zip(steps, repulsion - repulsion[0], strict=True):
            found.append(
                replace(
                    step,
                    labels=Labels(energy=kept),
                    weight=strength * ERROR / (LEAST + SHARE * max(rise, 0.0)),
                    group=GROUP,
                )
            )
    return found
