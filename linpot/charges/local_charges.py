"""Charges as functions of the environment, and their Coulomb energy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from linpot import checks
from linpot.charges.atom_function import AtomFunction
from linpot.charges.projection import project, pull_back_projection
from linpot.electrostatics.coulomb_sum import DEFAULT_ACCURACY, CoulombSum, check_accuracy
from linpot.electrostatics.dipoles import charge_extras
from linpot.errors import FileFormatError, InputError
from linpot.model.charge_response import ChargeResponse
from linpot.model.packing import pack
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import FULL, Prediction, Predictions
from linpot.model.protocol import ManyAtOnce
from linpot.model.registry import register_model
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

DEFAULT_WIDTH = 1.0
"""A; neighbors see clouds, so that the energy of bonds is left to the learned part."""


@register_model
@dataclass(frozen=True, eq=False)
class LocalCharges(ManyAtOnce):
    """
    ``E = 1/2 sum q_i q_j G_ij`` of charges that are linear in features of the environment.

    ``p_i = p0[z_i] + theta[z_i] . B_i``, and q is p corrected to the total charge of the structure
    (`Structure.net_charge`) in proportion to shares of species. The correction is felt by every
    atom, however far: where it is not small, fragments know of each other. Forces and virial hold
    the change of charges with positions. Periodic cells with a net charge get a neutralising
    background. docs/charges.md has formulas.

    Attributes
    ----------
    function : AtomFunction
        p, e; one output.
    shares : mapping of str to float
        Of the correction, per species; only ratios count.
    widths : mapping of str to float, A
        Standard deviation of the Gaussian cloud of each species; 0 is a point.
    accuracy : float
        Of lattice sums; see `CoulombSum`.

    Raises
    ------
    InputError
        If shares or widths are missing or out of range, or the function has several outputs.
    """

    function: AtomFunction
    shares: Mapping[str, float]
    widths: Mapping[str, float]
    accuracy: float = DEFAULT_ACCURACY
    kind = "local_charges"
    part_name = "coulomb"
    has_charges = True

    def __post_init__(self) -> None:
        if self.function.n_outputs != 1:
            raise InputError(f"`function` must have one output, got {self.function.n_outputs}")
        for name, values, check in (
            ("shares", self.shares, checks.positive),
            ("widths", self.widths, checks.non_negative),
        ):
            for symbol in self.elements:
                if symbol not in values:
                    raise InputError(f"`{name}` must name {symbol!r}, got {sorted(values)}")
                check(f"{name}[{symbol!r}]", values[symbol])
        check_accuracy(self.accuracy)

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, by atomic number."""
        return self.function.basis.elements

    @property
    def cutoff(self) -> float:
        """Largest cutoff of the features, A; the Coulomb sum needs no list."""
        return float(self.function.cutoffs.max())

    @property
    def isolated_charges(self) -> dict[str, float]:
        """The constant of every element, e: the charge of an isolated atom before correction."""
        return dict(zip(self.elements, self.function.constants[0].tolist(), strict=True))

    def with_function(self, function: AtomFunction) -> LocalCharges:
        """Return the model with other charges."""
        return replace(self, function=function)

    def with_shares(self, shares: Mapping[str, float]) -> LocalCharges:
        """Return the model with another division of the correction."""
        return replace(self, shares=shares)

    def shares_of(self, structure: Structure) -> Floats:
        """Return the part of the correction that each atom takes: float64[n_atoms], sum 1."""
        shares = self._shares[self.species_of(structure)]
        return np.asarray(shares / shares.sum())

    def sum_of(self, structure: Structure) -> CoulombSum:
        """Return the linear operator from charges to potentials of one structure."""
        widths = self._widths[self.species_of(structure)]
        return CoulombSum(structure, widths=widths, accuracy=self.accuracy)

    @cached_property
    def _shares(self) -> Floats:
        return np.array([float(self.shares[s]) for s in self.elements])

    @cached_property
    def _widths(self) -> Floats:
        return np.array([float(self.widths[s]) for s in self.elements])

    def charges_of(self, structure: Structure, *, threads: int = 1) -> Floats:
        """Return the charge of every atom: float64[n_atoms], e."""
        batch = pack([structure], self.elements, self.function.cutoffs)
        raw = self.function.values(batch, threads=threads)[:, 0]
        return project(raw, self.shares_of(structure), structure.net_charge)

    def charge_response(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        threads: int = 1,
    ) -> ChargeResponse:
        """Return charges and how they follow; see `EnergyModel.charge_response`."""
        batch = pack([structure], self.elements, self.function.cutoffs, [neighbors])
        raw = self.function.values(batch, threads=threads)[:, 0]
        shares = self.shares_of(structure)

        def slopes(weights: Floats) -> Floats:
            adjoint = pull_back_projection(weights, shares)[:, None]
            return -self.function.pull_back(batch, adjoint, threads=threads)[0]

        return ChargeResponse(structure, project(raw, shares, structure.net_charge), slopes)

    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Predictions:
        """
        Evaluate structures in one batch; `extras` has those of `charge_extras` and `potentials`.

        Atomic energies are ``1/2 q_i phi_i``; atomic virials are not given. See
        `EnergyModel.predict_many`.
        """
        batch = pack(structures, self.elements, self.function.cutoffs, neighbors, threads=threads)
        raw = self.function.values(batch, threads=threads)[:, 0]
        adjoint = np.zeros((batch.n_atoms, 1))
        own = []
        for k, structure in enumerate(structures):
            atoms = slice(int(batch.first_atoms[k]), int(batch.first_atoms[k + 1]))
            shares = self.shares_of(structure)
            charges = project(raw[atoms], shares, structure.net_charge)
            found = self.sum_of(structure).evaluate(charges, forces=forces, threads=threads)
            adjoint[atoms, 0] = pull_back_projection(found.potentials, shares)
            own.append(
                Prediction(
                    found.energy,
                    found.forces,
                    found.virial,
                    0.5 * charges * found.potentials,
                    None,
                    {**charge_extras(structure, charges), "potentials": found.potentials},
                )
            )
        if forces:
            own = self._with_moving_charges(own, batch, adjoint, threads)
        return Predictions.of(own, [structure.n_atoms for structure in structures])

    def _with_moving_charges(
        self, fixed: list[Prediction], batch: PairBatch, adjoint: Floats, threads: int
    ) -> list[Prediction]:
        """Add the change of charges with positions to derivatives at fixed charges."""
        moving, virials = self.function.pull_back(batch, adjoint, threads=threads)
        complete = []
        for k, own in enumerate(fixed):
            atoms = slice(int(batch.first_atoms[k]), int(batch.first_atoms[k + 1]))
            assert own.forces is not None
            assert own.virial is not None
            complete.append(
                replace(
                    own,
                    forces=own.forces + moving[atoms],
                    virial=own.virial + virials[atoms].sum(axis=0)[FULL],
                )
            )
        return complete

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return header and arrays."""
        header, arrays = self.function.to_state()
        header |= {
            "shares": {s: float(self.shares[s]) for s in self.elements},
            "widths": {s: float(self.widths[s]) for s in self.elements},
            "accuracy": self.accuracy,
        }
        return header, arrays

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> LocalCharges:
        """Rebuild from what `to_state` returned."""
        try:
            return cls(
                AtomFunction.from_state(header, arrays),
                {str(k): float(v) for k, v in header["shares"].items()},
                {str(k): float(v) for k, v in header["widths"].items()},
                float(header["accuracy"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(f"charges of the file are incomplete: {error}") from error


def width_per_species(
    elements: Sequence[str], width: float | Mapping[str, float]
) -> dict[str, float]:
    """
    Return the width of every element, A.

    Parameters
    ----------
    elements : sequence of str
    width : float or mapping of str to float
        `DEFAULT_WIDTH` for elements that a mapping does not name.

    Raises
    ------
    InputError
        If a width is negative, or a name is not an element.
    """
    if not isinstance(width, Mapping):
        return dict.fromkeys(elements, checks.non_negative("width", width, "length in A"))
    for symbol in width:
        if symbol not in atomic_numbers:
            raise InputError(f"`width` must name elements, got {symbol!r}")
    return {
        s: checks.non_negative(f"width[{s!r}]", width.get(s, DEFAULT_WIDTH), "length in A")
        for s in elements
    }
