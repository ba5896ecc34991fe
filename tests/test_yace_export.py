"""Potentials as .yace documents: the same energies by the formulas of the format."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest

from linpot.basis.clebsch_gordan import real_from_complex
from linpot.basis.coupling import couple
from linpot.basis.families import build_basis
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import BasisSpecification
from linpot.errors import InputError
from linpot.lammps.complex_products import complex_products, half_basis_sums
from linpot.lammps.direct import evaluate_document
from linpot.lammps.export import export_potential
from linpot.lammps.radial_expansion import TOLERANCE, choose_expansions, expand, project
from linpot.model.linear_potential import LinearPotential
from tests.laws.cases import ELEMENTS, ISOLATED, linear, radial_of, structure_for

CASES = [(n, order) for n in (1, 2, 3) for order in (2, 3, 4, 5, 6)]
STRUCTURES = ("triclinic", "molecule", "small", "on_axis")
TYPICAL = RadialParameters(5.25, 0.5, 1.7, 2.3)  # as a fit to silicon has them


@cache
def potential_of(n_elements: int, body_order: int) -> LinearPotential:
    """The potentials of the laws; pair functions up to n = 5, which leaves rounding small."""
    if body_order > 2:
        return linear(n_elements, body_order)
    elements = ELEMENTS[n_elements]
    basis = build_basis(
        BasisSpecification(elements, radial_of(elements), body_order=2, max_degree=3.5)
    )
    coefficients = np.random.default_rng(n_elements).normal(size=basis.n_features)
    return LinearPotential(basis, coefficients, {s: ISOLATED[s] for s in elements})


def assert_close(found, expected, tolerance: float, of_forces: float) -> None:
    """Energies relative to the largest of an atom, forces to the largest component."""
    energies, forces = expected.atomic_energies, expected.forces
    error = np.abs(found.atomic_energies - energies).max()
    assert error <= tolerance * np.abs(energies).max()
    error = np.abs(found.forces - forces).max()
    assert error <= of_forces * max(np.abs(forces).max(), 1e-3)


@pytest.mark.parametrize(("n_elements", "body_order"), CASES)
def test_exported_potential_has_the_same_energies_and_forces(n_elements, body_order):
    potential = potential_of(n_elements, body_order)
    export = export_potential(potential)
    assert export.radial_error < 1e-11
    for name in STRUCTURES:
        structure = structure_for(name, potential)
        expected = potential.predict(structure)
        assert_close(evaluate_document(export.document, structure), expected, 5e-12, 5e-11)
        # slopes of cubic tables err by the third power of their step
        with_tables = evaluate_document(export.document, structure, splines=True)
        assert_close(with_tables, expected, 1e-11, 1e-8)


def test_isolated_atoms_and_unused_species_are_exported():
    potential = linear(2, 3)
    only_first = np.zeros(potential.basis.n_features)
    only_first[: potential.basis.feature_offsets[1]] = 1.0
    document = export_potential(potential.with_coefficients(only_first)).document
    assert document.functions[1] == ()
    alone = structure_for("atom", potential)
    assert evaluate_document(document, alone).energy == potential.predict(alone).energy


def test_products_are_in_the_half_basis_and_no_block_appears_twice():
    document = export_potential(linear(2, 5)).document
    for functions in document.functions:
        blocks = [
            tuple(sorted(zip(f.species, f.radial, f.angular, strict=True))) for f in functions
        ]
        assert len(set(blocks)) == len(blocks)
        for function in functions:
            assert (function.components.sum(axis=1) == 0).all()
            assert len(np.unique(function.components, axis=0)) == len(function.components)
            assert (function.coefficients != 0.0).all()
            for row in function.components:
                assert not row.any() or row[np.flatnonzero(row)[0]] > 0


@pytest.mark.parametrize(
    "ls", [(1, 1), (2, 2), (1, 1, 2), (2, 2, 2), (1, 1, 1, 1), (1, 1, 2, 2, 2)]
)
@pytest.mark.parametrize("equal", [False, True])
def test_complex_products_equal_real_monomials(ls, equal):
    classes = tuple(ls if equal else range(len(ls)))
    coupling = couple(ls, classes)
    rng = np.random.default_rng(len(ls))
    real = {c: rng.normal(size=2 * l + 1) for c, l in zip(classes, ls, strict=True)}
    # Y_real = U Y_complex, so that densities go over the same way; U is unitary
    complexes = {
        c: real_from_complex(l).conj().T @ real[c] for c, l in zip(classes, ls, strict=True)
    }
    expected = np.zeros(len(coupling.coefficients))
    for monomial, column in zip(coupling.monomials, coupling.coefficients.T, strict=True):
        expected += column * np.prod([real[c][m] for c, m in zip(classes, monomial, strict=True)])
    components, coefficients = complex_products(
        ls, classes, coupling.monomials - np.array(ls), coupling.coefficients
    )
    found = np.zeros(len(expected))
    for row, column in zip(components, coefficients.T, strict=True):
        factors = [complexes[c][l + m] for c, l, m in zip(classes, ls, row, strict=True)]
        found += column * np.prod(factors).real
    assert np.abs(expected).max() > 1e-2
    assert np.abs(found - expected).max() < 1e-13 * max(1.0, np.abs(expected).max())


def test_full_and_half_lists_of_products_are_the_same():
    full = np.array(list(product((-1, 0, 1), repeat=2)))
    full = full[full.sum(axis=1) == 0]
    components, sums = half_basis_sums((0, 0), full, np.array([1.0, 2.0, 3.0]))
    assert components.tolist() == [[0, 0], [1, -1]]
    assert sums.tolist() == [2.0, 4.0]


def test_functions_that_are_no_invariants_are_refused():
    with pytest.raises(InputError, match="rotation-invariant"):
        complex_products((1, 1), (0, 1), np.array([[1, 0]]), np.ones((1, 1)))
    # x1 y2 - y1 x2: odd under inversion of one factor, imaginary in complex densities
    with pytest.raises(InputError, match="parity-even"):
        complex_products((1, 1), (0, 1), np.array([[1, -1], [-1, 1]]), np.array([[1.0, -1.0]]))


def test_exact_expansion_holds_for_few_functions():
    recurrence = TYPICAL.recurrence(5)
    exact = expand(TYPICAL, recurrence, np.eye(5))
    assert exact.error < 3e-12
    assert (exact.coefficients[:, 0] == 0.0).all()
    assert np.count_nonzero(exact.coefficients) == 2 + 3 + 4 + 5 + 6 - 5


def test_least_squares_saves_digits_that_cancellation_costs():
    """The twelfth polynomial grows to 1e9 below the taper, where it is not used."""
    recurrence = TYPICAL.recurrence(12)
    last = np.eye(12)[-1:]
    exact = expand(TYPICAL, recurrence, last)
    [chosen] = choose_expansions([(TYPICAL, recurrence, last)], n_species=1)
    assert exact.error > 1e-9
    assert chosen.error < 1e-2 * exact.error
    assert chosen.error < 1e-10
    assert np.abs(chosen.coefficients).max() < 1e-3 * np.abs(exact.coefficients).max()


def test_potentials_without_taper_need_no_least_squares():
    radial = RadialParameters(5.0, 2.0)
    recurrence = radial.recurrence(10)
    [chosen] = choose_expansions([(radial, recurrence, np.eye(10))], n_species=1)
    assert chosen.coefficients.shape == (10, 11)
    assert chosen.error < TOLERANCE


def test_tolerance_trades_digits_for_base_functions():
    potential = linear(1, 4)
    fine, coarse = (export_potential(potential, tolerance=t) for t in (1e-12, 1e-6))
    assert fine.radial_error < 1e-12 < coarse.radial_error < 1e-6
    assert coarse.document.bonds[0, 0].n_base < 0.2 * fine.document.bonds[0, 0].n_base


def test_radial_functions_too_steep_for_lammps_are_refused():
    radial = RadialParameters(5.25, 8.0, 3.0, 4.0)
    specification = BasisSpecification(
        ("Si",), {("Si", "Si"): radial}, body_order=2, max_degree=20.0
    )
    basis = build_basis(specification)
    potential = LinearPotential(basis, np.ones(basis.n_features), {"Si": 0.0})
    with pytest.raises(InputError, match=r"n up to 28, err by .* in double precision"):
        export_potential(potential)


def test_projection_is_the_inverse_of_expansion():
    recurrence = TYPICAL.recurrence(8)
    mixtures = np.random.default_rng(0).normal(size=(3, 8))
    expansion = expand(TYPICAL, recurrence, mixtures, 48)
    found, error = project(TYPICAL, recurrence, expansion.coefficients)
    assert error < 1e-11
    assert np.abs(found - mixtures).max() < 1e-10


def changed(potential: LinearPotential, **fields) -> LinearPotential:
    program = replace(potential.basis.programs[0], **fields)
    basis = replace(potential.basis, programs=(program, *potential.basis.programs[1:]))
    return replace(potential, basis=basis)


def test_programs_of_other_kinds_are_refused():
    potential = linear(2, 3)
    program = potential.basis.programs[0]
    mixed = np.full_like(program.channel_weights, 0.5)
    constants = np.ones_like(program.density_constants)
    leaf = np.zeros_like(program.leaf_left)
    cases = {
        "densities mix neighbor species": {"channel_weights": mixed},
        "densities have constants": {"density_constants": constants},
        "a constant among its functions": {"leaf_left": leaf, "leaf_right": leaf},
    }
    for message, fields in cases.items():
        with pytest.raises(InputError, match=f"around Si, .*{message}"):
            export_potential(changed(potential, **fields))
    deeper = linear(1, 5)
    sums = deeper.basis.programs[0].term_target.copy()
    sums[1] = sums[0]
    with pytest.raises(InputError, match="inner nodes are sums"):
        export_potential(changed(deeper, term_target=sums))


def test_weights_of_species_and_products_are_folded_in():
    potential = linear(2, 3)
    program = potential.basis.programs[0]
    other = changed(
        potential,
        channel_weights=1.5 * program.channel_weights,
        term_coefficient=0.5 * program.term_coefficient,
    )
    structure = structure_for("triclinic", other)
    expected = other.predict(structure)
    assert abs(expected.energy - potential.predict(structure).energy) > 1e-2
    assert_close(
        evaluate_document(export_potential(other).document, structure), expected, 5e-12, 5e-11
    )
