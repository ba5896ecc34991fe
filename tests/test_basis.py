"""The mathematics of the basis: couplings, counts, enumeration, radial functions, programs."""

from __future__ import annotations

from functools import cache
from itertools import combinations_with_replacement, permutations, product
from math import factorial

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.physics.quantum.cg import CG

from linpot.basis.clebsch_gordan import (
    clebsch_gordan,
    clebsch_gordan_squared,
    real_clebsch_gordan,
    real_from_complex,
)
from linpot.basis.counting import count_invariants
from linpot.basis.coupling import couple
from linpot.basis.enumeration import select_blocks
from linpot.basis.families import build_basis
from linpot.basis.program import Program
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import BasisSpecification
from linpot.errors import FileFormatError, InputError
from linpot.kernels.compile import kernel
from linpot.kernels.lanes import load
from linpot.kernels.radial import fill_radial
from linpot.model.naive import naive_radial

BLOCKS = [
    ((0,), (0,)),
    ((0, 0), (0, 1)),
    ((3, 3), (0, 0)),
    ((4, 4), (0, 1)),
    ((1, 1, 2), (0, 0, 1)),
    ((1, 2, 3), (0, 1, 2)),
    ((2, 2, 2), (0, 0, 0)),
    ((4, 4, 4), (0, 0, 1)),
    ((1, 1, 1, 1), (0, 0, 0, 0)),
    ((1, 1, 1, 1), (0, 0, 1, 1)),
    ((1, 1, 2, 2), (0, 1, 2, 3)),
    ((2, 2, 2, 2), (0, 0, 0, 1)),
    ((1, 2, 3, 4), (0, 1, 2, 3)),
    ((2, 2, 3, 3), (0, 0, 1, 1)),
    ((1, 1, 1, 1, 2), (0, 0, 1, 2, 3)),
    ((0, 1, 1, 2, 2), (0, 1, 1, 2, 2)),
    ((2, 2, 2, 2, 2), (0, 0, 0, 0, 0)),
    ((1, 1, 1, 1, 1, 1), (0, 0, 0, 0, 0, 0)),
    ((1, 1, 1, 1, 2, 2), (0, 0, 1, 1, 2, 2)),
    ((1, 1, 1, 2, 2, 3), (0, 0, 0, 1, 1, 2)),
    ((2, 2, 2, 2, 2, 2), (0, 0, 0, 1, 1, 1)),
]


def silicon(**kwargs) -> BasisSpecification:
    radial = kwargs.pop("radial", RadialParameters(5.0))
    return BasisSpecification(("Si",), {("Si", "Si"): radial}, **kwargs)


def ternary(**kwargs) -> BasisSpecification:
    elements = ("C", "Si", "Ge")
    radial = {pair: RadialParameters(5.0) for pair in combinations_with_replacement(elements, 2)}
    return BasisSpecification(elements, radial, **kwargs)


# ---- Clebsch-Gordan coefficients ----


@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (0, 2), (1, 1), (1, 2), (2, 2), (3, 1), (2, 4)])
def test_clebsch_gordan_equals_sympy_exactly(l1, l2):
    n_nonzero = 0
    for m1, m2 in product(range(-l1, l1 + 1), range(-l2, l2 + 1)):
        for l3 in range(abs(l1 - l2), l1 + l2 + 1):
            if abs(m1 + m2) > l3:
                continue
            expected = CG(l1, m1, l2, m2, l3, m1 + m2).doit()
            sign, square = clebsch_gordan_squared(l1, m1, l2, m2, l3, m1 + m2)
            assert sympy.Rational(square.numerator, square.denominator) == expected**2
            assert sign == sympy.sign(expected)
            n_nonzero += sign != 0
    assert n_nonzero > 0


@pytest.mark.parametrize(
    "numbers", [(1, 0, 1, 0, 1, 1), (1, 0, 1, 0, 3, 0), (1, 2, 2, 0, 3, 2), (2, 0, 2, 0, 1, 0)]
)
def test_clebsch_gordan_vanishes_against_the_selection_rules(numbers):
    assert clebsch_gordan(*numbers) == 0.0


