"""What is left for the linear part to explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ase.data import chemical_symbols

from linpot.model.prediction import Prediction
from linpot.model.protocol import EnergyModel
from linpot.structures.batches import batches_of_atoms
from linpot.structures.structure import Labels, Structure

BATCH = 500
"""Atoms evaluated together."""


@dataclass(frozen=True)
class Targets:
    """
    Labels less a baseline and one-body energies, made when they are needed.

    Attributes
    ----------
    baseline : EnergyModel or None
    e0 : mapping of str to float, eV
    """

    baseline: EnergyModel | None
    e0: Mapping[str, float]

    def __call__(self, structures: Sequence[Structure]) -> list[Labels]:
        """
        Return the targets of some structures.

        Parameters
        ----------
        structures : sequence of Structure

        Returns
        -------
        list of Labels
            Present where the structure has them.
        """
        if self.baseline is None:
            left = [s.labels for s in structures]
        else:
            predictions = self.baseline.predict_many(structures)
            left = [_less(s, p) for s, p in zip(structures, predictions, strict=True)]
        return [self._without_atoms(s, own) for s, own in zip(structures, left, strict=True)]

    def _without_atoms(self, structure: Structure, labels: Labels) -> Labels:
        if labels.energy is None:
            return labels
        one_body = sum(self.e0[chemical_symbols[z]] for z in structure.numbers.tolist())
        return replace(labels, energy=labels.energy - one_body)


def energies_without(
    structures: Sequence[Structure], model: EnergyModel | None, *, threads: int = 1
) -> list[float | None]:
    """
    Return the energies less what a model predicts, None where a structure has none.

    Parameters
    ----------
    structures : sequence of Structure
    model : EnergyModel or None
    threads : int

    Returns
    -------
    list of float or None, eV
    """
    if model is None:
        return [s.labels.energy for s in structures]
    energies: list[float | None] = []
    for batch in batches_of_atoms(structures, BATCH):
        predictions = model.predict_many(batch, forces=False, threads=threads)
        energies += [
            None if s.labels.energy is None else s.labels.energy - p.energy
            for s, p in zip(batch, predictions, strict=True)
        ]
    return energies


def mean_energy(
    structures: Sequence[Structure], energies: Sequence[float | None], e0: Mapping[str, float]
) -> float:
    """
    Return the mean energy of an atom that is left to be learned.

    Parameters
    ----------
    structures : sequence of Structure
    energies : sequence of float or None, eV
        Without the baseline.
    e0 : mapping of str to float, eV

    Returns
    -------
    float, eV
        0 without energies.
    """
    values = [
        (energy - sum(e0[chemical_symbols[z]] for z in s.numbers.tolist())) / s.n_atoms
        for s, energy in zip(structures, energies, strict=True)
        if energy is not None
    ]
    return sum(values) / len(values) if values else 0.0


def _less(structure: Structure, prediction: Prediction) -> Labels:
    labels = structure.labels
    energy, forces, stress = labels.energy, labels.forces, labels.stress
    if energy is not None:
        energy = energy - prediction.energy
    if forces is not None and prediction.forces is not None:
        forces = forces - prediction.forces
    if stress is not None:
        stress = stress - prediction.stress(structure)
    return replace(labels, energy=energy, forces=forces, stress=stress)
