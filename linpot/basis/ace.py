"""The atomic cluster expansion as bilinear programs, one per centre species."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from linpot.basis.coupling import couple
from linpot.basis.enumeration import Block, select_blocks
from linpot.basis.program import Program
from linpot.basis.shared_products import SharedProducts
from linpot.basis.specification import BasisSpecification


@dataclass(frozen=True, repr=False)
class Basis:
    """
    A basis ready for the kernels.

    Attributes
    ----------
    specification : BasisSpecification
    programs : tuple of Program
        One per element, in the order of `specification.elements`.
    radial_parameters : float64[n_species, n_species, 4]
        Cutoff, decay, taper_start, taper_end of each ordered pair.
    radial_recurrence : float64[n_species, n_species, n_radial, 3]
    """

    specification: BasisSpecification
    programs: tuple[Program, ...]
    radial_parameters: NDArray[np.float64]
    radial_recurrence: NDArray[np.float64]

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} functions on {s}" for s, n in self.n_functions.items())
        return f"Basis({counts}; cutoff {self.cutoff:g} A)"

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, by atomic number."""
        return self.specification.elements

    @property
    def cutoff(self) -> float:
        """Largest cutoff, A."""
        return float(self.radial_parameters[:, :, 0].max())

    @property
    def n_features(self) -> int:
        """Number of features of all centre species together: columns of a design matrix."""
        return sum(p.n_features for p in self.programs)

    @property
    def n_functions(self) -> dict[str, int]:
        """Number of features per centre species."""
        return {s: p.n_features for s, p in zip(self.elements, self.programs, strict=True)}

    @property
    def feature_offsets(self) -> NDArray[np.int64]:
        """First column of each centre species: int64[n_species + 1]."""
        return np.cumsum([0] + [p.n_features for p in self.programs]).astype(np.int64)

    def has_functions_of(self, other: Basis) -> bool:
        """Whether all functions are the same, in the same order."""
        return self.specification == other.specification and all(
            np.array_equal(mine, theirs)
            for own, its in zip(self.programs, other.programs, strict=True)
            for mine, theirs in zip(own.arrays().values(), its.arrays().values(), strict=True)
        )

    def table(self) -> list[tuple[str, int, int, int, int, int]]:
        """
        Summarise the blocks for people.

        Returns
        -------
        list of (centre, body order, functions, products, largest n, largest l)
        """
        rows = []
        for symbol, program in zip(self.elements, self.programs, strict=True):
            orders = program.body_orders
            for order in np.unique(orders):
                mine = np.flatnonzero(orders == order)
                entries = np.concatenate(
                    [program.feature_leaf[slice(*program.feature_offsets[f : f + 2])] for f in mine]
                )
                factors = program.factors[mine]
                rows.append(
                    (
                        symbol,
                        int(order),
                        len(mine),
                        len(np.unique(entries)),
                        int(factors[:, :, 1].max()),
                        int(factors[:, :, 2].max()),
                    )
                )
        return rows


def build_basis(specification: BasisSpecification) -> Basis:
    """
    Generate the basis of a specification; repeated calls return the same object.

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
    return _build(_Key(specification))


class _Key:
    """Makes a specification hashable by its content."""

    def __init__(self, specification: BasisSpecification) -> None:
        self.specification = specification
        self._text = repr(specification.as_dict())

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._text == other._text


@lru_cache(maxsize=16)
def _build(key: _Key) -> Basis:
    specification = key.specification
    symbols = specification.elements
    shared: dict[tuple[Block, ...], Program] = {}
    programs = []
    for symbol in symbols:
        blocks = tuple(select_blocks(specification, symbol))
        if blocks not in shared:
            shared[blocks] = build_program(blocks, len(symbols))
        programs.append(shared[blocks])
    n_radial = max(p.n_radial for p in programs)
    shape = (len(symbols), len(symbols))
    parameters = np.zeros((*shape, 4))
    recurrence = np.zeros((*shape, n_radial, 3))
    for i, a in enumerate(symbols):
        for j, b in enumerate(symbols):
            radial = specification.radial_of(a, b)
            parameters[i, j] = radial.as_row()
            recurrence[i, j] = recurrence[j, i] if j < i else radial.recurrence(n_radial)
    return Basis(specification, tuple(programs), parameters, recurrence)


def build_program(blocks: tuple[Block, ...], n_species: int) -> Program:
    """
    Turn blocks into a program of monomials of real densities.

    Densities are laid out as [species, n, l, m]; the channel of (species, n) fills all l it needs
    in one run, so that kernels loop over consecutive harmonics.

    Parameters
    ----------
    blocks : tuple of Block
    n_species : int

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
    weights[[z for z, _ in layout.keys], np.arange(len(layout.keys))] = 1.0
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
