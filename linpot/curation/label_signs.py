"""
Whether energies and forces belong together: signs, units, energies per atom.

The energies of a unit (group of a file) are regressed on what a fit to its own forces predicts,
its forces and energies on what a fit to the other units predicts. Right labels give slopes around
1; only what a wrong sign or a factor between units explains is told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from linpot.curation.quick_fit import QuickFit, UnitRows, slope_of
from linpot.curation.units import ENERGY, FORCE

# Slopes of clean public data with such correlations lie between 0.2 and 1.7, wherever forces are
# more than the noise of the reference calculation: benchmarks/data_check.py
_FEWEST_ENERGIES = 8
_FEWEST_FORCES = 90  # components
_SMALL_FORCE = 0.02  # eV/A, root mean square
_OPPOSITE = (-3.0, -0.2)  # slopes that a sign explains
_ENERGY_CORRELATION, _FORCE_CORRELATION, _FACTOR_CORRELATION = 0.35, 0.6, 0.8
_DECISIVE, _CERTAIN = 3.5, 6.0  # correlations over what chance gives
_TOO_CLOSE = math.log(4.0)  # to 1: a factor that cannot be told from an imperfect fit
_WINDOW = math.log(1.6)  # around a factor; a quick fit to few forces is steeper or flatter
_UNIT_KINDS = ("energy-unit", "force-unit")
_MOST = 12  # units that are told by comparison with the others
_OF_ATOMS, _OF_STRUCTURES = 0.1, 1.5  # ratios of spreads that tell whose energies these are


@dataclass(frozen=True)
class Slope:
    """
    Slope of labels on predictions.

    Attributes
    ----------
    slope, correlation : float
    n : int
        Structures.
    """

    slope: float
    correlation: float
    n: int

    @property
    def score(self) -> float:
        """Fisher's transform of the correlation over its standard deviation."""
        if self.n < 4:
            return 0.0
        return math.atanh(min(abs(self.correlation), 0.999999)) * math.sqrt(self.n - 3)

    @property
    def is_opposite(self) -> bool:
        """Whether it is what labels of the wrong sign give."""
        return _OPPOSITE[0] < self.slope < _OPPOSITE[1]

    def distance(self, factor: float) -> float:
        """Return the size of the logarithm of slope over factor."""
        return abs(math.log(self.slope / factor))

    def nearest(self, factors: Mapping[str, float]) -> str | None:
        """Return the name of the factor that it has; None if it is too close to 1, or none."""
        if self.slope <= 0.0 or self.correlation < _FACTOR_CORRELATION:
            return None
        if self.distance(1.0) < _TOO_CLOSE:
            return None
        nearest = min(factors, key=lambda name: self.distance(factors[name]))
        return nearest if self.distance(factors[nearest]) < _WINDOW else None


@dataclass(frozen=True)
class Verdict:
    """
    What is wrong with energies or forces.

    Attributes
    ----------
    unit : str
        "" for all.
    kind : {"force-sign", "energy-sign", "force-unit", "energy-unit", "energy-per-atom", "right"}
    force_unit, energy_unit : str or None
        Units that the labels seem to be in.
    slope : Slope
        The evidence.
    confirmed : bool
        Whether both the unit's own labels and the other units say so.
    instead : str
        Another explanation that is nearly as good; "" if there is none.
    mismatch : float
        Between slope and factor, as a logarithm.
    """

    unit: str
    kind: str
    slope: Slope
    force_unit: str | None = None
    energy_unit: str | None = None
    confirmed: bool = False
    instead: str = ""
    mismatch: float = 0.0

    @property
    def is_certain(self) -> bool:
        """Whether chance is out of the question."""
        return self.confirmed or self.slope.score > _CERTAIN


@dataclass
class Repairs:
    """
    What labels are divided by before they are compared further.

    Attributes
    ----------
    forces, energies : dict of unit to float
    """

    forces: dict[str, float] = field(default_factory=dict)
    energies: dict[str, float] = field(default_factory=dict)

    def add(self, verdict: Verdict, units: Iterable[str]) -> None:
        """Take over what a verdict says of some units."""
        for unit in units:
            if verdict.kind == "force-sign":
                self.forces[unit] = -self.forces.get(unit, 1.0)
            elif verdict.kind == "energy-sign":
                self.energies[unit] = -self.energies.get(unit, 1.0)
            if verdict.force_unit is not None:
                self.forces[unit] = 1.0 / FORCE[verdict.force_unit]
            if verdict.energy_unit is not None:
                self.energies[unit] = 1.0 / ENERGY[verdict.energy_unit]


