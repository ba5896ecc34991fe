"""
The model of ``pair_style mliap unified`` on a fake of LAMMPS' data object.

The fake does what `MLIAPData`, `MLIAPDataPy` and `PairMLIAP` of LAMMPS do: ghosts are atoms of
their own, arrays are int32 and float64 with the shapes and access of the original, forces of ghosts
go back to their owners, virials are tallied by pairs.
"""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from ase.data import chemical_symbols

import linpot
from linpot.errors import InputError
from linpot.model.protocol import EnergyModel
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure
from tests.laws.cases import linear, pace, structure_for, zbl

MODELS = {
    "one element, body order 5": lambda: linear(1, 5),
    "two elements with zbl": lambda: linear(2, 4) + zbl(2),
    "three elements": lambda: linear(3, 3),
    "pair potential alone": lambda: zbl(2),
    "tables and embeddings": lambda: pace("densities"),
}


class FakeData:
    """
    One process: it owns some atoms of a structure, all others and all images are ghosts.

    `order` shuffles local atoms, as LAMMPS' neighbor lists (`ilist`) may.
    """

    def __init__(self, structure: Structure, model, owned=None, order=None) -> None:
        cutoff = 2.0 * model.rcutfac
        found = find_neighbors(structure, cutoff + 0.3)  # a skin: LAMMPS' lists reach further
        owned = np.arange(structure.n_atoms) if owned is None else np.asarray(owned)
        self.nlocal = self.nlistatoms = len(owned)
        owners, places = list(owned), {(i, 0, 0, 0): k for k, i in enumerate(owned)}
        element = [model.element_types.index(chemical_symbols[z]) for z in structure.numbers]
        ilist = np.arange(len(owned)) if order is None else np.asarray(order)
        vectors = found.vectors(structure.positions, structure.cell)
        pair_i, jatoms, rij, numneighs = [], [], [], []
        for i in ilist:
            inside = 0
            for p in range(found.offsets[owned[i]], found.offsets[owned[i] + 1]):
                key = (int(found.neighbors[p]), *found.shifts[p].astype(int).tolist())
                if key not in places:
                    places[key] = len(owners)
                    owners.append(key[0])
                if (vectors[p] ** 2).sum() < cutoff**2:
                    pair_i.append(i)
                    jatoms.append(places[key])
                    rij.append(vectors[p])
                    inside += 1
            numneighs.append(inside)
        self.owners = np.array(owners, dtype=np.int64)
        self.ntotal, self.npairs = len(owners), len(pair_i)
        self.elems = np.array([element[k] for k in owners], dtype=np.int32)
        self.iatoms, self.pair_i = ilist.astype(np.int32), np.array(pair_i, dtype=np.int32)
        self.ielems = self.elems[self.iatoms]
        self.jatoms = self.pair_j = np.array(jatoms, dtype=np.int32)
        self.jelems = self.elems[self.jatoms]
        self.numneighs = np.array(numneighs, dtype=np.int32)
        self.rij = np.array(rij).reshape(-1, 3)
        self.f = np.zeros((self.ntotal, 3))
        self.virial = np.zeros((3, 3))
        self._eatoms, self._energy = np.full(self.nlistatoms, np.nan), np.nan

    def _write_eatoms(self, value) -> None:
        view = memoryview(value)
        assert (view.format, view.ndim) == ("d", 1)
        self._eatoms[:] = value

    def _write_energy(self, value) -> None:
        self._energy = float(value)

    eatoms = property(None, _write_eatoms)
    energy = property(None, _write_energy)

    def update_pair_forces(self, fij) -> None:
        view = memoryview(fij)
        assert (view.format, view.ndim, view.c_contiguous) == ("d", 2, True)
        assert view.shape[0] > 0  # LAMMPS takes the address of the first element
        for i, j, g, r in zip(self.pair_i, self.jatoms, fij, self.rij, strict=True):
            self.f[i] += g
            self.f[j] -= g
            self.virial -= np.outer(r, g)

    def totals(self, n_atoms: int):
        """Energy, energies of atoms, forces after ghosts went home, virial."""
        forces, energies = np.zeros((n_atoms, 3)), np.zeros(n_atoms)
        np.add.at(forces, self.owners, self.f)
        energies[self.owners[self.iatoms]] = self._eatoms
        return self._energy, energies, forces, self.virial


