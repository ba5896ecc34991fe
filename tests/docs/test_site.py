"""The documentation site: it builds without a warning, and every link, image and name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import linpot
from linpot.cli.main import linpot as command

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(p.relative_to(DOCS).with_suffix(".html") for p in DOCS.rglob("*.md"))
LOADED = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}
NO_FILES = {"canonical", "search", "index", "next", "prev", "author"}
"""Kinds of `link` that load nothing, or what is checked as a link of the page."""


@dataclass
class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors it has."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def read(cls, path: Path) -> Page:
        page = cls()
        page.feed(path.read_text(encoding="utf-8"))
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif LOADED.get(tag) in values and values.get("rel") not in NO_FILES:
            self.loaded.append(values[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "--keep-going", "-q", "-b", "html", "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder / "html")],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path.relative_to(site): Page.read(path) for path in sorted(site.rglob("*.html"))}


def test_every_page_is_in_the_navigation(pages):
    assert set(PAGES) <= set(pages)
    linked = {Path(urlsplit(link).path) for link in pages[Path("index.html")].links}
    assert set(PAGES) - {Path("index.html")} <= linked


def test_every_internal_link_resolves(site, pages):
    n_checked = 0
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or link == "#":
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            assert target.is_file(), f"{name}: {link}"
            anchor = unquote(parts.fragment)
            if anchor and target.suffix == ".html":
                found = pages[target.resolve().relative_to(site.resolve())].anchors
                assert anchor in found, f"{name}: {link}"
            n_checked += 1
    assert n_checked > 1000


def test_pages_load_nothing_from_elsewhere(site, pages):
    for name, page in pages.items():
        for source in page.loaded:
            parts = urlsplit(source)
            assert parts.scheme in ("", "data"), f"{name}: {source}"
            if not parts.scheme:
                assert ((site / name).parent / unquote(parts.path)).is_file(), f"{name}: {source}"


def test_external_links_are_well_formed(pages):
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("https", "mailto"), f"{name}: {link}"
                assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), f"{name}: {link}"


def test_reference_has_every_public_name_once():
    text = "".join(p.read_text() for p in sorted((DOCS / "reference").glob("*.md")))
    found = re.findall(r"^\.\. auto(?:class|function|exception):: (\w+)$", text, re.MULTILINE)
    assert Counter(found) == Counter(set(linpot.__all__) - {"datasets"})
    assert ".. automodule:: linpot.datasets" in text


def test_reference_has_every_command_and_option(site):
    text = (site / "reference" / "commands.html").read_text()

    def names(group, before):
        for name, one in group.commands.items():
            yield f"{before} {name}", one
            if hasattr(one, "commands"):
                yield from names(one, f"{before} {name}")

    plain = re.sub(r"<[^>]+>", "", text)
    for name, one in names(command, "linpot"):
        assert name in plain
        for option in one.params:
            assert all(flag in plain for flag in option.opts if flag.startswith("--")), name


def test_page_of_examples_has_them_all():
    text = (DOCS / "examples.md").read_text()
    shown = re.findall(r"literalinclude\} \.\./examples/(\w+\.py)", text)
    assert shown == sorted(path.name for path in (ROOT / "examples").glob("*.py"))
    for name in shown:
        assert f"(example-{name[:2]})=" in text


def test_mentions_of_pages_become_links_outside_of_code():
    sys.path.insert(0, str(DOCS / "_extensions"))
    try:
        mentions = pytest.importorskip("mentions", reason="the extra docs is not installed")
    finally:
        sys.path.remove(str(DOCS / "_extensions"))
    text = "See docs/data.md (docs/report.md).\n```\ndocs/data.md\n```\n    docs/data.md\n"
    assert mentions.link_mentions(text, "tutorials/alloy") == (
        "See [Data: looking, mending, splitting, merging](../data.md) ([Reports](../report.md)).\n"
        "```\ndocs/data.md\n```\n    docs/data.md\n"
    )
    assert mentions.link_mentions("examples/03_active_learning.py\n", "data") == (
        "[03_active_learning.py](examples.md#example-03)\n"
    )
