"""
Paths from no column to many: orthogonal matching pursuit and the LASSO homotopy.

Both work on the triangular factor of ``[X y]``, which has the correlations and residuals of the
rows, and keep an orthonormal basis of the chosen columns, so that nothing is squared. Columns are
compared as they come, scaled by the prior and not normalised: a rough function must correlate more
to be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr_delete, solve_triangular

from linpot.parallel import one_blas_thread

Floats = NDArray[np.float64]
_DEPENDENT = 1e-7  # of its length: what is left of a column that others nearly span
_FINISHED = 1e-12  # of the first correlation: rounding


@dataclass(frozen=True)
class SparsePath:
    """
    Solutions of growing size, the first of them zero.

    Attributes
    ----------
    coefficients : float64[n_steps, n_features]
    sizes : int64[n_steps]
        Non-zero coefficients.
    penalties : float64[n_steps]
        Largest correlation ``|x^T (y - X c)|`` left; the penalty of the LASSO.
    errors : float64[n_steps]
        Root mean square of the residuals.
    """

    coefficients: Floats
    sizes: NDArray[np.int64]
    penalties: Floats
    errors: Floats

    def errors_on(self, factor: Floats, n_rows: float) -> Floats:
        """
        Return the error of every step on other data, held out for example.

        Parameters
        ----------
        factor : float64[m, n_features + 1]
            Triangular factor, or rows, of ``[X y]``.
        n_rows : float
        """
        residuals = factor[:, :-1] @ self.coefficients.T - factor[:, -1:]
        return np.asarray(np.sqrt((residuals**2).sum(axis=0) / max(n_rows, 1.0)))

    def knee(self, errors: Floats | None = None) -> int:
        """
        Return the step beyond which more columns bring little.

        Where the logarithm of the error, against the size, lies deepest below the straight line
        from the first to the best step.

        Parameters
        ----------
        errors : float64[n_steps], optional
            Of `errors_on`; those of the path itself if not given.

        References
        ----------
        Satopaa et al., ICDCS Workshops (2011), section III (Kneedle).
        """
        curve = self.errors if errors is None else errors
        last = int(np.argmin(curve))
        if last == 0 or curve[last] == curve[0]:
            return 0
        logs = np.log(np.maximum(curve[: last + 1], np.finfo(float).eps * curve[0]))
        share = self.sizes[: last + 1] / self.sizes[last]
        depth = logs[0] + share * (logs[-1] - logs[0]) - logs
        return int(np.argmax(depth)) if depth.max() > 0.0 else last


def matching_pursuit(factor: Floats, n_rows: float, max_size: int | None = None) -> SparsePath:
    """
    Take, step by step, the column that correlates most with the residual, and refit all taken.

    Parameters
    ----------
    factor : float64[n_features + 1, n_features + 1]
        Upper triangular, of ``[X y]``.
    n_rows : float
    max_size : int, optional
        All independent columns if not given.

    Returns
    -------
    SparsePath

    References
    ----------
    Pati, Rezaiifar and Krishnaprasad, Asilomar (1993), section 3.
    """
    columns, target = factor[:-1, :-1], factor[:-1, -1]
    n_features = columns.shape[1]
    limit = n_features if max_size is None else min(max_size, n_features)
    with one_blas_thread():
        chosen = _Chosen(columns)
        record = _Record(factor, n_rows)
        residual = target
        correlations = columns.T @ residual
        record.add(np.zeros(n_features), correlations)
        excluded = np.zeros(n_features, dtype=bool)
        while len(chosen.indices) < limit and record.unfinished(~excluded):
            best = int(np.argmax(np.where(excluded, -1.0, np.abs(correlations))))
            excluded[best] = True
            if not chosen.add(best):
                continue
            residual = residual - chosen.last * (chosen.last @ residual)
            correlations = columns.T @ residual
            record.add(chosen.expand(chosen.least_squares(target)), correlations)
        return record.path()


def lasso_path(factor: Floats, n_rows: float, max_size: int | None = None) -> SparsePath:
    """
    Follow the solutions of ``|y - X c|^2/2 + penalty |c|_1`` from the largest penalty down.

    The solution is linear in the penalty between the steps, at which a column enters or leaves.

    Parameters
    ----------
    factor : float64[n_features + 1, n_features + 1]
        Upper triangular, of ``[X y]``.
    n_rows : float
    max_size : int, optional
        Stop when so many columns are in; follow to penalty zero if not given.

    Returns
    -------
    SparsePath

    References
    ----------
    Efron, Hastie, Johnstone and Tibshirani, Ann. Stat. 32, 407 (2004), eq. 2.4-2.14 (steps) and
    3.4-3.6 (columns that leave).
    """
    columns = factor[:-1, :-1]
    n_features = columns.shape[1]
    limit = n_features if max_size is None else min(max_size, n_features)
    with one_blas_thread():
        chosen = _Chosen(columns)
        record = _Record(factor, n_rows)
        coefficients = np.zeros(n_features)
        correlations = columns.T @ factor[:-1, -1]
        record.add(coefficients, correlations)
        penalty = float(np.abs(correlations).max(initial=0.0))
        usable = np.ones(n_features, dtype=bool)  # neither dependent on others nor just left
        entering: int | None = int(np.argmax(np.abs(correlations))) if n_features else None
        left: int | None = None
        while penalty > _FINISHED * record.penalties[0]:
            if entering is not None and not chosen.add(entering):
                usable[entering] = False
            active = chosen.indices
            direction = chosen.solve_gram(np.sign(correlations[active]))
            slopes = columns.T @ (columns[:, active] @ direction)
            outside = usable.copy()
            outside[active] = False
            step, entering = _next_entry(correlations, slopes, penalty, outside, left)
            crossing = _next_exit(coefficients[active], direction)
            left = None
            if crossing is not None and crossing[0] < step:
                step, entering, left = crossing[0], None, active[crossing[1]]
            coefficients = coefficients.copy()
            coefficients[active] += step * direction
            if left is not None:
                coefficients[left] = 0.0
                chosen.remove(crossing[1])  # type: ignore[index]
            correlations = columns.T @ (factor[:-1, -1] - columns @ coefficients)
            penalty -= step
            record.add(coefficients, correlations)
            if entering is None and left is None:
                break  # penalty zero: plain least squares
            if len(chosen.indices) >= limit and left is None:
                break
        return record.path()


def _next_entry(
    correlations: Floats, slopes: Floats, penalty: float, outside: NDArray, left: int | None
) -> tuple[float, int | None]:
    """Find how far the penalty falls until a column outside correlates as much as those inside."""
    step, entering = penalty, None
    for sign in (1.0, -1.0):
        gap, closing = penalty - sign * correlations, 1.0 - sign * slopes
        candidates = outside & (closing > 0.0)
        if left is not None and sign * correlations[left] > 0.0:
            candidates[left] = False  # it starts at the boundary and moves inside
        steps = np.full(len(gap), np.inf)
        steps[candidates] = np.maximum(gap[candidates], 0.0) / closing[candidates]
        best = int(np.argmin(steps))
        if steps[best] < step:
            step, entering = float(steps[best]), best
    return step, entering


def _next_exit(coefficients: Floats, direction: Floats) -> tuple[float, int] | None:
    """Find the first coefficient that would change its sign: step and place."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(coefficients * direction < 0.0, -coefficients / direction, np.inf)
    best = int(np.argmin(steps))
    return (float(steps[best]), best) if np.isfinite(steps[best]) else None


