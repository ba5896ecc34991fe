"""ASE calculators as baselines: results, caches, files, refusals."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, SCFError, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from joblib import Parallel, delayed

import linpot
from linpot.baselines.calculator_baseline import (
    CalculatorBaseline,
    MemoryCache,
    register_calculator,
)
from linpot.errors import FileFormatError, InputError
from linpot.io.disk_cache import DiskCache
from linpot.structures.structure import Labels, structure_from_atoms

COUNTS = {"made": 0, "calls": 0}


class Counting(LennardJones):
    """Counts its evaluations."""

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        COUNTS["calls"] += 1
        super().calculate(atoms, properties or ["energy"], system_changes)


def counting(*, sigma: float = 2.5, rc: float = 6.0) -> Calculator:
    COUNTS["made"] += 1
    return Counting(sigma=sigma, rc=rc, smooth=True)


class Failing(Calculator):
    """Fails like an electronic structure code that does not converge."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        raise SCFError("not converged in 250 iterations")


class NotFinite(Calculator):
    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        self.results = {"energy": np.nan, "forces": np.zeros((len(atoms), 3))}


register_calculator("counting", counting)
register_calculator("emt", EMT)
register_calculator("failing", Failing)
register_calculator("not-finite", NotFinite)


def copper(seed: int = 0, scale: float = 1.0) -> Atoms:
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    strain = np.eye(3) * scale + [[0.01, 0.03, 0], [0, -0.02, 0.01], [0, 0, 0.02]]
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    atoms.rattle(0.1, seed=seed)
    return atoms


def cluster() -> Atoms:
    return Atoms("Cu4", [[0, 0, 0], [2.4, 0.1, 0], [1.1, 2.2, 0.3], [1.3, 0.8, 2.1]])


@pytest.mark.parametrize("make", [copper, cluster])
def test_results_are_those_of_the_calculator(make):
    atoms = make()
    structure = structure_from_atoms(atoms)
    found = CalculatorBaseline("emt").predict(structure)
    atoms.calc = EMT()
    assert found.energy == atoms.get_potential_energy()
    assert np.array_equal(found.forces, atoms.get_forces())
    assert np.abs(found.virial).max() > 0.1
    if structure.is_bulk:
        assert np.allclose(found.stress(structure), atoms.get_stress(), rtol=1e-12)


def test_virial_of_a_molecule_equals_strain_difference():
    structure = structure_from_atoms(cluster())
    model, h = CalculatorBaseline("counting"), 1e-4
    found = model.predict(structure).virial
    strain = np.array([[1.0, 0.2, 0.1], [0.2, -0.5, 0.3], [0.1, 0.3, 0.7]])

    def energy(step):
        positions = structure.positions @ (np.eye(3) + step * strain)
        return model.predict(replace(structure, positions=positions)).energy

    expected = -(energy(h) - energy(-h)) / (2 * h)
    assert abs(expected) > 0.1
    assert (found * strain).sum() == pytest.approx(expected, rel=1e-5)


def test_every_structure_is_evaluated_once():
    structures = [structure_from_atoms(copper(seed)) for seed in range(3)]
    model = CalculatorBaseline("counting")
    before = dict(COUNTS)
    first = model.predict_many(structures)
    again = model.predict_many(structures[::-1])[::-1]
    assert COUNTS["calls"] - before["calls"] == 3
    assert COUNTS["made"] - before["made"] == 1
    for one, other in zip(first, again, strict=True):
        assert one.energy == other.energy
        assert np.array_equal(one.forces, other.forces)
    first[0].forces[:] = 0.0  # what users do to results stays with them
    assert model.predict(structures[0]).forces.any()