@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (0, 3), (1, 1), (1, 2), (2, 3), (4, 4), (5, 3)])
def test_real_couplings_are_orthonormal(l1, l2):
    """``sum_ij C_ijk C_ijk' = delta`` for each L and between different L."""
    size = (2 * l1 + 1) * (2 * l2 + 1)
    columns = [
        real_clebsch_gordan(l1, l2, l3).reshape(size, -1) for l3 in range(abs(l1 - l2), l1 + l2 + 1)
    ]
    matrix = np.concatenate(columns, axis=1)
    assert matrix.shape == (size, size)
    assert np.allclose(matrix.T @ matrix, np.eye(size), rtol=0, atol=1e-13)


def test_real_from_complex_is_unitary():
    for l in range(7):
        u = real_from_complex(l)
        assert np.allclose(u @ u.conj().T, np.eye(2 * l + 1), rtol=0, atol=1e-15)


# ---- counts and couplings ----


def rotation_character(l: int, angle: np.ndarray) -> np.ndarray:
    return 1.0 + 2.0 * sum(np.cos(m * angle) for m in range(1, l + 1))


def invariants_by_integration(ls, classes) -> int:
    """
    ``1 / pi int (1 - cos t) chi(t) dt`` over SO(3), exact by equidistant points.

    The character of a symmetric power is the cycle index of the characters at multiples of t.
    """
    if sum(ls) % 2:
        return 0
    n = 4 * sum(ls) + 8
    angle = 2 * np.pi * np.arange(n) / n
    total = 1.0 - np.cos(angle)
    for number in sorted(set(classes)):
        own = [l for l, c in zip(ls, classes, strict=True) if c == number]
        character = np.zeros(n)
        for permutation in permutations(range(len(own))):
            term, seen = np.ones(n), set()
            for start in range(len(own)):
                length, at = 0, start
                while at not in seen:
                    seen.add(at)
                    at, length = permutation[at], length + 1
                if length:
                    term = term * rotation_character(own[0], length * angle)
            character += term
        total = total * character / factorial(len(own))
    return round(float(total.mean()))


@pytest.mark.parametrize(("ls", "classes"), BLOCKS)
def test_count_of_invariants_equals_the_character_integral(ls, classes):
    assert count_invariants(ls, classes) == invariants_by_integration(ls, classes)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_count_of_any_block_equals_the_character_integral(channels):
    channels = sorted(channels)
    ls = [l for l, _ in channels]
    keys = sorted(set(channels))
    classes = [keys.index(c) for c in channels]
    assert count_invariants(ls, classes) == invariants_by_integration(ls, classes)


def test_odd_sums_have_no_parity_even_invariants():
    assert count_invariants((1, 1, 1), (0, 1, 2)) == 0
    assert len(couple((1, 1, 1), (0, 1, 2)).coefficients) == 0


@pytest.mark.parametrize(("ls", "classes"), BLOCKS)
def test_couplings_are_as_many_as_counted(ls, classes):
    coupling = couple(ls, classes)
    assert coupling.coefficients.shape == (count_invariants(ls, classes), len(coupling.monomials))
    assert len(np.unique(coupling.monomials, axis=0)) == len(coupling.monomials)


@pytest.mark.parametrize(("ls", "classes"), BLOCKS)
def test_couplings_are_orthonormal_in_the_symmetrised_product(ls, classes):
    """A monomial that stands for p permuted ones of equal channels has norm 1/p."""
    coupling = couple(ls, classes)
    norms = []
    for monomial in coupling.monomials:
        number = 1
        for c in set(classes):
            own = [m for m, k in zip(monomial, classes, strict=True) if k == c]
            number *= len(set(permutations(own)))
        norms.append(1.0 / number)
    gram = (coupling.coefficients * norms) @ coupling.coefficients.T
    assert np.allclose(gram, np.eye(len(gram)), rtol=0, atol=1e-12)


def test_couplings_of_two_channels_are_the_scalar_product():
    coupling = couple((3, 3), (0, 1))
    assert np.array_equal(coupling.monomials, [[m, m] for m in range(7)])
    assert np.allclose(np.abs(coupling.coefficients), 1 / np.sqrt(7), rtol=1e-14)
    assert np.ptp(coupling.coefficients) < 1e-14


# ---- enumeration ----


