"""Figures of a validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_COLOR, _GREY = "#0072B2", "#555555"
_COLUMNS = 3


class Line(Protocol):
    """One or more lines over one axis."""

    @property
    def title(self) -> str:
        """Above the panel."""

    @property
    def x_label(self) -> str:
        """Below it."""

    @property
    def y_label(self) -> str:
        """Beside it."""

    @property
    def x(self) -> list[float]:
        """Common to all lines."""

    @property
    def lines(self) -> list[list[float]]:
        """Each as long as `x`."""

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Named places on the x axis; empty for numbers."""


def draw_curves(curves: Sequence[Line], title: str = "") -> Figure:
    """
    Draw every curve in a panel of its own.

    Parameters
    ----------
    curves : sequence of Line
    title : str
        Of the figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = 2 if len(curves) == 4 else min(_COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(3.9 * columns, 3.1 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, curve in zip(panels, curves, strict=False):
        draw_curve(axes, curve)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    if title:
        figure.suptitle(title, fontsize="medium")
    return figure


def draw_curve(axes: Axes, curve: Line) -> None:
    """
    Draw one curve.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    curve : Line
    """
    few = len(curve.x) <= 25
    for line in curve.lines:
        axes.plot(
            curve.x, line, color=_COLOR, linewidth=1.0, marker="o" if few else "", markersize=3.0
        )
    if curve.ticks:
        for place, _ in curve.ticks:
            axes.axvline(place, color=_GREY, linewidth=0.5)
        merged: dict[float, list[str]] = {}
        for place, name in curve.ticks:
            merged.setdefault(place, []).append("\u0393" if name == "G" else name)
        axes.set_xticks(list(merged), ["|".join(dict.fromkeys(n)) for n in merged.values()])
        axes.set_xlim(curve.x[0], curve.x[-1])
        axes.axhline(0.0, color=_GREY, linewidth=0.8)
    axes.set(xlabel=curve.x_label, ylabel=curve.y_label)
    axes.set_title(curve.title, fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize="small")
