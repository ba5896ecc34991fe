# %% [markdown]
# # Error bars of anything that is computed
#
# A lattice constant, a bulk modulus, the energy of a vacancy and the barrier of its jump, each with
# an interval, in one call each. The "reference" is effective medium theory of ASE, so that the
# right answers are known.

# %%
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.optimize import BFGS

import linpot

SETTINGS = linpot.FitSettings(n_functions=60, body_order=4, cutoff=4.5)
SITE, NEIGHBOR = 0, 1
"""Nearest neighbors of the cubic cell: the vacancy, and the atom that jumps into it."""


def labelled(atoms: Atoms) -> Atoms:
    """Return a copy with energy, forces and stress of the reference."""
    atoms = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    reference = atoms.copy()
    reference.calc = EMT()
    results = {name: getattr(reference, f"get_{name}")() for name in ("forces", "stress")}
    results["energy"] = reference.get_potential_energy()
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


# %% [markdown]
# Data: copper, rattled and strained, with and without a vacancy, and with an atom on its way.


# %%
def crystal(state: str) -> Atoms:
    """Return 32 sites, whole, with a vacancy, or with an atom halfway into it."""
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    if state == "saddle":
        atoms.positions[NEIGHBOR] = 0.5 * (atoms.positions[SITE] + atoms.positions[NEIGHBOR])
    if state != "whole":
        del atoms[SITE]
    return atoms


rng = np.random.default_rng(0)
train = []
for seed in range(36):
    start = crystal(("whole", "vacancy", "saddle")[seed % 3])
    start.rattle(rng.uniform(0.02, 0.12), seed=seed)
    start.set_cell(start.cell.array * rng.uniform(0.98, 1.02), scale_atoms=True)
    train.append(labelled(start))
potential = linpot.fit_with_error_bars(train, settings=SETTINGS, kind="pops")


# %% [markdown]
# Properties are functions of a calculator. Nothing in them knows of error bars.


# %%
def equation_of_state(calculator: Calculator) -> np.ndarray:
    """Return a cubic through the energy per volume against the strain of the edges."""
    strains = np.linspace(-0.012, 0.012, 7)
    energies = []
    for strain in strains:
        atoms = bulk("Cu", a=3.6 * (1.0 + strain))
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
    return np.polyfit(strains, energies, 3)


def strain_at_rest(cubic: np.ndarray) -> float:
    """Return where the energy is least."""
    roots = np.roots(np.polyder(cubic)).real
    return float(roots[np.argmin(np.abs(roots))])


def lattice_constant(calculator: Calculator) -> float:
    """Return the edge of the cubic cell, A."""
    return 3.6 * (1.0 + strain_at_rest(equation_of_state(calculator)))


def bulk_modulus(calculator: Calculator) -> float:
    """Return V d2E/dV2, eV/A^3: with strain s, dV = 3 V ds at rest."""
    cubic = equation_of_state(calculator)
    strain = strain_at_rest(cubic)
    volume = 0.25 * 3.6**3 * (1.0 + strain) ** 3
    curvature = np.polyval(np.polyder(cubic, 2), strain)
    return float(curvature * (1.0 + strain) ** 2 / (9.0 * volume))


def relaxed_energy(state: str, calculator: Calculator) -> float:
    """Return the energy with positions relaxed; symmetry keeps an atom on the saddle."""
    atoms = crystal(state)
    if state == "saddle":
        atoms.set_constraint(FixAtoms([NEIGHBOR - 1]))  # its forces are zero; rounding grows
    atoms.calc = calculator
    BFGS(atoms, logfile=None).run(fmax=0.01, steps=100)
    return float(atoms.get_potential_energy())


def vacancy_energy(calculator: Calculator) -> float:
    """Return the energy of formation, eV."""
    whole = relaxed_energy("whole", calculator)
    return relaxed_energy("vacancy", calculator) - 31.0 / 32.0 * whole


def barrier(calculator: Calculator) -> float:
    """Return the barrier of the jump, eV."""
    return relaxed_energy("saddle", calculator) - relaxed_energy("vacancy", calculator)


# %%
inside = []
for compute in (lattice_constant, bulk_modulus, vacancy_energy, barrier):
    found = linpot.with_error_bar(
        lambda model, compute=compute: compute(linpot.LinpotCalculator(model)), potential
    )
    exact = compute(EMT())
    low, high = found.interval
    inside.append(low <= exact <= high)
    print(
        f"{compute.__name__:17s} {found.value:8.4f} +- {found.std:.4f}   90 %: {low:.4f} to "
        f"{high:.4f}   reference {exact:.4f}"
    )

# %% [markdown]
# Intervals of 90 % that hold: of four, all or all but one.

# %%
assert sum(inside) >= 3
