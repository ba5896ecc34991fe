"""No potential leaves with a hole: check, demand that energies rise, solve again, or refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.errors import HoleError, InputError
from linpot.model.packing import pack
from linpot.model.sum import without_unscannable
from linpot.structures.dataset import Dataset
from linpot.structures.distances import PairDistances
from linpot.structures.structure import Structure
from linpot.validation.compression import (
    WALL,
    Compression,
    check_compression,
    compressed,
    representatives,
)
from linpot.validation.dimers import DimerCurve, check_dimers, dimer
from linpot.workflow.keys import EVERY_FOLD
from linpot.workflow.session import FitSession
from linpot.workflow.solution import Solution

ATTEMPTS = 8
RISE = 0.1  # of what the baseline rises, that the whole energy rises at least ...
LEAST_RISE = 1e-3  # eV per atom, ... where the baseline itself hardly does
HIGHEST = 3.0 * WALL  # eV per atom, of the baseline: behind it nothing is demanded
OUTSIDE = 0.05  # scale by which demands begin before the energy falls

Floats = NDArray[np.float64]


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
    demands : (float64[m, n_features], float64[m]) or None
        ``A c >= b`` by which holes were mended.
    """

    dimers: list[DimerCurve]
    compressions: list[Compression]
    notes: list[str] = field(default_factory=list)
    demands: tuple[Floats, Floats] | None = None

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
    Solve, push atoms together, and demand that the energy rises where it falls.

    What is demanded are inequalities between the energies of neighboring steps of a scan, linear in
    the coefficients; they are met at the least cost to the fit.

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
        If there are holes after `ATTEMPTS`, or demands contradict, and the settings do not allow
        holes. Without a repulsion in the baseline nothing is refused.
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
                f"dimers, trimers and compressed structures were checked without "
                f"{', '.join(left_out)}, which costs too much"
            )
        return walls

    solution = session.solve()
    walls = check(solution)
    if session.restraints is None or session.settings.allow_holes:
        return solution, walls
    matrix, bounds = np.zeros((0, session.basis.n_features)), np.zeros(0)
    first, unmended = walls.holes, solution
    for _ in range(ATTEMPTS):
        if not walls.holes:
            break
        more, values = rising(walls, solution.coefficients, session)
        matrix, bounds = np.vstack([matrix, more]), np.concatenate([bounds, values])
        try:
            solution = session.solve(at_least=(matrix, bounds), free=unmended)
        except InputError:  # they contradict: the holes stay
            break
        walls = check(solution)
    if walls.holes:
        raise HoleError(
            f"the potential has {len(walls.holes)} holes: {walls.holes[0]}; add such structures to "
            "the data, ask for fewer functions, raise the restraints, or allow holes "
            "(--allow-holes)"
        )
    if first:
        walls.notes.append(
            f"energies were made to rise where {len(first)} hole{'s' * (len(first) > 1)} had been "
            f"found, first: {first[0]}; errors on the training data grew by "
            f"{growth_of_errors(session, unmended, solution)}"
        )
        walls = replace(walls, demands=(matrix, bounds))
    return solution, walls


def rising(walls: Walls, coefficients: Floats, session: FitSession) -> tuple[Floats, Floats]:
    """
    Demand that the energy rises along every path on which it falls.

    Parameters
    ----------
    walls : Walls
        Of a potential with holes.
    coefficients : float64[n_features], eV
        Of its learned part.
    session : FitSession

    Returns
    -------
    matrix : float64[n_demands, n_features]
    bounds : float64[n_demands], eV per atom
        ``matrix c >= bounds``.
    """
    paths = []
    for curve in walls.dimers:
        if not curve.is_repulsive:
            inner = np.flatnonzero(curve.r <= curve.shortest)[::-1]
            numbers = np.array([atomic_numbers[s] for s in curve.pair])
            steps = [dimer(numbers, r) for r in curve.r[inner].tolist()]
            paths.append((steps, curve.energies[inner] / 2.0))
    for compression in walls.compressions:
        if not compression.is_repulsive:
            inner = np.flatnonzero(compression.scales <= compression.top + OUTSIDE)
            steps = [compressed(compression.structure, s) for s in compression.scales[inner]]
            paths.append((steps, compression.energies[inner]))
    matrices, bounds = [], []
    for steps, energies in paths:
        features = _features_per_atom(steps, session)
        others = energies - features @ coefficients
        below = np.maximum.accumulate(others - others[0])[:-1] < HIGHEST
        rise = np.maximum(RISE * np.diff(others), LEAST_RISE)
        matrices.append(np.diff(features, axis=0)[below])
        bounds.append((rise - np.diff(others))[below])
    return np.vstack(matrices), np.concatenate(bounds)


def growth_of_errors(session: FitSession, before: Solution, after: Solution) -> str:
    """Say by how much root mean squares of all training rows grew: ``3 % (energy), ...``."""
    sums: dict[str, Floats] = {}
    for (group, name, fold), factor in session.factors.items():
        key = (group or "", name)
        if fold != EVERY_FOLD and key in before.errors:
            squares = np.array([before.errors[key], after.errors[key]]) ** 2
            sums[name] = sums.get(name, np.zeros(2)) + factor.n_rows * squares
    told = {n: 100.0 * (np.sqrt(new / old) - 1.0) for n, (old, new) in sums.items() if old > 0.0}
    return ", ".join(f"{percent:.2g} % ({name})" for name, percent in told.items())


def _features_per_atom(structures: list[Structure], session: FitSession) -> Floats:
    """Sum features over the atoms of each structure: float64[n_structures, n_features]."""
    engine, offsets = session.builder.engine, session.basis.feature_offsets
    batch = pack(structures, session.basis.elements, engine.cutoffs)
    rows = np.zeros((len(structures), session.basis.n_features))
    for species, (atoms, features) in enumerate(engine.features_by_species(batch)):
        columns = slice(offsets[species], offsets[species + 1])
        np.add.at(rows[:, columns], batch.structure[atoms], features)
    return rows / np.diff(batch.first_atoms)[:, None]
