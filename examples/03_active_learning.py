# %% [markdown]
# # A loop that learns where it does not know
#
# Molecular dynamics runs until the extrapolation grade trips, the structures that say most are
# chosen, labelled and added, and the fit is repeated. The "reference" is effective medium theory of
# ASE, which is cheap; any calculator could stand in its place.

# %%
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin

import linpot

SETTINGS = linpot.FitSettings(n_functions=60, body_order=4, cutoff=4.5)


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
# Start: copper near its minimum, a little rattled and strained.

# %%
rng = np.random.default_rng(0)
train = []
for seed in range(12):
    start = bulk("Cu", cubic=True) * (2, 2, 2)
    start.rattle(0.04, seed=seed)
    start.set_cell(start.cell.array * rng.uniform(0.98, 1.02), scale_atoms=True)
    train.append(labelled(start))


def fitted(structures: list[Atoms]) -> linpot.EnergyModel:
    """Fit, and keep what grades need."""
    potential = linpot.run_fit(linpot.Dataset.from_atoms(structures), settings=SETTINGS).potential
    return linpot.with_active_set(potential, structures)


def explore(potential: linpot.EnergyModel, path: Path, seed: int) -> float:
    """Heat a crystal until the grade passes 25, saving what passes 5; return the temperature."""
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.calc = linpot.UncertainCalculator(potential)
    watch = linpot.ExtrapolationWatch(atoms, path=path, warn=lambda text: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of ASE, about the centre of mass
        dynamics = Langevin(
            atoms, 2.0 * units.fs, temperature_K=300.0, friction=0.02 / units.fs,
            rng=np.random.default_rng(seed),
        )  # fmt: skip
    dynamics.attach(watch, interval=5)
    for temperature in np.linspace(300.0, 3000.0, 40):
        dynamics.set_temperature(temperature_K=temperature)
        try:
            dynamics.run(20)
        except linpot.ExtrapolationError:
            return float(temperature)
    return 3000.0


# %% [markdown]
# The loop. The file of each round is the pool to choose from.

# %%
potential = fitted(train)
reached, first_pool = [], []
with TemporaryDirectory() as folder:
    for round_number in range(3):
        path = Path(folder) / f"unknown_{round_number}.extxyz"
        reached.append(explore(potential, path, seed=round_number))
        if not path.exists():
            break
        pool = ase.io.read(path, ":")
        first_pool = first_pool or pool
        selection = linpot.select(potential, path, min(5, len(pool)))
        chosen = selection.chosen[0]
        print(
            f"round {round_number}: stopped at {reached[-1]:.0f} K; {len(pool)} structures saved, "
            f"chosen {selection.indices}, the first for its atoms {chosen.atoms}, largest grade "
            f"{chosen.grades.max():.0f}"
        )
        train += [labelled(atoms) for atoms in selection.pick(pool)]
        potential = fitted(train)


# %% [markdown]
# What was unknown at first is known now, and dynamics go further.


# %%
def largest_grade(potential: linpot.EnergyModel, structures: list[Atoms]) -> float:
    """Over all atoms of some structures."""
    calculator = linpot.UncertainCalculator(potential)
    return max(calculator.get_property("extrapolation_grade", a).max() for a in structures)


def force_error(potential: linpot.EnergyModel, structures: list[Atoms]) -> float:
    """Root mean square against the reference, eV/A."""
    return linpot.evaluate(potential, [labelled(a) for a in structures])["all"]["forces"]["rmse"]


first = fitted(train[:12])
before, after = largest_grade(first, first_pool), largest_grade(potential, first_pool)
print(f"largest grade in the first pool: {before:.0f} before, {after:.1f} after")
errors = [force_error(p, first_pool) for p in (first, potential)]
print(f"force error there: {errors[0]:.3f} eV/A before, {errors[1]:.3f} eV/A after")
print("temperatures reached:", [f"{t:.0f} K" for t in reached])

assert before > 25.0
assert after < 5.0
assert errors[1] < 0.5 * errors[0]
assert reached[-1] > reached[0]
