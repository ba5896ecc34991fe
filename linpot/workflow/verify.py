"""`linpot.verify`: laws that a calculator must obey."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ase import Atoms

from linpot.validation.findings import Verification
from linpot.validation.rough_checks import Rough
from linpot.validation.verification import verify_subject
from linpot.workflow.subjects import (
    Source,
    make_subject,
    melting_temperature,
    usual_crystal,
)


def verify(
    source: Source,
    *,
    elements: Sequence[str] = (),
    cutoff: float | None = None,
    structures: Sequence[Atoms] = (),
    rough: bool = False,
    n_random: int = 100,
    melting: float | None = None,
    only: Collection[str] = (),
    slack: float = 1.0,
    progress: Callable[[int, str], None] | None = None,
) -> Verification:
    """
    Check a potential or any ASE calculator against the laws that all must obey.

    Invariance, extensivity, smoothness, derivatives, boundary conditions, elements, threads, memory
    and reproducibility; docs/validation.md lists them with their tolerances.

    Parameters
    ----------
    source : EnergyModel, path, Calculator or callable
        A potential, its file, an ASE calculator, a function that returns a new calculator (threads
        and bits can be checked then), or "package.module:Name" of one.
    elements : sequence of str
        That a calculator claims to know; potentials say it themselves.
    cutoff : float, A, optional
        Of a calculator, where it is known: smoothness is looked at there.
    structures : sequence of Atoms
        Checked instead of made ones of the same boundary conditions; their charges are used.
    rough : bool
        Also relax random cells, compress, heat, and push atoms together; starts from the first
        periodic of `structures`, or the usual crystal of an element.
    n_random : int
        Random cells of rough use.
    melting : float, K, optional
        For rough use; shipped for some elements.
    only : collection of str
        Names of checks; all if empty.
    slack : float
        Factor on tolerances; 100 for calculators in single precision.
    progress : callable, optional
        Called with the number of checks done and the name of the next one.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        If the elements are unknown, or `source` leads to no calculator.

    Examples
    --------
    >>> from ase.calculators.emt import EMT
    >>> import linpot
    >>> linpot.verify(EMT, elements=["Cu"], only=["translation", "forces"]).passed
    True
    """
    subject = make_subject(source, elements=elements, cutoff=cutoff, structures=structures)
    start = None
    if rough:
        periodic = [atoms for atoms in structures if atoms.pbc.all()]
        crystal = periodic[0] if periodic else usual_crystal(subject.elements)
        known = melting_temperature(crystal) if melting is None else melting
        start = Rough(crystal, known, n_random)
    return verify_subject(
        subject, structures=structures, rough=start, only=only, slack=slack, progress=progress
    )
