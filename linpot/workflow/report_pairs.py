"""Two atoms against their distance, part by part, over the distances of the training data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.fitting.priors import body_orders
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part, without_learned_part, without_unscannable
from linpot.report.contents import PairCurves
from linpot.structures.distances import survey_distances
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure
from linpot.validation.dimers import dimer_curve

Floats = NDArray[np.float64]
Pair = tuple[str, str]

MOST_PAIRS = 15
"""Pairs that are shown, those with most distances first: all pairs of five elements."""

N_BINS = 120
MOST_STRUCTURES = 500
"""Structures whose distances are counted, evenly spread."""


def pair_curves(
    model: EnergyModel, train: Sequence[Structure] | None
) -> tuple[tuple[PairCurves, ...], tuple[str, ...]]:
    """
    Scan the dimers of a potential and count training distances.

    Parameters
    ----------
    model : EnergyModel
    train : sequence of Structure, optional
        Without, shortest distances are those in the provenance, and there are no histograms.

    Returns
    -------
    tuple of PairCurves
        At most `MOST_PAIRS`.
    tuple of str
        Names of parts that were left out because their scans cost too much.
    """
    scanned, left_out = without_unscannable(model)
    elements = scanned.elements
    reach = max(scanned.cutoff, 3.0) + 0.5
    edges = np.linspace(0.0, reach, N_BINS + 1)
    counts: dict[Pair, Floats] = {}
    shortest = _shortest_of(model)
    if train is not None:
        chosen = _evenly(train, MOST_STRUCTURES)
        counts = count_distances(chosen, elements, edges)
        seen = survey_distances(chosen, elements)
        for pair, found in seen.items():
            if found.seen and not 0.0 < shortest.get(pair, np.inf) <= found.shortest:
                shortest[pair] = found.shortest
    guesses = survey_distances([], elements)
    pairs = sorted(guesses, key=lambda p: -float(counts[p].sum()) if p in counts else 0.0)
    parts = _parts(scanned)
    found_curves = []
    for pair in sorted(pairs[:MOST_PAIRS], key=list(guesses).index):
        begin = shortest.get(pair, guesses[pair].shortest)
        total = dimer_curve(scanned, pair, begin)
        curves = {"total": total.energies}
        for name, part in parts.items():
            curves[name] = dimer_curve(part, pair, begin, r=total.r).energies
        density = np.zeros(N_BINS)
        if pair in counts and counts[pair].any():
            density = counts[pair] / (edges[1:] ** 3 - edges[:-1] ** 3)
            density /= density.max()
        found_curves.append(
            PairCurves(pair, total.r, curves, shortest.get(pair), edges, density, total.hole)
        )
    return tuple(found_curves), left_out


def count_distances(
    structures: Sequence[Structure], elements: Sequence[str], edges: Floats
) -> dict[Pair, Floats]:
    """
    Count the distances of every unordered pair of elements.

    Parameters
    ----------
    structures : sequence of Structure
    elements : sequence of str
        By atomic number.
    edges : float64[n_bins + 1], A

    Returns
    -------
    dict of pair to float64[n_bins]
        Every distance once.
    """
    numbers = {chemical_symbols.index(s): s for s in elements}
    found: dict[Pair, Floats] = {}
    for structure in structures:
        neighbors = find_neighbors(structure, float(edges[-1]))
        r = np.linalg.norm(neighbors.vectors(structure.positions, structure.cell), axis=1)
        first = structure.numbers[neighbors.centers]
        second = structure.numbers[neighbors.neighbors]
        present = np.unique(structure.numbers).tolist()
        for i, a in enumerate(present):
            for b in present[i:]:
                own = r[(first == a) & (second == b)]
                if len(own) and a in numbers and b in numbers:
                    pair = (numbers[a], numbers[b])
                    once = np.histogram(own, edges)[0] / (2.0 if a == b else 1.0)
                    found[pair] = found.get(pair, np.zeros(len(edges) - 1)) + once
    return found


def _parts(scanned: EnergyModel) -> dict[str, EnergyModel]:
    """Return learned part, its functions of two atoms, and the baseline, as far as there are."""
    try:
        learned = learned_part(scanned)
    except InputError:  # other models have no parts to show
        return {}
    two = np.where(body_orders(learned.basis) == 2, learned.coefficients, 0.0)
    parts: dict[str, EnergyModel] = {"pair terms": learned.with_coefficients(two)}
    baseline = without_learned_part(scanned)
    if baseline is not None:
        parts = {"learned": learned, "baseline": baseline, **parts}
    return parts


def _shortest_of(model: EnergyModel) -> dict[Pair, float]:
    try:
        known: Mapping[str, float] = learned_part(model).provenance.get("shortest_distances", {})
    except InputError:
        return {}
    found = {}
    for name, value in known.items():
        a, b = name.split("-")
        found[a, b] = float(value)
    return found


def _evenly(structures: Sequence[Structure], most: int) -> list[Structure]:
    n = len(structures)
    places = range(n) if n <= most else np.linspace(0, n - 1, most).round().astype(int).tolist()
    return [structures[k] for k in places]
