"""A calculator that says how sure it is, and how far outside its data it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import all_changes

from linpot.calculators.ase_calculator import LinpotCalculator
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part
from linpot.structures.structure import Structure, given_charges, given_total_charge
from linpot.uncertainty.error_bars import ErrorBars
from linpot.uncertainty.extrapolation import ActiveSet

ONE_SIGMA = 0.6827
"""Share of a normal distribution within one standard deviation."""

_EXTRAS = {"energy_std", "forces_std", "stress_std", "extrapolation_grade"}


class UncertainCalculator(LinpotCalculator):
    """
    `LinpotCalculator` with `energy_std`, `forces_std`, `stress_std` and `extrapolation_grade`.

    ``calculator.get_property("extrapolation_grade", atoms)`` asks; nothing extra is computed
    otherwise. `energy_std` alone costs less than forces, `forces_std` much more. Deviations
    are calibrated: halves of the intervals that cover 68.3 % of left-out labels
    (docs/uncertainty.md says how well that holds on test sets).

    Parameters
    ----------
    model : EnergyModel
        With an active set (`with_active_set`) for grades; with error bars (`fit_with_error_bars`),
        which hold one, for everything.
    **kwargs
        Of `LinpotCalculator`.

    Raises
    ------
    InputError
        If the model has no active set; when deviations are asked for, if it has no error bars.
    """

    implemented_properties: ClassVar[list[str]] = [
        *LinpotCalculator.implemented_properties,
        "energy_std",
        "forces_std",
        "stress_std",
        "extrapolation_grade",
    ]

    def __init__(self, model: EnergyModel, **kwargs: Any) -> None:
        super().__init__(model, **kwargs)
        self._learned = learned_part(model)
        self.active_set = ActiveSet.of(self._learned)

    @cached_property
    def error_bars(self) -> ErrorBars:
        """The error bars of the model."""
        return ErrorBars.of(self.model)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Evaluate the model, and what was asked for beside it; called by ASE."""
        before = {} if system_changes else dict(self.results)
        plain = [p for p in properties if p not in _EXTRAS and p not in before]
        if plain or "energy" not in before:
            super().calculate(atoms, plain or ["energy"], system_changes)
            self.results = {**before, **self.results}
        structure = Structure(
            self.atoms.numbers,
            self.atoms.positions,
            self.atoms.cell.array,
            tuple(self.atoms.pbc),
            name="the structure",
            charges=given_charges(self.atoms),
            total_charge=given_total_charge(self.atoms),
        )
        known = None if self._list is None else self._list.neighbors
        if "forces_std" in properties:
            energy, forces = self.error_bars.half_widths(structure, ONE_SIGMA, threads=self.threads)
            self.results["energy_std"] = energy
            self.results["forces_std"] = forces
        elif "energy_std" in properties:
            self.results["energy_std"] = self.error_bars.energy_half_width(
                structure, ONE_SIGMA, known, threads=self.threads
            )
        if "stress_std" in properties:
            widths = self.error_bars.stress_half_widths(structure, ONE_SIGMA)
            self.results["stress_std"] = widths
        if "extrapolation_grade" in properties:
            self.results["extrapolation_grade"] = self.active_set.grades(
                self._learned.engine, structure, known, threads=self.threads
            )