def test_key_is_the_content():
    """Whatever changes the result changes the key; labels, names and unused cells do not."""
    structure = structure_from_atoms(copper())
    model = CalculatorBaseline("counting")
    before = COUNTS["calls"]
    model.predict(structure)
    model.predict(replace(structure, labels=Labels(1.0), name="another", group="b"))
    assert COUNTS["calls"] == before + 1
    shifted = structure.positions.copy()
    shifted[0, 0] += 1e-12
    for other in (
        replace(structure, positions=shifted),
        replace(structure, cell=structure.cell * (1 + 1e-12)),
        replace(structure, pbc=(True, True, False)),
        replace(structure, numbers=np.where(np.arange(8) == 0, 79, structure.numbers)),
    ):
        model.predict(other)
    CalculatorBaseline("counting", {"sigma": 2.6}, cache=model.cache).predict(structure)
    assert COUNTS["calls"] == before + 6
    register_calculator("counting", counting, version="2")  # other code, other results
    model.predict(structure)
    assert COUNTS["calls"] == before + 7
    register_calculator("counting", counting)


def test_memory_is_bounded():
    cache = MemoryCache(max_megabytes=0.01)
    for k in range(40):
        cache.put(f"{k}", {"forces": np.full(100, float(k))})
        cache.get("0")  # used all the time
    kept = [k for k in range(40) if cache.get(f"{k}") is not None]
    assert 0 in kept
    assert kept[1:] == list(range(41 - len(kept), 40))
    assert 800 * len(kept) < 10_000


def test_disk_cache_serves_other_processes_and_is_bounded(tmp_path):
    structure = structure_from_atoms(copper())
    folder = tmp_path / "cache"
    first = CalculatorBaseline("counting", cache=DiskCache(folder)).predict(structure)
    before = COUNTS["calls"]
    second = CalculatorBaseline("counting", cache=DiskCache(folder)).predict(structure)
    assert COUNTS["calls"] == before
    assert second.energy == first.energy
    assert np.array_equal(second.forces, first.forces)
    assert np.array_equal(second.virial, first.virial)
    small = DiskCache(folder, max_megabytes=0.05)
    for k in range(200):
        small.put(f"{k:04d}", {"forces": np.full(100, float(k))})
    names = sorted(path.stem for path in folder.glob("*.npz"))
    assert len(names) < 150
    assert "0199" in names
    assert "0000" not in names


def test_damaged_cache_is_refused_with_its_file(tmp_path):
    cache = DiskCache(tmp_path)
    (tmp_path / "abc.npz").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(FileFormatError, match=r"cannot read .*abc.npz' of the cache"):
        cache.get("abc")
    with pytest.raises(InputError, match="keys of a cache must be letters and digits"):
        cache.get("../abc")


def test_saved_baseline_names_its_calculator_and_runs_nothing(tmp_path):
    model = CalculatorBaseline("counting", {"sigma": 2.6}, symbols=("Cu",))
    structure = structure_from_atoms(copper())
    expected = model.predict(structure)
    linpot.save(model, tmp_path / "model.linpot")
    before = dict(COUNTS)
    loaded = linpot.load(tmp_path / "model.linpot")
    assert before == COUNTS
    assert loaded == model
    assert loaded.elements == ("Cu",)
    assert loaded.predict(structure).energy == expected.energy


def test_potential_that_learned_a_difference_is_restored_with_its_calculator(tmp_path):
    """Labels are those of the calculator plus a constant per atom: nothing is left but E0."""
    structures = []
    for seed in range(6):
        atoms = copper(seed, 1.0 + 0.01 * seed)
        atoms.calc = EMT()
        labels = Labels(
            atoms.get_potential_energy() - 3.0 * len(atoms), atoms.get_forces(), atoms.get_stress()
        )
        structures.append(structure_from_atoms(atoms, labels=labels))
    data = linpot.Dataset(structures)
    settings = linpot.FitSettings(n_functions=20, baseline=CalculatorBaseline("emt"))
    result = linpot.run_fit(data, settings=settings)
    assert result.reference.values["Cu"] == pytest.approx(-3.0, abs=1e-9)
    assert result.train["all"]["forces"]["max"] < 1e-8
    linpot.save(result.potential, tmp_path / "delta.linpot")
    loaded = linpot.load(tmp_path / "delta.linpot")
    expected = result.potential.predict(structures[0])
    assert np.array_equal(loaded.predict(structures[0]).forces, expected.forces)
    assert np.abs(expected.forces).max() > 0.5


