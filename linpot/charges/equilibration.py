"""Charges at the minimum of their energy for a given total charge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from linpot import checks
from linpot.charges.charge_energy import ChargeEnergy
from linpot.charges.constrained import Response, softened
from linpot.charges.screening import ScreenedInverse
from linpot.errors import ConvergenceError
from linpot.parallel import one_blas_thread

Floats = NDArray[np.float64]
Apply = Callable[[Floats], Floats]

METHODS = ("auto", "direct", "iterative")
LARGEST_DIRECT_MOLECULE, LARGEST_DIRECT_CELL = 1000, 150
"""Atoms up to which "auto" solves directly; the choice depends on nothing else."""

_MOST_STEPS, _MOST_ITERATIONS = 60, 500
_LEAST_CURVATURE = 1.0  # V/e, of steps where the energy is not convex
_LONGEST_STEP = 1.0  # e, RMS, of one step where the energy is not quadratic
_SUFFICIENT = 1e-4  # of the slope, that the energy must fall along a step (Armijo)
_ROUNDING = 1e-13  # of energies
_SLOPE_ROUNDING = 1e-14  # of slopes, over the terms that they are sums of


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """
    Charges at which nothing pulls but the constraint.

    Attributes
    ----------
    charges : float64[n_atoms], e
        Of the given sum, to rounding.
    potential : float, V
        ``dE/dQ``: what all slopes dE/dq are equal to.
    residual : float
        RMS deviation of slopes from it, over `ChargeEnergy.residual_scale`.
    iterations : int
        Products with the Hessian, or steps of Newton's method where solved directly.
    """

    charges: Floats
    potential: float
    residual: float
    iterations: int


def equilibrate(
    energy: ChargeEnergy,
    total: float,
    *,
    tolerance: float = 1e-8,
    start: Floats | None = None,
    method: str = "auto",
    inverse: Apply | None = None,
) -> Equilibrium:
    """
    Minimise the energy over charges of a given sum, by Newton's method.

    Steps are solved for directly or by conjugate gradients; a quadratic energy takes one. Other
    energies are followed downhill from `start`, or from equal charges, to a minimum.

    Parameters
    ----------
    energy : ChargeEnergy
    total : float, e
    tolerance : float
        Of `Equilibrium.residual`. Charges and forces err linearly in it, energies by its square.
    start : float64[n_atoms] or None, e
        A guess, of any sum.
    method : str
        "auto", "direct" or "iterative".
    inverse : callable or None
        About the inverse of the Hessian, for iterations; `approximate_inverse` if None.

    Returns
    -------
    Equilibrium

    Raises
    ------
    ConvergenceError
        If there is no minimum where one was looked for.
    """
    method = chosen_method(method, energy)
    charges = np.zeros(energy.n_atoms) if start is None else np.array(start, dtype=np.float64)
    charges = _with_sum(charges, total)
    find = _direct_step if method == "direct" else _IterativeStep(energy, inverse)
    hardness = np.abs(energy.hardness)
    scale = max(energy.residual_scale(total), np.finfo(float).tiny)
    between = energy.between(charges)
    iterations, convex = 0, True
    for _ in range(_MOST_STEPS):
        slope = energy.slope(charges, between)
        pull = slope.mean() - slope
        rounding = _SLOPE_ROUNDING * float(np.abs(slope).max() + np.abs(charges * hardness).max())
        residual = _rms(pull) / scale
        if _rms(pull) <= rounding:  # as of equal atoms, whose slopes differ by nothing else
            residual = min(residual, tolerance)
        if residual <= tolerance and (iterations or method == "iterative"):
            break
        goal = tolerance * scale
        if not energy.is_quadratic:  # a step need not be better than the next one makes it
            goal = max(goal, 0.03 * _rms(pull))
        step, answer, work, convex = find(energy, charges, pull, goal)
        iterations += work
        length = 1.0
        if not energy.is_quadratic:
            length = _line_search(energy, charges, between, step, answer, pull)
        if length == 0.0:
            break
        charges = _with_sum(charges + length * step, total)
        between = between + length * answer
        if energy.is_quadratic and method == "direct":
            between = energy.between(charges)  # free of cancellation
    if not residual <= tolerance or not convex:
        cause = "there is no minimum nearby" if not convex else "the minimum was not reached"
        raise ConvergenceError(
            f"charges of {energy.coulomb.structure.name} must settle to a residual of "
            f"{tolerance:g}: {cause}; check the structure, or refit with larger hardness",
            iterations=iterations,
            residual=residual,
        )
    return Equilibrium(charges, float(slope.mean()), residual, iterations)


def response_of(
    energy: ChargeEnergy, charges: Floats, *, tolerance: float = 1e-8, method: str = "auto"
) -> Apply:
    """
    Return how charges at their minimum follow what pulls at them, at a fixed sum: ``P x``.

    Parameters
    ----------
    energy : ChargeEnergy
    charges : float64[n_atoms], e
        At the minimum.
    tolerance : float
        RMS of what is left of a pull, over that of the pull.
    method : str
        As in `equilibrate`.

    Returns
    -------
    callable
        From float64[n_atoms], V, to float64[n_atoms], e; it raises `ConvergenceError` where it
        cannot be solved for.
    """
    if chosen_method(method, energy) == "direct":
        with one_blas_thread():
            response = Response(energy.hessian(charges))

        def solve(pulls: Floats) -> Floats:
            with one_blas_thread():
                return response(pulls)

        return solve
    find = _IterativeStep(energy)

    def follow(pulls: Floats) -> Floats:
        pull = pulls - pulls.mean()
        size = _rms(pull)
        if size == 0.0:
            return np.zeros_like(pull)
        step, answer, iterations, convex = find(energy, charges, pull, tolerance * size)
        left = pull - answer - energy.own_curvature(charges) * step
        residual = _rms(left - left.mean()) / size
        if not convex or residual > tolerance:
            raise ConvergenceError(
                f"the response of charges of {energy.coulomb.structure.name} must be known to "
                f"{tolerance:g}: their energy is not convex enough",
                iterations=iterations,
                residual=residual,
            )
        return step

    return follow


def chosen_method(method: str, energy: ChargeEnergy) -> str:
    """Return "direct" or "iterative"; see `equilibrate`."""
    checks.one_of("method", method, METHODS)
    if method != "auto":
        return method
    periodic = any(energy.coulomb.structure.pbc)
    largest = LARGEST_DIRECT_CELL if periodic else LARGEST_DIRECT_MOLECULE
    return "direct" if energy.n_atoms <= largest else "iterative"


def approximate_inverse(energy: ChargeEnergy) -> Apply | None:
    """Return about the inverse of the Hessian, for periodic structures; symmetric and positive."""
    structure = energy.coulomb.structure
    if not any(structure.pbc):
        return None
    positive = np.maximum(energy.hardness, _LEAST_CURVATURE)
    inverse = ScreenedInverse(structure, positive, energy.coulomb.widths)
    return lambda pulls: inverse(pulls, threads=energy.threads)


def _direct_step(
    energy: ChargeEnergy, charges: Floats, pull: Floats, goal: float
) -> tuple[Floats, Floats, int, bool]:
    """Newton's step by Cholesky factors, what it does to ``(G + h) q``, and whether it is one."""
    hessian, convex = energy.hessian(charges), True
    with one_blas_thread():
        try:
            step = Response(hessian)(pull)
        except np.linalg.LinAlgError:
            convex = False
            step = Response(softened(hessian, _LEAST_CURVATURE))(pull)
    return step, energy.pair_matrix @ step, 1, convex


