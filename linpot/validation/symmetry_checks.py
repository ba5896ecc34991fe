"""Checks of invariance and extensivity: what must not change when a structure is told otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from linpot.validation.findings import Findings
from linpot.validation.samples import sample_name
from linpot.validation.subject import Answer, Subject, ask, energy_of

Floats = NDArray[np.float64]
Samples = Mapping[str, Atoms]

ENERGY, FORCES, STRESS = 1e-6, 1e-5, 1e-6  # eV/atom, eV/A, eV/A^3
EXACT = (
    "1e-6 eV/atom, 1e-5 eV/A, 1e-6 eV/A^3: a thousand times less than potentials err, a thousand "
    "times more than double precision loses"
)
LATTICE_SUMS = 10.0
SUMMED = (
    "1e-5 eV/atom, 1e-4 eV/A, 1e-5 eV/A^3: as above, and ten times more, because another cell "
    "takes Ewald sums along another way, which agree to their accuracy"
)
FAR = 30.0  # A between copies, and twice that
FALLS_BY = 0.6  # the slowest physical interaction, 1/r, falls by 0.5 where the distance doubles


def translation(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Shift all atoms by one vector; along free directions too."""
    found, calculator = Findings(), subject.make(1)
    rng = np.random.default_rng(1)
    for atoms in samples.values():
        before = ask(calculator, atoms)
        moved = atoms.copy()
        shift = rng.uniform(-5.0, 5.0, 3)
        moved.positions += shift
        where = f"{sample_name(atoms)} shifted by {np.round(shift, 2).tolist()} A"
        _compare(found, before, ask(calculator, moved), where, slack)
    return found


