"""Reports: one page about a potential, from the numbers to the file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from linpot.errors import InputError
from linpot.fitting.priors import body_orders
from linpot.io.atomic import check_output, write_atomically
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.model.sum import ModelSum, learned_part
from linpot.report.contents import TEST, TRAIN, GradeSurvey, PageContents, PairCurves
from linpot.report.page import render_page
from linpot.structures.dataset import Dataset
from linpot.uncertainty.error_bars import has_error_bars
from linpot.uncertainty.extrapolation import ActiveSet
from linpot.workflow.api import Data, as_dataset
from linpot.workflow.fit import Monitor, Silent
from linpot.workflow.provenance import versions
from linpot.workflow.reliability import Reliability, assess_error_bars
from linpot.workflow.report_errors import find_worst, survey_errors
from linpot.workflow.report_pairs import pair_curves
from linpot.workflow.report_worth import functions_in_words, size_curve, worth_of_groups
from linpot.workflow.session import FitSession

Found = TypeVar("Found")

_TEMPERATURE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) ?K(?![a-z])")


def write_report(
    path: str | os.PathLike[str],
    potential: EnergyModel,
    test: Data | None = None,
    *,
    train: Data | None = None,
    session: FitSession | None = None,
    holes: Sequence[str] | None = None,
    title: str | None = None,
    figures: str | os.PathLike[str] | None = None,
    facts: Mapping[str, str] | None = None,
    overwrite: bool = False,
    threads: int = 1,
    monitor: Monitor | None = None,
) -> None:
    """
    Write one self-contained HTML page about a potential.

    Parameters
    ----------
    path : path
        Of the page.
    potential : EnergyModel
    test : path, Dataset or Atoms, optional
        Data that the potential has not seen, by which it is judged.
    train : path, Dataset or Atoms, optional
        Its training data. One of the two must be given.
    session : FitSession, optional
        Of the fit, for errors against size and for what groups are worth.
    holes : sequence of str, optional
        What the fit says of them; dimers are scanned if not given.
    title : str, optional
    figures : path, optional
        Folder for the figures as PNG and SVG; made if missing. Needs matplotlib.
    facts : mapping of str to str, optional
        Further lines of the provenance, "command" for example.
    overwrite : bool
    threads : int
    monitor : Monitor, optional

    Raises
    ------
    InputError
        If there are no data, no labels, an element is unknown, or a file cannot be written.
    """
    check_output(path, overwrite=overwrite)
    if figures is not None:
        check_figures(figures, overwrite=overwrite)
    contents = gather_contents(
        potential,
        None if test is None else as_dataset(test),
        train=None if train is None else as_dataset(train),
        session=session,
        holes=holes,
        title=title,
        facts=facts,
        threads=threads,
        monitor=monitor,
    )
    page = render_page(contents)

    def write(temporary: Path) -> None:
        temporary.write_text(page, encoding="utf-8")

    write_atomically(path, write, overwrite=overwrite)
    if figures is not None:
        from linpot.report.page_figures import save_figures

        save_figures(contents, figures, overwrite=overwrite)


def check_figures(folder: str | os.PathLike[str], *, overwrite: bool) -> None:
    """
    Refuse before the work what could not be drawn after it.

    Raises
    ------
    InputError
        If matplotlib is missing, the folder is a file, or it has files and `overwrite` is off.
    """
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise InputError("figures need matplotlib; pip install 'linpot[plot]'")
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise InputError(f"`figures` must be a folder, got the file '{folder}'")
    if not overwrite and place.is_dir() and any(place.iterdir()):
        raise InputError(
            f"`figures` must be a new or an empty folder, got '{folder}'; choose another, or pass "
            "overwrite=True (--overwrite)"
        )
    if not place.is_dir():
        check_output(place)


def gather_contents(
    potential: EnergyModel,
    test: Dataset | None,
    *,
    train: Dataset | None = None,
    session: FitSession | None = None,
    holes: Sequence[str] | None = None,
    title: str | None = None,
    facts: Mapping[str, str] | None = None,
    threads: int = 1,
    monitor: Monitor | None = None,
) -> PageContents:
    """
    Gather the numbers of a page.

    Parameters
    ----------
    potential, test, train, session, holes, title, facts, threads, monitor
        See `write_report`.

    Returns
    -------
    PageContents

    Raises
    ------
    InputError
        If there are no data or no labels, or an element is unknown.
    """
    monitor = monitor or Silent()
    given = [(name, data) for name, data in ((TRAIN, train), (TEST, test)) if data is not None]
    if not given:
        raise InputError("a report needs `test` or `train` data, got neither")
    learned = _learned(potential)
    e0 = {} if learned is None else dict(learned.isolated_atom_energies)
    data = []
    for name, structures in given:
        monitor.stage(f"{name} errors", len(structures))
        data.append(
            survey_errors(
                potential, structures, name, e0, threads=threads, progress=monitor.advance
            )
        )
    judged = given[-1][1]
    missing: dict[str, str] = {}
    monitor.stage("pairs", 1)
    pairs, left_out = pair_curves(potential, train)
    monitor.advance(1)
    if train is None:
        missing["distances"] = "the training data were not given"
    if left_out:
        missing["parts"] = f"curves are without {', '.join(left_out)}, whose scans cost too much"
    if not has_error_bars(potential):
        missing["calibration"] = (
            "the potential carries no error bars; make them with linpot fit --uncertainty"
        )
    elif test is None:
        missing["calibration"] = "error bars can only be compared with errors on test data"
    grades: GradeSurvey | None = None
    if learned is None or not ActiveSet.is_in(learned):
        missing["grades"] = (
            "the potential carries no active set; keep one with linpot fit --active-set"
        )
    elif test is None:
        missing["grades"] = "training data are inside by construction; give test data"
    else:
        grades = _grades(learned, test, threads, monitor)
    if session is None:
        missing["sizes"] = missing["worth"] = (
            "they need the equations of the fit; write the report with linpot fit --report"
        )
    return PageContents(
        title=title or f"A potential for {' '.join(potential.elements)}",
        facts=_facts(potential),
        data=tuple(data),
        pairs=pairs,
        reliability=_if_possible(
            missing, "calibration", lambda: _reliability(potential, test, threads, monitor)
        ),
        grades=grades,
        sizes=_if_possible(
            missing, "sizes", lambda: size_curve(_given(session), test, threads=threads)
        ),
        worth=_if_possible(
            missing, "worth", lambda: worth_of_groups(_given(session), test, threads=threads)
        ),
        worst=find_worst(potential, judged, data[-1]),
        temperatures=_temperatures(group for own in data for group in own.metrics["groups"]),
        holes=_holes(pairs) if holes is None else tuple(holes),
        notes=tuple(learned.provenance.get("notes", ()) if learned is not None else ()),
        missing=missing,
        provenance=_provenance(potential, given, facts or {}),
    )


def _holes(pairs: Sequence[PairCurves]) -> tuple[str, ...]:
    return tuple(
        f"the energy of {'-'.join(own.pair)} falls by {own.hole:.3g} eV when two atoms come closer "
        "than any in the data"
        for own in pairs
        if own.shortest is not None and own.hole > 1e-6
    )


def _if_possible(missing: dict[str, str], section: str, make: Callable[[], Found]) -> Found | None:
    """Make a section; where the data do not allow it, the page says why."""
    if section in missing:
        return None
    try:
        return make()
    except InputError as error:
        missing[section] = str(error)
        return None


def _given(session: FitSession | None) -> FitSession:
    assert session is not None  # `missing` says so otherwise
    return session


def _learned(potential: EnergyModel) -> LinearPotential | None:
    try:
        return learned_part(potential)
    except InputError:
        return None


def _reliability(
    potential: EnergyModel, test: Dataset | None, threads: int, monitor: Monitor
) -> Reliability:
    assert test is not None
    monitor.stage("error bars", len(test))
    return assess_error_bars(potential, test, threads=threads, progress=monitor.advance)


def _grades(learned: LinearPotential, test: Dataset, threads: int, monitor: Monitor) -> GradeSurvey:
    active, largest, beyond = ActiveSet.of(learned), np.zeros(len(test)), np.zeros(2)
    monitor.stage("extrapolation grades", len(test))
    for index, structure in enumerate(test):
        grades = active.grades(learned.engine, structure, threads=threads)
        largest[index] = grades.max()
        beyond += [(grades > 1.0).sum(), (grades > 2.0).sum()]
        monitor.advance(index + 1)
    above_one, above_two = (beyond / test.n_atoms).tolist()
    return GradeSurvey(largest, above_one, above_two)


def _temperatures(groups: Any) -> dict[str, float]:
    """Return the temperatures that names of groups tell, "liquid 1500K" for example."""
    found = {group: _TEMPERATURE.findall(group.replace("_", " ")) for group in groups}
    return {group: float(values[0]) for group, values in found.items() if len(values) == 1}


def _facts(potential: EnergyModel) -> dict[str, str]:
    parts = potential.parts if isinstance(potential, ModelSum) else (potential,)
    facts = {"elements": " ".join(potential.elements), "cutoff": f"{potential.cutoff:.2f} Å"}
    learned = _learned(potential)
    if learned is not None:
        facts["size"] = functions_in_words(learned.n_functions)
        facts["body order"] = f"up to {body_orders(learned.basis).max()}"
    beside = [part.part_name for part in parts if part is not learned]
    facts["baseline" if learned is not None else "parts"] = " + ".join(beside) or "none"
    return facts


def _provenance(
    potential: EnergyModel, given: list[tuple[str, Dataset]], facts: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    sections = {}
    learned = _learned(potential)
    origin = {} if learned is None else learned.provenance
    for name, own in (origin.get("data") or {}).items():
        if own:
            sections[f"{name} data of the fit"] = _flat({**own, "groups": None})
    for name in ("settings", "solver", "error_bars"):
        if origin.get(name):
            sections[name.replace("_", " ")] = _flat(origin[name])
    if origin.get("versions"):
        sections["versions at the fit"] = _flat(origin["versions"])
    page = {"time": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), **facts}
    for name, data in given:
        page[f"{name} data"] = f"{len(data)} structures, {data.n_atoms} atoms"
        page[f"{name} data, sha256"] = data.content_hash()
    sections["this page"] = page | {f"version of {k}": v for k, v in versions().items()}
    return sections


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested plain values as one level of short texts; what is not set is left out."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, float):
            flat[f"{prefix}{key}"] = f"{value:.6g}"
        elif value is not None:
            flat[f"{prefix}{key}"] = str(value)
    return flat
