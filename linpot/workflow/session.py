"""
A fit that can be changed without touching atoms again, made by `prepare_fit`.

Rows are kept as one triangular factor of ``[X one_body y]`` per group and property. `solve` works
on these factors; `refit` whitens them once, then sums blocks for every change: docs/fitting.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linpot.errors import InputError
from linpot.fitting.constraints import independent_rows
from linpot.fitting.factors import FactorSet, factor_bytes
from linpot.fitting.priors import SmoothnessPrior
from linpot.fitting.reference_energies import ReferenceEnergies
from linpot.fitting.rows import RowBlock, RowBuilder, stream_rows
from linpot.fitting.targets import Targets
from linpot.fitting.weights import lowest_energies
from linpot.fitting.whitened import IllConditioned, WhitenedBlocks
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.workflow.changes import Changed, apply_changes, groups_of
from linpot.workflow.keys import EVERY_FOLD, Key, keyed, n_columns_of
from linpot.workflow.prior_blocks import prior_rows
from linpot.workflow.regression import solve_factors
from linpot.workflow.restraints import Restraints
from linpot.workflow.settings import FitSettings
from linpot.workflow.solution import GroupWorth, Solution

Floats = NDArray[np.float64]


class FitSession:
    """
    Factors of a data set, ready to be solved under any weights, penalty, prior and E0.

    Attributes
    ----------
    baseline : EnergyModel or None
    reference : ReferenceEnergies
    factors : FactorSet
    builder : RowBuilder
    settings : FitSettings
        `solve` and `refit` can change ``weights``, ``penalty``, ``prior`` and ``e0`` (a mapping).
    merged : bool
        Whether groups share factors, with their weights in the rows.
    restraints : Restraints or None
    columns : int64[n_features] or None
        Those of chosen functions in the rows of the session they come from.
    """

    def __init__(
        self,
        builder: RowBuilder,
        baseline: EnergyModel | None,
        reference: ReferenceEnergies,
        factors: FactorSet[Key],
        settings: FitSettings,
        *,
        merged: bool = False,
    ) -> None:
        self.basis = builder.engine.basis
        self.builder = builder
        self.baseline = baseline
        self.reference = reference
        self.factors = factors
        self.settings = settings
        self.merged = merged
        self.restraints: Restraints | None = None
        self.columns: NDArray | None = None
        self._blocks: WhitenedBlocks[Key] | None = None
        self._shape: SmoothnessPrior | None = None  # of the prior in the blocks

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups that can be left out or weighted."""
        return groups_of(self.factors)

    def solve(
        self,
        *,
        without_groups: Collection[str] = (),
        without_fold: int | None = None,
        exact: Dataset | None = None,
        around: LinearPotential | None = None,
        at_least: tuple[Floats, Floats] | None = None,
        free: Solution | None = None,
        **changes: Any,
    ) -> Solution:
        """
        Solve from the factors.

        Parameters
        ----------
        without_groups : collection of str
            Groups that are not used.
        without_fold : int, optional
            Fold that is not used.
        exact : Dataset, optional
            Structures whose labels are met exactly, as far as the prior's columns can.
        around : LinearPotential, optional
            Of the same basis: what a huge penalty would return.
        at_least : (float64[m, n_features], float64[m]), optional
            ``A c >= b`` is met at the least cost to the fit.
        free : Solution, optional
            Of the same call without `at_least`, if known.
        **changes
            `weights`, `solver`, `penalty`, `prior` or `e0` instead of those of the settings.

        Returns
        -------
        Solution

        Raises
        ------
        InputError
            If a change needs rows anew, a group is unknown, or labels to be met contradict.
        """
        plan = self._changed(changes, without_groups, without_fold)
        coefficients, state = solve_factors(
            self.factors,
            self.basis,
            plan.settings,
            plan.weights,
            plan.combination,
            constraints=None if exact is None else self._exact_rows(exact, plan),
            prior_mean=None if around is None else self._coefficients_of(around),
            at_least=at_least,
            free=None if free is None else (free.coefficients, free.solver),
        )
        vector = np.concatenate([coefficients, -plan.combination])
        squares = {k: float(((f.rows() @ vector) ** 2).sum()) for k, f in self.factors.items()}
        return self._solution(coefficients, plan, squares, state)

    def refit(
        self,
        *,
        without_groups: Collection[str] = (),
        without_fold: int | None = None,
        exact: Dataset | None = None,
        **changes: Any,
    ) -> Solution:
        """
        Solve from whitened blocks: the result of `solve`, at once, for a penalty that is given.

        The first call whitens; so does one whose weights or prior are too far from those before.

        Parameters
        ----------
        without_groups, without_fold, exact, **changes
            See `solve`. The penalty must be a positive number.

        Returns
        -------
        Solution

        Raises
        ------
        InputError
            As for `solve`, or if the blocks do not fit into `memory_limit`.
        """
        plan = self._changed(changes, without_groups, without_fold)
        squares = plan.squares(self.basis)
        constraints = None if exact is None else self._exact_rows(exact, plan)
        try:
            blocks = self._whitened(plan.settings.prior, squares)
            found = blocks.solve(squares, plan.combination, constraints)
        except IllConditioned:
            self._blocks = None
            blocks = self._whitened(plan.settings.prior, squares)
            found = blocks.solve(squares, plan.combination, constraints)
        data = {key: found.residual_squares[key] for key in self.factors}
        parameters = sum(found.effective_parameters[key] for key in self.factors)
        state = {
            "solver": "ridge",
            "penalty_rule": "given",
            "penalty": float(plan.settings.penalty),
            "effective_parameters": float(parameters),
        }
        return self._solution(found.coefficients, plan, data, state)

    def changed(self, **changes: Any) -> Changed:
        """Return settings and weights after changes; see `refit`."""
        return self._changed(changes, (), None)

    def add(self, structures: Dataset) -> None:
        """
        Add labelled structures; their groups may be new.

        Parameters
        ----------
        structures : Dataset

        Raises
        ------
        InputError
            If an energy window is set and they change what is lowest.
        """
        for key, rows in list(self._rows_of(structures)):
            self.factors.add(key, rows[:, :-1], rows[:, -1])
            if self._blocks is not None:
                self._blocks.add(key, rows)

    def restrain(self, restraints: Restraints, level: float = 0.0, noise: float = 1.0) -> None:
        """
        Ask for learned energies outside the data, in all folds.

        Parameters
        ----------
        restraints : Restraints
        level : float, eV
            Mean learned energy of an atom in the data.
        noise : float
            What the fit leaves of the rows of the data; scales dense environments.
        """
        for name, X, y in restraints.rows(self.builder, level, noise):
            self.factors.add((None, name, EVERY_FOLD), X, y)
        self.restraints = restraints if self.restraints is None else self.restraints + restraints
        self._blocks = None

    def forget(self, structures: Dataset) -> None:
        """
        Take structures out again; all or none of them.

        Parameters
        ----------
        structures : Dataset
            As they were when they came in.

        Raises
        ------
        InputError
            If they were not there, or if nothing else determines what they determined; the session
            is then as before.
        """
        keyed_rows = list(self._rows_of(structures))
        changed = {key: self.factors[key].copy() for key, _ in keyed_rows if key in self.factors}
        for key, rows in keyed_rows:
            if key not in changed:
                raise InputError(
                    f"structures to forget must be in the fit, but it has no {key[1]} of {key[0]!r}"
                )
            changed[key].remove(rows[:, :-1], rows[:, -1])
        self.factors.update(changed)
        if self._blocks is not None:
            for key, rows in keyed_rows:
                self._blocks.remove(key, rows)

    def leave_one_group_out(self, **changes: Any) -> GroupWorth:
        """
        Fit without each group in turn and measure on all.

        Parameters
        ----------
        **changes
            See `refit`.

        Returns
        -------
        GroupWorth

        Raises
        ------
        InputError
            If there are fewer than two groups, or they share factors.
        """
        if len(self.groups) < 2:
            raise InputError(
                f"leaving groups out needs at least two with factors of their own, "
                f"got {len(self.groups)}"
            )
        complete = self.refit(**changes).errors
        without = {g: self.refit(without_groups=[g], **changes).errors for g in self.groups}
        return GroupWorth(self.groups, complete, without)

    def potential(self, coefficients: Floats, e0: Mapping[str, float] | None = None) -> EnergyModel:
        """Return the potential of given coefficients, with the baseline."""
        values = dict(self.reference.values) | dict(e0 or {})
        learned = LinearPotential(self.basis, coefficients, values)
        return learned if self.baseline is None else learned + self.baseline

    def whiten(self, shape: SmoothnessPrior, squares: Mapping[Key, float]) -> WhitenedBlocks[Key]:
        """
        Factorise everything afresh at given weights of squared residuals.

        Parameters
        ----------
        shape : SmoothnessPrior
            Its strengths do not matter: they are in the weights of the prior's keys.
        squares : mapping of key to float
            Keys that are absent stay out of the blocks.

        Returns
        -------
        WhitenedBlocks

        Raises
        ------
        InputError
            If the blocks do not fit into `memory_limit`, or a coefficient is left undetermined.
        """
        n_columns = n_columns_of(self.basis)
        prior = prior_rows(self.basis, shape)
        memory = factor_bytes(n_columns, len(self.factors))
        memory += 4 * n_columns * n_columns * (len(self.factors) + len(prior))
        if memory > self.settings.memory_limit * 1e9:
            raise InputError(
                f"blocks of {len(self.factors)} keys need about {memory / 1e9:.1f} GB, but "
                f"`memory_limit` is {self.settings.memory_limit} GB; use `solve` or raise the limit"
            )
        parts = {key: factor.rows() for key, factor in self.factors.items()} | prior
        parts = {key: rows for key, rows in parts.items() if key in squares}
        return WhitenedBlocks(parts, squares, n_targets=len(self.basis.elements) + 1)

    def _whitened(self, prior: SmoothnessPrior, squares: Mapping[Key, float]) -> WhitenedBlocks:
        shape = replace(prior, order_strength=1.0)
        if self._blocks is None:
            self._blocks, self._shape = self.whiten(shape, squares), shape
        elif shape != self._shape:
            for key, rows in prior_rows(self.basis, shape).items():
                self._blocks.replace(key, rows)
            self._shape = shape
        return self._blocks

    def _changed(
        self, changes: Mapping[str, Any], without_groups: Collection[str], without_fold: int | None
    ) -> Changed:
        return apply_changes(
            self.settings,
            self.reference.values,
            self.factors,
            changes,
            without_groups=without_groups,
            without_fold=without_fold,
            merged=self.merged,
        )

    def _rows_of(self, structures: Dataset) -> Iterator[tuple[Key, Floats]]:
        """Build rows again, one key after the other."""
        unknown = [symbol for symbol in structures.symbols if symbol not in self.basis.elements]
        if unknown:
            raise InputError(
                f"structures must hold elements of the fit ({', '.join(self.basis.elements)}), "
                f"got {unknown[0]!r}"
            )
        if self.settings.weights.energy_window is not None:
            for composition, lowest in lowest_energies(structures).items():
                if lowest < self.builder.lowest.get(composition, np.inf):
                    raise InputError(
                        "structures must not lie below the lowest energy of the data where an "
                        f"energy window is set, got {lowest} eV per atom; prepare the fit anew"
                    )
        for block in self.row_blocks(structures):
            yield keyed(block, self.settings.weights, merged=self.merged, fold=0)

    def row_blocks(self, structures: Dataset) -> Iterator[RowBlock]:
        """Build the rows of structures again, for what factors cannot give."""
        targets = Targets(self.baseline, self.reference.values)
        return stream_rows(self.builder, structures, targets, threads=self.settings.threads)

    def _exact_rows(self, structures: Dataset, plan: Changed) -> tuple[Floats, Floats]:
        """Rows of labels to be met, without those that symmetry repeats or empties."""
        n = self.basis.n_features
        rows = np.concatenate([block.rows for block in self.row_blocks(structures)])
        matrix, values = rows[:, :n], rows[:, n:] @ plan.combination
        return independent_rows(matrix, values)

    def _coefficients_of(self, potential: LinearPotential) -> Floats:
        if not potential.basis.has_functions_of(self.basis):
            raise InputError("`around` must have the basis of this fit, got another one")
        return np.asarray(potential.coefficients)

    def _solution(
        self,
        coefficients: Floats,
        plan: Changed,
        squares: Mapping[Key, float],
        state: dict[str, Any],
    ) -> Solution:
        sums: dict[tuple[str, str], list[float]] = {}
        for (group, name, fold), square in squares.items():
            if fold != EVERY_FOLD:
                total = sums.setdefault((group or "", name), [0.0, 0.0])
                total[0] += square
                total[1] += self.factors[group, name, fold].n_rows
        errors = {
            key: float(np.sqrt(square / count)) for key, (square, count) in sums.items() if count
        }
        return Solution(
            self.potential(coefficients, plan.e0), coefficients, state.get("penalty"), state, errors
        )
