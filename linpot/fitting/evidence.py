"""
Noise levels and prior strengths that make the data most probable.

The evidence of whitened blocks and its gradient cost a Cholesky factorisation each time; a
quasi-Newton search over the logarithms of all weights then takes some tens of them. Logarithms are
scaled by the root of half the count of each key, so that the curvature is about 1 in every
direction and the gradient at the end reads in standard deviations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from linpot.errors import ConvergenceError
from linpot.fitting.whitened import LARGEST_CONDITION, WhitenedBlocks
from linpot.parallel import one_blas_thread

Floats = NDArray[np.float64]

_STEP = 0.45 * np.log(LARGEST_CONDITION)  # of any log weight before the blocks are made afresh
_FARTHEST = np.log(1e16)  # of any log weight from the start: rounding of the labels themselves
_ROUNDS = 12  # far enough to reach that in every direction
_WARM_UP = 3  # fixed-point steps, which find the scale of everything at once


@dataclass(frozen=True)
class EvidenceMaximum:
    """
    Where the evidence is largest.

    Attributes
    ----------
    weights : float64[n_keys]
        Of squared residuals: one over variances.
    value : float
        Up to the constant of `WhitenedBlocks.evidence`; beliefs are part of it.
    n_iter : int
        Evaluations.
    gradient : float
        Largest component left, in standard deviations of the log weights.
    """

    weights: Floats
    value: float
    n_iter: int
    gradient: float


def maximise_evidence(
    prepare: Callable[[Floats], WhitenedBlocks],
    counts: Floats,
    start: Floats,
    *,
    combination: Floats | None = None,
    beliefs: Floats | None = None,
    max_iter: int = 300,
    tol: float = 1e-4,
) -> EvidenceMaximum:
    """
    Maximise the evidence over the weights of all keys.

    Parameters
    ----------
    prepare : callable
        From reference weights to blocks; called again where the search leaves their range.
    counts : float64[n_keys]
        Rows of data keys, coefficients of prior keys; a key with 0 keeps its weight.
    start : float64[n_keys]
        Positive.
    combination : float64[n_targets], optional
        See `WhitenedBlocks.solve`.
    beliefs : float64[n_keys], optional
        The weights at the start count like so many rows (the conjugate, inverse gamma prior of a
        variance), so that a key of few rows cannot claim to be exact.
    max_iter : int
    tol : float
        Largest component of the gradient in standard deviations.

    Returns
    -------
    EvidenceMaximum

    Raises
    ------
    ConvergenceError
        If the gradient is still above a hundred times `tol` after `max_iter` evaluations.
    """
    believed = np.zeros(len(counts)) if beliefs is None else beliefs
    believed_squares = believed / start
    scales = np.sqrt(np.maximum(counts + believed, 1.0) / 2.0)
    free = counts > 0.0
    limits = np.where(free, _FARTHEST, 0.0)
    first = np.log(start)
    logs, evaluations = first, 0
    with one_blas_thread():
        for _ in range(_ROUNDS):
            blocks = prepare(np.exp(logs))
            low = np.maximum(logs - _STEP * free, first - limits)
            high = np.minimum(logs + _STEP * free, first + limits)
            if evaluations == 0:
                for _ in range(_WARM_UP):
                    logs = _fixed_point(
                        blocks, counts, logs, combination, believed, believed_squares
                    )
                    logs = np.clip(logs, low, high)
                evaluations += _WARM_UP

            def negative(x: Floats, blocks: WhitenedBlocks = blocks) -> tuple[float, Floats]:
                weights = np.exp(x / scales)
                value, gradient = blocks.evidence(weights, counts, combination)
                value += 0.5 * float(believed @ np.log(weights) - believed_squares @ weights)
                gradient += 0.5 * (believed - believed_squares * weights)
                return -value, -np.where(free, gradient, 0.0) / scales

            found = minimize(
                negative,
                logs * scales,
                jac=True,
                method="L-BFGS-B",
                bounds=list(zip(low * scales, high * scales, strict=True)),
                options={"maxiter": max_iter, "maxfun": max_iter, "ftol": 1e-15, "gtol": tol},
            )
            evaluations += int(found.nfev)
            logs = np.clip(found.x / scales, low, high)
            stopped = (logs <= low + 1e-9) | (logs >= high - 1e-9)
            final = np.abs(logs - first) >= limits - 1e-9
            if evaluations >= max_iter or not (stopped & ~final).any():
                break
    left = float(np.abs(np.where(stopped, 0.0, found.jac)).max(initial=0.0))
    if left > 100.0 * tol:
        raise ConvergenceError(
            "the search for noise and prior did not settle; raise `max_iter`",
            iterations=evaluations,
            residual=left,
        )
    return EvidenceMaximum(np.exp(logs), -float(found.fun), evaluations, left)


def _fixed_point(
    blocks: WhitenedBlocks,
    counts: Floats,
    logs: Floats,
    combination: Floats | None,
    believed: Floats,
    believed_squares: Floats,
) -> Floats:
    """Step to ``w = (N - gamma)/|r|^2`` (MacKay 1992, eq. 4.9 and 4.10), where the slope is 0."""
    solution = blocks.solve(dict(zip(blocks.keys, np.exp(logs), strict=True)), combination)
    squares = np.array([solution.residual_squares[key] for key in blocks.keys]) + believed_squares
    shares = np.array([solution.effective_parameters[key] for key in blocks.keys])
    left = counts + believed - shares
    usable = (counts > 0.0) & (left > 0.0) & (squares > 0.0)
    new = logs.copy()
    new[usable] = np.log(left[usable] / squares[usable])
    return new
