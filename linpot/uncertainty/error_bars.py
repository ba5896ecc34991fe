"""What is known of the errors of a potential: attached to its learned part, kept in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot.checks import finite_array
from linpot.errors import FileFormatError, InputError
from linpot.model.committee import Committee
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.model.sum import ModelSum, learned_part, with_learned_part
from linpot.structures.neighbors import Neighbors
from linpot.structures.structure import Structure
from linpot.uncertainty.conformal import Calibration
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
        "energy" (eV per atom), "forces" (eV/A) and "stress" (eV/A^3), as far as the data had them.
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
        if not has_error_bars(potential):
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
            arrays[f"calibration/{name}/inflation"] = np.array(own.inflation)
            arrays[f"calibration/{name}/ends"] = np.array(own.ends, dtype=np.int64)
        return with_learned_part(potential, learned_part(potential).with_attachments(arrays))

    def spread(
        self,
        structure: Structure,
        neighbors: Neighbors | None = None,
        *,
        forces: bool = True,
        threads: int = 1,
    ) -> Spread:
        """Return the deviations of a structure under the posterior, not calibrated."""
        engine, structures = self.learned.engine, [structure]
        return spread_of(
            engine, self.posterior, structures, [neighbors], forces=forces, threads=threads
        )[0]

    def committee(self, potential: EnergyModel, *, n_members: int = 10, seed: int = 0) -> Committee:
        """
        Draw a committee from the posterior, evaluated in one pass; its spread is not calibrated.

        Parameters
        ----------
        potential : EnergyModel
            The one that these error bars belong to.
        n_members, seed : int

        Returns
        -------
        Committee
        """
        return Committee(potential, self.posterior.draw(n_members, seed=seed))

    def energy_half_width(
        self,
        structure: Structure,
        level: float,
        neighbors: Neighbors | None = None,
        *,
        threads: int = 1,
    ) -> float:
        """
        Return half of the calibrated interval of the energy, without evaluating derivatives.

        Parameters
        ----------
        structure : Structure
        level : float
        neighbors : Neighbors, optional
            As in `EnergyModel.predict`.
        threads : int

        Returns
        -------
        float, eV

        Raises
        ------
        InputError
            See `half_widths`.
        """
        spread = self.spread(structure, neighbors, forces=False, threads=threads)
        return self._energy(spread, structure, level)

    def half_widths(
        self, structure: Structure, level: float, *, threads: int = 1
    ) -> tuple[float, Floats]:
        """
        Return half of the calibrated intervals of energy and forces.

        Parameters
        ----------
        structure : Structure
        level : float
            Share of left-out labels that the intervals cover.
        threads : int

        Returns
        -------
        energy : float, eV
        forces : float64[n_atoms, 3], eV/A

        Raises
        ------
        InputError
            If the data had no energies or no forces to calibrate on, or too few structures.
        """
        forces, spread = self._calibration_of("forces"), self.spread(structure, threads=threads)
        assert spread.forces is not None
        energy = self._energy(spread, structure, level)
        return energy, forces.half_widths(spread.forces, level)

    def stress_half_widths(self, structure: Structure, level: float) -> Floats:
        """
        Return half of the calibrated intervals of the stress.

        Parameters
        ----------
        structure : Structure
            Periodic in three dimensions.
        level : float

        Returns
        -------
        float64[6], eV/A^3

        Raises
        ------
        InputError
            See `half_widths`.
        """
        own = self._calibration_of("stress")
        return own.half_widths(self.spread(structure).stress(structure), level)

    @property
    def inflation(self) -> float:
        """
        How much larger errors of left-out labels are than the posterior says.

        Root mean squares, of the property in which it is most.
        """
        return max((own.inflation for own in self.calibrations.values()), default=1.0)

    def _energy(self, spread: Spread, structure: Structure, level: float) -> float:
        scale = np.array(spread.misfit_energy / structure.n_atoms)
        return float(self._calibration_of("energy").half_widths(scale, level)) * structure.n_atoms

    def _calibration_of(self, name: str) -> Calibration:
        if name not in self.calibrations:
            raise InputError(f"the error bars have no calibration of {name}: no labels in the fit")
        return self.calibrations[name]

    def grades(self, structure: Structure, *, threads: int = 1) -> Floats:
        """Return the extrapolation grade of every atom: float64[n_atoms]."""
        return self.active.grades(self.learned.engine, structure, threads=threads)


def has_error_bars(potential: EnergyModel) -> bool:
    """Whether a potential carries error bars."""
    parts: Sequence[EnergyModel] = (
        potential.parts if isinstance(potential, ModelSum) else [potential]
    )
    learned = [part for part in parts if isinstance(part, LinearPotential)]
    return len(learned) == 1 and "posterior/root" in learned[0].attachments


def _calibration(arrays: Mapping[str, NDArray], name: str) -> Calibration:
    prefix = f"calibration/{name}"
    scores = finite_array("scores", arrays[f"{prefix}/scores"], [None])
    floor = float(finite_array("floor", arrays[f"{prefix}/floor"], []))
    n_clusters = int(finite_array("n_clusters", arrays[f"{prefix}/n_clusters"], []))
    inflation = float(finite_array("inflation", arrays[f"{prefix}/inflation"], []))
    ends = tuple(int(end) for end in finite_array("ends", arrays[f"{prefix}/ends"], [None]))
    if list(ends) != sorted(set(ends)) or (ends and (ends[0] < 1 or ends[-1] != len(scores))):
        raise InputError(f"parts of the scores of {name} must follow one another to their end")
    found = Calibration(floor, scores, n_clusters, inflation, ends)
    ascending = all((np.diff(part) >= 0.0).all() for part in found.parts)
    if floor < 0.0 or n_clusters < 1 or not len(scores) or not ascending:
        raise InputError(f"scores of {name} must ascend, with a floor and a number of clusters")
    if inflation <= 0.0:
        raise InputError(f"`inflation` of {name} must be positive, got {inflation}")
    return found
