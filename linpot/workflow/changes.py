"""What may change between two fits of the same rows, checked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.basis.basis import Basis
from linpot.errors import InputError
from linpot.workflow.keys import Key, weight_of
from linpot.workflow.prior_blocks import prior_weights
from linpot.workflow.settings import FitSettings

Floats = NDArray[np.float64]
CHANGEABLE = ("e0", "penalty", "prior", "solver", "weights")


@dataclass(frozen=True)
class Changed:
    """
    Settings after changes, and what they mean for factors.

    Attributes
    ----------
    settings : FitSettings
    e0 : dict of str to float, eV
    weights : dict of key to float
        Of the residuals.
    combination : float64[n_elements + 1]
        The target is ``[one_body y] combination``.
    """

    settings: FitSettings
    e0: dict[str, float]
    weights: dict[Key, float]
    combination: Floats

    def squares(self, basis: Basis) -> dict[Key, float]:
        """
        Return the weights of squared residuals of all keys, those of the prior among them.

        Raises
        ------
        InputError
            If all weights of the data are zero, the penalty is not a positive number, or the solver
            is not ridge.
        """
        penalty = self.settings.penalty
        if self.settings.solver != "ridge":
            raise InputError(f"`solver` must be ridge to refit, got {self.settings.solver!r}")
        if isinstance(penalty, str):
            raise InputError(
                f"`penalty` must be a number to refit, got {penalty!r}; take that of `solve`"
            )
        checks.positive("penalty", penalty)
        if not any(self.weights.values()):
            raise InputError("all weights are zero; give at least one property a positive weight")
        squares = {key: weight**2 for key, weight in self.weights.items()}
        return squares | prior_weights(basis, self.settings.prior, penalty)


def groups_of(keys: Iterable[Key]) -> tuple[str, ...]:
    """Return the groups that have keys of their own."""
    return tuple(sorted({group for group, _, _ in keys if group is not None}))


def apply_changes(
    settings: FitSettings,
    e0: Mapping[str, float],
    keys: Collection[Key],
    changes: Mapping[str, Any],
    *,
    without_groups: Collection[str] = (),
    without_fold: int | None = None,
    merged: bool = False,
) -> Changed:
    """
    Return the settings and the weights of all keys after changes.

    Parameters
    ----------
    settings : FitSettings
    e0 : mapping of str to float, eV
        That was taken off the labels in the factors.
    keys : collection of key
    changes : mapping
        Of `CHANGEABLE`.
    without_groups : collection of str
    without_fold : int, optional
    merged : bool
        Whether groups share factors, with their weights in the rows.

    Returns
    -------
    Changed

    Raises
    ------
    InputError
        If a change is none of these, needs rows anew, or names what is not there.
    """
    known = groups_of(keys)
    for name in changes:
        checks.one_of("changes", name, CHANGEABLE)
    for group in without_groups:
        checks.one_of("without_groups", group, known)
    new_e0 = dict(e0) | _given_e0(changes.get("e0", {}), tuple(e0))
    changed = replace(settings, **{k: v for k, v in changes.items() if k != "e0"})
    old, new = settings.weights, changed.weights
    in_rows = (old.energy_window, old.force_cap) != (new.energy_window, new.force_cap)
    if in_rows or (merged and old != new):
        raise InputError(
            "`weights` must differ between groups and properties only, got another energy "
            "window, force cap, or weights of groups that share factors; prepare the fit anew"
        )
    if not merged:
        new.check_groups(known)
    weights = {
        key: 0.0
        if key[0] in without_groups or (without_fold is not None and key[2] == without_fold)
        else weight_of(new, key)
        for key in keys
    }
    return Changed(changed, new_e0, weights, one_body_combination(e0, new_e0))


def one_body_combination(old: Mapping[str, float], new: Mapping[str, float]) -> Floats:
    """Return the combination of one-body columns and target after a change of E0."""
    return np.array([*(old[symbol] - new[symbol] for symbol in old), 1.0])


def _given_e0(e0: Any, elements: tuple[str, ...]) -> dict[str, float]:
    if not isinstance(e0, Mapping):
        raise InputError(f"`e0` must be a mapping of elements to eV here, got {e0!r}")
    for symbol in e0:
        checks.one_of("e0", symbol, elements)
    return {s: float(checks.finite_array(f"e0[{s!r}]", v, [])) for s, v in e0.items()}
