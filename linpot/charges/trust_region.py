"""Steps of Gauss-Newton that stay where the linearisation is good."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from linpot.fitting.factors import triangular
from linpot.fitting.ridge import Ridge

Floats = NDArray[np.float64]

_FIRST_HOLD, _GROWTH, _MOST = 1e-3, 4.0, 16
_LEAST_REACH, _LARGEST_REACH = 1.0 / 64.0, 16.0


def step_within(
    factor: Floats,
    n_rows: int,
    current: Floats,
    scales: Floats,
    radii: Floats,
    penalty: str | float,
) -> tuple[Floats, Ridge]:
    """
    Solve a linearised ridge problem for new parameters that are not too far from the old ones.

    The penalty is on parameters over their scales, as ever. Where a parameter would move further
    than its radius, those with a finite radius are held in proportion to the size of their columns
    (Marquardt), ever harder until none does.

    Parameters
    ----------
    factor : float64[n + 1, n + 1]
        Of ``[J residual]``, weighted.
    n_rows : int
    current, scales, radii : float64[n]
    penalty : {"evidence", "gcv"} or float

    Returns
    -------
    parameters : float64[n]
    ridge : Ridge
        Of the last solution.

    References
    ----------
    Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963), eq. 2.4.
    """
    columns = factor[:, :-1]
    target = factor[:, -1] + columns @ current
    sizes = np.sqrt((columns**2).sum(axis=0))
    held = np.flatnonzero(np.isfinite(radii) & (sizes > 0.0))
    rows = np.column_stack([columns * scales, target])
    hold = 0.0
    for _ in range(_MOST):
        stacked = rows
        if hold > 0.0:
            extra = np.zeros((len(held), rows.shape[1]))
            places = np.arange(len(held))
            extra[places, held] = hold * sizes[held] * scales[held]
            extra[places, -1] = hold * sizes[held] * current[held]
            stacked = np.vstack([rows, extra])
        ridge = Ridge(penalty).fit_factor(triangular(stacked), n_rows)
        found = ridge.coef_ * scales
        moved = np.abs(found - current)[held] / radii[held]
        if not len(held) or moved.max() <= 1.0:
            break
        hold = max(_GROWTH * hold, _FIRST_HOLD)
    return found, ridge


def next_reach(reach: float, length: float) -> float:
    """
    Return how far the next step may go, over the radii of parameters.

    Parameters
    ----------
    reach : float
        Of the last step.
    length : float
        The part of it that was taken. What was good as a whole may go further next time.
    """
    further = 2.0 * reach if length == 1.0 else length * reach
    return min(max(further, _LEAST_REACH), _LARGEST_REACH)
