"""Systems with equilibrated charges for benchmarks: water-like cells and molten salt."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

import linpot
from linpot.baselines.pair_potential import PairPotential
from linpot.basis.families import build_basis
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import BasisSpecification
from linpot.charges.atom_function import AtomFunction
from linpot.charges.equilibrated_charges import EquilibratedCharges
from linpot.model.protocol import EnergyModel
from linpot.structures.structure import Structure, structure_from_atoms

Floats = NDArray[np.float64]

DENSITY = 0.0334  # molecules of water per A^3


def water(side: int, seed: int = 0) -> Structure:
    """Rigid molecules on a cubic lattice, turned at random: 3 side^3 atoms."""
    rng = np.random.default_rng(seed)
    n, a = side**3, DENSITY ** (-1.0 / 3.0)
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1)
    oxygen = a * grid.reshape(-1, 3) + rng.uniform(-0.15, 0.15, (n, 3))
    half = np.deg2rad(104.5) / 2.0
    arms = 0.9572 * np.array([[np.sin(half), 0, np.cos(half)], [-np.sin(half), 0, np.cos(half)]])
    turned = np.einsum("nij,hj->nhi", Rotation.random(n, random_state=seed).as_matrix(), arms)
    positions = np.concatenate([oxygen[:, None], oxygen[:, None] + turned], axis=1).reshape(-1, 3)
    cell = np.eye(3) * a * side
    return Structure(np.tile([8, 1, 1], n), positions, cell, (True, True, True))


def basis_of(
    elements: tuple[str, ...], n_functions: int, cutoff: float, taper: tuple[float, float] = (0, 0)
) -> Any:
    pairs = [(a, b) for k, a in enumerate(elements) for b in elements[k:]]
    radial = {
        pair: RadialParameters(cutoff, taper_start=taper[0], taper_end=taper[1]) for pair in pairs
    }
    return build_basis(BasisSpecification(elements, radial, body_order=3, n_functions=n_functions))


def qeq_of_water(n_functions: int = 50, cutoff: float = 4.0) -> EquilibratedCharges:
    """Charges of about -0.6 and 0.3 e that follow the environment a little; nothing fitted."""
    basis = basis_of(("H", "O"), n_functions, cutoff)
    rng = np.random.default_rng(0)
    function = AtomFunction(
        basis, 0.02 * rng.normal(size=(1, basis.n_features)), np.array([[4.0, 10.0]])
    )
    return EquilibratedCharges(function, {"H": 6.0, "O": 5.0}, {"H": 0.31, "O": 0.66})


class Repulsion(PairPotential):
    """``b exp(-r/rho) (1 - r/c)^3`` between all ions."""

    kind = "benchmark_repulsion"
    strength, decay = 6000.0, 0.31  # eV, A

    @property
    def cutoffs(self) -> Floats:
        """6 A for all pairs."""
        return np.full((2, 2), 6.0)

    @property
    def elements(self) -> tuple[str, ...]:
        """Sodium and chlorine."""
        return "Na", "Cl"

    def pair_energies(self, r: Floats, first: Any, second: Any) -> tuple[Floats, Floats]:
        """Return energies and derivatives."""
        bare, left = self.strength * np.exp(-r / self.decay), 1.0 - r / 6.0
        return bare * left**3, -bare * (left**3 / self.decay + left**2 / 2.0)

    def to_state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return nothing: all is fixed."""
        return {}, {}

    @classmethod
    def from_state(cls, header: Any, arrays: Any) -> Repulsion:
        """Rebuild from nothing."""
        return cls()


def molten_salt(repeats: int = 3) -> tuple[EnergyModel, Structure]:
    """
    Rock salt, 8 repeats^3 ions, with QEq charges of about 0.8 e and exponential repulsion.

    Features end at short distances: electronegativities that grow there outdo any repulsion.
    """
    basis = basis_of(("Na", "Cl"), 30, 5.0, (1.8, 2.6))
    rng = np.random.default_rng(0)
    function = AtomFunction(
        basis, 0.002 * rng.normal(size=(1, basis.n_features)), np.array([[-7.0, 7.0]])
    )
    charges = EquilibratedCharges(function, {"Na": 10.0, "Cl": 9.0}, {"Na": 1.2, "Cl": 1.0})
    repulsion = Repulsion()
    return charges + repulsion, rock_salt(repeats)


def rock_salt(repeats: int = 3) -> Structure:
    """Rock salt, 8 repeats^3 ions."""
    atoms: Atoms = bulk("NaCl", "rocksalt", a=5.75, cubic=True) * repeats
    return structure_from_atoms(atoms)


def drift_of(
    model: EnergyModel, structure: Structure, *, temperature: float, steps: int = 2000
) -> dict[str, float]:
    """
    Slope of the total energy over an NVE run at 1 fs.

    Velocities are of twice the temperature, half of which goes into the positions.
    """
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    atoms.info["total_charge"] = structure.net_charge
    atoms.calc = linpot.LinpotCalculator(model)
    rng = np.random.default_rng(0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=2.0 * temperature, rng=rng)
    Stationary(atoms)
    dynamics = VelocityVerlet(atoms, 1.0 * units.fs)
    energies = []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()), interval=10)
    dynamics.run(steps)
    times = 0.01 * np.arange(len(energies))  # ps
    tail = slice(len(energies) // 5, None)
    slope = np.polyfit(times[tail], energies[tail], 1)[0]
    return {
        "n_atoms": len(atoms),
        "ps": round(1e-3 * steps, 3),
        "final_temperature_K": round(float(atoms.get_temperature()), 1),
        "drift_meV_per_atom_ps": round(1e3 * float(slope) / len(atoms), 5),
    }
