"""
Radial functions of moment tensor potentials, learnt from the data.

The energy is linear in the coefficients c of the functions for given mixtures theta of radial
polynomials, and smooth in theta. Each round linearises it in both (Gauss-Newton with the damping
of Levenberg and Marquardt) and solves one ridge problem for both changes; then c is found again by
ridge alone, and the step is kept if the objective has fallen: variable projection in the form of
Kaufman. Rows are those of a part of the data. The potential itself is fitted afterwards, to all
data, with the mixtures found.

References
----------
Kaufman, BIT 15, 49 (1975) (variable projection); Novikov et al., Mach. Learn.: Sci. Technol. 2,
025002 (2021), where all coefficients are found by one quasi-Newton search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from linpot.basis.basis import Basis
from linpot.basis.families import build_basis, parse_family
from linpot.basis.mtp import Mtp, MtpSpecification, mtp_basis
from linpot.errors import InputError
from linpot.fitting.factors import triangular
from linpot.fitting.reference_energies import find_reference_energies
from linpot.fitting.ridge import Ridge
from linpot.fitting.rows import RowBuilder
from linpot.fitting.targets import Targets, energies_without
from linpot.model.energy_engine import EnergyEngine
from linpot.model.feature_engine import FeatureEngine
from linpot.model.packing import pack
from linpot.model.pair_batch import PairBatch
from linpot.model.prediction import Predictions
from linpot.parallel import run_tasks
from linpot.structures.batches import batches_of_atoms, evenly_spaced
from linpot.structures.dataset import Dataset
from linpot.workflow.joint_energies import rule_of
from linpot.workflow.plan import FitPlan, plan_fit
from linpot.workflow.settings import FitSettings

ROWS_PER_COLUMN = 20
"""Rows that learning takes for each unknown: more change little."""
STEP = 1e-6
"""Of the mixtures, for derivatives by differences: errors of 1e-5 are as good as none here."""

_FREE = 100.0  # eV: the prior of one-body energies, which are left to the data
_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-1, 1e-6, 1e3
_NO_EFFECT = 1e-5
_BATCH = 500  # atoms whose energies are differentiated together
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))

Floats = NDArray[np.float64]


def with_learned_radials(
    train: Dataset,
    settings: FitSettings,
    stage: Callable[[str, int], None],
    advance: Callable[[int], None],
) -> FitSettings:
    """
    Return settings whose radial functions are learnt; others come back as they are.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings
    stage, advance : callable
        Hear of the rounds, as `Monitor` in `linpot.workflow.fit`.

    Returns
    -------
    FitSettings
        With the mixtures found in the choices of the family.
    """
    family = parse_family(settings.family)
    if not isinstance(family, Mtp) or family.learn == 0:
        return settings
    fixed = replace(settings, family=replace(family, learn=0))
    stage("radial functions", family.learn)
    learning = _Learning(train, plan_fit(train, fixed), fixed)
    for done in range(family.learn):
        if not learning.improve():
            break
        advance(done + 1)
    advance(family.learn)
    mixing = {"-".join(pair): rows for pair, rows in learning.specification.mixing.items()}
    return replace(fixed, family=replace(family, learn=0, mixing=mixing))


class _Learning:
    """
    One search for mixtures.

    Attributes
    ----------
    specification : MtpSpecification
        With the best mixtures so far.
    """

    def __init__(self, train: Dataset, plan: FitPlan, settings: FitSettings) -> None:
        specification = plan.basis.specification
        if not isinstance(specification, MtpSpecification):
            raise InputError(f"only family 'mtp' learns radial functions, got {settings.family!r}")
        self._n_species = len(specification.elements)
        self.specification = specification
        self.specification = self._with(orthonormal(self._tables, self._n_species))
        self._settings = settings
        free = np.full(len(plan.basis.elements), _FREE)
        self._scales = np.concatenate([settings.prior.scales(plan.basis), free])
        reference = find_reference_energies(
            train,
            energies_without(train, plan.baseline, threads=settings.threads),
            plan.basis.elements,
            plan.basis.cutoff,
            rule_of(settings),
        )
        self._targets = Targets(plan.baseline, reference.values)
        n_unknown = len(self._scales) + len(self._directions())
        self._sample = evenly_spaced(
            train, train.contents.rows.tolist(), ROWS_PER_COLUMN * n_unknown
        )
        self._damping = _DAMPING
        self._rows = self._linear_rows(self.specification)
        self._coefficients, self._penalty = self._solved(self._rows, settings.penalty)

    def improve(self) -> bool:
        """Take a step; return whether one was found that lowers the objective."""
        directions = self._directions()
        if len(directions) == 0:
            return False
        linearized = self._projected(self._tangent_rows(directions))
        before = self._objective(self._rows, self._coefficients)
        while self._damping < _MOST_DAMPING:
            step = np.tensordot(self._gauss_newton(*linearized), directions, axes=1)
            candidate = self._with(orthonormal(self._tables + step, self._n_species))
            rows = self._linear_rows(candidate)
            coefficients, _ = self._solved(rows, self._penalty)
            if self._objective(rows, coefficients) < before:
                self.specification, self._rows = candidate, rows
                self._coefficients, self._penalty = self._solved(rows, self._settings.penalty)
                self._damping = max(self._damping / 10.0, _LEAST_DAMPING)
                return True
            self._damping *= 10.0
        return False

    def _linear_rows(self, specification: MtpSpecification) -> Floats:
        """Weighted rows ``[features one_body y]`` of the sample, columns scaled by the prior."""
        engine = FeatureEngine(_basis(specification))
        rows = self._weighted(engine, engine.design_rows)
        rows[:, :-1] *= self._scales
        return rows

    def _tangent_rows(self, directions: Floats) -> Floats:
        """Weighted derivatives of all that is fitted along directions: float64[n_rows, n]."""
        engine = FeatureEngine(_basis(self.specification))
        moved = [_basis(self._with(self._tables + STEP * along)) for along in directions]
        columns = (self._coefficients * self._scales)[: engine.basis.n_features]
        weights = engine.leaf_weights(
            [columns[None, a:b] for a, b in pairwise(engine.basis.feature_offsets)]
        )

        def derivatives(batch: PairBatch) -> list[Floats]:
            here = _evaluated(engine, batch, weights, self._settings.threads)
            rows = [np.zeros((len(own), len(moved))) for own in here]
            for k, basis in enumerate(moved):
                assert basis.radial_table is not None
                programs = [
                    program.with_table(np.ascontiguousarray(basis.radial_table[z]))
                    for z, program in enumerate(engine.programs)
                ]
                there = _evaluated(
                    EnergyEngine(programs, engine.cutoffs), batch, weights, self._settings.threads
                )
                for table, a, b in zip(rows, here, there, strict=True):
                    table[:, k] = (b - a) / STEP
            return rows

        return self._weighted(engine, derivatives)[:, : len(moved)]

    def _weighted(
        self, engine: FeatureEngine, rows_of: Callable[[PairBatch], list[Floats]]
    ) -> Floats:
        settings = self._settings
        builder = RowBuilder.for_data(engine, settings.weights, self._sample)
        parts = []
        for structures in batches_of_atoms(self._sample, _BATCH):
            batch = pack(structures, engine.basis.elements, engine.cutoffs)
            for structure, target, rows in zip(
                structures, self._targets(structures), rows_of(batch), strict=True
            ):
                for block in builder.weighted(0, structure, target, rows):
                    weight = settings.weights.of(block.group, block.name)
                    parts.append(weight * block.rows)
        return np.concatenate(parts)

    def _solved(self, rows: Floats, penalty: float | str) -> tuple[Floats, float]:
        ridge = Ridge(penalty).fit_factor(triangular(rows), len(rows))
        return np.asarray(ridge.coef_), float(ridge.penalty_)

    def _objective(self, rows: Floats, coefficients: Floats) -> float:
        misfit = rows[:, -1] - rows[:, :-1] @ coefficients
        return float(misfit @ misfit + self._penalty * coefficients @ coefficients)

    def _projected(self, tangent: Floats) -> tuple[Floats, Floats, Floats]:
        """
        Eliminate the coefficients from the linearised problem.

        Returns
        -------
        float64[n_theta, n_theta], float64[n_theta], float64[n_theta]
            Matrix and right side of the least squares for changes of mixtures, and the size of
            each column: what is left of it where coefficients cannot make up for a mixture.
        """
        features, y = self._rows[:, :-1], self._rows[:, -1]
        n, m = features.shape[1], tangent.shape[1]
        penalties = np.zeros((n, n + m + 1))
        penalties[np.arange(n), np.arange(n)] = np.sqrt(self._penalty)
        penalties[np.arange(n), -1] = -np.sqrt(self._penalty) * self._coefficients
        misfit = y - features @ self._coefficients
        factor = triangular(np.vstack([np.column_stack([features, tangent, misfit]), penalties]))
        matrix, right = factor[n : n + m, n : n + m], factor[n : n + m, -1]
        # what rounding and differences leave of a mixture without effect is not scaled up
        floor = np.maximum(_NO_EFFECT * np.linalg.norm(tangent, axis=0), 1e-300)
        return matrix, right, np.maximum(np.linalg.norm(matrix, axis=0), floor)

    def _gauss_newton(self, matrix: Floats, right: Floats, sizes: Floats) -> Floats:
        """Solve for changes of mixtures, damped in proportion to the size of each column."""
        damped = np.vstack([matrix / sizes, np.sqrt(self._damping) * np.eye(len(sizes))])
        step = np.linalg.lstsq(damped, np.concatenate([right, np.zeros(len(sizes))]))[0]
        return np.asarray(step / sizes)

    @property
    def _tables(self) -> Floats:
        """The mixtures: float64[n_pairs, n_mu, n_base], pairs in the order centre, neighbor."""
        return np.array(list(self.specification.mixing.values()))

    def _with(self, tables: Floats) -> MtpSpecification:
        return self.specification.with_mixing(
            dict(zip(self.specification.mixing, tables, strict=True))
        )

    def _directions(self) -> Floats:
        """
        Return the changes of mixtures that change the potential: float64[n, ...] as the tables.

        Those of each radial function are orthogonal to itself and to the ones of lower mu.
        """
        by_centre = _by_centre(self._tables, self._n_species)
        directions = []
        for z, rows in enumerate(by_centre):
            complement = np.linalg.qr(rows.T, mode="complete")[0].T
            for mu in range(len(rows)):
                for along in complement[mu + 1 :]:
                    change = [np.zeros_like(own) for own in by_centre]
                    change[z][mu] = along
                    directions.append(_by_pair(change))
        return np.array(directions).reshape(-1, *self._tables.shape)


def orthonormal(tables: Floats, n_species: int) -> Floats:
    """
    Make the radial functions around each centre species orthonormal, the lower mu first.

    Adding a function of lower mu to one of higher mu, or scaling one, changes no potential: moments
    of lower mu have lower levels, so that every contraction that this brings is there as well.
    """
    made = []
    for rows in _by_centre(tables, n_species):
        q, r = np.linalg.qr(rows.T)
        made.append((q * np.where(np.diag(r) < 0.0, -1.0, 1.0)).T)
    return _by_pair(made)


def _by_centre(tables: Floats, n_species: int) -> list[Floats]:
    """Return float64[mu, neighbor and polynomial] of each centre species."""
    return [
        own.transpose(1, 0, 2).reshape(tables.shape[1], -1) for own in np.split(tables, n_species)
    ]


def _by_pair(by_centre: list[Floats]) -> Floats:
    """Undo `_by_centre`."""
    n = len(by_centre)
    return np.concatenate([rows.reshape(len(rows), n, -1).transpose(1, 0, 2) for rows in by_centre])


def _basis(specification: MtpSpecification) -> Basis:
    return mtp_basis(specification, build_basis(specification).programs[0])


def _evaluated(
    engine: EnergyEngine,
    batch: PairBatch,
    weights: list[Floats],
    threads: int,
) -> list[Floats]:
    """Return energy, virial and forces of every structure, in the order of design rows."""

    def result(energies: Floats, *summed: Floats) -> Predictions:
        return Predictions.of_atoms(batch.first_atoms, energies[:, 0], *summed)

    work = engine.work_on(batch, weights, result)
    run_tasks(lambda task: task(), work.tasks, threads)
    found = work.result()
    assert found.forces is not None
    assert found.virials is not None
    rows = []
    for s, (a, b) in enumerate(pairwise(batch.first_atoms.tolist())):
        virial = [found.virials[s][i, j] for i, j in _VOIGT]
        rows.append(np.concatenate([[found.energies[s]], virial, found.forces[a:b].ravel()]))
    return rows