@pytest.mark.parametrize("body_order", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("wanted", [20, 190])
def test_number_of_functions_is_met_within_three_percent(body_order, wanted):
    basis = build_basis(silicon(body_order=body_order, n_functions=wanted))
    assert abs(basis.n_functions["Si"] - wanted) <= max(0.03 * wanted, 0.5)


def test_number_of_functions_can_differ_between_elements():
    wanted = {"C": 100, "Si": 300, "Ge": 150}
    basis = build_basis(ternary(body_order=4, n_functions=wanted))
    for symbol, n in wanted.items():
        assert abs(basis.n_functions[symbol] - n) <= 0.03 * n
    assert basis.n_features == sum(basis.n_functions.values())
    assert basis.feature_offsets[-1] == basis.n_features


def test_number_of_functions_that_cannot_be_reached_is_refused():
    # degrees end at 500: eleven pair functions
    specification = silicon(body_order=2, n_functions=20, pair_weight=50.0)
    with pytest.raises(InputError, match=r"`n_functions` must be reachable, got 20; raise `body"):
        build_basis(specification)


@pytest.mark.parametrize("limits", [[8], [8, 6], [8, 6, 4], [8, 6.5, 4, 3], [6, 6, 4, 4, 4]])
def test_degrees_are_respected_and_exhausted(limits):
    """All blocks up to the limit of their body order and no other: checked by brute force."""
    specification = silicon(
        body_order=len(limits) + 1, max_degree=limits, angular_weight=1.5, pair_weight=0.5
    )
    found = {b.channels for b in select_blocks(specification, "Si")}
    expected = set()
    for order, limit in enumerate(limits, start=1):
        n_weight = 0.5 if order == 1 else 1.0
        channels = [
            (l, 0, n)
            for l in range(int(limit / 1.5) + 1)
            for n in range(int(limit / n_weight) + 1)
            if n_weight * n + 1.5 * l <= limit
        ]
        for block in combinations_with_replacement(channels, order):
            degree = sum(n_weight * n + 1.5 * l for l, _, n in block)
            classes = [block.index(c) for c in block]
            if degree <= limit and count_invariants([c[0] for c in block], classes):
                expected.add(tuple(sorted(block)))
    assert found == expected


def test_degrees_can_differ_between_elements():
    basis = build_basis(
        ternary(body_order=3, max_degree={"C": [4, 2], "Si": 3, "Ge": [2.0, 4.0]}, pair_weight=1.0)
    )
    for symbol, program, (pair, triple) in zip(
        basis.elements, basis.programs, [(4, 2), (3, 3), (2, 4)], strict=True
    ):
        degrees = np.where(program.factors[:, :, :1] >= 0, program.factors[:, :, 1:], 0).sum((1, 2))
        orders = program.body_orders
        assert degrees[orders == 2].max() == pair, symbol
        assert degrees[orders == 3].max() == triple, symbol


def test_no_angular_momentum_exceeds_its_limit():
    basis = build_basis(silicon(body_order=4, max_degree=8, l_max=2))
    assert basis.programs[0].factors[:, :, 2].max() == 2
    assert basis.programs[0].l_max == 2


def test_equal_specifications_share_one_basis():
    first = build_basis(silicon(body_order=3, max_degree=4))
    assert build_basis(silicon(body_order=3, max_degree=4)) is first
    assert build_basis(silicon(body_order=3, max_degree=5)) is not first


def test_table_of_blocks_sums_to_the_number_of_functions():
    basis = build_basis(ternary(body_order=4, n_functions=200))
    for symbol, n in basis.n_functions.items():
        assert sum(row[2] for row in basis.table() if row[0] == symbol) == n


def test_three_elements_with_10000_functions_build():
    basis = build_basis(ternary(body_order=5, n_functions=10_000))
    assert all(abs(n - 10_000) <= 300 for n in basis.n_functions.values())
    basis.programs[0].validate()


def test_programs_of_equal_blocks_are_shared():
    basis = build_basis(ternary(body_order=3, max_degree=3))
    assert basis.programs[0] is basis.programs[2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("leaf_left", 10**6),
        ("term_left", -1),
        ("channel_start", 0),
        ("channel_size", 10**4 + 1),
        ("feature_leaf", -1),
        ("feature_offsets", 5),
        ("term_target", 0),
    ],
)
def test_program_with_an_index_outside_is_refused(name, value):
    arrays = build_basis(silicon(body_order=4, max_degree=4)).programs[0].arrays()
    arrays[name] = arrays[name].copy()
    arrays[name][0] = value
    with pytest.raises(FileFormatError, match=f"`{name}` of the program is inconsistent"):
        Program.from_arrays(arrays)