def rotation(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Rotate atoms and cell: forces and stress rotate with them."""
    turns = [Rotation.random(rng=np.random.default_rng(seed)).as_matrix() for seed in (2, 3)]
    return _turned(subject, samples, turns, "rotated", slack)


def reflection(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Reflect atoms and cell in a plane, and invert them."""
    normal = np.array([0.48, -0.6, 0.64])  # of length 1
    mirror = np.eye(3) - 2.0 * np.outer(normal, normal)
    return _turned(subject, samples, [mirror, -np.eye(3)], "reflected", slack)


def permutation(subject: Subject, samples: Samples, slack: float) -> Findings:
    """List the same atoms in another order."""
    found, calculator = Findings(), subject.make(1)
    rng = np.random.default_rng(4)
    for atoms in samples.values():
        before = ask(calculator, atoms)
        for order in (np.arange(len(atoms))[::-1], rng.permutation(len(atoms))):
            after = ask(calculator, atoms[order])
            forces = np.empty_like(after.forces)
            forces[order] = after.forces
            where = f"{sample_name(atoms)} in the order {order.tolist()}"
            _compare(found, before, Answer(after.energy, forces, after.stress), where, slack)
    return found


def images(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Move atoms by lattice vectors, wrap them, and take other vectors of the same lattice."""
    found, calculator = Findings(), subject.make(1)
    rng = np.random.default_rng(5)
    for atoms in samples.values():
        if not atoms.pbc.any():
            continue
        before = ask(calculator, atoms)
        scattered = atoms.copy()
        steps = rng.integers(-2, 3, (len(atoms), 3)) * atoms.pbc
        scattered.positions += steps @ atoms.cell.array
        wrapped = scattered.copy()
        wrapped.wrap()
        told = [("moved by lattice vectors", scattered), ("wrapped", wrapped)]
        if atoms.pbc[:2].all():
            skewed = atoms.copy()
            cell = atoms.cell.array.copy()
            cell[1] += cell[0]
            if atoms.pbc[2]:
                cell[2] -= cell[1]
            skewed.set_cell(cell)
            told.append(("with other lattice vectors", skewed))
        for how, other in told:
            where = f"{sample_name(atoms)} {how}"
            _compare(found, before, ask(calculator, other), where, LATTICE_SUMS * slack)
    if not found.deviations:
        found.left_out = "no periodic structure is supported"
    return found


def supercells(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Repeat the cell: the energy is multiplied, forces repeat, the stress stays."""
    found, calculator = Findings(), subject.make(1)
    for atoms in samples.values():
        if not atoms.pbc.any():
            continue
        before = ask(calculator, atoms)
        for axis in np.flatnonzero(atoms.pbc):
            repeats = np.ones(3, dtype=int)
            repeats[axis] = 2 if len(atoms) < 50 else 1
            if repeats.prod() == 1:
                continue
            after = ask(calculator, atoms * tuple(repeats))
            halves = after.forces.reshape(2, len(atoms), 3)
            where = f"{sample_name(atoms)} repeated {'x'.join(map(str, repeats))}"
            for forces in halves:
                single = Answer(after.energy / 2.0, forces, after.stress)
                _compare(found, before, single, where, LATTICE_SUMS * slack)
    if not found.deviations:
        found.left_out = "no periodic structure is supported"
    return found


def far_copies(subject: Subject, samples: Samples, slack: float) -> Findings:
    """Two copies far apart have twice the energy, or an interaction that falls off."""
    found, calculator = Findings(), subject.make(1)
    if "FFF" not in samples:
        found.left_out = "free boundaries are not supported"
        return found
    single = samples["FFF"]
    alone = energy_of(calculator, single)
    size = float(np.ptp(single.positions, axis=0).max())
    far = max(FAR, 2.0 * (subject.cutoff or 0.0)) + size
    rests = []
    for distance in (far, 2.0 * far):
        other = single.copy()
        other.positions += distance * np.array([0.6, 0.64, 0.48])  # of length 1
        rests.append(abs(energy_of(calculator, single + other) - 2.0 * alone) / (2 * len(single)))
    near, away = rests
    where = f"two copies of {sample_name(single)}"
    tolerance = LATTICE_SUMS * ENERGY * slack
    if near <= tolerance:
        found.add("energy", near, tolerance, "eV/atom", f"{where} {far:.0f} A apart")
        return found
    found.notes.append(
        f"long-ranged: {where} interact with {near:.2g} eV/atom at {far:.0f} A, "
        f"{away:.2g} at twice that"
    )
    allowed = max(FALLS_BY * near, tolerance)
    found.add(
        "energy", away, allowed, "eV/atom", f"{where} {2 * far:.0f} A apart, where it must fall"
    )
    return found


def _turned(
    subject: Subject, samples: Samples, turns: list[Floats], how: str, slack: float
) -> Findings:
    found, calculator = Findings(), subject.make(1)
    for atoms in samples.values():
        before = ask(calculator, atoms)
        for turn in turns:
            turned = atoms.copy()
            turned.set_cell(atoms.cell.array @ turn.T, scale_atoms=False)
            turned.positions = atoms.positions @ turn.T
            after = ask(calculator, turned)
            stress = None if after.stress is None else _voigt(turn.T @ _full(after.stress) @ turn)
            back = Answer(after.energy, after.forces @ turn, stress)
            rows = "; ".join(" ".join(f"{x:.3f}" for x in row) for row in turn)
            _compare(found, before, back, f"{sample_name(atoms)} {how} by [{rows}]", slack)
    return found


def _compare(found: Findings, before: Answer, after: Answer, where: str, slack: float) -> None:
    n_atoms = len(before.forces)
    energy = abs(after.energy - before.energy) / n_atoms
    found.add("energy", energy, ENERGY * slack, "eV/atom", where)
    errors = np.abs(after.forces - before.forces).max(axis=1)
    worst = int(errors.argmax())
    found.add("forces", errors[worst], FORCES * slack, "eV/A", f"{where}, atom {worst}")
    if before.stress is not None and after.stress is not None:
        stress = np.abs(after.stress - before.stress).max()
        found.add("stress", stress, STRESS * slack, "eV/A^3", where)


def _full(voigt: Floats) -> Floats:
    return voigt[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]


def _voigt(full: Floats) -> Floats:
    return full[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
