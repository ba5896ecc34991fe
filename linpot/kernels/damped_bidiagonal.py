"""Least squares with a bidiagonal matrix and a multiple of the identity below it."""

from __future__ import annotations

import math

from linpot.kernels.compile import kernel


@kernel
def solve_damped(diagonal, above, target, penalty, root, root_above, solution):
    """
    Minimise ``|B y - g|^2 + penalty |y|^2`` by rotations; nothing is squared.

    Parameters
    ----------
    diagonal : float64[n]
        Of the upper bidiagonal B.
    above : float64[n - 1]
    target : float64[n]
        g.
    penalty : float
        Positive.
    root, root_above : float64[n], out
        Upper bidiagonal factor R of ``[B; sqrt(penalty)]``; the last of `root_above` is not used.
    solution : float64[n], out
        y.

    Returns
    -------
    objective : float
        ``|B y - g|^2 + penalty |y|^2``.
    residual : float
        ``|B y - g|^2``.
    trace : float
        Of ``(B^T B + penalty)^-1``.

    References
    ----------
    Elden, BIT 17, 134 (1977), section 3.
    """
    n = len(diagonal)
    damping = math.sqrt(penalty)
    objective = fill = fill_target = 0.0
    for i in range(n):
        # the fill of the last rotation and this row of the damping lie in the same column
        low = math.hypot(damping, fill)
        low_target = fill * fill_target / low
        objective += (damping * fill_target / low) ** 2
        size = math.hypot(diagonal[i], low)
        c, s = diagonal[i] / size, low / size
        root[i] = size
        solution[i] = c * target[i] + s * low_target
        fill_target = c * low_target - s * target[i]
        if i < n - 1:
            root_above[i] = c * above[i]
            fill = -s * above[i]
    objective += fill_target**2
    trace = length = 0.0  # of the rows of R^-1, from the last one up
    for i in range(n - 1, -1, -1):
        if i < n - 1:
            solution[i] -= root_above[i] * solution[i + 1]
            length *= root_above[i] ** 2
        solution[i] /= root[i]
        length = (1.0 + length) / root[i] ** 2
        trace += length
    residual = 0.0
    for i in range(n):
        left = diagonal[i] * solution[i] - target[i]
        if i < n - 1:
            left += above[i] * solution[i + 1]
        residual += left**2
    return objective, residual, trace
