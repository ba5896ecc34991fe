"""What is known of the errors of a potential: attached to its learned part, kept in its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.checks import finite_array
from linpot.errors import FileFormatError, InputError
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part, with_learned_part
from linpot.structures.structure import Structure
from linpot.uncertainty.conformal import Calibration, checked_level
from linpot.uncertainty.extrapolation import ActiveSet
from linpot.uncertainty.posterior import Posterior
from linpot.uncertainty.spread import Spread, spread_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorBars:
    """
    Posterior, calibration and active set of a potential.

    Attributes
    ----------
    learned : LinearPotential
    posterior : Posterior
    calibrations : dict of property to Calibration
        "energy" (eV per atom) and "forces" (eV/A), as far as the data had them.
    active : ActiveSet
    """

    learned: LinearPotential
    posterior: Posterior
    calibrations: dict[str, Calibration]
    active: ActiveSet

    @classmethod
    def of(cls, potential: EnergyModel) -> ErrorBars:
        """
        Read the error bars of a potential.

        Raises
        ------
        InputError
            If it has none.
        FileFormatError
            If they do not fit the potential.
        """
        learned = learned_part(potential)
        arrays = learned.attachments
        if "posterior/root" not in arrays:
            raise InputError(
                "the potential has no error bars; make it with `linpot.fit_with_error_bars`"
            )
        n = learned.basis.n_features
        try:
            root = finite_array("posterior root", arrays["posterior/root"], [n, n])
            noise = float(finite_array("noise variance", arrays["posterior/noise_variance"], []))
            names = {p.split("/")[1] for p in arrays if p.startswith("calibration/")}
            calibrations = {name: _calibration(arrays, name) for name in sorted(names)}
        except (KeyError, InputError) as error:
            raise FileFormatError(f"the error bars do not fit the potential: {error}") from error
        if not np.diag(root).all() or np.tril(root, -1).any() or noise <= 0.0:
            raise FileFormatError(
                "the error bars must have an upper triangular root and a positive noise variance"
            )
        posterior = Posterior(np.asarray(learned.coefficients), root, noise)
        return cls(learned, posterior, calibrations, ActiveSet.from_arrays(learned.engine, arrays))

    def attached_to(self, potential: EnergyModel) -> EnergyModel:
        """Return the potential with these error bars in its learned part."""
        arrays: dict[str, NDArray] = {
            "posterior/root": self.posterior.root,
            "posterior/noise_variance": np.array(self.posterior.noise_variance),
            **self.active.to_arrays(),
        }
        for name, own in self.calibrations.items():
            arrays[f"calibration/{name}/scores"] = own.scores
            arrays[f"calibration/{name}/floor"] = np.array(own.floor)
            arrays[f"calibration/{name}/n_clusters"] = np.array(own.n_clusters)
        return with_learned_part(potential, learned_part(potential).with_attachments(arrays))

    def spread(self, structure: Structure) -> Spread:
        """Return the deviations of a structure under the posterior, not calibrated."""
        return spread_of(self.learned.engine, self.posterior, [structure])[0]

    def half_widths(self, structure: Structure, level: float) -> tuple[float, Floats]:
        """
        Return half of the calibrated intervals of energy and forces.

        Parameters
        ----------
        structure : Structure
        level : float
            Share of left-out labels that the intervals cover.

        Returns
        -------
        energy : float, eV
        forces : float64[n_atoms, 3], eV/A

        Raises
        ------
        InputError
            If the data had no energies or no forces to calibrate on, or too few structures.
        """
        for name in ("energy", "forces"):
            if name not in self.calibrations:
                raise InputError(
                    f"the error bars have no calibration of {name}: no labels in the fit"
                )
        spread, n = self.spread(structure), structure.n_atoms
        energy = self.calibrations["energy"].half_widths(np.array(spread.energy / n), level)
        return float(energy) * n, self.calibrations["forces"].half_widths(spread.forces, level)

    def grades(self, structure: Structure, *, threads: int = 1) -> Floats:
        """Return the extrapolation grade of every atom: float64[n_atoms]."""
        return self.active.grades(self.learned.engine, structure, threads=threads)


@dataclass(frozen=True)
class WithError:
    """
    A property and how it varies over a committee.

    Attributes
    ----------
    value : float
        Of the potential itself.
    std : float
        Of the members around `value`.
    interval : (float, float)
        Quantiles of the members at the level asked for.
    members : float64[n_members]
    """

    value: float
    std: float
    interval: tuple[float, float]
    members: Floats = field(repr=False)


def with_error_bar(
    property_function: Callable[[EnergyModel], Any],
    potential: EnergyModel,
    *,
    n_members: int = 20,
    level: float = 0.9,
    seed: int = 0,
) -> WithError:
    """
    Return any number computed from a potential, with its error bar from the posterior.

    The posterior knows of noise, not of what the basis cannot express: the interval is that of
    the committee, not calibrated.

    Parameters
    ----------
    property_function : callable
        Takes a potential and returns a number: a lattice constant, a barrier ...
    potential : EnergyModel
        With error bars.
    n_members : int
    level : float
    seed : int

    Returns
    -------
    WithError

    Raises
    ------
    InputError
        If the potential has no error bars, or the property is not a finite number.
    """
    level = checked_level(level)
    bars = ErrorBars.of(potential)
    value = _number(property_function(potential))
    members = np.array(
        [
            _number(
                property_function(
                    with_learned_part(potential, bars.learned.with_coefficients(coefficients))
                )
            )
            for coefficients in bars.posterior.draw(n_members, seed=seed)
        ]
    )
    low, high = np.quantile(members, [0.5 - 0.5 * level, 0.5 + 0.5 * level]).tolist()
    std = float(np.sqrt(np.mean((members - value) ** 2)))
    return WithError(value, std, (low, high), members)


def _number(value: Any) -> float:
    return float(finite_array("the property", value, []))


def _calibration(arrays: Mapping[str, NDArray], name: str) -> Calibration:
    prefix = f"calibration/{name}"
    scores = finite_array("scores", arrays[f"{prefix}/scores"], [None])
    floor = float(finite_array("floor", arrays[f"{prefix}/floor"], []))
    n_clusters = int(finite_array("n_clusters", arrays[f"{prefix}/n_clusters"], []))
    if floor < 0.0 or n_clusters < 1 or not len(scores) or np.any(np.diff(scores) < 0.0):
        raise InputError(f"scores of {name} must ascend, with a floor and a number of clusters")
    return Calibration(floor, scores, n_clusters)
