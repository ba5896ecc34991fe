"""The part of a Coulomb sum that goes over pairs inside a radius; for molecules, over all pairs."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from linpot.electrostatics.cells import ChargeCell
from linpot.electrostatics.sums import Sums
from linpot.errors import InputError
from linpot.kernels.boxes import longest_row, place_images
from linpot.kernels.charge_pairs import count_pairs, fill_interactions, sum_pairs
from linpot.parallel import cut, run_tasks
from linpot.structures.structure import Structure

Floats = NDArray[np.float64]

CLOSEST = 0.01
"""Point charges closer than this, in A, are taken for a mistake."""

CENTERS_PER_TASK = 256


class RealSpaceSum:
    """
    Interactions ``f(r)`` of all pairs inside a radius.

    f is ``1/r``, less ``erf(alpha r)/r`` in a lattice sum, less what widths or damping take away at
    short distances.

    Parameters
    ----------
    structure : Structure
    cell : ChargeCell or None
        None for a molecule, all of whose pairs are summed.
    cutoff : float, A
    alpha : float or None, 1/A
    widths : float64[n_atoms] or None, A
    damping : float or None, A
    """

    def __init__(
        self,
        structure: Structure,
        cell: ChargeCell | None,
        cutoff: float,
        alpha: float | None,
        widths: Floats | None,
        damping: float | None,
    ) -> None:
        self._structure, self._cutoff = structure, cutoff
        self._alpha, self._damping = alpha, damping
        self._squares = None if widths is None else widths**2
        n_atoms = structure.n_atoms
        if cell is None:
            zeros = np.zeros((n_atoms, 3))
            margins, divisions = np.zeros(3), np.ones(3, dtype=np.int64)
            reach = np.zeros(3, dtype=np.int64)
            frame = structure.positions, zeros, np.eye(3)
            self._runs = np.zeros((1, 2), dtype=np.int64)
        else:
            margins = cutoff / cell.heights * (1.0 + 1e-12)  # not to lose a pair to rounding
            # boxes a third of the cutoff wide, but not many more of them than atoms
            most = np.maximum(np.floor(cell.heights * (n_atoms / cell.volume) ** (1 / 3)), 1)
            divisions = np.minimum(np.maximum(np.floor(3.0 / margins), 1), most).astype(np.int64)
            reach = np.ceil(margins * divisions - 1e-9).astype(np.int64)
            frame = cell.positions, cell.fractions, cell.cell
            self._runs = _runs(cell.cell.tobytes(), cutoff, tuple(divisions), tuple(reach))
        self._images = place_images(*frame, margins, divisions, reach)
        self._longest = longest_row(self._images, self._runs)

    @property
    def _places(self) -> tuple[Any, Any, Any, Any]:
        return self._images, self._runs, self._longest, self._cutoff

    @property
    def _tasks(self) -> list[tuple[int, int]]:
        n = self._structure.n_atoms
        return cut(n, max(1, n // CENTERS_PER_TASK))

    def evaluate(self, charges: Floats, *, forces: bool, threads: int) -> Sums:
        """
        Sum over pairs.

        Raises
        ------
        InputError
            If two point charges are on top of each other.
        """
        n_atoms = len(charges)
        potentials = np.zeros(n_atoms)
        fields = np.zeros((n_atoms, 3)) if forces else None
        moments = np.zeros((n_atoms, 6)) if forces else None
        closest = []

        def work(run: tuple[int, int]) -> None:
            closest.append(
                sum_pairs(
                    *run, *self._places, self._alpha, self._damping, charges, self._squares,
                    potentials, fields, moments,
                )
            )  # fmt: skip

        run_tasks(work, self._tasks, threads)
        if min(closest) < CLOSEST**2:
            raise InputError(
                f"charges of {self._structure.name} must be at least {CLOSEST} A apart, got "
                f"{min(closest) ** 0.5:.3g} A; check positions and cell"
            )
        virial = None
        if moments is not None:
            virial = -(charges @ moments)[[[0, 5, 4], [5, 1, 3], [4, 3, 2]]]
        return Sums(potentials, fields, virial)

    @cached_property
    def matrix(self) -> scipy.sparse.csr_array:
        """All interactions, 1/A, as a sparse matrix; made once, for many sets of charges."""
        n_atoms = self._structure.n_atoms
        counts = np.zeros(n_atoms, dtype=np.int64)
        count_pairs(0, n_atoms, *self._places, counts)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        others, values = np.empty(offsets[-1], dtype=np.int64), np.empty(offsets[-1])
        fill_interactions(
            0, n_atoms, *self._places, self._alpha, self._damping, self._squares, offsets, others,
            values,
        )  # fmt: skip
        return scipy.sparse.csr_array((values, others, offsets), shape=(n_atoms, n_atoms))


@lru_cache(maxsize=16)
def _runs(cell: bytes, cutoff: float, divisions: tuple[int, ...], reach: tuple[int, ...]) -> Any:
    """
    List the runs of boxes along the third axis that can hold atoms within a radius of a box.

    Parameters
    ----------
    cell : bytes of float64[3, 3], A
    cutoff : float, A
    divisions, reach : tuple of 3 int
        Boxes inside the cell, and how far to look, along each axis.

    Returns
    -------
    int64[n_runs, 2]
        First and last box, relative to the own one in the flat order.
    """
    box = np.frombuffer(cell).reshape(3, 3) / np.array(divisions)[:, None]
    sizes = [n + 2 * m for n, m in zip(divisions, reach, strict=True)]
    length = np.linalg.norm(box[2])
    axis = box[2] / length
    across = box[:2] - np.outer(box[:2] @ axis, axis)
    first, second = (
        n.ravel()
        for n in np.meshgrid(*(np.arange(-reach[k], reach[k] + 1) for k in (0, 1)), indexing="ij")
    )
    nearest = _nearest(first, second, across)
    kept = nearest <= cutoff
    first, second, nearest = first[kept], second[kept], nearest[kept]
    # |n3 length + shift| cannot exceed this for two points of the boxes within the radius
    shift = (np.stack([first, second], axis=1) @ box[:2]) @ axis
    most = np.sqrt(cutoff**2 - nearest**2) + length + np.abs(box[:2] @ axis).sum()
    low = np.maximum(np.ceil((-most - shift) / length - 1e-9), -reach[2])
    high = np.minimum(np.floor((most - shift) / length + 1e-9), reach[2])
    base = (first * sizes[1] + second) * sizes[2]
    runs = np.stack([base + low, base + high], axis=1)[low <= high]
    return np.ascontiguousarray(runs.astype(np.int64))


def _nearest(first: Any, second: Any, edges: Floats) -> Floats:
    """Least distance, A, of points of two columns of boxes that are so many apart."""
    # differences of points fill the parallelogram of twice the edges around the difference
    u, v = (np.maximum(np.abs(n) - 1, 0) * np.sign(n) for n in (first, second))
    best = np.where((u == 0) & (v == 0), 0.0, np.inf)
    for fixed, moving, at in ((0, 1, first), (1, 0, second)):
        other = second if fixed == 0 else first
        for side in (-1, 1):
            start = (at + side)[:, None] * edges[fixed]
            along = edges[moving]
            t = np.clip(-(start @ along) / (along @ along), other - 1, other + 1)
            best = np.minimum(best, np.linalg.norm(start + t[:, None] * along, axis=1))
    return best
