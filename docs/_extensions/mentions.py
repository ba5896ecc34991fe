"""
Mentions become links: `docs/fitting.md` in a page or a docstring, `examples/03_...py`.

Files mention each other by their paths, which reads well in an editor. On the site a mention is a
link that carries the title of the page; a page that is not there is a warning, which stops the
build.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

DOCS = Path(__file__).parents[1]
_PAGE = re.compile(r"(?<!\]\()(?<![\w/`\[])docs/([\w/]+)\.md(?![\w`\]])")
_EXAMPLE = re.compile(r"(?<!\]\()(?<![\w/\[])(`?)examples/(\d\d)_(\w+)\.py\1(?![\w\]])")
_FENCE = re.compile(r"^(```+|~~~+)")

log = logging.getLogger(__name__)


def title_of(path: Path) -> str:
    """Return the first heading of a page."""
    return next(
        line.removeprefix("# ").strip()
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("# ")
    )


def _title(name: str, where: str) -> str | None:
    path = DOCS / f"{name}.md"
    if not path.is_file():
        log.warning("%s mentions docs/%s.md, which is not there", where, name)
        return None
    return title_of(path)


def link_mentions(text: str, page: str) -> str:
    """Return the text of a page with links for its mentions, code blocks as they are."""
    up = "../" * (len(PurePosixPath(page).parts) - 1)

    def to_page(match: re.Match[str]) -> str:
        title = _title(match[1], page)
        return match[0] if title is None else f"[{title}]({up}{match[1]}.md)"

    def to_example(match: re.Match[str]) -> str:
        return f"[{match[2]}_{match[3]}.py]({up}examples.md#example-{match[2]})"

    lines, fence = [], ""
    for line in text.splitlines():
        opened = _FENCE.match(line.strip())
        if opened and not fence:
            fence = opened[1]
        elif fence and line.strip() == fence:
            fence = ""
        elif not fence and not line.startswith("    "):
            line = _EXAMPLE.sub(to_example, _PAGE.sub(to_page, line))
        lines.append(line)
    return "\n".join(lines) + "\n"


def _of_pages(app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = link_mentions(source[0], name)


def _of_included(app: Sphinx, path: Path, parent: str, content: list[str]) -> None:
    content[0] = link_mentions(content[0], parent)


def _of_docstrings(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    def to_page(match: re.Match[str]) -> str:
        title = _title(match[1], name)
        return match[0] if title is None else f":doc:`{title} </{match[1]}>`"

    lines[:] = [_PAGE.sub(to_page, line) for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    """Listen to pages, what they include, and to docstrings after napoleon."""
    app.connect("source-read", _of_pages)
    app.connect("include-read", _of_included)
    app.connect("autodoc-process-docstring", _of_docstrings, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