def called(model, data: FakeData):
    """What `PairMLIAP::compute` does."""
    model.compute_descriptors(data)
    model.compute_gradients(data)
    model.compute_forces(data)


def cases(model: EnergyModel):
    for name in ("triclinic", "small", "slab", "molecule"):
        yield structure_for(name, model)


@pytest.mark.parametrize("name", MODELS)
def test_energies_forces_and_virial_are_those_of_the_model(name):
    potential = MODELS[name]()
    model = linpot.MliapModel(potential)
    for structure in cases(potential):
        data = FakeData(structure, model)
        called(model, data)
        expected = potential.predict(structure)
        energy, energies, forces, virial = data.totals(structure.n_atoms)
        size = max(np.abs(expected.forces).max(), np.abs(expected.virial).max())
        assert size > 0.1
        # sums in another order
        assert energy == pytest.approx(expected.energy, rel=1e-12)
        assert np.allclose(energies, expected.atomic_energies, rtol=1e-12, atol=1e-12)
        assert np.allclose(forces, expected.forces, rtol=0, atol=1e-12 * size)
        assert np.allclose(virial, expected.virial, rtol=0, atol=1e-11 * size)


@pytest.mark.parametrize("name", MODELS)
def test_processes_add_up_in_any_order_of_atoms(name):
    """Atoms dealt out to three processes, one of which has none."""
    potential = MODELS[name]()
    model = linpot.MliapModel(potential)
    structure = structure_for("triclinic", potential)
    rng = np.random.default_rng(0)
    first, second = np.split(rng.permutation(structure.n_atoms), [3])
    parts = [
        FakeData(structure, model, first, rng.permutation(len(first))),
        FakeData(structure, model, second, rng.permutation(len(second))),
        FakeData(structure, model, np.empty(0, dtype=int)),
    ]
    for data in parts:
        called(model, data)
    found = [
        sum(values) for values in zip(*(d.totals(structure.n_atoms) for d in parts), strict=True)
    ]
    expected = potential.predict(structure)
    size = np.abs(expected.forces).max()
    assert found[0] == pytest.approx(expected.energy, rel=1e-12)
    assert np.allclose(found[1], expected.atomic_energies, rtol=1e-12, atol=1e-12)
    assert np.allclose(found[2], expected.forces, rtol=0, atol=1e-12 * size)
    assert np.allclose(found[3], expected.virial, rtol=0, atol=1e-11 * size)


def test_pairs_of_ghosts_count_nothing():
    """``pair_style mliap unified EXISTS 1`` lists them after those of the process' own atoms."""
    potential = linear(2, 4)
    model = linpot.MliapModel(potential)
    structure = structure_for("triclinic", potential)
    data = FakeData(structure, model)
    ghost = structure.n_atoms
    data.numneighs = np.append(data.numneighs, np.int32(2))
    for name, extra in (("iatoms", [ghost]), ("ielems", [0]), ("pair_i", [ghost] * 2)):
        setattr(data, name, np.append(getattr(data, name), np.array(extra, dtype=np.int32)))
    data.jatoms, data.jelems = (np.append(a, a[:2]) for a in (data.jatoms, data.jelems))
    data.rij, data.npairs = np.concatenate([data.rij, data.rij[:2]]), data.npairs + 2
    called(model, data)
    data.iatoms = data.iatoms[:-1]
    expected = potential.predict(structure)
    energy, _, forces, virial = data.totals(structure.n_atoms)
    assert energy == pytest.approx(expected.energy, rel=1e-12)
    assert np.allclose(forces, expected.forces, rtol=0, atol=1e-10)
    assert np.allclose(virial, expected.virial, rtol=0, atol=1e-9)


