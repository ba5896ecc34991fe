"""However a model is evaluated - threads, batches, outputs, files, skins - it says the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from cases import linear, structure_for, supercell

from linpot.baselines.zbl import ZBL
from linpot.basis.basis import Basis
from linpot.basis.program import Program
from linpot.calculators.ase_calculator import LinpotCalculator
from linpot.io.potential_file import load_potential, save_potential
from linpot.model.linear_potential import LinearPotential
from linpot.model.naive import naive_energies, naive_features, naive_forces_and_virial
from linpot.model.packing import pack
from linpot.model.prediction import Prediction
from linpot.model.protocol import EnergyModel
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure


def same_bits(a, b) -> bool:
    return (
        a.energy == b.energy
        and np.array_equal(a.forces, b.forces)
        and np.array_equal(a.virial, b.virial)
        and np.array_equal(a.atomic_energies, b.atomic_energies)
    )


def assert_same_prediction(a, b) -> None:
    """Equal but for the order of sums."""
    scale = np.abs(b.forces).max() + np.abs(b.virial).max()
    assert a.energy == pytest.approx(b.energy, rel=1e-12)
    assert np.allclose(a.atomic_energies, b.atomic_energies, rtol=1e-12, atol=1e-12)
    assert np.allclose(a.forces, b.forces, rtol=0, atol=1e-12 * scale)
    assert np.allclose(a.virial, b.virial, rtol=0, atol=1e-12 * scale)


def test_number_of_threads_does_not_change_a_bit(model):
    # several chunks of 64 centres for every species
    structure = supercell(structure_for("triclinic", model), (4, 3, 3))
    one = model.predict(structure, threads=1)
    for threads in (2, 3):
        assert same_bits(one, model.predict(structure, threads=threads))


def test_evaluations_side_by_side_do_not_change_a_bit(model):
    """A script's own threads, each of which asks for two more."""
    structures = [structure_for(name, model) for name in ("triclinic", "small", "molecule")]
    alone = [model.predict(structure) for structure in structures]
    with ThreadPoolExecutor(3) as pool:
        together = pool.map(lambda s: model.predict(s, threads=2), structures * 6)
    assert all(same_bits(a, b) for a, b in zip(alone * 6, together, strict=True))


def test_threads_do_not_change_a_bit_of_features():
    potential = linear(2, 4)
    structure = supercell(structure_for("triclinic", potential), (3, 3, 3))
    one, two = potential.features(structure), potential.features(structure, threads=2)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_saved_potential_predicts_the_same_bits(model, structure, tmp_path):
    save_potential(model, tmp_path / "model.linpot")
    again = load_potential(tmp_path / "model.linpot")
    assert type(again) is type(model)
    assert again.elements == model.elements
    assert same_bits(model.predict(structure), again.predict(structure))


def test_given_neighbors_with_a_skin_change_nothing(model, structure):
    listed = model.predict(structure, find_neighbors(structure, model.cutoff + 0.7))
    assert_same_prediction(listed, model.predict(structure))


def evaluate(potential, structure, coefficients, adjoint=None, *, forces=True):
    """Run the engine on coefficients [K, n]: energies [n_atoms, K], forces, virials."""
    batch = pack([structure], potential.elements, potential.cutoffs)
    weights = potential.engine.leaf_weights(by_species(potential, coefficients))
    found = []
    work = potential.engine.work_on(
        batch, weights, lambda *values: found.extend(values), adjoint, forces=forces
    )
    for task in work.tasks:
        task()
    work.result()
    return found


def test_structures_in_one_batch_are_those_one_at_a_time(model):
    names = ["triclinic", "molecule", "atom", "small", "dimer", "wire"]
    structures = [structure_for(name, model) for name in names]
    together = model.predict_many(structures)
    assert len(together) == len(structures)
    assert np.array_equal(together.energies, [p.energy for p in together])
    for own, structure in zip(together, structures, strict=True):
        assert_same_prediction(own, model.predict(structure))
    with pytest.raises(IndexError):
        together[len(structures)]
    assert [p.energy for p in together[1:3]] == [together[1].energy, together[-4].energy]


