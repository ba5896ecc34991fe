"""The parameters of equilibrated charges as one vector."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.charges.equilibrated_charges import EquilibratedCharges
from linpot.charges.moderation import Moderation
from linpot.fitting.priors import SmoothnessPrior, body_orders

Floats = NDArray[np.float64]

GROUPS = (
    "electronegativity", "environment_hardness", "hardness", "widths", "coupling", "cubic",
    "quartic",
)  # fmt: skip
"""Of parameters, in their order."""

LINEAR = ("electronegativity",)
"""Groups in which charges are linear, as long as the energy is quadratic in charges."""

_CONSTANT_SCALE = 30.0
_HARDNESS_OUTSIDE = 2.0  # V/e: what the environment may change where there are no data
_RADII = {
    "environment_hardness": 1.0, "hardness": 0.5, "widths": 0.2, "coupling": 1.0, "cubic": 1.0,
    "quartic": 1.0,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class EquilibratedParameters:
    """
    How a vector of parameters and an `EquilibratedCharges` belong together.

    chi has coefficients and constants, V; the environment's hardness those of pair functions, V/e;
    hardness and widths are logarithms over those of `reference`, so that they stay positive;
    coupling, V/e, cubic, V/e^2, and quartic, V/e^3, as they are.

    Attributes
    ----------
    reference : EquilibratedCharges
        What a vector of zeros does not change, and which groups there are at all.
    free : tuple of str
        Groups of `GROUPS` that vectors hold; those that the reference lacks are empty.
    """

    reference: EquilibratedCharges
    free: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.free:
            checks.one_of("free", name, GROUPS)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where the parameters of each group are."""
        model, n_species = self.reference, len(self.reference.elements)
        sizes = {
            "electronegativity": model.function.n_parameters,
            "environment_hardness": len(self.pair_columns) if self.has_environment else 0,
            "hardness": n_species,
            "widths": n_species,
            "coupling": 0 if model.coupling is None else model.coupling.size,
            "cubic": 0 if model.cubic is None else n_species,
            "quartic": 0 if model.quartic is None else n_species,
        }
        sizes = {name: sizes[name] if name in self.free else 0 for name in GROUPS}
        ends = np.cumsum([sizes[name] for name in GROUPS]).tolist()
        return {name: slice(b - sizes[name], b) for name, b in zip(GROUPS, ends, strict=True)}

    def has(self, name: str) -> bool:
        """Whether a group has parameters."""
        return self.slices[name].start < self.slices[name].stop

    @property
    def n_parameters(self) -> int:
        """Length of vectors."""
        return self.slices[GROUPS[-1]].stop

    @property
    def has_environment(self) -> bool:
        """Whether hardness depends on the environment."""
        return self.reference.function.n_outputs == 2

    @cached_property
    def pair_columns(self) -> NDArray[np.int64]:
        """Columns of the basis that are pair functions."""
        return np.flatnonzero(body_orders(self.reference.function.basis) == 2)

    def of(self, model: EquilibratedCharges) -> Floats:
        """Return the parameters of a model: float64[n_parameters]."""
        function, values = model.function, np.zeros(self.n_parameters)
        every = {
            "electronegativity": function.parameters[0],
            "environment_hardness": function.coefficients[-1, self.pair_columns],
            "coupling": None if model.coupling is None else model.coupling.ravel(),
        }
        for name in ("hardness", "widths"):
            own, known = model.by_species(name), self.reference.by_species(name)
            assert own is not None
            assert known is not None
            every[name] = np.log(own / known)
        for name in ("cubic", "quartic"):
            every[name] = model.by_species(name)
        for name, at in self.slices.items():
            if self.has(name):
                values[at] = every[name]
        return values

    def model(self, parameters: Floats) -> EquilibratedCharges:
        """Return the model with some parameters; groups that are not free are the reference's."""
        old, at = self.reference, self.slices
        rows = old.function.parameters.copy()
        if self.has("electronegativity"):
            rows[0] = parameters[at["electronegativity"]]
        if self.has("environment_hardness"):
            rows[1, self.pair_columns] = parameters[at["environment_hardness"]]
        changes: dict[str, dict[str, float]] = {}
        for name in ("hardness", "widths", "cubic", "quartic"):
            if self.has(name):
                values = parameters[at[name]]
                if name in ("hardness", "widths"):
                    known = old.by_species(name)
                    assert known is not None
                    values = known * np.exp(values)
                changes[name] = dict(zip(old.elements, values.tolist(), strict=True))
        coupling = old.coupling
        if coupling is not None and self.has("coupling"):
            coupling = parameters[at["coupling"]].reshape(coupling.shape)
        function = old.function.with_parameters(rows)
        return replace(old, function=function, coupling=coupling, **changes)  # type: ignore[arg-type]

    def scales(self, prior: SmoothnessPrior) -> Floats:
        """Return the sizes that the prior expects of parameters, up to a factor."""
        basis = self.reference.function.basis
        own = prior.scales(basis)
        largest = own.max(initial=0.0) or 1.0
        at, scales = self.slices, np.full(self.n_parameters, largest)
        if self.has("electronegativity"):
            chi = scales[at["electronegativity"]]
            chi[: basis.n_features] = own
            chi[basis.n_features :] = _CONSTANT_SCALE * largest
        if self.has("environment_hardness"):
            scales[at["environment_hardness"]] = own[self.pair_columns]
        if self.reference.coupling is not None and self.has("coupling"):
            n = np.arange(self.reference.coupling.shape[1])
            decay = largest / (1.0 + n**prior.power)
            scales[at["coupling"]] = np.tile(decay, len(self.reference.coupling))
        return scales

    def outside(self, moderation: Moderation) -> Floats:
        """
        Return rows that hold chi and the environment's hardness of the reference in check.

        Parameters
        ----------
        moderation : Moderation
            Of the function.

        Returns
        -------
        float64[k, n_parameters]
            See `Moderation.rows`.
        """
        n_function = self.reference.function.n_parameters
        blocks = []
        for name, columns, unseen in (
            (
                "electronegativity",
                np.arange(n_function),
                moderation.rows(self.reference.function.parameters[0]),
            ),
            (
                "environment_hardness",
                self.pair_columns,
                moderation.unseen / _HARDNESS_OUTSIDE,
            ),
        ):
            if self.has(name):
                rows = np.zeros((len(unseen), self.n_parameters))
                rows[:, self.slices[name]] = unseen[:, columns]
                blocks.append(rows)
        return np.vstack([np.zeros((0, self.n_parameters)), *blocks])

    def radii(self) -> Floats:
        """Return how far one step may go, about, for each parameter; inf where it is linear."""
        radii = np.full(self.n_parameters, np.inf)
        for name, radius in _RADII.items():
            radii[self.slices[name]] = radius
        return radii
