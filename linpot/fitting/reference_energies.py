"""
One-body energies E0: given, read off isolated atoms, estimated, or by least squares.

E0 is what a potential says of separated atoms. Least squares on compositions puts the mean energy
there, so that separated atoms are as stable as the solid, or more so where a baseline repels in
the solid; everything between the two then falls below the solid. So what the data do not say is
estimated: the mean energy, plus what it takes to part the elements into atoms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError
from linpot.fitting.cohesive_energies import COHESIVE_ENERGIES, TYPICAL
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

RULES = ("auto", "isolated", "least-squares", "joint")
LEAST_SQUARES = "least squares"
"""Source of energies by composition."""
ESTIMATED = "estimate"
"""Source of energies by composition and cohesive energies of the elements."""

_AGREE = 1e-4  # eV; isolated atoms of one element that differ by more are a contradiction


@dataclass(frozen=True)
class ReferenceEnergies:
    """
    E0 of every element and where it came from.

    Attributes
    ----------
    values : dict of str to float, eV
    sources : dict of str to str
        "given", "isolated atom", `ESTIMATED` or `LEAST_SQUARES`.
    undetermined : bool
        Whether the compositions leave a combination of fitted values open; the solution of minimum
        norm was taken.
    """

    values: dict[str, float]
    sources: dict[str, str]
    undetermined: bool = False


def find_reference_energies(
    structures: Sequence[Structure],
    energies: Sequence[float | None],
    elements: tuple[str, ...],
    cutoff: float,
    rule: str | Mapping[str, float] = "auto",
    *,
    estimate: bool = True,
) -> ReferenceEnergies:
    """
    Determine E0.

    Parameters
    ----------
    structures : sequence of Structure
    energies : sequence of float or None, eV
        Labels of the structures less the baseline; None where a structure has no energy.
    elements : tuple of str
    cutoff : float, A
        An atom without neighbors inside it is isolated.
    rule : {"auto", "isolated", "least-squares", "joint"} or mapping of str to float
        "auto" takes isolated atoms where the data have them and estimates the rest by composition,
        from labels and cohesive energies. "joint" takes isolated atoms and fits the rest by
        composition, after which a fit solves for them again beside the learned part;
        "least-squares" fits all; "isolated" insists on isolated atoms; a mapping gives values,
        elements it lacks are found by "auto".
    estimate : bool
        Whether "auto" estimates. Charges or a whole potential in the baseline bind atoms
        themselves: the rest is fitted by composition.

    Returns
    -------
    ReferenceEnergies

    Raises
    ------
    InputError
        If isolated atoms are insisted on and missing, if those of one element contradict each
        other, if a given element is unknown, or if energies are missing altogether.
    """
    values: dict[str, float] = {}
    sources: dict[str, str] = {}
    if isinstance(rule, Mapping):
        for symbol, value in rule.items():
            if symbol not in elements:
                raise InputError(
                    f"`e0` must name elements of the data ({', '.join(elements)}), got {symbol!r}"
                )
            values[symbol] = float(checks.finite_array(f"e0[{symbol!r}]", value, []))
            sources[symbol] = "given"
    else:
        checks.one_of("e0", rule, RULES)
    if rule != "least-squares":
        for symbol, value in _isolated_atoms(structures, energies, cutoff).items():
            if symbol not in values:
                values[symbol], sources[symbol] = value, "isolated atom"
    missing = [s for s in elements if s not in values]
    if rule == "isolated" and missing:
        raise InputError(
            f"`e0` 'isolated' needs an isolated atom of every element, {', '.join(missing)} "
            "is missing; add one, give the energy, or use 'auto'"
        )
    undetermined = False
    if missing:
        estimated = estimate and rule not in ("least-squares", "joint")
        find = _estimates if estimated else _least_squares
        fitted, undetermined = find(structures, energies, missing, values)
        values.update(fitted)
        sources.update(dict.fromkeys(missing, ESTIMATED if estimated else LEAST_SQUARES))
    return ReferenceEnergies(
        {s: values[s] for s in elements}, {s: sources[s] for s in elements}, undetermined
    )


def _isolated_atoms(
    structures: Sequence[Structure], energies: Sequence[float | None], cutoff: float
) -> dict[str, float]:
    symbol_of = {z: s for s, z in atomic_numbers.items()}
    found: dict[str, tuple[float, str]] = {}
    for structure, energy in zip(structures, energies, strict=True):
        if structure.n_atoms != 1 or energy is None:
            continue
        if any(structure.pbc) and find_neighbors(structure, cutoff).n_pairs:
            continue
        symbol = symbol_of[int(structure.numbers[0])]
        if symbol in found and abs(found[symbol][0] - energy) > _AGREE:
            raise InputError(
                f"isolated atoms of {symbol} must have one energy, got {found[symbol][0]} eV "
                f"({found[symbol][1]}) and {energy} eV ({structure.name}); keep one, or give `e0`"
            )
        found.setdefault(symbol, (energy, structure.name))
    return {symbol: value for symbol, (value, _) in found.items()}


def _estimates(
    structures: Sequence[Structure],
    energies: Sequence[float | None],
    missing: list[str],
    known: Mapping[str, float],
) -> tuple[dict[str, float], bool]:
    """Fit compositions to labels and cohesive energies; what a baseline repels says nothing."""
    apart: list[float | None] = []
    for structure, energy in zip(structures, energies, strict=True):
        label = structure.labels.energy
        if energy is None or label is None:
            apart.append(None)
        else:
            symbols = (chemical_symbols[z] for z in structure.numbers)
            apart.append(label + sum(COHESIVE_ENERGIES.get(s, TYPICAL) for s in symbols))
    return _least_squares(structures, apart, missing, known)


def _least_squares(
    structures: Sequence[Structure],
    energies: Sequence[float | None],
    missing: list[str],
    known: Mapping[str, float],
) -> tuple[dict[str, float], bool]:
    """Fit energies per atom by composition, minimum norm."""
    wanted = [atomic_numbers[s] for s in missing]
    rows: list[NDArray[np.float64]] = []
    targets = []
    for structure, energy in zip(structures, energies, strict=True):
        if energy is None:
            continue
        rest = sum(
            value * np.count_nonzero(structure.numbers == atomic_numbers[s])
            for s, value in known.items()
        )
        counts = np.array([np.count_nonzero(structure.numbers == z) for z in wanted], dtype=float)
        if counts.any():
            rows.append(counts / structure.n_atoms)
            targets.append((energy - rest) / structure.n_atoms)
    if not rows:
        # nothing but differences of energy matters then, and those are in the forces
        return dict.fromkeys(missing, 0.0), False
    solution, _, rank, _ = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=1e-8)
    return dict(zip(missing, map(float, solution), strict=True)), bool(rank < len(missing))
