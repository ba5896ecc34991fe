"""A basis in the form that the kernels take, and the calls into them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.kernels.engine import add_design_rows, fill_block_features
from linpot.model.energy_engine import EnergyEngine, Task
from linpot.model.kernel_program import KernelProgram
from linpot.model.pair_batch import PairBatch
from linpot.parallel import run_tasks

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureGradients:
    """
    Derivatives of features by the vectors to neighbors.

    The features of atom i change with the position of its neighbor j by `values` (summed over the
    pairs from i to images of j), with its own position by minus the sum over all its pairs.

    Attributes
    ----------
    centers, neighbors : int64[n_pairs]
        Atoms i and j of every pair.
    vectors : float64[n_pairs, 3], A
        From centre to neighbor.
    values : float64[n_pairs, 3, n_features], 1/A
        Columns beyond the number of features of a centre's species are zero.
    """

    centers: Ints
    neighbors: Ints
    vectors: Floats
    values: Floats


class FeatureEngine(EnergyEngine):
    """
    Evaluates a basis on batches of pairs.

    Parameters
    ----------
    basis : Basis
    """

    def __init__(self, basis: Basis) -> None:
        recurrence, table = basis.radial_recurrence, basis.radial_table
        programs = [
            KernelProgram(
                program,
                basis.radial_parameters[z],
                None if recurrence is None else recurrence[z],
                None if table is None else np.ascontiguousarray(table[z]),
            )
            for z, program in enumerate(basis.programs)
        ]
        super().__init__(programs, np.ascontiguousarray(basis.radial_parameters[:, :, 0]))
        self.basis = basis

    def features(self, batch: PairBatch, *, threads: int = 1) -> list[Floats]:
        """
        Evaluate all features.

        Parameters
        ----------
        batch : PairBatch
        threads : int

        Returns
        -------
        list of float64[n_features]
            One per atom; their lengths differ between centre species.
        """
        counts = [p.n_features for p in self.basis.programs]
        features = self._padded_features(batch, threads)
        return [row[: counts[z]] for row, z in zip(features, batch.species.tolist(), strict=True)]

    def features_by_species(
        self, batch: PairBatch, *, threads: int = 1
    ) -> list[tuple[Ints, Floats]]:
        """
        Evaluate all features, those of one centre species together.

        Parameters
        ----------
        batch : PairBatch
        threads : int

        Returns
        -------
        list of (int64[n_own], float64[n_own, n_features])
            Per centre species, atoms in ascending order and their rows.
        """
        counts = [p.n_features for p in self.basis.programs]
        features = self._padded_features(batch, threads)
        if len(counts) == 1:
            return [(np.arange(batch.n_atoms), features)]
        owned = [np.flatnonzero(batch.species == z) for z in range(len(counts))]
        return [(own, features[own, :n]) for own, n in zip(owned, counts, strict=True)]

    def _padded_features(self, batch: PairBatch, threads: int) -> Floats:
        """Features of every atom, zeros beyond those of its species."""
        layout = batch.blocks.layout
        widest = max(p.n_features for p in self.basis.programs)
        features = np.zeros((len(batch.species), widest))

        def work(task: Task) -> None:
            species, first, last = task
            program = self.programs[species]
            fill_block_features(
                first, last, layout, batch.pairs, program.arrays, program.readout, features
            )

        run_tasks(work, self.tasks(batch), threads)
        return features

    def design_rows(self, batch: PairBatch) -> list[Floats]:
        """
        Design rows of the structures of a batch for a coefficient of 1 each.

        Parameters
        ----------
        batch : PairBatch

        Returns
        -------
        list of float64[7 + 3 n_atoms, n_features]
            Per structure: energy (eV), virial xx yy zz yz xz xy (eV), force components (eV/A);
            views in Fortran order, columns by centre species.
        """
        n_rows = 7 + 3 * np.diff(batch.first_atoms)
        ends = np.cumsum(n_rows)
        starts = ends - n_rows
        energy_rows = starts[batch.structure]
        inside = np.arange(batch.n_atoms) - batch.first_atoms[batch.structure]
        atom_rows = energy_rows + 7 + 3 * inside
        rows = np.zeros((self.basis.n_features, int(ends[-1])))
        columns = [rows[a:b] for a, b in pairwise(self.basis.feature_offsets)]
        self._add_rows(batch, atom_rows[batch.neighbors], atom_rows, energy_rows, columns)
        return [rows[:, a:b].T for a, b in zip(starts, ends, strict=True)]

    def feature_gradients(self, batch: PairBatch) -> tuple[list[Floats], FeatureGradients]:
        """
        Evaluate all features of every atom, and their derivatives by pair vectors.

        Parameters
        ----------
        batch : PairBatch

        Returns
        -------
        features : list of float64[n_features]
            One per atom.
        gradients : FeatureGradients
        """
        # every atom is a structure of its own, every pair an atom
        counts = np.array([p.n_features for p in self.basis.programs])
        n_atoms, n_places = batch.n_atoms, len(batch.neighbors)
        rows = np.zeros((int(counts.max()), 10 * n_atoms + 3 * n_places))
        energy_rows = 10 * np.arange(n_atoms)
        pair_rows = 10 * n_atoms + 3 * np.arange(n_places)
        columns = [rows[:n] for n in counts]
        self._add_rows(batch, pair_rows, energy_rows + 7, energy_rows, columns)
        totals = batch.counts.sum(axis=1)
        centers = np.repeat(np.arange(n_atoms), totals)
        used = np.arange(len(centers)) + np.repeat(
            batch.starts - (np.cumsum(totals) - totals), totals
        )
        forces = rows[:, 10 * n_atoms :].reshape(len(rows), n_places, 3)[:, used]
        return (
            [rows[: counts[z], 10 * i] for i, z in enumerate(batch.species.tolist())],
            FeatureGradients(
                centers,
                batch.neighbors[used],
                batch.vectors[used],
                np.ascontiguousarray(-forces.transpose(1, 2, 0)),
            ),
        )

    def _add_rows(
        self,
        batch: PairBatch,
        pair_rows: Ints,
        atom_rows: Ints,
        energy_rows: Ints,
        columns: list[Floats],
    ) -> None:
        """Run the kernel of design rows over all centre species."""
        blocks = batch.blocks
        for species, program in enumerate(self.programs):
            first, last = blocks.ranges[species], blocks.ranges[species + 1]
            if first == last:
                continue
            pattern = program.pattern
            add_design_rows(
                first, last, blocks.layout, batch.pairs, program.arrays, program.readout,
                pattern.node_ops, pattern.feature_ops, pattern.uses,
                (pattern.n_entries, pattern.widest), pair_rows, atom_rows, energy_rows,
                columns[species],
            )  # fmt: skip
