"""Error bars of any number that is computed with a potential."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from linpot.checks import finite_array
from linpot.model.protocol import EnergyModel
from linpot.uncertainty.conformal import checked_level
from linpot.uncertainty.error_bars import ErrorBars

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WithError:
    """
    A property, its error bar, and how it varies over a committee; ``print`` shows what matters.

    Attributes
    ----------
    value : float
        Of the potential itself.
    std : float
        Root mean square of the members' differences from `value`, times `inflation`.
    interval : (float, float)
        At the level asked for, around `value`.
    inflation : float
        See `ErrorBars.inflation`.
    members : float64[n_members]
        Of the committee, not inflated.
    """

    value: float
    std: float
    interval: tuple[float, float]
    inflation: float
    members: Floats = field(repr=False)

    def __str__(self) -> str:
        """Return value, deviation and interval, to two digits of the deviation."""
        places = 1 - math.floor(math.log10(self.std)) if self.std > 0.0 else 6
        numbers = (self.value, self.std, *self.interval)
        value, std, low, high = (f"{number:.{max(places, 0)}f}" for number in numbers)
        return f"{value} +- {std} ({low} to {high})"


def with_error_bar(
    property_function: Callable[[EnergyModel], Any],
    potential: EnergyModel,
    *,
    n_members: int = 20,
    level: float = 0.9,
    seed: int = 0,
) -> WithError:
    """
    Return any number computed from a potential, with an error bar.

    Members of a committee are drawn from the posterior. Their spread is multiplied by the factor by
    which errors of left-out labels exceed the posterior; the interval is that of Student's t for
    the number of members. It is honest for properties to which the coefficients matter as they
    matter to labels, of structures like those of the data. No label of the property was seen, so
    that no coverage is guaranteed: errors of a property that is a small difference of large
    energies may cancel or not, and an error of the reference calculations is not part of it.

    Parameters
    ----------
    property_function : callable
        Takes a potential and returns a number: a lattice constant, a barrier ...
        ``atoms.calc = LinpotCalculator(potential)`` makes a calculator of what it takes.
    potential : EnergyModel
        With error bars.
    n_members : int
    level : float
    seed : int

    Returns
    -------
    WithError

    Raises
    ------
    InputError
        If the potential has no error bars, or the property is not a finite number.
    """
    only = "the property"
    return with_error_bars(
        lambda model: {only: property_function(model)},
        potential,
        n_members=n_members,
        level=level,
        seed=seed,
    )[only]


def with_error_bars(
    property_function: Callable[[EnergyModel], Mapping[str, Any]],
    potential: EnergyModel,
    *,
    n_members: int = 20,
    level: float = 0.9,
    seed: int = 0,
) -> dict[str, WithError]:
    """
    Return any numbers computed from a potential, each with an error bar; see `with_error_bar`.

    Parameters
    ----------
    property_function : callable
        Takes a potential and returns numbers by name. What a member does not return has no error
        bar, and is not returned.
    potential : EnergyModel
        With error bars.
    n_members : int
    level : float
    seed : int

    Returns
    -------
    dict of str to WithError
        From one committee, so that the members of all numbers belong together.

    Raises
    ------
    InputError
        If the potential has no error bars, or a property is not a finite number.
    """
    level = checked_level(level)
    bars = ErrorBars.of(potential)
    values = _numbers(property_function(potential))
    committee = bars.committee(potential, n_members=n_members, seed=seed)
    drawn = [_numbers(property_function(committee.member(k))) for k in range(n_members)]
    found = {}
    for name, value in values.items():
        if not all(name in own for own in drawn):
            continue
        members = np.array([own[name] for own in drawn])
        std = bars.inflation * float(np.sqrt(np.mean((members - value) ** 2)))
        half = std * float(student.ppf(0.5 + 0.5 * level, n_members))
        interval = (value - half, value + half)
        found[name] = WithError(value, std, interval, bars.inflation, members)
    return found


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(finite_array(name, value, [])) for name, value in values.items()}
