"""Figures of a fit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from linpot.io.atomic import write_atomically
from linpot.report.comparison import Comparison

Floats = NDArray[np.float64]

# Told apart by everybody: Okabe and Ito, Color Universal Design (2008)
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_MARKERS = ("o", "^", "s", "D")
_GREY = "#555555"
_MANY = 2000  # points from which on they are drawn small


class DimerScan(Protocol):
    """The energy of two atoms against their distance."""

    @property
    def pair(self) -> tuple[str, str]:
        """Elements."""

    @property
    def r(self) -> Floats:
        """Distances, A, ascending."""

    @property
    def energies(self) -> Floats:
        """Energies less those of separated atoms, eV."""

    @property
    def shortest(self) -> float:
        """Shortest distance in the training data, A."""


def draw_fit(comparisons: Sequence[Comparison], dimers: Sequence[DimerScan]) -> Figure:
    """
    Draw predictions against labels, and the energy of two atoms.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Later ones are drawn on top.
    dimers : sequence of DimerScan

    Returns
    -------
    matplotlib.figure.Figure
        Three panels.
    """
    figure = Figure(figsize=(11.0, 3.7), layout="constrained")
    energies, forces, pairs = figure.subplots(1, 3)
    draw_parity(
        energies,
        [(c.name, c.energies) for c in comparisons],
        quantity="energy",
        unit="eV/atom",
        error_unit="meV/atom",
        factor=1e3,
    )
    draw_parity(
        forces, [(c.name, c.forces) for c in comparisons], quantity="force component", unit="eV/A"
    )
    draw_dimers(pairs, dimers)
    return figure


def draw_parity(
    axes: Axes,
    data: Sequence[tuple[str, Floats]],
    *,
    quantity: str,
    unit: str,
    error_unit: str | None = None,
    factor: float = 1.0,
    errors: Mapping[str, float] | None = None,
) -> None:
    """
    Draw predictions against labels, with the root mean square errors in the legend.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    data : sequence of (name, float64[2, n])
        Labels and predictions.
    quantity, unit : str
        For the axes.
    error_unit : str, optional
        Unit of the errors, where it is another one.
    factor : float
        From `unit` to `error_unit`.
    errors : mapping of str to float, optional
        Root mean squares in `error_unit`, where only some of the points are drawn.
    """
    drawn = [(name, values) for name, values in data if values.shape[1]]
    if not drawn:
        axes.set_axis_off()
        axes.text(0.5, 0.5, f"no labels: {quantity}", ha="center", transform=axes.transAxes)
        return
    for index, (name, (labels, predictions)) in enumerate(drawn):
        if errors is None:
            error = factor * float(np.sqrt(np.mean((predictions - labels) ** 2)))
        else:
            error = errors[name]
        many = len(labels) > _MANY
        axes.scatter(
            labels,
            predictions,
            s=5.0 if many else 16.0,
            alpha=0.35 if many else 0.75,
            marker=_MARKERS[index % len(_MARKERS)],
            color=_COLORS[index % len(_COLORS)],
            linewidths=0.0,
            rasterized=many,
            label=f"{name}: RMSE {error:.3g} {error_unit or unit}",
            zorder=2.0 + index,
        )
    low = min(values.min() for _, values in drawn)
    high = max(values.max() for _, values in drawn)
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=_GREY, linewidth=0.8, zorder=1.0)
    ticks = MaxNLocator(5).tick_values(low, high)
    axes.set(xticks=ticks, yticks=ticks, xlim=limits, ylim=limits, aspect="equal")
    axes.set_xlabel(f"reference {quantity} ({unit})")
    axes.set_ylabel(f"predicted {quantity} ({unit})")
    legend = axes.legend(loc="upper left", fontsize="small", frameon=False, handletextpad=0.2)
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set(alpha=1.0, sizes=[16.0])
    tidy(axes)


def draw_dimers(axes: Axes, dimers: Sequence[DimerScan]) -> None:
    """
    Draw the energy of two atoms against their distance; a dot marks the shortest in the data.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    dimers : sequence of DimerScan
    """
    axes.axhline(0.0, color=_GREY, linewidth=0.8)
    depths = [0.5]
    for index, scan in enumerate(dimers):
        color = _COLORS[index % len(_COLORS)]
        style = ("-", "--", "-.", ":")[index // len(_COLORS) % 4]
        axes.plot(scan.r, scan.energies, style, color=color, label="-".join(scan.pair))
        edge = float(np.interp(scan.shortest, scan.r, scan.energies))
        axes.plot(scan.shortest, edge, "o", color=color, markersize=5.0)
        depths += [abs(scan.energies[scan.r >= scan.shortest]).max(), -scan.energies.min()]
    axes.plot([], [], "o", color=_GREY, markersize=5.0, label="shortest in the data")
    reach = float(max(depths))
    axes.set(ylim=(-1.2 * reach, 2.0 * reach), xlabel="distance (A)", box_aspect=1.0)
    axes.set_ylabel("energy of two atoms (eV)")
    axes.legend(fontsize="small", frameon=False)
    tidy(axes)


def draw_reliability(curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """
    Draw the share of errors inside intervals against their nominal level.

    Parameters
    ----------
    curves : mapping of property to {"level": ..., "coverage": ...}
        Above the diagonal, intervals are wider than they need to be.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(4.0, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.plot([0.0, 1.0], [0.0, 1.0], color=_GREY, linewidth=0.8)
    for index, (name, curve) in enumerate(curves.items()):
        axes.plot(
            curve["level"],
            curve["coverage"],
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=4.0,
            color=_COLORS[index % len(_COLORS)],
            label=name,
        )
    axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0), aspect="equal")
    axes.set(xlabel="nominal level of the intervals", ylabel="share of errors inside")
    axes.legend(fontsize="small", frameon=False)
    tidy(axes)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """
    Write a figure, all or nothing.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path
        Its ending tells the format, ``.png`` or ``.pdf`` for example.
    overwrite : bool

    Raises
    ------
    InputError
        If the file exists and `overwrite` is False, or cannot be written.
    """

    def write(temporary: Path) -> None:
        figure.savefig(temporary, dpi=200)

    write_atomically(path, write, overwrite=overwrite)


def tidy(axes: Axes) -> None:
    """Take away what figures do not need."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize="small")
