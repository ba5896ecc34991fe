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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config

from linpot.errors import InputError
from linpot.fitting.factors import FactorSet
from linpot.fitting.rows import RowBuilder, TargetRule, stream_rows
from linpot.fitting.weights import Weights
from linpot.io.checkpoint import Checkpoint, Part
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure
from linpot.workflow.keys import Key, keyed
from linpot.workflow.settings import BACKENDS, FitSettings

_ROWS_PER_COLUMN = 8  # of a chunk: merging its factor then costs a few percent of making it
_CHUNKS = 16  # at least, where data are few: for processes to share, and a kill to cost little


Work = tuple[RowBuilder, TargetRule, Weights, bool]
"""What all chunks share: builder, targets, weights, whether groups share factors."""


@dataclass(frozen=True)
class Chunk:
    """
    Consecutive structures.

    Attributes
    ----------
    structures : list of Structure
    folds : list of int
    """

    structures: list[Structure]
    folds: list[int]


def collect_chunks(
    factors: FactorSet[Key],
    builder: RowBuilder,
    train: Dataset,
    targets: TargetRule,
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
    train : Dataset
    targets : callable
        From structures to their targets.
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
    ends = cut_chunks(train, factors.n_columns)

    def load(index: int) -> Chunk:
        first, last = ends[index]
        return Chunk([train[k] for k in range(first, last)], list(folds[first:last]))

    marks: dict[int, str] = {}  # of chunks that are not finished
    checkpoint = None
    if settings.checkpoint is not None:
        common = fingerprint(builder, settings.weights, ends, merged=merged)
        checkpoint = Checkpoint(settings.checkpoint, factors.n_columns)
        for index in range(len(ends)):
            marks[index] = mark_of(load(index), targets, common)
            checkpoint.check(index, marks[index])
    done = {index for index in marks if checkpoint is not None and checkpoint.has(index)}
    left = [index for index in range(len(ends)) if index not in done]
    work = (builder, targets, settings.weights, merged)
    with _mapped(settings, work, (load(index) for index in left)) as results:
        for index, (_, last) in enumerate(ends):
            if checkpoint is not None and index in done:
                parts = checkpoint.read(index)
            else:
                parts = next(results)
                if checkpoint is not None:
                    checkpoint.write(index, marks[index], parts)
            for key, matrix, n_rows in parts:
                factors.merge(key, matrix, n_rows)
            if progress is not None:
                progress(last)


def cut_chunks(train: Dataset, n_columns: int) -> list[tuple[int, int]]:
    """
    Cut data into chunks of alike numbers of rows.

    Parameters
    ----------
    train : Dataset
    n_columns : int

    Returns
    -------
    list of (int, int)
        First structure of each chunk, and the one after its last.
    """
    rows = train.contents.rows
    size = min(_ROWS_PER_COLUMN * n_columns, -(-int(rows.sum()) // _CHUNKS))
    chunks: list[tuple[int, int]] = []
    first, count = 0, 0
    for last, more in enumerate(rows.tolist(), start=1):
        count += more
        if count >= size or last == len(rows):
            chunks.append((first, last))
            first, count = last, 0
    return chunks


def reduce_chunk(
    builder: RowBuilder,
    targets: TargetRule,
    weights: Weights,
    merged: bool,
    chunk: Chunk,
    threads: int = 1,
) -> list[Part]:
    """
    Turn a chunk into one matrix per key; see `TriangularFactor.rows`.

    Parameters
    ----------
    builder : RowBuilder
    targets : callable
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
    for block in stream_rows(builder, chunk.structures, targets, threads=threads):
        key, rows = keyed(block, weights, merged=merged, fold=chunk.folds[block.structure])
        if factors is None:
            factors = FactorSet(rows.shape[1], threads)
        factors.add(key, rows[:, :-1], rows[:, -1])
    return [(key, f.rows(), f.n_rows) for key, f in (factors or {}).items()]


def fingerprint(
    builder: RowBuilder, weights: Weights, ends: Sequence[tuple[int, int]], *, merged: bool
) -> str:
    """Return a sha256 of what all rows share: basis, chunks, weights in the rows."""
    in_rows = weights.as_dict() if merged else [weights.energy_window, weights.force_cap]
    basis = builder.engine.basis
    settings: list[Any] = [version("linpot"), basis.specification.as_dict(), in_rows, merged]
    settings += [sorted(map(str, builder.lowest.items())), list(ends)]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def mark_of(chunk: Chunk, targets: TargetRule, common: str) -> str:
    """Return a sha256 of all that decides the rows of a chunk; `common` is its `fingerprint`."""
    digest = hashlib.sha256(common.encode())
    what = zip(chunk.structures, targets(chunk.structures), chunk.folds, strict=True)
    for s, target, fold in what:
        digest.update(json.dumps([s.group, s.weight, fold, s.n_atoms]).encode())
        for value in (
            s.numbers, s.positions, s.cell, s.pbc, s.labels.forces,
            target.energy, target.forces, target.stress,
        ):  # fmt: skip
            digest.update(b"-" if value is None else np.asarray(value, dtype="<f8").tobytes())
    return digest.hexdigest()


@contextmanager
def _mapped(
    settings: FitSettings, work: Work, chunks: Iterable[Chunk]
) -> Iterator[Iterator[list[Part]]]:
    """Reduce chunks where the settings say; results come in order, few at a time."""
    backend = settings.backend
    if backend == "threads":  # threads share the rows of one chunk
        yield (reduce_chunk(*work, chunk, threads=settings.threads) for chunk in chunks)
    elif backend == "processes":
        with parallel_config(backend="loky", n_jobs=settings.threads):
            yield _parallel(work, chunks)
    else:
        with _client(backend), parallel_config(backend="dask", n_jobs=-1):
            yield _parallel(work, chunks)


def _parallel(work: Work, chunks: Iterable[Chunk]) -> Iterator[list[Part]]:
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
