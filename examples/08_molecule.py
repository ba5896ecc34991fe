# %% [markdown]
# # A torsion, and how sure it is
#
# Hydrogen peroxide under a made-up energy with two bonds to stretch, angles, and a torsion. One
# molecule, one composition: the energies of single atoms cannot be told apart, and are fitted
# beside the functions.

# %%
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

import linpot

BONDS = [(0, 1, 2.2, 1.46), (0, 2, 4.5, 0.97), (1, 3, 4.5, 0.97)]  # depth in eV, length in A


def reference_energy(x: np.ndarray) -> float:
    """Return Morse bonds, angles about 100 degrees, and a torsion; atoms are O O H H."""
    energy = 0.0
    for i, j, depth, length in BONDS:
        energy += depth * (1 - np.exp(-2.2 * (np.linalg.norm(x[i] - x[j]) - length))) ** 2
    along, first, last = x[1] - x[0], x[2] - x[0], x[3] - x[1]
    for arm, sign in ((first, 1), (last, -1)):
        cosine = sign * arm @ along / np.linalg.norm(arm) / np.linalg.norm(along)
        energy += 2.5 * (cosine - np.cos(np.radians(100))) ** 2
    a, b = np.cross(first, along), np.cross(last, along)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    return energy + 0.13 * cosine + 0.08 * (2 * cosine**2 - 1)


def labelled(atoms: Atoms) -> Atoms:
    """Return atoms with energy, and forces by differences."""
    x, forces = atoms.positions, np.zeros((4, 3))
    for place in np.ndindex(4, 3):
        step = np.zeros((4, 3))
        step[place] = 1e-4
        forces[place] = (reference_energy(x - step) - reference_energy(x + step)) / 2e-4
    atoms.calc = SinglePointCalculator(atoms, energy=reference_energy(x), forces=forces)
    return atoms


def peroxide(torsion: float) -> Atoms:
    """Return the molecule with a torsion angle, degrees."""
    turn = np.radians(torsion)
    x = [[0, 0, 0], [1.46, 0, 0], [-0.17, 0.955, 0]]
    return Atoms("OOHH", [*x, [1.63, 0.955 * np.cos(turn), 0.955 * np.sin(turn)]])


rng = np.random.default_rng(0)
train = [peroxide(angle) for angle in rng.uniform(0, 360, 120)]
for atoms in train:
    atoms.positions += rng.normal(0.0, 0.05, (4, 3))
potential = linpot.fit_with_error_bars(
    [labelled(atoms) for atoms in train],
    settings=linpot.FitSettings(n_functions=150, cutoff=4.0),
)

# %%
calculator = linpot.UncertainCalculator(potential)
angles = np.arange(0.0, 181.0, 20.0)
fitted, spread, exact = np.zeros((3, len(angles)))
for k, angle in enumerate(angles):
    atoms = peroxide(angle)
    atoms.calc = calculator
    fitted[k] = atoms.get_potential_energy()
    spread[k] = calculator.get_property("energy_std", atoms)
    exact[k] = reference_energy(atoms.positions)
    print(f"{angle:4.0f}  {fitted[k]:8.4f} +- {spread[k]:.4f}   reference {exact[k]:8.4f} eV")

# %%
barrier, exact_barrier = np.ptp(fitted), np.ptp(exact)
print(f"barrier {barrier:.3f} eV, reference {exact_barrier:.3f}")
assert abs(barrier - exact_barrier) < 0.01
assert (np.abs(fitted - exact) < 2 * spread).mean() >= 0.8  # two deviations
