# %% [markdown]
# # Energies of formation of an alloy
#
# Copper, gold and their solutions, labelled by effective medium theory of ASE. Ordered compounds
# are not in the data; their energies of formation are small differences of large energies.

# %%
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import linpot

rng = np.random.default_rng(0)


def labelled(atoms: Atoms, group: str) -> Atoms:
    """Return a copy with energy, forces and stress of the reference."""
    made = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    made.calc = EMT()
    results = {"energy": made.get_potential_energy(), "forces": made.get_forces()}
    if made.pbc.all():
        results["stress"] = made.get_stress()
    made.calc = SinglePointCalculator(made, **results)
    made.info["config_type"] = group
    return made


def solution(gold: float) -> Atoms:
    """Return a rattled, strained solid solution with a share of gold."""
    atoms = bulk("Cu", cubic=True, a=3.6 + 0.48 * gold) * (2, 1, 1)
    atoms.symbols = ["Au" if drawn else "Cu" for drawn in rng.random(8) < gold]
    strain = np.eye(3) + rng.normal(0.0, 0.02, (3, 3))
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    atoms.positions += rng.normal(0.0, 0.08, atoms.positions.shape)
    return atoms


def formation(calculator: Calculator) -> np.ndarray:
    """Return the energies of formation of Cu3Au, CuAu, CuAu3, eV/atom."""
    energies = []
    for n_gold in range(5):
        atoms = bulk("Cu", cubic=True, a=3.6 + 0.48 * n_gold / 4)
        atoms.symbols = ["Au"] * n_gold + ["Cu"] * (4 - n_gold)
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy() / 4)
    x = np.arange(5) / 4
    return (np.array(energies) - (1 - x) * energies[0] - x * energies[4])[1:4]


# %%
train = [labelled(Atoms(s, cell=[9, 9, 9]), "isolated_atom") for s in ("Cu", "Au")]
train += [labelled(solution(x), f"gold {x}") for x in (0, 0.25, 0.5, 0.75, 1) for _ in range(12)]
result = linpot.run_fit(
    linpot.Dataset.from_atoms(train),
    settings=linpot.FitSettings(n_functions=100, body_order=4),
)
print("E0:", result.reference.values, result.reference.sources)
for pair, radial in linpot.learned_part(result.potential).basis.specification.radial.items():
    print(f"{'-'.join(pair)}: cutoff {radial.cutoff} A, whole above {radial.taper_end:.2f} A")

fitted = formation(linpot.LinpotCalculator(result.potential))
exact = formation(EMT())
for name, mine, right in zip(("Cu3Au", "CuAu", "CuAu3"), fitted, exact, strict=True):
    print(f"{name:6s} {1e3 * mine:6.1f} meV/atom, reference {1e3 * right:6.1f}")

# %%
assert set(result.reference.sources.values()) == {"isolated atom"}
assert np.abs(fitted - exact).max() < 0.006  # eV/atom; energies of atoms differ by 0.3 eV
