"""Pointwise optimal sets of the fits of a session, in streamed passes over its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from linpot.structures.dataset import Dataset
from linpot.uncertainty.pops import PointwiseSets
from linpot.workflow.posterior import PosteriorFit
from linpot.workflow.session import FitSession

Floats = NDArray[np.float64]
Part = tuple[PosteriorFit, NDArray[np.bool_]]
"""A fit, and which structures it has seen."""


def widen_by_misfit(
    session: FitSession, structures: Dataset, parts: Sequence[Part], *, form: str = "hypercube"
) -> list[PosteriorFit]:
    """
    Add to each posterior the spread of the pointwise optimal sets of the rows of its fit.

    Rows are built three times (twice for the ensemble), whatever the number of fits, and never
    held.

    Parameters
    ----------
    session : FitSession
    structures : Dataset
        Those of the session.
    parts : sequence of (PosteriorFit, bool[n_structures])
    form : str
        See `linpot.uncertainty.pops.FORMS`.

    Returns
    -------
    list of PosteriorFit
    """
    scales = session.settings.prior.scales(session.basis)
    sets = [PointwiseSets(fit.posterior, scales) for fit, _ in parts]

    def passed(use: Callable[[PointwiseSets, Floats, Floats], object]) -> None:
        for index, rows, targets in _weighted_rows(session, structures):
            for own, (fit, seen) in zip(sets, parts, strict=True):
                if seen[index]:
                    use(own, rows, targets - rows @ fit.solution.coefficients)

    passed(lambda own, rows, _: own.see(rows))
    passed(PointwiseSets.add)
    if form == "hypercube":
        passed(PointwiseSets.widen)
    return [
        replace(fit, posterior=own.widened(form)) for own, (fit, _) in zip(sets, parts, strict=True)
    ]


def _weighted_rows(
    session: FitSession, structures: Dataset
) -> Iterator[tuple[int, Floats, Floats]]:
    """Yield the index of a structure with the rows and targets of all its labels, weighted."""
    for index, blocks in groupby(session.row_blocks(structures), lambda block: block.structure):
        own = list(blocks)
        weights = [session.settings.weights.of(block.group, block.name) for block in own]
        rows = [w * block.X for w, block in zip(weights, own, strict=True)]
        targets = [w * block.y for w, block in zip(weights, own, strict=True)]
        yield index, np.concatenate(rows), np.concatenate(targets)
