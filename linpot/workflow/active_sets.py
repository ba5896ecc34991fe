"""Potentials that know which environments they were fitted to."""

from __future__ import annotations

from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part, with_learned_part
from linpot.uncertainty.extrapolation import find_active_set
from linpot.workflow.api import Data, as_dataset


def with_active_set(
    potential: EnergyModel, train: Data, *, tolerance: float = 1.01, threads: int = 1
) -> EnergyModel:
    """
    Return a potential with the active set of its training data, for extrapolation grades.

    Labels are not looked at; any solver may have made the potential.

    Parameters
    ----------
    potential : EnergyModel
    train : path, Dataset or Atoms
    tolerance : float
        No atom of these structures has a larger grade.
    threads : int

    Returns
    -------
    EnergyModel

    Raises
    ------
    InputError
        If the potential has no learned part, or does not know an element of the data.
    """
    learned = learned_part(potential)
    structures = as_dataset(train)
    active = find_active_set(learned.engine, structures, tolerance=tolerance, threads=threads)
    return with_learned_part(potential, learned.with_attachments(active.to_arrays()))
