"""Solvers by name, as settings and the command line know them."""

from __future__ import annotations

from collections.abc import Callable

from linpot.fitting.ard import ARD
from linpot.fitting.estimator import FactorRegressor
from linpot.fitting.ridge import Ridge
from linpot.fitting.sparse import Lasso, MatchingPursuit
from linpot.fitting.truncated import TruncatedLeastSquares

SOLVERS: dict[str, Callable[[], FactorRegressor]] = {
    "ridge": Ridge,
    "ard": ARD,
    "omp": MatchingPursuit,
    "lasso": Lasso,
    "svd": lambda: TruncatedLeastSquares("svd"),
    "qr": lambda: TruncatedLeastSquares("qr"),
}
"""Makers of solvers that need a single factor and no settings but those of ridge."""