class _IterativeStep:
    """Newton's steps by preconditioned conjugate gradients."""

    def __init__(self, energy: ChargeEnergy, inverse: Apply | None = None) -> None:
        self._approximate = inverse or approximate_inverse(energy)

    def __call__(
        self, energy: ChargeEnergy, charges: Floats, pull: Floats, goal: float
    ) -> tuple[Floats, Floats, int, bool]:
        """
        Solve for a step; stop where the energy curves down.

        The answer ``(G + h) step`` is a sum over iterations, as the residual is.
        """
        curvature = energy.own_curvature(charges)
        inverse: Apply = self._approximate or (
            lambda pulls: pulls / np.maximum(curvature, _LEAST_CURVATURE)
        )
        ones = inverse(np.ones(energy.n_atoms))

        def direction(left: Floats) -> Floats:
            found = inverse(left)
            return found - ones * (found.sum() / ones.sum())

        step, answer, left = np.zeros_like(pull), np.zeros_like(pull), pull.copy()
        ahead = direction(left)
        gain = float(left @ ahead)
        for iteration in range(1, _MOST_ITERATIONS + 1):
            image = energy.between(ahead)
            curved = float(ahead @ (image + curvature * ahead))
            if not curved > 0.0:
                if iteration == 1:
                    step, answer = ahead, image
                return step, answer, iteration, False
            length = gain / curved
            step += length * ahead
            answer += length * image
            left -= length * (image + curvature * ahead)
            left -= left.mean()
            if _rms(left) <= 0.5 * goal:
                return step, answer, iteration, True
            found = direction(left)
            old, gain = gain, float(left @ found)
            ahead = found + (gain / old) * ahead
        return step, answer, _MOST_ITERATIONS, True


def _line_search(
    energy: ChargeEnergy,
    charges: Floats,
    between: Floats,
    step: Floats,
    answer: Floats,
    pull: Floats,
) -> float:
    """Return how far to go: no product with the Hessian is needed along a line."""
    length = min(1.0, _LONGEST_STEP / max(_rms(step), np.finfo(float).tiny))
    here = energy.energy(charges, between)
    slope = -float(pull @ step)
    for _ in range(40):
        q = charges + length * step
        there = energy.energy(q, between + length * answer)
        allowed = _ROUNDING * (abs(here) + np.abs(energy.own_energies(q)).sum())
        if np.isfinite(there) and there <= here + _SUFFICIENT * length * slope + allowed:
            return length
        length *= 0.5
    return 0.0


def _with_sum(charges: Floats, total: float) -> Floats:
    """Shift charges so that they have a given sum, to rounding."""
    for _ in range(2):  # the second time takes away the rounding of the first
        charges = charges + (total - charges.sum()) / len(charges)
    return charges


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))
