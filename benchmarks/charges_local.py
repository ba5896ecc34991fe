"""
Charges of the environment: dipoles, latent charges, fragments far apart.

* `random_charges`: latent charges beside a pair part of 5 A, no charge labels.
* `moving_charges`: the same with charges that depend on the environment; made here by a known
  model, energies and forces only.
* `dimers_CC`, `_CA`, `_PA` (lode_dimers): charged, polar and apolar molecules, trained where they
  are close, tested where they are far. Local: no charges. Fixed: the charge of each molecule spread
  evenly over its atoms. Latent: charges learned from energies and forces. Lode: `LodeRung`. Repeat:
  forces of the last training frame.
* `spice_dipeptides`: local charges fitted to MBIS charges and dipoles; `spice_trade_off`: with
  penalties chosen on the validation set, for weights in between.
* `water_rpbe_d3`: local charges fitted to Hirshfeld-type charges of 15 frames, tested on 5.

    python -m benchmarks.charges_local [case ...]

A case that is named alone is replaced in the results; the others stay.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import ase.build
import ase.calculators.singlepoint
import ase.io
import numpy as np
from ase import Atoms
from numpy.typing import NDArray

import linpot
from benchmarks.record import RESULTS, data_folder, write_results
from linpot.charges.atom_function import AtomFunction
from linpot.charges.charge_fit import charge_rows
from linpot.charges.local_trainee import LocalTrainee
from linpot.charges.projection import project
from linpot.charges.training import Training, charge_basis
from linpot.fitting.factors import FactorSet, triangular
from linpot.model.packing import pack
from linpot.workflow.defaults import default_radial
from linpot.workflow.plan import survey_distances

Floats = NDArray[np.float64]
SEED = 0
NO_CHARGES = linpot.LabelKeys(charges="none")
NEUTRAL = {"Na": 0.0, "Cl": 0.0}  # E0, eV
DIMERS = {"CC": "CC_id0", "CA": "CA_id2", "PA": "PA_id3"}


def rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(np.concatenate([np.ravel(v) for v in values])))))


def random_charges() -> dict[str, Any]:
    """Latent charges of the random point charges, from 60 frames."""
    folder = data_folder() / "random_charges"
    train = linpot.read_dataset(folder / "train.extxyz.gz", keys=NO_CHARGES, index=":60")
    test = linpot.read_dataset(folder / "test.extxyz.gz", keys=NO_CHARGES)
    rung = linpot.LatentRung(n_functions=5, body_order=2, width=0.0, joint_functions=20)
    results: dict[str, Any] = {"n_train": len(train)}
    for name, charges, e0 in (
        ("local", None, NEUTRAL),
        ("latent", rung, NEUTRAL),
        ("latent, E0 from the data", rung, "auto"),
    ):
        fitted = linpot.fit(
            train,
            n_functions=20,
            body_order=2,
            cutoff=5.0,
            baseline="none",
            charges=charges,
            e0=e0,
            weights=linpot.Weights(stress=0.0),
        )
        errors = linpot.evaluate(fitted, test)["all"]
        own = {"forces_rmse": errors["forces"]["rmse"], "energy_rmse": errors["energy"]["rmse"]}
        if charges is not None:
            found = [(fitted.predict(s, forces=False).extras["charges"], s.charges) for s in test]
            sign = np.sign(sum(float(q @ true) for q, true in found))
            own["charges_max_error"] = max(
                float(np.abs(sign * q - true).max()) for q, true in found
            )
        results[name] = own
    return results


def moving_charges() -> dict[str, Any]:
    """Latent charges that depend on the environment, of a model that is known."""
    train, test = moving_charge_data(40), moving_charge_data(10, SEED + 1)
    results: dict[str, Any] = {"n_train": len(train), "n_test": len(test)}
    spread = np.concatenate([np.abs(s.charges) for s in test])
    results["charges"] = [float(spread.min()), float(spread.max())]
    rung = linpot.LatentRung(n_functions=12, body_order=3, width=0.5, joint_functions=12)
    found = rung.train(Training(train, moving_charge_basis(), e0=dict(NEUTRAL)))
    pairs = [(found.predict(s, forces=False).extras["charges"], s.charges) for s in test]
    sign = np.sign(sum(float(q @ true) for q, true in pairs))
    results["charges_rmse"] = rms([sign * q - true for q, true in pairs])
    results["charges_max_error"] = max(float(np.abs(sign * q - true).max()) for q, true in pairs)
    for name, charges in (("local", None), ("latent", found)):
        fitted = linpot.fit(
            train,
            n_functions=60,
            body_order=3,
            cutoff=4.0,
            baseline="none",
            charges=charges,
            e0=dict(NEUTRAL),
        )
        errors = linpot.evaluate(fitted, test)["all"]
        results[name] = {"forces_rmse": errors["forces"]["rmse"]}
    return results


def moving_charge_basis() -> linpot.Basis:
    """Return the basis of the known model."""
    radial = {
        pair: linpot.RadialParameters(4.0, 0.5, 1.2, 1.7)
        for pair in (("Na", "Na"), ("Na", "Cl"), ("Cl", "Cl"))
    }
    return linpot.build_basis(
        linpot.BasisSpecification(("Na", "Cl"), radial, body_order=3, n_functions=12)
    )


def moving_charge_data(n: int, seed: int = SEED) -> linpot.Dataset:
    """Return rattled rock salt with vacancies, whose charges a known model gives."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(n):
        unit = ase.build.bulk("NaCl", "rocksalt", a=5.6 * rng.uniform(0.96, 1.06), cubic=True)
        atoms: Atoms = unit * (2, 2, 1)
        atoms.rattle(0.25, rng=rng)
        del atoms[[int(rng.choice(np.flatnonzero(atoms.numbers == z))) for z in (11, 17)]]
        images.append(atoms)
    own = np.random.default_rng(99)  # one model for all sets
    basis = moving_charge_basis()
    coefficients = 0.03 * own.normal(size=(1, basis.n_features))
    function = AtomFunction(basis, coefficients, np.array([[0.8, -0.8]]))
    true = linpot.LocalCharges(function, {"Na": 1.0, "Cl": 1.0}, {"Na": 0.5, "Cl": 0.5})
    short = linpot.LinearPotential(basis, 0.05 * own.normal(size=basis.n_features), NEUTRAL)
    labelled = []
    for atoms in images:
        atoms.calc = linpot.LinpotCalculator(short + true)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        copy = atoms.copy()
        copy.set_initial_charges(atoms.get_charges())
        copy.calc = ase.calculators.singlepoint.SinglePointCalculator(
            copy, energy=energy, forces=forces
        )
        copy.info["total_charge"] = 0.0
        labelled.append(copy)
    return linpot.Dataset.from_atoms(labelled, keys=NO_CHARGES)


