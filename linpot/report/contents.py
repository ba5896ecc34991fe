"""What a page shows: plain numbers, gathered by whoever knows models and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PROPERTIES = ("energy", "forces", "stress", "charges", "dipole")
DECIDING = ("energy", "forces", "stress")
"""What every potential should have been tested on."""

TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Points:
    """
    Labels and predictions of one property that are drawn.

    Attributes
    ----------
    values : float64[n, 2]
        Labels, predictions: energies in eV/atom less E0, force components in eV/A, stress
        components in eV/A^3, charges in e, dipole components in e A.
    places : int64[n, 2]
        Structure, and component: 3 atom + axis of forces, Voigt index of stresses, atom of
        charges, axis of dipoles.
    total : int
        How many numbers there are.
    """

    values: Floats
    places: Ints
    total: int


@dataclass(frozen=True)
class StructureLine:
    """
    What a page says of one structure.

    Attributes
    ----------
    name, group, formula : str
    symbols : tuple of str
        Of its atoms.
    """

    name: str
    group: str
    formula: str
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class ElementErrors:
    """
    Force errors on the atoms of one element.

    Attributes
    ----------
    n_atoms, n_structures : int
        Atoms, and structures that hold any, labelled or not.
    n_components : int
        Labelled force components.
    rmse, size : float, eV/A
        Root mean squares of errors and of labels; nan without labels.
    """

    n_atoms: int
    n_structures: int
    n_components: int
    rmse: float
    size: float


@dataclass(frozen=True)
class DataErrors:
    """
    Errors of a potential on one data set.

    Attributes
    ----------
    name : str
        `TRAIN` or `TEST`.
    n_structures, n_atoms : int
    groups : tuple of str
        Of every structure.
    metrics : mapping
        ``{"all": G, "groups": {name: G}}``, as `linpot evaluate --json` writes it.
    points : dict of property to Points
    counts : dict of property to int64[n_bins]
        Absolute errors in the bins of `samples.EDGES`.
    scale : dict of property to float
        What errors are compared with: standard deviation of the labels (energies less E0), root
        mean square of forces.
    per_structure : dict of property to float64[n_structures]
        Signed error of the energy per atom, root mean squares of the others; nan without labels.
    volumes : float64[n_structures], A^3/atom
        nan where there is no cell in three dimensions.
    elements : dict of str to ElementErrors
    lines : dict of int to StructureLine
        Of structures that are drawn.
    """

    name: str
    n_structures: int
    n_atoms: int
    groups: tuple[str, ...]
    metrics: Mapping[str, Any]
    points: dict[str, Points]
    counts: dict[str, Ints]
    scale: dict[str, float]
    per_structure: dict[str, Floats]
    volumes: Floats
    elements: dict[str, ElementErrors]
    lines: dict[int, StructureLine] = field(default_factory=dict)

    def relative(self, name: str) -> float:
        """Return the root mean square error over the scale of the labels; nan if that is zero."""
        scale = self.scale.get(name, 0.0)
        return float(self.metrics["all"][name]["rmse"]) / scale if scale > 0.0 else float("nan")


@dataclass(frozen=True)
class PairCurves:
    """
    Two atoms against their distance, over the distances of the training data.

    Attributes
    ----------
    pair : (str, str)
    r : float64[n], A
    curves : dict of str to float64[n], eV
        "total", and where they are known "learned", "pair terms" and "baseline".
    shortest : float or None, A
        In the training data; None if not known or none was seen.
    edges : float64[n_bins + 1], A
    density : float64[n_bins]
        Training distances per bin over the volume of its shell, the largest being 1; all zero if
        none is known.
    hole : float, eV
        By how much the total falls on the way in; 0 if it only rises.
    """

    pair: tuple[str, str]
    r: Floats
    curves: dict[str, Floats]
    shortest: float | None
    edges: Floats
    density: Floats
    hole: float


@dataclass(frozen=True)
class GradeSurvey:
    """
    Extrapolation grades of a data set.

    Attributes
    ----------
    largest : float64[n_structures]
        Largest grade of the atoms of each structure.
    above_one, above_two : float
        Share of atoms beyond these grades.
    """

    largest: Floats
    above_one: float
    above_two: float


@dataclass(frozen=True)
class SizeCurve:
    """
    Errors of fits with the smoothest functions only, on the same rows.

    Attributes
    ----------
    n_functions : tuple of int
        Of all elements together, ascending; the last is the fit itself.
    errors : dict of (data set, property) to tuple of float
        Root mean squares.
    """

    n_functions: tuple[int, ...]
    errors: dict[tuple[str, str], tuple[float, ...]]

    @property
    def drawn(self) -> list[str]:
        """Properties with errors at two sizes or more; rows of stresses are virials."""
        known = {name for _, name in self.errors}
        return [p for p in ("energy", "forces") if p in known and len(self.n_functions) > 1]


@dataclass(frozen=True)
class WorthTable:
    """
    By how much errors grow when a group of the training data is left out.

    Attributes
    ----------
    groups : tuple of str
    tested : tuple of str
        Groups on whose rows errors are measured, `TEST` possibly at the end.
    ratio : dict of property to float64[n_groups, n_tested]
        Error without over error with; nan without labels.
    """

    groups: tuple[str, ...]
    tested: tuple[str, ...]
    ratio: dict[str, Floats]


@dataclass(frozen=True)
class WorstStructure:
    """
    A structure with large errors, to be drawn.

    Attributes
    ----------
    line : StructureLine
    index : int
        In its data set.
    why : str
        The error for which it is here.
    positions : float64[n_atoms, 3], A
    cell : float64[3, 3], A
    pbc : tuple of 3 bool
    force_errors : float64[n_atoms] or None, eV/A
        Lengths of the errors.
    """

    line: StructureLine
    index: int
    why: str
    positions: Floats
    cell: Floats
    pbc: tuple[bool, bool, bool]
    force_errors: Floats | None


@dataclass(frozen=True)
class PageContents:
    """
    Everything on a page.

    Attributes
    ----------
    title : str
    facts : dict of str to str
        Of the potential, in a few words each.
    data : tuple of DataErrors
        Training, test, or both.
    pairs : tuple of PairCurves
    reliability : mapping or None
        See `linpot.workflow.reliability`; of the test data.
    grades, sizes, worth
        None where they are not known.
    worst : tuple of WorstStructure
    temperatures : dict of group to float, K
        As far as names of groups tell them.
    holes, notes : tuple of str
        What the fit found.
    missing : dict of str to str
        Why a section is not there.
    provenance : dict of str to dict of str to str
    """

    title: str
    facts: dict[str, str]
    data: tuple[DataErrors, ...]
    pairs: tuple[PairCurves, ...] = ()
    reliability: Mapping[str, Mapping[str, Any]] | None = None
    grades: GradeSurvey | None = None
    sizes: SizeCurve | None = None
    worth: WorthTable | None = None
    worst: tuple[WorstStructure, ...] = ()
    temperatures: dict[str, float] = field(default_factory=dict)
    holes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def judged(self) -> DataErrors:
        """The data that the potential is judged by: the test set, if there is one."""
        return self.data[-1]

    @property
    def is_tested(self) -> bool:
        """Whether there is a test set."""
        return self.judged.name == TEST