class _Chosen:
    """Orthonormal basis Q and triangle T of the chosen columns, ``X_chosen = Q T``."""

    def __init__(self, columns: Floats) -> None:
        self._columns = columns
        self._q = np.zeros((len(columns), 0))
        self._t = np.zeros((0, 0))
        self.indices: list[int] = []

    @property
    def last(self) -> Floats:
        """Newest direction."""
        return np.asarray(self._q[:, -1])

    def add(self, index: int) -> bool:
        """Add a column; False, and nothing is added, if the others span it."""
        column = self._columns[:, index]
        length = float(np.linalg.norm(column))
        projection = self._q.T @ column
        rest = column - self._q @ projection
        again = self._q.T @ rest  # twice is enough (Kahan): orthogonal to rounding
        rest = rest - self._q @ again
        size = float(np.linalg.norm(rest))
        if size <= _DEPENDENT * length:
            return False
        n = len(self.indices)
        grown = np.zeros((n + 1, n + 1))
        grown[:n, :n] = self._t
        grown[:n, n] = projection + again
        grown[n, n] = size
        self._t = grown
        self._q = np.column_stack([self._q, rest / size])
        self.indices.append(index)
        return True

    def remove(self, place: int) -> None:
        """Take the column at a place out."""
        self._q, self._t = qr_delete(self._q, self._t, place, which="col")
        n = len(self.indices) - 1
        self._q, self._t = self._q[:, :n], self._t[:n]
        del self.indices[place]

    def least_squares(self, target: Floats) -> Floats:
        return np.asarray(solve_triangular(self._t, self._q.T @ target))

    def solve_gram(self, right: Floats) -> Floats:
        """Solve ``X_chosen^T X_chosen d = right``."""
        half = solve_triangular(self._t, right, trans=1)
        return np.asarray(solve_triangular(self._t, half))

    def expand(self, values: Floats) -> Floats:
        full = np.zeros(self._columns.shape[1])
        full[self.indices] = values
        return full


class _Record:
    """Collects the steps of a path."""

    def __init__(self, factor: Floats, n_rows: float) -> None:
        self._factor, self._n_rows = factor, max(float(n_rows), 1.0)
        self._coefficients: list[Floats] = []
        self._correlations: Floats = np.zeros(0)
        self.penalties: list[float] = []

    def add(self, coefficients: Floats, correlations: Floats) -> None:
        self._coefficients.append(coefficients)
        self._correlations = np.abs(correlations)
        self.penalties.append(float(self._correlations.max(initial=0.0)))

    def unfinished(self, usable: NDArray[np.bool_]) -> bool:
        """Whether a usable column correlates with the residual beyond rounding."""
        left = float(self._correlations[usable].max(initial=0.0))
        return left > _FINISHED * self.penalties[0]

    def path(self) -> SparsePath:
        coefficients = np.array(self._coefficients)
        residuals = self._factor[:, :-1] @ coefficients.T - self._factor[:, -1:]
        return SparsePath(
            coefficients,
            np.count_nonzero(coefficients, axis=1),
            np.array(self.penalties),
            np.sqrt((residuals**2).sum(axis=0) / self._n_rows),
        )