def dimers(name: str) -> dict[str, Any]:
    """Errors of local, fixed, latent charges on one kind of dimer."""
    (train, _), (test, fragments) = (dimer_data(name, kind) for kind in ("train", "test"))
    weights = linpot.Weights(energy=200.0)
    results: dict[str, Any] = {
        "repeat": {"forces_rmse": rms([s.labels.forces - train[-1].labels.forces for s in test])},
        "signal": {"forces_rms": rms([s.labels.forces for s in test])},
    }
    spread = linpot.Coulomb(
        dict.fromkeys(train.symbols, 0.0),
        widths=dict.fromkeys(train.symbols, 1.0),
        per_atom=True,
        allow_charged=True,
    )
    rung = linpot.LatentRung(n_functions=40, body_order=3, joint_functions=60)
    for kind, baseline, charges in (
        ("local", "none", None),
        ("fixed", spread, None),
        ("latent", "none", rung),
        ("lode", "none", linpot.LodeRung(joint_functions=60)),
    ):
        begin = time.perf_counter()
        fitted = linpot.fit(
            train,
            n_functions=100,
            body_order=3,
            cutoff=5.0,
            baseline=baseline,
            charges=charges,
            weights=weights,
        )
        predictions = [fitted.predict(s) for s in test]
        differences = [p.forces - s.labels.forces for p, s in zip(predictions, test, strict=True)]
        results[kind] = {
            "forces_rmse": rms(differences),
            "net_fragment_force_rmse": rms(
                [d[b:].sum(axis=0) for d, b in zip(differences, fragments, strict=True)]
            ),
            "energy_rmse": rms(
                [p.energy - s.labels.energy for p, s in zip(predictions, test, strict=True)]
            ),
            "seconds": time.perf_counter() - begin,
        }
        if kind == "latent":
            own = predictions[-1].extras["charges"]
            results[kind]["fragment_charge"] = float(own[: fragments[-1]].sum())
    return results


