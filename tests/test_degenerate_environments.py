"""
Environments that low body orders cannot tell apart (Pozdnyakov et al., PRL 125, 166001 (2020)).

Functions of body order b see the multiset of (b - 1)-tuples of neighbors, each up to rotation and
reflection, that is its Gram matrix. Two environments with equal multisets are one to them. Both
pairs were found by exhaustive search over small sets of points; the features are parity-even.
"""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from linpot.basis.families import build_basis
from linpot.basis.radial import RadialParameters
from linpot.basis.specification import BasisSpecification
from linpot.model.linear_potential import LinearPotential
from linpot.model.naive import naive_features
from linpot.structures.structure import Structure


def on_circle(steps: tuple[int, ...]) -> np.ndarray:
    """Neighbors on a circle of 2 A, at multiples of 45 degrees."""
    angles = np.array(steps) * np.pi / 4
    return 2.0 * np.stack([np.cos(angles), np.sin(angles), 0.0 * angles], axis=1)


def on_prism(height: float) -> tuple[np.ndarray, np.ndarray]:
    """Six neighbors on three squares one above the other; any height will do."""
    h = height
    first = [[-1, 0, -h], [0, -1, -h], [-1, 0, 0], [0, 1, 0], [1, 0, h], [0, 1, h]]
    second = [[1, 0, -h], [0, 1, -h], [1, 0, 0], [0, 1, 0], [-1, 0, h], [0, -1, h]]
    return 2.0 * np.array(first), 2.0 * np.array(second)


# largest body order that is blind, the environments, l_max, degrees for body orders 2, 3, ...
CASES = {
    # equal differences mod 8, {1, 1, 2, 3, 3, 4}: homometric
    "pairs": (3, (on_circle((0, 1, 3, 4)), on_circle((0, 1, 2, 5))), 4, [8, 8, 4]),
    "triples": (4, on_prism(0.7), 3, [8, 8, 8, 6]),
    "triples-cubic": (4, on_prism(1.0), 3, [8, 8, 8, 6]),
}


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]


def gram_matrices(points: np.ndarray, size: int) -> np.ndarray:
    """Sorted Gram matrices of all tuples of `size` neighbors, each in its smallest order."""
    gram = points @ points.T
    found = []
    for chosen in combinations(range(len(points)), size):
        orders = [gram[np.ix_(p, p)].ravel() for p in permutations(chosen)]
        found.append(min(orders, key=lambda g: tuple(np.round(g, 9) + 0.0)))
    return np.array(sorted(found, key=lambda g: tuple(np.round(g, 9) + 0.0)))


def around_atom(points: np.ndarray) -> Structure:
    positions = np.concatenate([np.zeros((1, 3)), points])
    return Structure(np.full(len(positions), 14), positions, np.zeros((3, 3)), (False,) * 3)


def potential(l_max: int, degrees: list[float]) -> LinearPotential:
    basis = build_basis(
        BasisSpecification(
            ("Si",),
            {("Si", "Si"): RadialParameters(5.0)},
            body_order=len(degrees) + 1,
            max_degree=degrees,
            l_max=l_max,
        )
    )
    return LinearPotential(basis, np.ones(basis.n_features), {"Si": 0.0})


def test_tuples_up_to_the_blind_order_are_the_same(case):
    blind, (first, second), _, _ = case
    for size in range(1, blind):
        difference = gram_matrices(first, size) - gram_matrices(second, size)
        assert np.abs(difference).max() < 1e-12, size


def test_environments_are_not_the_same(case):
    """Larger tuples differ, so no rotation or reflection maps one on the other."""
    blind, (first, second), _, _ = case
    difference = gram_matrices(first, blind) - gram_matrices(second, blind)
    assert np.abs(difference).max() > 0.1


def test_functions_up_to_the_blind_order_agree(case):
    blind, environments, l_max, degrees = case
    model = potential(l_max, degrees)
    first, second = (model.features(around_atom(points))[0] for points in environments)
    orders = model.basis.programs[0].body_orders
    for order in range(2, blind + 1):
        own = orders == order
        assert own.sum() > 10
        scale = np.abs(first[own]).max()
        assert scale > 1.0
        assert np.abs(first[own] - second[own]).max() < 1e-10 * scale, order


def test_functions_of_the_next_order_tell_them_apart(case):
    blind, environments, l_max, degrees = case
    model = potential(l_max, degrees)
    first, second = (model.features(around_atom(points))[0] for points in environments)
    own = model.basis.programs[0].body_orders == blind + 1
    assert own.sum() > 10
    assert np.abs(first[own] - second[own]).max() > 1e-2 * np.abs(first[own]).max()


def test_naive_evaluation_agrees_on_what_is_told_apart():
    _, environments, l_max, degrees = CASES["triples"]
    model = potential(l_max, degrees)
    for points in environments:
        structure = around_atom(points)
        own, expected = model.features(structure)[0], naive_features(model, structure)[0]
        assert np.allclose(own, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())


def test_all_invariants_see_an_environment_as_its_mirror_image(case):
    """Parity-even features cannot tell enantiomers apart, at any body order."""
    _, (first, _), l_max, degrees = case
    model = potential(l_max, degrees)
    own = model.features(around_atom(first))[0]
    mirrored = model.features(around_atom(first * [1.0, 1.0, -1.0]))[0]
    assert np.allclose(own, mirrored, rtol=1e-10, atol=1e-12 * np.abs(own).max())
