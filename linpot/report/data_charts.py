"""Charts of what the data hold and what the potential does with two atoms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from linpot.report.axes import COLORS, SERIES, Chart, base_layout, plain, rounded, significant
from linpot.report.contents import TRAIN, PageContents, PairCurves
from linpot.report.wording import UNITS, WORDS

PART_NAMES = {
    "total": "whole potential",
    "learned": "learned part",
    "pair terms": "its pair terms",
    "baseline": "baseline",
}
PART_STYLES = {
    "total": (SERIES[0], "solid", 3),
    "learned": (SERIES[1], "solid", 1.5),
    "baseline": (SERIES[2], "dot", 1.5),
    "pair terms": (SERIES[3], "dot", 1.5),
}
"""Color, dash and width of the curves; the page has one legend for all of them."""


def pair_chart(own: PairCurves) -> Chart:
    """Return the energy of two atoms, part by part, over the training distances."""
    low, high = pair_limits(own)
    pair = "\u2013".join(own.pair)
    centers = 0.5 * (own.edges[1:] + own.edges[:-1])
    traces: list[dict[str, Any]] = []
    if own.density.any():
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "training distances",
                "x": rounded(centers, 3),
                "y": rounded(own.density, 3),
                "yaxis": "y2",
                "fill": "tozeroy",
                "line": {"color": COLORS[TRAIN], "width": 1, "shape": "hvh"},
                "hoverinfo": "skip",
            }
        )
    shown = own.r >= 0.3
    for key, energies in own.curves.items():
        color, dash, width = PART_STYLES[key]
        far = (energies > high + 4.0 * (high - low)) | (energies < 6.0 * low)
        clipped = np.where(far, np.nan, energies)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": PART_NAMES[key],
                "x": rounded(own.r[shown], 3),
                "y": rounded(clipped[shown], 4),
                "line": {"color": color, "width": width, "dash": dash},
                "hovertemplate": "%{y:.3f} eV",
            }
        )
    if own.shortest is not None:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"shortest in the data, {own.shortest:.2f} Å",
                "x": [round(own.shortest, 3)],
                "y": [round(float(np.interp(own.shortest, own.r, own.curves["total"])), 4)],
                "marker": {"color": PART_STYLES["total"][0], "size": 9},
                "hoverinfo": "skip",
            }
        )
    layout = base_layout(f"distance {pair} (Å)", "energy of two atoms (eV)")
    layout["xaxis"]["range"] = [max(0.0, 0.6 * own.r[0]), float(own.r[-1])]
    layout["yaxis"]["range"] = [low, high]
    layout["yaxis2"] = {
        "overlaying": "y",
        "side": "right",
        "visible": False,
        "range": [0.0, 2.5],
        "fixedrange": True,
    }
    layout |= {"hovermode": "x unified", "showlegend": False}
    layout["xaxis"] |= {
        "unifiedhovertitle": {"text": "%{x:.2f} Å"},
        "spikecolor": "#808080",
        "spikethickness": 1,
        "spikedash": "solid",
    }
    return {
        "id": f"pair-{'-'.join(own.pair)}",
        "label": f"Energy of two atoms {pair} against their distance",
        "data": traces,
        "layout": layout,
    }


def pair_limits(own: PairCurves) -> tuple[float, float]:
    """Return lowest and highest energy to show: wells in full, walls as far as three of them."""
    inside = own.r >= (own.shortest or own.r[0])
    depths = [-float(np.min(e[inside])) for k, e in own.curves.items() if k != "baseline"]
    wall = float(np.interp(own.shortest or own.r[0], own.r, own.curves["total"]))
    reach = max(0.3, *depths, min(wall, 20.0) / 2.0)
    return -1.25 * max([0.1, *depths]), 2.5 * reach


def coverage(contents: PageContents) -> Iterator[Chart]:
    """Yield charts of what the data hold, as far as they hold it."""
    yield _volumes(contents)
    if contents.temperatures:
        yield _temperatures(contents)
    if max(len(own.elements) for own in contents.data) > 1:
        yield _elements(contents)


def _volumes(contents: PageContents) -> Chart:
    """Energies against volumes, where cells have them."""
    traces = []
    for own in contents.data:
        if "energy" not in own.points:
            continue
        points = own.points["energy"]
        volumes = own.volumes[points.places[:, 0]]
        bulk = np.isfinite(volumes)
        if bulk.any():
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": own.name,
                    "x": rounded(volumes[bulk], 3),
                    "y": rounded(points.values[bulk, 0], 4),
                    "places": points.places[bulk].tolist(),
                    "marker": {"color": COLORS[own.name], "size": 5, "opacity": 0.65},
                }
            )
    layout = base_layout("volume (Å³/atom)", "energy less E0 (eV/atom)")
    return {
        "id": "volumes",
        "label": "Energies of the data against their volumes",
        "data": traces,
        "layout": layout,
        "unit": "eV/atom",
    }


def _temperatures(contents: PageContents) -> Chart:
    traces = []
    name = "forces" if "forces" in contents.judged.metrics["all"] else "energy"
    unit, factor = UNITS[name]
    for own in contents.data:
        seen = [
            (contents.temperatures[group], factor * errors[name]["rmse"], group)
            for group, errors in own.metrics["groups"].items()
            if group in contents.temperatures and name in errors
        ]
        if seen:
            kelvin, errors, groups = zip(*sorted(seen), strict=True)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": own.name,
                    "x": list(kelvin),
                    "y": significant(np.array(errors)),
                    "text": [plain(group) for group in groups],
                    "line": {"color": COLORS[own.name]},
                    "marker": {"size": 8},
                    "hovertemplate": "%{text}<br>%{x:g} K: %{y:.4g} " + unit,
                }
            )
    layout = base_layout(
        "temperature in the name of the group (K)", f"RMSE of {WORDS[name]} ({unit})"
    )
    layout["xaxis"]["rangemode"] = layout["yaxis"]["rangemode"] = "tozero"
    return {
        "id": "temperatures",
        "label": "Errors against temperature",
        "data": traces,
        "layout": layout,
    }


def _elements(contents: PageContents) -> Chart:
    traces = []
    for own in contents.data:
        total = sum(errors.n_atoms for errors in own.elements.values())
        counts = [errors.n_atoms for errors in own.elements.values()]
        holders = [errors.n_structures for errors in own.elements.values()]
        traces.append(
            {
                "type": "bar",
                "name": own.name,
                "x": list(own.elements),
                "y": significant(100.0 * np.array(counts) / total),
                "customdata": [list(pair) for pair in zip(counts, holders, strict=True)],
                "marker": {"color": COLORS[own.name]},
                "hovertemplate": "%{x}: %{customdata[0]} atoms in %{customdata[1]} structures",
            }
        )
    layout = base_layout("element", "share of atoms (%)")
    return {"id": "elements", "label": "Atoms of each element", "data": traces, "layout": layout}
