"""Dispersion: lattice sums against brute force, derivatives, symmetries, damping, refusals."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

import linpot
from linpot.baselines.dispersion import Dispersion
from linpot.baselines.zbl import ZBL
from linpot.errors import InputError
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

C6, C8 = {"H": 6.0, "O": 9.0}, {"H": 70.0, "O": 120.0}
DAMPING = {
    "none": {"damping": None},
    "becke-johnson": {"damping": "becke-johnson", "damping_radii": {"H": 1.1, "O": 1.5}},
    "tang-toennies": {"damping": "tang-toennies", "damping_decays": {"H": 3.5, "O": 2.8}},
}
PERIODIC = {
    "bulk": (True, True, True),
    "slab": (True, True, False),
    "wire": (False, True, False),
    "molecule": (False, False, False),
}
CELL = np.array([[4.6, 0.0, 0.0], [1.2, 4.1, 0.0], [-1.5, 1.4, 5.3]])


def model_of(damping: str, accuracy: float = 1e-12, **settings) -> Dispersion:
    return Dispersion(C6, C8, accuracy=accuracy, **DAMPING[damping], **settings)


def structure_of(periodic: str, n_atoms: int = 5, seed: int = 1) -> Structure:
    """Atoms at least 0.9 A apart: places on a rattled grid of 2 x 2 x 2."""
    rng = np.random.default_rng(seed)
    grid = np.array(list(np.ndindex(2, 2, 2)))[rng.permutation(8)[:n_atoms]]
    positions = (0.5 * grid + rng.uniform(-0.1, 0.1, size=grid.shape)) @ CELL
    numbers = np.array([1, 8, 1, 8, 8, 1, 8, 1])[:n_atoms]
    return Structure(numbers, positions, CELL, PERIODIC[periodic])


@pytest.fixture(params=list(DAMPING))
def damping(request) -> str:
    return request.param


@pytest.fixture(params=list(PERIODIC))
def structure(request) -> Structure:
    return structure_of(request.param)


# --- an oracle that shares nothing with the kernels ------------------------------------------


def damped(model: Dispersion, a: str, b: str, r):
    """Energy of one pair from the formulas in docs/dispersion.md."""
    pair = (a, b) if (a, b) in model.c6 else (b, a)
    total = 0.0
    for n, table in ((6, model.c6), (8, model.c8)):
        if model.damping == "becke-johnson":
            total = total - table[pair] / (r**n + model.damping_radii[pair] ** n)
        elif model.damping == "tang-toennies":
            x = model.damping_decays[pair] * r
            series = sum(x**k / math.factorial(k) for k in range(n + 1))
            total = total - table[pair] / r**n * (1 - np.exp(-x) * series)
        else:
            total = total - table[pair] / r**n
    return total


def window(r, stop: float):
    """1 below stop/3, 0 above stop: exp(-1/t) over its sum with exp(-1/(1-t))."""
    t = np.clip((stop - r) / (2 / 3 * stop), 1e-12, 1 - 1e-12)
    return 1.0 / (1.0 + np.exp(np.clip(1 / t - 1 / (1 - t), -700, 700)))


def brute_force(model: Dispersion, structure: Structure, stop: float) -> np.ndarray:
    """
    Sum shells of images under a smooth window and integrate over what it takes away.

    The window has all derivatives, so that sum and integral differ by less than any power of
    (lattice constant / stop). Returns atomic energies.
    """
    lattice = structure.cell[list(structure.pbc)]
    dimensions = len(lattice)
    shifts, size = np.zeros((1, 3)), 1.0
    if dimensions:
        most = np.ceil((stop + 8.0) * np.linalg.norm(np.linalg.pinv(lattice), axis=0)).astype(int)
        shifts = (np.indices(2 * most + 1).reshape(dimensions, -1).T - most) @ lattice
        shifts = shifts[np.linalg.norm(shifts, axis=1) < stop + 8.0]
        size = math.sqrt(np.linalg.det(lattice @ lattice.T))
        along = np.linalg.pinv(lattice) @ lattice
    symbols = ["H" if z == 1 else "O" for z in structure.numbers]
    energies = np.zeros(structure.n_atoms)
    for i, a in enumerate(symbols):
        for j, b in enumerate(symbols):
            vector = structure.positions[j] - structure.positions[i]
            r = np.linalg.norm(vector + shifts, axis=1)
            r = r[r > 1e-9] if i == j else r
            if dimensions == 0:
                energies[i] += 0.5 * damped(model, a, b, r).sum()
                continue
            r = r[r < stop]
            energies[i] += 0.5 * (damped(model, a, b, r) * window(r, stop)).sum()
            d = np.linalg.norm(vector - vector @ along)
            surface = {1: 2.0, 2: 2 * np.pi, 3: 4 * np.pi}[dimensions]

            def missing(rho, a=a, b=b, d=d, surface=surface):
                r = np.hypot(rho, d)
                left = 1.0 - window(r, stop)
                return surface * rho ** (dimensions - 1) * damped(model, a, b, r) * left

            if dimensions == 3:
                d = 0.0
            tail = quad(missing, 0.3 * stop, stop, args=(a, b, d), epsabs=1e-14, limit=200)[0]
            tail += quad(missing, stop, np.inf, args=(a, b, d), epsabs=1e-14, limit=200)[0]
            energies[i] += 0.5 * tail / size
    return energies


@pytest.mark.parametrize("periodic", list(PERIODIC))
def test_sums_equal_brute_force(damping, periodic):
    structure = structure_of(periodic, 3)
    model = model_of(damping)
    stop = {"bulk": 60.0}.get(periodic, 150.0)
    expected = brute_force(model, structure, stop)
    coarse = brute_force(model, structure, 0.8 * stop)
    assert np.allclose(coarse, expected, rtol=1e-9)  # the oracle has converged
    found = model.predict(structure).atomic_energies
    assert np.abs(found).min() > 1e-2
    assert np.allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        # sums over (distance of nearest neighbors / r)^6; the first five digits are those of
        # Lennard-Jones, Ingham, Proc. R. Soc. A 107, 636 (1925), the others of later tables
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 8.4019239748),
        ([[0, 1, 1], [1, 0, 1], [1, 1, 0]], 14.4539210437),
        ([[-1, 1, 1], [1, -1, 1], [1, 1, -1]], 12.2536678673),
    ],
)
def test_cubic_lattices_have_the_sums_of_the_literature(cell, expected):
    vectors = np.array(cell, float)
    vectors = vectors * 2.7 / np.linalg.norm(vectors[0])
    crystal = Structure(np.array([1]), np.zeros((1, 3)), vectors, (True,) * 3)
    energy = Dispersion({"H": 2.7**6}, damping=None, accuracy=1e-13).predict(crystal).energy
    assert energy == pytest.approx(-0.5 * expected, rel=2e-10)


def test_result_does_not_depend_on_the_splitting(damping):
    structure = structure_of("bulk", 8)
    short = model_of(damping)
    expected = short.predict(structure)
    for factor in (1.3, 2.0):
        found = model_of(damping, pair_cutoff=factor * short.cutoff).predict(structure)
        assert found.energy == pytest.approx(expected.energy, rel=1e-11)
        scale = np.abs(expected.forces).max()
        assert np.allclose(found.forces, expected.forces, rtol=0, atol=1e-10 * scale)
        scale = np.abs(expected.virial).max()
        assert np.allclose(found.virial, expected.virial, rtol=0, atol=1e-10 * scale)


@pytest.mark.parametrize("periodic", ["bulk", "slab", "wire"])
@pytest.mark.parametrize("accuracy", [1e-5, 1e-8])
def test_accuracy_is_that_asked_for(damping, periodic, accuracy):
    structure = structure_of(periodic, 8)
    exact, found = (model_of(damping, a).predict(structure) for a in (1e-14, accuracy))
    error = abs(found.energy / exact.energy - 1.0)
    assert error < accuracy
    scale = np.abs(exact.forces).max()
    assert np.abs(found.forces - exact.forces).max() < accuracy * scale
    assert np.abs(found.virial - exact.virial).max() < 10 * accuracy * np.abs(exact.virial).max()


def test_forces_equal_minus_energy_difference(damping, structure):
    model, h = model_of(damping), 1e-3
    prediction = model.predict(structure, forces=True)
    direction = np.random.default_rng(2).normal(size=(structure.n_atoms, 3))

    def energy(step):
        shifted = replace(structure, positions=structure.positions + step * direction)
        return model.predict(shifted, forces=False).energy

    expected = -(8 * (energy(h) - energy(-h)) - energy(2 * h) + energy(-2 * h)) / (12 * h)
    found = (prediction.forces * direction).sum()
    assert abs(found) > 1e-3
    # h^4 F'''' / 30 of bare r^-8 at 1.5 A: (h / 1.5)^4 * 1e4 / 30 = 7e-11 of the largest terms
    assert found == pytest.approx(expected, rel=2e-8)


def test_virial_equals_strain_difference(damping, structure):
    model, h = model_of(damping), 2e-4  # of strains of size 3
    prediction = model.predict(structure)
    found = prediction.virial
    assert np.array_equal(found, found.T)
    assert np.allclose(
        prediction.atomic_virials.sum(axis=0), found.ravel()[[0, 4, 8, 5, 2, 1]], rtol=1e-12
    )
    for k, strain in enumerate(np.random.default_rng(3).normal(size=(2, 3, 3))):

        def energy(step, strain=strain):
            matrix = np.eye(3) + step * (strain + strain.T)
            strained = replace(
                structure, positions=structure.positions @ matrix, cell=structure.cell @ matrix
            )
            return model.predict(strained, forces=False).energy

        expected = -(8 * (energy(h) - energy(-h)) - energy(2 * h) + energy(-2 * h)) / (12 * h)
        assert (found * (strain + strain.T)).sum() == pytest.approx(expected, rel=1e-7), k


def test_symmetries(damping, structure):
    """Rotations, shifts, permutations and other images change nothing but directions."""
    model = model_of(damping)
    expected = model.predict(structure)
    scale = np.abs(expected.forces).max()
    q, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    turned = model.predict(
        replace(structure, positions=structure.positions @ q, cell=structure.cell @ q)
    )
    assert np.allclose(turned.atomic_energies, expected.atomic_energies, rtol=1e-11)
    assert np.allclose(turned.forces, expected.forces @ q, rtol=0, atol=1e-11 * scale)
    assert np.allclose(turned.virial, q.T @ expected.virial @ q, rtol=1e-9, atol=1e-10 * scale)
    order = np.random.default_rng(5).permutation(structure.n_atoms)
    images = np.random.default_rng(6).integers(-2, 3, size=(structure.n_atoms, 3))
    positions = structure.positions + np.array([0.3, -7.1, 2.2])
    positions = positions + (images * np.array(structure.pbc)) @ structure.cell
    moved = model.predict(
        replace(structure, numbers=structure.numbers[order], positions=positions[order])
    )
    assert np.allclose(moved.atomic_energies, expected.atomic_energies[order], rtol=1e-11)
    assert np.allclose(moved.forces, expected.forces[order], rtol=0, atol=1e-11 * scale)
    assert np.abs(expected.forces.sum(axis=0)).max() < 1e-12 * scale * structure.n_atoms


@pytest.mark.parametrize("periodic", ["bulk", "slab", "wire"])
def test_energy_of_supercell_is_extensive(damping, periodic):
    structure = structure_of(periodic)
    model = model_of(damping)
    repeats = np.where(structure.pbc, 2, 1)
    shifts = np.array(list(np.ndindex(*repeats))) @ structure.cell
    # lattice vectors that are not the shortest: the sum finds those by itself
    sheared = structure.cell * repeats[:, None]
    if structure.pbc[:2] == (True, True):
        sheared = sheared + 3 * np.outer([0, 1, 0], sheared[0])
    large = replace(
        structure,
        numbers=np.tile(structure.numbers, len(shifts)),
        positions=(structure.positions[None] + shifts[:, None]).reshape(-1, 3),
        cell=sheared,
    )
    one, many = model.predict(structure), model.predict(large)
    assert many.energy == pytest.approx(len(shifts) * one.energy, rel=1e-11)
    scale = np.abs(one.forces).max()
    assert np.allclose(many.forces[:5], one.forces, rtol=0, atol=1e-10 * scale)
    assert np.allclose(many.virial, len(shifts) * one.virial, rtol=1e-9, atol=1e-10 * scale)


def test_cell_smaller_than_atoms_are_apart_is_summed():
    small = Structure(
        np.array([8]), [[0.1, 0.2, 0.3]], [[2.1, 0, 0], [0.4, 2.3, 0], [0, 0.5, 2.2]], (True,) * 3
    )
    model = model_of("none")
    expected = brute_force(model, small, 40.0)[0]
    assert model.predict(small).energy == pytest.approx(expected, rel=1e-8)


def test_slab_is_a_bulk_cell_with_much_vacuum():
    """Slabs at a distance H attract like 1/H^4: ten times the vacuum, 1e-4 of the difference."""
    model, structure = model_of("becke-johnson", 1e-10), structure_of("slab")
    alone = model.predict(structure).energy
    differences = []
    for height in (40.0, 80.0):
        cell = structure.cell.copy()
        cell[2] = height * np.array([0, 0, 1.0])
        closed = replace(structure, cell=cell, pbc=(True,) * 3)
        differences.append(model.predict(closed).energy - alone)
    assert differences[0] < 0
    assert differences[0] / differences[1] == pytest.approx(16.0, rel=0.1)


# --- damping ----------------------------------------------------------------------------------


def dimer(r: float, a: int = 1, b: int = 8) -> Structure:
    return Structure(np.array([a, b]), [[0, 0, 0], [0, 0, r]], np.zeros((3, 3)), (False,) * 3)


def test_damping_vanishes_at_large_distances(damping):
    bare = -math.sqrt(54.0) / 40.0**6 - math.sqrt(8400.0) / 40.0**8
    # (R/r)^6 = 2.6^6 / 40^6 = 8e-8 is the largest correction
    assert model_of(damping).predict(dimer(40.0)).energy == pytest.approx(bare, rel=1e-7)


def test_rational_damping_ends_at_a_finite_energy_without_a_force():
    model = model_of("becke-johnson")
    radius = 2.6
    prediction = model.predict(dimer(0.02))
    expected = -math.sqrt(54.0) / radius**6 - math.sqrt(8400.0) / radius**8
    assert prediction.energy == pytest.approx(expected, rel=1e-10)
    assert np.abs(prediction.forces).max() < 1e-8


def test_exponential_damping_of_close_atoms_keeps_its_digits():
    """At b r = x << 1, ``f_n = x^(n+1)/(n+1)!`` to first order: the exact sum cancels 1e-13."""
    model = model_of("tang-toennies")
    r, b = 0.02, 3.15
    x = b * r
    c6, c8 = math.sqrt(54.0), math.sqrt(8400.0)

    def f(n):
        return math.exp(-x) * sum(x**k / math.factorial(k) for k in range(n + 1, n + 30))

    expected = -c6 * f(6) / r**6 - c8 * f(8) / r**8
    assert model.predict(dimer(r)).energy == pytest.approx(expected, rel=1e-12)


# --- tables, files, refusals --------------------------------------------------------------------


def test_tables_by_element_are_combined():
    model = Dispersion(
        {"O": 9.0, "H": 4.0, ("H", "O"): 5.0},
        {"O": 9.0, "H": 4.0},
        damping_radii={"H": 1.0, "O": 2.0},
    )
    assert model.elements == ("H", "O")
    assert model.c6 == {("H", "H"): 4.0, ("H", "O"): 5.0, ("O", "O"): 9.0}
    assert model.c8["H", "O"] == 6.0
    assert model.damping_radii == {("H", "H"): 2.0, ("H", "O"): 3.0, ("O", "O"): 4.0}
    slow = Dispersion({"H": 1.0}, damping="tang-toennies", damping_decays=2.5)
    assert slow.damping_decays == {("H", "H"): 2.5}


def test_free_atoms_have_the_coefficients_of_the_tables():
    """H: 6.5 and C: 46.6 Hartree Bohr^6; C-H by eq. 7 of Tkatchenko and Scheffler (2009)."""
    unit = 27.211386245988 * 0.529177210903**6
    model = Dispersion.of_free_atoms(["C", "H"], radius_scale=1.1)
    assert model.c6["H", "H"] == pytest.approx(6.5 * unit, rel=1e-7)
    assert model.c6["C", "C"] == pytest.approx(46.6 * unit, rel=1e-7)
    mixed = 2 * 6.5 * 46.6 / (12 / 4.5 * 6.5 + 4.5 / 12 * 46.6)
    assert model.c6["H", "C"] == pytest.approx(mixed * unit, rel=1e-7)
    assert model.damping_radii["H", "C"] == pytest.approx(1.1 * (1.001 + 1.452))
    with pytest.raises(InputError, match="the table of free-atom C6 has no 'W'"):
        Dispersion.of_free_atoms(["W"])


def test_saved_dispersion_predicts_the_same_bits(damping, tmp_path):
    structure = structure_of("bulk")
    model = model_of(damping, 1e-8)
    linpot.save(model, tmp_path / "model.linpot")
    loaded = linpot.load(tmp_path / "model.linpot")
    assert loaded == model
    assert np.array_equal(loaded.predict(structure).forces, model.predict(structure).forces)


def test_many_structures_threads_and_given_lists_change_nothing(damping):
    model = model_of(damping, 1e-8)
    structures = [structure_of(p, n) for p, n in zip(PERIODIC, (8, 3, 4, 5), strict=True)]
    alone = [model.predict(s) for s in structures]
    together = model.predict_many(structures, threads=3)
    lists = [find_neighbors(s, model.cutoff + 1.0) for s in structures]
    listed = model.predict_many(structures, lists)
    for one, other, third in zip(alone, together, listed, strict=True):
        assert one.energy == other.energy
        assert np.array_equal(one.forces, other.forces)
        assert np.array_equal(one.virial, other.virial)
        assert third.energy == pytest.approx(one.energy, rel=1e-14)
        assert np.allclose(third.forces, one.forces, rtol=1e-12, atol=1e-15)


def test_sum_with_another_model_is_the_sum():
    structure = structure_of("bulk")
    pairs = dict.fromkeys([("H", "H"), ("H", "O"), ("O", "O")], 1.0)
    repulsion = ZBL(("H", "O"), pairs, dict.fromkeys(pairs, 2.0))
    model = model_of("becke-johnson", 1e-8)
    total = (repulsion + model).predict(structure)
    parts = [repulsion.predict(structure), model.predict(structure)]
    assert total.energy == pytest.approx(sum(p.energy for p in parts), rel=1e-14)
    assert np.allclose(total.forces, sum(p.forces for p in parts), rtol=1e-12, atol=1e-14)
    assert set((repulsion + model).predict_parts(structure)) == {"zbl", "dispersion"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"c6": {}}, "`c6` must map elements or pairs of them to numbers, got {}"),
        ({"c6": {"Xx": 1.0}}, "`c6` must name elements, got 'Xx'"),
        ({"c6": {"H": -1.0}}, "must be a non-negative number, got -1.0"),
        ({"c6": {"H": 1.0, ("O", "O"): 2.0}}, "`c6` must have a value for H-O"),
        ({"c6": {"H": 1.0}, "damping": "zero"}, "`damping` must be 'becke-johnson'"),
        ({"c6": {"H": 1.0}}, "`damping_radii` must be given for damping 'becke-johnson'"),
        (
            {"c6": {"H": 1.0}, "damping": None, "damping_radii": 3.0},
            "`damping_radii` must be given for damping 'becke-johnson' and for no other, got 3.0",
        ),
        (
            {"c6": {"H": 1.0}, "damping_radii": 0.0},
            "`damping_radii[H-H]` must be a positive length in A, got 0.0",
        ),
        ({"c6": {"H": 1.0}, "damping": None, "accuracy": 0.5}, "`accuracy` must be from 1e-15"),
        (
            {"c6": {"H": 1.0}, "damping_radii": 4.0, "pair_cutoff": 6.0},
            "`pair_cutoff` must be at least 11.17 A for this damping and an accuracy of 1e-08",
        ),
    ],
)
def test_invalid_tables_are_refused_with_their_values(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Dispersion(**arguments)


def test_unknown_elements_and_overlapping_atoms_are_refused():
    model = model_of("none")
    with pytest.raises(InputError, match=r"element 'Si' .* is not in this potential"):
        model.predict(dimer(2.0, 14))
    with pytest.raises(InputError, match=r"atoms 0 and 1 .* must be at least 0.01 A apart"):
        model.predict(dimer(0.001))
    thin = replace(structure_of("slab"), cell=np.diag([0.5, 4000.0, 9.0]))
    with pytest.raises(InputError, match="needs more than 1000000 images of a thin cell"):
        model.predict(thin)
