"""
Docstrings are plain text, to be read in an editor.

What reStructuredText would read into them (`|F|`, `a * b`, `coef_`) is escaped, except in
backticks. Public names in backticks become links. Methods that scikit-learn adds to estimators are
left out.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

import linpot

_LITERAL = re.compile(r"(``.+?``|`[^`]+`)")
_NAMES = re.compile(r"^(\s*(?:\* |(?:\w+, )*\w+ : ))?(.*)$", re.DOTALL)
"""A bullet, or names of parameters, and the rest of a line."""
_ROUTING = re.compile(r"set_\w+_request")
_SPECIAL = re.compile(r"([|*])|(?<=\w)(_)(?!\w)")


def escape(line: str) -> str:
    """Return a line whose special characters stand for themselves; names are left to napoleon."""
    names, rest = _NAMES.fullmatch(line).groups(default="")
    parts = _LITERAL.split(rest)
    parts[1::2] = [_linked(part) for part in parts[1::2]]
    parts[::2] = [_SPECIAL.sub(lambda m: "\\" + m[0], part) for part in parts[::2]]
    return names + "".join(parts)


def _linked(literal: str) -> str:
    name = literal.strip("`")
    is_public = literal == f"`{name}`" and name in linpot.__all__
    return f":obj:`~linpot.{name}`" if is_public else literal


def _escape(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    lines[:] = [line if line.lstrip().startswith(">>>") else escape(line) for line in lines]


def _skip(
    app: Sphinx, what: str, name: str, thing: object, skip: bool, options: object
) -> bool | None:
    return True if _ROUTING.fullmatch(name) else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Listen before napoleon."""
    app.connect("autodoc-process-docstring", _escape, priority=100)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
