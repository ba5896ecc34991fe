"""Which structure belongs to which part: at random, by group, or in blocks of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from linpot import checks
from linpot.errors import InputError

WAYS = ("random", "group", "time")
_BLOCKS = 20  # of each group, if the size of a block is not given


def assign_parts(
    groups: Sequence[str],
    parts: Mapping[str, float],
    *,
    by: str = "random",
    block: int | None = None,
    seed: int = 0,
) -> list[str]:
    """
    Deal structures to parts.

    Parameters
    ----------
    groups : sequence of str
        Group of each structure, in the order of the data.
    parts : mapping of str to float
        Name to share; shares sum to 1.
    by : {"random", "group", "time"}
        Structures one by one, at random inside each group; whole groups; blocks of consecutive
        structures of a group, so that near copies stay together.
    block : int, optional
        Structures of a block of time; a twentieth of the group if not given.
    seed : int

    Returns
    -------
    list of str
        Part of each structure.

    Raises
    ------
    InputError
        If shares are not positive or do not sum to 1, or if a part would be empty.
    """
    checks.one_of("by", by, WAYS)
    checks.integer("seed", seed, low=0)
    if block is not None:
        checks.integer("block", block, low=1)
        if by != "time":
            raise InputError("`block` needs by='time'")
    for name, share in parts.items():
        checks.positive(f"parts[{name!r}]", share, "share")
    if len(parts) < 2 or abs(sum(parts.values()) - 1.0) > 1e-6:
        raise InputError(
            "`parts` must be two or more shares that sum to 1, like train=0.8,test=0.2, got "
            + (",".join(f"{name}={share:g}" for name, share in parts.items()) or "none")
        )
    rng = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    if by == "group":
        dealt = _deal(list(members.values()), len(groups), parts, rng)
    else:
        dealt = {}
        debt = dict.fromkeys(parts, 0.0)  # what rounding owes to a part, carried on
        for own in members.values():
            size = 1 if by == "random" else block or max(1, -(-len(own) // _BLOCKS))
            items = [own[k : k + size] for k in range(0, len(own), size)]
            dealt |= _deal(items, len(own), parts, rng, debt)
    result = [dealt[place] for place in range(len(groups))]
    for name in parts:
        if name not in result:
            raise InputError(
                f"part {name!r} must get at least one structure, got none of {len(groups)} "
                f"(by {by}); change the shares"
            )
    return result


def _deal(
    items: Sequence[Sequence[int]],
    total: int,
    parts: Mapping[str, float],
    rng: np.random.Generator,
    debt: dict[str, float] | None = None,
) -> dict[int, str]:
    """Give items, in random order, each to the part that lacks most of its share."""
    owed = dict(debt or dict.fromkeys(parts, 0.0))
    lacking = {name: share * total + owed[name] for name, share in parts.items()}
    dealt: dict[int, str] = {}
    order = rng.permutation(len(items))
    # large items first where sizes differ: the small ones then even out
    for k in sorted(order.tolist(), key=lambda k: -len(items[k])):
        name = max(lacking, key=lambda part: lacking[part] / parts[part])
        lacking[name] -= len(items[k])
        dealt.update(dict.fromkeys(items[k], name))
    if debt is not None:
        debt.update(lacking)
    return dealt
