"""Contractions of moments: which there are, and their values against sums over tensors."""

from __future__ import annotations

from itertools import permutations
from string import ascii_letters

import numpy as np
import pytest

from linpot.basis.contraction_plan import ContractionPlan
from linpot.basis.contraction_program import contraction_program
from linpot.basis.contractions import Contraction, connected_contractions, scalar_contractions
from linpot.basis.unit_moments import monomial_expansion, monomials, multinomial
from linpot.errors import InputError
from linpot.model.naive import naive_harmonics


def unit_vectors(n: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1)[:, None]


@pytest.mark.parametrize("degree", range(9))
def test_monomials_are_sums_of_harmonics(degree):
    vectors = unit_vectors(15, 1)
    x, y, z = vectors.T.astype(complex)
    harmonics = np.array(naive_harmonics(x, y, z, degree)).real
    expected = [np.prod(vectors ** np.array(row), axis=1) for row in monomials(degree)]
    found = monomial_expansion(degree) @ harmonics
    # sums of up to (degree + 1)^2 terms, each exact to a few units in the last place
    np.testing.assert_allclose(found, expected, atol=1e-14)


@pytest.mark.parametrize("degree", range(6))
def test_multinomials_count_the_components_of_a_symmetric_tensor(degree):
    assert len(monomials(degree)) == (degree + 1) * (degree + 2) // 2
    assert sum(map(multinomial, monomials(degree))) == 3**degree


@pytest.mark.parametrize(
    ("level", "count"), [(8, 9), (10, 16), (12, 29), (14, 52), (16, 92), (18, 163), (20, 288)]
)
def test_number_of_contractions_is_that_of_mlip(level, count):
    """Counts of published potentials: levels 8, 14, 16, 18 and 20 of MLIP."""
    assert len(scalar_contractions(level, 4)) == count


def test_contractions_up_to_level_8_are_those_one_finds_by_hand():
    """M0, M1, M0 M0, v.v, M0 M1, M0^3, M:M, M0 v.v, M0^4."""
    found = [
        sorted((mu, nu) for c in scalar for mu, nu in zip(c.radial, c.ranks, strict=True))
        for scalar in scalar_contractions(8, 4)
    ]
    by_hand = [
        [(0, 0)], [(0, 0)] * 2, [(1, 0)], [(0, 0)] * 3, [(0, 1)] * 2, [(0, 0), (1, 0)],
        [(0, 2)] * 2, [(0, 0)] * 2 + [(0, 1)] * 2, [(0, 0)] * 4,
    ]  # fmt: skip
    # (M0)(v.v) has level 8 and three moments
    by_hand[7] = [(0, 0), (0, 1), (0, 1)]
    assert sorted(found) == sorted(by_hand)


@pytest.mark.parametrize("contraction", connected_contractions(16, 4)[::3], ids=str)
def test_order_of_moments_does_not_make_other_contractions(contraction):
    n = contraction.n_moments
    for order in permutations(range(n)):
        renumbered = Contraction(
            tuple(contraction.radial[v] for v in order),
            tuple(contraction.open_indices[v] for v in order),
            tuple(tuple(contraction.edges[v][w] for w in order) for v in order),
        )
        assert renumbered.canonical()[0] == contraction
        symmetric = renumbered == contraction
        assert symmetric == (order in contraction.automorphisms())


def tensor_value(contraction: Contraction, radial: np.ndarray, vectors: np.ndarray) -> float:
    """Contract the moments as full tensors of 3^nu components."""
    letters = iter(ascii_letters)
    indices: list[str] = ["" for _ in contraction.radial]
    for v in range(contraction.n_moments):
        for w in range(v):
            for _ in range(contraction.edges[v][w]):
                letter = next(letters)
                indices[v] += letter
                indices[w] += letter
    moments = []
    for mu, rank in zip(contraction.radial, contraction.ranks, strict=True):
        moment = np.zeros((3,) * rank)
        for weight, vector in zip(radial[mu], vectors, strict=True):
            outer = np.array(weight)
            for _ in range(rank):
                outer = np.multiply.outer(outer, vector)
            moment += outer
        moments.append(moment)
    return float(np.einsum(",".join(indices) + "->", *moments))


@pytest.mark.parametrize(("level", "body_order"), [(8, 5), (14, 5), (16, 4), (14, 7)])
def test_program_has_the_values_of_the_tensors(level, body_order):
    program = contraction_program(level, body_order, 1)
    program.validate()
    vectors = unit_vectors(4, 2)
    radial = np.random.default_rng(3).normal(size=(program.n_radial, len(vectors)))
    x, y, z = vectors.T.astype(complex)
    harmonics = np.array(naive_harmonics(x, y, z, program.l_max)).real  # [lm, neighbor]
    nodes = np.zeros(program.n_nodes)
    nodes[0] = 1.0
    for q, start, size in zip(
        program.channel_radial, program.channel_start, program.channel_size, strict=True
    ):
        nodes[start : start + size] = harmonics[:size] @ radial[q]
    for target, left, right, c in zip(
        program.term_target, program.term_left, program.term_right, program.term_coefficient,
        strict=True,
    ):  # fmt: skip
        nodes[target] += c * nodes[left] * nodes[right]
    leaves = nodes[program.leaf_left] * nodes[program.leaf_right]
    entries = leaves[program.feature_leaf] * program.feature_coefficient
    found = np.add.reduceat(entries, program.feature_offsets[:-1])
    expected = [
        np.prod([tensor_value(c, radial, vectors) for c in scalar])
        for scalar in scalar_contractions(level, body_order - 1)
    ]
    # rounding of sums of some hundred terms
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert np.min(np.abs(expected)) > 1e-6


def test_factors_of_features_are_the_moments():
    program = contraction_program(12, 5, 1)
    for row, scalar in zip(program.factors, scalar_contractions(12, 4), strict=True):
        expected = [(m, n) for c in scalar for m, n in zip(c.radial, c.ranks, strict=True)]
        assert [(mu, nu) for z, mu, nu in row.tolist() if z == 0] == expected


def test_intermediates_are_shared():
    """Fewer terms than the tables of MLIP have at level 16: 969 products."""
    plan = ContractionPlan()
    for contraction in connected_contractions(16, 4):
        if contraction.n_moments > 1:
            plan.add_node(contraction)
    assert sum(map(len, plan.sums.values())) < 969


@pytest.mark.parametrize("level", [0, 7, 42])
def test_wrong_levels_are_refused(level):
    with pytest.raises(InputError, match="`level` must be"):
        scalar_contractions(level, 4)
