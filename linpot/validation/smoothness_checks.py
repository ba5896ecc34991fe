"""
Checks of smoothness: an atom is pulled along a line, and jumps are hunted by zooming in.

On a grid of spacing h three differences vanish where the energy is smooth, and are as large as the
jump where energy, force or force constant jumps:

    C0   E(r + h) - E(r) + h (-F(r - h) + 13 F(r) + 13 F(r + h) - F(r + 2h))/24    ~ h^5
    C1   (fourth difference of F)/3                                                ~ h^4
    C2   (fifth difference of F)/(3 h)                                             ~ h^4

(C0 integrates the cubic through four forces. Differences are of high order because near steep walls
the smooth rest of lower ones is larger than a small jump.) Where one of them stands out from its
neighborhood, and at the claimed cutoff, the grid is made finer around its largest value until h is
so small that only a jump can be left; what still shrinks with h then is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from linpot.validation.findings import Findings
from linpot.validation.samples import CONDITIONS
from linpot.validation.subject import Subject

Floats = NDArray[np.float64]

KINDS = ("C0", "C1", "C2")
TOLERANCES = {"C0": (1e-6, "eV"), "C1": (1e-5, "eV/A"), "C2": (1e-2, "eV/A^2")}
REASON = (
    "jumps of 1e-6 eV, 1e-5 eV/A and 1e-2 eV/A^2 (a thousandth of the force constant of a bond), "
    "found with steps of 1e-5 A and less"
)
WIDTHS = {"C0": 3, "C1": 4, "C2": 5}  # points that a difference reaches over
SPACING = 0.04  # A, of the first grid
FINEST = {"C0": 1e-5, "C1": 1e-5, "C2": 2e-7}  # A; kinks of the force constant count h times
COARSER = 5.0  # times the finest spacing, with which it is compared
POINTS = 13  # of a finer grid
AROUND = 40  # points on each side, of which a jump is in six differences at most
STANDS_OUT = 6.0  # times the median; the largest of 80 of rounding is four times theirs
CANDIDATES = 2  # beside the cutoff
START = 0.8  # of the shortest usual distance
UNKNOWN_CUTOFF = 10.0  # A, how far out to look where no cutoff is claimed
BEYOND = 0.6  # A


@dataclass(frozen=True)
class Pull:
    """One atom, the last, on a line away from the others."""

    name: str
    atoms: Atoms
    direction: Floats
    first: float

    def scan(self, calculator: Calculator, distances: Floats) -> tuple[Floats, Floats]:
        """Return energies (eV) and forces along the line (eV/A) at distances from atom 0."""
        energies, forces = np.empty((2, len(distances)))
        moved = self.atoms.copy()
        moved.calc = calculator
        for k, r in enumerate(distances):
            moved.positions[-1] = moved.positions[0] + r * self.direction
            forces[k] = moved.get_forces()[-1] @ self.direction
            energies[k] = moved.get_potential_energy()
        return energies, forces


def dimers(subject: Subject, samples: Mapping[str, Atoms], slack: float) -> Findings:
    """Energies of two and three atoms are continuous, with as many derivatives as is claimed."""
    found, calculator = Findings(), subject.make(1)
    if subject.continuity < len(KINDS) - 1:
        found.notes.append(f"energies are claimed to be {KINDS[subject.continuity]}, no smoother")
    reach = (subject.cutoff or UNKNOWN_CUTOFF) + BEYOND
    if not samples:
        found.left_out = "no boundary condition is supported"
        return found
    for pull in _pulls(subject, free="FFF" in samples):
        grid = np.arange(pull.first, max(reach, pull.first + 2.0), SPACING)
        energies, forces = pull.scan(calculator, grid)
        if not np.isfinite(np.concatenate([energies, forces])).all():
            found.faults.append(f"{pull.name}: energies or forces are not finite")
            continue
        for kind in KINDS[: subject.continuity + 1]:
            tolerance, unit = TOLERANCES[kind]
            values = _differences(kind, grid, energies, forces)
            size, place = 0.0, pull.first
            for r in _suspects(kind, values, grid, subject.cutoff, 0.1 * tolerance):
                own, at = _zoom(kind, pull, calculator, r)
                if own > size:
                    size, place = own, at
            what = {
                "C0": "energy jumps by",
                "C1": "force jumps by",
                "C2": "force constant jumps by",
            }
            where = f"{pull.name} at {place:.4f} A"
            found.add(what[kind], size, slack * tolerance, unit, where)
    return found


def _pulls(subject: Subject, *, free: bool) -> Iterator[Pull]:
    """All pairs, and a third atom that leaves a pair."""
    for a, b in combinations_with_replacement(subject.elements, 2):
        atoms = Atoms([a, b], positions=np.zeros((2, 3)))
        first = START * subject.distance(a, b)
        yield Pull(f"{a}-{b}", _placed(subject, atoms, free), np.array([0.0, 0.0, 1.0]), first)
    pairs = list(combinations_with_replacement(subject.elements, 2))
    for (a, b), c in product(pairs[:2], subject.elements[:2]):  # many-body terms end there too
        length = 1.1 * subject.distance(a, b)
        atoms = Atoms([a, b, c], positions=[[0, 0, 0], [length, 0, 0], [0, 0, 0]])
        direction = np.array([-0.28, 0.96, 0.0])  # of length 1, away from b
        first = 0.95 * max(subject.distance(a, c), subject.distance(b, c))
        yield Pull(f"{c} leaving {a}-{b}", _placed(subject, atoms, free), direction, first)


def _placed(subject: Subject, atoms: Atoms, free: bool) -> Atoms:
    if not free:  # images are farther away than anything that is pulled
        atoms.set_cell(3.0 * ((subject.cutoff or UNKNOWN_CUTOFF) + BEYOND) * np.eye(3))
        atoms.pbc = CONDITIONS["TTT"]
    return subject.charged(atoms)


def _differences(kind: str, r: Floats, energies: Floats, forces: Floats) -> Floats:
    """Return absolute differences; entry k belongs to points k to k + WIDTHS[kind]."""
    h = r[1] - r[0]
    if kind == "C0":
        inner, outer = forces[1:-2] + forces[2:-1], forces[:-3] + forces[3:]
        return np.abs(np.diff(energies)[1:-1] + h * (13.0 * inner - outer) / 24.0)
    if kind == "C1":
        return np.abs(np.diff(forces, 4)) / 3.0
    return np.abs(np.diff(forces, 5)) / (3.0 * h)


def _middle(kind: str, r: Floats, k: int) -> float:
    return float(0.5 * (r[k] + r[k + WIDTHS[kind]]))


def _suspects(
    kind: str, values: Floats, grid: Floats, cutoff: float | None, floor: float
) -> list[float]:
    """Where differences stand out from those a little before and after, and the cutoff."""
    around = 6
    padded = np.pad(values, around, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * around + 1)
    prominence = values / (np.median(windows, axis=1) + floor)
    chosen: list[float] = [] if cutoff is None or cutoff < grid[0] else [cutoff]
    for k in np.argsort(-prominence, kind="stable"):
        if values[k] <= floor:
            continue  # a jump shows at any spacing
        r = _middle(kind, grid, int(k))
        if all(abs(r - other) > 3.0 * SPACING for other in chosen):
            chosen.append(r)
        if len(chosen) > CANDIDATES:
            break
    return chosen


def _zoom(kind: str, pull: Pull, calculator: Calculator, r: float) -> tuple[float, float]:
    """Return the jump that is left between points without a distance, and where it is."""
    half = 2.5 * SPACING
    history: list[tuple[float, float]] = []
    while True:
        grid = np.linspace(max(r - half, 0.5 * pull.first), r + half, POINTS)
        spacing = grid[1] - grid[0]
        values = _differences(kind, grid, *pull.scan(calculator, grid))
        best = int(values.argmax())
        r = _middle(kind, grid, best)
        history.append((float(spacing), float(values[best])))
        if values[best] <= 0.1 * TOLERANCES[kind][0]:
            return _without_spacing(history), r
        if spacing <= 1.01 * FINEST[kind]:
            if _is_rounding(kind, pull, calculator, r):
                return min(value for _, value in history), r
            return _without_spacing(history), r
        half = max(2.5 * spacing, 0.5 * (POINTS - 1) * FINEST[kind])


def _is_rounding(kind: str, pull: Pull, calculator: Calculator, r: float) -> bool:
    """Whether differences at the finest spacing are as large all around: a jump is in one place."""
    reach = FINEST[kind] * AROUND
    grid = np.linspace(r - reach, r + reach, 2 * AROUND + 1)
    values = _differences(kind, grid, *pull.scan(calculator, grid))
    return bool(values.max() < STANDS_OUT * np.median(values))


def _without_spacing(history: Sequence[tuple[float, float]]) -> float:
    """
    Extrapolate differences to a spacing of zero.

    A jump stays as the spacing shrinks; what the next derivative leaves, which may jump, shrinks
    with it.
    """
    h, fine = history[-1]
    for spacing, coarse in reversed(history):
        if spacing >= COARSER * h:
            return min(fine, max(0.0, fine - (coarse - fine) * h / (spacing - h)))
    return fine
