"""
Posterior of ridge regression, kept as a triangular factor of its precision.

Nothing here knows of atoms, and no inverse is formed: deviations and draws are triangular solves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.linalg.blas import dtrsm

from linpot import checks
from linpot.errors import InputError
from linpot.parallel import one_blas_thread

Floats = NDArray[np.float64]
DIRECTIONS = 64
"""Of `Posterior.sketch`: its deviations are known to ``1/sqrt(2 DIRECTIONS)``, 9 %, at worst."""


@dataclass(frozen=True)
class Posterior:
    """
    Normal distribution of coefficients, ``covariance = (T^T T)^-1``.

    Attributes
    ----------
    mean : float64[n_features], eV
    root : float64[n_features, n_features], 1/eV
        T, upper triangular, without zeros on its diagonal.
    noise_variance : float
        Of weighted residuals; divided by the square of a weight it is that of an observation.
    """

    mean: Floats
    root: Floats
    noise_variance: float

    @cached_property
    def _root(self) -> Floats:
        """The root in the order that BLAS takes without a copy."""
        return np.asfortranarray(self.root)

    @cached_property
    def sketch(self) -> Floats:
        """
        Random directions whose scalar products have the deviations of rows as norms.

        ``|x P|`` is ``|T^-T x|`` up to a few percent, for a fraction of the work:
        ``P = T^-1 Z / sqrt(DIRECTIONS)``, Z standard normal and always the same. The squares of
        many rows add up to a smaller error. With no more features than directions P is ``T^-1``.

        Returns
        -------
        float64[n_features, n_directions], eV

        References
        ----------
        Johnson and Lindenstrauss, Contemp. Math. 26, 189 (1984).
        """
        n = len(self.mean)
        normal = np.eye(n)
        if n > DIRECTIONS:
            normal = np.random.default_rng(0).normal(size=(n, DIRECTIONS)) / np.sqrt(DIRECTIONS)
        with one_blas_thread():
            return np.asarray(solve_triangular(self.root, normal, check_finite=False))

    @classmethod
    def of_ridge(
        cls,
        factor: Floats,
        penalty: float,
        noise_variance: float,
        mean: Floats,
        scales: Floats | None = None,
    ) -> Posterior:
        """
        Return the posterior at fixed hyper-parameters.

        With ``L^T L = S X^T X S + penalty`` it is ``T = L S^-1 / sqrt(noise_variance)``.

        Parameters
        ----------
        factor : float64[m, n_features]
            Any matrix with the ``X^T X`` of the weighted rows, columns not scaled.
        penalty : float
            Of the scaled coefficients.
        noise_variance : float
        mean : float64[n_features]
        scales : float64[n_features], optional
            S, standard deviations of the prior up to a factor; ones if not given.

        Returns
        -------
        Posterior

        Raises
        ------
        InputError
            If data and penalty leave a coefficient open, or the noise variance is not positive.

        References
        ----------
        Bishop, Pattern Recognition and Machine Learning (2006), eq. 3.53-3.54.
        """
        checks.non_negative("penalty", penalty)
        checks.positive("noise_variance", noise_variance)
        n_features = factor.shape[1]
        mean = checks.finite_array("mean", mean, [n_features])
        scale = np.ones(n_features) if scales is None else scales
        stacked = np.concatenate([factor * scale, np.sqrt(penalty) * np.eye(n_features)])
        with one_blas_thread():
            triangle = np.linalg.qr(stacked, mode="r")
        diagonal = np.abs(np.diag(triangle))
        if diagonal.min(initial=np.inf) <= n_features * np.finfo(float).eps * diagonal.max():
            raise InputError(
                "data and penalty must determine every coefficient for a posterior; "
                f"give a larger `penalty` than {penalty}"
            )
        return cls(mean, triangle / scale / np.sqrt(noise_variance), float(noise_variance))

    def tempered(self, share: float, penalty: float, scales: Floats) -> Posterior:
        """
        Return the posterior if the data were worth a share of their number, the prior unchanged.

        ``covariance = noise_variance (share X^T X + penalty S^-2)^-1``: rows whose errors are alike
        say less than as many independent ones. Where data decide, deviations grow by
        ``1/sqrt(share)``; where they say nothing, the prior bounds them as before.

        Parameters
        ----------
        share : float
            Above 0 and at most 1.
        penalty, scales
            As for `of_ridge`, and those that made this posterior.

        Returns
        -------
        Posterior

        References
        ----------
        Grunwald and van Ommen, Bayesian Analysis 12, 1069 (2017) (the generalised
        posterior; share is their learning rate).
        """
        if not 0.0 < checks.positive("share", share) <= 1.0:
            raise InputError(f"`share` must be above 0 and at most 1, got {share}")
        prior = np.sqrt((1.0 - share) * penalty / self.noise_variance) / scales
        with one_blas_thread():
            stacked = np.concatenate([np.sqrt(share) * self.root, np.diag(prior)])
            root = np.linalg.qr(stacked, mode="r")
        return Posterior(self.mean, np.asarray(root), self.noise_variance)

    def with_noise(self, noise_variance: float) -> Posterior:
        """Return the posterior at the same penalty and another noise."""
        checks.positive("noise_variance", noise_variance)
        root = self.root * np.sqrt(self.noise_variance / noise_variance)
        return Posterior(self.mean, root, noise_variance)

    def widened(self, steps: Floats) -> Posterior:
        """
        Return the distribution with ``B^T B`` added to its covariance, B rows of steps.

        With ``T B^T B T^T + 1 = L L^T`` the new root is the triangle of ``L^-1 T``.

        Parameters
        ----------
        steps : float64[m, n_features]
            ``B T^T``: dimensionless, so that stiff directions keep their digits.

        Returns
        -------
        Posterior
            Around the same mean.
        """
        n = len(self.mean)
        with one_blas_thread():
            upper = np.linalg.qr(np.concatenate([steps, np.eye(n)]), mode="r")
            root = np.linalg.qr(solve_triangular(upper, self.root, trans="T"), mode="r")
        return Posterior(self.mean, np.asarray(root), self.noise_variance)

    def std(self, rows: Floats) -> Floats:
        """
        Return the standard deviation of ``rows @ coefficients``, noise not included.

        Parameters
        ----------
        rows : float64[n_rows, n_features]

        Returns
        -------
        float64[n_rows]
        """
        whitened = self.whiten(rows)
        return np.asarray(np.sqrt(np.einsum("ij,ij->j", whitened, whitened)))

    def whiten(self, rows: Floats) -> Floats:
        """
        Return ``T^-T rows^T``, whose columns have the covariances of the rows as scalar products.

        Parameters
        ----------
        rows : float64[n_rows, n_features]

        Returns
        -------
        float64[n_features, n_rows]
        """
        with one_blas_thread():
            return np.asarray(dtrsm(1.0, self._root, rows.T, trans_a=1))

    def draw(self, n_members: int, *, seed: int = 0) -> Floats:
        """
        Draw a committee.

        Parameters
        ----------
        n_members : int
        seed : int

        Returns
        -------
        float64[n_members, n_features], eV
            ``mean + T^-1 z`` with standard normal z; the first members do not depend on how many
            are drawn.
        """
        checks.integer("n_members", n_members, low=1)
        normal = np.random.default_rng(seed).normal(size=(n_members, len(self.mean)))
        with one_blas_thread():
            steps = solve_triangular(self.root, normal.T, check_finite=False).T
        return np.asarray(self.mean + steps)
