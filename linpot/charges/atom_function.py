"""Numbers of atoms that are linear in features of their environments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.checks import finite_array
from linpot.model.basis_state import basis_from_state, basis_state
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import Predictions
from linpot.parallel import run_tasks
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False)
class AtomFunction:
    """
    ``f_k(i) = constants[k, z_i] + coefficients[k] . B_i``, k = 1 .. K.

    Immutable. The constant is what an isolated atom has: features vanish there.

    Attributes
    ----------
    basis : Basis
    coefficients : float64[K, n_features]
        Columns by centre species, as `basis.feature_offsets` says.
    constants : float64[K, n_species]
    """

    basis: Basis
    coefficients: Floats
    constants: Floats

    def __post_init__(self) -> None:
        coefficients = finite_array(
            "coefficients", self.coefficients, [None, self.basis.n_features]
        )
        n_species = len(self.basis.elements)
        constants = finite_array("constants", self.constants, [len(coefficients), n_species])
        object.__setattr__(self, "coefficients", coefficients)
        object.__setattr__(self, "constants", constants)

    @classmethod
    def zero(cls, basis: Basis, n_outputs: int = 1) -> AtomFunction:
        """Return the function that is zero everywhere."""
        n_species = len(basis.elements)
        return cls(basis, np.zeros((n_outputs, basis.n_features)), np.zeros((n_outputs, n_species)))

    @property
    def n_outputs(self) -> int:
        """K."""
        return len(self.coefficients)

    @property
    def n_parameters(self) -> int:
        """Numbers per output: coefficients, then constants."""
        return self.basis.n_features + len(self.basis.elements)

    @property
    def parameters(self) -> Floats:
        """``[coefficients constants]``: float64[K, n_parameters]."""
        return np.hstack([self.coefficients, self.constants])

    def with_parameters(self, parameters: Floats) -> AtomFunction:
        """Return the function with other coefficients and constants; see `parameters`."""
        n = self.basis.n_features
        return replace(self, coefficients=parameters[:, :n], constants=parameters[:, n:])

    @cached_property
    def engine(self) -> FeatureEngine:
        """The basis in the form that the kernels take."""
        return FeatureEngine(self.basis)

    @property
    def cutoffs(self) -> Floats:
        """Cutoff of each ordered pair of species: float64[n_species, n_species], A."""
        return self.engine.cutoffs

    @cached_property
    def _leaf_weights(self) -> list[Floats]:
        starts = self.basis.feature_offsets
        return self.engine.leaf_weights([self.coefficients[:, a:b] for a, b in pairwise(starts)])

    def values(self, batch: PairBatch, *, threads: int = 1) -> Floats:
        """
        Evaluate the function.

        Parameters
        ----------
        batch : PairBatch
            Numbered by the elements of the basis, packed to its cutoffs.
        threads : int

        Returns
        -------
        float64[n_atoms, K]
        """
        found: list[Floats] = []

        def keep(values: Floats) -> Predictions:
            found.append(values)
            return Predictions(batch.first_atoms, np.zeros(len(batch.first_atoms) - 1))

        work = self.engine.work_on(batch, self._leaf_weights, keep, forces=False)
        run_tasks(lambda task: task(), work.tasks, threads)
        work.result()
        return found[0] + self.constants.T[batch.species]

    def pull_back(
        self, batch: PairBatch, adjoint: Floats, *, threads: int = 1
    ) -> tuple[Floats, Floats]:
        """
        Return minus the derivatives of ``sum_ik adjoint[i, k] f_k(i)`` at a fixed adjoint.

        Parameters
        ----------
        batch : PairBatch
        adjoint : float64[n_atoms, K]
            dE/df.
        threads : int

        Returns
        -------
        forces : float64[n_atoms, 3]
        virials : float64[n_atoms, 6]
            What each centre adds to ``-d/dstrain``, xx yy zz yz xz xy.
        """
        found: list[tuple[Floats, Floats]] = []

        def keep(values: Floats, forces: Floats, virials: Floats) -> Predictions:
            found.append((forces, virials))
            return Predictions(batch.first_atoms, np.zeros(len(batch.first_atoms) - 1))

        work = self.engine.work_on(
            batch, self._leaf_weights, keep, np.ascontiguousarray(adjoint), forces=True
        )
        run_tasks(lambda task: task(), work.tasks, threads)
        work.result()
        return found[0]

    def design(self, batch: PairBatch, *, threads: int = 1) -> Floats:
        """
        Return what multiplies the parameters of one output in its values.

        Parameters
        ----------
        batch : PairBatch
        threads : int

        Returns
        -------
        float64[n_atoms, n_parameters]
        """
        n = self.basis.n_features
        rows = np.zeros((batch.n_atoms, self.n_parameters))
        by_species = self.engine.features_by_species(batch, threads=threads)
        for (own, features), (a, b) in zip(
            by_species, pairwise(self.basis.feature_offsets), strict=True
        ):
            rows[own, a:b] = features
        rows[np.arange(batch.n_atoms), n + batch.species] = 1.0
        return rows

    def designs(
        self, structures: Iterable[Structure], *, threads: int = 1
    ) -> Iterator[tuple[Structure, Floats, NDArray[np.int64]]]:
        """
        Yield structures with their `design`, and the number of the species of every atom.

        Parameters
        ----------
        structures : iterable of Structure
        threads : int
        """
        for structure in structures:
            batch = pack([structure], self.basis.elements, self.cutoffs)
            yield structure, self.design(batch, threads=threads), batch.species

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return header and arrays."""
        header, arrays = basis_state(self.basis)
        return header, {
            **arrays,
            "coefficients": np.asarray(self.coefficients),
            "constants": np.asarray(self.constants),
        }

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> AtomFunction:
        """Rebuild a function from what `to_state` returned."""
        basis = basis_from_state(header, arrays)
        return cls(basis, arrays["coefficients"], arrays["constants"])
