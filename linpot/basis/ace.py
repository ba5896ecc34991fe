"""The atomic cluster expansion as bilinear programs, one per centre species."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.basis.coupling import couple
from linpot.basis.enumeration import Block, select_blocks
from linpot.basis.program import Program
from linpot.basis.radial import MAX_RADIAL, RadialParameters
from linpot.basis.shared_products import SharedProducts
from linpot.basis.specification import BasisSpecification


def build_ace(specification: BasisSpecification) -> Basis:
    """
    Generate the basis of a specification.

    Parameters
    ----------
    specification : BasisSpecification

    Returns
    -------
    Basis

    Raises
    ------
    InputError
        If the number of functions asked for cannot be met.
    """
    symbols = specification.elements
    mixtures = None
    if specification.mixing is not None:
        mixtures = specification.mixing.table(symbols, MAX_RADIAL)
    shared: dict[tuple[Block, ...], Program] = {}
    programs = []
    for symbol in symbols:
        blocks = tuple(select_blocks(specification, symbol))
        if blocks not in shared:
            shared[blocks] = build_program(blocks, len(symbols), mixtures)
        programs.append(shared[blocks])
    n_radial = max(p.n_radial for p in programs)
    return Basis(specification, tuple(programs), *native_radials(specification, n_radial))


class _HasRadials(Protocol):
    @property
    def elements(self) -> tuple[str, ...]: ...

    def radial_of(self, a: str, b: str) -> RadialParameters: ...


def native_radials(
    specification: _HasRadials, n_radial: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return parameters [n_species, n_species, 4] and recurrences of all ordered pairs."""
    symbols = specification.elements
    shape = (len(symbols), len(symbols))
    parameters = np.zeros((*shape, 4))
    recurrence = np.zeros((*shape, n_radial, 3))
    for i, a in enumerate(symbols):
        for j, b in enumerate(symbols):
            radial = specification.radial_of(a, b)
            parameters[i, j] = radial.as_row()
            recurrence[i, j] = recurrence[j, i] if j < i else radial.recurrence(n_radial)
    return parameters, recurrence


def build_program(
    blocks: tuple[Block, ...], n_species: int, mixtures: NDArray[np.float64] | None = None
) -> Program:
    """
    Turn blocks into a program of monomials of real densities.

    Densities are laid out as [species, n, l, m]; the channel of (species, n) fills all l it needs
    in one run, so that kernels loop over consecutive harmonics.

    Parameters
    ----------
    blocks : tuple of Block
        Species from `n_species` on are mixtures.
    n_species : int
    mixtures : float64[n_mixtures, n_radial, n_species], optional

    Returns
    -------
    Program
    """
    layout = _DensityLayout(blocks, n_species)
    couplings = [couple(block.ls, block.classes) for block in blocks]
    monomials = [  # per block: nodes [n_monomials, order]
        np.sort(coupling.monomials + layout.nodes_of(block), axis=1)
        for block, coupling in zip(blocks, couplings, strict=True)
    ]
    products = SharedProducts(1 + layout.n_densities, monomials)
    leaves, leaf_of = np.unique(np.concatenate(products.leaves), axis=0, return_inverse=True)
    starts = np.cumsum([0] + [len(nodes) for nodes in monomials])
    offsets, entries, coefficients, factors = [0], [], [], []
    widest = max(len(block.channels) for block in blocks)
    for block, coupling, start in zip(blocks, couplings, starts[:-1], strict=True):
        row = np.full((widest, 3), -1, dtype=np.int64)
        row[: len(block.channels)] = [(z, n, l) for l, z, n in block.channels]
        for function in coupling.coefficients:
            used = np.flatnonzero(function)
            entries.append(leaf_of.ravel()[start + used])
            coefficients.append(function[used])
            offsets.append(offsets[-1] + len(used))
            factors.append(row)
    weights = np.zeros((n_species, len(layout.keys)))
    for c, (z, n) in enumerate(layout.keys):
        if z < n_species:
            weights[z, c] = 1.0
        elif mixtures is not None:
            weights[:, c] = mixtures[z - n_species, n]
    return Program(
        channel_radial=np.array([n for _, n in layout.keys], dtype=np.int64),
        channel_angular=np.zeros(len(layout.keys), dtype=np.int64),
        channel_size=layout.sizes,
        channel_start=layout.starts,
        channel_weights=weights,
        density_constants=np.zeros(layout.n_densities),
        term_target=products.first_node + np.arange(len(products.terms), dtype=np.int64),
        term_left=np.ascontiguousarray(products.terms[:, 0]),
        term_right=np.ascontiguousarray(products.terms[:, 1]),
        term_coefficient=np.ones(len(products.terms)),
        n_nodes=products.first_node + len(products.terms),
        leaf_left=np.ascontiguousarray(leaves[:, 0]),
        leaf_right=np.ascontiguousarray(leaves[:, 1]),
        feature_offsets=np.array(offsets, dtype=np.int64),
        feature_leaf=np.concatenate(entries).astype(np.int64),
        feature_coefficient=np.concatenate(coefficients),
        factors=np.array(factors, dtype=np.int64),
    )


class _DensityLayout:
    """
    Where the densities of each channel lie.

    Attributes
    ----------
    keys : list of (species, n)
    sizes, starts : int64[n_keys]
        Number of densities and first node of each key.
    n_densities : int
    """

    def __init__(self, blocks: tuple[Block, ...], n_species: int) -> None:
        largest: dict[tuple[int, int], int] = {}  # (species, n) -> largest l
        for block in blocks:
            for l, species, n in block.channels:
                largest[species, n] = max(l, largest.get((species, n), 0))
        self.keys = sorted(largest)
        self.sizes = np.array([(largest[k] + 1) ** 2 for k in self.keys], dtype=np.int64)
        self.starts = 1 + np.cumsum(self.sizes) - self.sizes
        self.n_densities = int(self.sizes.sum())
        self._start = dict(zip(self.keys, self.starts.tolist(), strict=True))

    def nodes_of(self, block: Block) -> NDArray[np.int64]:
        """Return the node of the m = -l component of every factor: int64[order]."""
        return np.array([self._start[z, n] + l * l for l, z, n in block.channels], dtype=np.int64)
