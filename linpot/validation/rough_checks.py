"""
Checks of rough use: what happens to a potential far from its data.

Random cells are relaxed, a crystal is pushed to half of its volume and heated to five times its
melting temperature, two atoms are pushed into each other. A potential that falls anywhere there
has a hole through which a simulation can be lost.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.data import covalent_radii
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.neighborlist import neighbor_list
from ase.optimize import FIRE
from numpy.typing import NDArray

from linpot import checks
from linpot.validation.crystals import ground_state, nearest_distance, supercell
from linpot.validation.findings import Findings
from linpot.validation.random_cells import random_cell
from linpot.validation.samples import sample_name
from linpot.validation.subject import Subject, energy_of

Floats = NDArray[np.float64]

BELOW = 0.1  # eV/atom under the crystal that is given: data may know a somewhat better one
CLOSEST = 0.6  # of the nearest distance of the crystal ...
SHORTEST_BOND = 0.75  # ... or of the sum of covalent radii, if less: N2 has 0.77, O2 0.92
FALL = 1e-3  # eV/atom
WALL = 5.0  # eV/atom above the start: nothing climbs so far
HOTTER = 5.0  # melting temperatures
STEPS, TIMESTEP = 1000, 1.0  # fs
RELAXATION = 150  # steps
SMALLEST_DIMER = 0.4  # of the shortest usual distance
GUESSED = 0.85  # of the sum of covalent radii, where a bond resists
HOT_LENGTH = 7.0  # A
REASON = (
    "0.1 eV/atom below the crystal, pairs at 0.6 of its nearest distance and closer than any bond, "
    "falls of 1 meV/atom on the way in: no matter has such minima, while real ones differ by less"
)


@dataclass(frozen=True)
class Rough:
    """
    What rough use starts from.

    Attributes
    ----------
    crystal : Atoms
        Relaxed first; the composition of random cells.
    melting : float or None, K
    n_random : int
        Random cells.
    seed : int
    """

    crystal: Atoms
    melting: float | None = None
    n_random: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        checks.integer("n_random", self.n_random, low=1)
        if self.melting is not None:
            checks.positive("melting", self.melting, "temperature in K")

    def random_search(self, subject: Subject) -> Findings:
        """Relax random cells: none may end far below the crystal, or with pairs too close."""
        found, calculator = Findings(), subject.make(1)
        ground = ground_state(self.crystal, calculator)
        bulk = energy_of(calculator, ground) / len(ground)
        near = CLOSEST * nearest_distance(ground)
        rng = np.random.default_rng(self.seed)
        for number in range(self.n_random):
            volume = ground.get_volume() / len(ground)
            atoms = random_cell(list(ground.symbols), volume, subject.distance, rng)
            atoms = subject.charged(atoms)
            where = f"random cell {number} ({sample_name(atoms)}, seed {self.seed})"
            relaxed = _relaxed(atoms, calculator, bulk)
            energy = energy_of(calculator, relaxed) / len(relaxed)
            found.add("energy below the crystal", max(0.0, bulk - energy), BELOW, "eV/atom", where)
            found.add("pairs too close by", too_close(relaxed, near), 0.0, "A", where)
        return found

    def compression(self, subject: Subject) -> Findings:
        """Compress the crystal to half of its volume: the energy rises all the way."""
        found, calculator = Findings(), subject.make(1)
        ground = ground_state(self.crystal, calculator)
        energies, scales = [], np.linspace(1.0, 0.5, 51) ** (1 / 3)
        for scale in scales:
            smaller = ground.copy()
            smaller.set_cell(scale * ground.cell.array, scale_atoms=True)
            energies.append(energy_of(calculator, smaller) / len(ground))
        fall, k = _fall(np.array(energies))
        where = f"{sample_name(ground)} at {scales[k] ** 3:.2f} of its volume"
        found.add("energy falls by", fall, FALL, "eV/atom", where)
        return found

    def heat(self, subject: Subject) -> Findings:
        """Heat the crystal to five times its melting temperature at constant volume."""
        found, calculator = Findings(), subject.make(1)
        if self.melting is None:
            found.left_out = "the melting temperature is unknown; give it (--melting)"
            return found
        ground = ground_state(self.crystal, calculator)
        atoms = supercell(ground, HOT_LENGTH)
        bulk, near = energy_of(calculator, ground) / len(ground), nearest_distance(ground)
        rng = np.random.default_rng(self.seed)
        kelvin = HOTTER * self.melting
        spread = np.sqrt(2.0 * units.kB * kelvin / atoms.get_masses())[:, None]
        atoms.set_velocities(spread * rng.standard_normal((len(atoms), 3)))
        atoms.calc = calculator
        lowest, closest = np.inf, np.inf
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of ASE, about the center of mass
            dynamics = Langevin(
                atoms, TIMESTEP * units.fs, temperature_K=kelvin, friction=0.02 / units.fs, rng=rng
            )
        for _ in range(STEPS // 10):
            dynamics.run(10)
            lowest = min(lowest, atoms.get_potential_energy() / len(atoms))
            closest = min(closest, nearest_distance(atoms))
            if lowest < bulk - 10.0 * BELOW:
                break
        where = f"{len(atoms)} atoms at {kelvin:.0f} K"
        found.add("energy below the crystal", max(0.0, bulk - lowest), BELOW, "eV/atom", where)
        found.notes.append(f"the closest pair came to {closest / near:.2f} of the nearest distance")
        return found

    def dimers(self, subject: Subject) -> Findings:
        """Push two atoms into each other: the energy rises all the way in."""
        found, calculator = Findings(), subject.make(1)
        for a, b in combinations_with_replacement(subject.elements, 2):
            known = {(a, b), (b, a)} & set(subject.shortest)
            shortest = subject.distance(a, b) * (1.0 if known else GUESSED)
            pair = subject.charged(Atoms([a, b], positions=np.zeros((2, 3))))
            r = np.arange(1.0, SMALLEST_DIMER, -0.01) * shortest
            energies = []
            for distance in r:
                pair.positions[1, 2] = distance
                energies.append(energy_of(calculator, pair) / 2.0)
            fall, k = _fall(np.array(energies))
            found.add("energy falls by", fall, FALL, "eV/atom", f"{a}-{b} at {r[k]:.2f} A")
        return found


def _relaxed(atoms: Atoms, calculator: Calculator, bulk: float) -> Atoms:
    """Relax cell and positions for a while; stop where the energy is beyond doubt."""
    moving = atoms.copy()
    moving.calc = calculator
    for _ in FIRE(FrechetCellFilter(moving), logfile=None).irun(fmax=0.05, steps=RELAXATION):
        if moving.get_potential_energy() / len(moving) < bulk - 10.0 * BELOW:
            break
        if not 0.2 < moving.get_volume() / atoms.get_volume() < 5.0:
            break  # it flies apart, or has collapsed
    moving.calc = None
    return moving


def too_close(atoms: Atoms, near: float) -> float:
    """
    Return by how much a pair is closer than in a dense crystal and in any molecule.

    Parameters
    ----------
    atoms : ase.Atoms
    near : float, A
        What is too close in the crystal; less for elements with shorter bonds, as oxygen in MgO.

    Returns
    -------
    float, A
        0 if none is.
    """
    i, j, distances = neighbor_list("ijd", atoms, near)
    radii = covalent_radii[atoms.numbers]
    least = np.minimum(near, SHORTEST_BOND * (radii[i] + radii[j]))
    return float((least - distances).max(initial=0.0))


def _fall(energies: Floats) -> tuple[float, int]:
    """Return the largest fall before the wall, and where it ends."""
    highest = np.maximum.accumulate(energies)
    behind = np.maximum.accumulate(highest >= energies[0] + WALL)
    falls = np.where(behind, 0.0, highest - energies)
    k = int(falls.argmax())
    return float(falls[k]), k
