"""Everything that is looked at in data before they are fitted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from linpot import checks
from linpot.curation.duplicates import Pair, find_duplicates
from linpot.curation.finding import CERTAIN, LIKELY, NOTE, CheckResult, Finding
from linpot.curation.label_signs import check_signs_and_units
from linpot.curation.outliers import Outlier, find_outliers
from linpot.curation.quick_fit import QuickFit
from linpot.curation.reading import LabelledFile, name_units, read_labelled, sample_evenly
from linpot.curation.references import (
    atom_energies,
    find_offsets,
    other_references,
    unit_of_totals,
)
from linpot.curation.scan_wording import describe_lengths, describe_missing, describe_scan
from linpot.curation.stress_labels import judge_stress
from linpot.curation.structure_scan import scan_structures
from linpot.curation.wording import Words
from linpot.errors import InputError
from linpot.io.datasets import STRUCTURE_MEMORY
from linpot.io.file_endings import PathLike
from linpot.structures.labels import AUTOMATIC, LabelKeys
from linpot.structures.sequences import LazyStructures
from linpot.structures.structure import Structure
from linpot.workflow.fit import Monitor, Silent

PER_UNIT = 200
"""Structures of a group whose labels are compared with the quick fit, at most."""

ATOMS = 25_000
"""Atoms of them altogether, about."""


def check_data(
    data: PathLike | Sequence[PathLike],
    *,
    test: PathLike | Sequence[PathLike] = (),
    keys: LabelKeys = AUTOMATIC,
    group_key: str = "config_type",
    elements: Sequence[str] | None = None,
    per_group: int = PER_UNIT,
    structure_memory: float = STRUCTURE_MEMORY,
    threads: int = 1,
    monitor: Monitor | None = None,
) -> CheckResult:
    """
    Look for mistakes in labelled structures.

    Labels are compared with a quick fit to energies and forces; stresses with its strain
    derivatives. Only what is decisive is told; see docs/data.md for what is looked at.

    Parameters
    ----------
    data : path or sequence of path
    test : path or sequence of path
        Structures that must not be among `data`.
    keys : LabelKeys
    group_key : str
    elements : sequence of str, optional
        See `read_dataset`.
    per_group : int
        Structures of each group that the quick fit sees, at most.
    structure_memory : float, GB
        See `read_dataset`.
    threads : int
    monitor : Monitor, optional

    Returns
    -------
    CheckResult

    Raises
    ------
    InputError
        If a file is not there, or holds no structure that can be used, or a number is out of range.
    FileFormatError
        If a file cannot be read.
    """
    checks.integer("per_group", per_group, low=0)
    checks.integer("threads", threads, low=1)
    monitor = monitor or Silent()
    wanted = [(path, False) for path in _paths(data)] + [(path, True) for path in _paths(test)]
    if not wanted:
        raise InputError("`data` must name at least one file, got none")
    monitor.stage("reading", len(wanted))
    files = []
    for path, is_test in wanted:
        files.append(
            read_labelled(
                path,
                is_test=is_test,
                keys=keys,
                group_key=group_key,
                elements=elements,
                structure_memory=structure_memory,
            )
        )
        monitor.advance(len(files))
    everything = _Everything.of(files)
    if not len(everything.structures):
        reason = next((why for file in files for _, why in file.refused), "there is none")
        raise InputError(f"no structure of the data can be used: {reason}")
    return _Check(everything, per_group, threads, monitor).run()


@dataclass(frozen=True)
class _Everything:
    """All files, one after the other."""

    files: list[LabelledFile]
    structures: Sequence[Structure]
    units: list[str]
    owner: list[int]
    places: list[int]

    @classmethod
    def of(cls, files: list[LabelledFile]) -> _Everything:
        units = [unit for own in name_units(files) for unit in own]
        owner = [k for k, file in enumerate(files) for _ in file.places]
        places = [place for file in files for place in file.places]
        first = np.cumsum([0, *(len(file.places) for file in files)])

        def make(k: int) -> Structure:
            return files[owner[k]].structures[k - int(first[owner[k]])]

        return cls(files, LazyStructures(make, len(units)), units, owner, places)

    def where(self, k: int) -> str:
        """Return how messages call a structure."""
        return self.structures[k].name


class _Check:
    """The course of a check, and what it has found."""

    def __init__(self, data: _Everything, per_group: int, threads: int, monitor: Monitor) -> None:
        self.data = data
        self.per_group = per_group
        self.threads = threads
        self.monitor = monitor
        self.findings: list[Finding] = []
        self.undecided: list[str] = []
        self.words = Words(
            {unit: data.files[k].path for unit, k in zip(data.units, data.owner, strict=True)}
        )

    def run(self) -> CheckResult:
        data = self.data
        for file in data.files:
            if file.refused:
                self.findings.append(self.words.refused(file))
        sizes = [s.n_atoms for s in data.structures]
        chosen = sample_evenly(data.units, sizes, self.per_group, ATOMS)
        sample = [data.structures[k] for k in chosen]
        self.monitor.stage("quick fit", len(sample))
        fit = QuickFit(
            sample,
            [data.units[k] for k in chosen],
            elements_of=data.structures,
            threads=self.threads,
            progress=self.monitor.advance,
        )
        self._scan()
        self._labels(fit, chosen)
        self._duplicates(fit)
        order = {CERTAIN: 0, LIKELY: 1, NOTE: 2}
        ranked = sorted(self.findings, key=lambda f: order[f.sure])
        return CheckResult(
            tuple(file.path for file in data.files),
            len(data.structures),
            sum(sizes),
            len(sample),
            tuple(f for f in ranked if f.sure != NOTE),
            tuple(f for f in ranked if f.sure == NOTE),
            tuple(self.undecided),
        )

    def _scan(self) -> None:
        data = self.data
        scans = scan_structures(data.structures, data.units, data.places)
        for unit, scan in scans.items():
            self.findings += describe_scan(unit, scan)
        self.findings += describe_missing(scans) + describe_lengths(scans)

    def _labels(self, fit: QuickFit, chosen: list[int]) -> None:
        data = self.data
        self.monitor.stage("labels", 1)
        verdicts, repairs = check_signs_and_units(fit)
        self.findings += [self.words.label(verdict) for verdict in verdicts]
        numbers = fit.basis.specification.numbers
        atoms = atom_energies(data.structures, numbers)
        self.findings += self.words.atoms(atoms, unit_of_totals(atoms.least_squares))
        units = list(fit.rows)
        coefficients = fit.solve_robustly(
            units,
            [unit for unit in units if fit.has_forces(unit)],
            repairs.forces,
            repairs.energies,
        )
        offsets = find_offsets(fit, coefficients, repairs.energies)
        for offset in other_references(fit, offsets, repairs.energies):
            self.findings.append(self.words.offset(offset))
        for unit, label, n in fit.zeros(coefficients):
            self.findings.append(self.words.zeros(unit, label, n))
        for unit, own in fit.rows.items():
            if own.stress_rows:
                places = [data.places[chosen[k]] for k in own.stress_places]
                predicted, labels = fit.stress(unit, coefficients)
                told, decided = judge_stress(unit, predicted, labels, np.array(own.volumes), places)
                self.findings += [self.words.stress(verdict) for verdict in told]
                if not decided and not told:
                    self.undecided.append(unit)
        self.monitor.advance(1)
        self.monitor.stage("outliers", len(data.structures))
        outliers = find_outliers(
            data.structures,
            data.units,
            fit.basis,
            coefficients,
            force_divisors=repairs.forces,
            energy_divisors=repairs.energies,
            threads=self.threads,
            progress=self.monitor.advance,
        )
        by_unit: dict[tuple[str, str], list[tuple[int, Outlier]]] = {}
        for one in outliers:
            by_unit.setdefault((one.unit, one.label), []).append((data.places[one.place], one))
        self.findings += [
            self.words.outliers(unit, label, own) for (unit, label), own in by_unit.items()
        ]

    def _duplicates(self, fit: QuickFit) -> None:
        data = self.data
        self.monitor.stage("duplicates", 1)
        pairs = find_duplicates(data.structures, fit.basis, threads=self.threads)
        kinds: dict[tuple[int, int, bool], list[Pair]] = {}
        for pair in pairs:
            owners = data.owner[pair.first], data.owner[pair.second]
            kinds.setdefault((*owners, pair.is_exact), []).append(pair)
        for (a, b, exact), own in kinds.items():
            found = [
                (data.places[p.first], data.places[p.second], p.difference, p.is_copy) for p in own
            ]
            self.findings += self.words.duplicates(data.files[a], data.files[b], exact, found)
        self.monitor.advance(1)


def _paths(given: PathLike | Sequence[PathLike]) -> list[PathLike]:
    return [given] if isinstance(given, str | os.PathLike) else list(given)
