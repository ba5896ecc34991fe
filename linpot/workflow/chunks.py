"""
Rows on many processes or machines, and fits that survive being killed.

Data are cut into chunks of consecutive structures. Each is turned into triangular factors by
itself, anywhere, and only these travel or are stored: at most a matrix per key, never the rows. The
factors are combined in the order of the chunks, so that the result does not depend on who was
first. Chunks depend on data and basis alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config

from linpot.errors import InputError
from linpot.fitting.factors import FactorSet
from linpot.fitting.rows import RowBuilder, stream_rows
from linpot.fitting.weights import Weights
from linpot.io.checkpoint import Checkpoint, Part
from linpot.structures.structure import Labels, Structure
from linpot.workflow.keys import Key, keyed
from linpot.workflow.settings import BACKENDS, FitSettings

_ROWS_PER_COLUMN = 8  # of a chunk: merging its factor then costs a few percent of making it
_CHUNKS = 16  # at least, where data are few: for processes to share, and a kill to cost little


Work = tuple[RowBuilder, Weights, bool]
"""What all chunks share: builder, weights, whether groups share factors."""


@dataclass(frozen=True)
class Chunk:
    """
    Consecutive structures and all that their rows need.

    Attributes
    ----------
    index : int
    first, last : int
        Structures first .. last - 1 of the data.
    structures : list of Structure
    targets : list of Labels
    folds : list of int
    """

    index: int
    first: int
    last: int
    structures: list[Structure]
    targets: list[Labels]
    folds: list[int]


def collect_chunks(
    factors: FactorSet[Key],
    builder: RowBuilder,
    structures: Sequence[Structure],
    targets: Sequence[Labels],
    settings: FitSettings,
    *,
    merged: bool,
    folds: Sequence[int],
    progress: Callable[[int], None] | None = None,
) -> None:
    """
    Add the rows of all structures to factors, chunk by chunk.

    Parameters
    ----------
    factors : FactorSet
    builder : RowBuilder
    structures : sequence of Structure
    targets : sequence of Labels
    settings : FitSettings
        `backend` says where chunks are worked on, `checkpoint` where finished ones are kept.
    merged : bool
    folds : sequence of int
        Fold of each structure.
    progress : callable, optional
        Called with the number of structures done.

    Raises
    ------
    InputError
        If the backend cannot be had, or the checkpoint is of another fit.
    """
    chunks = cut_chunks(structures, targets, folds, factors.n_columns)
    checkpoint = None
    if settings.checkpoint is not None:
        mark = fingerprint(builder, chunks, settings.weights, merged=merged)
        checkpoint = Checkpoint(settings.checkpoint, mark, factors.n_columns)
    found = {} if checkpoint is None else {c.index: checkpoint.read(c.index) for c in chunks}
    left = [chunk for chunk in chunks if found.get(chunk.index) is None]
    work = (builder, settings.weights, merged)
    with _mapped(settings, work, left) as results:
        for chunk in chunks:
            parts = found.pop(chunk.index, None)
            if parts is None:
                parts = next(results)
                if checkpoint is not None:
                    checkpoint.write(chunk.index, parts)
            for key, matrix, n_rows in parts:
                factors.merge(key, matrix, n_rows)
            if progress is not None:
                progress(chunk.last)


def cut_chunks(
    structures: Sequence[Structure],
    targets: Sequence[Labels],
    folds: Sequence[int],
    n_columns: int,
) -> list[Chunk]:
    """
    Cut data into chunks of alike numbers of rows.

    Parameters
    ----------
    structures : sequence of Structure
    targets : sequence of Labels
    folds : sequence of int
    n_columns : int

    Returns
    -------
    list of Chunk
    """
    rows = np.array(
        [
            (t.energy is not None)
            + 3 * s.n_atoms * (t.forces is not None)
            + 6 * (t.stress is not None)
            for s, t in zip(structures, targets, strict=True)
        ]
    )
    size = min(_ROWS_PER_COLUMN * n_columns, -(-int(rows.sum()) // _CHUNKS))
    chunks: list[Chunk] = []
    first, count = 0, 0
    for last, more in enumerate(rows.tolist(), start=1):
        count += more
        if count >= size or last == len(rows):
            chunks.append(
                Chunk(
                    len(chunks),
                    first,
                    last,
                    list(structures[first:last]),
                    list(targets[first:last]),
                    list(folds[first:last]),
                )
            )
            first, count = last, 0
    return chunks


def reduce_chunk(
    builder: RowBuilder, weights: Weights, merged: bool, chunk: Chunk, threads: int = 1
) -> list[Part]:
    """
    Turn a chunk into one matrix per key; see `TriangularFactor.rows`.

    Parameters
    ----------
    builder : RowBuilder
    weights : Weights
    merged : bool
    chunk : Chunk
    threads : int

    Returns
    -------
    list of (key, float64[m, n_columns], int)
        The last is the number of rows behind the matrix.
    """
    factors: FactorSet[Key] | None = None
    for block in stream_rows(builder, chunk.structures, chunk.targets, threads=threads):
        key, rows = keyed(block, weights, merged=merged, fold=chunk.folds[block.structure])
        if factors is None:
            factors = FactorSet(rows.shape[1])
        factors.add(key, rows[:, :-1], rows[:, -1])
    return [(key, f.rows(), f.n_rows) for key, f in (factors or {}).items()]


def fingerprint(
    builder: RowBuilder, chunks: Sequence[Chunk], weights: Weights, *, merged: bool
) -> str:
    """Return a sha256 of all that decides the rows: basis, data, targets, weights in the rows."""
    in_rows = weights.as_dict() if merged else [weights.energy_window, weights.force_cap]
    basis = builder.engine.basis
    settings: list[Any] = [version("linpot"), basis.specification.as_dict(), in_rows, merged]
    settings.append(sorted(map(str, builder.lowest.items())))
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for chunk in chunks:
        digest.update(f"chunk {chunk.first} {chunk.last}".encode())
        for s, target, fold in zip(chunk.structures, chunk.targets, chunk.folds, strict=True):
            digest.update(json.dumps([s.group, s.weight, fold, s.n_atoms]).encode())
            for value in (
                s.numbers, s.positions, s.cell, s.pbc, s.labels.forces,
                target.energy, target.forces, target.stress,
            ):  # fmt: skip
                digest.update(b"-" if value is None else np.asarray(value, dtype="<f8").tobytes())
    return digest.hexdigest()


@contextmanager
def _mapped(
    settings: FitSettings, work: Work, chunks: Sequence[Chunk]
) -> Iterator[Iterator[list[Part]]]:
    """Reduce chunks where the settings say; results come in order, few at a time."""
    backend = settings.backend
    if not chunks:
        yield iter(())
    elif backend == "threads":  # threads share the rows of one chunk
        yield (reduce_chunk(*work, chunk, threads=settings.threads) for chunk in chunks)
    elif backend == "processes":
        with parallel_config(backend="loky", n_jobs=settings.threads):
            yield _parallel(work, chunks)
    else:
        with _client(backend), parallel_config(backend="dask", n_jobs=-1):
            yield _parallel(work, chunks)


def _parallel(work: Work, chunks: Sequence[Chunk]) -> Iterator[list[Part]]:
    results: Iterator[list[Part]] = Parallel(return_as="generator", pre_dispatch="2*n_jobs")(
        delayed(reduce_chunk)(*work, chunk) for chunk in chunks
    )
    return results


@contextmanager
def _client(backend: str) -> Iterator[None]:
    """Have a Dask client: the one that is there, or one of a scheduler's address."""
    if find_spec("distributed") is None:
        raise InputError(
            f"`backend` {backend!r} needs dask.distributed; pip install 'linpot[dask]', or take "
            f"one of {', '.join(BACKENDS[:2])}"
        )
    from distributed import Client, get_client

    if backend == "dask":
        try:
            get_client()
        except ValueError as error:
            raise InputError(
                "`backend` 'dask' needs a client; make one with dask.distributed.Client(address), "
                "or give the scheduler's address, 'tcp://host:8786', as the backend"
            ) from error
        yield
    else:
        try:
            client = Client(backend, timeout="10s")
        except (OSError, ValueError) as error:
            raise InputError(
                f"`backend` must be {', '.join(BACKENDS)} or the address of a Dask scheduler, got "
                f"{backend!r}: {error}"
            ) from error
        with client:
            yield
