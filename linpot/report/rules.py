"""The rules by which numbers become words; a page prints them."""

from __future__ import annotations

import math
from dataclasses import dataclass

GRADES = ((0.03, "very good"), (0.10, "good"), (0.25, "usable with care"), (math.inf, "poor"))
"""Root mean square error over the spread of the labels, up to which a word holds."""

TONES = {"very good": "good", "good": "good", "usable with care": "fair", "poor": "bad"}

FEW, TOO_FEW = 20, 5
"""Structures below which errors are uncertain, and below which there is no verdict."""

GAP = 1.5
"""Test error over training error from which on it is worth a sentence."""

WORSE = 2.0
"""Error of a group over that of all data."""

BIASED = 0.8
"""Mean error of a group over its root mean square: errors of one sign."""

CONCENTRATED = 0.5
"""Share of the squared error in one structure of a hundred."""

MISSED = 0.05
"""Share of errors inside intervals, off the share that they promise."""

OUTSIDE = 0.01
"""Share of atoms beyond grade 1."""

GAIN = 0.05
"""Fall of the error over the last step in size."""

NEEDLESS, NEEDED = 1.02, 1.5
"""Growth of errors when a group is left out: of all groups, and of the group itself."""

SHOWN = 3
"""Holes, and groups of a property, that are named."""

GOOD, WHERE, ADD = "good", "where", "add"


@dataclass(frozen=True)
class Statement:
    """
    One sentence of the summary.

    Attributes
    ----------
    section : str
        `GOOD` (is it good), `WHERE` (where is it not) or `ADD` (what to add).
    tone : {"good", "fair", "bad", "plain"}
    text : str
    group : str or None
        Of the data, that the sentence finds fault with.
    """

    section: str
    tone: str
    text: str
    group: str | None = None


def rules() -> list[str]:
    """Return the rules of the summary, a sentence each."""
    words = "; ".join(
        f"{word} {'beyond' if math.isinf(limit) else f'up to {limit:.0%}'}"
        + (f" {GRADES[-2][0]:.0%}" if math.isinf(limit) else "")
        for limit, word in GRADES
    )
    return [
        "The relative error is the root mean square error (RMSE) over the standard deviation of "
        f"the labels (energies less E0, stresses) or their root mean square (forces): {words}. The "
        "verdict is the worse of energies and forces.",
        f"A group stands out if its RMSE is more than {WORSE:g} times that of all data; its errors "
        f"are one-sided if their mean is more than {BIASED:.0%} of their RMSE.",
        f"Test and training errors are told apart from a ratio of {GAP:g} on; fewer than {FEW} "
        f"test structures are called few, fewer than {TOO_FEW} are no ground for a verdict.",
        f"One structure of a hundred with more than {CONCENTRATED:.0%} of the squared force error "
        "is pointed at.",
        f"Error bars are called wrong if the share of errors inside differs by more than "
        f"{MISSED:g} from what they promise; environments are called new if more than "
        f"{OUTSIDE:.0%} of the atoms have an extrapolation grade beyond 1.",
        f"More functions are suggested if the last step in size lowered an error by more than "
        f"{GAIN:.0%}; a group is called replaceable if no error grows by more than "
        f"{NEEDLESS - 1.0:.0%} without it.",
    ]


def word_for(relative: float) -> str:
    """Return the word for a relative error."""
    return next(word for limit, word in GRADES if relative <= limit)
