"""
What all charts share: colors, axes, short numbers, and text that cannot be read as a tag.

Charts are plain values in the form that plotly.js takes. Colors of text and grids are those of
the page, see ``page.css``.
"""

from __future__ import annotations

import html
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.report.contents import TEST, TRAIN
from linpot.report.wording import UNITS

Chart = dict[str, Any]
Floats = NDArray[np.float64]

COLORS = {TRAIN: "#97a0ab", TEST: "#2f7ed8"}
SERIES = ("#2f7ed8", "#e0792b", "#2fa36b", "#a05cc9", "#c9a227", "#d1495b")
"""Told apart on white and on black."""

AXES = {
    "energy": ("energy less E0", "eV/atom", 1.0),
    "forces": ("force component", "eV/Å", 1.0),
    "stress": ("stress component", "GPa", UNITS["stress"][1]),
    "charges": ("charge", "e", 1.0),
    "dipole": ("dipole component", "e Å", 1.0),
}


def plain(text: str) -> str:
    """Return text without anything that plotly.js or HTML could read as a tag."""
    return html.escape(text, quote=True)


def base_layout(x: str, y: str) -> dict[str, Any]:
    """Return a layout with titles of both axes."""
    axis = {"automargin": True, "ticks": "outside", "zeroline": False}
    return {
        "xaxis": {"title": {"text": x}, **axis},
        "yaxis": {"title": {"text": y}, **axis},
    }


def decimals_of(size: float) -> int:
    """Return how many decimals show `size`."""
    return min(max(math.ceil(-math.log10(size)), 0), 9) if size > 0.0 else 6


def rounded(values: Floats, decimals: int) -> list[float | None]:
    """Return numbers with few decimals, None for what is not finite."""
    return [round(v, decimals) if math.isfinite(v) else None for v in values.tolist()]


def significant(values: Floats) -> list[float | None]:
    """Return numbers with four digits, None for what is not finite."""
    return [float(f"{v:.4g}") if math.isfinite(v) else None for v in values.tolist()]


def round_numbers(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10 ... around a positive range."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [float(f"{m}e{p}") for p in powers for m in (1, 2, 5)]
