"""
linpot: linear body-ordered interatomic potentials.

The public names and nothing else; README.md has a first example.
"""

from importlib.metadata import version as _version

from linpot import datasets
from linpot.baselines.calculator_baseline import (
    CalculatorBaseline,
    MemoryCache,
    register_calculator,
)
from linpot.baselines.coulomb import Coulomb
from linpot.baselines.d3 import D3
from linpot.baselines.dispersion import Dispersion
from linpot.baselines.zbl import ZBL
from linpot.basis.basis import Basis
from linpot.basis.families import build_basis
from linpot.basis.mixing import Mixing
from linpot.basis.radial import RadialParameters
from linpot.basis.snap import Snap
from linpot.basis.soap import Soap
from linpot.basis.specification import BasisSpecification
from linpot.calculators.ase_calculator import LinpotCalculator
from linpot.calculators.extrapolation_watch import ExtrapolationWatch
from linpot.calculators.lammps_driver import LammpsDriver
from linpot.calculators.uncertain_calculator import UncertainCalculator
from linpot.charges.equilibrated_charges import EquilibratedCharges
from linpot.charges.equilibrated_fit import fit_equilibrated
from linpot.charges.equilibrated_rungs import EquilibratedRung, SelfConsistentRung
from linpot.charges.local_charges import LocalCharges
from linpot.charges.local_rungs import LatentRung, LocalRung
from linpot.charges.lode import LodePotential, LodeRung
from linpot.curation.check import check_data
from linpot.curation.finding import CheckResult, Finding
from linpot.curation.repair import Repair
from linpot.curation.rewrite import convert_data, merge_data, split_data
from linpot.electrostatics.coulomb_sum import CoulombSum
from linpot.errors import ConvergenceError, ExtrapolationError, FileFormatError, InputError
from linpot.fitting.ard import ARD
from linpot.fitting.bayesian_ridge import BayesianRidge
from linpot.fitting.priors import SmoothnessPrior
from linpot.fitting.ridge import Ridge
from linpot.fitting.sparse import Lasso, MatchingPursuit
from linpot.fitting.truncated import TruncatedLeastSquares
from linpot.fitting.weights import Weights
from linpot.io.datasets import read_dataset
from linpot.io.disk_cache import DiskCache
from linpot.io.potential_file import load_potential as load
from linpot.io.potential_file import save_potential as save
from linpot.io.shipped_data import shipped_silicon
from linpot.lammps.files import read_lammps, write_lammps
from linpot.lammps.mliap import MliapModel
from linpot.lammps.pace_potential import PacePotential
from linpot.mlip.files import read_mtp
from linpot.model.committee import Committee
from linpot.model.feature_engine import FeatureGradients
from linpot.model.linear_potential import LinearPotential
from linpot.model.prediction import Prediction
from linpot.model.protocol import EnergyModel
from linpot.model.sum import ModelSum, learned_part
from linpot.structures.dataset import Dataset
from linpot.structures.labels import LabelKeys
from linpot.structures.structure import Labels, Structure
from linpot.uncertainty.error_bars import ErrorBars
from linpot.uncertainty.properties import WithError, with_error_bar, with_error_bars
from linpot.validation.findings import Verification
from linpot.workflow.active_sets import with_active_set
from linpot.workflow.api import born_effective_charges, descriptors, evaluate, fit, tune
from linpot.workflow.cross_validation import cross_validate
from linpot.workflow.error_bars import fit_with_error_bars
from linpot.workflow.fit import FitResult, prepare_fit, run_fit
from linpot.workflow.linear_baseline import LinearFit, fit_coefficients
from linpot.workflow.noise_levels import NoiseLevels, choose_prior, find_noise_levels
from linpot.workflow.penalty_by_folds import penalty_by_folds
from linpot.workflow.report import write_report
from linpot.workflow.selection import Selection, basis_for_pool, select
from linpot.workflow.session import FitSession
from linpot.workflow.settings import FitSettings
from linpot.workflow.trials import Trial
from linpot.workflow.tuning import run_tuning
from linpot.workflow.tuning_result import TuningResult
from linpot.workflow.validate import Validation, validate
from linpot.workflow.verify import verify

__version__ = _version("linpot")

__all__ = [
    "ARD",
    "D3",
    "ZBL",
    "Basis",
    "BasisSpecification",
    "BayesianRidge",
    "CalculatorBaseline",
    "CheckResult",
    "Committee",
    "ConvergenceError",
    "Coulomb",
    "CoulombSum",
    "Dataset",
    "DiskCache",
    "Dispersion",
    "EnergyModel",
    "EquilibratedCharges",
    "EquilibratedRung",
    "ErrorBars",
    "ExtrapolationError",
    "ExtrapolationWatch",
    "FeatureGradients",
    "FileFormatError",
    "Finding",
    "FitResult",
    "FitSession",
    "FitSettings",
    "InputError",
    "LabelKeys",
    "Labels",
    "LammpsDriver",
    "Lasso",
    "LatentRung",
    "LinearFit",
    "LinearPotential",
    "LinpotCalculator",
    "LocalCharges",
    "LocalRung",
    "LodePotential",
    "LodeRung",
    "MatchingPursuit",
    "MemoryCache",
    "Mixing",
    "MliapModel",
    "ModelSum",
    "NoiseLevels",
    "PacePotential",
    "Prediction",
    "RadialParameters",
    "Repair",
    "Ridge",
    "Selection",
    "SelfConsistentRung",
    "SmoothnessPrior",
    "Snap",
    "Soap",
    "Structure",
    "Trial",
    "TruncatedLeastSquares",
    "TuningResult",
    "UncertainCalculator",
    "Validation",
    "Verification",
    "Weights",
    "WithError",
    "basis_for_pool",
    "born_effective_charges",
    "build_basis",
    "check_data",
    "choose_prior",
    "convert_data",
    "cross_validate",
    "datasets",
    "descriptors",
    "evaluate",
    "find_noise_levels",
    "fit",
    "fit_coefficients",
    "fit_equilibrated",
    "fit_with_error_bars",
    "learned_part",
    "load",
    "merge_data",
    "penalty_by_folds",
    "prepare_fit",
    "read_dataset",
    "read_lammps",
    "read_mtp",
    "register_calculator",
    "run_fit",
    "run_tuning",
    "save",
    "select",
    "shipped_silicon",
    "split_data",
    "tune",
    "validate",
    "verify",
    "with_active_set",
    "with_error_bar",
    "with_error_bars",
    "write_lammps",
    "write_report",
]
