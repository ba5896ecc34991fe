"""Errors of a model on labelled structures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.model.prediction import Prediction
from linpot.model.protocol import EnergyModel
from linpot.structures.batches import batches_of_atoms
from linpot.structures.structure import LABELS, Structure
from linpot.workflow.tally import Statistics, Tally

BATCH = 500
"""Atoms evaluated together: enough to fill the lanes of small structures."""

Residuals = tuple[str, Mapping[str, NDArray[np.float64]]]
"""Group of a structure, and its residuals by property."""

GroupErrors = dict[str, Statistics]
Metrics = dict[str, Any]
"""``{"all": G, "groups": {name: G}}``, ``G = {property: {"mae", "rmse", "max", "p95", "n"}}``."""


def evaluate_model(
    model: EnergyModel,
    structures: Sequence[Structure],
    *,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Metrics:
    """
    Compare predictions with labels.

    Parameters
    ----------
    model : EnergyModel
    structures : sequence of Structure
    threads : int
    progress : callable, optional
        Called with the number of structures done.

    Returns
    -------
    Metrics
        Prediction minus label: energies in eV/atom (n = structures), force components in eV/A,
        stress components in eV/A^3 (n = 6 per structure), charges in e and dipole components in
        e A where the model has charges.

    Raises
    ------
    InputError
        If no structure has a label.
    """

    def residuals() -> Iterator[Residuals]:
        for done, own in enumerate(stream_residuals(model, structures, threads=threads), start=1):
            yield own
            if progress is not None:
                progress(done)

    return summarise_residuals(residuals())


def stream_residuals(
    model: EnergyModel, structures: Sequence[Structure], *, threads: int = 1
) -> Iterator[Residuals]:
    """
    Yield prediction minus label of every structure, evaluated in batches.

    Yields
    ------
    Residuals
        Group, and what `residuals_of` gives.
    """
    for batch in batches_of_atoms(structures, BATCH):
        own = residuals_of(model, batch, threads=threads)
        yield from zip([s.group for s in batch], own, strict=True)


def summarise_residuals(residuals: Iterable[Residuals]) -> Metrics:
    """
    Turn the residuals of structures into error statistics.

    Parameters
    ----------
    residuals : iterable of Residuals

    Returns
    -------
    Metrics

    Raises
    ------
    InputError
        If there are none.
    """
    groups: dict[str, dict[str, Tally]] = {}
    for group, own in residuals:
        for name, values in own.items():
            groups.setdefault(group, {}).setdefault(name, Tally()).add(values)
    if not groups:
        raise InputError("no structure has an energy, forces or a stress to compare with")
    everything: dict[str, Tally] = {}
    for tallies in groups.values():
        for name, tally in tallies.items():
            everything.setdefault(name, Tally()).merge(tally)
    return {
        "all": _statistics(everything),
        "groups": {group: _statistics(own) for group, own in groups.items()},
    }


def residuals_of(
    model: EnergyModel, structures: Sequence[Structure], *, threads: int = 1
) -> list[dict[str, NDArray[np.float64]]]:
    """
    Return prediction minus label of every property that each structure has.

    Returns
    -------
    list of dict
        "energy": float64[1], eV/atom; "forces": float64[3 n_atoms], eV/A; "stress": float64[6],
        eV/A^3; "charges": float64[n_atoms], e; "dipole": float64[3], e A.
    """
    need_forces = any(
        s.labels.forces is not None or s.labels.stress is not None for s in structures
    )
    predictions = model.predict_many(structures, forces=need_forces, threads=threads)
    return [residuals_from(s, p) for s, p in zip(structures, predictions, strict=True)]


def residuals_from(structure: Structure, prediction: Prediction) -> dict[str, NDArray[np.float64]]:
    """Return prediction minus label of one structure; see `residuals_of`."""
    labels, own = structure.labels, {}
    if labels.energy is not None:
        own["energy"] = np.array([(prediction.energy - labels.energy) / structure.n_atoms])
    if labels.forces is not None and prediction.forces is not None:
        own["forces"] = (prediction.forces - labels.forces).ravel()
    if labels.stress is not None:
        own["stress"] = prediction.stress(structure) - labels.stress
    for name in ("charges", "dipole"):
        label, found = getattr(labels, name), prediction.extras.get(name)
        if label is not None and found is not None:
            own[name] = found - label
    return own


def _statistics(tallies: Mapping[str, Tally]) -> GroupErrors:
    return {name: tallies[name].statistics() for name in LABELS if name in tallies}
