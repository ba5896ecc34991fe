"""Grimme's D3 dispersion through the package `dftd3`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from ase.units import Bohr, Hartree
from numpy.typing import NDArray

from linpot import checks
from linpot.errors import InputError
from linpot.model.prediction import Prediction, Predictions
from linpot.model.protocol import ManyAtOnce
from linpot.model.registry import register_model
from linpot.parallel import run_tasks
from linpot.structures.neighbors import Neighbors, complete_cell
from linpot.structures.structure import Structure

_DAMPING = {
    "bj": "RationalDampingParam",
    "zero": "ZeroDampingParam",
    "mbj": "ModifiedRationalDampingParam",
    "mzero": "ModifiedZeroDampingParam",
    "op": "OptimizedPowerDampingParam",
}
_LAST = 94  # Pu, the last element that D3 was made for
_THREE_BODY_CUTOFF = 40.0  # Bohr, that of the package
_FADING = 0.1


@register_model
@dataclass(frozen=True)
class D3(ManyAtOnce):
    """
    Dispersion D3 with the parameters of a functional; needs `pip install linpot[dispersion]`.

    The package sums pairs up to `pair_cutoff` in periodic directions (in a molecule too), with
    C6 and C8 that depend on coordination numbers. Nothing is left of the atoms' division of the
    energy: atomic energies and virials are None.

    Attributes
    ----------
    functional : str
        As the package names it: "pbe", "rpbe", "b3lyp", ...
    damping : "bj", "zero", "mbj", "mzero" or "op"
    three_body : bool
        Whether the Axilrod-Teller-Muto term is added.
    pair_cutoff : float or None, A
        Pairs fade out over the last tenth before it. None for the package's 60 Bohr, where they
        end at once: forces jump by about C6/r^7.

    Raises
    ------
    InputError
        If the package has no such parameters. Without the package, the first prediction raises.

    References
    ----------
    Grimme, Antony, Ehrlich, Krieg, J. Chem. Phys. 132, 154104 (2010); Grimme, Ehrlich, Goerigk,
    J. Comput. Chem. 32, 1456 (2011).
    """

    functional: str
    damping: str = "bj"
    three_body: bool = False
    pair_cutoff: float | None = None
    kind = "d3"
    part_name = "dispersion"

    def __post_init__(self) -> None:
        checks.one_of("damping", self.damping, _DAMPING)
        if not isinstance(self.functional, str) or not self.functional:
            raise InputError(f"`functional` must be a name, got {self.functional!r}")
        if not isinstance(self.three_body, bool):
            raise InputError(f"`three_body` must be true or false, got {self.three_body!r}")
        if self.pair_cutoff is not None:
            checks.positive("pair_cutoff", self.pair_cutoff, "length in A")
        if importlib.util.find_spec("dftd3") is not None:
            self._parameters()

    @property
    def cutoff(self) -> float:
        """0: the package finds its pairs itself."""
        return 0.0

    @property
    def elements(self) -> tuple[str, ...]:
        """Hydrogen to plutonium."""
        return tuple(chemical_symbols[1 : _LAST + 1])

    def predict_many(
        self,
        structures: Sequence[Structure],
        neighbors: Sequence[Neighbors | None] | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Predictions:
        """Evaluate structures side by side; see `EnergyModel.predict_many`."""
        package = _package()
        parameters = self._parameters()
        found: list[Prediction | None] = [None] * len(structures)

        def work(k: int) -> None:
            found[k] = self._evaluate(structures[k], package, parameters, forces=forces)

        for structure in structures:
            self.species_of(structure)  # refuses what is not among the elements
        run_tasks(work, range(len(structures)), threads)
        return Predictions.of([p for p in found if p is not None], [s.n_atoms for s in structures])

    def _evaluate(
        self, structure: Structure, package: Any, parameters: Any, *, forces: bool
    ) -> Prediction:
        try:
            model = package.DispersionModel(
                structure.numbers,
                structure.positions / Bohr,
                complete_cell(structure.cell, structure.pbc) / Bohr if any(structure.pbc) else None,
                np.array(structure.pbc) if any(structure.pbc) else None,
            )
            if self.pair_cutoff is not None:
                pairs = self.pair_cutoff / Bohr
                triples = min(pairs, _THREE_BODY_CUTOFF)
                model.set_realspace_cutoff(
                    disp2=pairs,
                    disp3=triples,
                    cn=_THREE_BODY_CUTOFF,
                    width2=_FADING * pairs,
                    width3=_FADING * triples,
                )
            result = model.get_dispersion(parameters, grad=forces)
        except RuntimeError as error:
            raise InputError(f"D3 cannot evaluate {structure.name}: {error}") from error
        energy = float(result["energy"]) * Hartree
        if not forces:
            return Prediction(energy)
        virial = -np.asarray(result["virial"]) * Hartree  # the package returns dE/dstrain
        return Prediction(
            energy,
            -np.asarray(result["gradient"]) * (Hartree / Bohr),
            0.5 * (virial + virial.T),
        )

    def _parameters(self) -> Any:
        """Return the package's parameters of functional and damping."""
        package = _package()
        try:
            return getattr(package, _DAMPING[self.damping])(
                method=self.functional, atm=self.three_body
            )
        except RuntimeError as error:
            raise InputError(
                f"`functional` must be one that D3 has parameters for with damping "
                f"{self.damping!r}, got {self.functional!r} ({error})"
            ) from error

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """Return plain values."""
        return {
            "functional": self.functional,
            "damping": self.damping,
            "three_body": self.three_body,
            "pair_cutoff": self.pair_cutoff,
        }, {}

    @classmethod
    def from_state(cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> D3:
        """Rebuild from plain values."""
        return cls(
            header["functional"], header["damping"], header["three_body"], header["pair_cutoff"]
        )


def _package() -> Any:
    if importlib.util.find_spec("dftd3") is None:
        raise InputError(
            "D3 needs the package `dftd3`; install it with pip install 'linpot[dispersion]'"
        )
    return importlib.import_module("dftd3.interface")
