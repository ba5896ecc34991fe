"""The functions that scripts call: paths, lists of Atoms or data sets in, potentials out."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from linpot.basis.basis import Basis
from linpot.charges.catalogue import Charges
from linpot.errors import InputError
from linpot.fitting.weights import Weights
from linpot.io.datasets import read_dataset
from linpot.model.feature_engine import FeatureEngine, FeatureGradients
from linpot.model.packing import pack
from linpot.model.protocol import EnergyModel
from linpot.model.sum import learned_part
from linpot.structures.dataset import Dataset
from linpot.structures.structure import Structure, structure_from_atoms
from linpot.workflow.baseline import Baseline
from linpot.workflow.evaluate import Metrics, evaluate_model
from linpot.workflow.fit import Monitor, run_fit
from linpot.workflow.settings import FitSettings, chosen_solver
from linpot.workflow.trials import Trial
from linpot.workflow.tuning import run_tuning
from linpot.workflow.tuning_result import CRITERIA, TuningResult

Data = str | os.PathLike[str] | Dataset | Iterable[Atoms]
"""A path, a data set, or Atoms."""


def fit(
    train: Data,
    *,
    test: Data | None = None,
    n_functions: int | Mapping[str, int] = 500,
    cutoff: float | Mapping[str, float] | None = None,
    body_order: int = 5,
    baseline: Baseline = "zbl",
    charges: Charges = None,
    e0: str | Mapping[str, float] = "auto",
    weights: Weights | None = None,
    solver: float | str | BaseEstimator = "evidence",
    seed: int = 0,
    threads: int = 1,
    **more: Any,
) -> EnergyModel:
    """
    Fit a potential.

    Parameters
    ----------
    train, test : path, Dataset or Atoms
        Test data are only evaluated; errors are in the potential's provenance.
    n_functions, cutoff, body_order, baseline, charges, e0, weights, seed, threads
        See `FitSettings`.
    solver : {"evidence", "gcv"}, float, the name of another solver, or an estimator
        Ridge regression with the penalty chosen or given; see `FitSettings` for names, and
        `Foreign` for the estimators of scikit-learn that can be used.
    **more
        Other fields of `FitSettings`.

    Returns
    -------
    EnergyModel

    Raises
    ------
    InputError
        If the data or the settings cannot make a potential.
    """
    try:
        settings = FitSettings(
            n_functions=n_functions,
            cutoff=cutoff,
            body_order=body_order,
            baseline=baseline,
            charges=charges,
            e0=e0,
            weights=weights or Weights(),
            **chosen_solver(solver),
            seed=seed,
            threads=threads,
            **more,
        )
    except TypeError as error:
        raise InputError(f"unknown setting of `fit`: {error}") from error
    tested = None if test is None else as_dataset(test)
    return run_fit(as_dataset(train), test=tested, settings=settings).potential


def tune(
    data: Data,
    n_functions: int | Mapping[str, int] = 500,
    *,
    minutes: float = 5.0,
    us_per_atom: float | None = None,
    hold: Collection[str] = (),
    criterion: str = CRITERIA[0],
    settings: FitSettings | None = None,
    threads: int | None = None,
    monitor: Monitor | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> TuningResult:
    """
    Search for the settings of a fit by blocked cross-validation or evidence; see `run_tuning`.

    Parameters
    ----------
    data : path, Dataset or Atoms
        Training data only.
    n_functions : int or mapping of str to int
        The size asked for, per centre species.
    minutes : float
        Budget of the search; a fit with what it found comes on top.
    us_per_atom : float, optional, us
        A cost per atom and step, estimated, instead of a number of functions.
    hold : collection of str
        Fields of the settings that are kept.
    criterion : {"cross-validation", "evidence"}
        By what trials are compared.
    settings : FitSettings, optional
        The start, if it is not the defaults; its `n_functions` is replaced.
    threads : int, optional
        Instead of those of the settings.
    monitor, on_trial
        See `run_tuning`.

    Returns
    -------
    TuningResult
        ``result.fit().potential`` is the potential, ``result.settings`` what was found.

    Raises
    ------
    InputError
        If the data or the settings cannot make a potential, or cannot be tuned.
    """
    start = replace(settings or FitSettings(), n_functions=n_functions)
    if threads is not None:
        start = replace(start, threads=threads)
    return run_tuning(
        as_dataset(data),
        settings=start,
        minutes=minutes,
        us_per_atom=us_per_atom,
        hold=hold,
        criterion=criterion,
        monitor=monitor,
        on_trial=on_trial,
    )


def evaluate(potential: EnergyModel, data: Data, *, threads: int = 1) -> Metrics:
    """
    Return the errors of a potential on labelled data; see `evaluate_model`.

    Parameters
    ----------
    potential : EnergyModel
    data : path, Dataset or Atoms
    threads : int

    Returns
    -------
    Metrics
    """
    return evaluate_model(potential, as_dataset(data), threads=threads)


Features = NDArray[np.float64] | list[NDArray[np.float64]]


@overload
def descriptors(
    basis_or_potential: Basis | EnergyModel, atoms: Atoms | Structure, *, threads: int = 1
) -> Features: ...
@overload
def descriptors(
    basis_or_potential: Basis | EnergyModel,
    atoms: Atoms | Structure,
    *,
    gradients: Literal[True],
    memory_limit: float = 4.0,
) -> tuple[Features, FeatureGradients]: ...
def descriptors(
    basis_or_potential: Basis | EnergyModel,
    atoms: Atoms | Structure,
    *,
    gradients: bool = False,
    memory_limit: float = 4.0,
    threads: int = 1,
) -> Features | tuple[Features, FeatureGradients]:
    """
    Return the features of every atom and, if asked for, their derivatives by positions.

    Parameters
    ----------
    basis_or_potential : Basis or EnergyModel
    atoms : ase.Atoms or Structure
    gradients : bool
    memory_limit : float, GB
        Gradients that would need more are refused.
    threads : int
        For features without gradients.

    Returns
    -------
    features : float64[n_atoms, n_features]
        Or a list of arrays where centre species have different numbers of features.
    gradients : FeatureGradients
        Only with ``gradients=True``.

    Raises
    ------
    InputError
        For an unknown element, or gradients beyond the memory limit.
    """
    structure = atoms if isinstance(atoms, Structure) else structure_from_atoms(atoms)
    if isinstance(basis_or_potential, Basis):
        basis, engine = basis_or_potential, FeatureEngine(basis_or_potential)
    else:
        learned = learned_part(basis_or_potential)
        basis, engine = learned.basis, learned.engine
    batch = pack([structure], basis.elements, engine.cutoffs)
    if not gradients:
        return _rectangular(engine.features(batch, threads=threads))
    widest = max(basis.n_functions.values())
    needed = 2 * 8e-9 * widest * (10 * batch.n_atoms + 3 * len(batch.neighbors))
    if needed > memory_limit:
        raise InputError(
            f"the gradients of {widest} features of {batch.n_atoms} atoms need {needed:.1f} GB, "
            f"more than `memory_limit` = {memory_limit} GB; take fewer atoms or raise the limit"
        )
    features, by_pair = engine.feature_gradients(batch)
    return _rectangular(features), by_pair


def born_effective_charges(
    model: EnergyModel, atoms: Atoms | Structure, *, threads: int = 1
) -> NDArray[np.float64]:
    """
    Return the Born effective charges of all atoms, ``Z_i,ab = dP_a/dR_ib``.

    See `ChargeResponse.born_charges` for what P is in periodic cells.

    Parameters
    ----------
    model : EnergyModel
        With charges.
    atoms : ase.Atoms or Structure
    threads : int

    Returns
    -------
    float64[n_atoms, 3, 3], e

    Raises
    ------
    InputError
        If the model has no charges, or does not know an element.
    """
    structure = atoms if isinstance(atoms, Structure) else structure_from_atoms(atoms)
    return model.charge_response(structure, threads=threads).born_charges()


def _rectangular(features: list[NDArray[np.float64]]) -> Features:
    return np.array(features) if len({len(row) for row in features}) == 1 else features


def as_dataset(data: Data) -> Dataset:
    """Return data as a data set, reading a path and collecting Atoms."""
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        return read_dataset(data)
    return Dataset.from_atoms(data)
