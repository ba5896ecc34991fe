"""Whitened blocks: any re-weighting equals a fresh factorisation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from scipy.stats import multivariate_normal

from linpot.errors import InputError
from linpot.fitting.factors import FactorSet, combine
from linpot.fitting.whitened import IllConditioned, WhitenedBlocks

N_FEATURES = 12


def parts(seed: int = 0, columns: float = 3.0) -> dict[str, np.ndarray]:
    """Three keys, one with fewer rows than columns, and a prior; columns differ in size."""
    rng = np.random.default_rng(seed)
    scales = np.append(10.0 ** rng.uniform(-columns, 0.0, N_FEATURES), 1.0)
    mixing = np.eye(N_FEATURES + 1)
    mixing[:-1, :-1] += 0.5 * rng.normal(size=(N_FEATURES, N_FEATURES))
    keys = {
        name: rng.normal(size=(n_rows, N_FEATURES + 1)) @ mixing * scales
        for name, n_rows in (("energy", 5), ("forces", 90), ("stress", 30))
    }
    return keys | {"prior": np.eye(N_FEATURES, N_FEATURES + 1)}


def factors_of(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    factors = FactorSet(N_FEATURES + 1)
    for key, matrix in rows.items():
        factors.add(key, matrix[:, :-1], matrix[:, -1])
    return {key: factor.rows() for key, factor in factors.items()}


def fresh(rows: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
    stacked = combine(((w**0.5, rows[k]) for k, w in weights.items()), N_FEATURES + 1)
    return scipy.linalg.solve_triangular(stacked[:-1, :-1], stacked[:-1, -1])


ONES = {"energy": 1.0, "forces": 1.0, "stress": 1.0, "prior": 1e-3}


@pytest.mark.parametrize("ratio", [1.0, 1e2, 1e-4, 1e8, 1e-8])
@pytest.mark.parametrize("key", ["energy", "forces", "prior"])
def test_blocks_give_the_coefficients_of_a_fresh_factorisation(ratio, key):
    rows = parts()
    weights = ONES | {key: ONES[key] * ratio}
    found = WhitenedBlocks(factors_of(rows), ONES).solve(weights).coefficients
    expected = fresh(rows, weights)
    # rounding times the condition of M, which is at most the ratio
    tolerance = 1e-12 * max(ratio, 1 / ratio) ** 0.5
    assert np.allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def test_blocks_are_as_good_for_columns_of_condition_1e9():
    """The Gram matrix of such columns is not positive definite any more."""
    rng = np.random.default_rng(6)
    turn = np.eye(N_FEATURES + 1)
    turn[:-1, :-1], _ = np.linalg.qr(rng.normal(size=(N_FEATURES, N_FEATURES)))
    sizes = np.append(np.logspace(0, -9, N_FEATURES), 1.0)
    rows = {k: rng.normal(size=(60, N_FEATURES + 1)) * sizes @ turn for k in ("a", "b")}
    reference = {"a": 1.0, "b": 1.0}
    weights = {"a": 1.0, "b": 1e-4}
    found = WhitenedBlocks(factors_of(rows), reference).solve(weights).coefficients
    expected = fresh(rows, weights)
    stacked = np.concatenate([w**0.5 * rows[k] for k, w in weights.items()])
    normal = np.linalg.solve(
        stacked[:, :-1].T @ stacked[:, :-1], stacked[:, :-1].T @ stacked[:, -1]
    )
    residuals = [np.linalg.norm(stacked @ np.append(c, -1)) for c in (expected, found, normal)]
    # rounding of the columns times the length of the coefficients, 1e9
    assert residuals[1] == pytest.approx(residuals[0], rel=1e-7)
    assert np.allclose(found, expected, rtol=1e-6)  # rounding times the condition of the columns
    assert residuals[2] > 1.001 * residuals[0]


def test_weight_zero_equals_a_key_left_out():
    rows = parts()
    found = WhitenedBlocks(factors_of(rows), ONES).solve(ONES | {"stress": 0.0})
    without = {k: v for k, v in ONES.items() if k != "stress"}
    assert np.allclose(found.coefficients, fresh(rows, without), rtol=1e-10)
    absent = WhitenedBlocks(factors_of(rows), ONES).solve(without)
    assert np.array_equal(found.coefficients, absent.coefficients)


def test_residuals_are_those_of_the_rows():
    rows = parts()
    weights = ONES | {"energy": 100.0}
    found = WhitenedBlocks(factors_of(rows), ONES).solve(weights)
    for key, matrix in rows.items():
        expected = ((matrix @ np.append(found.coefficients, -1.0)) ** 2).sum()
        assert found.residual_squares[key] == pytest.approx(expected, rel=1e-9)
    total = sum(w * found.residual_squares[k] for k, w in weights.items())
    assert found.objective == pytest.approx(total, rel=1e-12)


def test_effective_parameters_are_traces_and_sum_to_the_columns():
    rows = parts()
    weights = ONES | {"forces": 10.0}
    found = WhitenedBlocks(factors_of(rows), ONES).solve(weights)
    assert sum(found.effective_parameters.values()) == pytest.approx(N_FEATURES, rel=1e-10)
    grams = {k: weights[k] * r[:, :-1].T @ r[:, :-1] for k, r in rows.items()}
    inverse = np.linalg.inv(sum(grams.values()))
    for key, gram in grams.items():
        assert found.effective_parameters[key] == pytest.approx(np.trace(inverse @ gram), rel=1e-6)
    determinant = np.linalg.slogdet(sum(grams.values()))[1]
    assert found.log_determinant == pytest.approx(determinant, rel=1e-9)


def test_added_rows_equal_rows_from_the_start():
    rows = parts()
    blocks = WhitenedBlocks(factors_of(rows | {"forces": rows["forces"][:40]}), ONES)
    blocks.add("forces", rows["forces"][40:])
    blocks.add("surface", rows["stress"][:3])
    weights = ONES | {"surface": 7.0}
    expected = fresh(rows | {"surface": rows["stress"][:3]}, weights)
    assert np.allclose(blocks.solve(weights).coefficients, expected, rtol=1e-9)


def test_removed_rows_equal_rows_never_seen():
    rows = parts()
    blocks = WhitenedBlocks(factors_of(rows), ONES)
    blocks.remove("forces", rows["forces"][:30])
    blocks.remove("energy", rows["energy"][:1])
    left = rows | {"forces": rows["forces"][30:], "energy": rows["energy"][1:]}
    assert np.allclose(blocks.solve(ONES).coefficients, fresh(left, ONES), rtol=1e-9)


def test_replaced_prior_equals_that_prior_from_the_start():
    rows = parts()
    blocks = WhitenedBlocks(factors_of(rows), ONES)
    other = rows["prior"] * np.append(np.arange(1.0, N_FEATURES + 1), 1.0)
    blocks.replace("prior", other)
    assert np.allclose(
        blocks.solve(ONES).coefficients, fresh(rows | {"prior": other}, ONES), rtol=1e-9
    )


def test_solutions_are_linear_in_the_targets():
    rows = {k: np.column_stack([r, r[:, 0] - r[:, 1] ** 2]) for k, r in parts().items()}
    blocks = WhitenedBlocks(rows, ONES, n_targets=2)
    combined = {k: np.column_stack([r[:, :-2], r[:, -2] - 3.0 * r[:, -1]]) for k, r in rows.items()}
    found = blocks.solve(ONES, np.array([1.0, -3.0]))
    assert np.allclose(found.coefficients, fresh(combined, ONES), rtol=1e-9)
    square = ((combined["forces"] @ np.append(found.coefficients, -1.0)) ** 2).sum()
    assert found.residual_squares["forces"] == pytest.approx(square, rel=1e-9)


def test_constraints_hold_and_the_rest_is_least_squares():
    """The bordered (Karush-Kuhn-Tucker) equations as closed form."""
    rows = parts()
    rng = np.random.default_rng(4)
    matrix, values = rng.normal(size=(2, N_FEATURES)), rng.normal(size=2)
    weights = ONES | {"energy": 50.0}
    found = WhitenedBlocks(factors_of(rows), ONES).solve(weights, constraints=(matrix, values))
    gram = sum(w * rows[k][:, :-1].T @ rows[k][:, :-1] for k, w in weights.items())
    right = sum(w * rows[k][:, :-1].T @ rows[k][:, -1] for k, w in weights.items())
    bordered = np.block([[gram, matrix.T], [matrix, np.zeros((2, 2))]])
    expected = np.linalg.solve(bordered, np.append(right, values))[:N_FEATURES]
    assert np.allclose(matrix @ found.coefficients, values, rtol=1e-10)
    assert np.allclose(found.coefficients, expected, rtol=1e-7)  # condition of the columns squared
    square = ((rows["forces"] @ np.append(found.coefficients, -1.0)) ** 2).sum()
    assert found.residual_squares["forces"] == pytest.approx(square, rel=1e-9)


def log_marginal(rows: dict[str, np.ndarray], weights: dict[str, float]) -> float:
    """``log N(y | 0, noise + X X^T / prior)`` with the coefficients integrated out."""
    data = [k for k in rows if k != "prior"]
    X = np.concatenate([rows[k][:, :-1] for k in data])
    y = np.concatenate([rows[k][:, -1] for k in data])
    noise = np.concatenate([np.full(len(rows[k]), 1.0 / weights[k]) for k in data])
    covariance = np.diag(noise) + X @ X.T / weights["prior"]
    return float(multivariate_normal(np.zeros(len(y)), covariance).logpdf(y))


def test_evidence_equals_the_marginal_likelihood():
    rows = parts(columns=1.0)
    blocks = WhitenedBlocks(factors_of(rows), ONES)
    counts = np.array([5.0, 90.0, 30.0, N_FEATURES])
    for weights in (ONES, {"energy": 40.0, "forces": 0.3, "stress": 2.0, "prior": 0.5}):
        value, _ = blocks.evidence(np.array(list(weights.values())), counts)
        constant = 0.5 * 125 * np.log(2.0 * np.pi)
        assert value - constant == pytest.approx(log_marginal(rows, weights), rel=1e-10)


def test_evidence_gradient_equals_its_difference():
    blocks = WhitenedBlocks(factors_of(parts()), ONES)
    counts = np.array([5.0, 90.0, 30.0, N_FEATURES])
    logs, step = np.log([3.0, 0.2, 1.0, 0.1]), 1e-4
    _, gradient = blocks.evidence(np.exp(logs), counts)
    for k, own in enumerate(np.eye(4) * step):
        up, down = (blocks.evidence(np.exp(logs + s * own), counts)[0] for s in (1, -1))
        # step**2 F'''/6 + eps F/step
        assert gradient[k] == pytest.approx((up - down) / (2 * step), rel=1e-6)
        assert abs(gradient[k]) > 0.1


def test_weights_far_from_the_reference_are_noticed():
    blocks = WhitenedBlocks(factors_of(parts()), ONES)
    with pytest.raises(IllConditioned, match="condition"):
        blocks.solve(ONES | {"energy": 1e13})
    with pytest.raises(IllConditioned, match="positive definite"):
        blocks.solve({"energy": 1.0})


def test_columns_that_nothing_determines_are_refused():
    rows = {k: r * np.append(0.0, np.ones(N_FEATURES)) for k, r in parts().items()}
    with pytest.raises(InputError, match="the data must determine all coefficients"):
        WhitenedBlocks(rows, ONES)
