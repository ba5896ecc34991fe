"""The part of a Coulomb sum that goes over pairs inside a radius; for molecules, over all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.electrostatics.cells import ChargeCell
from linpot.electrostatics.sums import Sums
from linpot.errors import InputError
from linpot.kernels.boxes import longest_row, place_images
from linpot.kernels.charge_pairs import apply_pairs, store_pairs, sum_pairs, sum_stored
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
        self._is_periodic = cell is not None
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

    @cached_property
    def stored(self) -> StoredPairs:
        """All interactions, made once, for many sets of charges."""
        n = self._structure.n_atoms
        offsets = np.empty(n + 1, dtype=np.int64)
        places = np.empty(n * self._longest, dtype=np.int32)
        values = np.empty(n * self._longest)
        # all pairs of a molecule would not find the room
        slopes = np.empty(n * self._longest) if self._is_periodic else None
        closest = store_pairs(
            *self._places, self._alpha, self._damping, self._squares, offsets, places, values,
            slopes,
        )  # fmt: skip
        used = slice(int(offsets[-1]))
        return StoredPairs(
            self._images, offsets, places[used], values[used],
            None if slopes is None else slopes[used], closest,
        )  # fmt: skip

    def evaluate(self, charges: Floats, *, forces: bool, threads: int) -> Sums:
        """
        Sum over pairs, stored ones where there are any.

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
        known: StoredPairs | None = self.__dict__.get("stored")
        if known is not None and known.slopes is not None and forces:
            of_images = known.of_images(charges)

            def work(run: tuple[int, int]) -> None:
                sum_stored(
                    *run, self._images, self._longest, known.offsets, known.places, known.values,
                    known.slopes, of_images, potentials, fields, moments,
                )  # fmt: skip

            closest.append(known.closest)
        else:

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

    def potentials(self, charges: Floats, *, threads: int) -> Floats:
        """Return potentials by stored pairs: float64[n_atoms], e/A."""
        known = self.stored
        of_images, result = known.of_images(charges), np.empty(len(charges))

        def work(run: tuple[int, int]) -> None:
            apply_pairs(
                *run, known.images, known.offsets, known.places, known.values, of_images, result
            )

        run_tasks(work, self._tasks, threads)
        return result


@dataclass(frozen=True, eq=False)
class StoredPairs:
    """
    Interactions of all pairs inside a radius, as rows of a sparse matrix.

    Attributes
    ----------
    images : tuple
        As `place_images` returns it; rows are centres in its order.
    offsets : int64[n_atoms + 1]
        Entries of row k are ``offsets[k]:offsets[k + 1]``.
    places : int32[n_pairs]
        Image of each entry.
    values : float64[n_pairs], 1/A
    slopes : float64[n_pairs] or None, 1/A^3
        f'(r)/r; not of molecules.
    closest : float, A^2
        Smallest squared distance, at most 1.
    """

    images: Any
    offsets: NDArray[np.int64]
    places: NDArray[np.int32]
    values: Floats
    slopes: Floats | None
    closest: float

    def of_images(self, charges: Floats) -> Floats:
        """Return the charge of every image: float64[n_images]."""
        found: Floats = charges[self.images[2]]
        return found

    @property
    def rows(self) -> NDArray[np.int64]:
        """Atom of every row: int64[n_atoms]."""
        found: NDArray[np.int64] = self.images[2][self.images[3]]
        return found

    def dense(self) -> Floats:
        """Return the matrix, images added up: float64[n_atoms, n_atoms], 1/A."""
        n = len(self.offsets) - 1
        rows = np.repeat(self.rows, np.diff(self.offsets))
        entries = rows * n + self.images[2][self.places]
        matrix: Floats = np.bincount(entries, self.values, minlength=n * n).astype(np.float64)
        return matrix.reshape(n, n)

    def sizes(self) -> Floats:
        """Return the sum of the sizes of the entries of every atom: float64[n_atoms], 1/A."""
        sums = np.append(0.0, np.cumsum(np.abs(self.values)))[self.offsets]
        sizes = np.empty(len(sums) - 1)
        sizes[self.rows] = np.diff(sums)
        return sizes


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
