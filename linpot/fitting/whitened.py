"""
Whitened blocks: after one factorisation, every re-weighting of keys is a sum and a Cholesky.

With ``R0`` the triangular factor of all keys at reference weights, ``Q_k = R_k R0^-1`` and
``C_k = Q_k^T Q_k``, the reference weights give ``sum w0_k C_k = 1``, and any others the matrix
``M = sum w_k C_k``, whose condition number is at most the ratio of the weights to the reference
ones, however bad that of the columns is. Targets enter as residuals of the reference solution, so
that nothing large cancels. Weights here multiply squared residuals: precisions.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack, solve_triangular
from threadpoolctl import ThreadpoolController

from linpot.errors import InputError
from linpot.fitting.factors import combine

Floats = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)

_BLAS = ThreadpoolController()  # made once: looking for the libraries takes milliseconds

LARGEST_CONDITION = 1e10
"""Of M; beyond it less than six digits would be left, and a fresh factorisation is due."""


class IllConditioned(ArithmeticError):  # noqa: N818 (a condition to act upon, not a fault)
    """The weights are too far from the reference ones: factorise afresh."""


@dataclass(frozen=True)
class BlockSolution:
    """
    Coefficients under one set of weights.

    Attributes
    ----------
    coefficients : float64[n_features]
    residual_squares : dict of key to float
        Unweighted.
    effective_parameters : dict of key to float
        Directions that each key determines, ``w_k tr(M^-1 C_k)``; they sum to n_features.
    log_determinant : float
        Of ``sum w_k R_k^T R_k``.
    objective : float
        ``sum w_k |r_k|^2``.
    """

    coefficients: Floats
    residual_squares: dict
    effective_parameters: dict
    log_determinant: float
    objective: float


class WhitenedBlocks(Generic[Key]):
    """
    Blocks of all keys in the basis where their reference sum is the identity.

    Parameters
    ----------
    parts : mapping of key to float64[n_rows, n_features + n_targets]
        Factors or rows of ``[X T]``; priors are keys like data.
    reference : mapping of key to float
        Positive weights of squared residuals at which the blocks sum to the identity.
    n_targets : int
        Columns of T. Solutions are linear in them: see `solve`.

    Attributes
    ----------
    root : float64[n_features, n_features]
        Upper triangular R0.

    Raises
    ------
    InputError
        If the keys together leave a combination of columns undetermined: a prior is missing.
    """

    def __init__(
        self, parts: Mapping[Key, Floats], reference: Mapping[Key, float], n_targets: int = 1
    ) -> None:
        n_columns = next(iter(parts.values())).shape[1]
        self.n_features = n = n_columns - n_targets
        self.n_targets = n_targets
        stacked = combine(((reference[k] ** 0.5, part) for k, part in parts.items()), n_columns)
        self.root = np.asfortranarray(stacked[:n, :n])
        diagonal = np.abs(np.diagonal(self.root))
        lengths = np.linalg.norm(self.root, axis=0)
        if (diagonal <= np.finfo(float).eps * lengths).any():
            raise InputError(
                "the data must determine all coefficients, or a prior with a positive penalty "
                f"must, got {int((diagonal <= np.finfo(float).eps * lengths).sum())} undetermined"
            )
        self._reference = stacked[:n, n:]
        self._keys: dict[Key, int] = {}
        size = n * (n + 1) // 2
        # rectangular full packed: half the memory of a square, at the speed of blocked LAPACK
        self._grams = np.zeros((len(parts), size))
        self._crosses = np.zeros((len(parts), n, n_targets))
        self._squares = np.zeros((len(parts), n_targets, n_targets))
        self._doubled = _pack(np.full((n, n), 2.0) - np.eye(n))
        for key, part in parts.items():
            self._keys[key] = len(self._keys)
            self.add(key, part)

    @property
    def keys(self) -> tuple[Key, ...]:
        """All keys."""
        return tuple(self._keys)

    def add(self, key: Key, rows: Floats) -> None:
        """
        Add rows to a key, which may be new.

        Parameters
        ----------
        key : Key
        rows : float64[n_rows, n_features + n_targets]
        """
        self._accumulate(key, rows, 1.0)

    def remove(self, key: Key, rows: Floats) -> None:
        """
        Take rows of a key out again; they must be those that went in.

        The error is that of rounding relative to the reference sum, which is the identity; a later
        `solve` notices if too little is left.

        Parameters
        ----------
        key : Key
        rows : float64[n_rows, n_features + n_targets]
        """
        self._accumulate(key, rows, -1.0)

    def replace(self, key: Key, rows: Floats) -> None:
        """Give a key other rows: a prior of another form, for example."""
        place = self._place(key)
        for array in (self._grams, self._crosses, self._squares):
            array[place] = 0.0
        self.add(key, rows)

    def solve(
        self,
        weights: Mapping[Key, float],
        combination: Floats | None = None,
        constraints: tuple[Floats, Floats] | None = None,
    ) -> BlockSolution:
        """
        Solve for the coefficients under given weights.

        Parameters
        ----------
        weights : mapping of key to float
            Of squared residuals; 0 or absent leaves a key out.
        combination : float64[n_targets], optional
            The target is ``T combination``; its first column if not given.
        constraints : (float64[m, n_features], float64[m]), optional
            ``A c = b`` holds exactly.

        Returns
        -------
        BlockSolution

        Raises
        ------
        IllConditioned
            If M has a condition number beyond `LARGEST_CONDITION`.
        """
        with _BLAS.limit(limits=1, user_api="blas"):
            system = _System(self, self._vector(weights), self._combination(combination))
            system.check_condition()
            solution = (
                system.step if constraints is None else self._constrained(system, *constraints)
            )
            squares, shares = system.of_keys(solution)
            return BlockSolution(
                self._unwhitened(solution, system.combination),
                {key: float(squares[k]) for key, k in self._keys.items()},
                {key: float(shares[k]) for key, k in self._keys.items()},
                system.log_determinant,
                float(system.weights @ squares),
            )

    def evidence(
        self, weights: Floats, counts: Floats, combination: Floats | None = None
    ) -> tuple[float, Floats]:
        """
        Return the logarithm of the evidence, up to a constant, and its gradient.

        ``2 log p = sum_k (N_k log w_k - w_k |r_k|^2) - log det sum_k w_k R_k^T R_k``, where N_k is
        the number of rows of a data key, of coefficients of a prior key.

        Parameters
        ----------
        weights : float64[n_keys]
            Positive; one over the noise variance of data, over the variance of a prior.
        counts : float64[n_keys]
        combination : float64[n_targets], optional

        Returns
        -------
        value : float
        gradient : float64[n_keys]
            By ``log w_k``.

        References
        ----------
        MacKay, Neural Comput. 4, 415 (1992), eq. 4.5-4.8, with a noise level per key.
        """
        system = _System(self, weights, self._combination(combination))
        squares, shares = system.of_keys(system.step)
        value = 0.5 * float(counts @ np.log(weights) - weights @ squares) - 0.5 * (
            system.log_determinant
        )
        return value, 0.5 * (counts - shares - weights * squares)

    def _accumulate(self, key: Key, rows: Floats, sign: float) -> None:
        place = self._place(key)
        if not len(rows):
            return
        n = self.n_features
        with _BLAS.limit(limits=1, user_api="blas"):
            whitened = blas.dtrsm(1.0, self.root, rows[:, :n], side=1)
            left = rows[:, n:] - whitened @ self._reference
            self._grams[place] += sign * _pack(blas.dsyrk(1.0, whitened, trans=1))
            self._crosses[place] += sign * (whitened.T @ left)
            self._squares[place] += sign * (left.T @ left)

    def _place(self, key: Key) -> int:
        if key not in self._keys:
            self._keys[key] = len(self._grams)
            self._grams = _with_empty(self._grams)
            self._crosses = _with_empty(self._crosses)
            self._squares = _with_empty(self._squares)
        return self._keys[key]

    def _vector(self, weights: Mapping[Key, float]) -> Floats:
        return np.array([float(weights.get(key, 0.0)) for key in self._keys])

    def _combination(self, combination: Floats | None) -> Floats:
        return np.eye(self.n_targets)[0] if combination is None else combination

    def _unwhitened(self, step: Floats, combination: Floats) -> Floats:
        return np.asarray(solve_triangular(self.root, self._reference @ combination + step))

    def _constrained(self, system: _System, matrix: Floats, values: Floats) -> Floats:
        """Least change of the free solution, in the metric of M, that meets the constraints."""
        whitened = solve_triangular(self.root, matrix.T, trans=1)  # [n_features, m]
        towards = system.solve(whitened)
        start = self._reference @ system.combination + system.step
        gap = values - whitened.T @ start
        multipliers, *_ = np.linalg.lstsq(whitened.T @ towards, gap, rcond=None)
        return np.asarray(system.step + towards @ multipliers)


class _System:
    """M and what follows from its Cholesky factor."""

    def __init__(self, blocks: WhitenedBlocks, weights: Floats, combination: Floats) -> None:
        self.blocks, self.weights, self.combination = blocks, weights, combination
        n = blocks.n_features
        self._matrix = weights @ blocks._grams
        self._factor, info = lapack.dpftrf(n, self._matrix)
        if info != 0:
            raise IllConditioned("the weighted blocks are not positive definite")
        right = weights @ (blocks._crosses @ combination)
        self.step: Floats = self.solve(right)

    @property
    def log_determinant(self) -> float:
        full, _ = lapack.dtfttr(self.blocks.n_features, self._factor)
        roots = np.abs(np.diagonal(full)) * np.abs(np.diagonal(self.blocks.root))
        return 2.0 * float(np.log(roots).sum())

    def solve(self, right: Floats) -> Floats:
        solution, info = lapack.dpftrs(self.blocks.n_features, self._factor, right)
        if info != 0:
            raise ArithmeticError(f"LAPACK dpftrs failed with info = {info}")
        return np.asarray(solution)

    def check_condition(self) -> None:
        n = self.blocks.n_features
        full, _ = lapack.dtfttr(n, self._matrix)
        upper = np.abs(np.triu(full))
        norm = float((upper.sum(axis=0) + upper.sum(axis=1) - np.diagonal(upper)).max())
        factor, _ = lapack.dtfttr(n, self._factor)
        reciprocal, _ = lapack.dpocon(factor, norm)
        if reciprocal * LARGEST_CONDITION < 1.0:
            raise IllConditioned(
                f"the weighted blocks have condition {1 / max(reciprocal, 1e-300):.1e}"
            )

    def of_keys(self, step: Floats) -> tuple[Floats, Floats]:
        """Squared residuals and effective parameters of all keys."""
        blocks, n = self.blocks, self.blocks.n_features
        inverse, info = lapack.dpftri(n, self._factor)
        if info != 0:
            raise ArithmeticError(f"LAPACK dpftri failed with info = {info}")
        # tr(V C) over half the matrix: what lies off the diagonal counts twice
        shares = self.weights * (blocks._grams @ (inverse * blocks._doubled))
        quadratic = blocks._grams @ (_pack(np.outer(step, step)) * blocks._doubled)
        linear = (blocks._crosses @ self.combination) @ step
        constant = blocks._squares @ self.combination @ self.combination
        return np.maximum(constant - 2.0 * linear + quadratic, 0.0), shares


def _pack(matrix: Floats) -> Floats:
    """Rectangular full packed form of the upper triangle."""
    packed, info = lapack.dtrttf(np.asfortranarray(matrix))
    if info != 0:
        raise ArithmeticError(f"LAPACK dtrttf failed with info = {info}")
    return np.asarray(packed)


def _with_empty(array: Floats) -> Floats:
    return np.concatenate([array, np.zeros((1, *array.shape[1:]))])
