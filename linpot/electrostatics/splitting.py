"""How to sum: what is done in real space, what in reciprocal space, and where to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from linpot.electrostatics.estimates import highest_for, spacing_for, splitting_for

METHODS = ("auto", "direct", "ewald", "mesh")

_STEP = 1.02  # densities are rounded to powers of it, so that small strains change nothing
_ORDERS = (4, 6, 8)

# Seconds per pair of the real-space sum, evaluated and as an entry of a matrix, per vector and atom
# of the reciprocal sum, per charge and (spline point)^2, and per mesh point and log2 of the mesh:
# rough figures of one core. They decide which way is taken, not what comes out.
_PAIR, _STORED, _MODE, _COLUMN, _POINT = 12e-9, 1.5e-9, 0.45e-9, 4e-9, 1.2e-9


@dataclass(frozen=True)
class Splitting:
    """
    Parameters of a lattice sum.

    Attributes
    ----------
    method : str
        "ewald" or "mesh".
    cutoff : float, A
        Of the pairs in real space.
    alpha : float, 1/A
        ``erfc(alpha r)/r`` is summed over pairs, ``erf(alpha r)/r`` over reciprocal vectors.
    highest : float, 1/A
        Length of the longest reciprocal vector ("ewald").
    spacing : float, A
        Largest distance of mesh points ("mesh").
    order : int
        Of the B-splines ("mesh").
    """

    method: str
    cutoff: float
    alpha: float
    highest: float
    spacing: float
    order: int


def choose_splitting(
    n_atoms: int,
    volume: float,
    occupied: float,
    accuracy: float,
    *,
    method: str = "auto",
    shortest_cutoff: float = 0.0,
    cutoff: float | None = None,
    repeats: int = 0,
) -> Splitting:
    """
    Choose the parameters that meet an accuracy at the least estimated cost.

    Parameters
    ----------
    n_atoms : int
    volume : float, A^3
        Of the periodic cell.
    occupied : float, A^3
        What of it holds atoms: less than `volume` for a slab in vacuum.
    accuracy : float
        RMS error of forces over the force between two charges of the RMS size at the mean
        distance.
    method : str
        "auto", "ewald" or "mesh".
    shortest_cutoff : float, A
        Below it the pairs' interaction has parts of its own (damping, widths).
    cutoff : float or None, A
        Given instead of chosen.
    repeats : int
        How often potentials will be wanted beside one evaluation of all. Pairs are stored for
        that: the more repeats, the more of the work belongs to them.

    Returns
    -------
    Splitting
        The same for all volumes within a few percent.
    """
    distance = (occupied / n_atoms) ** (1.0 / 3.0)
    return _choose(
        n_atoms,
        math.floor(math.log(distance) / math.log(_STEP)),
        math.ceil(math.log(volume / occupied) / math.log(_STEP)),
        accuracy,
        method,
        shortest_cutoff,
        cutoff,
        repeats,
    )


@lru_cache(maxsize=256)
def _choose(
    n_atoms: int,
    distance_step: int,
    vacuum_step: int,
    accuracy: float,
    method: str,
    shortest_cutoff: float,
    cutoff: float | None,
    repeats: int,
) -> Splitting:
    distance = _STEP**distance_step
    volume = n_atoms * distance**3 * _STEP**vacuum_step
    allowed = accuracy / math.sqrt(2.0)
    if cutoff is not None:
        cutoffs = [cutoff]
    else:
        cutoffs = [distance * (1.0 + 0.1 * k) for k in range(70)]
        cutoffs = [max(c, shortest_cutoff) for c in cutoffs]
    best, least = None, math.inf
    stored = _PAIR + _STORED * repeats if repeats else 0.0
    for radius in cutoffs:
        alpha = splitting_for(radius, distance, allowed)
        real = (_PAIR + stored) * n_atoms * 4.0 / 3.0 * math.pi * (radius / distance) ** 3
        if method in ("auto", "ewald"):
            highest = highest_for(alpha, distance, allowed)
            modes = volume * highest**3 / (12.0 * math.pi**2)
            cost = real + (1 + repeats) * _MODE * n_atoms * modes
            if cost < least:
                best, least = Splitting("ewald", radius, alpha, highest, 0.0, 0), cost
        if method in ("auto", "mesh"):
            for order in _ORDERS:
                spacing = spacing_for(alpha, distance, allowed, order)
                points = max(volume / spacing**3, 512.0)
                far = _COLUMN * n_atoms * order**2 + _POINT * points * math.log2(points)
                cost = real + (1 + repeats) * far
                if cost < least:
                    best, least = Splitting("mesh", radius, alpha, 0.0, spacing, order), cost
    assert best is not None
    return best
