"""What to add to data and fit, from the numbers of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from linpot.report.contents import TRAIN, PageContents
from linpot.report.rules import (
    ADD,
    GAIN,
    NEEDED,
    NEEDLESS,
    OUTSIDE,
    Statement,
)
from linpot.report.wording import WORDS, listed


def what_to_add(contents: PageContents, found: Sequence[Statement]) -> Iterator[Statement]:
    """
    Yield what would make the potential better.

    Parameters
    ----------
    contents : PageContents
    found : sequence of Statement
        What was said before.

    Yields
    ------
    Statement
    """
    if not contents.is_tested:
        yield Statement(ADD, "plain", "Test data: structures of the kind that will be simulated.")
    groups = list(dict.fromkeys(f"'{s.group}'" for s in found if s.group is not None))
    if groups:
        many = "s" if len(groups) > 1 else ""
        yield Statement(
            ADD, "plain", f"More structures like those of the group{many} {listed(groups)}."
        )
    yield from _from_notes(contents)
    unseen = ["-".join(own.pair) for own in contents.pairs if own.shortest is None]
    if unseen and contents.data[0].name == TRAIN:
        yield Statement(
            ADD,
            "plain",
            f"Structures with neighbors {listed(unseen)}: the training data have none, so these "
            "interactions are guesses.",
        )
    grades = contents.grades
    if grades is not None and grades.above_one > OUTSIDE:
        yield Statement(
            ADD,
            "plain",
            "Structures with new environments: 'linpot select' picks them out of a pool by the "
            "same active set.",
        )
    yield from _from_sizes(contents)
    yield from _from_worth(contents)
    first = contents.data[0]
    no_stress = first.name == TRAIN and "stress" not in first.metrics["all"]
    if no_stress and np.isfinite(first.volumes).any():
        text = "Stresses, if pressures or elastic constants matter: there are none."
        yield Statement(ADD, "plain", text)


def _from_notes(contents: PageContents) -> Iterator[Statement]:
    if any("no isolated atom in the data" in note for note in contents.notes):
        yield Statement(
            ADD,
            "plain",
            "Isolated atoms, if atoms will leave: without them the energy of separated atoms has "
            "no meaning.",
        )


def _from_sizes(contents: PageContents) -> Iterator[Statement]:
    sizes = contents.sizes
    if sizes is None or len(sizes.n_functions) < 2:
        return
    gains = {}
    for name in ("energy", "forces"):
        values = sizes.errors.get((contents.judged.name, name), ())
        if len(values) > 1 and values[-2] > 0.0:
            gains[name] = 1.0 - values[-1] / values[-2]
    if not gains:
        return
    before, after = sizes.n_functions[-2:]
    told = " and ".join(
        f"those of {WORDS[p]} {'fall' if g >= 0.0 else 'rise'} by {abs(g):.0%}"
        for p, g in gains.items()
    )
    if max(gains.values()) > GAIN:
        advice = "More functions: the errors still fall."
    elif min(gains.values()) < -GAIN:
        advice = "More data rather than more functions: larger fits are not better."
    else:
        advice = "Not more functions: they change little."
    yield Statement(ADD, "plain", f"{advice} From {before} to {after} functions, {told}.")


def _from_worth(contents: PageContents) -> Iterator[Statement]:
    worth = contents.worth
    if worth is None:
        return
    needless, needed = [], []
    for i, group in enumerate(worth.groups):
        growth = [rows[i] for rows in worth.ratio.values()]
        own = [row[worth.tested.index(group)] for row in growth]
        if max(np.nanmax(row) for row in growth) < NEEDLESS:
            needless.append(f"'{group}'")
        if own and np.nanmax(own) > NEEDED:
            needed.append((float(np.nanmax(own)), f"'{group}'"))
    if needed:
        ratio, first = max(needed)
        yield Statement(
            ADD,
            "plain",
            f"Nothing replaces group {first}: left out, its own errors are {ratio:.1f} times as "
            "large. More of it pays most where it will be simulated.",
        )
    if needless:
        yield Statement(
            ADD,
            "plain",
            f"No more of {listed(needless)}: the other data replace "
            f"{'it' if len(needless) == 1 else 'each of them'}.",
        )
