"""The calculator in the hands of ASE: relaxations, dynamics at constant T and p, phonons."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from ase.phonons import Phonons

import linpot


@pytest.fixture(scope="module")
def potential():
    train, _ = linpot.shipped_silicon()
    return linpot.fit(train, n_functions=60)


@pytest.fixture
def silicon(potential):
    atoms = bulk("Si", cubic=True)
    atoms.calc = linpot.LinpotCalculator(potential)
    return atoms


def test_cell_and_positions_relax(silicon):
    silicon.rattle(0.05, seed=0)
    silicon.set_cell(silicon.cell * 1.02, scale_atoms=True)
    assert BFGS(FrechetCellFilter(silicon), logfile=None).run(fmax=1e-3, steps=100)
    assert silicon.cell.cellpar() == pytest.approx([5.40] * 3 + [90] * 3, rel=0.01)


def test_energy_is_conserved_at_constant_energy(silicon):
    silicon.rattle(0.05, seed=0)
    dynamics = VelocityVerlet(silicon, timestep=1.0 * units.fs)
    dynamics.run(5)
    start = silicon.get_total_energy()
    dynamics.run(200)
    assert silicon.get_kinetic_energy() > 0.05
    # Verlet: (omega dt)^2 / 24 of the kinetic energy, omega dt about 0.1
    assert silicon.get_total_energy() == pytest.approx(start, abs=2e-3)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_thermostat_reaches_its_temperature(silicon):
    atoms = silicon.repeat(2)
    atoms.calc = silicon.calc
    dynamics = Langevin(
        atoms, 1.0 * units.fs, temperature_K=600, friction=0.1 / units.fs,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    dynamics.run(100)
    temperatures = []
    for _ in dynamics.irun(200):
        temperatures.append(atoms.get_temperature())
    # 64 atoms: one sigma of the mean is 600 sqrt(2 / 192) / sqrt(independent samples ~ 20)
    assert np.mean(temperatures) == pytest.approx(600, abs=60)


def test_barostat_moves_the_cell(silicon):
    silicon.rattle(0.05, seed=0)
    silicon.set_cell(silicon.cell * 0.98, scale_atoms=True)
    volume = silicon.get_volume()
    dynamics = IsotropicMTKNPT(
        silicon, 1.0 * units.fs, temperature_K=300, pressure_au=0.0, tdamp=50 * units.fs,
        pdamp=200 * units.fs,
    )  # fmt: skip
    dynamics.run(100)
    assert silicon.get_volume() > volume * 1.002  # compressed to 0.98, it expands
    assert np.isfinite(silicon.get_forces()).all()


def test_phonons_are_real_and_acoustic_at_gamma(silicon, tmp_path):
    atoms = bulk("Si", a=silicon.cell.lengths()[0])
    phonons = Phonons(
        atoms, silicon.calc, supercell=(3, 3, 3), delta=0.02, name=str(tmp_path / "phonon")
    )
    phonons.run()
    phonons.read(acoustic=True)
    gamma, boundary = phonons.band_structure([[0.0, 0.0, 0.0], [0.5, 0.0, 0.5]], verbose=False)
    assert np.abs(gamma[:3]).max() < 1e-3  # eV
    assert 0.05 < gamma[5] < 0.08  # measured: 64 meV
    assert boundary.min() > 0.005


def test_energies_of_atoms_sum_to_the_energy(silicon):
    silicon.rattle(0.05, seed=0)
    energies = silicon.get_potential_energies()
    assert energies.sum() == pytest.approx(silicon.get_potential_energy(), rel=1e-13)
    assert silicon.get_potential_energy(force_consistent=True) == silicon.get_potential_energy()


def test_atomic_energies_and_stresses_sum_to_the_whole(silicon):
    silicon.rattle(0.1, seed=0)
    assert silicon.get_potential_energies().sum() == pytest.approx(silicon.get_potential_energy())
    stress = silicon.get_stress()
    stresses = silicon.get_stresses()
    assert stresses.shape == (8, 6)
    assert np.allclose(stresses.sum(axis=0), stress, rtol=0, atol=1e-13)
    silicon.pbc = (True, True, False)
    with pytest.raises(NotImplementedError, match="periodicity"):
        silicon.get_stresses()


def test_calculator_notices_every_change(silicon):
    def changes() -> list[str]:
        return silicon.calc.check_state(silicon)

    silicon.get_forces()
    assert changes() == []
    silicon.positions[3, 1] = np.nextafter(silicon.positions[3, 1], np.inf)
    assert changes() == ["positions"]
    silicon.get_forces()
    assert changes() == []
    silicon.set_cell(silicon.cell * 1.01)
    assert changes() == ["cell"]
    silicon.set_initial_charges([0.1] * 8)
    silicon.set_initial_magnetic_moments([[0.0, 0.0, 1.0]] * 8)
    assert changes() == ["cell", "initial_charges", "initial_magmoms"]
    silicon.get_forces()
    assert changes() == []
    silicon.set_initial_magnetic_moments(None)
    assert changes() == ["initial_magmoms"]
    silicon.get_forces()
    assert changes() == []
    silicon.pbc = False
    assert changes() == ["pbc"]
    assert "numbers" in silicon.calc.check_state(silicon[:7])


def test_moving_atoms_of_one_object_leave_the_results_of_another_alone(silicon):
    """The calculator remembers positions of its own."""
    before = silicon.get_potential_energy()
    other = silicon.copy()
    other.calc = silicon.calc
    other.positions[0] += 0.1
    assert other.get_potential_energy() != before
    assert silicon.get_potential_energy() == before


def test_parts_of_the_energy_sum_to_the_whole(potential):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = linpot.LinpotCalculator(potential, parts=True)
    forces = atoms.get_forces()
    results = atoms.calc.results
    assert potential.part_names == ("short", "zbl")
    # adding in another order changes the last bits
    assert results["energy_short"] + results["energy_zbl"] == pytest.approx(results["energy"])
    assert results["forces_short"] + results["forces_zbl"] == pytest.approx(forces, abs=1e-12)
    alone = linpot.LinpotCalculator(potential.parts[1])
    assert results["energy_zbl"] == pytest.approx(alone.get_potential_energy(atoms))


def test_parts_can_be_asked_for_by_name(potential, silicon):
    calculator = linpot.LinpotCalculator(potential, parts=True)
    wall = calculator.get_property("forces_zbl", silicon)
    assert np.abs(wall).max() < 1e-9  # a perfect crystal
    assert "energy_zbl" not in silicon.calc.implemented_properties


def test_parts_of_one_name_are_added_up(potential):
    atoms = bulk("Si", cubic=True)
    learned, wall = potential.parts
    single = linpot.LinpotCalculator(learned + wall, parts=True)
    twice = linpot.LinpotCalculator(learned + wall + wall, parts=True)
    values = [c.get_property("energy_zbl", atoms) for c in (single, twice)]
    assert values[1] == pytest.approx(2.0 * values[0])
