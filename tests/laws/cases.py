"""The structures and models over which every law runs, and small helpers that laws share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations_with_replacement, cycle, islice
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.baselines.zbl import ZBL
from linpot.basis.families import build_basis
from linpot.basis.mtp import Mtp, n_radial_of
from linpot.basis.radial import RadialParameters
from linpot.basis.snap import Snap
from linpot.basis.specification import BasisSpecification
from linpot.constants import COULOMB
from linpot.lammps.pace_potential import PacePotential
from linpot.lammps.yace_parser import parse_yace
from linpot.mlip.files import read_mtp
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.structures.structure import Structure
from tests.mtp_files import TWO_SPECIES

Floats = NDArray[np.float64]

FOREIGN = Path(__file__).parents[1] / "data" / "yace" / "ml_pace" / "foreign"
CUTOFF, TAPER_START, TAPER_END = 4.0, 1.2, 2.0
ISOLATED = {"C": -1.25, "Si": -2.5, "Ge": -3.75}
ELEMENTS = {1: ("Si",), 2: ("Si", "Ge"), 3: ("C", "Si", "Ge")}

# largest degree for body orders 2, 3, ...: 30 to 130 functions per centre species, all of them
# with angular factors up to the highest body order
DEGREES = {
    (1, 2): [14],
    (1, 3): [6, 7],
    (1, 4): [5, 6, 5],
    (1, 5): [4, 5, 3, 3],
    (1, 6): [4, 4, 3, 3, 3],
    (2, 2): [7],
    (2, 3): [3, 4],
    (2, 4): [2, 3, 2],
    (2, 5): [2, 2, 2, 2],
    (2, 6): [2, 2, 1, 1, 2],
    (3, 2): [5],
    (3, 3): [2, 3],
    (3, 4): [1, 2, 2],
    (3, 5): [1, 2, 1, 2],
    (3, 6): [1, 2, 1, 0, 1],
}


def radial_of(elements: Sequence[str]) -> dict[tuple[str, str], RadialParameters]:
    """Every pair has its own cutoff; the first one has `CUTOFF`, the largest."""
    return {
        pair: RadialParameters(CUTOFF - 0.1 * k, 2.0 + 0.5 * k, TAPER_START, TAPER_END)
        for k, pair in enumerate(combinations_with_replacement(elements, 2))
    }


@cache
def linear(n_elements: int, body_order: int) -> LinearPotential:
    """A potential with random coefficients that shrink with the body order, so that all count."""
    elements = ELEMENTS[n_elements]
    basis = build_basis(
        BasisSpecification(
            elements,
            radial_of(elements),
            body_order=body_order,
            max_degree=DEGREES[n_elements, body_order],
        )
    )
    rng = np.random.default_rng(10 * n_elements + body_order)
    orders = np.concatenate([p.body_orders for p in basis.programs])
    coefficients = rng.normal(size=basis.n_features) * 0.3 ** (orders - 2.0)
    return LinearPotential(basis, coefficients, {s: ISOLATED[s] for s in elements})


@cache
def snap(**choices: bool) -> LinearPotential:
    """A SNAP potential of two elements; the tapers of `radial_of` are inner switches."""
    elements = ELEMENTS[2]
    # no pair of the structures lies where second derivatives jump, at the ends of the switches
    radial = {k: replace(r, cutoff=r.cutoff - 0.07) for k, r in radial_of(elements).items()}
    specification = Snap(twojmax=3, **choices).specify(elements, radial)
    basis = build_basis(specification)
    rng = np.random.default_rng(7)
    scales = np.where(basis.body_orders > 4, 1e-3, 0.1)
    coefficients = rng.normal(size=basis.n_features) * scales
    return LinearPotential(basis, coefficients, {s: ISOLATED[s] for s in elements})


@cache
def zbl(n_elements: int) -> ZBL:
    pairs = list(combinations_with_replacement(ELEMENTS[n_elements], 2))
    return ZBL(
        ELEMENTS[n_elements],
        {pair: 1.6 - 0.1 * k for k, pair in enumerate(pairs)},
        {pair: 3.0 + 0.1 * k for k, pair in enumerate(pairs)},
    )


@cache
def pace(name: str) -> PacePotential:
    """A potential of another origin: radial functions from tables, embeddings."""
    return PacePotential(parse_yace((FOREIGN / f"{name}.yace").read_text()))


@cache
def mtp(n_elements: int, level: int) -> LinearPotential:
    """Moment contractions with random radial functions for every ordered pair of species."""
    elements = ELEMENTS[n_elements]
    rng = np.random.default_rng(level)
    mixing = {
        f"{a}-{b}": rng.normal(size=(n_radial_of(level), 4)) for a in elements for b in elements
    }
    choices = Mtp(level=level, n_radial=4, learn=0, mixing=mixing)
    basis = build_basis(choices.specify(elements, radial_of(elements)))
    coefficients = rng.normal(size=basis.n_features) * 0.1 ** (basis.body_orders - 2.0)
    return LinearPotential(basis, coefficients, {s: ISOLATED[s] for s in elements})


MODELS: dict[str, Callable[[], EnergyModel]] = {
    "linear-1-order-5": lambda: linear(1, 5),
    "linear-2-order-4": lambda: linear(2, 4),
    "linear-3-order-3": lambda: linear(3, 3),
    "zbl": lambda: zbl(2),
    "sum": lambda: linear(2, 3) + zbl(2),
    "snap-quadratic": lambda: snap(quadratic=True),
    "snap-chem": lambda: snap(chem=True),
    "pace": lambda: pace("densities"),
    "mtp": lambda: mtp(2, 10),
    "mtp-file": lambda: read_mtp(TWO_SPECIES, ("Si", "C")),
}


def _diamond() -> Atoms:
    return bulk("Si", "diamond", a=5.43, cubic=True)


def _triclinic() -> Atoms:
    atoms = bulk("Si", "diamond", a=5.2, cubic=True)
    strain = np.array([[0.02, 0.15, 0], [0, -0.03, 0.1], [0.2, 0, 0.04]])
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.rattle(0.15, seed=3)
    return atoms


def _molecule() -> Atoms:
    # 1.8 A and 1.5 A bonds lie inside the taper, the last atom is 3.5 A away
    return Atoms(
        "Si5",
        [[0, 0, 0], [1.8, 0.1, 0], [-0.7, 1.3, 0.2], [0.3, -1.4, 2.1], [0.2, 2.4, 3.2]],
    )


def _slab() -> Atoms:
    atoms = bulk("Si", "diamond", a=5.43, cubic=True)
    atoms.rattle(0.1, seed=4)
    atoms.center(vacuum=4.5, axis=2)
    atoms.pbc = (True, True, False)
    return atoms


def _wire() -> Atoms:
    return Atoms(
        "Si4",
        [[0, 0, 0], [1.2, 1.9, 0.3], [2.5, -0.4, 0.9], [3.6, 1.6, -0.5]],
        cell=[[4.9, 0.3, 0.2], [0, 0, 0], [0, 0, 0]],
        pbc=(True, False, False),
    )


def _small() -> Atoms:
    """Lattice vectors of 2.6 to 2.9 A, far below the cutoff."""
    return Atoms(
        "Si", [[0.3, 0.2, 0.1]], cell=[[2.6, 0, 0], [0.4, 2.7, 0], [-0.3, 0.5, 2.8]], pbc=True
    )


def _on_axis() -> Atoms:
    return Atoms("Si4", [[0, 0, 0], [0, 0, 1.7], [0, 0, -2.3], [0, 0, 3.9]])


STRUCTURES: dict[str, Callable[[], Atoms]] = {
    "diamond": _diamond,
    "triclinic": _triclinic,
    "molecule": _molecule,
    "slab": _slab,
    "wire": _wire,
    "dimer": lambda: Atoms("Si2", [[0, 0, 0], [0.9, 1.3, 1.1]]),
    "atom": lambda: Atoms("Si", [[0.1, 0.2, 0.3]]),
    "small": _small,
    "on_axis": _on_axis,
}
PERIODIC = ("diamond", "triclinic", "slab", "wire", "small")
BULK = ("diamond", "triclinic", "small")


def structure_for(name: str, model: EnergyModel) -> Structure:
    """Return a structure whose atoms take the elements of the model in turn."""
    atoms = STRUCTURES[name]()
    numbers = list(islice(cycle(atomic_numbers[s] for s in model.elements), len(atoms)))
    return Structure(
        np.array(numbers), atoms.positions, atoms.cell.array, tuple(atoms.pbc), name=name
    )


def transformed(structure: Structure, matrix: Floats) -> Structure:
    """Apply ``r -> r matrix`` to positions and cell."""
    return replace(structure, positions=structure.positions @ matrix, cell=structure.cell @ matrix)


def moved(structure: Structure, displacements: Floats) -> Structure:
    return replace(structure, positions=structure.positions + displacements)


def supercell(structure: Structure, repeats: tuple[int, int, int]) -> Structure:
    """Repeat along the lattice vectors; copies follow one another as whole cells."""
    shifts = np.array(list(np.ndindex(*repeats)), dtype=float) @ structure.cell
    return replace(
        structure,
        numbers=np.tile(structure.numbers, len(shifts)),
        positions=(structure.positions[None] + shifts[:, None]).reshape(-1, 3),
        cell=structure.cell * np.array(repeats)[:, None],
    )


def rotation(seed: int) -> Floats:
    """A random proper rotation."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)


