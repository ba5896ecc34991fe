"""The atomic cluster expansion as bilinear programs, one per centre species."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from linpot.basis.coupling import couple
from linpot.basis.enumeration import Block, select_blocks
from linpot.basis.program import Program
from linpot.basis.specification import BasisSpecification


@dataclass(frozen=True)
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
    monomials: list[NDArray[np.int64]] = []  # per block: nodes [n_monomials, order]
    for block in blocks:
        nodes = couple(block.ls, block.classes).monomials + np.array(
            [layout.node_of(channel) for channel in block.channels], dtype=np.int64
        )
        monomials.append(np.sort(nodes, axis=1))
    products = _Products(1 + layout.n_densities)
    leaves = products.split(monomials)
    features, entries, coefficients = [0], [], []
    pairs = np.concatenate(leaves) if leaves else np.zeros((0, 2), dtype=np.int64)
    unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
    inverse, start = inverse.ravel(), 0
    factors = np.full((0, max(map(len, monomials_orders(blocks)), default=1), 3), -1, np.int64)
    rows = []
    for block, nodes in zip(blocks, monomials, strict=True):
        coupling = couple(block.ls, block.classes)
        mine = inverse[start : start + len(nodes)]
        start += len(nodes)
        for function in coupling.coefficients:
            used = np.abs(function) > 0.0
            entries.append(mine[used])
            coefficients.append(function[used])
            features.append(features[-1] + int(used.sum()))
            row = np.full(factors.shape[1:], -1, dtype=np.int64)
            row[: len(block.channels)] = [(z, n, l) for l, z, n in block.channels]
            rows.append(row)
    return Program(
        **layout.arrays(),
        **products.arrays(),
        leaf_left=np.ascontiguousarray(unique[:, 0]),
        leaf_right=np.ascontiguousarray(unique[:, 1]),
        feature_offsets=np.array(features, dtype=np.int64),
        feature_leaf=np.concatenate(entries).astype(np.int64),
        feature_coefficient=np.concatenate(coefficients),
        factors=np.array(rows, dtype=np.int64),
    )


def monomials_orders(blocks: tuple[Block, ...]) -> list[range]:
    """Return one range per block as long as its correlation order."""
    return [range(len(b.channels)) for b in blocks]


class _DensityLayout:
    """Where the densities of each channel lie."""

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
        self._n_species = n_species

    def node_of(self, channel: tuple[int, int, int]) -> int:
        """Node of the m = -l component."""
        l, species, n = channel
        return self._start[species, n] + l * l

    def arrays(self) -> dict[str, NDArray]:
        """Return the part of a program that describes densities."""
        weights = np.zeros((self._n_species, len(self.keys)))
        for c, (species, _) in enumerate(self.keys):
            weights[species, c] = 1.0
        return {
            "channel_radial": np.array([n for _, n in self.keys], dtype=np.int64),
            "channel_angular": np.zeros(len(self.keys), dtype=np.int64),
            "channel_size": self.sizes,
            "channel_start": self.starts,
            "channel_weights": weights,
            "density_constants": np.zeros(self.n_densities),
        }


class _Products:
    """Shares the inner products of monomials: pairs first, then triples of a pair and a density."""

    def __init__(self, first_node: int) -> None:
        self._first = first_node
        self._pairs = np.zeros((0, 2), dtype=np.int64)
        self._triples = np.zeros((0, 2), dtype=np.int64)

    def split(self, monomials: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
        """
        Write every monomial as a product of two nodes and remember the nodes this needs.

        A monomial of nodes a <= b <= .. becomes a*1, a*b, (ab)*c, (ab)*(cd), (abc)*(de) or
        (abc)*(def).
        """
        halves = [_halves(m) for m in monomials]
        triples = [h for pair in halves for h in pair if h.shape[1] == 3]
        pairs = [h for pair in halves for h in pair if h.shape[1] == 2]
        pairs += [t[:, :2] for t in triples]
        self._pairs = _unique_rows(pairs, 2)
        all_triples = _unique_rows(triples, 3)
        first_triple = self._first + len(self._pairs)
        self._triples = np.stack(
            [self._first + _find(self._pairs, all_triples[:, :2]), all_triples[:, 2]], axis=1
        )

        def node(half: NDArray[np.int64]) -> NDArray[np.int64]:
            if half.shape[1] == 0:
                return np.zeros(len(half), dtype=np.int64)
            if half.shape[1] == 1:
                return half[:, 0]
            if half.shape[1] == 2:
                return self._first + _find(self._pairs, half)
            return first_triple + _find(all_triples, half)

        return [np.stack([node(left), node(right)], axis=1) for left, right in halves]

    def arrays(self) -> dict[str, NDArray | int]:
        """Return the part of a program that describes product nodes."""
        terms = np.concatenate([self._pairs, self._triples])
        return {
            "term_target": self._first + np.arange(len(terms), dtype=np.int64),
            "term_left": np.ascontiguousarray(terms[:, 0]),
            "term_right": np.ascontiguousarray(terms[:, 1]),
            "term_coefficient": np.ones(len(terms)),
            "n_nodes": self._first + len(terms),
        }


def _halves(monomials: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    order = monomials.shape[1]
    cut = {1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}[order]
    return monomials[:, :cut], monomials[:, cut:]


def _unique_rows(parts: list[NDArray[np.int64]], width: int) -> NDArray[np.int64]:
    if not parts:
        return np.zeros((0, width), dtype=np.int64)
    return np.unique(np.concatenate(parts), axis=0)


def _find(table: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of each row in a table of sorted unique rows."""
    if len(rows) == 0:
        return np.zeros(0, dtype=np.int64)
    base = int(max(table.max(), rows.max())) + 1
    weights = base ** np.arange(table.shape[1] - 1, -1, -1)
    return np.searchsorted(table @ weights, rows @ weights)
