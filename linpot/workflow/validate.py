"""`linpot.validate`: the physics of a potential beside reference values, with error bars."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from linpot import checks
from linpot.calculators.ase_calculator import LinpotCalculator
from linpot.errors import InputError
from linpot.io.reference_values import Reference, read_references, shipped_references
from linpot.model.protocol import EnergyModel
from linpot.uncertainty.conformal import checked_level
from linpot.uncertainty.error_bars import has_error_bars
from linpot.uncertainty.properties import WithError, with_error_bars
from linpot.validation.properties import SLOW, Outcome, Settings, compute_properties
from linpot.validation.quantities import Curve, NotMeasuredError
from linpot.workflow.subjects import (
    Source,
    make_subject,
    melting_temperature,
    model_of,
    usual_crystal,
)

N_MEMBERS, LEVEL = 10, 0.9


@dataclass(frozen=True)
class Finding:
    """
    One number beside its reference.

    Attributes
    ----------
    name, unit : str
    value : float
    interval : (float, float) or None
        At the level of the validation, where the potential has error bars.
    reference : Reference or None
    """

    name: str
    unit: str
    value: float
    interval: tuple[float, float] | None
    reference: Reference | None

    @property
    def is_inside(self) -> bool | None:
        """Whether the reference lies in the interval; None without one of them."""
        if self.interval is None or self.reference is None:
            return None
        return self.interval[0] <= self.reference.value <= self.interval[1]


@dataclass(frozen=True)
class Validation:
    """
    Properties of a structure.

    Attributes
    ----------
    name : str
        Of the potential.
    ground : Atoms
        The relaxed structure.
    findings : list of Finding
    curves : list of Curve
    left_out : dict of property to str
        What was not computed, and why.
    notes : list of str
    level : float
        Of the intervals.
    seconds : dict of property to float
    """

    name: str
    ground: Atoms
    findings: list[Finding]
    curves: list[Curve]
    left_out: dict[str, str]
    notes: list[str]
    level: float
    seconds: dict[str, float]

    def __getitem__(self, name: str) -> float:
        """Return a value by its name."""
        return next(f.value for f in self.findings if f.name == name)

    @property
    def coverage(self) -> float | None:
        """Share of references inside their intervals; None without any."""
        known = [f.is_inside for f in self.findings if f.is_inside is not None]
        return sum(known) / len(known) if known else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "name": self.name,
            "formula": str(self.ground.symbols),
            "cell_A": self.ground.cell.array.tolist(),
            "positions_A": self.ground.positions.tolist(),
            "level": self.level,
            "coverage": self.coverage,
            "quantities": {
                f.name: {
                    "value": f.value,
                    "unit": f.unit,
                    "interval": None if f.interval is None else list(f.interval),
                    "reference": None if f.reference is None else f.reference.value,
                    "source": None if f.reference is None else f.reference.source,
                }
                for f in self.findings
            },
            "curves": [vars(curve) for curve in self.curves],
            "left_out": self.left_out,
            "notes": self.notes,
            "seconds": {name: round(s, 2) for name, s in self.seconds.items()},
        }


def validate(
    source: Source,
    structure: Atoms | None = None,
    *,
    properties: Sequence[str] = (),
    references: str | os.PathLike[str] | Mapping[str, float] | None = None,
    length: float = 10.0,
    melting: float | None = None,
    quick: bool = False,
    n_members: int = N_MEMBERS,
    level: float = LEVEL,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Validation:
    """
    Compute the properties of a crystal or a molecule and compare them with references.

    Parameters
    ----------
    source : EnergyModel, path, Calculator or callable
        As in `verify`.
    structure : Atoms, optional
        Relaxed first. The usual crystal of a potential of one element if not given.
    properties : sequence of str
        Names out of `linpot.validation.properties`; all that the structure has if empty.
    references : path or mapping of str to float, optional
        See `read_references`; those that are shipped for elements if not given.
    length : float, A
        Least length of cells with defects and of phonons.
    melting : float, K, optional
        Shipped for some elements.
    quick : bool
        Shorter cells and no liquid or thermal expansion.
    n_members : int
        Of the committee, if the potential has error bars; 0 for none.
    level : float
    seed, threads : int
    progress : callable, optional
        Called with what is computed next, how much is done, and of how much.

    Returns
    -------
    Validation

    Raises
    ------
    InputError
        If no structure is given and none is usual, or a property is unknown.
    """
    checked_level(level)
    checks.integer("n_members", n_members, low=0)
    model = model_of(source)
    elements = () if structure is None else tuple(dict.fromkeys(structure.symbols))
    subject = make_subject(
        source if model is None else model, elements=elements if model is None else ()
    )
    atoms = usual_crystal(subject.elements) if structure is None else structure
    known = _shipped(atoms) if references is None else _given(references)
    melts = melting_temperature(atoms) if melting is None else melting
    settings = Settings(tuple(properties), length, melts, quick, seed)
    n_steps = len(settings.chosen(atoms))
    name = str(source) if isinstance(source, str | os.PathLike) else subject.name

    def tell(done: int, what: str) -> None:
        if progress is not None:
            progress(what, done, n_steps)

    try:
        outcome = compute_properties(subject.make(threads), atoms, settings, progress=tell)
    except NotMeasuredError as reason:
        raise InputError(f"nothing can be validated: {reason}; check the structure") from reason
    bars: dict[str, WithError] = {}
    if model is not None and n_members > 0 and has_error_bars(model):
        bars = _error_bars(model, outcome, settings, n_members, level, threads, progress)
    findings = [
        Finding(q.name, q.unit, q.value, _interval(bars, q.name), known.get(q.name))
        for own in outcome.measured.values()
        for q in own.quantities
    ]
    curves = [curve for own in outcome.measured.values() for curve in own.curves]
    notes = [f"{n}: {note}" for n, own in outcome.measured.items() for note in own.notes]
    return Validation(
        name, outcome.ground, findings, curves, outcome.left_out, notes, level, outcome.seconds
    )


def _error_bars(
    model: EnergyModel,
    outcome: Outcome,
    settings: Settings,
    n_members: int,
    level: float,
    threads: int,
    progress: Callable[[str, int, int], None] | None,
) -> dict[str, WithError]:
    """Compute everything again with members of the committee, from the structure relaxed."""
    done = 0

    def values(member: EnergyModel) -> dict[str, float]:
        nonlocal done
        if member is model:
            return outcome.values
        if progress is not None:
            progress("error bars", done, n_members)
        done += 1
        calculator = LinpotCalculator(member, threads=threads)
        try:
            return compute_properties(
                calculator, outcome.ground, settings, without=SLOW | set(outcome.left_out)
            ).values
        except NotMeasuredError:  # the member has another ground state: nothing to compare
            return {}

    return with_error_bars(values, model, n_members=n_members, level=level, seed=settings.seed)


def _shipped(atoms: Atoms) -> dict[str, Reference]:
    symbols = set(atoms.symbols)
    if len(symbols) > 1 or not atoms.pbc.all():
        return {}
    return shipped_references(symbols.pop())[0]


def _given(
    references: str | os.PathLike[str] | Mapping[str, float],
) -> dict[str, Reference]:
    if isinstance(references, Mapping):
        return {name: Reference(float(value), "given") for name, value in references.items()}
    return read_references(references)


def _interval(bars: Mapping[str, WithError], name: str) -> tuple[float, float] | None:
    return bars[name].interval if name in bars else None