def test_atomic_virials_sum_to_the_virial_and_are_those_of_atomic_energies(model):
    """Central differences of every atomic energy under strain: step^2 and eps / step."""
    structure = structure_for("triclinic", model)
    prediction = model.predict(structure)
    virial = prediction.virial.ravel()[[0, 4, 8, 5, 2, 1]]
    scale = np.abs(prediction.atomic_virials).sum()
    assert np.allclose(prediction.atomic_virials.sum(axis=0), virial, rtol=0, atol=1e-13 * scale)
    step = 1e-5
    for k, (a, b) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[a, b] += 0.5 * sign * step
            strain[b, a] += 0.5 * sign * step
            f = np.eye(3) + strain
            strained = replace(
                structure, positions=structure.positions @ f, cell=structure.cell @ f
            )
            energies.append(model.predict(strained, forces=False).atomic_energies)
        found = -(energies[0] - energies[1]) / (2 * step)
        assert np.allclose(found, prediction.atomic_virials[:, k], rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("n_elements", [1, 2, 3])
def test_many_outputs_are_the_sum_of_single_evaluations(n_elements):
    """Energies are those of each output; forces those of ``sum_ik adjoint_ik E_ik``."""
    potential = linear(n_elements, 4)
    structure = structure_for("triclinic", potential)
    n_outputs = 3
    rng = np.random.default_rng(11)
    coefficients = potential.coefficients * rng.normal(size=(n_outputs, 1))
    coefficients = coefficients * rng.normal(size=coefficients.shape)
    adjoint = rng.normal(size=(structure.n_atoms, n_outputs))
    energies, *derived = evaluate(potential, structure, coefficients, adjoint)
    totals = [np.zeros_like(value) for value in derived]
    scales = [0.0, 0.0]
    for k in range(n_outputs):
        (own_energies,) = evaluate(potential, structure, coefficients[[k]], forces=False)
        _, *own = evaluate(potential, structure, coefficients[[k]], adjoint[:, [k]])
        assert np.allclose(energies[:, k], own_energies[:, 0], rtol=1e-12, atol=1e-12)
        for which, value in enumerate(own):
            totals[which] += value
            scales[which] = max(scales[which], np.abs(value).max())
    for value, total, scale in zip(derived, totals, scales, strict=True):
        assert np.abs(value).max() > 1e-2
        assert np.allclose(value, total, rtol=0, atol=1e-11 * scale)


def test_an_adjoint_picks_the_forces_of_one_atom():
    """Twice the energy of atom 3 alone: central differences, step^2 and eps / step."""
    potential = linear(2, 4)
    structure = structure_for("triclinic", potential)
    adjoint = np.zeros((structure.n_atoms, 1))
    adjoint[3] = 2.0
    _, forces, virials = evaluate(potential, structure, potential.coefficients[None], adjoint)
    assert not virials[np.arange(structure.n_atoms) != 3].any()
    step = 1e-5
    for atom, axis in [(3, 0), (3, 2), (0, 1), (5, 0)]:
        energies = []
        for sign in (1, -1):
            positions = structure.positions.copy()
            positions[atom, axis] += sign * step
            moved = replace(structure, positions=positions)
            energies.append(2.0 * potential.predict(moved, forces=False).atomic_energies[3])
        found = -(energies[0] - energies[1]) / (2 * step)
        assert found == pytest.approx(forces[atom, axis], abs=1e-7 * np.abs(forces).max())


def test_several_outputs_without_adjoint_are_refused():
    potential = linear(1, 3)
    coefficients = np.zeros((2, potential.basis.n_features))
    with pytest.raises(ValueError, match="`adjoint` must be given"):
        evaluate(potential, structure_for("dimer", potential), coefficients)


class ByAtom(EnergyModel):
    """An energy per atom: a model that knows nothing of pairs."""

    kind = "by atom"
    cutoff = 0.0
    elements = ("H", "O", "Si", "Al", "Ni")

    def predict(self, structure, neighbors=None, *, forces=True, threads=1):
        atomic = 0.5 * structure.numbers
        zeros = (np.zeros_like(structure.positions), np.zeros((3, 3))) if forces else (None, None)
        return Prediction(atomic.sum(), *zeros, atomic, extras={"seen": structure.name})

    def to_state(self):
        raise AssertionError("not asked for")

    from_state = to_state


def test_a_sum_may_hold_models_that_are_not_over_pairs():
    potential = linear(1, 3)
    structures = [structure_for(name, potential) for name in ("triclinic", "molecule")]
    learned = potential.predict_many(structures)
    for total, n in ((potential + ByAtom(), 1), (ByAtom() + ByAtom(), 2)):
        for found, alone, structure in zip(
            total.predict_many(structures), learned, structures, strict=True
        ):
            expected = 0.5 * n * structure.numbers.sum() + (alone.energy if n == 1 else 0.0)
            assert found.energy == pytest.approx(expected, rel=1e-13)
            assert np.array_equal(found.forces, alone.forces if n == 1 else 0.0 * alone.forces)
            assert found.extras == {"seen": structure.name}


@pytest.mark.parametrize("cutoff", [0.7, 1.0, 1.6])
def test_a_sum_with_another_reach_and_order_of_elements_is_the_sum_of_its_parts(cutoff):
    """The learned part sees a batch packed for a baseline of other elements and cutoffs."""
    potential = linear(2, 4)
    symbols = (*reversed(potential.elements), "Xe")
    pairs = {(a, b): cutoff * potential.cutoff for a in symbols for b in symbols}
    repulsion = ZBL(symbols, {pair: 0.5 * reach for pair, reach in pairs.items()}, pairs)
    structure = structure_for("triclinic", potential)
    whole = (repulsion + potential).predict(structure)
    parts = [part.predict(structure) for part in (potential, repulsion)]
    for name in ("energy", "forces", "virial", "atomic_energies", "atomic_virials"):
        total = sum(getattr(part, name) for part in parts)
        scale = np.abs(total).max()
        assert np.allclose(getattr(whole, name), total, rtol=0, atol=1e-12 * scale)


def by_species(potential: LinearPotential, coefficients: np.ndarray) -> list[np.ndarray]:
    starts = potential.basis.feature_offsets
    return [coefficients[:, a:b] for a, b in pairwise(starts)]


def shared_program(seed: int, n_species: int) -> Program:
    """
    A program such as SNAP or MTP need: nothing of it comes from `build_program`.

    Channels: radial 0 with l = 0, 1, 2; radial 1 with l = 1 alone; radial 1 with l = 0. The first
    two are shared by all species but the middle one, the last belongs to the last species.
    Product nodes accumulate several terms with coefficients, on top of other product nodes.
    """
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 1.5, size=(n_species, 3)) * [-1.0, 1.0, 1.0]
    if n_species == 3:
        weights[1, :2] = 0.0
    weights[:-1, 2] = 0.0
    terms = [(14, 1, 1), (14, 2, 10), (14, 0, 13), (15, 14, 3), (15, 11, 12), (16, 15, 14)]
    target, left, right = np.array(terms).T
    leaves = np.array([(0, 1), (1, 13), (14, 5), (15, 14), (16, 0), (16, 9), (0, 0)])
    return Program(
        channel_radial=np.array([0, 1, 1]),
        channel_angular=np.array([0, 1, 0]),
        channel_size=np.array([9, 3, 1]),
        channel_start=np.array([1, 10, 13]),
        channel_weights=weights,
        density_constants=rng.normal(size=13),
        term_target=np.ascontiguousarray(target),
        term_left=np.ascontiguousarray(left),
        term_right=np.ascontiguousarray(right),
        term_coefficient=rng.normal(size=len(terms)),
        n_nodes=17,
        leaf_left=np.ascontiguousarray(leaves[:, 0]),
        leaf_right=np.ascontiguousarray(leaves[:, 1]),
        feature_offsets=np.array([0, 1, 4, 4, 8]),
        feature_leaf=np.array([0, 1, 2, 3, 4, 5, 6, 1]),
        feature_coefficient=rng.normal(size=8),
        factors=np.full((4, 3, 3), -1),
    )


