"""Everything that decides a fit, in one checked object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sklearn.base import BaseEstimator

from linpot import checks
from linpot.basis.families import Family, parse_family
from linpot.basis.mixing import Mixing
from linpot.basis.specification import DEGREE_OFFSETS, MAX_BODY_ORDER, Degrees
from linpot.charges.catalogue import Charges, parse_charges
from linpot.charges.training import ChargeRung
from linpot.errors import InputError
from linpot.fitting.catalogue import SOLVERS
from linpot.fitting.estimator import FactorRegressor
from linpot.fitting.foreign import Foreign
from linpot.fitting.priors import SmoothnessPrior
from linpot.fitting.ridge import PENALTY_RULES
from linpot.fitting.weights import Weights
from linpot.model.protocol import EnergyModel
from linpot.workflow.baseline import Baseline, parse_baseline

BACKENDS = ("threads", "processes", "dask")

_OF_ACE = (
    "n_functions",
    "choose_from",
    "candidates",
    "max_degree",
    "body_order",
    "angular_weight",
    "pair_weight",
    "degree_offsets",
    "mixing",
)
"""Settings of the basis that other families do not have."""


@dataclass(frozen=True)
class FitSettings:
    """
    Settings of a fit; the defaults fit most data.

    Attributes
    ----------
    family : str or Family
        Of basis functions: see `parse_family`. Families other than ACE count their functions
        themselves: sizes, degrees and body order below are those of ACE, and refused beside them.
    n_functions : int or mapping of str to int
        Per centre species, E0 excluded.
    choose_from : int or mapping of str to int, optional
        Functions to choose `n_functions` from, by backward elimination: see `choose_functions`.
        Accuracy comes close to that of all of them, rows take their time and memory.
    candidates : int or mapping of str to int, optional
        Functions of which those are taken that differ most on the data, before any rows are made:
        see `independent_functions`. For molecules: four times what is to be left; crystals lose.
    max_degree : float, sequence or mapping, optional
        Degrees instead of a number of functions; see `BasisSpecification`.
    body_order : int
    cutoff : float or mapping of "A-B" to float, optional, A
        From the data if not given.
    decay : float or mapping of "A-B" to float, optional
        Transform of distances, see `RadialParameters`.
    taper : (float, float), optional
        Where the learned part begins and is whole, in units of the shortest distance of the data.
    baseline : str, EnergyModel, mapping or sequence
        Subtracted in training, added in prediction: "zbl", "none", and whatever else
        `parse_baseline` knows.
    charges : str, mapping, ChargeRung, EnergyModel or None
        Charges to be found before the learned part is fitted to the rest: "local", "latent", with
        settings as in "local:width=0.8"; see `parse_charges` and docs/charges.md.
    e0 : {"auto", "isolated", "least-squares", "joint"} or mapping of str to float, eV
        See `find_reference_energies`. "auto" is "joint" for families other than ACE, with
        charges, and where compositions leave open what charges or a potential in the baseline
        leave.
    weights : Weights
    solver : {"ridge", "ard", "omp", "lasso", "svd", "qr"} or FactorRegressor
        Ridge; automatic relevance determination; matching pursuit or LASSO up to the knee of the
        path; truncated singular values; rank-revealing QR.
    penalty : {"evidence", "gcv"} or float
        Of ridge.
    prior : SmoothnessPrior
    angular_weight, pair_weight, degree_offsets, mixing
        See `BasisSpecification`.
    restraint : float or None, 1/eV
        Weight of dimers below the shortest distances on which the learned part should vanish, so
        that the default repulsion rules there; 0 for none. None takes 10, or 0.1 where E0 is fitted
        with the functions or left open by the compositions, whose zero it would decide, and beside
        trained charges.
    dense_restraint : float
        Strength with which the learned part is kept from overwhelming the repulsion in
        environments denser than the data; 0 for none. See `Restraints`.
    random_search : int
        Random cells of the data's compositions that are relaxed in each of up to ten rounds; what
        falls below the data is lifted. See `lift_minima`. 0 for none; fits of folds have none.
    allow_holes : bool
        Keep a potential whose energy falls when atoms are pushed together, instead of refusing it.
    seed : int
        Of anything random: dense environments and random cells.
    threads : int
        Results do not depend on it.
    backend : str
        Where design rows are made: "threads" of this process; "processes", as many as `threads`;
        "dask", on the cluster of the present `dask.distributed.Client`; or the address of a Dask
        scheduler, ``"tcp://host:8786"``. Results agree to rounding.
    checkpoint : str, optional
        Folder that keeps what is finished: a fit of the same data and settings goes on there after
        being killed.
    memory_limit : float, GB
        Announced and kept; groups share a factor if they would not fit.
    """

    family: str | Family = "ace"
    n_functions: int | Mapping[str, int] = 500
    choose_from: int | Mapping[str, int] | None = None
    candidates: int | Mapping[str, int] | None = None
    max_degree: Degrees | Mapping[str, Degrees] | None = None
    body_order: int = 5
    cutoff: float | Mapping[str, float] | None = None
    decay: float | Mapping[str, float] | None = None
    taper: tuple[float, float] | None = None
    baseline: Baseline = "zbl"
    charges: Charges = None
    e0: str | Mapping[str, float] = "auto"
    weights: Weights = field(default_factory=Weights)
    solver: str | FactorRegressor = "ridge"
    penalty: float | str = "evidence"
    prior: SmoothnessPrior = field(default_factory=SmoothnessPrior)
    angular_weight: float = 0.8
    pair_weight: float = 0.7
    degree_offsets: tuple[float, ...] = DEGREE_OFFSETS
    mixing: Mixing | None = None
    restraint: float | None = None
    dense_restraint: float = 1.0
    random_search: int = 0
    allow_holes: bool = False
    seed: int = 0
    threads: int = 1
    backend: str = "threads"
    checkpoint: str | None = None
    memory_limit: float = 4.0

    def __post_init__(self) -> None:
        checks.integer("body_order", self.body_order, low=2, high=MAX_BODY_ORDER)
        checks.integer("seed", self.seed, low=0)
        checks.integer("random_search", self.random_search, low=0)
        checks.integer("threads", self.threads, low=1)
        if self.restraint is not None:
            checks.non_negative("restraint", self.restraint, "weight in 1/eV")
        checks.non_negative("dense_restraint", self.dense_restraint)
        checks.positive("memory_limit", self.memory_limit, "number of GB")
        if "://" not in self.backend:
            checks.one_of("backend", self.backend, BACKENDS)
        for name in ("choose_from", "candidates"):
            if getattr(self, name) is not None and self.max_degree is not None:
                raise InputError(f"only one of `{name}` and `max_degree` must be given, got both")
        if self.choose_from is not None and self.solver != "ridge":
            raise InputError(f"`choose_from` needs a ridge solver, got {self.solver!r}")
        if parse_family(self.family) is not None:
            for own in fields(self):
                if own.name in _OF_ACE and getattr(self, own.name) != own.default:
                    raise InputError(f"`{own.name}` needs family 'ace', got {self.family_name!r}")
        if self.taper is not None:
            start, end = checks.finite_array("taper", self.taper, [2])
            if not 0.0 < start < end:
                raise InputError(
                    f"`taper` must be two ascending positive numbers, got {self.taper}"
                )
        if isinstance(self.solver, str):
            checks.one_of("solver", self.solver, SOLVERS)
        elif not isinstance(self.solver, FactorRegressor):
            raise InputError(
                f"`solver` must be one of {', '.join(SOLVERS)} or an estimator, got {self.solver!r}"
            )
        if isinstance(self.penalty, str):
            checks.one_of("penalty", self.penalty, PENALTY_RULES)
        else:
            checks.non_negative("penalty", self.penalty)
        parse_baseline(self.baseline)
        parse_charges(self.charges)

    @property
    def family_name(self) -> str:
        """Name of the family of functions."""
        family = parse_family(self.family)
        return "ace" if family is None else family.name

    @property
    def columns_per_function(self) -> float:
        """How many functions rows are made of for each that is kept."""
        return _mean(self.choose_from or self.n_functions) / _mean(self.n_functions)

    @property
    def candidates_per_function(self) -> float:
        """How many candidates there are for each function that is kept."""
        return _mean(self.candidates or self.n_functions) / _mean(self.n_functions)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for provenance."""
        family = parse_family(self.family)
        return {
            "family": self.family_name,
            "family_choices": None if family is None else asdict(family),  # type: ignore[call-overload]
            "choose_from": _counts(self.choose_from),
            "candidates": _counts(self.candidates),
            "body_order": self.body_order,
            "mixing": None if self.mixing is None else self.mixing.as_dict(),
            "taper": None if self.taper is None else list(self.taper),
            "baseline": [
                term.kind if isinstance(term, EnergyModel) else str(term)
                for term in parse_baseline(self.baseline)
            ],
            "charges": _written(parse_charges(self.charges)),
            "weights": self.weights.as_dict(),
            "solver": self.solver if isinstance(self.solver, str) else type(self.solver).__name__,
            "penalty": self.penalty,
            "prior": self.prior.as_dict(),
            "restraint": self.restraint,
            "dense_restraint": self.dense_restraint,
            "random_search": self.random_search,
            "seed": self.seed,
        }


def _counts(counts: int | Mapping[str, int] | None) -> int | dict[str, int] | None:
    return dict(counts) if isinstance(counts, Mapping) else counts


def _mean(counts: int | Mapping[str, int]) -> float:
    return sum(counts.values()) / len(counts) if isinstance(counts, Mapping) else float(counts)


def _written(charges: ChargeRung | EnergyModel | None) -> Any:
    if isinstance(charges, ChargeRung):
        return charges.as_dict()
    return None if charges is None else charges.kind


def chosen_solver(solver: float | str | BaseEstimator) -> dict[str, Any]:
    """
    Return the settings that one value for the solver stands for.

    Parameters
    ----------
    solver : float, str or estimator
        The penalty of ridge, the rule that chooses it, the name of another solver, or an
        estimator, of scikit-learn's those that `Foreign` takes.
    """
    if isinstance(solver, FactorRegressor) or (isinstance(solver, str) and solver in SOLVERS):
        return {"solver": solver}
    if isinstance(solver, BaseEstimator):
        return {"solver": Foreign(solver)}
    return {"penalty": solver}