def parts_of(model: EnergyModel) -> tuple[EnergyModel, ...]:
    return getattr(model, "parts", (model,))


def atomic_invariants(model: EnergyModel, structure: Structure) -> list[Floats]:
    """Energy of every atom, and all its features where the model has some."""
    energies = model.predict(structure, forces=False).atomic_energies
    invariants = [energies[[i]] for i in range(structure.n_atoms)]
    for part in parts_of(model):
        if isinstance(part, LinearPotential):
            features = part.features(structure)
            invariants = [np.append(a, b) for a, b in zip(invariants, features, strict=True)]
    return invariants


def assert_same_invariants(found: list[Floats], expected: list[Floats], note: str = "") -> None:
    """
    Compare to 1e-10 of each value.

    Symmetry makes some features vanish, where only the rounding of the terms that cancel is left:
    1e-13 of the largest value.
    """
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        floor = 1e-13 * np.abs(b).max()
        error = np.abs(a - b)
        assert (error <= 1e-10 * np.abs(b) + floor).all(), f"atom {i}: {error.max()} {note}"


def forces_scale(model: EnergyModel, structure: Structure) -> float:
    """
    Size of a typical force, eV/A, for relative tolerances where forces cancel.

    Single pair forces are about the virial per atom and distance.
    """
    prediction = model.predict(structure)
    per_atom = np.abs(prediction.virial).max() / structure.n_atoms / CUTOFF
    return max(float(np.abs(prediction.forces).max()), float(per_atom), 1e-3)


