"""Random cells that fall below the data: relaxed all at once, and lifted by rows of the fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE

import linpot
from linpot.structures.distances import PairDistances
from linpot.structures.structure import Structure
from linpot.validation.random_cells import random_cell
from linpot.validation.relaxation import relax_many
from linpot.workflow.random_search import (
    TOLERATED,
    End,
    closer_than_data,
    find_parents,
    lifted,
)
from linpot.workflow.restraints import Restraints

SETTINGS = {"n_functions": 60, "body_order": 4, "threads": 1}


def silicon() -> linpot.Dataset:
    """Return the shipped set without its isolated atom."""
    data = linpot.read_dataset(linpot.shipped_silicon()[0])
    return data.subset(k for k in range(len(data)) if data[k].group != "isolated_atom")


@pytest.fixture(scope="module")
def data() -> linpot.Dataset:
    return silicon()


@pytest.fixture(scope="module")
def potential(data):
    return linpot.run_fit(data, settings=linpot.FitSettings(**SETTINGS)).potential


def cells(n: int, seed: int) -> list[Structure]:
    rng = np.random.default_rng(seed)
    found = [random_cell(["Si"], 20.0, lambda a, b: 2.1, rng) for _ in range(n)]
    return [as_structure(atoms) for atoms in found]


def as_structure(atoms) -> Structure:
    return Structure(atoms.numbers, atoms.positions, atoms.cell.array, (True, True, True))


def test_relaxation_ends_where_ase_ends(potential):
    atoms = bulk("Si", a=5.6)
    strain = np.array([[1.0, 0.03, 0.0], [0.0, 1.0, 0.02], [0.0, 0.0, 1.04]])
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    atoms.rattle(0.05, seed=1)
    [end], [energy] = relax_many(potential, [as_structure(atoms)], steps=300)
    atoms.calc = linpot.LinpotCalculator(potential)
    FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=0.01, steps=500)
    # forces of 0.05 eV/A on springs of some eV/A^2 are less than 1 meV/atom above the minimum
    assert energy == pytest.approx(atoms.get_potential_energy() / 2, abs=1e-3)
    assert end.volume == pytest.approx(atoms.get_volume(), rel=0.01)


def test_cells_do_not_know_of_each_other(potential):
    starts = cells(4, seed=3)
    together, energies = relax_many(potential, starts, steps=20)
    for start, end, energy in zip(starts, together, energies, strict=True):
        [alone], [own] = relax_many(potential, [start], steps=20)
        # sums of 20 steps in another order of adding
        assert own == pytest.approx(energy, abs=1e-9)
        np.testing.assert_allclose(alone.positions, end.positions, atol=1e-7)


def test_no_cells_are_no_fault(potential):
    ends, energies = relax_many(potential, [])
    assert ends == []
    assert len(energies) == 0


def test_energies_only_fall_and_stop_at_the_floor(potential):
    starts = cells(6, seed=4)
    before = [potential.predict(s).energy / s.n_atoms for s in starts]
    _, energies = relax_many(potential, starts, steps=60)
    assert (energies <= before).all()
    floor = float(np.median(energies)) + 0.5
    _, stopped = relax_many(potential, starts, steps=60, floor=floor)
    assert (stopped[energies < floor] >= energies[energies < floor]).all()
    assert (stopped > floor).sum() == (energies > floor).sum()


def test_separated_atoms_lie_above_the_crystal(data, potential):
    """The isolated atom that was taken out lies 5.3 eV above diamond."""
    crystal = min(s.labels.energy / s.n_atoms for s in data)
    shipped = linpot.read_dataset(linpot.shipped_silicon()[0])
    [atom] = [s for s in shipped if s.group == "isolated_atom"]
    e0 = linpot.learned_part(potential).isolated_atom_energies["Si"]
    # cohesive energy by experiment, and the mean of the data instead of the crystal
    assert e0 - crystal == pytest.approx(atom.labels.energy - crystal, rel=0.2)


def n_below(potential, data) -> int:
    [parent] = find_parents(data)
    _, [level] = relax_many(potential, [parent.structure])
    _, energies = relax_many(potential, cells(60, seed=9), floor=level - 0.5)
    return int((energies < level - TOLERATED).sum())


def test_cells_that_fall_are_lifted(data):
    """Counted on cells that the fits have not seen; it costs next to nothing on the data."""
    settings = linpot.FitSettings(n_functions=150, body_order=4, threads=1)
    means = linpot.run_fit(data, settings=replace(settings, e0="least-squares"))
    plain = linpot.run_fit(data, settings=settings)
    searched = linpot.run_fit(data, settings=replace(settings, random_search=30))
    n_means, n_plain, n_left = (n_below(r.potential, data) for r in (means, plain, searched))
    assert n_means > 20  # of 60: separated atoms are as stable as the mean of the data
    assert 3 <= n_plain < 0.5 * n_means
    assert n_left <= 1
    assert any("random cells relaxed below" in note for note in searched.notes)
    rise = searched.train["all"]["forces"]["rmse"] / plain.train["all"]["forces"]["rmse"]
    assert rise < 1.05


def test_what_fell_is_asked_to_be_flat_and_higher(data):
    """A huge weight of the labels: energy and forces are those that were asked for."""
    fitted = linpot.run_fit(data, settings=linpot.FitSettings(n_functions=150, threads=1))
    session = fitted.session
    [start] = cells(1, seed=9)
    energy = fitted.potential.predict(start).energy
    high = End(0, start, energy + 2.0, flat=True)
    session.restrain(Restraints(session.restraints.repulsion, lifted([high], session, noise=1e4)))
    said = session.solve().potential.predict(start)
    assert said.energy == pytest.approx(energy + 2.0, abs=1e-4)
    assert np.abs(said.forces).max() < 1e-4


@pytest.mark.parametrize(("length", "close"), [(1.07, True), (1.09, False)])
def test_too_close_is_told_by_pairs_of_elements(length, close):
    """Shortest O-O 1.2 A: 0.9 of it is 1.08 A; of Mg-O it is more than this distance."""
    distances = {
        ("O", "O"): PairDistances(1.2, 1.4, True),
        ("O", "Mg"): PairDistances(1.8, 2.1, True),
        ("Mg", "Mg"): PairDistances(2.5, 3.0, True),
    }
    atoms = Atoms("O2Mg", [[0, 0, 0], [0, 0, length], [3, 3, 3]], cell=[6, 6, 6], pbc=True)
    assert closer_than_data(as_structure(atoms), distances) is close
    atoms.symbols = "OMgO"
    assert closer_than_data(as_structure(atoms), distances)


def test_parents_are_the_lowest_of_their_composition(data):
    [parent] = find_parents(data)
    assert parent.formula == ("Si",)
    lowest = min(s.labels.energy / s.n_atoms for s in data)
    assert parent.structure.labels.energy / parent.structure.n_atoms == lowest


def test_what_cannot_be_searched_is_refused(data):
    settings = linpot.FitSettings(**SETTINGS, random_search=5, baseline="none")
    with pytest.raises(linpot.InputError, match="needs a repulsion in the baseline"):
        linpot.run_fit(data, settings=settings)
    with pytest.raises(linpot.InputError, match="`random_search` must be"):
        linpot.FitSettings(random_search=-1)
    free = bulk("Si", cubic=True) * 2
    free.pbc = False
    free.info["energy"] = -1.0
    with pytest.raises(linpot.InputError, match="needs periodic structures"):
        linpot.fit([free], n_functions=5, random_search=5)
