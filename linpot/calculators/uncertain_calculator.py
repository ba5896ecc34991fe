"""A calculator that says how sure it is, and hooks that watch the extrapolation grade."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import all_changes

from linpot import checks
from linpot.calculators.ase_calculator import LinpotCalculator
from linpot.errors import ExtrapolationError, InputError
from linpot.io.frames import append_frame
from linpot.model.protocol import EnergyModel
from linpot.structures.structure import Structure
from linpot.uncertainty.error_bars import ErrorBars

ONE_SIGMA = 0.6827
"""Share of a normal distribution within one standard deviation."""

_EXTRAS = {"energy_std", "forces_std", "stress_std", "extrapolation_grade"}


class UncertainCalculator(LinpotCalculator):
    """
    `LinpotCalculator` with `energy_std`, `forces_std`, `stress_std` and `extrapolation_grade`.

    ``calculator.get_property("extrapolation_grade", atoms)`` asks; nothing extra is computed
    otherwise. `energy_std` alone costs about as much as forces, `forces_std` much more. Deviations
    are calibrated: halves of the intervals that cover 68.3 % of left-out labels
    (docs/uncertainty.md says how well that holds on test sets).

    Parameters
    ----------
    model : EnergyModel
        With error bars; see `fit_with_error_bars`.
    **kwargs
        Of `LinpotCalculator`.

    Raises
    ------
    InputError
        If the model has no error bars.
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
        self.error_bars = ErrorBars.of(model)

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
        )
        if "forces_std" in properties:
            energy, forces = self.error_bars.half_widths(structure, ONE_SIGMA, threads=self.threads)
            self.results["energy_std"] = energy
            self.results["forces_std"] = forces
        elif "energy_std" in properties:
            self.results["energy_std"] = self.error_bars.energy_half_width(
                structure, ONE_SIGMA, threads=self.threads
            )
        if "stress_std" in properties:
            widths = self.error_bars.stress_half_widths(structure, ONE_SIGMA)
            self.results["stress_std"] = widths
        if "extrapolation_grade" in properties:
            grades = self.error_bars.grades(structure, threads=self.threads)
            self.results["extrapolation_grade"] = grades


class ExtrapolationWatch:
    """
    Saves structures whose largest grade passes one threshold and stops at another.

    Attach it to dynamics: ``dynamics.attach(ExtrapolationWatch(atoms), interval=10)``.

    Parameters
    ----------
    atoms : ase.Atoms
        With an `UncertainCalculator`.
    save_at, stop_at : float
        Grades; 5 and 25 are those of pacemaker.
    path : path, optional
        Extended xyz file to which structures between the thresholds are added, the last one too.
    warn : callable, optional
        Called with a line of text for each of them; `warnings.warn` if not given.

    Attributes
    ----------
    grades : list of float
        The largest of every look.

    References
    ----------
    Lysogorskiy et al., Phys. Rev. Mater. 7, 043801 (2023) (dumping and stopping by the grade).
    """

    def __init__(
        self,
        atoms: Atoms,
        *,
        save_at: float = 5.0,
        stop_at: float = 25.0,
        path: str | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.atoms = atoms
        self.save_at = checks.positive("save_at", save_at)
        self.stop_at = checks.positive("stop_at", stop_at)
        if self.stop_at < self.save_at:
            raise InputError(f"`stop_at` must be at least `save_at`, got {stop_at} < {save_at}")
        self.path = path
        self.warn = warn
        self.grades: list[float] = []

    def __call__(self) -> None:
        """
        Look at the atoms.

        Raises
        ------
        ExtrapolationError
            If a grade is above `stop_at`.
        """
        grades = self.atoms.calc.get_property("extrapolation_grade", self.atoms)
        worst = int(grades.argmax())
        largest = float(grades[worst])
        self.grades.append(largest)
        if largest <= self.save_at:
            return
        text = f"extrapolation grade {largest:.1f} at atom {worst} (look {len(self.grades)})"
        if self.path is not None:
            kept = self.atoms.copy()
            kept.arrays["extrapolation_grade"] = grades.copy()
            append_frame(self.path, kept)
        if self.warn is None:
            warnings.warn(text, stacklevel=2)
        else:
            self.warn(text)
        if largest > self.stop_at:
            raise ExtrapolationError(f"{text} is above {self.stop_at:g}; add such structures")