def naive_zbl(model: ZBL, i: str, j: str, r):
    """Screened Coulomb repulsion of one pair and its switch; r may be complex."""
    za, zb = atomic_numbers[i], atomic_numbers[j]
    on, off = (
        table[i, j] if (i, j) in table else table[j, i]
        for table in (model.switch_starts, model.pair_cutoffs)
    )

    def bare(s):
        x = s * (za**0.23 + zb**0.23) / 0.4685
        screening = (
            0.18175 * np.exp(-3.1998 * x)
            + 0.50986 * np.exp(-0.94229 * x)
            + 0.28022 * np.exp(-0.4029 * x)
            + 0.02817 * np.exp(-0.20162 * x)
        )
        return COULOMB * za * zb / s * screening

    # slope and curvature at the end by complex steps; eps^(1/3) and 4 points give 1e-10
    h = 1e-20
    slope = (bare(off + 1j * h) / h).imag
    e = 1e-3
    by_r = [(bare(off + k * e + 1j * h) / h).imag for k in (-2, -1, 1, 2)]
    curvature = (by_r[0] - 8 * by_r[1] + 8 * by_r[2] - by_r[3]) / (12 * e)
    # cubic and quartic whose value, slope and curvature at the end cancel the bare ones
    w = off - on
    a, b = np.linalg.solve([[w**2, w**3], [2 * w, 3 * w**2]], [-slope, -curvature])
    constant = -(bare(off) + a / 3 * w**3 + b / 4 * w**4)
    t = r - on if r.real > on else 0.0
    return bare(r) + a / 3 * t**3 + b / 4 * t**4 + constant if r.real < off else 0.0 * r