def test_unknown_calculators_and_bad_parameters_are_refused():
    structure = structure_from_atoms(cluster())
    message = "the calculator 'dft' is not known here (known: counting, emt, failing, not-finite, "
    with pytest.raises(InputError, match=re.escape(message)) as error:
        CalculatorBaseline("dft").predict(structure)
    assert "linpot.register_calculator('dft', factory)" in str(error.value)
    with pytest.raises(InputError, match=r"'counting' does not take \{'epsilon': 1\}"):
        CalculatorBaseline("counting", {"epsilon": 1}).predict(structure)
    with pytest.raises(InputError, match="must be plain values"):
        CalculatorBaseline("counting", {"sigma": np.zeros(2)})
    with pytest.raises(InputError, match="`symbols` must name elements, got 'Q'"):
        CalculatorBaseline("counting", symbols=("Q",))
    with pytest.raises(InputError, match=r"element 'Cu' .* is not in this potential"):
        CalculatorBaseline("counting", symbols=("H",)).predict(structure)
    with pytest.raises(InputError, match="the calculator name 'emt' is taken"):
        register_calculator("emt", counting)
    register_calculator("emt", EMT)  # the same again is no harm


def test_failures_name_the_structure():
    structure = structure_from_atoms(cluster(), name="structure 17 ('liquid')")
    with pytest.raises(InputError, match=r"'failing' failed on structure 17 .* not converged"):
        CalculatorBaseline("failing").predict(structure)
    with pytest.raises(InputError, match="not finite for structure 17"):
        CalculatorBaseline("not-finite").predict(structure)


def test_tblite_is_known_by_name():
    tblite = pytest.importorskip("tblite.ase")
    atoms = molecule("H2O")
    found = CalculatorBaseline("tblite", {"method": "GFN1-xTB"}).predict(
        structure_from_atoms(atoms)
    )
    atoms.calc = tblite.TBLite(method="GFN1-xTB", verbosity=0)
    assert found.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-8)
    # self-consistent to 1e-6 Hartree by default
    assert np.allclose(found.forces, atoms.get_forces(), rtol=0, atol=1e-5)
    # what came before does not matter: no start from the density of another structure
    model = CalculatorBaseline("tblite")
    model.predict(structure_from_atoms(molecule("H2O2")))
    again = model.predict(structure_from_atoms(molecule("H2O"))).forces
    assert np.allclose(again, found.forces, rtol=0, atol=1e-8)  # its threads add up in any order
    with pytest.raises(InputError, match="`method` must be one of GFN1-xTB, GFN2-xTB, IPEA1-xTB"):
        CalculatorBaseline("tblite", {"method": "PM6"}).predict(
            structure_from_atoms(molecule("H2"))
        )


def test_threads_and_processes_get_the_same(tmp_path):
    structures = [structure_from_atoms(copper(seed)) for seed in range(6)]
    model = CalculatorBaseline("emt")
    expected = [CalculatorBaseline("emt").predict(s).forces for s in structures]
    found = Parallel(n_jobs=4, backend="threading")(delayed(model.predict)(s) for s in structures)
    assert all(np.array_equal(a.forces, b) for a, b in zip(found, expected, strict=True))
    state = model.__getstate__()
    assert "calculator" not in state
    assert set(state) >= {"name", "parameters", "symbols", "cache"}


def test_dimers_are_not_scanned_with_calculators():
    """Scans of a hundred dimers, some of them nearly on top of each other, are not for those."""
    atoms = [copper(seed) for seed in range(4)]
    for each in atoms:
        each.calc = EMT()
    labels = [Labels(a.get_potential_energy(), a.get_forces()) for a in atoms]
    data = linpot.Dataset(
        [structure_from_atoms(a, labels=own) for a, own in zip(atoms, labels, strict=True)]
    )
    before = COUNTS["calls"]
    settings = linpot.FitSettings(n_functions=20, baseline=["zbl", CalculatorBaseline("counting")])
    result = linpot.run_fit(data, settings=settings)
    assert COUNTS["calls"] == before + 4
    assert any("checked without calculator" in note for note in result.notes)
    assert result.walls.dimers[0].is_repulsive