@pytest.mark.parametrize("n_elements", [1, 2, 3])
@pytest.mark.parametrize("name", ["triclinic", "wire", "molecule", "atom"])
def test_densities_shared_by_species_equal_the_naive_evaluation(n_elements, name):
    pattern = linear(n_elements, 3)
    programs = tuple(shared_program(k, n_elements) for k in range(n_elements))
    for program in programs:
        program.validate()
    basis = Basis(
        pattern.basis.specification,
        programs,
        pattern.basis.radial_parameters,
        pattern.basis.radial_recurrence,
    )
    coefficients = np.random.default_rng(1).normal(size=basis.n_features)
    potential = LinearPotential(basis, coefficients, pattern.isolated_atom_energies)
    structure = structure_for(name, potential)
    prediction = potential.predict(structure)
    forces, virial = naive_forces_and_virial(potential, structure)
    virial = 0.5 * (virial + virial.T)  # these features are not invariant under rotation
    scale = np.abs(forces).max()
    assert scale > 1e-2 or structure.n_atoms == 1
    energies = naive_energies(potential, structure)
    assert np.allclose(prediction.atomic_energies, energies, rtol=1e-11, atol=1e-12)
    for own, expected in zip(
        potential.features(structure), naive_features(potential, structure), strict=True
    ):
        assert np.allclose(own, expected, rtol=1e-11, atol=1e-12)
        assert own[2] == 0.0  # a feature without leaves
    assert np.allclose(prediction.forces, forces, rtol=0, atol=1e-11 * scale)
    assert np.allclose(prediction.virial, virial, rtol=1e-11, atol=1e-11 * scale)
    rows = potential.design(structure) @ coefficients
    assert np.allclose(rows[7:], forces.ravel(), rtol=0, atol=1e-11 * scale)
    voigt = virial.ravel()[[0, 4, 8, 5, 2, 1]]
    assert np.allclose(rows[1:7], voigt, rtol=1e-11, atol=1e-11 * scale)


