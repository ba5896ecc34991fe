"""
Energies of atoms: references that differ between units, and what their size says of the unit.

A fit compares energies inside units only. What it leaves of them is one energy per element if all
units were calculated alike; a unit that is off by much more than the fit scatters was not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from linpot.curation.quick_fit import QuickFit
from linpot.curation.units import ENERGY
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

_LEFT = 0.05  # eV/atom; what a fit with shared energies of atoms must leave of an offset
LEAST_OFFSET = 0.5  # eV/atom; smaller ones are within what a quick fit extrapolates wrongly
_SCATTER = 10.0  # times the scatter inside the unit
_FEWEST = 3
_ITERATIONS = 200
_SAME_ATOM = 0.02  # relative; the statistical energy of an atom is that good beyond helium
_MOST_BINDING = 12.0  # eV/atom; tungsten, the strongest, has 8.9


@dataclass(frozen=True)
class Offset:
    """
    A unit whose energies have another reference.

    Attributes
    ----------
    unit : str
    offset : float, eV/atom
        Above that of the others.
    scatter : float, eV/atom
        What the fit leaves inside the unit, median of sizes.
    n : int
        Structures.
    """

    unit: str
    offset: float
    scatter: float
    n: int


def find_offsets(
    fit: QuickFit, coefficients: Floats, divisors: Mapping[str, float]
) -> list[Offset]:
    """
    Find the offset of every unit from energies of atoms that most structures agree on.

    Parameters
    ----------
    fit : QuickFit
    coefficients : float64[n_features], eV
    divisors : mapping of unit to float
        What labels of energies are divided by first.

    Returns
    -------
    list of Offset
        All units of at least three structures of more than one atom.
    """
    left, counts, owners = [], [], []
    for unit, own in fit.rows.items():
        for X, y, x, n in zip(own.energy_rows, own.energy_y, own.one_body, own.sizes, strict=True):
            if n > 1:
                left.append(y / divisors.get(unit, 1.0) - X @ coefficients)
                counts.append(x)
                owners.append(unit)
    if not left:
        return []
    values, matrix = np.array(left), np.array(counts)
    of_unit = np.array(owners)
    # every unit has one vote: a large one must not outvote the rest
    votes = np.array([1.0 / np.count_nonzero(of_unit == unit) for unit in owners])
    deviation = values - matrix @ least_absolute(matrix, values, votes)
    found = []
    for unit in dict.fromkeys(owners):
        own = deviation[of_unit == unit]
        if len(own) >= _FEWEST:
            offset = float(np.median(own))
            found.append(Offset(unit, offset, float(np.median(np.abs(own - offset))), len(own)))
    return found


def other_references(
    fit: QuickFit, offsets: Sequence[Offset], divisors: Mapping[str, float]
) -> list[Offset]:
    """
    Return the units that do not share the energies of atoms of most others.

    Units are gathered by their offsets; that with most units is the reference. An offset counts if
    the fit cannot explain it either when all units share one energy per element.

    Parameters
    ----------
    fit : QuickFit
    offsets : sequence of Offset
    divisors : mapping of unit to float
        What labels of energies are divided by first.

    Returns
    -------
    list of Offset
        Relative to the reference.
    """
    ordered = sorted(offsets, key=lambda o: o.offset)
    gathered: list[list[Offset]] = []
    for one in ordered:
        last = gathered[-1][-1] if gathered else None
        if last is not None and one.offset - last.offset < _gap(one, last):
            gathered[-1].append(one)
        else:
            gathered.append([one])
    if len(gathered) < 2:
        return []
    reference = max(gathered, key=lambda own: (len(own), sum(o.n for o in own)))
    level = float(np.median([o.offset for o in reference]))
    left = fit.shared_energy_deviations(divisors)
    found = []
    for own in gathered:
        for one in own:
            shift = one.offset - level
            told = abs(left.get(one.unit, 0.0)) > max(_LEFT, _SCATTER * one.scatter)
            if own is not reference and told:
                found.append(Offset(one.unit, shift, one.scatter, one.n))
    return found


def _gap(a: Offset, b: Offset) -> float:
    return max(LEAST_OFFSET, _SCATTER * max(a.scatter, b.scatter))


def least_absolute(matrix: Floats, values: Floats, votes: Floats) -> Floats:
    """
    Minimise the weighted sum of absolute deviations, by reweighted least squares.

    Parameters
    ----------
    matrix : float64[n, m]
    values, votes : float64[n]

    Returns
    -------
    float64[m]
    """
    solution = np.zeros(matrix.shape[1])
    weights = votes.copy()
    for _ in range(_ITERATIONS):
        root = np.sqrt(weights)
        # minimum norm relative to the mean energy, where compositions leave a choice
        found = np.linalg.lstsq(matrix * root[:, None], values * root, rcond=1e-10)
        new = np.asarray(found[0], dtype=np.float64)
        step = float(np.abs(new - solution).max())
        solution = new
        size = np.abs(values - matrix @ solution)
        weights = votes / np.maximum(size, 1e-6)
        if step < 1e-9:
            break
    return solution


def statistical_energy(z: int) -> float:
    """
    Return about the total energy of a neutral atom, Hartree.

    References
    ----------
    Schwinger, Phys. Rev. A 24, 2353 (1981), eq. 1: Thomas-Fermi, Scott's and exchange terms.
    """
    return -0.768745 * z ** (7 / 3) + 0.5 * z**2 - 0.269900 * z ** (5 / 3)


def unit_of_totals(energies: Mapping[int, float]) -> str | None:
    """
    Guess the unit of all-electron total energies from energies of atoms.

    Parameters
    ----------
    energies : mapping of int to float
        Atomic number to energy in an unknown unit; hydrogen and helium are not looked at.

    Returns
    -------
    str or None
        None if they are no total energies of all electrons.
    """
    heavy = {z: e for z, e in energies.items() if z > 2}
    if not heavy:
        return None
    for name in ("eV", "Hartree", "Rydberg", "kcal/mol", "kJ/mol"):
        ratios = [
            e * ENERGY[name] / (statistical_energy(z) * ENERGY["Hartree"]) for z, e in heavy.items()
        ]
        if all(abs(ratio - 1.0) < _SAME_ATOM for ratio in ratios):
            return name
    return None


@dataclass(frozen=True)
class AtomEnergies:
    """
    Energies of single atoms in the data.

    Attributes
    ----------
    isolated : dict of str to list of float, eV
        Symbol to the labels of structures that are one isolated atom.
    least_squares : dict of int to float, eV
        Atomic number to the energy that explains most of the energies.
    lowest_binding, highest_binding : float or None, eV/atom
        Energy above isolated atoms, where all elements of a structure have one.
    """

    isolated: dict[str, list[float]]
    least_squares: dict[int, float]
    lowest_binding: float | None
    highest_binding: float | None

    @property
    def is_impossible(self) -> bool:
        """Whether atoms are bound more strongly than any."""
        return self.lowest_binding is not None and self.lowest_binding < -_MOST_BINDING

    @property
    def is_unbound(self) -> bool:
        """Whether no structure of several atoms lies below its isolated atoms."""
        return self.lowest_binding is not None and self.lowest_binding > 0.0


def atom_energies(structures: Iterable[Structure], numbers: Sequence[int]) -> AtomEnergies:
    """
    Collect energies of single atoms.

    Parameters
    ----------
    structures : iterable of Structure
    numbers : sequence of int
        Atomic numbers of the data.

    Returns
    -------
    AtomEnergies
    """
    isolated: dict[str, list[float]] = {}
    totals: list[tuple[Floats, float, int]] = []
    for s in structures:
        if s.labels.energy is None:
            continue
        counts = np.array([np.count_nonzero(s.numbers == z) for z in numbers], dtype=float)
        if (s.n_atoms == 1 and not any(s.pbc)) or (s.n_atoms == 1 and _is_far_from_images(s)):
            isolated.setdefault(chemical_symbols[s.numbers[0]], []).append(s.labels.energy)
        else:
            totals.append((counts, s.labels.energy, s.n_atoms))
    fitted: dict[int, float] = {}
    low = high = None
    if totals:
        matrix = np.array([c / n for c, _, n in totals])
        values = np.array([e / n for _, e, n in totals])
        solution, _, rank, _ = np.linalg.lstsq(matrix, values, rcond=1e-8)
        if rank == len(numbers):
            fitted = dict(zip(numbers, solution.tolist(), strict=True))
        symbols = [chemical_symbols[z] for z in numbers]
        known = np.array([s in isolated for s in symbols])
        inside = ~(matrix[:, ~known] > 0.0).any(axis=1)
        if inside.any() and known.any():
            e0 = np.array([float(np.median(isolated.get(s, [0.0]))) for s in symbols])
            binding = (values - matrix @ e0)[inside]
            low, high = float(binding.min()), float(binding.max())
    return AtomEnergies(isolated, fitted, low, high)


def _is_far_from_images(s: Structure) -> bool:
    periodic = s.cell[list(s.pbc)]
    return bool(np.linalg.norm(periodic, axis=1).min() > 6.0)
