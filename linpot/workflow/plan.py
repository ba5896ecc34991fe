"""What a fit will do: basis, baseline, restraints and what they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from linpot.basis.basis import Basis, Specification
from linpot.basis.families import build_basis, parse_family
from linpot.basis.specification import BasisSpecification, symbols_of
from linpot.errors import InputError
from linpot.model.linear_potential import LinearPotential
from linpot.model.protocol import EnergyModel
from linpot.structures.dataset import Dataset
from linpot.structures.distances import PairDistances, survey_distances
from linpot.workflow.baseline import build_baseline, parse_baseline, wall_of
from linpot.workflow.defaults import TAPER_START, Distances, default_radial
from linpot.workflow.dense_environments import dense_environments
from linpot.workflow.estimate import FitEstimate, estimate_fit, refuse_too_many_columns
from linpot.workflow.independent import independent_functions
from linpot.workflow.random_search import find_parents
from linpot.workflow.restraints import RESTRAINT, Restraints, wall_dimers
from linpot.workflow.settings import FitSettings


@dataclass(frozen=True)
class FitPlan:
    """
    What a fit will do, before any work.

    Attributes
    ----------
    basis : Basis
    baseline : EnergyModel or None
    restraints : Restraints or None
        None without a repulsion in the baseline.
    distances : dict of pair to PairDistances
    estimate : FitEstimate
    """

    basis: Basis
    baseline: EnergyModel | None
    restraints: Restraints | None
    distances: dict[tuple[str, str], PairDistances]
    estimate: FitEstimate

    def complete(self, learned: LinearPotential) -> EnergyModel:
        """Add the baseline to the learned part."""
        return learned if self.baseline is None else learned + self.baseline


def plan_fit(
    train: Dataset, settings: FitSettings, *, folds: int = 1, test: Dataset | None = None
) -> FitPlan:
    """
    Choose basis and baseline, and estimate what the fit takes.

    Parameters
    ----------
    train : Dataset
    settings : FitSettings
    folds : int
        Of cross-validation.
    test : Dataset, optional
        Takes memory as well.

    Returns
    -------
    FitPlan

    Raises
    ------
    InputError
        If the settings and the data do not go together.
    """
    if not train.contents.rows.any():
        raise InputError(
            "no structure has an energy, forces or a stress; name the keys of the labels "
            "(--energy-key, --forces-key, --stress-key)"
        )
    settings.weights.check_groups(tuple(train.groups))
    elements = symbols_of(train.elements)
    distances = survey_distances(train, elements)
    specification = specify_basis(distances, settings, elements)
    wanted = {symbol: specification.functions_of(symbol) or 0 for symbol in elements}
    refuse_too_many_columns(sum(wanted.values()), settings.memory_limit)
    if settings.candidates is None:
        basis = build_basis(specification)
    else:
        many = replace(settings, n_functions=settings.candidates, choose_from=None)
        basis = independent_functions(
            specify_basis(distances, many, elements),
            train,
            wanted,
            settings.prior,
            memory_limit=settings.memory_limit,
        )
    baseline = build_baseline(parse_baseline(settings.baseline), distances, elements)
    estimate = estimate_fit(
        basis,
        train,
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        folds=folds,
        held=0 if test is None else test.memory,
    )
    restraints = None
    if (wall := wall_of(baseline)) is not None:
        start = TAPER_START if settings.taper is None else settings.taper[0]
        weight = RESTRAINT if settings.restraint is None else settings.restraint
        dimers = wall_dimers(distances, start, weight)
        dense = dense_environments(train, distances, seed=settings.seed)
        restraints = Restraints(wall, dimers, dense, settings.dense_restraint)
    if settings.random_search:
        if restraints is None:
            raise InputError("`random_search` needs a repulsion in the baseline, got none")
        find_parents(train)  # refuses what cannot be searched
    return FitPlan(basis, baseline, restraints, distances, estimate)


def specify_basis(
    distances: Distances, settings: FitSettings, elements: tuple[str, ...]
) -> Specification:
    """Return the basis that settings stand for, given the distances; `candidates` add nothing."""
    radial = default_radial(distances, settings.cutoff, settings.decay, settings.taper)
    family = parse_family(settings.family)
    if family is not None:
        return family.specify(elements, radial)
    return BasisSpecification(
        elements,
        radial,
        body_order=settings.body_order,
        n_functions=_columns_of(settings),
        max_degree=settings.max_degree,
        angular_weight=settings.angular_weight,
        pair_weight=settings.pair_weight,
        degree_offsets=settings.degree_offsets,
        mixing=settings.mixing,
    )


def _columns_of(settings: FitSettings) -> int | Mapping[str, int] | None:
    """Functions that rows are made of; None where degrees decide."""
    if settings.max_degree is not None:
        return None
    return settings.n_functions if settings.choose_from is None else settings.choose_from
