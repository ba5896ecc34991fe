"""
Functions that differ on the data, out of many candidates.

In a molecule most functions of high body order repeat others: a carbon atom with one other carbon
atom near it has products of two carbon densities that are functions of one distance, and pairs of
species that never meet have none at all. Of the candidates of a centre species those are kept that
a factorization with column pivoting takes first, from their derivatives in a part of the data
scaled by the prior: each has the largest part, in the prior's measure, that the ones before it do
not represent. Labels have no say, so that test structures stay unseen; rows of the fit are made of
the functions kept only.

References
----------
Golub, Numer. Math. 7, 206 (1965) (pivoting); Imbalzano et al., J. Chem. Phys. 148, 241730 (2018),
section II B (CUR selection of features of atoms, with the same aim).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack
from threadpoolctl import threadpool_limits

from linpot.basis.basis import Basis, Specification
from linpot.basis.families import build_basis
from linpot.basis.reduction import reduce_basis
from linpot.errors import InputError
from linpot.fitting.priors import SmoothnessPrior
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.structures.batches import batches_of_atoms, evenly_spaced
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure

ROWS_PER_FUNCTION = 1.5
"""Rows of the sample for each function kept; four times as many gain 3 % at most (ethanol)."""
DEPENDENT = 3e-8
"""
Share of the largest pivot below which a function is taken for one of those before it. Pivots come
from products of columns, at a quarter of the work of QR, and those tell no smaller ones (ethanol,
300 of 1200 and 1000 of 4000 functions: the pivots of QR, in order).
"""

_BATCH = 200  # atoms
_N_VIRIAL = 6

Floats = NDArray[np.float64]


def independent_functions(
    specification: Specification,
    train: Dataset,
    keep: Mapping[str, int],
    prior: SmoothnessPrior,
    *,
    memory_limit: float,
) -> Basis:
    """
    Build the functions of a specification that differ most on the data.

    Parameters
    ----------
    specification : Specification
        Of all candidates.
    train : Dataset
        Structures at equal intervals are looked at.
    keep : mapping of str to int
        Functions per centre species; fewer stay where the data do not tell so many apart.
    prior : SmoothnessPrior
    memory_limit : float, GB

    Returns
    -------
    Basis
        Its specification is still that of all candidates.

    Raises
    ------
    InputError
        If there are fewer candidates than are to be kept, or they do not fit into `memory_limit`.
    """
    rows_of_each = [_n_rows(structure) for structure in train]
    samples = {
        symbol: evenly_spaced(train, rows_of_each, ROWS_PER_FUNCTION * n)
        for symbol, n in keep.items()
    }
    for symbol, wanted in keep.items():
        n_candidates = specification.functions_of(symbol) or 0
        if n_candidates < wanted:
            raise InputError(
                f"`candidates` must be at least the {wanted} functions to keep on {symbol}, "
                f"got {n_candidates}"
            )
        _refuse_too_large(samples[symbol], n_candidates, memory_limit)
    basis = build_basis(specification)
    scales = prior.scales(basis)
    columns = []
    for symbol, (start, end) in zip(basis.elements, pairwise(basis.feature_offsets), strict=True):
        own = np.arange(start, end)
        rows = _rows(FeatureEngine(reduce_basis(basis, own)), samples[symbol])
        rows *= scales[own]
        columns.append(start + _pivots(rows, keep[symbol]))
    return reduce_basis(basis, np.concatenate(columns))


def _n_rows(structure: Structure) -> int:
    return 1 + 3 * structure.n_atoms


def _refuse_too_large(sample: Sequence[Structure], n_candidates: int, limit: float) -> None:
    n_rows = sum(map(_n_rows, sample))
    memory = 8.0 * (2 * n_rows + n_candidates) * n_candidates
    if memory > limit * 1e9:
        raise InputError(
            f"`candidates` must fit into `memory_limit` = {limit:g} GB: {n_candidates} on "
            f"{n_rows} rows take {memory / 1e9:.1f} GB; ask for fewer, or raise the limit"
        )


def _rows(engine: FeatureEngine, sample: Sequence[Structure]) -> Floats:
    """Energies and their derivatives by positions, without strain: float64[n_rows, n_features]."""
    n_rows = sum(map(_n_rows, sample))
    rows = np.empty((n_rows, engine.basis.n_features), order="F")
    at = 0
    for structures in batches_of_atoms(sample, _BATCH):
        for design in engine.design_rows(pack(structures, engine.basis.elements, engine.cutoffs)):
            n = len(design) - _N_VIRIAL
            rows[at] = design[0]
            rows[at + 1 : at + n] = design[1 + _N_VIRIAL :]
            at += n
    return rows


def _pivots(rows: Floats, n: int) -> NDArray[np.int64]:
    """Return the first pivots, ascending, without columns that depend on those before them."""
    with threadpool_limits(1, user_api="blas"):  # the same choice for any number of threads
        products = blas.dsyrk(1.0, rows, trans=1)
        dependent = DEPENDENT**2 * float(products.diagonal().max(initial=0.0))
        _, places, rank, info = lapack.dpstrf(products, tol=dependent, overwrite_a=1)
    assert info >= 0  # 1 says that the rank is not full
    return np.sort(places[: min(n, rank)].astype(np.int64) - 1)
