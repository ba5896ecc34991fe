"""What is left for the linear part to explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase.data import chemical_symbols

from linpot.model.prediction import Prediction
from linpot.model.protocol import EnergyModel
from linpot.structures.batches import batches_of_atoms
from linpot.structures.structure import Labels, Structure
from linpot.workflow.evaluate import BATCH


def subtract_model(
    structures: Sequence[Structure], model: EnergyModel | None, *, threads: int = 1
) -> list[Labels]:
    """
    Return the labels less what a model predicts.

    Parameters
    ----------
    structures : sequence of Structure
    model : EnergyModel or None
    threads : int

    Returns
    -------
    list of Labels
        Present where the structure has them.
    """
    if model is None:
        return [structure.labels for structure in structures]
    targets = []
    for batch in batches_of_atoms(structures, BATCH):
        predictions = model.predict_many(batch, threads=threads)
        targets += [_less(s, p) for s, p in zip(batch, predictions, strict=True)]
    return targets


def _less(structure: Structure, prediction: Prediction) -> Labels:
    labels = structure.labels
    energy, forces, stress = labels.energy, labels.forces, labels.stress
    if energy is not None:
        energy = energy - prediction.energy
    if forces is not None and prediction.forces is not None:
        forces = forces - prediction.forces
    if stress is not None:
        stress = stress - prediction.stress(structure)
    return Labels(energy, forces, stress)


def subtract_reference(
    structures: Sequence[Structure], targets: Sequence[Labels], e0: Mapping[str, float]
) -> list[Labels]:
    """Return the labels less the one-body energies (eV per element)."""
    left = []
    for structure, labels in zip(structures, targets, strict=True):
        if labels.energy is None:
            left.append(labels)
            continue
        numbers, counts = np.unique(structure.numbers, return_counts=True)
        one_body = sum(
            e0[chemical_symbols[z]] * n for z, n in zip(numbers.tolist(), counts, strict=True)
        )
        left.append(Labels(labels.energy - float(one_body), labels.forces, labels.stress))
    return left
