"""
A quick fit that labels are compared with: rows once, then a solve for every question.

Rows of energies and stresses are kept as they are, rows of forces as one triangular factor per
unit. A *unit* is a group of one file: what is right in one may be wrong in another. Energies are
compared inside units only, less what the composition explains, so that a wrong reference energy
of one unit does not spoil the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.basis.families import build_basis
from linpot.basis.specification import symbols_of
from linpot.fitting.factors import FactorSet, combine
from linpot.fitting.priors import SmoothnessPrior
from linpot.fitting.ridge import Ridge
from linpot.fitting.rows import RowBuilder, stream_rows
from linpot.fitting.weights import Weights
from linpot.model.feature_engine import FeatureEngine
from linpot.structures.distances import survey_distances
from linpot.structures.structure import Labels, Structure
from linpot.workflow.plan import specify_basis
from linpot.workflow.regression import scaled_factor
from linpot.workflow.settings import FitSettings

Floats = NDArray[np.float64]

MOST_FUNCTIONS = 150
"""Per element; several elements share `MOST_COLUMNS`."""

MOST_COLUMNS = 600
_ROWS_PER_COLUMN = 8  # at least: a fit must not follow what is wrong
_PASSES = 3  # of weighing down energies that do not fit
_FAR = 5.0  # times the median deviation of a unit
BODY_ORDER = 4
ENERGY_WEIGHT = 100.0  # 1/eV, of energies per atom, against forces in eV/A
FORCE_CAP = 20.0  # eV/A
_FORCE_AT_REST, _STRESS_AT_REST = 0.05, 2e-3  # eV/A, eV/A^3: predicted ones that are not zero
_FREE = 1e3  # scale of energies of atoms, which the prior must not hold back


@dataclass
class UnitRows:
    """
    Rows of one unit.

    Attributes
    ----------
    places : list of int
        Of the structures with an energy, in the data.
    sizes : list of int
        Atoms of these.
    energy_rows : list of float64[n_features]
        Per atom.
    energy_y : list of float, eV
        Labels per atom.
    one_body : list of float64[n_elements]
        Atoms of each element per atom.
    stress_places : list of int
    stress_rows : list of float64[6, n_features]
        Stress per coefficient, 1/A^3.
    stress_y : list of float64[6], eV/A^3
        Labels.
    volumes : list of float, A^3
    """

    places: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    energy_rows: list[Floats] = field(default_factory=list)
    energy_y: list[float] = field(default_factory=list)
    one_body: list[Floats] = field(default_factory=list)
    stress_places: list[int] = field(default_factory=list)
    stress_rows: list[Floats] = field(default_factory=list)
    stress_y: list[Floats] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)

    def composition_free(self, values: Floats, weights: Floats | None = None) -> Floats:
        """Return rows (one per structure) less what is linear in the composition."""
        counts = np.array(self.one_body)
        w = np.ones(len(counts)) if weights is None else weights
        scaled = w[:, None] if values.ndim > 1 else w
        solution = np.linalg.lstsq(counts * w[:, None], values * scaled, rcond=1e-10)[0]
        return np.asarray(values - counts @ solution)


class QuickFit:
    """
    Rows of a sample of the data.

    Parameters
    ----------
    structures : sequence of Structure
        The sample.
    units : sequence of str
        Unit of each structure.
    elements_of : sequence of Structure, optional
        Whose elements and distances the basis knows; those of the sample otherwise.
    threads : int
    progress : callable, optional
        Called with the number of structures done.

    Attributes
    ----------
    basis : Basis
    rows : dict of unit to UnitRows
    forces : FactorSet
        Key is the unit.
    """

    def __init__(
        self,
        structures: Sequence[Structure],
        units: Sequence[str],
        *,
        elements_of: Sequence[Structure] | None = None,
        threads: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        n_rows = sum(
            (s.labels.energy is not None) + 3 * s.n_atoms * (s.labels.forces is not None)
            for s in structures
        )
        self.basis = quick_basis(structures if elements_of is None else elements_of, n_rows)
        self.engine = FeatureEngine(self.basis)
        self.scales = SmoothnessPrior().scales(self.basis)
        self.rows: dict[str, UnitRows] = {unit: UnitRows() for unit in dict.fromkeys(units)}
        self.forces: FactorSet[str] = FactorSet(self.basis.n_features + 1)
        builder = RowBuilder(self.engine, Weights(force_cap=FORCE_CAP), {})
        self._elements: dict[str, set[int]] = {unit: set() for unit in self.rows}
        for structure, unit in zip(structures, units, strict=True):
            self._elements[unit] |= set(structure.numbers.tolist())
        equal = [replace(s, weight=1.0) for s in structures]

        def labels(batch: Sequence[Structure]) -> list[Labels]:
            return [s.labels for s in batch]

        for block in stream_rows(builder, equal, labels, threads=threads, progress=progress):
            structure, own = equal[block.structure], self.rows[units[block.structure]]
            if block.name == "energy":
                own.places.append(block.structure)
                own.sizes.append(structure.n_atoms)
                own.energy_rows.append(block.X[0])
                own.energy_y.append(float(block.y[0]))
                own.one_body.append(block.one_body[0])
            elif block.name == "forces":
                self.forces.add(units[block.structure], block.X, block.y)
            else:
                own.stress_places.append(block.structure)
                own.stress_rows.append(-block.X * (structure.n_atoms / structure.volume))
                own.stress_y.append(np.array(structure.labels.stress))
                own.volumes.append(structure.volume)

    def solve(
        self,
        *,
        energies: Collection[str] = (),
        forces: Collection[str] = (),
        force_factors: Mapping[str, float] | None = None,
        energy_factors: Mapping[str, float] | None = None,
        energy_weights: Mapping[str, Floats] | None = None,
    ) -> Floats:
        """
        Fit to energies and forces of some units, never to stresses.

        Parameters
        ----------
        energies, forces : collection of str
            Units whose energies (inside the unit, less composition) and forces count.
        force_factors, energy_factors : mapping of str to float, optional
            The labels of a unit are divided by these.
        energy_weights : mapping of unit to float64[n_structures], optional
            Of single energies.

        Returns
        -------
        float64[n_features], eV
        """
        n = self.basis.n_features
        parts: list[tuple[float, Floats]] = []
        n_rows = 0
        for unit in forces:
            if unit in self.forces:
                rows = np.array(self.forces[unit].rows())
                rows[:, -1] /= (force_factors or {}).get(unit, 1.0)
                parts.append((1.0, rows))
                n_rows += self.forces[unit].n_rows
        for unit in energies:
            own = self.rows[unit]
            if len(own.places) > 1:
                y = np.array(own.energy_y) / (energy_factors or {}).get(unit, 1.0)
                w = (energy_weights or {}).get(unit)
                rows = own.composition_free(np.column_stack([np.array(own.energy_rows), y]), w)
                rows = rows if w is None else rows * w[:, None]
                parts.append((ENERGY_WEIGHT, rows))
                n_rows += len(rows)
        if not parts or not any(np.abs(rows[:, -1]).max(initial=0.0) for _, rows in parts):
            return np.zeros(n)
        factor = combine(iter(parts), n + 1)
        scaled = scaled_factor(factor, self.scales, np.ones(1))
        ridge = Ridge("evidence")
        ridge.fit_factor(scaled, max(n_rows, 2))
        return np.asarray(ridge.coef_ * self.scales)

    def solve_robustly(
        self,
        energies: Collection[str],
        forces: Collection[str],
        force_factors: Mapping[str, float],
        energy_factors: Mapping[str, float],
    ) -> Floats:
        """
        Fit like `solve`, with less weight for single energies that are far off.

        Returns
        -------
        float64[n_features], eV
        """
        weights: dict[str, Floats] = {}
        coefficients = np.zeros(self.basis.n_features)
        for _ in range(_PASSES):
            coefficients = self.solve(
                energies=energies,
                forces=forces,
                force_factors=force_factors,
                energy_factors=energy_factors,
                energy_weights=weights,
            )
            for unit in energies:
                own = self.rows[unit]
                if len(own.places) > 1:
                    y = np.array(own.energy_y) / energy_factors.get(unit, 1.0)
                    left = y - np.array(own.energy_rows) @ coefficients
                    sizes = np.abs(own.composition_free(left, weights.get(unit)))
                    usual = max(float(np.median(sizes)), 1e-6)
                    weights[unit] = np.minimum(1.0, _FAR * usual / np.maximum(sizes, 1e-12)) ** 2
        return coefficients

    def elements(self, unit: str) -> set[int]:
        """Return the atomic numbers of a unit."""
        return self._elements[unit]

    def n_forces(self, unit: str) -> int:
        """Return how many force components a unit has."""
        return self.forces[unit].n_rows if unit in self.forces else 0

    def rms_force(self, unit: str) -> float:
        """Return the root mean square of the force components of a unit, eV/A."""
        return float(np.linalg.norm(self.forces[unit].rows()[:, -1]) / np.sqrt(self.n_forces(unit)))

    def force_slope(
        self, unit: str, coefficients: Floats, divisor: float = 1.0
    ) -> tuple[float, float]:
        """
        Regress the forces of a unit, divided by a number, on predictions.

        Returns
        -------
        slope, correlation : float
        """
        rows = self.forces[unit].rows()
        return slope_of(rows[:, :-1] @ coefficients, rows[:, -1] / divisor)

    def energy_slope(
        self, unit: str, coefficients: Floats, divisor: float = 1.0
    ) -> tuple[float, float]:
        """Regress the energies of a unit on predictions, both less what composition explains."""
        own = self.rows[unit]
        if len(own.places) < 2:
            return 0.0, 0.0
        both = np.column_stack([np.array(own.energy_rows) @ coefficients, own.energy_y])
        free = own.composition_free(both)
        return slope_of(free[:, 0], free[:, 1] / divisor)

    def has_forces(self, unit: str) -> bool:
        """Whether a unit has forces, not all of them exactly zero."""
        return unit in self.forces and self.rms_force(unit) > 0.0

    def zeros(self, coefficients: Floats) -> list[tuple[str, str, int]]:
        """
        Return where labels are exactly zero although predictions are not.

        Returns
        -------
        list of (unit, label, n)
            The label is "forces" or "stress", n its number of components.
        """
        found = []
        for unit, own in self.rows.items():
            if unit in self.forces and not self.has_forces(unit):
                rows, n = self.forces[unit].rows(), self.n_forces(unit)
                rms = float(np.linalg.norm(rows[:, :-1] @ coefficients) / np.sqrt(n))
                if rms > _FORCE_AT_REST:
                    found.append((unit, "forces", n))
            if own.stress_rows and not np.any(own.stress_y):
                predicted, _ = self.stress(unit, coefficients)
                if float(np.sqrt((predicted**2).mean())) > _STRESS_AT_REST:
                    found.append((unit, "stress", predicted.size))
        return found

    def shared_energy_deviations(self, divisors: Mapping[str, float]) -> dict[str, float]:
        """
        Return what a fit leaves of energies if all units share one energy per element.

        Parameters
        ----------
        divisors : mapping of unit to float
            The energies of a unit are divided by these.

        Returns
        -------
        dict of unit to float, eV/atom
            Median over the structures of a unit.
        """
        units = [unit for unit, own in self.rows.items() if own.places]
        X = np.concatenate([np.array(self.rows[u].energy_rows) for u in units])
        counts = np.concatenate([np.array(self.rows[u].one_body) for u in units])
        y = np.concatenate([np.array(self.rows[u].energy_y) / divisors.get(u, 1.0) for u in units])
        y = y - counts @ np.linalg.lstsq(counts, y, rcond=1e-10)[0]
        n, n_free = self.basis.n_features, counts.shape[1]
        parts = [(ENERGY_WEIGHT, np.column_stack([X, counts, y]))]
        for unit in units:
            if self.has_forces(unit):
                rows = self.forces[unit].rows()
                none = np.zeros((len(rows), n_free))
                parts.append((1.0, np.column_stack([rows[:, :-1], none, rows[:, -1]])))
        factor = combine(iter(parts), n + n_free + 1)
        scales = np.concatenate([self.scales, np.full(n_free, _FREE)])
        scaled = scaled_factor(factor, scales, np.ones(1))
        ridge = Ridge("evidence")
        ridge.fit_factor(scaled, sum(len(rows) for _, rows in parts))
        left = y - np.column_stack([X, counts]) @ (ridge.coef_ * scales)
        ends = np.cumsum([len(self.rows[u].places) for u in units])[:-1]
        return {
            unit: float(np.median(own))
            for unit, own in zip(units, np.split(left, ends), strict=True)
        }

    def stress(self, unit: str, coefficients: Floats) -> tuple[Floats, Floats]:
        """Return predicted and labelled stresses of a unit: float64[n_structures, 6], eV/A^3."""
        own = self.rows[unit]
        return np.array(own.stress_rows) @ coefficients, np.array(own.stress_y)


def quick_basis(structures: Sequence[Structure], n_rows: int) -> Basis:
    """Return the basis of the quick fit to so many rows, for elements and distances of the data."""
    numbers = sorted({int(z) for s in structures for z in np.unique(s.numbers)})
    elements = symbols_of(tuple(numbers))
    distances = survey_distances(structures, elements)
    most = min(MOST_COLUMNS, n_rows // _ROWS_PER_COLUMN) // len(elements)
    n_functions = min(MOST_FUNCTIONS, max(20, most))
    settings = FitSettings(n_functions=n_functions, body_order=BODY_ORDER, baseline="none")
    return build_basis(specify_basis(distances, settings, elements))


def slope_of(predicted: Floats, labels: Floats) -> tuple[float, float]:
    """Return slope of labels on predictions, through the origin, and their correlation."""
    pp, pl, ll = predicted @ predicted, predicted @ labels, labels @ labels
    if pp <= 0.0 or ll <= 0.0:
        return 0.0, 0.0
    return float(pl / pp), float(pl / np.sqrt(pp * ll))
