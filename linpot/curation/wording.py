"""Findings in words: what, how sure, and the command that mends it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from linpot.curation.duplicates import SAME_ENERGY
from linpot.curation.finding import CERTAIN, LIKELY, NOTE, Finding
from linpot.curation.label_signs import Verdict
from linpot.curation.outliers import Outlier
from linpot.curation.reading import SMALL, LabelledFile
from linpot.curation.references import AtomEnergies, Offset
from linpot.curation.stress_labels import StressVerdict, exchange_of

_LISTED = 20  # places that a finding holds
_DISAGREE = 1e-3  # eV; isolated atoms of one element
_HOW = {True: "the same numbers", False: "copies in another position, orientation or order"}
_AGAIN = "equivalent by symmetry"


@dataclass(frozen=True)
class Words:
    """
    Makes findings.

    Attributes
    ----------
    path_of : mapping of unit to path
    """

    path_of: Mapping[str, str]

    def refused(self, file: LabelledFile) -> Finding:
        """Structures that a fit would refuse."""
        n, (_, reason) = len(file.refused), file.refused[0]
        return Finding(
            kind="refused",
            group=file.name,
            what=f"{_count(n, 'structure')} cannot be used; the first: {reason}",
            sure=CERTAIN,
            remedy="correct them, or leave them out",
            command=_convert(file.path, "--skip-refused"),
            structures=_places([place for place, _ in file.refused]),
            evidence={"structures": n},
        )

    def label(self, verdict: Verdict) -> Finding:
        """Energies and forces that do not belong together."""
        unit, slope = verdict.unit, verdict.slope
        whose = f"of {unit!r}" if unit else "of all groups"
        kind, flags, remedy = verdict.kind, "", ""
        if kind == "force-sign":
            what = f"forces {whose} have the wrong sign: they are gradients"
            flags, remedy = "--flip-forces", "change their sign"
        elif kind == "energy-sign":
            what = f"energies {whose} have the wrong sign"
            flags, remedy = "--flip-energies", "change their sign"
        elif kind == "energy-per-atom":
            what = f"energies {whose} seem to be per atom"
            flags, remedy = "--energies-per-atom", "multiply them by the numbers of atoms"
        else:
            told = [("energies", verdict.energy_unit), ("forces", verdict.force_unit)]
            named = [f"{name} in {value}" for name, value in told if value]
            what = f"labels {whose} seem to be in other units: {' and '.join(named)}"
            if verdict.instead:
                what += f", or {verdict.instead}"
            flags = " ".join(
                f"--{name}-unit {value}"
                for name, value in (("energy", verdict.energy_unit), ("force", verdict.force_unit))
                if value
            )
            remedy = "convert them"
            if len(named) == 1 and not unit:
                remedy += "; only the ratio of energies and forces is known, so check which is off"
        return Finding(
            kind=kind,
            group=unit,
            what=what,
            sure=CERTAIN if verdict.is_certain else LIKELY,
            remedy=remedy,
            command=self._mend(unit, flags),
            evidence={
                "slope": slope.slope,
                "correlation": slope.correlation,
                "structures": slope.n,
            },
        )

    def stress(self, verdict: StressVerdict) -> Finding:
        """Stresses that are not the strain derivatives of the energies."""
        unit, flags = verdict.unit, []
        if verdict.scale:
            parts = verdict.scale.split(", ")
            what = f"stresses of {unit!r} "
            if parts[0] == "sign":
                what += "have the wrong sign" + (" and " if len(parts) > 1 else "")
                flags.append("--flip-stress")
            if parts[-1] == "virial":
                what += "are virials"
                flags.append("--stress-is-virial")
            elif parts[-1] == "stress":
                what += "were read as virials, but are stresses"
                flags.append("--virial-is-stress")
            elif parts[-1] != "sign":
                what += f"are in {parts[-1]}"
                flags.append(f"--stress-unit {parts[-1]}")
            kind = "stress-sign" if verdict.scale == "sign" else "stress-unit"
        else:
            exchange = exchange_of(verdict.order)
            flags.append(f"--swap-stress {exchange}")
            names = exchange.split(",")
            change = "exchanged" if len(names) == 2 else f"in another order ({exchange})"
            part = f" in {len(verdict.places)} structures" if verdict.places else ""
            what = f"stress components {' and '.join(names)} of {unit!r} are {change}{part}"
            kind = "stress-order"
        if verdict.places:
            flags.append(f"--structures {_ranges(verdict.places)}")
        return Finding(
            kind=kind,
            group=unit,
            what=what,
            sure=CERTAIN,
            remedy="put them right; stresses of the quick fit to energies and forces agree then",
            command=self._mend(unit, " ".join(flags)),
            structures=_places(verdict.places),
            evidence={
                "deviation_as_labelled": verdict.before,
                "deviation_if_mended": verdict.after,
                "structures": verdict.n,
            },
        )

    def atoms(self, found: AtomEnergies, unit_of_totals: str | None) -> list[Finding]:
        """Energies of single atoms that cannot be."""
        findings = []
        for symbol, values in found.isolated.items():
            if max(values) - min(values) > _DISAGREE:
                findings.append(
                    Finding(
                        kind="isolated-atoms",
                        group="",
                        what=f"isolated atoms of {symbol} have energies from {min(values):.4f} to "
                        f"{max(values):.4f} eV",
                        sure=CERTAIN,
                        remedy="keep the one that belongs to the other energies",
                        evidence={"lowest": min(values), "highest": max(values)},
                    )
                )
        if unit_of_totals not in (None, "eV"):
            findings.append(
                Finding(
                    kind="energy-unit",
                    group="",
                    what=f"energies of atoms are those of all electrons in {unit_of_totals}",
                    sure=CERTAIN,
                    remedy="convert energies, and forces if they are in the same unit",
                    command=self._mend("", f"--energy-unit {unit_of_totals}"),
                )
            )
        low, high = found.lowest_binding, found.highest_binding
        if low is not None and high is not None and (found.is_impossible or found.is_unbound):
            problem = (
                f"atoms are bound by up to {-low:.4g} eV/atom, more than any"
                if found.is_impossible
                else f"every structure lies above its isolated atoms, by {low:.4g} eV/atom and more"
            )
            findings.append(
                Finding(
                    kind="isolated-atoms",
                    group="",
                    what=f"isolated atoms do not belong to the other energies: {problem}",
                    sure=CERTAIN if found.is_impossible else LIKELY,
                    remedy="remove or recalculate them (same code, settings and spin), or check "
                    "the unit of energies",
                    evidence={"lowest_binding": low, "highest_binding": high},
                )
            )
        return findings

    def offset(self, offset: Offset) -> Finding:
        """Another reference of energies."""
        return Finding(
            kind="energy-reference",
            group=offset.unit,
            what=f"energies of {offset.unit!r} lie {abs(offset.offset):.4g} eV/atom "
            f"{'above' if offset.offset > 0.0 else 'below'} those of the other groups",
            sure=CERTAIN,
            remedy="they have another reference (functional, pseudopotentials, isolated atoms): "
            "calculate them alike, or subtract each set's own energies of atoms",
            command=self._mend(offset.unit, "--subtract-atoms 'X=...'"),
            evidence={"offset": offset.offset, "scatter": offset.scatter, "structures": offset.n},
        )

    def zeros(self, unit: str, label: str, n: int) -> Finding:
        """Labels that were never calculated."""
        return Finding(
            kind="constant",
            group=unit,
            what=f"all {n} components of {label} of {unit!r} are exactly zero, which they are not "
            "by symmetry",
            sure=LIKELY,
            remedy="they stand for a label that is not there: leave it out",
            command=self._mend(unit, f"--drop-labels {label}"),
            evidence={"components": n},
        )

    def outliers(self, unit: str, label: str, own: Sequence[tuple[int, Outlier]]) -> Finding:
        """Single structures that do not fit to their unit."""
        unit_of = "eV/atom" if label == "energy" else "eV/A"
        worst = max(own, key=lambda one: abs(one[1].deviation))
        n = len(own)
        what = (
            f"{label} of {_count(n, 'structure')} of {unit!r} "
            f"{'do' if n > 1 or label == 'forces' else 'does'} not fit to the others: structure "
            f"{worst[0]} is off by {abs(worst[1].deviation):.3g} {unit_of} where "
            f"{worst[1].usual:.2g} is usual"
        )
        places = [place for place, _ in own]
        return Finding(
            kind="outliers",
            group=unit,
            what=what,
            sure=LIKELY,
            remedy="look at the calculations (convergence, another state); remove what is wrong",
            command=self._mend(unit, f"--drop {_ranges(places)}", whole=True),
            structures=_places(places),
            evidence={"largest": abs(worst[1].deviation), "usual": worst[1].usual, "structures": n},
        )

    def duplicates(
        self,
        first: LabelledFile,
        second: LabelledFile,
        exact: bool,
        found: Sequence[tuple[int, int, float | None, bool]],
    ) -> list[Finding]:
        """Structures that occur twice: places, difference of energies, whether one is a copy."""
        overlap = first.is_test != second.is_test
        differing = [f for f in found if f[2] is not None and f[2] > SAME_ENERGY]
        alike = [f for f in found if f not in differing]
        where = first.name if first.path == second.path else f"{first.name} and {second.name}"
        findings = []
        if differing:
            a, b, d, _ = max(differing, key=lambda f: f[2] or 0.0)
            findings.append(
                Finding(
                    kind="contradiction",
                    group=where,
                    what=f"{_count(len(differing), 'structure')} occur twice with different "
                    f"energies: {a} and {b} by {1e3 * (d or 0.0):.3g} meV/atom",
                    sure=CERTAIN if exact else LIKELY,
                    remedy="keep the better calculation",
                    structures=_places([f[1] for f in differing]),
                    evidence={"structures": len(differing), "largest": d or 0.0},
                )
            )
        copies = [f for f in alike if f[3]]
        again = [f for f in alike if not f[3]]
        if copies:
            sure = CERTAIN if exact else LIKELY
            findings.append(_repeated(first, second, copies, _HOW[exact], sure, overlap))
        if again:
            findings.append(_repeated(first, second, again, _AGAIN, NOTE, overlap))
        return findings

    def _mend(self, unit: str, flags: str, *, whole: bool = False) -> str:
        """Return the command that mends a unit."""
        if not unit:
            path = next(iter(self.path_of.values()))
            return _convert(path, flags)
        group = unit.split(": ", 1)[-1]
        path = self.path_of[unit]
        if whole or group == SMALL:
            return _convert(path, flags)
        return _convert(path, f"{flags} --groups {shlex.quote(group)}")


def _repeated(
    first: LabelledFile,
    second: LabelledFile,
    found: Sequence[tuple[int, int, float | None, bool]],
    how: str,
    sure: str,
    overlap: bool,
) -> Finding:
    """Structures that occur twice with the same labels."""
    n, (a, b, *_) = len(found), found[0]
    drop_first = overlap and not first.is_test
    taken = [f[0] if drop_first else f[1] for f in found]
    path = (first if drop_first else second).path
    verb = "are" if n > 1 else "is"
    what = (
        f"{_count(n, 'structure')} of the test data {verb} also among the training data ({how}): "
        f"{a} and {b}"
        if overlap
        else f"{_count(n, 'structure')} {verb} there twice ({how}): {a} and {b}"
    )
    return Finding(
        kind="overlap" if overlap else "duplicates",
        group=first.name if first is second else f"{first.name} and {second.name}",
        what=what,
        sure=sure,
        remedy="remove them from the training data" if overlap else "remove one of each",
        command=_convert(path, f"--drop {_ranges(taken)}"),
        structures=_places(taken),
        evidence={"structures": n},
    )


def _convert(path: str, flags: str) -> str:
    file = Path(path)
    stem = file.name
    for ending in (".gz", ".bz2", ".xz", ".extxyz", ".xyz"):
        stem = stem.removesuffix(ending)
    return f"linpot data convert {shlex.quote(path)} -o {shlex.quote(stem)}-mended.extxyz {flags}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"


def _places(places: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(place) for place in sorted(places)[:_LISTED])


def _ranges(places: Sequence[int]) -> str:
    """Return places as ``3,7:12`` with the end of a range excluded."""
    ordered = np.unique(np.array(places, dtype=int))
    runs = np.split(ordered, np.flatnonzero(np.diff(ordered) > 1) + 1)
    return ",".join(
        str(run[0]) if len(run) == 1 else f"{run[0]}:{run[-1] + 1}" for run in runs if len(run)
    )