def dimer_data(name: str, kind: str) -> tuple[linpot.Dataset, list[int]]:
    """Return dimers with formal charges spread over each molecule, and where the second begins."""
    frames = ase.io.read(
        data_folder() / "lode_dimers" / f"{DIMERS[name]}_{kind}.extxyz.gz", index=":"
    )
    for atoms in frames:
        first = np.arange(len(atoms)) < atoms.info["indexB"]
        sizes = np.where(first, first.sum(), (~first).sum())
        atoms.set_initial_charges(
            np.where(first, atoms.info["chargeA"], atoms.info["chargeB"]) / sizes
        )
        atoms.info["total_charge"] = float(atoms.info["chargeA"] + atoms.info["chargeB"])
    data = linpot.Dataset.from_atoms(frames, keys=NO_CHARGES)
    return data, [int(atoms.info["indexB"]) for atoms in frames]


def spice_dipeptides() -> dict[str, Any]:
    """Errors of local charges fitted to charges and dipoles, at divisions of the weight."""
    folder = data_folder() / "spice_dipeptides"
    train, test = (linpot.read_dataset(folder / f"{k}.extxyz.gz") for k in ("train", "test"))
    results: dict[str, Any] = {
        "labels": {
            "dipole_of_charges_rmse": rms(
                [s.labels.charges @ s.positions - s.labels.dipole for s in test]
            ),
            "dipole_rms": rms([s.labels.dipole for s in test]),
        }
    }
    for charges, dipole in SPICE_WEIGHTS:
        begin = time.perf_counter()
        model = charges_alone(
            train,
            linpot.LocalRung(**SPICE),
            linpot.Weights(charges=charges, dipole=dipole),
            SPICE_PRIOR,
        )
        errors = linpot.evaluate(model, test)["all"]
        results[f"weights {charges:g}, {dipole:g}"] = {
            "charges_rmse": errors["charges"]["rmse"],
            "dipole_rmse": errors["dipole"]["rmse"],
            "seconds": time.perf_counter() - begin,
        }
    return results


def spice_trade_off() -> dict[str, Any]:
    """Errors along the way from charges to dipoles, the penalty chosen on the validation set."""
    folder = data_folder() / "spice_dipeptides"
    train, validation, test = (
        linpot.read_dataset(folder / f"{k}.extxyz.gz") for k in ("train", "val", "test")
    )
    small = starting_basis(train)
    basis = charge_basis(small, SPICE["n_functions"], SPICE["body_order"])
    equal = dict.fromkeys(train.symbols, 1.0)
    trainee = LocalTrainee(linpot.LocalCharges(AtomFunction.zero(basis), equal, equal))
    scales = trainee.scales(SPICE_PRIOR)
    factors: FactorSet[str] = FactorSet(len(scales) + 1)
    for structure in train:
        shares = trainee.model.shares_of(structure)
        batch = pack([structure], basis.elements, trainee.model.function.cutoffs)
        design = project(trainee.model.function.design(batch) * scales, shares, 0.0)
        for name, X, y in charge_rows(structure, design, np.zeros(structure.n_atoms)):
            factors.add(name, X, y)
    results: dict[str, Any] = {}
    for charges in TRADE_WEIGHTS:
        weights = {"charges": charges, "dipole": 1.0}
        rows, n_rows = factors.combined(weights.__getitem__)
        factor, found = triangular(rows), []
        for penalty in TRADE_PENALTIES:
            ridge = linpot.Ridge(penalty).fit_factor(factor, n_rows)
            model = trainee.with_parameters(ridge.coef_ * scales).model
            own, other = (charge_errors(model, data) for data in (validation, test))
            found.append((own["dipole"], penalty, own, other))
            print(charges, penalty, own, other, flush=True)
        _, penalty, own, other = min(found, key=lambda one: one[:2])
        results[f"{charges:g}"] = {
            "penalty": penalty,
            **{
                f"{kind}_{name}_rmse": errors[name]
                for kind, errors in (("validation", own), ("test", other))
                for name in ("charges", "dipole")
            },
        }
    return results


