"""The learned part: an energy linear in the features of a basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.checks import finite_array
from linpot.errors import InputError
from linpot.model.basis_state import basis_from_state, basis_state
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import Predictions, Work
from linpot.model.protocol import BatchModel
from linpot.model.registry import register_model
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]


@register_model
@dataclass(frozen=True, repr=False)
class LinearPotential(BatchModel):
    """
    ``E = sum_i E0[z_i] + c[z_i] . B_i``.

    Immutable: changes make new potentials (`with_coefficients`).

    Attributes
    ----------
    basis : Basis
    coefficients : float64[n_features], eV
        Columns by centre species, as `basis.feature_offsets` says.
    isolated_atom_energies : mapping of str to float, eV
        E0 of each element.
    provenance : mapping
        Data hashes, settings, versions, errors: plain values.
    attachments : mapping of str to array
        Numbers that belong to this fit and travel in its file: error bars, active sets. Whoever
        uses them checks them.
    """

    basis: Basis
    coefficients: Floats
    isolated_atom_energies: Mapping[str, float]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    attachments: Mapping[str, NDArray] = field(default_factory=dict)
    kind = "linear"
    part_name = "short"

    def __post_init__(self) -> None:
        coefficients = finite_array("coefficients", self.coefficients, [self.basis.n_features])
        coefficients = coefficients.copy()
        coefficients.flags.writeable = False
        object.__setattr__(self, "coefficients", coefficients)
        for symbol in self.basis.elements:
            if symbol not in self.isolated_atom_energies:
                raise InputError(f"`isolated_atom_energies` must name {symbol!r}")
        finite_array("isolated_atom_energies", self.one_body, [None])

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} functions on {s}" for s, n in self.n_functions.items())
        return f"LinearPotential({counts}; cutoff {self.cutoff:g} A)"

    @property
    def cutoffs(self) -> Floats:
        """Cutoff of each ordered pair of species: float64[n_species, n_species], A."""
        return self.engine.cutoffs

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, by atomic number."""
        return self.basis.elements

    @property
    def continuity(self) -> int:
        """How many times energies are continuously differentiable: what the basis says."""
        return self.basis.specification.continuity

    @property
    def n_functions(self) -> dict[str, int]:
        """Number of functions per centre species, E0 excluded."""
        return self.basis.n_functions

    @cached_property
    def engine(self) -> FeatureEngine:
        """The basis in the form that the kernels take."""
        return FeatureEngine(self.basis)

    @cached_property
    def _leaf_weights(self) -> list[Floats]:
        starts = self.basis.feature_offsets
        return self.engine.leaf_weights([self.coefficients[None, a:b] for a, b in pairwise(starts)])

    @cached_property
    def one_body(self) -> Floats:
        """E0 of every element: float64[n_species], eV."""
        return np.array([float(self.isolated_atom_energies[s]) for s in self.basis.elements])

    def with_coefficients(self, coefficients: Floats) -> LinearPotential:
        """Return a potential with other coefficients, without what is attached to these."""
        return replace(self, coefficients=coefficients, attachments={})

    def with_provenance(self, **entries: Any) -> LinearPotential:
        """Return the same potential with entries of its provenance added or replaced."""
        return replace(self, provenance={**self.provenance, **entries})

    def with_attachments(self, arrays: Mapping[str, NDArray]) -> LinearPotential:
        """Return the same potential with attachments added or replaced."""
        return replace(self, attachments={**self.attachments, **arrays})

    def work_on(self, batch: PairBatch, *, forces: bool = True) -> Work:
        """Cut the evaluation of packed pairs into tasks; see `BatchModel.work_on`."""
        batch = batch.within(self.elements, self.cutoffs)
        one_body = self.one_body[batch.species]

        def result(energies: Floats, *summed: Floats) -> Predictions:
            return Predictions.of_atoms(batch.first_atoms, energies[:, 0] + one_body, *summed)

        return self.engine.work_on(batch, self._leaf_weights, result, forces=forces)

    def features(self, structure: Structure, *, threads: int = 1) -> list[Floats]:
        """
        Return the features of every atom.

        Parameters
        ----------
        structure : Structure
        threads : int

        Returns
        -------
        list of float64[n_features of the centre species]
        """
        batch = pack([structure], self.elements, self.engine.cutoffs)
        return self.engine.features(batch, threads=threads)

    def design(self, structure: Structure) -> Floats:
        """
        Return the design rows of a structure, without E0.

        Returns
        -------
        float64[7 + 3 n_atoms, n_features]
            Energy (eV), virial xx yy zz yz xz xy (eV), force components (eV/A).
        """
        batch = pack([structure], self.elements, self.engine.cutoffs)
        return self.engine.design_rows(batch)[0]

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return header and arrays; equal programs are stored once."""
        header, arrays = basis_state(self.basis)
        arrays["coefficients"] = np.asarray(self.coefficients)
        arrays.update({f"attached/{name}": array for name, array in self.attachments.items()})
        header["isolated_atom_energies"] = dict(self.isolated_atom_energies)
        header["provenance"] = dict(self.provenance)
        return header, arrays

    @classmethod
    def from_state(
        cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]
    ) -> LinearPotential:
        """Rebuild a potential; the programs are taken as stored, not generated again."""
        basis = basis_from_state(header, arrays)
        return cls(
            basis,
            arrays["coefficients"],
            {str(k): float(v) for k, v in header["isolated_atom_energies"].items()},
            dict(header["provenance"]),
            {
                n.removeprefix("attached/"): a
                for n, a in arrays.items()
                if n.startswith("attached/")
            },
        )
