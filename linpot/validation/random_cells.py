"""Small cells of random shape with atoms at random places, as structure searches start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms

FEWEST, MOST = 4, 12
"""Atoms, or one formula."""
VOLUMES = (0.7, 1.4)  # of the usual one
CLOSEST = 0.7  # of the shortest usual distance
_PLACES = 100  # tried for an atom


def random_cell(
    formula: Sequence[str],
    volume: float,
    distance: Callable[[str, str], float],
    rng: np.random.Generator,
) -> Atoms:
    """
    Make a cell.

    Parameters
    ----------
    formula : sequence of str
        Symbols; repeated up to `MOST` atoms.
    volume : float, A^3
        Usual one, per atom.
    distance : callable
        Shortest usual distance of two symbols, A.
    rng : numpy Generator

    Returns
    -------
    Atoms
        Periodic; none closer than `CLOSEST` of the shortest usual distance, if there are places for
        all.
    """
    repeats = max(1, round(int(rng.integers(FEWEST, MOST + 1)) / len(formula)))
    symbols = list(formula) * repeats
    while True:
        cell = np.eye(3) * rng.uniform(0.7, 1.4, 3) + rng.uniform(-0.3, 0.3, (3, 3))
        size = float(np.linalg.det(cell))
        if size > 0.3:
            break
    cell *= (len(symbols) * volume * rng.uniform(*VOLUMES) / size) ** (1 / 3)
    atoms = Atoms(cell=cell, pbc=True)
    for symbol in symbols:
        least = CLOSEST * np.array([distance(symbol, s) for s in atoms.symbols])
        for _ in range(_PLACES):
            trial = atoms + Atoms(symbol, positions=[rng.random(3) @ cell])
            gaps = trial.get_distances(-1, range(len(atoms)), mic=True) if len(atoms) else least
            if (gaps >= least).all():
                break
        atoms = trial
    return atoms
