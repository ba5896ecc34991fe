"""Pointwise optimal sets of the fits of a session, in streamed passes over its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from linpot.structures.dataset import Dataset
from linpot.uncertainty.pops import PointwiseSets
from linpot.workflow.posterior import PosteriorFit
from linpot.workflow.session import FitSession

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """
    A fit to some of the structures of a session.

    Attributes
    ----------
    session : FitSession
        That of the fit: the one whose rows are streamed, or one over functions chosen from it.
    fit : PosteriorFit
    seen : bool[n_structures]
        Which structures the fit has seen.
    """

    session: FitSession
    fit: PosteriorFit
    seen: NDArray[np.bool_]


def widen_by_misfit(
    session: FitSession, structures: Dataset, parts: Sequence[Part], *, form: str = "hypercube"
) -> list[PosteriorFit]:
    """
    Add to each posterior the spread of the pointwise optimal sets of the rows of its fit.

    Rows are built three times (twice for the ensemble), whatever the number of fits, and never
    held. Fits over chosen functions take their columns out of the rows of all functions.

    Parameters
    ----------
    session : FitSession
        Of all functions.
    structures : Dataset
        Those of the session.
    parts : sequence of Part
    form : str
        See `linpot.uncertainty.pops.FORMS`.

    Returns
    -------
    list of PosteriorFit
    """
    sets = [
        PointwiseSets(part.fit.posterior, part.session.settings.prior.scales(part.session.basis))
        for part in parts
    ]

    def passed(use: Callable[[PointwiseSets, Floats, Floats], object]) -> None:
        for index, rows, targets in _weighted_rows(session, structures):
            for own, part in zip(sets, parts, strict=True):
                if part.seen[index]:
                    columns = part.session.columns
                    whole = columns is None or part.session is session
                    kept = rows if whole else rows[:, columns]
                    use(own, kept, targets - kept @ part.fit.solution.coefficients)

    passed(lambda own, rows, _: own.see(rows))
    passed(PointwiseSets.add)
    if form == "hypercube":
        passed(PointwiseSets.widen)
    return [
        replace(part.fit, posterior=own.widened(form))
        for own, part in zip(sets, parts, strict=True)
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
