"""Numbers and properties as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from linpot.constants import GPA_PER_EV_A3

UNITS = {
    "energy": ("meV/atom", 1e3),
    "forces": ("eV/Å", 1.0),
    "stress": ("GPa", GPA_PER_EV_A3),
    "charges": ("me", 1e3),
    "dipole": ("e Å", 1.0),
}
WORDS = {
    "energy": "energies",
    "forces": "forces",
    "stress": "stresses",
    "charges": "charges",
    "dipole": "dipoles",
}
SINGULAR = {
    "energy": "energy",
    "forces": "force",
    "stress": "stress",
    "charges": "charge",
    "dipole": "dipole",
}
SCALES = {
    "energy": "the spread of the energies",
    "forces": "the typical force",
    "stress": "the spread of the stresses",
    "charges": "the spread of the charges",
    "dipole": "the spread of the dipoles",
}


def in_unit(name: str, value: float) -> str:
    """Return an error with its unit, as people read it."""
    unit, factor = UNITS[name]
    return f"{digits(factor * value)} {unit}"


def digits(value: float) -> str:
    """Return a number with three digits and without an exponent where that is readable."""
    if not math.isfinite(value):
        return "\u2013"
    if value == 0.0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -5 or size > 6:
        return f"{value:.2e}"
    return f"{value:.{max(2 - size, 0)}f}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names with commas, the first ones where there are many."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
