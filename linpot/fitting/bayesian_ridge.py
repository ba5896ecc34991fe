"""Ridge regression that finds a noise variance per key and a variance per group of columns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from linpot import checks
from linpot.errors import InputError
from linpot.fitting.estimator import FactorRegressor
from linpot.fitting.evidence import maximise_evidence
from linpot.fitting.factors import FactorSet
from linpot.fitting.whitened import WhitenedBlocks

Floats = NDArray[np.float64]


class BayesianRidge(FactorRegressor):
    """
    Type-II maximum likelihood with a noise level per key, so that no weights need be chosen.

    ``y_k = X_k c + e_k``, ``e_k ~ N(0, s_k)``, ``c_j ~ N(0, v_g(j))``: s_k for every key of rows
    (a property of a group, for example) and v_g for every group of columns maximise the evidence.

    Parameters
    ----------
    prior_groups : array_like of int[n_features], optional
        Group of each column, numbered from 0: body orders, for example. One group if not given.
    max_iter : int
        Evaluations of the evidence.
    tol : float
        Largest gradient left, in standard deviations of the logarithms of the variances.

    Attributes
    ----------
    coef_ : float64[n_features]
    keys_ : list
    noise_variance_ : float64[n_keys]
    prior_variance_ : float64[n_groups]
    effective_parameters_ : float64[n_keys]
        Directions that each key determines.
    log_evidence_ : float
    n_iter_ : int
    n_features_in_ : int

    References
    ----------
    MacKay, Neural Comput. 4, 415 (1992), eq. 4.5-4.10, with a noise level per key.
    """

    def __init__(
        self, prior_groups: ArrayLike | None = None, max_iter: int = 300, tol: float = 1e-4
    ) -> None:
        self.prior_groups = prior_groups
        self.max_iter = max_iter
        self.tol = tol

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        keys: ArrayLike | None = None,
    ) -> BayesianRidge:
        """
        Fit to rows.

        Parameters
        ----------
        X : array_like[n_rows, n_features]
        y : array_like[n_rows]
        sample_weight : array_like[n_rows], optional
            Multiplies the squared residuals: a row of weight 2 counts as two rows.
        keys : array_like[n_rows], optional
            Rows of one key share a noise level; all rows if not given.

        Returns
        -------
        BayesianRidge
            Itself.

        Raises
        ------
        InputError
            If a weight is negative, all are zero, or there is not one key per row.
        """
        rows, counts = self._weighted_rows(X, y, sample_weight)
        labels = np.zeros(len(rows), dtype=int) if keys is None else np.asarray(keys)
        if labels.shape != (len(rows),):
            raise InputError(f"`keys` must have shape [{len(rows)}], got {list(labels.shape)}")
        factors: FactorSet[Hashable] = FactorSet(rows.shape[1])
        n_rows: dict[Hashable, float] = {}
        for key in np.unique(labels).tolist():
            own = labels == key
            factors.add(key, rows[own, :-1], rows[own, -1])
            n_rows[key] = float(counts[own].sum())
        return self.fit_factors({key: f.rows() for key, f in factors.items()}, n_rows)

    def fit_factor(self, factor: Floats, n_rows: float) -> BayesianRidge:
        """Fit to the triangular factor of ``[X y]`` of a single key; see `fit_factors`."""
        return self.fit_factors({0: factor}, {0: n_rows})

    def fit_factors(
        self, factors: Mapping[Any, Floats], n_rows: Mapping[Any, float]
    ) -> BayesianRidge:
        """
        Fit to one factor of ``[X y]`` per key.

        Parameters
        ----------
        factors : mapping of key to float64[m, n_features + 1]
            Factors, or rows where these are fewer.
        n_rows : mapping of key to float
            Rows behind each factor, or the sum of their weights.

        Returns
        -------
        BayesianRidge
            Itself.

        Raises
        ------
        InputError
            If `prior_groups` does not have a whole number per column.
        ConvergenceError
            If the search for the variances does not settle.
        """
        n_features = next(iter(factors.values())).shape[1] - 1
        groups = self._groups(n_features)
        parts: dict[Any, Floats] = {("data", key): rows for key, rows in factors.items()}
        parts |= {("prior", g): prior_rows(groups == g) for g in range(groups.max() + 1)}
        counts = np.array([float(n_rows[key]) for key in factors] + [*np.bincount(groups)], float)
        total = float(counts[: len(factors)].sum())
        size = sum(float((rows[:, -1] ** 2).sum()) for rows in factors.values()) / max(total, 1.0)
        spread = sum(float((rows[:, :-1] ** 2).sum()) for rows in factors.values())
        self.keys_ = list(factors)
        self.n_features_in_ = n_features
        if size == 0.0 or spread == 0.0:
            self._nothing_to_explain(len(factors), groups.max() + 1, size, total)
            return self
        spread /= total * n_features
        # half of the variance explained by all columns together
        start = np.where(np.arange(len(counts)) < len(factors), 2.0 / size, 0.0)
        start[len(factors) :] = 2.0 * n_features * spread / size

        def prepare(weights: Floats) -> WhitenedBlocks:
            return WhitenedBlocks(parts, dict(zip(parts, weights, strict=True)))

        best = maximise_evidence(prepare, counts, start, max_iter=self.max_iter, tol=self.tol)
        weights = dict(zip(parts, best.weights, strict=True))
        solution = prepare(best.weights).solve(weights)
        self.coef_ = solution.coefficients
        self.noise_variance_ = 1.0 / best.weights[: len(factors)]
        self.prior_variance_ = 1.0 / best.weights[len(factors) :]
        self.effective_parameters_ = np.array(
            [solution.effective_parameters["data", key] for key in factors]
        )
        self.log_evidence_ = best.value - 0.5 * total * float(np.log(2.0 * np.pi))
        self.n_iter_ = best.n_iter
        return self

    def get_solver_state(self) -> dict[str, Any]:
        """Return what provenance records of the fit."""
        check_is_fitted(self)
        return {
            "solver": "bayesian ridge",
            "noise_variance": {
                str(k): float(s) for k, s in zip(self.keys_, self.noise_variance_, strict=True)
            },
            "prior_variance": self.prior_variance_.tolist(),
            "effective_parameters": float(self.effective_parameters_.sum()),
            "log_evidence": float(self.log_evidence_),
        }

    def _groups(self, n_features: int) -> NDArray[np.int64]:
        if self.prior_groups is None:
            return np.zeros(n_features, dtype=np.int64)
        groups = checks.finite_array("prior_groups", self.prior_groups, [n_features])
        if (groups != groups.astype(int)).any() or set(groups) != set(range(len(set(groups)))):
            raise InputError(
                "`prior_groups` must number groups from 0 without gaps, got "
                f"{sorted(set(groups.tolist()))}"
            )
        return groups.astype(np.int64)

    def _nothing_to_explain(self, n_keys: int, n_groups: int, size: float, total: float) -> None:
        """Labels or columns that are zero: no coefficient differs from zero."""
        self.coef_ = np.zeros(self.n_features_in_)
        self.noise_variance_ = np.full(n_keys, size)
        self.prior_variance_ = np.zeros(n_groups)
        self.effective_parameters_ = np.zeros(n_keys)
        with np.errstate(divide="ignore"):
            self.log_evidence_ = float(-0.5 * total * (np.log(2.0 * np.pi * size) + 1.0))
        self.n_iter_ = 0


def prior_rows(members: NDArray[np.bool_]) -> Floats:
    """Rows ``[1 0]`` of the columns of one group: a prior is data that say zero."""
    return np.eye(len(members), len(members) + 1)[members]
