"""
Coulomb interactions of the charges of one structure.

The interaction is linear in the charges: ``phi = G q``, ``E = 1/2 q phi``. G, the choice of method
and all conventions are in docs/electrostatics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from linpot import checks
from linpot.constants import COULOMB
from linpot.electrostatics.cells import ChargeCell, charge_cell
from linpot.electrostatics.particle_mesh import MeshSum
from linpot.electrostatics.real_space import RealSpaceSum
from linpot.electrostatics.reciprocal_space import ReciprocalSum
from linpot.electrostatics.splitting import METHODS, Splitting, choose_splitting
from linpot.electrostatics.sums import Sums
from linpot.errors import InputError
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

DEFAULT_ACCURACY = 1e-6
_BEST, _WORST = 1e-14, 1e-1
_LARGEST_MATRIX = 20_000
_TWO_BY_ROOT_PI = 2.0 / np.sqrt(np.pi)


@dataclass(frozen=True)
class CoulombResult:
    """
    What a set of charges feels.

    Attributes
    ----------
    energy : float, eV
        ``1/2 sum q phi``.
    potentials : float64[n_atoms], V
        ``phi_i = dE/dq_i``, that of all other charges at atom i.
    fields : float64[n_atoms, 3] or None, V/A
        ``-d(phi)/dr`` at atom i; ``forces = q fields``.
    forces : float64[n_atoms, 3] or None, eV/A
        ``-dE/dr`` at fixed charges.
    virial : float64[3, 3] or None, eV
        ``-dE/dstrain`` at fixed charges.
    """

    energy: float
    potentials: Floats
    fields: Floats | None
    forces: Floats | None
    virial: Floats | None


class CoulombSum:
    """
    The linear operator from charges to potentials, of one structure.

    Molecules are summed directly, crystals by Ewald's method or on a mesh, slabs as crystals with
    vacuum and the correction that makes the result that of two periodic directions.

    Parameters
    ----------
    structure : Structure
    widths : array_like [n_atoms] or None, A
        Standard deviations of Gaussian charges; 0 is a point. A cloud does not see itself.
    damping : float or None, A
        Below this distance ``1/r`` of points becomes ``1/R (1 + u/2 + 3 u^2/8 + 5 u^3/16)``,
        ``u = 1 - r^2/R^2``: finite, and smooth to the third derivative.
    accuracy : float
        RMS error of forces, as estimated for uncorrelated charges, over the force between two
        charges of the RMS size at the mean distance ``(V/N)^(1/3)``. Molecules are exact.
    method : str
        "auto", or "direct", "ewald", "mesh" to insist.
    cutoff : float or None, A
        Of the pairs in real space of a lattice sum, instead of the cheapest.
    repeats : int
        How often `potentials` will be called; what is cheapest depends on it.

    Attributes
    ----------
    method : str
        "direct", "ewald" or "mesh".
    splitting : Splitting or None
        None for molecules.
    widths : float64[n_atoms] or None, A
        None where all are points.

    Raises
    ------
    InputError
        For one periodic direction, for widths together with damping, and for values out of range.
    """

    def __init__(
        self,
        structure: Structure,
        *,
        widths: ArrayLike | None = None,
        damping: float | None = None,
        accuracy: float = DEFAULT_ACCURACY,
        method: str = "auto",
        cutoff: float | None = None,
        repeats: int = 0,
    ) -> None:
        self.structure = structure
        accuracy = check_accuracy(accuracy)
        checks.one_of("method", method, METHODS)
        self.widths = _checked_widths(widths, structure)
        if damping is not None:
            damping = checks.positive("damping", damping, "length in A")
            if self.widths is not None:
                raise InputError("`damping` is of point charges; leave out either it or `widths`")
        self._cell = charge_cell(structure, accuracy)
        self.splitting: Splitting | None = None
        if (self._cell is None) != (method == "direct") and method != "auto":
            raise InputError(
                f"`method` must be 'direct' for molecules and only there, got {method!r} with "
                f"pbc={list(structure.pbc)} for {structure.name}"
            )
        if self._cell is None:
            self.method = "direct"
            self._near = RealSpaceSum(structure, None, np.inf, None, self.widths, damping)
            self._far: ReciprocalSum | MeshSum | None = None
            return
        self.splitting = split = choose_splitting(
            structure.n_atoms,
            self._cell.volume,
            self._cell.occupied,
            accuracy,
            method=method,
            shortest_cutoff=_shortest_cutoff(self.widths, damping, accuracy),
            cutoff=None if cutoff is None else checks.positive("cutoff", cutoff, "length in A"),
            repeats=checks.integer("repeats", repeats, low=0),
        )
        self.method = split.method
        self._near = RealSpaceSum(
            structure, self._cell, split.cutoff, split.alpha, self.widths, damping
        )
        if split.method == "ewald":
            self._far = ReciprocalSum(self._cell, split.alpha, split.highest)
        else:
            self._far = MeshSum(self._cell, split.alpha, split.spacing, split.order)

    def evaluate(
        self, charges: ArrayLike, *, forces: bool = True, threads: int = 1
    ) -> CoulombResult:
        """
        Evaluate energy, potentials and derivatives for some charges.

        Parameters
        ----------
        charges : array_like [n_atoms], e
        forces : bool
            Whether fields, forces and virial are wanted.
        threads : int
            Results do not depend on it.

        Returns
        -------
        CoulombResult

        Raises
        ------
        InputError
            For charges of the wrong shape, or charges on top of each other.
        """
        q = self._checked(charges)
        total = self._near.evaluate(q, forces=forces, threads=threads)
        if self._far is not None:
            total = total + self._far.evaluate(q, forces=forces, threads=threads)
            total = total + self._corrections(q, forces)
        potentials = COULOMB * total.potentials
        fields = None if total.fields is None else COULOMB * total.fields
        return CoulombResult(
            0.5 * float(q @ potentials),
            potentials,
            fields,
            None if fields is None else q[:, None] * fields,
            None if total.virial is None else COULOMB * total.virial,
        )

    def potentials(self, charges: ArrayLike, *, threads: int = 1) -> Floats:
        """
        Return ``G q`` for many sets of charges, one after the other: pairs are evaluated once.

        Parameters
        ----------
        charges : array_like [n_atoms], e
        threads : int

        Returns
        -------
        float64[n_atoms], V
        """
        q = self._checked(charges)
        result = self._near.potentials(q, threads=threads)
        if self._far is not None:
            result += self._far.evaluate(q, forces=False, threads=threads).potentials
            result += self._corrections(q, False).potentials
        return COULOMB * result

    @cached_property
    def matrix(self) -> Floats:
        """
        G as a dense symmetric matrix: float64[n_atoms, n_atoms], V/e.

        Raises
        ------
        InputError
            If it would be too large.
        """
        n_atoms = self.structure.n_atoms
        if n_atoms > _LARGEST_MATRIX:
            raise InputError(
                f"a dense matrix is for at most {_LARGEST_MATRIX} atoms, got {n_atoms} in "
                f"{self.structure.name}; use `potentials`"
            )
        if isinstance(self._far, MeshSum):
            return np.stack([self.potentials(unit) for unit in np.eye(n_atoms)])
        matrix = self._near.stored.dense()
        if self._far is not None:
            self._far.add_to(matrix)
            # the corrections are quadratic forms of few terms
            matrix += self._correction_matrix()
        return COULOMB * 0.5 * (matrix + matrix.T)

    def _checked(self, charges: ArrayLike) -> Floats:
        return checks.finite_array(
            "charges", charges, [self.structure.n_atoms], self.structure.name
        )

    def _corrections(self, q: Floats, forces: bool) -> Sums:
        """Self-interaction, and the k = 0 terms of background, widths and slabs; in e and A."""
        cell, split = self._cell, self.splitting
        assert cell is not None
        assert split is not None
        n_atoms, charge, volume = len(q), float(q.sum()), cell.volume
        fields = np.zeros((n_atoms, 3)) if forces else None
        potentials = -_TWO_BY_ROOT_PI * split.alpha * q
        background = -np.pi / (volume * split.alpha**2) * charge
        potentials = potentials + background
        virial = 0.5 * background * charge * np.eye(3)
        if cell.normal is None and self.widths is not None:
            squares = self.widths**2
            own = 2.0 * np.pi / volume * (squares * charge + float(squares @ q))
            potentials = potentials + own
            virial = virial + 0.5 * float(q @ own) * np.eye(3)
        if cell.normal is not None:
            slab, field, energy = _slab_correction(cell, q)
            potentials = potentials + slab
            if fields is not None:
                fields += np.outer(field, cell.normal)
            virial = virial + energy * (np.eye(3) - 2.0 * np.outer(cell.normal, cell.normal))
        return Sums(potentials, fields, virial if forces else None)

    def _correction_matrix(self) -> Floats:
        """Return the matrix of `_corrections`, 1/A."""
        cell, split = self._cell, self.splitting
        assert cell is not None
        assert split is not None
        n_atoms, volume = self.structure.n_atoms, cell.volume
        matrix = -_TWO_BY_ROOT_PI * split.alpha * np.eye(n_atoms)
        matrix -= np.pi / (volume * split.alpha**2)
        if cell.normal is None and self.widths is not None:
            squares = self.widths**2
            matrix += 2.0 * np.pi / volume * (squares[:, None] + squares)
        if cell.normal is not None:
            z = cell.depth()
            matrix -= 2.0 * np.pi / volume * ((z[:, None] - z) ** 2 + cell.height**2 / 6.0)
        return matrix


def check_accuracy(accuracy: Any) -> float:
    """
    Return an accuracy that sums can have.

    Raises
    ------
    InputError
        If it is not between 1e-14 and 0.1.
    """
    value = checks.positive("accuracy", accuracy)
    if not _BEST <= value <= _WORST:
        raise InputError(f"`accuracy` must be from {_BEST:g} to {_WORST:g}, got {accuracy!r}")
    return value


def _checked_widths(widths: ArrayLike | None, structure: Structure) -> Floats | None:
    if widths is None:
        return None
    array = checks.finite_array("widths", widths, [structure.n_atoms], structure.name)
    if array.min() < 0.0:
        raise InputError(
            f"`widths` must not be negative, got {array.min():g} A in {structure.name}"
        )
    return array if array.any() else None


def _shortest_cutoff(widths: Floats | None, damping: float | None, accuracy: float) -> float:
    """Radius beyond which the interaction is that of points, A."""
    if widths is not None:
        # erfc(r / 2 sigma) at this radius is below the accuracy
        return 2.0 * float(widths.max()) * float(np.sqrt(np.log(2.0 / accuracy)))
    return damping or 0.0


def _slab_correction(cell: ChargeCell, q: Floats) -> tuple[Floats, Floats, float]:
    """
    Potentials, fields along the normal and energy that take away what images of a slab do.

    References
    ----------
    Yeh and Berkowitz, J. Chem. Phys. 111, 3155 (1999), eq. 18; with a net charge Ballenegger,
    Arnold, Cerda, J. Chem. Phys. 131, 094107 (2009), eq. 29.
    """
    z, height, volume = cell.depth(), cell.height, cell.volume
    charge, dipole, second = float(q.sum()), float(q @ z), float(q @ z**2)
    factor = 4.0 * np.pi / volume
    constant = charge * height**2 / 12.0
    potentials = factor * (z * dipole - 0.5 * (charge * z**2 + second) - constant)
    fields = -factor * (dipole - charge * z)
    return potentials, fields, 0.5 * float(q @ potentials)
