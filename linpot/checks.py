"""
Checks of user input: one builder per kind of mistake, so that every message reads alike.

``<what> must be <rule>, got <value> [<where>][; <what to do>]``
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linpot.errors import InputError


def positive(name: str, value: Any, unit: str = "") -> float:
    """
    Return `value` as a finite float above zero.

    Raises
    ------
    InputError
        If it is not a number, not finite, or not positive.
    """
    number = _number(name, value, f"a positive {unit or 'number'}")
    if not (math.isfinite(number) and number > 0.0):
        raise InputError(f"`{name}` must be a positive {unit or 'number'}, got {value!r}")
    return number


def non_negative(name: str, value: Any, unit: str = "") -> float:
    """
    Return `value` as a finite float that is zero or more.

    Raises
    ------
    InputError
        If it is not a number, not finite, or negative.
    """
    number = _number(name, value, f"a non-negative {unit or 'number'}")
    if not (math.isfinite(number) and number >= 0.0):
        raise InputError(f"`{name}` must be a non-negative {unit or 'number'}, got {value!r}")
    return number


def integer(name: str, value: Any, *, low: int | None = None, high: int | None = None) -> int:
    """
    Return `value` as an int inside [low, high].

    Raises
    ------
    InputError
        If it is not a whole number or lies outside.
    """
    rule = "a whole number"
    if low is not None and high is not None:
        rule += f" from {low} to {high}"
    elif low is not None:
        rule += f" of at least {low}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"`{name}` must be {rule}, got {value!r}")
    if (low is not None and value < low) or (high is not None and value > high):
        raise InputError(f"`{name}` must be {rule}, got {value!r}")
    return int(value)


def one_of(name: str, value: Any, allowed: Collection[str]) -> str:
    """
    Return `value` if it is among `allowed`.

    Raises
    ------
    InputError
        Otherwise; the message lists what is allowed.
    """
    if value not in allowed:
        raise InputError(f"`{name}` must be one of {', '.join(sorted(allowed))}, got {value!r}")
    return str(value)


def finite_array(
    name: str,
    value: ArrayLike,
    shape: Sequence[int | None],
    where: str = "",
    *,
    largest: float = math.inf,
) -> NDArray[np.float64]:
    """
    Return `value` as a C-contiguous float64 array of the given shape.

    Parameters
    ----------
    name : str
    value : array_like
    shape : sequence of int or None
        None stands for any length.
    where : str
        Place named in the message ("structure 17 ('liquid')").
    largest : float
        What no entry may exceed in size.

    Raises
    ------
    InputError
        If the shape is wrong or an entry is NaN, infinite or too large; the first one is named.
    """
    place = f" in {where}" if where else ""
    try:
        array = np.asarray(value, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InputError(f"`{name}` must hold numbers{place}: {error}") from error
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise InputError(f"`{name}` must have shape [{wanted}], got {list(array.shape)}{place}")
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        label = f"{name}{list(index)}" if index else name
        raise InputError(f"`{name}` must be finite, got {label} = {array[index]}{place}")
    if largest < math.inf and array.size and np.abs(array).max() > largest:
        index = tuple(int(i) for i in np.argwhere(np.abs(array) > largest)[0])
        label = f"{name}{list(index)}" if index else name
        raise InputError(
            f"`{name}` must be at most {largest:g} in size, got {label} = {array[index]:g}{place}"
        )
    return array


def _number(name: str, value: Any, rule: str) -> float:
    if isinstance(value, bool | str) or value is None:
        raise InputError(f"`{name}` must be {rule}, got {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"`{name}` must be {rule}, got {value!r}") from error
