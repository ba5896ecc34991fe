"""The evaluator of .yace formulas: values of ML-PACE, harmonics of scipy, exact derivatives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.special

from linpot.basis.radial import RadialParameters
from linpot.errors import InputError
from linpot.lammps.direct import complex_harmonics, evaluate_document
from linpot.lammps.direct_embedding import embedded
from linpot.lammps.direct_radials import base_values, core_repulsion, tabulated
from linpot.lammps.document import FAMILIES, Bond, Embedding
from linpot.lammps.yace_parser import parse_yace
from linpot.structures.structure import Structure

DOCUMENT = parse_yace((Path(__file__).parent / "data" / "yace" / "two_species.yace").read_text())
ATOMS = Structure(
    np.array([13, 28, 13, 28]),
    np.array([[0, 0, 0], [2.1, 0.3, -0.2], [0.4, 2.3, 0.5], [-0.7, 0.6, 2.2]]),
    np.zeros((3, 3)),
    (False, False, False),
)
# lammps-user-pace 99aa6e6, compiled, on two_species.yace
ENERGIES = [-1.744911331565, -0.246389684209, -1.913302076240, -0.207645893821]
FORCES = [
    [-0.0806005306, 1.2027682486, 0.3992008186],
    [-0.3222471136, 0.4751065146, 0.3136405496],
    [-0.0562762651, -1.9298829211, -0.1011365648],
    [0.4591239093, 0.2520081579, -0.6117048034],
]


def bond(family: str = "ChebExpCos", **changes) -> Bond:
    widths = {"cutoff_width": 0.6, "inner_cutoff": 2.0, "inner_width": 0.8}
    return Bond(np.ones((1, 1, 5)), family, (2.5,), 4.5, **{**widths, **changes})


@pytest.mark.parametrize("splines", [False, True])
def test_two_species_have_the_values_of_ml_pace(splines):
    prediction = evaluate_document(DOCUMENT, ATOMS, splines=splines)
    # printed digits of the reference: 12 and 10 decimals; its tables differ from formulas by less
    assert np.abs(prediction.atomic_energies - ENERGIES).max() < 2e-12
    assert np.abs(prediction.forces - FORCES).max() < 1e-10
    assert prediction.energy == pytest.approx(sum(ENERGIES), abs=1e-11)


def test_harmonics_are_those_of_scipy_times_root_four_pi():
    rng = np.random.default_rng(0)
    units = rng.normal(size=(20, 3))
    units /= np.linalg.norm(units, axis=1)[:, None]
    theta, phi = np.arccos(units[:, 2]), np.arctan2(units[:, 1], units[:, 0])
    values, _ = complex_harmonics(units, 8)
    for l in range(9):
        for m in range(-l, l + 1):
            if hasattr(scipy.special, "sph_harm_y"):
                expected = scipy.special.sph_harm_y(l, m, theta, phi)
            else:
                expected = scipy.special.sph_harm(m, l, phi, theta)
            # recurrences upwards in l: rounding grows with l
            error = np.abs(values[:, l * (l + 1) + m] - np.sqrt(4 * np.pi) * expected)
            assert error.max() < 1e-12


@pytest.mark.parametrize("splines", [False, True])
def test_forces_equal_minus_energy_difference(splines):
    prediction = evaluate_document(DOCUMENT, ATOMS, splines=splines)
    rng = np.random.default_rng(1)
    direction, step = rng.normal(size=(4, 3)), 1e-4
    ends = [
        evaluate_document(
            DOCUMENT, replace(ATOMS, positions=ATOMS.positions + sign * step * direction),
            splines=splines,
        ).energy
        for sign in (1, -1)
    ]  # fmt: skip
    slope = (ends[0] - ends[1]) / (2 * step)
    assert abs(slope) > 0.1
    # step^2 times third derivatives
    assert -(prediction.forces * direction).sum() == pytest.approx(slope, abs=1e-6)


def test_virial_equals_strain_difference():
    cell = Structure(ATOMS.numbers, ATOMS.positions, 6.0 * np.eye(3), (True, True, True))
    virial = evaluate_document(DOCUMENT, cell).virial
    strain, step = np.array([[0.3, 0.1, 0.0], [0.1, -0.2, 0.4], [0.0, 0.4, 0.1]]), 1e-4
    ends = []
    for sign in (1, -1):
        matrix = np.eye(3) + sign * step * strain
        strained = replace(cell, positions=cell.positions @ matrix, cell=cell.cell @ matrix)
        ends.append(evaluate_document(DOCUMENT, strained).energy)
    slope = (ends[0] - ends[1]) / (2 * step)
    assert abs(slope) > 0.1
    assert -(virial * strain).sum() == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_derivatives_of_base_functions_equal_differences(family):
    r, step = np.linspace(1.25, 4.4, 60), 1e-5
    _, slopes = base_values(bond(family), r)
    up, down = (base_values(bond(family), r + s)[0] for s in (step, -step))
    assert np.abs(slopes).max() > 0.1
    # step^2 times third derivatives, which reach 1e3 in the inner switch
    assert np.abs((up - down) / (2 * step) - slopes).max() < 1e-6


def test_derivative_of_core_repulsion_equals_difference():
    with_core = bond(core_strength=100.0, core_decay=0.7)
    r, step = np.linspace(0.7, 4.4, 60), 1e-5
    values, slopes = core_repulsion(with_core, r)
    up, down = (core_repulsion(with_core, r + s)[0] for s in (step, -step))
    assert np.abs((up - down) / (2 * step) - slopes).max() < 1e-5
    assert values[0] > 10.0
    assert (values[r > 2.0] == 0.0).all()


def test_inner_cutoff_of_kind_distance_is_the_taper_of_linpot():
    radial = RadialParameters(4.5, 2.5, 1.2, 2.0)
    r = np.linspace(0.8, 4.4, 200)
    with_taper, _ = base_values(bond(cutoff_width=0.0), r)
    without, _ = base_values(bond(cutoff_width=0.0, inner_cutoff=0.0, inner_width=0.0), r)
    assert np.abs(with_taper - radial.switch(r)[:, None] * without).max() < 1e-15


def test_tables_are_cubic_hermite_of_the_step():
    r = np.linspace(1.3, 4.4, 500)
    values, slopes = base_values(bond(), r)
    errors = []
    for step in (0.02, 0.01):
        found, found_slopes = tabulated(bond(), r, step)
        errors.append((np.abs(found - values).max(), np.abs(found_slopes - slopes).max()))
    # fourth and third power of the step, less where the worst points fall between nodes
    assert 10 < errors[0][0] / errors[1][0] < 22
    assert 5 < errors[0][1] / errors[1][1] < 11
    assert np.abs(tabulated(bond(), r, 0.0005)[0] - values).max() < 1e-11


@pytest.mark.parametrize("kind", ["FinnisSinclair", "FinnisSinclairShiftedScaled"])
def test_slopes_of_embeddings_equal_differences(kind):
    """Densities of both signs and of all sizes, a core inside its switch."""
    embedding = Embedding(3, (1.0, 1.0, 0.8, 0.5, -0.3, 2.0), kind, 5.0, 4.0)
    for densities, core in (([2.0, -0.7, 0.3], 2.5), ([1.0, 0.002, -3.0], 0.5), ([1, 1, 1], 9.0)):
        rho, step = np.array(densities, dtype=float), 1e-6
        _, by_densities, by_core = embedded(embedding, rho, core)
        for k in range(3):
            ends = [embedded(embedding, rho + s * step * np.eye(3)[k], core)[0] for s in (-1, 1)]
            # third derivatives times step^2, and rounding over step
            assert (ends[1] - ends[0]) / (2 * step) == pytest.approx(by_densities[k], abs=1e-5)
        ends = [embedded(embedding, rho, core + s * step)[0] for s in (-1, 1)]
        assert (ends[1] - ends[0]) / (2 * step) == pytest.approx(by_core, abs=1e-5)


def test_what_is_no_sum_over_atoms_and_pairs_is_refused():
    bonds = {p: replace(b, inner_kind="zbl") for p, b in DOCUMENT.bonds.items()}
    with pytest.raises(InputError, match="inner_cutoff_type"):
        evaluate_document(replace(DOCUMENT, bonds=bonds), ATOMS)
    with pytest.raises(InputError, match="distances must be above"):
        tabulated(bond(), np.array([1e-4]), 0.001)


def test_isolated_atom_has_its_reference_energy():
    alone = Structure(np.array([28]), np.zeros((1, 3)), np.zeros((3, 3)), (False,) * 3)
    assert evaluate_document(DOCUMENT, alone).energy == 0.75
