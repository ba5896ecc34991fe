"""A hook for dynamics that watches the extrapolation grade."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

from ase import Atoms

from linpot import checks
from linpot.errors import ExtrapolationError, InputError
from linpot.io.frames import append_frame


class ExtrapolationWatch:
    """
    Saves structures whose largest grade passes one threshold and stops at another.

    Attach it to dynamics: ``dynamics.attach(ExtrapolationWatch(atoms), interval=10)``.

    Parameters
    ----------
    atoms : ase.Atoms
        With an `UncertainCalculator`.
    save_at : float
        Structures above this grade are told, and saved where there is a path.
    stop_at : float or None
        Above this grade the dynamics stop; None never stops. 5 and 25 are those of pacemaker.
    path : path, optional
        Extended xyz file to which such structures are added, each as a whole, the last one too.
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
        stop_at: float | None = 25.0,
        path: str | os.PathLike[str] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.atoms = atoms
        self.save_at = checks.positive("save_at", save_at)
        self.stop_at = None if stop_at is None else checks.positive("stop_at", stop_at)
        if self.stop_at is not None and self.stop_at < self.save_at:
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
        if self.stop_at is not None and largest > self.stop_at:
            raise ExtrapolationError(f"{text} is above {self.stop_at:g}; add such structures")
