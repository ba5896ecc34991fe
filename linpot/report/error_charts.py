"""Charts of errors: parity, distribution, calibration, size, grades."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from linpot.report.axes import (
    AXES,
    COLORS,
    SERIES,
    Chart,
    base_layout,
    decimals_of,
    round_numbers,
    rounded,
    significant,
)
from linpot.report.contents import DataErrors, PageContents, SizeCurve
from linpot.report.samples import EDGES
from linpot.report.wording import UNITS, WORDS


def parity(name: str, data: Sequence[DataErrors]) -> Chart:
    """Return predictions against labels; every point knows its structure."""
    quantity, unit, factor = AXES[name]
    unit_of_errors, factor_of_errors = UNITS[name]
    traces, ends = [], []
    for own in data:
        if name not in own.points:
            continue
        points = own.points[name]
        labels, predictions = factor * points.values.T
        errors = factor_of_errors * np.diff(points.values, axis=1)[:, 0]
        decimals = decimals_of(0.01 * factor * own.metrics["all"][name]["mae"])
        ends += [points.values.min() * factor, points.values.max() * factor]
        symbols = (
            [own.lines[s].symbols[c // 3] for s, c in points.places.tolist()]
            if (name == "forces")
            else []
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": own.name,
                "symbols": symbols,
                "x": rounded(labels, decimals),
                "y": rounded(predictions, decimals),
                "errors": rounded(errors, decimals_of(0.001 * np.abs(errors).max())),
                "places": points.places.tolist(),
                "marker": {"color": COLORS[own.name], "size": 5, "opacity": 0.65},
            }
        )
    low, high = min(ends), max(ends)
    margin = 0.04 * (high - low) or 0.5
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": [low - margin, high + margin],
        "y": [low - margin, high + margin],
        "line": {"color": "#808080", "width": 1},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    layout = base_layout(f"reference {quantity} ({unit})", f"predicted {quantity} ({unit})")
    layout["xaxis"]["range"] = layout["yaxis"]["range"] = [low - margin, high + margin]
    return {
        "id": f"parity-{name}",
        "label": f"Predicted against reference {WORDS[name]}",
        "data": [line, *traces],
        "layout": layout,
        "property": name,
        "unit": unit,
        "errorUnit": unit_of_errors,
        "parityTitle": f"predicted {quantity} ({unit})",
        "range": [low - margin, high + margin],
        "errorTitle": f"predicted \u2212 reference ({unit_of_errors})",
    }


def distribution(name: str, data: Sequence[DataErrors]) -> Chart:
    """Return how often absolute errors of a size occur."""
    unit, factor = UNITS[name]
    counts = {own.name: own.counts[name] for own in data if name in own.counts}
    used = np.flatnonzero(sum(counts.values()))
    # two bins in one: ten per decade; the smallest errors say nothing but take room
    first = max(int(used[0]), int(np.searchsorted(EDGES, 1e-4 * EDGES[used[-1]]))) // 2 * 2
    last = min((int(used[-1]) // 2 + 2) * 2, len(EDGES) - 1)  # with an empty bin at each end
    first = max(first - 2, 0)
    traces = []
    for set_name, own in counts.items():
        share = own[first:last].reshape(-1, 2).sum(axis=1) / own.sum()
        edges = factor * EDGES[first : last + 1 : 2]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": set_name,
                "x": significant(np.sqrt(edges[1:] * edges[:-1])),
                "y": significant(100.0 * share),
                "line": {"shape": "hvh", "color": COLORS[set_name], "width": 2},
                "fill": "tozeroy",
                "hovertemplate": "%{y:.2f} % of errors near %{x:.3g} " + unit,
            }
        )
    layout = base_layout(f"absolute error ({unit})", "share of errors (%)")
    layout["xaxis"] |= {"type": "log", "dtick": 1, "exponentformat": "power"}
    layout["yaxis"]["rangemode"] = "tozero"
    return {
        "id": f"errors-{name}",
        "label": f"Distribution of the errors of {WORDS[name]}",
        "data": traces,
        "layout": layout,
    }


def calibration(contents: PageContents) -> Chart:
    """Return promised against found coverage of the error bars."""
    ideal = {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1],
        "y": [0, 1],
        "line": {"color": "#808080", "width": 1},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": WORDS[name],
            "x": list(own["diagram"]["level"]),
            "y": rounded(np.array(own["diagram"]["coverage"]), 4),
            "line": {"color": SERIES[k], "width": 2},
            "hovertemplate": "promised %{x:.0%}, found %{y:.1%}",
        }
        for k, (name, own) in enumerate((contents.reliability or {}).items())
    ]
    layout = base_layout("share that the intervals promise", "share of errors inside")
    layout["xaxis"] |= {"range": [0, 1], "tickformat": ".0%"}
    layout["yaxis"] |= {"range": [0, 1], "tickformat": ".0%"}
    return {
        "id": "calibration",
        "label": "Reliability diagram of the error bars",
        "data": [ideal, *traces],
        "layout": layout,
    }


def size_chart(sizes: SizeCurve, name: str) -> Chart:
    """Return errors against the number of functions."""
    unit, factor = UNITS[name]
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": own,
            "x": list(sizes.n_functions),
            "y": significant(factor * np.array(errors)),
            "line": {"color": COLORS[own], "width": 2},
            "hovertemplate": "%{x} functions: %{y:.4g} " + unit,
        }
        for (own, prop), errors in sizes.errors.items()
        if prop == name
    ]
    layout = base_layout("functions", f"RMSE of {WORDS[name]} ({unit})")
    layout["xaxis"] |= {"type": "log", "tickvals": list(sizes.n_functions)}
    layout["xaxis"]["ticktext"] = [str(n) for n in sizes.n_functions]
    shown = factor * np.array([e for (_, p), own in sizes.errors.items() if p == name for e in own])
    ticks = round_numbers(float(shown.min()), float(shown.max()))
    layout["yaxis"] |= {"type": "log", "tickvals": ticks, "ticktext": [f"{v:g}" for v in ticks]}
    return {
        "id": f"sizes-{name}",
        "label": f"Errors of {WORDS[name]} against the number of functions",
        "data": traces,
        "layout": layout,
    }


def grade_chart(contents: PageContents) -> Chart:
    """Return errors of structures against their largest extrapolation grade."""
    grades, data = contents.grades, contents.judged
    assert grades is not None
    name = "forces" if "forces" in data.per_structure else "energy"
    unit, factor = UNITS[name]
    drawn, errors = graded_errors(contents)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": data.name,
        "x": significant(grades.largest[drawn]),
        "y": significant(factor * errors),
        "places": [[k, 0] for k in drawn],
        "marker": {"color": COLORS[data.name], "size": 6, "opacity": 0.7},
        "showlegend": False,
    }
    layout = base_layout(
        "largest extrapolation grade of the structure", f"RMSE of {WORDS[name]} ({unit})"
    )
    layout["xaxis"]["type"] = layout["yaxis"]["type"] = "log"
    layout["shapes"] = [
        {
            "type": "line",
            "x0": grade,
            "x1": grade,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": color, "width": 1, "dash": "dash"},
        }
        for grade, color in ((1, SERIES[4]), (2, SERIES[5]))
    ]
    return {
        "id": "grades",
        "label": "Errors against extrapolation grades",
        "data": [trace] if drawn else [],
        "layout": layout,
        "unit": unit,
    }


def graded_errors(contents: PageContents) -> tuple[list[int], NDArray[np.float64]]:
    """
    Return structures with a grade and an error, and the size of that error.

    Returns
    -------
    list of int
        Indices of drawn structures, without those whose errors symmetry forbids.
    float64[n], eV/A or eV/atom
        Root mean squares of force errors, or energy errors where there are no forces.
    """
    grades, data = contents.grades, contents.judged
    name = "forces" if "forces" in data.per_structure else "energy"
    if grades is None or name not in data.per_structure:
        return [], np.zeros(0)
    errors = np.nan_to_num(np.abs(data.per_structure[name]))
    seen = np.flatnonzero((errors > 1e-4 * errors.max()) & (grades.largest > 0.0))
    drawn = [k for k in seen.tolist() if k in data.lines]
    return drawn, errors[drawn]
