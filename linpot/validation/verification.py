"""
Laws that every calculator must obey, learned or not.

In the spirit of the verification checks of the OpenKIM project (Tadmor, Elliott, Sethna,
Miller, Becker, JOM 63, 17 (2011)): they say nothing about accuracy, but a potential that fails one
cannot be trusted in any simulation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ase import Atoms

from linpot import checks
from linpot.validation import behavior_checks as behavior
from linpot.validation import derivative_checks as derivative
from linpot.validation import rough_checks as roughness
from linpot.validation import smoothness_checks as smoothness
from linpot.validation import symmetry_checks as symmetry
from linpot.validation.findings import Check, Findings, Verification
from linpot.validation.rough_checks import Rough
from linpot.validation.samples import conditions_of
from linpot.validation.subject import Subject, ask

Measure = Callable[[Subject, Mapping[str, Atoms], float], Findings]


@dataclass(frozen=True)
class Law:
    """A check: its name, what it asks, why it tolerates what it does, and how it measures."""

    name: str
    sentence: str
    reason: str
    measure: Measure


LAWS: tuple[Law, ...] = (
    Law("periodicity", "it says which boundary conditions it knows, and they agree with each other",
        symmetry.EXACT, behavior.periodicity),
    Law("species", "it knows the elements that it claims and refuses others",
        behavior.NO_TOLERANCE, behavior.species),
    Law("translation", "shifting all atoms changes nothing", symmetry.EXACT, symmetry.translation),
    Law("rotation", "forces and stress rotate with the structure", symmetry.EXACT,
        symmetry.rotation),
    Law("reflection", "a mirror image has the same energy", symmetry.EXACT, symmetry.reflection),
    Law("permutation", "the order of atoms changes nothing", symmetry.EXACT, symmetry.permutation),
    Law("images", "it does not matter which periodic image of an atom is given, or which vectors "
        "of the lattice", symmetry.SUMMED, symmetry.images),
    Law("supercells", "a repeated cell has a multiple of the energy", symmetry.SUMMED,
        symmetry.supercells),
    Law("far copies", "energies of things far apart add up", symmetry.SUMMED, symmetry.far_copies),
    Law("forces", "forces are minus the derivatives of the energy", derivative.REASON,
        derivative.forces),
    Law("stress", "the stress is the derivative of the energy by strain", derivative.REASON,
        derivative.stress),
    Law("smoothness", "energy, force and force constant of dimers and trimers have no jumps",
        smoothness.REASON, smoothness.dimers),
    Law("reproducibility", "the same structure gets the same answer, whatever was asked before",
        f"{behavior.BITS}; later {behavior.HISTORY}", behavior.reproducibility),
    Law("threads", "threads change no bit", behavior.BITS, behavior.threads),
    Law("memory", "memory does not grow with the number of calls", behavior.MEMORY,
        behavior.memory),
)  # fmt: skip
"""All checks, in the order in which they run."""


ROUGH = ("random search", "compression", "heat", "repulsion")
"""Names of the checks of rough use, in their order."""


def rough_laws(rough: Rough) -> tuple[Law, ...]:
    """Return the checks of rough use."""
    sentences = (
        "random cells relax to nothing unphysical",
        "a crystal resists until half of its volume",
        "a crystal heated to five times its melting temperature falls into no hole",
        "two atoms repel each other all the way in",
    )
    measures = (rough.random_search, rough.compression, rough.heat, rough.dimers)

    def law(name: str, sentence: str, measure: Callable[[Subject], Findings]) -> Law:
        return Law(name, sentence, roughness.REASON, lambda subject, _, __: measure(subject))

    return tuple(map(law, ROUGH, sentences, measures))


def verify_subject(
    subject: Subject,
    *,
    structures: Sequence[Atoms] = (),
    rough: Rough | None = None,
    only: Collection[str] = (),
    slack: float = 1.0,
    progress: Callable[[int, str], None] | None = None,
) -> Verification:
    """
    Check a calculator against every law.

    Parameters
    ----------
    subject : Subject
    structures : sequence of Atoms
        Checked instead of made ones of the same boundary conditions.
    rough : Rough, optional
        Adds the checks of rough use.
    only : collection of str
        Names of laws; all if empty.
    slack : float
        Factor on all tolerances but those of bits and claims; 100 for single precision.
    progress : callable, optional
        Called with the number of checks done and the name of the next one.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        If a name is unknown or a structure cannot be evaluated.
    """
    checks.positive("slack", slack)
    laws = LAWS if rough is None else (*LAWS, *rough_laws(rough))
    for name in only:
        checks.one_of("only", name, [law.name for law in laws])
    chosen = [law for law in laws if not only or law.name in only]
    samples, _ = behavior.supported(subject)
    for atoms in structures:
        ask(subject.make(1), atoms)  # a structure of the user that is refused is told at once
        samples[conditions_of(atoms)] = atoms
    outcome = []
    for done, law in enumerate(chosen):
        if progress is not None:
            progress(done, law.name)
        outcome.append(
            Check(law.name, law.sentence, law.reason, _measured(law, subject, samples, slack))
        )
    return Verification(subject.name, subject.elements, outcome)


def _measured(law: Law, subject: Subject, samples: Mapping[str, Atoms], slack: float) -> Findings:
    try:
        found = law.measure(subject, samples, slack)
    except Exception as error:  # a calculator that raises has failed the law, not the program
        text = " ".join(str(error).split())
        return Findings(faults=[f"the calculator raised {type(error).__name__}: {text[:200]}"])
    if not (found.deviations or found.faults or found.notes or found.left_out):
        found.left_out = "no boundary condition is supported"
    return found
