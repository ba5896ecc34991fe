"""The figures of a page for papers and slides: PNG and SVG by matplotlib."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from linpot.errors import InputError
from linpot.report.axes import AXES, COLORS, SERIES, round_numbers
from linpot.report.charts import known_properties
from linpot.report.contents import PageContents, PairCurves, SizeCurve
from linpot.report.data_charts import PART_NAMES, PART_STYLES, pair_limits
from linpot.report.error_charts import graded_errors
from linpot.report.figures import draw_parity, draw_reliability, save_figure, tidy
from linpot.report.samples import EDGES
from linpot.report.wording import UNITS, WORDS

FORMATS = ("png", "svg")


def save_figures(
    contents: PageContents, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> list[Path]:
    """
    Write every figure of a page as PNG and SVG.

    Parameters
    ----------
    contents : PageContents
    folder : path
        Made if it is missing.
    overwrite : bool

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If the folder cannot be made, or a file exists and `overwrite` is False.
    """
    place = Path(folder)
    try:
        place.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder '{folder}': {error.strerror}") from error
    saved = []
    for name, figure in draw_page(contents):
        for form in FORMATS:
            saved.append(place / f"{name}.{form}")
            save_figure(figure, saved[-1], overwrite=overwrite)
    return saved


def draw_page(contents: PageContents) -> Iterator[tuple[str, Figure]]:
    """
    Draw the figures of a page.

    Parameters
    ----------
    contents : PageContents

    Yields
    ------
    (str, matplotlib.figure.Figure)
        Name and figure.
    """
    for name in known_properties(contents):
        yield f"parity_{name}", _parity(contents, name)
        yield f"errors_{name}", _distribution(contents, name)
    for own in contents.pairs:
        yield f"pair_{'_'.join(own.pair)}", _pair(own)
    if any("energy" in d.points and np.isfinite(d.volumes).any() for d in contents.data):
        yield "volumes", _volumes(contents)
    if contents.reliability:
        curves = {WORDS[name]: own["diagram"] for name, own in contents.reliability.items()}
        yield "calibration", draw_reliability(curves)
    if graded_errors(contents)[0]:
        yield "grades", _grades(contents)
    if contents.sizes is not None:
        for name in contents.sizes.drawn:
            yield f"sizes_{name}", _sizes(contents.sizes, name)


def _parity(contents: PageContents, name: str) -> Figure:
    figure, axes = _panel(4.2, 4.0)
    quantity, unit, factor = AXES[name]
    data = [
        (own.name, factor * own.points[name].values.T)
        for own in contents.data
        if name in own.points
    ]
    errors = {
        own.name: own.metrics["all"][name]["rmse"] for own in contents.data if name in own.points
    }
    draw_parity(
        axes,
        data,
        quantity=quantity,
        unit=unit,
        error_unit=UNITS[name][0],
        factor=UNITS[name][1] / factor,
        errors={key: UNITS[name][1] * value for key, value in errors.items()},
    )
    return figure


def _distribution(contents: PageContents, name: str) -> Figure:
    figure, axes = _panel(4.2, 3.0)
    unit, factor = UNITS[name]
    known = [own for own in contents.data if name in own.counts]
    used = np.flatnonzero(sum(own.counts[name] for own in known))
    first = max(int(used[0]), int(used[-1]) - 80)
    for own in known:
        share = 100.0 * own.counts[name] / own.counts[name].sum()
        axes.stairs(
            share[first : used[-1] + 1],
            factor * EDGES[first : used[-1] + 2],
            color=COLORS[own.name],
            label=own.name,
            linewidth=1.5,
        )
    axes.set(xscale="log", xlabel=f"absolute error of {WORDS[name]} ({unit})")
    axes.set_ylabel("share of errors (%)")
    axes.legend(fontsize="small", frameon=False)
    tidy(axes)
    return figure


def _pair(own: PairCurves) -> Figure:
    figure, axes = _panel(4.2, 3.4)
    low, high = pair_limits(own)
    if own.density.any():
        back = axes.twinx()
        back.stairs(own.density, own.edges, fill=True, color=COLORS["train"], alpha=0.35)
        back.set(ylim=(0.0, 2.5))
        back.set_axis_off()
    for key, energies in own.curves.items():
        color, dash, width = PART_STYLES[key]
        style, label = "-" if dash == "solid" else "--", PART_NAMES[key]
        axes.plot(own.r, energies, style, color=color, linewidth=0.7 * width, label=label)
    if own.shortest is not None:
        edge = float(np.interp(own.shortest, own.r, own.curves["total"]))
        axes.plot(own.shortest, edge, "o", color=SERIES[0], markersize=5.0)
    axes.set(xlim=(max(0.0, 0.6 * own.r[0]), own.r[-1]), ylim=(low, high))
    axes.set(xlabel=f"distance {'-'.join(own.pair)} (Å)", ylabel="energy of two atoms (eV)")
    axes.legend(fontsize="small", frameon=False)
    tidy(axes)
    return figure


def _volumes(contents: PageContents) -> Figure:
    figure, axes = _panel(4.2, 3.4)
    for own in contents.data:
        if "energy" in own.points:
            points = own.points["energy"]
            volumes = own.volumes[points.places[:, 0]]
            axes.scatter(
                volumes, points.values[:, 0], s=8.0, color=COLORS[own.name], label=own.name
            )
    axes.set(xlabel="volume (Å$^3$/atom)", ylabel="energy less E0 (eV/atom)")
    axes.legend(fontsize="small", frameon=False)
    tidy(axes)
    return figure


def _sizes(sizes: SizeCurve, name: str) -> Figure:
    figure, axes = _panel(4.2, 3.2)
    unit, factor = UNITS[name]
    for (own, prop), errors in sizes.errors.items():
        if prop == name:
            values = factor * np.array(errors)
            axes.plot(sizes.n_functions, values, "o-", color=COLORS[own], label=own)
    axes.set(xscale="log", yscale="log", xlabel="functions")
    axes.set_ylabel(f"RMSE of {WORDS[name]} ({unit})")
    low, high = axes.get_ylim()
    axes.set_xticks(sizes.n_functions, labels=list(map(str, sizes.n_functions)), minor=False)
    axes.set_yticks(round_numbers(low, high), labels=[f"{v:g}" for v in round_numbers(low, high)])
    axes.minorticks_off()
    axes.set_ylim(low, high)
    axes.legend(fontsize="small", frameon=False)
    tidy(axes)
    return figure


def _grades(contents: PageContents) -> Figure:
    figure, axes = _panel(4.2, 3.2)
    drawn, errors = graded_errors(contents)
    assert contents.grades is not None
    name = "forces" if "forces" in contents.judged.per_structure else "energy"
    unit, factor = UNITS[name]
    axes.scatter(contents.grades.largest[drawn], factor * errors, s=10.0, color=COLORS["test"])
    for grade, color in ((1.0, SERIES[4]), (2.0, SERIES[5])):
        axes.axvline(grade, color=color, linewidth=1.0, linestyle="--")
    axes.set(xscale="log", yscale="log", xlabel="largest extrapolation grade of the structure")
    axes.set_ylabel(f"RMSE of {WORDS[name]} ({unit})")
    tidy(axes)
    return figure


def _panel(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
