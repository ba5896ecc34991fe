"""Memory and time of a fit, before any work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from linpot.basis.basis import Basis
from linpot.errors import InputError
from linpot.fitting.factors import factor_bytes
from linpot.fitting.rows import BATCH
from linpot.structures.dataset import Dataset
from linpot.structures.neighbors import find_neighbors
from linpot.workflow.keys import n_columns_of

# Rates of one core of a 2.6 GHz server, rounded down: an estimate for people, not a promise
_ROW_RATE = 6e9  # multiply-adds per second in design rows
_FACTOR_RATE = 3e10  # floating-point operations per second in TSQR and SVD
PROGRAM_BYTES = 650 * 2**20
"""Interpreter, libraries, kernels while they are compiled, errors of an evaluation."""

_SAMPLE = 20  # structures whose neighbors are counted


@dataclass(frozen=True)
class FitEstimate:
    """
    What a fit will take.

    Attributes
    ----------
    n_rows, n_columns : int
    n_keys : int
        Factors kept: one per group, property and fold, or per property and fold if `merged`.
    merged : bool
        Whether groups share factors to stay inside the memory limit.
    memory : int, bytes
        Upper estimate.
    seconds : float
        Rough.
    """

    n_rows: int
    n_columns: int
    n_keys: int
    merged: bool
    memory: int
    seconds: float


def estimate_fit(
    basis: Basis,
    train: Dataset,
    *,
    memory_limit: float,
    threads: int,
    folds: int = 1,
    held: int = 0,
) -> FitEstimate:
    """
    Estimate memory and time.

    Parameters
    ----------
    basis : Basis
    train : Dataset
    memory_limit : float, GB
    threads : int
    folds : int
        Of cross-validation: each has factors of its own.
    held : int, bytes
        Memory of other data.

    Returns
    -------
    FitEstimate

    Raises
    ------
    InputError
        If even one factor per property does not fit into `memory_limit`.
    """
    n_columns, contents = n_columns_of(basis), train.contents
    largest = int(contents.sizes.max()) + BATCH
    fixed = 8 * n_columns * (7 + 3 * largest) * (4 * threads + 4)  # rows on their way
    fixed += PROGRAM_BYTES + train.memory + held
    keys = {
        (group, name)
        for name, present in contents.present.items()
        for group, has in zip(contents.groups, present.tolist(), strict=True)
        if has
    }
    merged, n_keys = False, len(keys) * folds
    memory = fixed + factor_bytes(n_columns, n_keys)
    if memory > memory_limit * 1e9:
        merged, n_keys = True, len({name for _, name in keys}) * folds
        memory = fixed + factor_bytes(n_columns, n_keys)
    _refuse_too_large(memory, basis.n_features, memory_limit)
    n_rows = int(contents.rows.sum())
    seconds = _row_operations(basis, train) / _ROW_RATE / threads
    seconds += (2.0 * n_rows * n_columns**2 + (2 * n_keys + 20.0) * n_columns**3) / _FACTOR_RATE
    return FitEstimate(n_rows, basis.n_features, n_keys, merged, memory, seconds)


def refuse_too_many_columns(n_columns: int, memory_limit: float) -> None:
    """
    Refuse, before a basis is built, what cannot fit however it is done.

    Parameters
    ----------
    n_columns : int
    memory_limit : float, GB

    Raises
    ------
    InputError
        If one factor does not fit into `memory_limit`.
    """
    memory = PROGRAM_BYTES + factor_bytes(n_columns + 1, 1)
    _refuse_too_large(memory, n_columns, memory_limit)


def _refuse_too_large(memory: int, n_columns: int, memory_limit: float) -> None:
    if memory > memory_limit * 1e9:
        raise InputError(
            f"this fit needs about {memory / 1e9:.1f} GB for {n_columns} columns, but "
            f"`memory_limit` is {memory_limit} GB; ask for fewer functions or raise the limit"
        )


def _row_operations(basis: Basis, train: Dataset) -> float:
    """Multiply-adds of all design rows, from the neighbors of a few structures."""
    sample = train[:: max(1, len(train) // _SAMPLE)]
    n_pairs = sum(find_neighbors(s, basis.cutoff).n_pairs for s in sample)
    per_atom = n_pairs / sample.n_atoms
    # derivatives of a feature: about one per component of each of its factors
    entries = np.mean(
        [
            np.where(p.factors[:, :, 2] >= 0, 2 * p.factors[:, :, 2] + 1, 0).sum()
            for p in basis.programs
        ]
    )
    species_share = 1.0 / len(basis.elements)  # a density sees the neighbors of one species
    per_pair = 3 * (entries * species_share + basis.programs[0].n_features)
    return float(train.n_atoms * per_atom * per_pair)
