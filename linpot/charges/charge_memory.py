"""What iterations of one step take over from the steps before, along a trajectory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from linpot.structures.structure import Structure

Floats = NDArray[np.float64]
Apply = Callable[[Floats], Floats]

_LENGTH = 5
_DAMPING = 1e-6  # of squared norms: steps that are too alike are not told apart
_MOVED = 0.15  # A, of an atom or a lattice vector: a new approximate inverse is made


class ChargeMemory:
    """
    Charges of the last steps of one trajectory, and an approximate inverse of their Hessian.

    The next charges are guessed to depend on the steps before as electronegativities do:
    ``chi = sum a_k chi_k``, a of sum one by least squares, then ``q = sum a_k q_k``. For equal time
    steps this is an extrapolation; where steps do not follow each other it does no harm.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._steps: deque[tuple[NDArray[np.int64], Floats, Floats]] = deque(maxlen=_LENGTH)
        self._inverse: tuple[Structure, Apply] | None = None

    def guess(self, numbers: NDArray[np.int64], electronegativity: Floats) -> Floats | None:
        """
        Return charges to start from, or None where nothing is known of these atoms.

        Parameters
        ----------
        numbers : int64[n_atoms]
            Atomic numbers.
        electronegativity : float64[n_atoms], V
        """
        with self._lock:
            steps = [own for own in self._steps if np.array_equal(own[0], numbers)]
        if not steps:
            return None
        *others, (_, chi, charges) = steps
        if not others:
            return charges
        # the last step as origin takes the condition on the sum away
        D = np.stack([own[1] - chi for own in others], axis=1)
        normal = D.T @ D
        normal[np.diag_indices_from(normal)] += _DAMPING * normal.trace() + np.finfo(float).tiny
        a = np.linalg.solve(normal, D.T @ (electronegativity - chi))
        moved = np.stack([own[2] - charges for own in others], axis=1)
        return np.asarray(charges + moved @ a)

    def inverse(self, structure: Structure, make: Callable[[], Apply | None]) -> Apply | None:
        """
        Return the inverse that was made last, or a new one where atoms have moved since.

        Iterations converge to the same charges with any; see `approximate_inverse`.

        Parameters
        ----------
        structure : Structure
        make : callable
            Returns the inverse for this structure.
        """
        with self._lock:
            known = self._inverse
        if known is not None and _is_near(known[0], structure):
            return known[1]
        made = make()
        if made is not None:
            with self._lock:
                self._inverse = structure, made
        return made

    def keep(self, numbers: NDArray[np.int64], electronegativity: Floats, charges: Floats) -> None:
        """Remember a step."""
        with self._lock:
            self._steps.append((numbers, electronegativity, charges))


def _is_near(old: Structure, new: Structure) -> bool:
    """Whether one structure is the other, up to small moves."""
    if old.pbc != new.pbc or not np.array_equal(old.numbers, new.numbers):
        return False
    moves = (new.positions - old.positions, new.cell - old.cell)
    return all(float(np.abs(move).max()) <= _MOVED for move in moves)
