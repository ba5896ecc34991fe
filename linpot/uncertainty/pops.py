"""
POPS: how far coefficients would have to move to meet each observation exactly.

A model that cannot express the truth is wrong by misfit, which a posterior does not know. For every
row x with residual r the pointwise optimal set moves the coefficients by
``A^-1 x r / (x^T A^-1 x)``, the cheapest step that meets this row; A is the matrix of the ridge
problem. The spread of these steps is the misfit's. Rows come in streams, three times at most:
leverages, second moments, bounds. Nothing here knows of atoms.

References
----------
Swinburne and Perez, Mach. Learn.: Sci. Technol. 6, 015008 (2025).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve_triangular

from linpot import checks
from linpot.errors import InputError
from linpot.parallel import one_blas_thread
from linpot.uncertainty.posterior import Posterior

Floats = NDArray[np.float64]
FORMS = ("hypercube", "ensemble")
SMALLEST_MODE = 1e-8
"""Directions whose share of the second moment is smaller, relative to the largest, stay out."""


@dataclass(frozen=True)
class Steps:
    """
    Second moment of the steps to the pointwise optimal sets.

    Attributes
    ----------
    moment : float64[n, n]
        Of steps in units of the prior's scales.
    axes : float64[n, n_axes]
        Its directions, orthonormal, the largest last.
    scales : float64[n], eV
        Of the prior.
    """

    moment: Floats
    axes: Floats
    scales: Floats


@dataclass(frozen=True)
class Hypercube:
    """
    The smallest box along the axes of the steps that holds all of them.

    Attributes
    ----------
    steps : Steps
    low, high : float64[n_axes]
        Bounds along the axes, in units of the prior's scales.
    """

    steps: Steps
    low: Floats
    high: Floats

    @property
    def moment(self) -> Floats:
        """Second moment of points spread evenly over the box: float64[n, n]."""
        middle = 0.5 * (self.low + self.high)
        inside = np.diag((self.high - self.low) ** 2 / 12.0) + np.outer(middle, middle)
        return np.asarray(self.steps.axes @ inside @ self.steps.axes.T)

    def bounds(self, rows: Floats) -> tuple[Floats, Floats]:
        """
        Return the least and the largest ``rows @ step`` of the box.

        Every training row is met by some point of the box, so that its residual lies between them.

        Parameters
        ----------
        rows : float64[n_rows, n]

        Returns
        -------
        low, high : float64[n_rows]
        """
        along = (rows * self.steps.scales) @ self.steps.axes
        ends = along * self.low, along * self.high
        return np.minimum(*ends).sum(axis=1), np.maximum(*ends).sum(axis=1)

    def draw(self, n_members: int, *, seed: int = 0) -> Floats:
        """
        Draw steps, evenly over the box.

        Parameters
        ----------
        n_members : int
        seed : int

        Returns
        -------
        float64[n_members, n], eV
        """
        checks.integer("n_members", n_members, low=1)
        inside = np.random.default_rng(seed).uniform(size=(n_members, len(self.low)))
        points = self.low + (self.high - self.low) * inside
        return np.asarray((points @ self.steps.axes.T) * self.steps.scales)


@dataclass
class PointwiseSets:
    """
    Gathers the steps of one ridge fit from rows that come in any number of pieces.

    First all rows go through `see`, then through `add`, then, for the hypercube, through `widen`.

    Attributes
    ----------
    posterior : Posterior
        Of the fit.
    scales : float64[n_features], eV
        Of its prior: the coefficients over these are what steps are measured in.
    percentile : float
        Rows of a leverage below this percentile are left out: they barely determine anything, and
        their steps are long.
    """

    posterior: Posterior
    scales: Floats
    percentile: float = 50.0
    _leverages: list[Floats] = field(default_factory=list, init=False, repr=False)
    _gram: Floats = field(init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)
    _bounds: tuple[Floats, Floats] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0.0 <= checks.non_negative("percentile", self.percentile) < 100.0:
            raise InputError(f"`percentile` must be below 100, got {self.percentile}")
        n = len(self.posterior.mean)
        self._gram = np.zeros((n, n))
        self._threshold: float | None = None
        self._steps: Steps | None = None

    def see(self, rows: Floats) -> Floats:
        """
        First pass: note the leverages of weighted rows.

        Parameters
        ----------
        rows : float64[n_rows, n_features]

        Returns
        -------
        float64[n_rows]
            ``x^T A^-1 x``, below 1 for rows of the fit.
        """
        leverages = (self._whitened(rows) ** 2).sum(axis=0)
        self._leverages.append(leverages)
        return np.asarray(leverages)

    def add(self, rows: Floats, residuals: Floats) -> None:
        """
        Second pass: add up the steps of weighted rows and residuals (label less prediction).

        Parameters
        ----------
        rows : float64[n_rows, n_features]
        residuals : float64[n_rows]
        """
        steps = self._kept_steps(rows, residuals)
        with one_blas_thread():
            self._gram += steps @ steps.T
        self._count += steps.shape[1]

    @property
    def steps(self) -> Steps:
        """
        What the second pass has found.

        Raises
        ------
        InputError
            If no row has a step.
        """
        if self._steps is None:
            if not self._count or not self._gram.any():
                raise InputError("pointwise optimal sets need rows with a residual, got none")
            back = self._back(np.eye(len(self.scales)))
            moment = back @ (self._gram / self._count) @ back.T
            sizes, axes = eigh(moment)
            kept = sizes > SMALLEST_MODE * sizes[-1]
            self._steps = Steps(moment, np.asarray(axes[:, kept]), self.scales)
        return self._steps

    def widen(self, rows: Floats, residuals: Floats) -> None:
        """Third pass: widen the box until it holds the steps; arguments as for `add`."""
        steps = self._kept_steps(rows, residuals)
        if not steps.shape[1]:
            return
        along = self.steps.axes.T @ self._back(steps)
        low, high = along.min(axis=1), along.max(axis=1)
        if self._bounds is not None:
            low, high = np.minimum(self._bounds[0], low), np.maximum(self._bounds[1], high)
        self._bounds = low, high

    @property
    def hypercube(self) -> Hypercube:
        """What the third pass has found."""
        assert self._bounds is not None
        return Hypercube(self.steps, *self._bounds)

    def widened(self, form: str) -> Posterior:
        """
        Return the posterior with the second moment of the steps added to its covariance.

        Parameters
        ----------
        form : str
            One of `FORMS`.

        Returns
        -------
        Posterior
            Around the same mean.
        """
        checks.one_of("form", form, FORMS)
        if form == "ensemble":
            sizes, axes = eigh(self._gram / (self._count * self.posterior.noise_variance))
            return self.posterior.widened((axes * np.sqrt(np.maximum(sizes, 0.0))).T)
        box = self.hypercube
        middle = 0.5 * (box.low + box.high)
        inside = np.vstack([np.diag((box.high - box.low) / np.sqrt(12.0)), middle])
        steps = (inside @ self.steps.axes.T) * self.scales
        return self.posterior.widened(steps @ self.posterior.root.T)

    def _whitened(self, rows: Floats) -> Floats:
        """Return ``R^-T x`` of every row, with ``A = R^T R``."""
        # the root of the posterior is R over the root of the noise variance
        return self.posterior.whiten(rows) / np.sqrt(self.posterior.noise_variance)

    def _back(self, whitened: Floats) -> Floats:
        """Return ``S^-1 R^-1 g``: from whitened steps to steps in units of the prior's scales."""
        with one_blas_thread():
            solved = solve_triangular(self.posterior.root, whitened, check_finite=False)
        return np.asarray(solved / np.sqrt(self.posterior.noise_variance) / self.scales[:, None])

    def _kept_steps(self, rows: Floats, residuals: Floats) -> Floats:
        """Return ``R`` times the steps of rows of large leverage: float64[n, n_kept]."""
        if self._threshold is None:
            self._threshold = float(np.percentile(np.concatenate(self._leverages), self.percentile))
        whitened = self._whitened(rows)
        leverages = (whitened**2).sum(axis=0)
        kept = (leverages >= self._threshold) & (leverages > 0.0)
        return np.asarray(whitened[:, kept] * (residuals[kept] / leverages[kept]))
