"""The catalogue of properties, and how all of them are computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ase import Atoms
from ase.calculators.calculator import Calculator

from linpot import checks
from linpot.errors import InputError
from linpot.validation import bulk_properties as bulk
from linpot.validation import defect_properties as defects
from linpot.validation import molecule_properties as molecules
from linpot.validation import phonon_properties as phonons
from linpot.validation import plane_properties as planes
from linpot.validation.crystals import ground_state
from linpot.validation.liquid_properties import liquid
from linpot.validation.quantities import Case, Measured, NotMeasuredError

Property = Callable[[Case], Measured]

CRYSTAL: Mapping[str, Property] = MappingProxyType(
    {
        "lattice": bulk.lattice,
        "eos": bulk.equation_of_state,
        "elastic": bulk.elastic,
        "phonons": phonons.phonons,
        "vacancy": defects.vacancy,
        "migration": defects.migration,
        "interstitials": defects.interstitials,
        "surfaces": planes.surfaces,
        "fault": planes.stacking_fault,
        "expansion": phonons.thermal_expansion,
        "liquid": liquid,
    }
)
"""Properties of crystals, the cheapest first."""

MOLECULE: Mapping[str, Property] = MappingProxyType(
    {"modes": molecules.normal_modes, "torsions": molecules.torsions}
)
"""Properties of molecules."""

SLOW = frozenset({"liquid", "expansion"})
"""Left out when it should be quick, and computed without error bars."""


@dataclass(frozen=True)
class Settings:
    """
    How properties are computed.

    Attributes
    ----------
    only : tuple of str
        Names of properties; all that a structure has if empty.
    length : float, A
        Of cells with defects, and of phonons.
    melting : float or None, K
    quick : bool
        Shorter cells, fewer images; without what is slow, unless it is named.
    seed : int
    """

    only: tuple[str, ...] = ()
    length: float = 10.0
    melting: float | None = None
    quick: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        checks.positive("length", self.length, "length in A")
        if self.melting is not None:
            checks.positive("melting", self.melting, "temperature in K")
        for name in self.only:
            checks.one_of("properties", name, [*CRYSTAL, *MOLECULE])

    def chosen(self, atoms: Atoms) -> dict[str, Property]:
        """
        Return what is computed of a structure.

        Raises
        ------
        InputError
            If it is periodic in some directions only, or has none of the properties.
        """
        if atoms.pbc.all():
            own = CRYSTAL
        elif not atoms.pbc.any():
            own = MOLECULE
        else:
            raise InputError(
                "a structure to validate must be periodic in all directions or in none, "
                f"got pbc={atoms.pbc.tolist()}"
            )
        names = self.only or [name for name in own if not (self.quick and name in SLOW)]
        kept = {name: own[name] for name in own if name in names}
        if not kept:
            raise InputError(
                f"`properties` must name some of {', '.join(own)} for this structure, "
                f"got {', '.join(self.only)}"
            )
        return kept


@dataclass(frozen=True)
class Outcome:
    """
    All properties of one calculator.

    Attributes
    ----------
    ground : Atoms
        The relaxed structure.
    measured : dict of property to Measured
    left_out : dict of property to str
        Why.
    seconds : dict of property to float
    """

    ground: Atoms
    measured: dict[str, Measured] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """All quantities by name."""
        return {q.name: q.value for own in self.measured.values() for q in own.quantities}


def compute_properties(
    calculator: Calculator,
    atoms: Atoms,
    settings: Settings,
    *,
    without: Collection[str] = (),
    progress: Callable[[int, str], None] | None = None,
) -> Outcome:
    """
    Relax a structure and compute its properties.

    Parameters
    ----------
    calculator : ase Calculator
    atoms : ase.Atoms
        A crystal or a molecule; not modified.
    settings : Settings
    without : collection of str
        Properties that are not computed.
    progress : callable, optional
        Called with the number of properties done and the name of the next one.

    Returns
    -------
    Outcome

    Raises
    ------
    InputError
        See `Settings.chosen`.
    NotMeasuredError
        If the structure itself does not relax.
    """
    chosen = {n: f for n, f in settings.chosen(atoms).items() if n not in without}
    outcome = Outcome(ground_state(atoms, calculator))
    length = 0.8 * settings.length if settings.quick else settings.length
    case = Case(outcome.ground, calculator, length, settings.melting, settings.quick, settings.seed)
    for done, (name, compute) in enumerate(chosen.items()):
        if progress is not None:
            progress(done, name)
        started = time.perf_counter()
        try:
            outcome.measured[name] = compute(case)
        except NotMeasuredError as reason:
            outcome.left_out[name] = str(reason)
        outcome.seconds[name] = time.perf_counter() - started
    return outcome