_ENERGIES = {name: 1.0 / ENERGY[name] for name in ("Hartree", "Rydberg", "kcal/mol", "kJ/mol")}
_FORCES = {
    name: 1.0 / FORCE[name] for name in ("Hartree/Bohr", "Hartree/A", "kcal/mol/A", "kJ/mol/A")
}


def check_signs_and_units(fit: QuickFit) -> tuple[list[Verdict], Repairs]:
    """
    Compare the energies of each unit with its forces, and both with the other units.

    Parameters
    ----------
    fit : QuickFit

    Returns
    -------
    verdicts : list of Verdict
        None of them "right".
    repairs : Repairs
        What makes the labels agree.
    """
    units = [u for u in fit.rows if u in fit.forces and fit.rms_force(u) > _SMALL_FORCE]
    own = {unit: found for unit in units if (found := _own_verdict(fit, unit)) is not None}
    wrong = {unit: found for unit, found in own.items() if found.kind != "right"}
    repairs = Repairs()
    told: list[Verdict] = []
    if wrong and len(wrong) == len(own):
        everywhere = _common(list(wrong.values()))
        if everywhere is not None and (everywhere.is_certain or len(wrong) > 1):
            repairs.add(everywhere, fit.rows)
            told, wrong, own = [everywhere], {}, {}
    for _ in range(_MOST):
        verdicts = (_against_others(fit, unit, units, repairs) for unit in units)
        # what agrees with itself can only differ from the others as a whole
        suspects = [
            v
            for v in verdicts
            if v is not None
            and v.unit not in {t.unit for t in told}
            and (v.unit not in own or v.unit in wrong or v.kind == "energy-and-force-unit")
        ]
        if not suspects:
            break
        worst = max(suspects, key=lambda v: (v.unit in wrong, -round(v.mismatch, 2), v.slope.score))
        worst = replace(worst, confirmed=worst.unit in wrong)
        told.append(worst)
        repairs.add(worst, [worst.unit])
    for unit, verdict in wrong.items():
        if unit not in {t.unit for t in told} and verdict.is_certain:
            told.append(verdict)
            repairs.add(verdict, [unit])
    return told, repairs