# ---- radial functions ----

RADIALS = [
    RadialParameters(5.0),
    RadialParameters(4.2, decay=5.0),
    RadialParameters(6.0, decay=0.5, taper_start=1.0, taper_end=2.0),
    RadialParameters(3.5, taper_start=1.5, taper_end=1.6),
]


def kernel_radial(parameters: RadialParameters, r: np.ndarray, n_radial: int):
    """Values and slopes [distance, n], eight distances at a time."""
    padded = np.full(-(-len(r) // 8) * 8, parameters.cutoff)
    padded[: len(r)] = np.minimum(r, parameters.cutoff)  # padding puts pairs at the cutoff
    values, slopes = np.zeros((2, len(padded), n_radial))
    table, row = parameters.recurrence(n_radial), parameters.as_row()
    for k in range(0, len(padded), 8):
        R, dR = np.zeros(8 * n_radial), np.zeros(8 * n_radial)
        fill_in_lanes(padded[k : k + 8], row, table, np.arange(n_radial), np.ones(n_radial), R, dR)
        values[k : k + 8] = R.reshape(n_radial, 8).T
        slopes[k : k + 8] = dR.reshape(n_radial, 8).T
    return values[: len(r)], slopes[: len(r)]


@kernel
def fill_in_lanes(r, row, table, channel_radial, channel_weight, values, slopes):
    last = len(channel_radial)
    fill_radial(load(r, 0), row, table, 0, last, channel_radial, channel_weight, values, slopes)


@pytest.mark.parametrize("parameters", RADIALS)
def test_radial_functions_are_orthonormal(parameters):
    """Weight ``3 r^2 / cutoff^3``, by a quadrature other than the one that made them."""
    nodes, weights = gauss_legendre(301)
    half = 0.5 * (parameters.cutoff - parameters.taper_start)
    r = parameters.taper_start + half * (nodes + 1)
    values, _ = kernel_radial(parameters, r, 12)
    measure = weights * half * 3 * r**2 / parameters.cutoff**3
    gram = (values * measure[:, None]).T @ values
    # the quintic switch is smooth only piecewise, which limits either quadrature
    tolerance = 1e-11 if parameters.taper_end == parameters.taper_start else 1e-6
    assert np.allclose(gram, np.eye(12), rtol=0, atol=tolerance)


@cache
def gauss_legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(n)


def test_as_many_radial_functions_as_allowed_are_orthonormal():
    parameters = RADIALS[0]
    nodes, weights = gauss_legendre(601)
    r = 0.5 * parameters.cutoff * (nodes + 1)
    values = parameters.values(r, 200)
    gram = (values * (weights * 1.5 * r**2 / parameters.cutoff**2)[:, None]).T @ values
    assert np.allclose(gram, np.eye(200), rtol=0, atol=1e-10)


def test_more_radial_functions_than_stay_orthogonal_are_refused():
    with pytest.raises(InputError, match=r"`n_radial` must be at most 200, got 500; raise `body_o"):
        build_basis(silicon(body_order=2, n_functions=500))


@pytest.mark.parametrize("parameters", RADIALS)
def test_radial_kernel_equals_the_readable_formulas(parameters):
    r = np.linspace(0.3, parameters.cutoff + 0.2, 97)
    values, _ = kernel_radial(parameters, r, 9)
    expected = parameters.values(r, 9)
    assert np.allclose(values, expected, rtol=1e-10, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("parameters", RADIALS)
def test_radial_slopes_equal_complex_steps(parameters):
    r = np.linspace(parameters.taper_start + 0.3, parameters.cutoff - 1e-3, 60)
    _, slopes = kernel_radial(parameters, r, 9)
    table = parameters.recurrence(9)
    expected = np.array(
        [
            [v[0].imag / 1e-30 for v in naive_radial(np.array([s + 1e-30j]), row, table)]
            for s, row in zip(r, [parameters.as_row()] * len(r), strict=True)
        ]
    )
    assert np.allclose(slopes, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("parameters", RADIALS)
def test_radial_functions_vanish_at_the_cutoff_with_two_derivatives(parameters):
    """``R_n = O((cutoff - r)^4)``: from (1 + cos) the second power, from (1 - x) one more..."""
    distances = np.array([0.04, 0.02, 0.01])
    values, slopes = kernel_radial(parameters, parameters.cutoff - distances, 6)
    # halving the distance divides the third power by 8 and its slope by 4
    assert (np.abs(values[:-1] / values[1:]) > 7.0).all()
    assert (np.abs(slopes[:-1] / slopes[1:]) > 3.5).all()
    beyond, beyond_slopes = kernel_radial(parameters, parameters.cutoff + distances, 6)
    # cos(pi / 2) and 1 - x are rounding there, and come in the third power
    assert np.abs(beyond).max() < 1e-30
    assert np.abs(beyond_slopes).max() < 1e-25


@pytest.mark.parametrize("parameters", RADIALS)
def test_radial_functions_vanish_below_the_taper(parameters):
    values, slopes = kernel_radial(parameters, np.array([0.99 * parameters.taper_start]), 6)
    assert not values.any() or parameters.taper_start == 0.0
    assert not slopes.any() or parameters.taper_start == 0.0


@pytest.mark.parametrize("parameters", RADIALS[:3])
def test_radial_functions_are_combinations_of_the_lammps_pace_radials(parameters):
    """
    ChebExpCos: ``g_0 = env``, ``g_k = env (1 - T_k(x)) / 2``; inner cutoff "distance".

    LAMMPS ML-PACE, ace_radial.cpp: ``env = (1 + cos(pi r / rcut)) / 2``; below rcut_in the factor
    ``1 - (1/2 + 15/4 (t/4 - t^3/6 + t^5/20))`` with ``t = 1 - 2 (1 + (r - rcut_in) / dcut_in)``.
    """
    n_radial = 8
    r = np.linspace(parameters.taper_start + 0.05, parameters.cutoff - 0.05, 300)
    floor = np.exp(-parameters.decay)
    x = 1 - 2 * (np.exp(-parameters.decay * r / parameters.cutoff) - floor) / (1 - floor)
    envelope = (1 + np.cos(np.pi * r / parameters.cutoff)) / 2
    width = parameters.taper_end - parameters.taper_start
    if width > 0.0:
        t = np.clip(1 - 2 * (1 + (r - parameters.taper_end) / width), -1.0, 1.0)
        envelope = envelope * (1 - (0.5 + 15 / 4 * (t / 4 - t**3 / 6 + t**5 / 20)))
    chebyshev = np.polynomial.chebyshev.chebvander(x, n_radial)
    g = np.column_stack([envelope, envelope[:, None] * (1 - chebyshev[:, 1:]) / 2])
    assert g.shape[1] == n_radial + 1  # one more than R_n has polynomials, for the factor (1 - x)
    values, _ = kernel_radial(parameters, r, n_radial)
    solution, _, rank, _ = np.linalg.lstsq(g, values, rcond=None)
    assert rank == n_radial + 1
    assert np.abs(g @ solution - values).max() < 1e-10 * np.abs(values).max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-5.0,), r"`cutoff` must be a positive length in A, got -5\.0"),
        ((float("nan"),), "`cutoff` must be a positive length in A, got nan"),
        (("5",), "`cutoff` must be a positive length in A, got '5'"),
        ((5.0, 0.0), r"`decay` must be a positive number, got 0\.0"),
        ((5.0, 2.0, -1.0, 1.0), r"`taper_start` must be a non-negative length in A, got -1\.0"),
        (
            (5.0, 2.0, 2.0, 1.0),
            r"`taper_start` < `taper_end` < `cutoff` must hold, or both be 0 for no taper, got 2",
        ),
        ((5.0, 2.0, 2.0, 5.0), "`taper_start` < `taper_end` < `cutoff` must hold"),
    ],
)
def test_invalid_radial_parameters_are_refused_with_their_value(arguments, message):
    with pytest.raises(InputError, match=message):
        RadialParameters(*arguments)
