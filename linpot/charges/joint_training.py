"""
Charges and learned part trained together, by damped Gauss-Newton.

The energy is linear in the coefficients c of the learned part and not in the parameters theta of
the charges. Every step linearises the energy of the charges, and solves one ridge problem for c,
the one-body energies and theta. A step is taken if it lowers the objective with c at its best, and
shortened until it does. docs/charges.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from linpot.charges.charge_fit import charge_rows
from linpot.charges.moderation import outside_rows
from linpot.charges.training import Linearisation, Trainable, Training
from linpot.charges.trust_region import next_reach, step_within
from linpot.errors import ConvergenceError
from linpot.fitting.factors import TriangularFactor, column_space, triangular
from linpot.fitting.reference_energies import find_reference_energies
from linpot.fitting.ridge import Ridge
from linpot.fitting.rows import RowBuilder
from linpot.fitting.targets import Targets, energies_without
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.structures.structure import Labels, Structure

Floats = NDArray[np.float64]
Own = TypeVar("Own", bound=Trainable)

_SHORTEST_STEP = 1.0 / 64.0
_CHOOSING = 3  # steps in which the evidence chooses
_RATIOS = (1e-2, 1e-1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class JointFit(Generic[Own]):
    """
    What joint training has found.

    Attributes
    ----------
    trainee : Trainable
        With the best parameters.
    objectives : tuple of float
        Weighted squares of residuals and penalties, of the start and after every step.
    penalty : float
        Of the learned part.
    ratio : float
        How much larger parameters of charges are expected to be than coefficients, over their
        scales.
    """

    trainee: Own
    objectives: tuple[float, ...]
    penalty: float
    ratio: float


class JointProblem(Generic[Own]):
    """
    Energies, forces, charges and dipoles of some data, linear in all but the charges.

    Stresses are not used here; the learned part that is fitted afterwards sees them.

    Parameters
    ----------
    training : Training
    with_charges : bool
        Whether reference charges and dipoles are fitted too.
    outside : float64[k, n_parameters]
        Rows whose products with the parameters should be about one at most; see `Moderation`.
    """

    def __init__(self, training: Training, *, with_charges: bool, outside: Floats) -> None:
        self._training = training
        self._with_charges = with_charges
        self._outside = outside
        self._noise: float | None = None  # of rows, where the training starts
        data, basis = training.data, training.basis
        energies = energies_without(data, training.baseline, threads=training.threads)
        reference = find_reference_energies(
            data, energies, basis.elements, basis.cutoff, training.e0
        )
        self._free = np.flatnonzero(
            [reference.sources[s] == "least squares" for s in basis.elements]
        )
        self._builder = RowBuilder.for_data(FeatureEngine(basis), training.weights, data)
        self._targets = Targets(training.baseline, reference.values)
        self._scales = training.prior.scales(basis)

    def factor(self, trainee: Own) -> tuple[Floats, int]:
        """
        Return the weighted triangular factor of ``[features J residuals]``, and its rows.

        Residuals are labels less baseline and the energy of the charges; J is the derivative of the
        latter. One-body energies that are free are projected out: they cost nothing.
        """
        training, basis = self._training, self._training.basis
        n_parameters = len(trainee.parameters)
        n_columns = basis.n_features + n_parameters + len(basis.elements) + 1
        factor = TriangularFactor(n_columns)
        for place, structure in enumerate(training.data):
            found = trainee.linearise(place, structure)
            for rows in self._rows(structure, found):
                factor.add(rows[:, :-1], rows[:, -1])
        rows = factor.rows()
        n, m = basis.n_features, n_parameters
        rest = np.delete(rows, np.s_[n + m : -1], axis=1)
        span, _, _ = column_space(rows[:, n + m + self._free])
        rest -= span @ (span.T @ rest)
        if not len(self._outside):
            return triangular(rest), factor.n_rows
        if self._noise is None:
            known = np.column_stack([rest[:, :n] * self._scales, rest[:, -1]])
            ridge = Ridge().fit_factor(triangular(known), factor.n_rows)
            self._noise = float(np.sqrt(ridge.noise_variance_))
        outside = outside_rows(self._outside, self._noise, trainee.parameters)
        rows = np.vstack([rest, np.hstack([np.zeros((len(outside), n)), outside])])
        return triangular(rows), factor.n_rows + len(outside)

    def _rows(self, structure: Structure, found: Linearisation) -> list[Floats]:
        """Return blocks of weighted rows ``[features J one_body residuals]``."""
        basis, weights = self._training.basis, self._training.weights
        n, m = basis.n_features, found.jacobian.shape[1]
        batch = pack([structure], basis.elements, self._builder.engine.cutoffs)
        virial = np.zeros((6, n + m))
        design = self._builder.engine.design_rows(batch)[0]
        columns = np.vstack(
            [
                np.concatenate([design[0], found.jacobian[0]]),
                virial,
                np.hstack([design[7:], found.jacobian[1:]]),
            ]
        )
        target = self._targets([structure])[0]
        left = Labels(
            None if target.energy is None else target.energy - found.values[0],
            None if target.forces is None else target.forces - found.values[1:].reshape(-1, 3),
        )
        blocks = [
            weights.of(block.group, block.name) * block.rows
            for block in self._builder.weighted(0, structure, left, columns)
        ]
        if self._with_charges:
            for name, X, y in charge_rows(structure, found.d_charges, found.charges):
                rows = np.zeros((len(y), n + m + len(basis.elements) + 1))
                rows[:, n : n + m], rows[:, -1] = X, y
                blocks.append(weights.of(structure.group, name) * rows)
        return blocks

    def step(
        self, factor: Floats, n_rows: int, trainee: Own, ratios: Sequence[float], reach: float
    ) -> tuple[Floats, float, float]:
        """
        Solve the linearised problem.

        Parameters
        ----------
        factor, n_rows
            From `factor`, of this trainee.
        trainee : Trainable
        ratios : sequence of float
            Those among which the evidence decides.
        reach : float
            How far parameters may go, over their radii.

        Returns
        -------
        parameters : float64[n_parameters]
            Of the charges, at the solution.
        penalty, ratio : float
        """
        n, m = len(self._scales), len(trainee.parameters)
        own = trainee.scales(self._training.prior)
        jacobian = factor[:, n : n + m]
        target = factor[:, -1] + jacobian @ trainee.parameters
        columns = factor[:, :n] * self._scales
        best: tuple[float, Floats, float, float] | None = None
        for ratio in ratios:
            scaled = jacobian * (ratio * own)
            ridge = Ridge().fit_factor(
                triangular(np.column_stack([columns, scaled, target])), n_rows
            )
            found = ridge.coef_[n:] * (ratio * own)
            if best is None or ridge.log_evidence_ > best[0]:
                best = (ridge.log_evidence_, found, float(ridge.penalty_), ratio)
        assert best is not None
        _, parameters, penalty, ratio = best
        radii = reach * trainee.radii()
        held = np.isfinite(radii)
        if (np.abs(parameters - trainee.parameters)[held] > radii[held]).any():
            found, ridge = step_within(
                np.column_stack([columns, jacobian, factor[:, -1]]),
                n_rows,
                np.append(np.zeros(n), trainee.parameters),
                np.append(np.ones(n), ratio * own),
                np.append(np.full(n, np.inf), radii),
                penalty,
            )
            parameters, penalty = found[n:], float(ridge.penalty_)
        return parameters, penalty, ratio

    def objective(
        self, factor: Floats, n_rows: int, trainee: Own, penalty: float, ratio: float
    ) -> float:
        """Return weighted squares and penalties, the learned part at its best for these charges."""
        columns = factor[:, : len(self._scales)] * self._scales
        rows = triangular(np.column_stack([columns, factor[:, -1]]))
        ridge = Ridge(penalty).fit_factor(rows, n_rows)
        size = trainee.parameters / (ratio * trainee.scales(self._training.prior))
        return float(ridge.noise_variance_ * max(n_rows, 1) + penalty * (size @ size))


def train_jointly(
    trainee: Own,
    training: Training,
    *,
    with_charges: bool = False,
    outside: Floats | None = None,
    most_steps: int = 15,
    tolerance: float = 1e-3,
) -> JointFit[Own]:
    """
    Train charges beside a learned part that is refitted in every step.

    The penalty, and how large charges may be beside coefficients, are chosen by the evidence of the
    linearised problem, in the first steps only: later they stay, so that the objective does.

    Parameters
    ----------
    trainee : Trainable
        Where to start.
    training : Training
    with_charges : bool
        Whether reference charges and dipoles are fitted too.
    outside : float64[k, n_parameters], optional
        Rows of environments without data; see `Moderation`.
    most_steps : int
    tolerance : float
        A relative fall of the objective below this ends the training.

    Returns
    -------
    JointFit
    """
    if outside is None:
        outside = np.zeros((0, len(trainee.parameters)))
    problem: JointProblem[Own] = JointProblem(training, with_charges=with_charges, outside=outside)
    factor, n_rows = problem.factor(trainee)
    objectives: list[float] = []
    penalty, ratio, reach = 0.0, 1.0, 1.0
    for number in range(most_steps):
        near: tuple[float, ...] = (ratio,)
        if number < _CHOOSING:
            near = _RATIOS if number == 0 else (ratio / 3.0, ratio, 3.0 * ratio)
        found, penalty, ratio = problem.step(factor, n_rows, trainee, near, reach)
        before = problem.objective(factor, n_rows, trainee, penalty, ratio)
        if not objectives:
            objectives.append(before)
        length = 1.0
        while True:
            tried = trainee.with_parameters(
                trainee.parameters + length * (found - trainee.parameters)
            )
            try:
                trial, _ = problem.factor(tried)
                after = problem.objective(trial, n_rows, tried, penalty, ratio)
            except ConvergenceError:  # these charges have no stable minimum
                after = np.inf
            if after < before or length <= _SHORTEST_STEP:
                break
            length *= 0.5
        if not after < before:
            break
        trainee, factor, reach = tried, trial, next_reach(reach, length)
        objectives.append(after)
        training.say(f"step {number + 1}: objective {after:.6g}, penalty {penalty:.3g}")
        if number >= _CHOOSING and before - after < tolerance * before:
            break
    return JointFit(trainee, tuple(objectives), penalty, ratio)