@pytest.mark.parametrize("name", ["triclinic", "slab", "molecule", "small"])
@pytest.mark.parametrize("strained", [False, True])
def test_skin_list_gives_the_same_as_a_fresh_list_along_a_random_walk(model, name, strained):
    structure = structure_for(name, model)
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    atoms.calc = LinpotCalculator(model, skin=0.4)
    rng = np.random.default_rng(12)
    lists = set()
    for _ in range(25):
        atoms.positions += rng.normal(scale=0.03, size=atoms.positions.shape)
        if strained:
            strain = rng.normal(scale=0.004, size=(3, 3))
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        now = Structure(
            structure.numbers, atoms.positions, atoms.cell.array, structure.pbc, name=name
        )
        fresh = model.predict(now)
        assert atoms.get_potential_energy() == pytest.approx(fresh.energy, rel=1e-13)
        scale = np.abs(fresh.forces).max() + np.abs(fresh.virial).max()
        assert np.allclose(atoms.get_forces(), fresh.forces, rtol=0, atol=1e-12 * scale)
        if now.is_bulk:
            found = atoms.get_stress() * now.volume
            expected = fresh.stress(now) * now.volume
            assert np.allclose(found, expected, rtol=0, atol=1e-12 * scale)
        lists.add(id(atoms.calc._list))
    # the walk is long enough to need new lists, and the list is kept most of the time
    assert len(lists) > 1 or name == "small"
    assert len(lists) < 25 or (strained and not now.is_bulk)


@pytest.mark.parametrize("name", ["triclinic", "small"])
@pytest.mark.parametrize("axes", [(0, 0), (2, 2), (0, 1), (2, 1)])
def test_skin_list_gives_the_same_as_a_fresh_list_while_the_cell_deforms(model, name, axes):
    """Atoms keep their fractions, so that nothing but the strain brings pairs inside."""
    structure = structure_for(name, model)
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=True)
    atoms.calc = LinpotCalculator(model, skin=0.3)
    for step in range(12):
        deformation = np.eye(3)
        deformation[axes] -= 0.02 * step
        atoms.set_cell(structure.cell @ deformation, scale_atoms=True)
        now = Structure(structure.numbers, atoms.positions, atoms.cell.array, structure.pbc)
        fresh = model.predict(now, forces=False).energy
        assert atoms.get_potential_energy() == pytest.approx(fresh, rel=1e-12), step


def test_skin_list_notices_another_cell_periodicity_and_number_of_atoms(model):
    structure = structure_for("triclinic", model)
    calculator = LinpotCalculator(model, skin=0.5)

    def energies(now: Structure) -> tuple[float, float]:
        atoms = Atoms(now.numbers, now.positions, cell=now.cell, pbc=now.pbc)
        atoms.calc = calculator
        return atoms.get_potential_energy(), model.predict(now, forces=False).energy

    for now in (
        structure,
        replace(structure, pbc=(True, True, False)),
        replace(structure, cell=structure.cell * 1.2),
        supercell(structure, (2, 1, 1)),
        replace(structure, positions=structure.positions[::-1].copy()),
        replace(structure, numbers=structure.numbers[::-1].copy()),
    ):
        found, expected = energies(now)
        assert found == pytest.approx(expected, rel=1e-13)


def test_what_lies_in_memory_does_not_matter(monkeypatch):
    """Pairs beyond the cutoff of their species leave unused places in the arrays of a batch."""
    model, structure = linear(2, 3), structure_for("triclinic", linear(2, 3))
    clean = model.design(structure)
    given = find_neighbors(structure, model.cutoff + 1.0)
    expected = model.predict(structure, given)
    plain = np.empty

    def dirty(shape, dtype=float, **kwargs):
        array = plain(shape, dtype=dtype, **kwargs)
        array.fill(-(2**40) if np.issubdtype(array.dtype, np.integer) else np.nan)
        return array

    monkeypatch.setattr(np, "empty", dirty)
    monkeypatch.setattr(np, "empty_like", lambda a, **k: dirty(a.shape, a.dtype))
    assert np.array_equal(model.design(structure), clean)
    assert_same_prediction(model.predict(structure, given), expected)
