"""Charges at the minimum of an energy that depends on the environment, and that energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.charges.atom_function import AtomFunction
from linpot.charges.charge_energy import ChargeEnergy, self_hardness
from linpot.charges.charge_memory import ChargeMemory
from linpot.charges.equilibration import (
    Equilibrium,
    approximate_inverse,
    chosen_method,
    equilibrate,
    response_of,
)
from linpot.charges.pair_coupling import CoupledPairs
from linpot.electrostatics.coulomb_sum import DEFAULT_ACCURACY, CoulombSum, check_accuracy
from linpot.electrostatics.dipoles import charge_extras
from linpot.errors import FileFormatError, InputError
from linpot.fitting.priors import body_orders
from linpot.model.charge_response import ChargeResponse
from linpot.model.packing import pack
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import FULL, Prediction
from linpot.model.protocol import EnergyModel
from linpot.model.registry import register_model
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

DEFAULT_TOLERANCE = 1e-8
_REPEATS = 10
"""Products with the interaction that a solution takes, about: how lattice sums are split."""
_LARGEST_UNREPEATED = 150  # atoms: solved for directly, from a matrix


@register_model
@dataclass(frozen=True, eq=False)
class EquilibratedCharges(EnergyModel):
    """
    ``E(q) = sum [chi q + 1/2 J q^2 + c q^3/3 + d q^4/4] + 1/2 sum h q q + E_coulomb``.

    Charges are at the minimum for the total charge of the structure (`Structure.net_charge`):
    forces and virial are the derivatives at fixed charges (Hellmann and Feynman). chi is linear in
    features; J is a constant per species, plus the energy of the Gaussian cloud with itself, plus
    a linear function of pair features if the function has a second output. With chi, J and widths
    alone this is charge equilibration (QEq, CENT); coupling h(r), and cubic and quartic terms per
    species make it self-consistent. docs/charges.md has formulas.

    Attributes
    ----------
    function : AtomFunction
        chi (V), and what the environment adds to J (V/e) if there is a second output.
    hardness : mapping of str to float, V/e
        Per species, positive; without that of the cloud.
    widths : mapping of str to float, A
        Standard deviation of the Gaussian cloud of each species, positive.
    coupling : float64[n_species_pairs, n_radial] or None, V/e
        ``h(r) = sum_n coupling[pair, n] R_n(r)``, R_n of the basis, pairs as in
        ``numpy.triu_indices``.
    cubic, quartic : mapping of str to float, or None, V/e^2 and V/e^3
    accuracy : float
        Of lattice sums; see `CoulombSum`.
    tolerance : float
        To which slopes of the energy by charges are equal; see `equilibrate`.
    method : str
        "auto", "direct" or "iterative".
    memory : ChargeMemory or None
        Where iterations start; see `for_trajectory`.

    Raises
    ------
    InputError
        If a species is missing, or a number is out of range.
    """

    function: AtomFunction
    hardness: Mapping[str, float]
    widths: Mapping[str, float]
    coupling: Floats | None = None
    cubic: Mapping[str, float] | None = None
    quartic: Mapping[str, float] | None = None
    accuracy: float = DEFAULT_ACCURACY
    tolerance: float = DEFAULT_TOLERANCE
    method: str = "auto"
    memory: ChargeMemory | None = None
    kind = "equilibrated_charges"
    part_name = "coulomb"
    has_charges = True

    def __post_init__(self) -> None:
        if self.function.n_outputs not in (1, 2):
            raise InputError(
                f"`function` must have one output or two, got {self.function.n_outputs}"
            )
        if self.function.n_outputs == 2:
            beyond = self.function.coefficients[1, body_orders(self.function.basis) > 2]
            if beyond.any() or self.function.constants[1].any():
                raise InputError(
                    "the second output of `function` must use pair functions only, and have no "
                    "constants: those are `hardness`"
                )
        for name in ("hardness", "widths", "cubic", "quartic"):
            values = getattr(self, name)
            if values is None:
                continue
            for symbol in self.elements:
                if symbol not in values:
                    raise InputError(f"`{name}` must name {symbol!r}, got {sorted(values)}")
                if name in ("hardness", "widths"):
                    checks.positive(f"{name}[{symbol!r}]", values[symbol])
                else:
                    checks.finite_array(f"{name}[{symbol!r}]", values[symbol], [])
        if self.coupling is not None:
            n = len(self.elements)
            shape = [n * (n + 1) // 2, None]
            object.__setattr__(
                self, "coupling", checks.finite_array("coupling", self.coupling, shape)
            )
        check_accuracy(self.accuracy)
        checks.positive("tolerance", self.tolerance)

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, by atomic number."""
        return self.function.basis.elements

    @property
    def cutoff(self) -> float:
        """Largest cutoff of the features, A; the Coulomb sum needs no list."""
        return float(self.function.cutoffs.max())

    @property
    def can_be_scanned(self) -> bool:  # type: ignore[override]
        """Whether there is a minimum at any distance: always where the energy is convex (QEq)."""
        terms = (self.coupling, self.cubic, self.quartic)
        return self.function.n_outputs == 1 and all(own is None for own in terms)

    def for_trajectory(self) -> EquilibratedCharges:
        """Return the model with a memory of charges; results stay within the tolerance."""
        return replace(self, memory=ChargeMemory())

    def by_species(self, name: str) -> Floats | None:
        """Return hardness, widths, cubic or quartic as float64[n_species], or None."""
        values = getattr(self, name)
        return None if values is None else np.array([float(values[s]) for s in self.elements])

    def packed(self, structure: Structure, neighbors: Neighbors | None = None) -> PairBatch:
        """Return the pairs of a structure within the cutoffs of the features."""
        return pack([structure], self.elements, self.function.cutoffs, [neighbors])

    def coupled_pairs(self, batch: PairBatch) -> CoupledPairs | None:
        """Return the pairs with their radial functions, where the model has a coupling."""
        if self.coupling is None:
            return None
        return CoupledPairs.of(batch, self.function.basis, self.coupling.shape[1])

    def sum_of(self, structure: Structure) -> CoulombSum:
        """Return the linear operator from charges to potentials of one structure."""
        widths = self._widths[self.species_of(structure)]
        repeats = _REPEATS if structure.n_atoms > _LARGEST_UNREPEATED else 0
        return CoulombSum(structure, widths=widths, accuracy=self.accuracy, repeats=repeats)

    def energy_of(
        self,
        structure: Structure,
        batch: PairBatch,
        pairs: CoupledPairs | None,
        *,
        total: CoulombSum | None = None,
        values: Floats | None = None,
        threads: int = 1,
    ) -> ChargeEnergy:
        """
        Return the energy of a structure as a function of its charges.

        Parameters
        ----------
        structure : Structure
        batch : PairBatch
            From `packed`.
        pairs : CoupledPairs or None
            From `coupled_pairs`.
        total : CoulombSum or None
            From `sum_of`, if it is there already.
        values : float64[n_atoms, n_outputs] or None
            Of the function, likewise.
        threads : int
        """
        if values is None:
            values = self.function.values(batch, threads=threads)
        hardness = (self._hardness + self_hardness(self._widths))[batch.species]
        if values.shape[1] == 2:
            hardness = hardness + values[:, 1]
        coupling = None
        if pairs is not None:
            assert self.coupling is not None
            coupling = pairs.matrix(self.coupling, structure.n_atoms)
        cubic, quartic = (self.by_species(name) for name in ("cubic", "quartic"))
        return ChargeEnergy(
            self.sum_of(structure) if total is None else total,
            np.ascontiguousarray(values[:, 0]),
            hardness,
            coupling,
            None if cubic is None else cubic[batch.species],
            None if quartic is None else quartic[batch.species],
            threads,
        )

    @cached_property
    def _hardness(self) -> Floats:
        values = self.by_species("hardness")
        assert values is not None
        return values

    @cached_property
    def _widths(self) -> Floats:
        values = self.by_species("widths")
        assert values is not None
        return values

    def equilibrium(
        self, structure: Structure, energy: ChargeEnergy, start: Floats | None = None
    ) -> Equilibrium:
        """
        Return the charges at the minimum of an energy from `energy_of`; see `equilibrate`.

        With a memory, iterations start from what it guesses.
        """
        inverse = None
        if self.memory is not None:
            start = self.memory.guess(structure.numbers, energy.electronegativity)
            if chosen_method(self.method, energy) == "iterative":
                inverse = self.memory.inverse(structure, lambda: approximate_inverse(energy))
        found = equilibrate(
            energy,
            structure.net_charge,
            tolerance=self.tolerance,
            start=start,
            method=self.method,
            inverse=inverse,
        )
        if self.memory is not None:
            self.memory.keep(structure.numbers, energy.electronegativity, found.charges)
        return found

    def charges_of(self, structure: Structure, *, threads: int = 1) -> Floats:
        """Return the charge of every atom: float64[n_atoms], e."""
        batch = self.packed(structure)
        energy = self.energy_of(structure, batch, self.coupled_pairs(batch), threads=threads)
        return self.equilibrium(structure, energy).charges

    def predict(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Prediction:
        """
        Evaluate the minimum.

        `extras` has those of `charge_extras`, `electronegativities` (V), `potentials` (V) and the
        common slope `chemical_potential` (V). Atomic energies hold half of the interactions;
        atomic virials are not given. See `EnergyModel.predict`.

        Raises
        ------
        ConvergenceError
            If there is no minimum where one was looked for.
        """
        batch = self.packed(structure, neighbors)
        pairs = self.coupled_pairs(batch)
        energy = self.energy_of(structure, batch, pairs, threads=threads)
        found = self.equilibrium(structure, energy)
        q = found.charges
        sums = energy.coulomb.evaluate(q, forces=forces, threads=threads)
        between = sums.potentials
        if energy.coupling is not None:
            between = between + energy.coupling @ q
        atomic = energy.own_energies(q) + 0.5 * q * between
        extras = {
            **charge_extras(structure, q),
            "electronegativities": energy.electronegativity,
            "potentials": sums.potentials,
            "chemical_potential": found.potential,
        }
        if not forces:
            return Prediction(float(atomic.sum()), None, None, atomic, None, extras)
        assert sums.forces is not None
        assert sums.virial is not None
        adjoint = np.stack([q, 0.5 * q**2], axis=1)[:, : self.function.n_outputs]
        pulled, virials = self.function.pull_back(batch, adjoint, threads=threads)
        total, virial = sums.forces + pulled, sums.virial + virials.sum(axis=0)[FULL]
        if pairs is not None:
            assert self.coupling is not None
            own, own_virial = pairs.forces(self.coupling, q)
            total, virial = total + own, virial + own_virial
        return Prediction(float(atomic.sum()), total, virial, atomic, None, extras)

    def charge_response(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        threads: int = 1,
    ) -> ChargeResponse:
        """
        Return charges and how they follow; see `EnergyModel.charge_response`.

        ``d(w q)/dR = -(P w) d2E/dq dR``: one solution and one pull back for each set of weights.
        """
        batch = self.packed(structure, neighbors)
        pairs = self.coupled_pairs(batch)
        energy = self.energy_of(structure, batch, pairs, threads=threads)
        q = self.equilibrium(structure, energy).charges
        follow = response_of(energy, q, tolerance=self.tolerance, method=self.method)
        fields = energy.coulomb.evaluate(q, threads=threads).fields
        assert fields is not None

        def slopes(weights: Floats) -> Floats:
            moved = follow(weights)
            adjoint = np.stack([moved, q * moved], axis=1)[:, : self.function.n_outputs]
            found = self.function.pull_back(batch, adjoint, threads=threads)[0]
            felt = energy.coulomb.evaluate(moved, threads=threads).fields
            assert felt is not None
            found = found + moved[:, None] * fields + q[:, None] * felt
            if pairs is not None:
                assert self.coupling is not None
                found = found + pairs.forces(self.coupling, q, moved)[0]
            return found

        return ChargeResponse(structure, q, slopes)

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return header and arrays."""
        header, arrays = self.function.to_state()
        for name in ("hardness", "widths", "cubic", "quartic"):
            values = self.by_species(name)
            header[name] = (
                None if values is None else dict(zip(self.elements, values.tolist(), strict=True))
            )
        header |= {
            "accuracy": self.accuracy, "tolerance": self.tolerance, "method": self.method,
        }  # fmt: skip
        if self.coupling is not None:
            arrays["coupling"] = self.coupling
        return header, arrays

    @classmethod
    def from_state(
        cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]
    ) -> EquilibratedCharges:
        """Rebuild from what `to_state` returned."""

        def numbers(name: str) -> dict[str, float] | None:
            values = header[name]
            return None if values is None else {str(k): float(v) for k, v in values.items()}

        try:
            return cls(
                AtomFunction.from_state(header, arrays),
                numbers("hardness") or {},
                numbers("widths") or {},
                arrays.get("coupling"),
                numbers("cubic"),
                numbers("quartic"),
                float(header["accuracy"]),
                float(header["tolerance"]),
                str(header["method"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(f"charges of the file are incomplete: {error}") from error
