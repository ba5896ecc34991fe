"""Harmonics: values against sphericart and scipy, gradients, and nothing special at the poles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import sph_harm_y
from sphericart import SphericalHarmonics

from linpot.constants import SQRT_4PI
from linpot.kernels.compile import kernel
from linpot.kernels.harmonics import (
    fill_harmonic_gradients,
    fill_harmonics,
    harmonic_recurrence,
)
from linpot.kernels.lanes import load
from linpot.model.naive import naive_harmonics

L_MAX = 8


def directions(n: int = 40) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(n, 3))
    vectors[:6] = np.concatenate([np.eye(3), -np.eye(3)])
    return vectors / np.linalg.norm(vectors, axis=1)[:, None]


@kernel
def fill_in_lanes(vectors, recurrence, gradients, harmonics, slopes):
    x, y, z = load(vectors, 0), load(vectors, 1), load(vectors, 2)
    if gradients:
        fill_harmonic_gradients(x, y, z, recurrence, harmonics, slopes)
    else:
        fill_harmonics(x, y, z, recurrence, harmonics)


def kernel_harmonics(
    vectors: np.ndarray, l_max: int = L_MAX, *, gradients: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Values [vector, lm] and gradients [vector, axis, lm], eight vectors at a time."""
    size = (l_max + 1) ** 2
    values, slopes = np.zeros((len(vectors), size)), np.zeros((len(vectors), 3, size))
    for first in range(0, len(vectors), 8):
        own = vectors[first : first + 8]
        lanes = np.zeros((3, 8))
        lanes[:, : len(own)] = own.T
        y, dy = np.zeros(size * 8), np.zeros(size * 3 * 8)
        fill_in_lanes(lanes.ravel(), harmonic_recurrence(l_max), gradients, y, dy)
        values[first : first + 8] = y.reshape(size, 8).T[: len(own)]
        slopes[first : first + 8] = dy.reshape(size, 3, 8).transpose(2, 1, 0)[: len(own)]
    return values, slopes


def test_harmonics_equal_sphericart():
    vectors = directions()
    expected = SphericalHarmonics(L_MAX).compute(vectors) * SQRT_4PI
    values, _ = kernel_harmonics(vectors)
    assert np.allclose(values, expected, rtol=0, atol=1e-13)


def test_harmonics_have_the_sign_and_order_of_the_conventions():
    """``Y_lm = sqrt2 (-1)^m Re Y_l^m`` for m > 0, ``sqrt2 (-1)^m Im Y_l^|m|`` for m < 0."""
    vectors = directions()
    values, _ = kernel_harmonics(vectors)
    polar, azimuth = np.arccos(vectors[:, 2]), np.arctan2(vectors[:, 1], vectors[:, 0])
    for l in range(L_MAX + 1):
        for m in range(-l, l + 1):
            y = sph_harm_y(l, abs(m), polar, azimuth) * SQRT_4PI
            scale = np.sqrt(2) * (-1) ** m if m else 1.0
            expected = scale * (y.real if m >= 0 else y.imag)
            # arccos loses half the digits near the poles, where it is exact for the poles
            assert np.allclose(values[:, l * (l + 1) + m], expected, rtol=0, atol=1e-12), (l, m)
    assert (values[:, 0] == 1.0).all()
    assert np.allclose(values[:, 1:4], np.sqrt(3) * vectors[:, [1, 2, 0]], rtol=1e-15, atol=1e-15)


def test_naive_harmonics_equal_the_kernel():
    vectors = directions()
    naive = np.array(naive_harmonics(*vectors.T.astype(complex), L_MAX)).T
    assert not naive.imag.any()
    assert np.allclose(naive.real, kernel_harmonics(vectors)[0], rtol=0, atol=1e-12)


def test_harmonics_are_orthonormal_over_the_sphere():
    """Mean over the sphere of ``Y_lm Y_l'm'``, by a product quadrature exact to degree 2 l_max."""
    z, weights = np.polynomial.legendre.leggauss(L_MAX + 1)
    azimuth = 2 * np.pi * np.arange(2 * L_MAX + 1) / (2 * L_MAX + 1)
    rho = np.sqrt(1 - z**2)
    points = np.stack(
        [np.outer(rho, np.cos(azimuth)), np.outer(rho, np.sin(azimuth)), np.outer(z, azimuth**0)],
        axis=-1,
    )
    values, _ = kernel_harmonics(points.reshape(-1, 3))
    mean = values * np.repeat(weights / 2 / len(azimuth), len(azimuth))[:, None]
    assert np.allclose(values.T @ mean, np.eye(values.shape[1]), rtol=0, atol=1e-13)


def test_harmonic_gradients_equal_sphericart():
    """``r`` times the gradient of ``Y(r / |r|)`` is the gradient that sphericart gives at r = 1."""
    vectors = directions()
    _, expected = SphericalHarmonics(L_MAX).compute_with_gradients(vectors)
    _, slopes = kernel_harmonics(vectors)
    # l and its square times rounding
    assert np.allclose(slopes, expected * SQRT_4PI, rtol=0, atol=1e-11)


def test_harmonic_gradients_equal_differences():
    """Five-point differences: step^4 l^5 / 30 + eps / step."""
    vectors, step = directions(), 1e-3
    _, slopes = kernel_harmonics(vectors, 4)
    for axis in range(3):
        found = np.zeros((len(vectors), 25))
        for k, c in ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12)):
            moved = vectors + k * step * np.eye(3)[axis]
            moved /= np.linalg.norm(moved, axis=1)[:, None]
            found += c * kernel_harmonics(moved, 4)[0] / step
        assert np.abs(slopes[:, axis]).max() > 1.0
        assert np.allclose(found, slopes[:, axis], rtol=0, atol=1e-8)


def test_harmonic_gradients_are_tangential():
    vectors = directions()
    _, slopes = kernel_harmonics(vectors)
    assert np.abs(np.einsum("pa,pak->pk", vectors, slopes)).max() < 1e-12


@pytest.mark.parametrize("l_max", [0, 1, 2, 12])
def test_harmonics_without_gradients_are_the_same(l_max):
    vectors = directions()
    with_gradients, _ = kernel_harmonics(vectors, l_max)
    without, untouched = kernel_harmonics(vectors, l_max, gradients=False)
    assert np.allclose(without, with_gradients, rtol=0, atol=1e-12)
    assert not untouched.any()