def test_pair_gradients_equal_differences():
    """``dE/dr_ij`` of single directed pairs, though no displacement of atoms changes only one."""
    potential = linear(2, 4) + zbl(2)
    model = linpot.MliapModel(potential)
    data = FakeData(structure_for("triclinic", potential), model)
    arguments = [data.ielems.astype(int), data.numneighs.astype(int), data.jelems.astype(int)]
    _, gradients = model.evaluate(*arguments, data.rij)
    rng, step = np.random.default_rng(0), 1e-4
    for pair in rng.choice(np.flatnonzero(np.abs(gradients).max(axis=1) > 0.1), 6):
        for axis in range(3):
            moved = []
            for sign in (-1, 1):
                vectors = data.rij.copy()
                vectors[pair, axis] += sign * step
                moved.append(model.evaluate(*arguments, vectors)[0].sum())
            slope = (moved[1] - moved[0]) / (2 * step)
            # step^2 third derivatives / 6, and 1e-12 eV / step
            assert slope == pytest.approx(gradients[pair, axis], rel=1e-5, abs=1e-5)


def test_threads_change_no_bits():
    potential = linear(2, 4) + zbl(2)
    results = []
    for threads in (1, 2):
        model = linpot.MliapModel(potential, threads=threads)
        data = FakeData(structure_for("triclinic", potential), model)
        called(model, data)
        results.append(data.totals(len(data.iatoms)))
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def test_atom_without_neighbors_has_the_energy_of_an_isolated_atom():
    model = linpot.MliapModel(linear(1, 5))
    single = Structure(np.array([14]), np.zeros((1, 3)), np.zeros((3, 3)), (False,) * 3)
    data = FakeData(single, model)
    called(model, data)
    assert data.totals(1)[0] == linear(1, 5).predict(single).energy


def test_attributes_are_those_that_lammps_reads():
    model = linpot.MliapModel(linear(2, 4))
    assert model.element_types == ["Si", "Ge"]
    assert 2.0 * model.rcutfac == linear(2, 4).cutoff
    assert (model.ndescriptors, model.nparams) == (1, 1)
    assert model.interface is None


def test_model_is_not_pickled():
    with pytest.raises(InputError, match=r"load_unified"):
        pickle.dumps(linpot.MliapModel(zbl(1)))


def test_what_cannot_be_evaluated_is_refused():
    potential = linear(1, 5)
    model = linpot.MliapModel(potential)
    structure = structure_for("triclinic", potential)
    data = FakeData(structure, model)
    data.jelems = data.jelems - 1
    with pytest.raises(InputError, match="must have an element in `pair_coeff`, got NULL"):
        model.compute_forces(data)
    data = FakeData(structure, model)
    data.jelems = data.jelems.tolist()
    with pytest.raises(InputError, match="in the memory of the processor, got list"):
        model.compute_forces(data)
    positions = structure.positions.copy()
    positions[1] = positions[0] + 1e-3
    with pytest.raises(InputError, match=r"at least 0\.01 A apart, got 0\.00173"):
        model.compute_forces(FakeData(replace(structure, positions=positions), model))


class Global(EnergyModel):
    """An energy of the whole structure."""

    kind = "global"
    cutoff = 0.0
    elements = ("Si",)

    def predict(self, structure, neighbors=None, *, forces=True, threads=1):
        raise NotImplementedError

    def to_state(self):
        return {}, {}

    @classmethod
    def from_state(cls, header, arrays):
        return cls()


def test_global_energy_is_refused():
    with pytest.raises(InputError, match=r"got a part of kind 'global'; use `linpot.LammpsDriver`"):
        linpot.MliapModel(zbl(1) + Global())