def _common(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return what all units have in common that is wrong, as one verdict on all."""
    surest = max(verdicts, key=lambda v: v.slope.score)
    kinds = {"unit" if v.kind in _UNIT_KINDS else v.kind for v in verdicts}
    if len(kinds) > 1:
        return None
    if kinds == {"unit"}:
        weights = [v.slope.score for v in verdicts]
        mean = np.average([math.log(v.slope.slope) for v in verdicts], weights=weights)
        slope = Slope(math.exp(mean), surest.slope.correlation, sum(v.slope.n for v in verdicts))
        surest = _unit_verdict("", slope) or surest
    return replace(surest, unit="", confirmed=len(verdicts) > 1)


def _own_verdict(fit: QuickFit, unit: str) -> Verdict | None:
    """Compare energies with a fit to the forces of the same unit; None if nothing can be told."""
    own = fit.rows[unit]
    if len(own.places) < _FEWEST_ENERGIES:
        return None
    coefficients = fit.solve(forces=[unit])
    predicted = np.array(own.energy_rows) @ coefficients
    sizes = np.array(own.sizes, dtype=float)
    free = own.composition_free(np.column_stack([predicted, predicted / sizes, own.energy_y]))
    slope = Slope(*slope_of(free[:, 0], free[:, 2]), len(free))
    growth = _growth_with_size(own)
    if growth < _OF_ATOMS:
        return Verdict(unit, "energy-per-atom", slope, confirmed=True)
    if slope.correlation < -_ENERGY_CORRELATION and slope.score > _DECISIVE:
        return Verdict(unit, "force-sign", slope) if slope.is_opposite else None
    per_atom = Slope(*slope_of(free[:, 1], free[:, 2]), len(free))
    if (
        per_atom.correlation > _FACTOR_CORRELATION
        and abs(math.log(per_atom.slope)) < _WINDOW
        and (slope.slope <= 0.0 or slope.distance(1.0) > _TOO_CLOSE)
        and per_atom.score > _DECISIVE
        and growth < _OF_STRUCTURES
    ):
        return Verdict(unit, "energy-per-atom", slope)
    if slope.score > _DECISIVE and (found := _unit_verdict(unit, slope)) is not None:
        return found
    good = slope.correlation > _ENERGY_CORRELATION and slope.score > _DECISIVE
    return Verdict(unit, "right", slope) if good and 0.2 < slope.slope < 5.0 else None


def _growth_with_size(rows: UnitRows) -> float:
    """
    Return how labels of structures of different sizes spread, over what they do as totals.

    Energies per atom are alike at all sizes, and vary as 1/n once they are divided by n; energies
    of structures the other way round. 1 where all sizes are alike, or nothing is to be seen.
    """
    sizes = np.array(rows.sizes, dtype=float)
    per_atom = np.array(rows.energy_y)
    free = rows.composition_free(np.column_stack([per_atom * sizes, per_atom * sizes.mean()]))
    as_labelled, as_totals = np.sqrt((free**2).mean(axis=0))
    return float(as_labelled / as_totals) if as_totals > 0.0 else 1.0


def _unit_verdict(unit: str, slope: Slope) -> Verdict | None:
    """Return the unit of energies or forces that a slope of energies on forces stands for."""
    energy = slope.nearest(_ENERGIES)
    force = slope.nearest({name: 1.0 / factor for name, factor in _FORCES.items()})
    if energy is None and force is None:
        return None
    if force is None or (
        energy is not None
        and slope.distance(_ENERGIES[energy]) <= slope.distance(1.0 / _FORCES[force])
    ):
        other = f"forces in {force}" if force is not None else ""
        return Verdict(unit, "energy-unit", slope, energy_unit=energy, instead=other)
    other = f"energies in {energy}" if energy is not None else ""
    return Verdict(unit, "force-unit", slope, force_unit=force, instead=other)


def _against_others(
    fit: QuickFit, unit: str, units: Sequence[str], repairs: Repairs
) -> Verdict | None:
    """Compare forces and energies of a unit with a fit to the others."""
    others = [u for u in units if u != unit]
    known = set().union(*(fit.elements(u) for u in others)) if others else set()
    if not fit.elements(unit) <= known or fit.n_forces(unit) < _FEWEST_FORCES:
        return None
    coefficients = fit.solve(
        forces=others,
        energies=others,
        force_factors=repairs.forces,
        energy_factors=repairs.energies,
    )
    n = len(fit.rows[unit].places)
    forces = Slope(*fit.force_slope(unit, coefficients, repairs.forces.get(unit, 1.0)), n)
    energies = Slope(*fit.energy_slope(unit, coefficients, repairs.energies.get(unit, 1.0)), n)
    if forces.correlation < -_FORCE_CORRELATION and forces.is_opposite:
        return Verdict(unit, "force-sign", forces)
    force_unit = forces.nearest(_FORCES)
    if force_unit is not None:
        ratio = energies.slope / forces.slope
        off = forces.distance(_FORCES[force_unit])
        if energies.correlation > _FACTOR_CORRELATION and 1 / 1.6 < ratio < 1.6:
            own_unit = force_unit.removesuffix("/A").removesuffix("/Bohr")
            return Verdict(
                unit, "energy-and-force-unit", forces, force_unit, own_unit, mismatch=off
            )
        return Verdict(unit, "force-unit", forces, force_unit, mismatch=off)
    if n >= _FEWEST_ENERGIES and forces.correlation > _FORCE_CORRELATION:
        if energies.correlation < -_FACTOR_CORRELATION and energies.is_opposite:
            return Verdict(unit, "energy-sign", energies)
        energy_unit = energies.nearest(_ENERGIES)
        if energy_unit is not None:
            off = energies.distance(_ENERGIES[energy_unit])
            return Verdict(unit, "energy-unit", energies, energy_unit=energy_unit, mismatch=off)
    return None
