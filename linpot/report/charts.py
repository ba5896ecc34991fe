"""The interactive charts of a page."""

from __future__ import annotations

from linpot.report.axes import Chart
from linpot.report.contents import PROPERTIES, PageContents
from linpot.report.data_charts import coverage, pair_chart
from linpot.report.error_charts import calibration, distribution, grade_chart, parity, size_chart


def make_charts(contents: PageContents) -> list[Chart]:
    """
    Return the charts of a page.

    Parameters
    ----------
    contents : PageContents

    Returns
    -------
    list of dict
        ``id`` of the place on the page, ``data`` and ``layout`` for plotly.js, ``label`` for those
        who do not see.
    """
    charts = [parity(name, contents.data) for name in known_properties(contents)]
    charts += [distribution(name, contents.data) for name in known_properties(contents)]
    charts += [pair_chart(own) for own in contents.pairs]
    charts += list(coverage(contents))
    if contents.reliability:
        charts.append(calibration(contents))
    if contents.sizes is not None:
        charts += [size_chart(contents.sizes, name) for name in contents.sizes.drawn]
    if contents.grades is not None:
        charts.append(grade_chart(contents))
    return [chart for chart in charts if chart["data"]]


def known_properties(contents: PageContents) -> list[str]:
    """Return the properties that any data set has labels of."""
    return [p for p in PROPERTIES if any(p in own.points for own in contents.data)]
