"""
The page: one HTML file that needs nothing else.

Everything that comes from data is escaped: jinja2 escapes text, `_as_json` what scripts read. The
content security policy names the hashes of the page's own scripts and forbids all others, and all
connections.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from linpot.report.charts import known_properties, make_charts
from linpot.report.contents import PageContents
from linpot.report.data_charts import PART_NAMES, PART_STYLES
from linpot.report.drawing import RINGED, draw_structure, is_cut
from linpot.report.rules import ADD, GOOD, WHERE, rules
from linpot.report.tables import (
    coverage_table,
    element_table,
    error_table,
    reliability_table,
    worth_tables,
)
from linpot.report.verdict import judge
from linpot.report.wording import UNITS, WORDS, digits, in_unit

SECTIONS = (
    (GOOD, "Is it good?"),
    (WHERE, "Where is it not?"),
    (ADD, "What to add?"),
)
LIBRARY = "plotly-basic.min.js"


def render_page(contents: PageContents) -> str:
    """
    Return the HTML of a page.

    Parameters
    ----------
    contents : PageContents

    Returns
    -------
    str
    """
    charts = make_charts(contents)
    script, library = _asset("templates/page.js"), _asset(f"assets/{LIBRARY}")
    statements = judge(contents)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            contents=contents,
            judged=contents.judged,
            verdict=statements[0],
            statements=[
                (title, [s for s in statements[1:] if s.section == section])
                for section, title in SECTIONS
            ],
            rules=rules(),
            properties=known_properties(contents),
            words=WORDS,
            units=UNITS,
            charts={chart["id"]: chart["label"] for chart in charts},
            samples=_samples(contents),
            error_tables=[error_table(p, contents.data) for p in known_properties(contents)],
            element_table=element_table(contents.judged),
            coverage_table=coverage_table(contents),
            reliability_table=reliability_table(contents.reliability or {}),
            worth_tables=[] if contents.worth is None else worth_tables(contents.worth),
            worst=[
                (own, Markup(draw_structure(own)), is_cut(own), _errors_of(contents, own.index))
                for own in contents.worst
            ],
            groups=_groups(contents),
            parts=PART_STYLES,
            part_names=PART_NAMES,
            ringed=f"{RINGED:.0%}",
            digits=digits,
            payload=_as_json(
                {"charts": charts, "structures": _structures(contents), "groups": _groups(contents)}
            ),
            metrics=_as_json({own.name: own.metrics for own in contents.data}),
            style=Markup(_asset("templates/page.css")),
            script=Markup(script),
            library=Markup(library),
            script_hashes=Markup(
                " ".join(f"'sha256-{_sha256(text)}'" for text in (library, script))
            ),
        )
    )


def _samples(contents: PageContents) -> list[str]:
    """Say where fewer points are drawn than there are."""
    return [
        f"{own.name} {WORDS[name]}: {len(points.values):,} of {points.total:,}"
        for own in contents.data
        for name, points in own.points.items()
        if len(points.values) < points.total
    ]


def _structures(contents: PageContents) -> dict[str, dict[int, list[str | int]]]:
    """Return name, place of the group and formula of structures that are drawn."""
    place = {group: k for k, group in enumerate(_groups(contents))}
    return {
        own.name: {k: [line.name, place[line.group], line.formula] for k, line in own.lines.items()}
        for own in contents.data
    }


def _groups(contents: PageContents) -> list[str]:
    return sorted({line.group for own in contents.data for line in own.lines.values()})


def _errors_of(contents: PageContents, index: int) -> list[str]:
    """Return the errors of a structure in words, as far as it has labels."""
    errors = {p: float(own[index]) for p, own in contents.judged.per_structure.items()}
    return [f"{p} {in_unit(p, value)}" for p, value in errors.items() if not math.isnan(value)]


def _as_json(value: Any) -> Markup:
    """Return JSON that ends no script and opens no tag; floats keep all their digits."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


@cache
def _asset(name: str) -> str:
    return (files("linpot.report") / name).read_text(encoding="utf-8").strip()


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(lambda name: _asset(f"templates/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
