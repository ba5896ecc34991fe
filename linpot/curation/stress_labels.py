"""
Whether labelled stresses are the strain derivatives of the energies: order, sign, unit.

Stresses are predicted by the quick fit, which has seen energies and forces only. For each unit
the labels are compared with the predictions after every exchange of shear components and every
change of sign and unit that is met; what explains them decisively better than the labels as they
are is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from linpot.curation.units import STRESS

Floats = NDArray[np.float64]
Order = tuple[int, int, int]
SHEARS = ("yz", "xz", "xy")

_FEWEST = 3  # structures
_LEAST_SHEAR = 5e-4  # eV/A^3: shears whose root mean square is below say nothing
_GOOD = 0.3  # mean square deviation of what is told, in units of the labels' mean square
_BAD = 0.6  # and of the labels as they are, for sign and unit
_GAIN = 4.0  # by which the deviation of shears must fall
_DISTINCT = 9.0  # squared deviations by which a single structure is told from its exchange


@dataclass(frozen=True)
class StressVerdict:
    """
    What is wrong with the stresses of a unit.

    Attributes
    ----------
    unit : str
    scale : str
        "" if right, or the key of `SCALES` that explains the labels.
    order : tuple of 3 int
        Shear component that stands at yz, xz, xy; (0, 1, 2) if right.
    places : list of int
        Structures concerned, as `UnitRows.stress_places`; all of the unit if empty.
    before, after : float
        Mean square deviation of the shears (of all components, for a scale) from predictions,
        in units of the labels' mean square.
    n : int
        Structures that tell.
    """

    unit: str
    scale: str
    order: Order
    places: list[int]
    before: float
    after: float
    n: int


def _unit(factor: float) -> Callable[[Floats, Floats], Floats]:
    return lambda labels, volumes: labels * factor


SCALES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "": _unit(1.0),
    "sign": _unit(-1.0),
    **{name: _unit(factor) for name, factor in STRESS.items() if factor != 1.0},
    **{f"sign, {name}": _unit(-factor) for name, factor in STRESS.items() if factor != 1.0},
    "virial": lambda labels, volumes: -labels / volumes[:, None],
    "sign, virial": lambda labels, volumes: labels / volumes[:, None],
    "stress": lambda labels, volumes: -labels * volumes[:, None],
    "sign, stress": lambda labels, volumes: labels * volumes[:, None],
}
"""What makes a right stress of the labels and the volumes: "virial" stands for labels that are
virials, "stress" for stresses that were read as virials."""


def judge_stress(
    unit: str, predicted: Floats, labels: Floats, volumes: Floats, places: list[int]
) -> tuple[list[StressVerdict], bool]:
    """
    Compare the stresses of a unit with predictions.

    Parameters
    ----------
    unit : str
    predicted, labels : float64[n_structures, 6], eV/A^3
    volumes : float64[n_structures], A^3
    places : list of int

    Returns
    -------
    verdicts : list of StressVerdict
    decided : bool
        Whether the labels could be told from all that they are compared with.
    """
    n = len(labels)
    if n < _FEWEST or not labels.any() or not predicted.any():
        return [], False
    verdicts = []
    deviations = {
        name: _deviation(predicted, change(labels, volumes)) for name, change in SCALES.items()
    }
    before = deviations[""]
    scale = min(deviations, key=deviations.__getitem__)
    scaled = before < _GOOD
    if scale and before > _BAD and deviations[scale] < _GOOD:
        verdicts.append(StressVerdict(unit, scale, (0, 1, 2), [], before, deviations[scale], n))
        labels = SCALES[scale](labels, volumes)
        scaled = True
    order = _judge_order(unit, predicted[:, 3:], labels[:, 3:], places)
    return verdicts + order[0], scaled and order[1]


def _judge_order(
    unit: str, predicted: Floats, labels: Floats, places: list[int]
) -> tuple[list[StressVerdict], bool]:
    """Look for exchanged shears: float64[n_structures, 3]."""
    size = float((labels**2).mean())
    if size < _LEAST_SHEAR**2:
        return [], False
    orders: list[Order] = [(a, b, c) for a, b, c in permutations(range(3))]
    squares = np.array([((predicted - labels[:, order]) ** 2).sum(axis=1) for order in orders])
    totals = squares.sum(axis=1)
    k = int(totals.argmin())
    decided = bool((np.delete(totals, k) > _GAIN * totals[k]).all())
    before, after = (t / (3 * len(labels) * size) for t in (totals[0], totals[k]))
    # what a structure says counts where the exchange changes more than the fit leaves
    noise = float(np.median(squares.min(axis=0))) + 1e-2 * size
    if k and totals[0] > _GAIN * totals[k] and after < _GOOD:
        tells = int((np.abs(squares[0] - squares[k]) > _DISTINCT * noise).sum())
        if tells >= _FEWEST:
            return [StressVerdict(unit, "", orders[k], [], before, after, tells)], decided
        return [], False
    for k in 1 + np.argsort([-_gain(squares[0], s, noise) for s in squares[1:]]):
        better = squares[0] - squares[k] > _DISTINCT * noise
        worse = squares[k] - squares[0] > _DISTINCT * noise
        explained = squares[k][better].sum() * _GAIN < squares[0][better].sum()
        if better.sum() >= max(_FEWEST, 0.1 * len(labels)) and worse.sum() and explained:
            own = [places[i] for i in np.flatnonzero(better)]
            left = np.where(better, squares[k], squares[0]).sum()
            if left * 2.0 < totals[0]:
                after = float(left) / (3 * len(labels) * size)
                order = orders[int(k)]
                return [StressVerdict(unit, "", order, own, before, after, len(own))], False
    return [], decided


def _gain(before: Floats, after: Floats, noise: float) -> float:
    gain = before - after
    return float(gain[gain > _DISTINCT * noise].sum())


def _deviation(predicted: Floats, labels: Floats) -> float:
    return float(((predicted - labels) ** 2).sum() / (labels**2).sum())


def exchange_of(order: Order) -> str:
    """Return how `--swap-stress` names an order of shears: the components that change places."""
    moved = [SHEARS[k] for k in range(3) if order[k] != k]
    if len(moved) == 2:
        return ",".join(moved)
    return ",".join(SHEARS[k] for k in order)  # a cycle: what stands at yz, xz, xy