def charge_errors(model: linpot.LocalCharges, data: linpot.Dataset) -> dict[str, float]:
    """Return RMSE of charges (e) and of components of dipoles (e A)."""
    charges = [model.charges_of(s) for s in data]
    return {
        "charges": rms([q - s.labels.charges for q, s in zip(charges, data, strict=True)]),
        "dipole": rms(
            [q @ s.positions - s.labels.dipole for q, s in zip(charges, data, strict=True)]
        ),
    }


TRADE_WEIGHTS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Of charges (1/e), beside 1 of dipoles (1/(e A))."""
TRADE_PENALTIES = (0.3, 1.0, 3.0)
SPICE: dict[str, Any] = {"n_functions": 600, "body_order": 3}
SPICE_PRIOR = linpot.SmoothnessPrior(power=2.5)
SPICE_WEIGHTS = ((10.0, 1.0), (10.0, 10.0), (1.0, 10.0), (0.0, 10.0))


def water() -> dict[str, Any]:
    """Errors of local charges of liquid water."""
    data = linpot.read_dataset(data_folder() / "water_rpbe_d3" / "n2p2_water_4G_charges.extxyz.gz")
    rung = linpot.LocalRung(n_functions=60)
    model = charges_alone(data[:15], rung, linpot.Weights())
    labels = np.concatenate([s.labels.charges for s in data[15:]])
    return {
        "charges_rmse": linpot.evaluate(model, data[15:])["all"]["charges"]["rmse"],
        "charges_std": {
            symbol: float(labels[numbers == z].std())
            for numbers in [np.concatenate([s.numbers for s in data[15:]])]
            for symbol, z in (("H", 1), ("O", 8))
        },
    }


def charges_alone(
    train: linpot.Dataset,
    rung: linpot.LocalRung,
    weights: linpot.Weights,
    prior: linpot.SmoothnessPrior | None = None,
) -> linpot.EnergyModel:
    """Train a rung without a potential around it."""
    prior = prior or linpot.SmoothnessPrior()
    return rung.train(Training(train, starting_basis(train), weights=weights, prior=prior))


def starting_basis(train: linpot.Dataset) -> linpot.Basis:
    """Return a small basis with the radial functions that a fit would have."""
    elements = train.symbols
    radial = default_radial(survey_distances(train, elements))
    return linpot.build_basis(
        linpot.BasisSpecification(elements, radial, body_order=2, n_functions=5)
    )


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "random_charges": random_charges,
    "moving_charges": moving_charges,
    **{f"dimers_{name}": partial(dimers, name) for name in DIMERS},
    "spice_dipeptides": spice_dipeptides,
    "spice_trade_off": spice_trade_off,
    "water_rpbe_d3": water,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], default=[])
    chosen = parser.parse_args().cases or list(CASES)
    path = RESULTS / "charges_local.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    results = {name: known[name] for name in CASES if name in known}
    for name in chosen:
        results[name] = CASES[name]()
        print(name, json.dumps(results[name], indent=1))
        write_results("charges_local", {"seed": SEED, **results})


if __name__ == "__main__":
    main()
