"""Memory and time of a fit, before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linpot.basis.ace import Basis
from linpot.errors import InputError
from linpot.fitting.factors import factor_bytes
from linpot.fitting.rows import BATCH
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure
from linpot.workflow.keys import n_columns_of

# Rates of one core of a 2.6 GHz server, rounded down: an estimate for people, not a promise
_ROW_RATE = 6e9  # multiply-adds per second in design rows
_FACTOR_RATE = 3e10  # floating-point operations per second in TSQR and SVD
_PROGRAM_BYTES = 200 * 2**20  # interpreter, libraries, compiled kernels
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
    structures: Sequence[Structure],
    *,
    memory_limit: float,
    threads: int,
    folds: int = 1,
) -> FitEstimate:
    """
    Estimate memory and time.

    Parameters
    ----------
    basis : Basis
    structures : sequence of Structure
    memory_limit : float, GB
    threads : int
    folds : int
        Of cross-validation: each has factors of its own.

    Returns
    -------
    FitEstimate

    Raises
    ------
    InputError
        If even one factor per property does not fit into `memory_limit`.
    """
    n_columns = n_columns_of(basis)
    largest = max(s.n_atoms for s in structures) + BATCH
    in_flight = 8 * n_columns * (7 + 3 * largest) * (4 * threads + 4)
    keys = {(s.group, name) for s in structures for name in s.labels.present}
    merged, n_keys = False, len(keys) * folds
    memory = _PROGRAM_BYTES + in_flight + factor_bytes(n_columns, n_keys)
    if memory > memory_limit * 1e9:
        merged, n_keys = True, len({name for _, name in keys}) * folds
        memory = _PROGRAM_BYTES + in_flight + factor_bytes(n_columns, n_keys)
    _refuse_too_large(memory, basis.n_features, memory_limit)
    n_rows = sum(
        (s.labels.energy is not None)
        + 3 * s.n_atoms * (s.labels.forces is not None)
        + 6 * (s.labels.stress is not None)
        for s in structures
    )
    seconds = _row_operations(basis, structures) / _ROW_RATE / threads
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
    memory = _PROGRAM_BYTES + factor_bytes(n_columns + 1, 1)
    _refuse_too_large(memory, n_columns, memory_limit)


def _refuse_too_large(memory: int, n_columns: int, memory_limit: float) -> None:
    if memory > memory_limit * 1e9:
        raise InputError(
            f"this fit needs about {memory / 1e9:.1f} GB for {n_columns} columns, but "
            f"`memory_limit` is {memory_limit} GB; ask for fewer functions or raise the limit"
        )


def _row_operations(basis: Basis, structures: Sequence[Structure]) -> float:
    """Multiply-adds of all design rows, from the neighbors of a few structures."""
    step = max(1, len(structures) // _SAMPLE)
    sample = structures[::step]
    n_pairs = sum(find_neighbors(s, basis.cutoff).n_pairs for s in sample)
    per_atom = n_pairs / sum(s.n_atoms for s in sample)
    # derivatives of a feature: about one per component of each of its factors
    entries = np.mean(
        [
            np.where(p.factors[:, :, 2] >= 0, 2 * p.factors[:, :, 2] + 1, 0).sum()
            for p in basis.programs
        ]
    )
    species_share = 1.0 / len(basis.elements)  # a density sees the neighbors of one species
    n_atoms = sum(s.n_atoms for s in structures)
    return float(n_atoms * per_atom * 3 * (entries * species_share + basis.programs[0].n_features))
