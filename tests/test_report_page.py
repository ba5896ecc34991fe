"""The page of a fit: one file, closed to the network and to what hides in data."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import chemical_symbols

import linpot
from linpot.report.contents import PageContents
from linpot.report.page import render_page
from linpot.report.page_figures import draw_page, save_figures
from linpot.workflow.error_bars import run_fit_with_error_bars
from linpot.workflow.evaluate import evaluate_model
from linpot.workflow.fit import run_fit
from linpot.workflow.report import gather_contents
from linpot.workflow.settings import FitSettings

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&{{ 7*7 }}"
VOID = {"meta", "link", "br", "img", "hr", "input", "col"}
LIMIT = 3e6
"""Bytes of a page of 1000 structures."""


class Page(HTMLParser):
    """Tags, attributes and the text of scripts; refuses tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append((self.tags[-1][1], data))
        elif self.open and self.open[-1] != "style":
            self.text += data

    def json(self, name: str):
        return next(json.loads(own) for attrs, own in self.scripts if attrs.get("id") == name)


def labelled(seed: int, group: str, *, stress: bool = True):
    """Rattled copper and gold with labels of effective medium theory."""
    atoms = bulk("Cu", cubic=True)
    atoms.symbols[[0, 1 + seed % 3]] = "Au"
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if stress:
        results["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info["config_type"] = group
    return atoms


def dataset(n: int, first: int, groups=("cold 300K", "hot 900K")) -> linpot.Dataset:
    return linpot.Dataset.from_atoms(
        labelled(seed, groups[seed % len(groups)]) for seed in range(first, first + n)
    )


@pytest.fixture(scope="module")
def fitted():
    """A fit with everything that a page can show, and its data."""
    settings = FitSettings(n_functions=20, body_order=3, cutoff=4.5)
    train, test = dataset(24, 0), dataset(8, 100)
    plain = run_fit(train, settings=settings)
    result = run_fit_with_error_bars(train, test=test, settings=settings, folds=4)
    return replace(result, potential=plain.potential), result.potential, train, test


@pytest.fixture(scope="module")
def contents(fitted) -> PageContents:
    result, potential, train, test = fitted
    return gather_contents(potential, test, train=train, session=result.session)


@pytest.fixture(scope="module")
def page(contents) -> str:
    return render_page(contents)


def test_page_is_html_with_tags_closed_in_order(page):
    found = Page(page)
    assert page.startswith("<!DOCTYPE html>")
    assert found.open == []
    identities = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(identities) == len(set(identities))
    targets = [attrs["href"][1:] for tag, attrs in found.tags if tag == "a"]
    assert targets
    assert set(targets) <= set(identities)


def test_page_refers_to_nothing_outside(page):
    found = Page(page)
    for tag, attrs in found.tags:
        assert tag not in {"iframe", "object", "embed", "base"}
        for name in ("src", "srcset", "action", "poster", "data", "xlink:href"):
            assert name not in attrs, (tag, attrs)
        if tag in {"a", "link"}:
            assert attrs["href"].startswith(("#", "data:,")), attrs
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a["content"] for _, a in found.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_policy_names_the_hash_of_every_script_and_of_nothing_else(page):
    found = Page(page)
    policy = next(a["content"] for _, a in found.tags if a.get("http-equiv"))
    runnable = [own for attrs, own in found.scripts if "type" not in attrs]
    hashes = {base64.b64encode(hashlib.sha256(own.encode()).digest()).decode() for own in runnable}
    assert len(runnable) == 2
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert "script-src 'unsafe" not in policy


def test_plotting_library_is_the_published_file():
    """plotly.js-basic-dist-min 4.1.1 of npm, unmodified, with its license beside it."""
    assets = files("linpot.report") / "assets"
    digest = hashlib.sha256((assets / "plotly-basic.min.js").read_bytes()).hexdigest()
    assert digest == "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"
    assert "MIT License" in (assets / "plotly-basic.LICENSE").read_text()


def test_every_chart_has_its_place(page):
    found = Page(page)
    places = {a["id"] for _, a in found.tags if (a.get("class") or "").startswith("chart")}
    charts = {chart["id"] for chart in found.json("linpot-charts")["charts"]}
    assert charts == places
    assert charts >= {
        *("parity-energy", "parity-forces", "parity-stress", "errors-energy", "errors-forces"),
        *("pair-Cu-Cu", "pair-Cu-Au", "volumes", "elements", "temperatures", "calibration"),
        *("sizes-energy", "sizes-forces", "grades"),
    }


def test_numbers_are_those_of_the_metrics(fitted, page):
    _, potential, train, test = fitted
    expected = {
        "train": evaluate_model(potential, train),
        "test": evaluate_model(potential, test),
    }
    assert Page(page).json("linpot-metrics") == expected
    rmse = 1e3 * expected["test"]["all"]["energy"]["rmse"]
    assert f"{rmse:.3g}" in Page(page).text


def test_points_are_labels_and_predictions_of_the_structure_they_name(fitted, page):
    _, potential, _, test = fitted
    chart = next(
        c for c in Page(page).json("linpot-charts")["charts"] if c["id"] == "parity-forces"
    )
    trace = next(t for t in chart["data"] if t.get("name") == "test")
    k = len(trace["x"]) // 2
    structure, component = trace["places"][k]
    label = test[structure].labels.forces.ravel()[component]
    prediction = potential.predict(test[structure]).forces.ravel()[component]
    # rounded to about a hundredth of the mean error
    assert trace["x"][k] == pytest.approx(label, abs=0.01 * np.abs(label - prediction) + 1e-3)
    assert trace["y"][k] == pytest.approx(prediction, abs=1e-3)
    assert trace["errors"][k] == pytest.approx(prediction - label, abs=1e-3)
    number = test[structure].numbers[component // 3]
    assert trace["symbols"][k] == chemical_symbols[number]


def test_hostile_names_stay_text(fitted):
    _, potential, _, _ = fitted
    named = linpot.Dataset.from_atoms([labelled(3, HOSTILE), labelled(4, HOSTILE + "b")])
    page = render_page(gather_contents(potential, named, title=HOSTILE, facts={HOSTILE: HOSTILE}))
    found = Page(page)
    assert found.open == []
    assert "img" not in {tag for tag, _ in found.tags}
    assert len(found.scripts) == 4
    assert not any("onerror" in attrs for _, attrs in found.tags)
    assert HOSTILE in found.text  # as people wrote it
    assert HOSTILE in found.json("linpot-charts")["groups"]
    assert "7*7" in found.text  # not a template either


def test_page_of_many_structures_is_small(contents):
    """1000 test structures of 50 atoms, drawn as full as samples get."""
    n = 1000
    own = contents.judged
    rng = np.random.default_rng(0)
    line = next(iter(own.lines.values()))
    line = replace(line, name=line.name + " of a/path/to/some/data.extxyz")
    points = {
        name: replace(
            one,
            values=rng.normal(size=(2800, 2)),
            places=np.column_stack([rng.integers(0, n, 2800), rng.integers(0, 6, 2800)]),
            total=150_000,
        )
        for name, one in own.points.items()
    }
    large = replace(
        own,
        n_structures=n,
        groups=tuple(own.groups[k % own.n_structures] for k in range(n)),
        points=points,
        per_structure={p: rng.normal(size=n) for p in own.per_structure},
        volumes=rng.normal(size=n),
        lines=dict.fromkeys(range(n), replace(line, symbols=("Cu", "Au") * 25)),
    )
    grades = replace(contents.grades, largest=np.full(n, 0.5))
    page = render_page(replace(contents, data=(replace(large, name="train"), large), grades=grades))
    assert len(page.encode()) < LIMIT


@pytest.mark.parametrize("kept", [("energy",), ("forces",), ("energy", "forces")])
def test_page_of_some_labels_only(fitted, kept):
    _, potential, _, test = fitted

    def strip(structure):
        labels = {p: getattr(structure.labels, p) for p in kept}
        return structure.with_labels(linpot.Labels(**labels))

    page = Page(render_page(gather_contents(potential, test.changed(strip))))
    charts = {chart["id"] for chart in page.json("linpot-charts")["charts"]}
    assert {i for i in charts if i.startswith("parity")} == {f"parity-{p}" for p in kept}
    assert set(page.json("linpot-metrics")["test"]["all"]) == set(kept)
    assert "are not tested" in page.text


def test_page_of_one_structure_and_of_a_molecule(fitted):
    _, potential, _, test = fitted
    text = Page(render_page(gather_contents(potential, test[:1]))).text
    assert "No verdict: 1 test structure is too few." in text
    atoms = Atoms("CuAu", [[0.0, 0.0, 0.0], [0.0, 0.0, 2.4]])
    atoms.info["energy"] = -1.0
    page = Page(render_page(gather_contents(potential, linpot.Dataset.from_atoms([atoms]))))
    assert "No verdict" in page.text  # one energy has no spread
    assert "volumes" not in {c["id"] for c in page.json("linpot-charts")["charts"]}


def test_page_says_why_sections_are_missing(fitted):
    result, _, _, test = fitted
    text = Page(render_page(gather_contents(result.potential, test))).text
    assert "carries no error bars" in text
    assert "carries no active set" in text
    assert "write the report with linpot fit --report" in text


def test_write_report_needs_data_and_keeps_files(fitted, tmp_path):
    _, potential, _, test = fitted
    with pytest.raises(linpot.InputError, match="needs `test` or `train` data"):
        linpot.write_report(tmp_path / "page.html", potential)
    linpot.write_report(tmp_path / "page.html", potential, test)
    before = (tmp_path / "page.html").read_text()
    with pytest.raises(linpot.InputError, match="exists"):
        linpot.write_report(tmp_path / "page.html", potential, test)
    assert (tmp_path / "page.html").read_text() == before
    assert Page(before).open == []


def test_figures_are_saved_as_png_and_svg(contents, tmp_path):
    names = [name for name, _ in draw_page(contents)]
    assert {"parity_energy", "errors_forces", "pair_Cu_Au", "calibration"} <= set(names)
    small = replace(contents, pairs=(), reliability=None, sizes=None)
    saved = save_figures(small, tmp_path / "figures")
    assert {path.suffix for path in saved} == {".png", ".svg"}
    for path in saved:
        start = path.read_bytes()[:5]
        assert start == (b"\x89PNG\r" if path.suffix == ".png" else b"<?xml")
    with pytest.raises(linpot.InputError, match="empty folder"):
        linpot.write_report(tmp_path / "a.html", None, None, figures=tmp_path / "figures")
