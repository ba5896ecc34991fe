# %% [markdown]
# # A first potential
# Silicon data that ship with linpot: fit, look at the errors, save, load, relax.

# %%
import tempfile
from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

import linpot

train, test = linpot.shipped_silicon()
data = linpot.read_dataset(train)
print(f"{len(data)} structures, {data.n_atoms} atoms, groups {dict(data.groups)}")
print("labels found:", data.keys_found)

# %% Fit: everything has a default; here a smaller basis, so that it takes seconds
result = linpot.run_fit(
    data, test=linpot.read_dataset(test), settings=linpot.FitSettings(n_functions=120)
)
for name, group in result.test["groups"].items():
    print(
        f"{name:12s} energy {1e3 * group['energy']['mae']:6.2f} meV/atom   "
        f"forces {group['forces']['mae']:.4f} eV/A"
    )
print("E0:", result.reference.values, result.reference.sources)

# %% Every pair is checked: does it repel below the shortest distance of the data?
for dimer in result.walls.dimers:
    print("-".join(dimer.pair), "repulsive" if dimer.is_repulsive else f"hole of {dimer.hole} eV")

# %% One file, the same bits after loading
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "silicon.linpot"
    linpot.save(result.potential, path)
    potential = linpot.load(path)

# %% An ASE calculator like any other
silicon = bulk("Si", cubic=True)
silicon.calc = linpot.LinpotCalculator(potential)
BFGS(FrechetCellFilter(silicon), logfile=None).run(fmax=1e-4)
lattice_constant = silicon.cell.lengths()[0]
print(f"lattice constant {lattice_constant:.4f} A")

# %%
assert result.test["all"]["forces"]["mae"] < 0.1
assert abs(lattice_constant - 5.402) < 0.01  # the same functional, from its equation of state
assert np.abs(silicon.get_forces()).max() < 1e-4
