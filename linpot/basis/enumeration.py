"""Which blocks of channels belong to a basis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from linpot.basis.counting import count_invariants
from linpot.basis.specification import BasisSpecification
from linpot.errors import InputError

Channel = tuple[int, int, int]
"""Angular momentum l, neighbor species index, radial index n: sorts as blocks order them."""

MANY = 200_000
"""Functions up to which those without mixtures are counted."""

_SLACK = 1e-9


@dataclass(frozen=True)
class Block:
    """
    A multiset of channels whose densities are multiplied.

    Attributes
    ----------
    level : float
        Degree plus the offset of its body order.
    channels : tuple of Channel
        Sorted.
    n_functions : int
        Independent invariants, by the exact count.
    """

    level: float
    channels: tuple[Channel, ...]
    n_functions: int

    @property
    def ls(self) -> tuple[int, ...]:
        """Angular momentum of each factor."""
        return tuple(c[0] for c in self.channels)

    @property
    def classes(self) -> tuple[int, ...]:
        """Equal numbers for equal channels, counted in order of appearance."""
        classes, last = [], -1
        for t, channel in enumerate(self.channels):
            last += t == 0 or channel != self.channels[t - 1]
            classes.append(last)
        return tuple(classes)


def select_blocks(specification: BasisSpecification, symbol: str) -> list[Block]:
    """
    List the blocks of one centre species, by body order, then level.

    Parameters
    ----------
    specification : BasisSpecification
    symbol : str
        Centre species.

    Returns
    -------
    list of Block

    Raises
    ------
    InputError
        If the number of functions asked for cannot be met within 3 %.
    """
    degrees = specification.degrees_of(symbol)
    if degrees is not None:
        blocks = [
            block
            for order, limit in enumerate(degrees, start=1)
            for block in _blocks_up_to(specification, order, limit)
        ]
    else:
        blocks = _blocks_by_count(specification, symbol)
    return sorted(blocks, key=lambda b: (len(b.channels), b.level, b.channels))


def count_functions(specification: BasisSpecification, symbol: str) -> int:
    """Return how many functions a centre species has, without building them."""
    return sum(block.n_functions for block in select_blocks(specification, symbol))


def count_unmixed(specification: BasisSpecification, symbol: str) -> int | None:
    """
    Return how many functions of the same degrees there would be of the densities of all species.

    None where they are more than `MANY`.
    """
    highest = [0.0] * (specification.body_order - 1)
    for block in select_blocks(specification, symbol):
        order = len(block.channels)
        degree = block.level - specification.degree_offsets[order - 1]
        highest[order - 1] = max(highest[order - 1], degree)
    whole = replace(specification, mixing=None, n_functions=None, max_degree=highest)
    total = 0
    for order, limit in enumerate(highest, start=1):
        for block in _blocks_up_to(whole, order, limit):
            total += block.n_functions
            if total > MANY:
                return None
    return total


def _blocks_by_count(specification: BasisSpecification, symbol: str) -> list[Block]:
    wanted = specification.functions_of(symbol)
    assert wanted is not None  # the specification guarantees one of the two
    level, step = 1.0, 1.0
    while True:
        blocks = [
            block
            for order in range(1, specification.body_order)
            for block in _blocks_up_to(
                specification, order, level - specification.degree_offsets[order - 1]
            )
        ]
        if sum(b.n_functions for b in blocks) >= wanted:
            break
        if level > 500:
            raise InputError(f"`n_functions` must be reachable, got {wanted}; raise `body_order`")
        level += step
    blocks.sort(key=lambda b: (round(b.level, 9), len(b.channels), b.channels))
    chosen, total = [], 0
    for block in blocks:
        if total and abs(total + block.n_functions - wanted) > abs(total - wanted):
            break
        chosen.append(block)
        total += block.n_functions
    if abs(total - wanted) > max(0.03 * wanted, 0.5):
        raise InputError(
            f"`n_functions` must be met within 3 %, got {wanted}; the nearest is {total} "
            f"for body order {specification.body_order}"
        )
    return chosen


def _blocks_up_to(specification: BasisSpecification, order: int, limit: float) -> Iterator[Block]:
    """Yield all blocks of one correlation order up to a degree."""
    offset = specification.degree_offsets[order - 1]
    channels = _channels(specification, order, limit)

    def extend(first: int, taken: list[Channel], degree: float) -> Iterator[Block]:
        if len(taken) == order:
            ordered = tuple(sorted(taken))
            block = Block(degree + offset, ordered, 0)
            n_functions = count_invariants(block.ls, block.classes)
            if n_functions:
                yield Block(degree + offset, ordered, n_functions)
            return
        left = order - len(taken)
        for k in range(first, len(channels)):
            cost, channel = channels[k]
            if degree + left * cost > limit + _SLACK:
                break  # channels are sorted by cost: no later one fits either
            yield from extend(k, [*taken, channel], degree + cost)

    yield from extend(0, [], 0.0)


def _channels(
    specification: BasisSpecification, order: int, limit: float
) -> list[tuple[float, Channel]]:
    """List (cost, channel) in ascending cost."""
    if limit < 0.0:
        return []
    n_cost = specification.pair_weight if order == 1 else 1.0
    l_top = 0 if order == 1 else specification.l_max
    channels = []
    for species in specification.species_of(order):
        before = specification.cost_of(species)
        for n in range(int(limit / n_cost + _SLACK) + 1):
            for l in range(l_top + 1):
                cost = before + n_cost * n + specification.angular_weight * l
                if cost > limit + _SLACK:
                    break
                channels.append((cost, (l, species, n)))
    return sorted(channels)
