"""
Rows that keep the learned part out of the repulsive wall.

Below the shortest distance of the data nothing but the prior holds the learned part. Two atoms
alone are an environment that no dense data resemble; and environments denser than the data are
where polynomials run away. Dimers on which the learned part shall vanish and dense environments in
which it shall not overwhelm the repulsion leave the wall to the baseline, at little cost on the
data: see docs/repulsion.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot.fitting.rows import RowBuilder
from linpot.model.packing import pack
from linpot.model.protocol import EnergyModel
from linpot.structures.distances import PairDistances
from linpot.structures.structure import Labels, Structure
from linpot.workflow.dense_environments import N_ATOMS

GROUP = "restraint"
RESTRAINT = 10.0  # 1/eV: weight of dimers
OPEN = 0.01  # of that weight, where E0 is fitted with the functions or charges are trained
N_DISTANCES = 12
SOFTNESS = 2.0 / 3.0  # eV, by which the energy of an atom may differ from the mean without a wall
SHARE = 1.0 / 6.0  # of the repulsion of an atom, by which it may differ beside that
BATCH = 50

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Restraints:
    """
    What the learned part is asked for outside the data.

    Attributes
    ----------
    repulsion : EnergyModel
        The wall of the baseline.
    labelled : list of Structure
        With the energy that the learned part should have; see `wall_dimers`.
    dense : list of Structure
        See `dense_environments`.
    strength : float
        Of the rows of dense environments.
    """

    repulsion: EnergyModel
    labelled: list[Structure]
    dense: list[Structure] = field(default_factory=list)
    strength: float = 1.0

    def __add__(self, more: Restraints) -> Restraints:
        """Return these with more of them, under the same repulsion."""
        return replace(self, labelled=self.labelled + more.labelled, dense=self.dense + more.dense)

    def with_open_energies(self) -> Restraints:
        """Return those of a fit with E0 or charges of its own: dimers would decide about both."""
        softer = [replace(s, weight=OPEN * s.weight) for s in self.labelled]
        return replace(self, labelled=softer)

    def rows(
        self, builder: RowBuilder, level: float, noise: float
    ) -> Iterator[tuple[str, Floats, Floats]]:
        """
        Build the rows.

        A labelled structure is one energy. Of a dense environment every atom, or `N_ATOMS` of them,
        is one: ``strength noise (c . B_i - level) / (SOFTNESS + SHARE repulsion_i)``, so that it
        counts as a label with the error in the denominator.

        Parameters
        ----------
        builder : RowBuilder
        level : float, eV
            Mean learned energy of an atom in the data, E0 excluded.
        noise : float
            What the fit leaves of the rows of the data.

        Yields
        ------
        name : str
            Property whose factor takes the rows.
        X : float64[n_rows, n_features + n_elements]
            With zeros for E0, of which no atom here has one.
        y : float64[n_rows]
        """
        if self.labelled:
            for block in builder.build([(0, s, s.labels) for s in self.labelled]):
                yield block.name, np.column_stack([block.X, 0.0 * block.one_body]), block.y
        weight = self.strength * noise
        if weight > 0.0:
            for first in range(0, len(self.dense), BATCH):
                some = self.dense[first : first + BATCH]
                yield "energy", *self._of_atoms(builder, some, level, weight)

    def _of_atoms(
        self, builder: RowBuilder, structures: list[Structure], level: float, weight: float
    ) -> tuple[Floats, Floats]:
        engine = builder.engine
        basis = engine.basis
        batch = pack(structures, basis.elements, engine.cutoffs)
        features = engine.features(batch)
        walls = self.repulsion.predict_many(structures, forces=False)
        starts = basis.feature_offsets
        X, y = [], []
        for k, wall in enumerate(walls):
            if wall.atomic_energies is None:
                raise ValueError("a repulsion must have energies of atoms")
            first = int(batch.first_atoms[k])
            for i, repulsion in enumerate(wall.atomic_energies[:N_ATOMS].tolist(), start=first):
                scale = weight / (SOFTNESS + SHARE * max(repulsion, 0.0))
                row = np.zeros(basis.n_features + len(basis.elements))
                start = starts[batch.species[i]]
                row[start : start + len(features[i])] = scale * features[i]
                X.append(row)
                y.append(scale * level)
        return np.array(X), np.array(y)


def wall_dimers(
    distances: Mapping[tuple[str, str], PairDistances], start: float, weight: float
) -> list[Structure]:
    """
    Make dimers below the shortest distance of each pair whose learned energy should vanish.

    Parameters
    ----------
    distances : mapping of pair to PairDistances
    start : float
        First distance in units of the shortest; the last is the shortest itself.
    weight : float, 1/eV
        Of their energy per atom.

    Returns
    -------
    list of Structure
        With energy 0; none if `weight` is 0.
    """
    if weight == 0.0:
        return []
    dimers = []
    for pair, seen in distances.items():
        numbers = np.array([atomic_numbers[s] for s in pair])
        for r in np.linspace(start, 1.0, N_DISTANCES) * seen.shortest:
            dimers.append(
                Structure(
                    numbers,
                    np.array([[0.0, 0.0, 0.0], [0.0, 0.0, r]]),
                    np.zeros((3, 3)),
                    (False, False, False),
                    labels=Labels(energy=0.0),
                    group=GROUP,
                    weight=weight,
                    name=f"the {'-'.join(pair)} dimer at {r:.2f} A",
                )
            )
    return dimers
