"""Electrostatics of fixed charges, of species or of atoms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from linpot import checks
from linpot.electrostatics.coulomb_sum import DEFAULT_ACCURACY, CoulombSum, check_accuracy
from linpot.electrostatics.dipoles import charge_extras
from linpot.errors import InputError
from linpot.model.charge_response import ChargeResponse
from linpot.model.prediction import Prediction
from linpot.model.protocol import EnergyModel
from linpot.model.registry import register_model
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

_NEUTRAL = 1e-6  # e per atom: what charges written with six decimals leave


@register_model
@dataclass(frozen=True)
class Coulomb(EnergyModel):
    """
    ``E = 1/2 sum q_i q_j / r_ij`` over all pairs and images, point or Gaussian charges.

    Molecules are summed directly, crystals by Ewald's method or on a mesh, slabs without their
    images along the normal; docs/electrostatics.md has formulas and conventions. No neighbor list
    is needed: a sum of models keeps the short list of its other parts.

    Attributes
    ----------
    charges : mapping of str to float, or None, e
        One per species. None takes those of structures only: what has none is refused, so also
        the dimers that a fit looks at.
    widths : mapping of str to float, or None, A
        Standard deviation of the Gaussian cloud of each species; points where not named. With
        charges of structures, species not named are points.
    damping : float or None, A
        Below this distance the interaction of points is replaced by a smooth, finite one.
    accuracy : float
        Of forces; see `CoulombSum`.
    per_atom : bool
        Take `Structure.charges` where a structure has them, and those of species elsewhere.
    allow_charged : bool
        Whether a periodic cell may have a net charge, which a uniform background then neutralises.

    Raises
    ------
    InputError
        For charges or widths that are not numbers of known elements, widths together with damping,
        or values out of range.
    """

    charges: Mapping[str, float] | None
    widths: Mapping[str, float] | None = None
    damping: float | None = None
    accuracy: float = DEFAULT_ACCURACY
    per_atom: bool = False
    allow_charged: bool = False
    kind = "coulomb"
    has_charges = True

    def __post_init__(self) -> None:
        if self.charges is not None:
            if not self.charges:
                raise InputError("`charges` must name at least one element, got none")
            for symbol, value in self.charges.items():
                _check_symbol("charges", symbol)
                checks.finite_array(f"charges[{symbol!r}]", value, [])
        for symbol, value in (self.widths or {}).items():
            _check_symbol("widths", symbol)
            checks.non_negative(f"widths[{symbol!r}]", value, "length in A")
            if self.charges is not None and symbol not in self.charges:
                raise InputError(f"`widths` has {symbol!r}, which has no charge; give it one")
        if self.damping is not None:
            checks.positive("damping", self.damping, "length in A")
            if self.widths:
                raise InputError("`damping` is of point charges; leave out either it or `widths`")
        check_accuracy(self.accuracy)

    @property
    def cutoff(self) -> float:
        """0: pairs are found without a list."""
        return 0.0

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Elements with a charge; all elements where structures bring theirs."""
        if self.charges is None:
            return tuple(chemical_symbols[1:])
        return tuple(sorted(self.charges, key=lambda symbol: int(atomic_numbers[symbol])))

    def charges_of(self, structure: Structure) -> Floats:
        """
        Return the charge of every atom: float64[n_atoms], e.

        Raises
        ------
        InputError
            For an element without a charge, a structure without charges, or a periodic cell with a
            net charge that is not allowed.
        """
        if structure.charges is not None and (self.per_atom or self.charges is None):
            charges = structure.charges
        elif self.charges is not None:
            charges = self._by_species(self.charges, structure)
        else:
            raise InputError(
                f"{structure.name} has no charges, but the Coulomb baseline takes those of "
                "structures; set `initial_charges`, or give charges of species too, as in "
                "Coulomb({'Na': 1.0, 'Cl': -1.0}, per_atom=True)"
            )
        total = float(charges.sum())
        if any(structure.pbc) and not self.allow_charged and abs(total) > _NEUTRAL * len(charges):
            raise InputError(
                f"charges of a periodic cell must sum to zero, got {total:.6g} e in "
                f"{structure.name}; correct them, or allow a neutralising background with "
                "allow_charged=True"
            )
        return charges

    def _by_species(self, values: Mapping[str, float], structure: Structure) -> Floats:
        table = np.array([float(values.get(symbol, 0.0)) for symbol in self.elements])
        return table[self.species_of(structure)]

    def sum_of(self, structure: Structure) -> CoulombSum:
        """Return the linear operator from charges to potentials of one structure."""
        widths = None if not self.widths else self._by_species(self.widths, structure)
        return CoulombSum(structure, widths=widths, damping=self.damping, accuracy=self.accuracy)

    def predict(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Prediction:
        """
        Evaluate the sum; `extras` has those of `charge_extras`, `potentials` (V) and `fields`.

        Atomic energies are ``1/2 q_i phi_i``; atomic virials are not given. See
        `EnergyModel.predict`.
        """
        charges = self.charges_of(structure)
        found = self.sum_of(structure).evaluate(charges, forces=forces, threads=threads)
        extras = {**charge_extras(structure, charges), "potentials": found.potentials}
        if found.fields is not None:
            extras["fields"] = found.fields
        return Prediction(
            found.energy,
            found.forces,
            found.virial,
            0.5 * charges * found.potentials,
            None,
            extras,
        )

    def charge_response(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        threads: int = 1,
    ) -> ChargeResponse:
        """Return the charges, which stay as they are; see `EnergyModel.charge_response`."""
        return ChargeResponse(
            structure, self.charges_of(structure), lambda weights: np.zeros((len(weights), 3))
        )

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return plain values."""
        return {
            "charges": None if self.charges is None else dict(self.charges),
            "widths": None if self.widths is None else dict(self.widths),
            "damping": self.damping,
            "accuracy": self.accuracy,
            "per_atom": self.per_atom,
            "allow_charged": self.allow_charged,
        }, {}

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Coulomb:
        """Rebuild from plain values."""

        def numbers(values: Mapping[str, float] | None) -> dict[str, float] | None:
            return None if values is None else {k: float(v) for k, v in values.items()}

        damping = header["damping"]
        return cls(
            numbers(header["charges"]),
            numbers(header["widths"]),
            None if damping is None else float(damping),
            float(header["accuracy"]),
            bool(header["per_atom"]),
            bool(header["allow_charged"]),
        )


def _check_symbol(name: str, symbol: Any) -> None:
    if symbol not in chemical_symbols[1:]:
        raise InputError(f"`{name}` must name elements, got {symbol!r}")
