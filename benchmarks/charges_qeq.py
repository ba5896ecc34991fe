"""
Equilibrated and self-consistent charges: errors beside local models, and cost.

`charges`: reference charges from local charges, QEq and self-consistent charges, the same features
and cutoff of 5 A. `joint`: energies and forces of a local ACE and of the same ACE beside charges
trained with it. `iterations`: of conjugate gradients. `cost`: a step of QEq in water-like cells on
one core. `dynamics`: drift of energy.

    python -m benchmarks.charges_qeq [--part PART ...] [--set NAME ...] [--every N]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

import linpot
from benchmarks.charged_systems import drift_of, molten_salt, qeq_of_water, water
from benchmarks.record import data_folder, write_results
from linpot.charges import equilibration
from linpot.charges.catalogue import parse_charges
from linpot.charges.charge_energy import ChargeEnergy, self_hardness
from linpot.charges.screening import ScreenedInverse
from linpot.charges.training import Training
from linpot.electrostatics.coulomb_sum import CoulombSum
from linpot.structures.dataset import Dataset
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure
from linpot.workflow.plan import plan_fit

Floats = NDArray[np.float64]

SETS = ("4g_carbon_chain", "xtb_nacl")
CUTOFF = 5.0
WEIGHTS = linpot.Weights(energy=20.0, forces=1.0, charges=10.0)
"""Few energies beside many forces; the same for all models."""
CHARGE_FUNCTIONS = 200
"""Of charges or electronegativities in joint training, at most."""
RUNGS = {
    "local": "local:n_functions={n}",
    "qeq": "qeq:n_functions={n},joint={joint}",
    "self_consistent": "self_consistent:n_functions={n},joint={joint}",
}
JOINT = {
    "none": None,
    "none_joint_e0": None,
    "lode": "lode:joint_functions={n}",
    "latent": "latent:n_functions={q},joint_functions={n}",
    "local": "local:n_functions={q},joint=true,joint_functions={n}",
    "qeq": "qeq:n_functions={q},joint_functions={n},joint_steps={steps}",
    "self_consistent": "self_consistent:n_functions={q},joint_functions={n},joint_steps={steps}",
}
"""The ladder, beside the same learned part."""


def data(name: str, every: int) -> tuple[Dataset, Dataset]:
    folder = data_folder() / name
    train = linpot.read_dataset(folder / "train.extxyz.gz", index=slice(None, None, every))
    return train, linpot.read_dataset(folder / "test.extxyz.gz")


def charge_error(model: Any, test: Dataset) -> float:
    """RMSE of charges, me."""
    left = [model.charges_of(s) - s.labels.charges for s in test]
    return round(1e3 * float(np.sqrt(np.mean(np.concatenate(left) ** 2))), 3)


def settings_of(n_functions: int, charges: str | None) -> linpot.FitSettings:
    return linpot.FitSettings(
        n_functions=n_functions,
        cutoff=CUTOFF,
        body_order=5,
        baseline="zbl",
        charges=charges,
        weights=WEIGHTS,
    )


def charges_alone(name: str, every: int, n_functions: int) -> dict[str, Any]:
    train, test = data(name, every)
    basis = plan_fit(train, settings_of(n_functions, None)).basis
    results: dict[str, Any] = {"n_train": len(train), "n_functions": n_functions}
    profiles = chain_profiles(test) if name == "4g_carbon_chain" else {}
    for rung, text in RUNGS.items():
        begin = time.perf_counter()
        chosen = parse_charges(text.format(n=n_functions, joint="false"))
        training = Training(train, basis, weights=WEIGHTS, say=print)
        model = chosen.train(training)  # type: ignore[union-attr]
        results[rung] = charge_error(model, test)
        for profile in profiles.values():
            charges = model.charges_of(profile["structure"])
            profile[rung] = charges[profile["order"]].round(5).tolist()
        print(name, rung, results[rung], f"{time.perf_counter() - begin:.0f} s", flush=True)
    best = min(results["qeq"], results["self_consistent"])
    for profile in profiles.values():
        del profile["structure"], profile["order"]
    return {**results, "best_over_local": round(best / results["local"], 3), "profiles": profiles}


def chain_profiles(test: Dataset) -> dict[str, Any]:
    """Return charges of the carbon atoms along one chain of each total charge."""
    profiles: dict[str, Any] = {}
    for one in test:
        key = f"total charge {one.net_charge:+.0f}" if one.net_charge else "neutral"
        if key in profiles:
            continue
        carbon = np.flatnonzero(one.numbers == 6)
        centered = one.positions - one.positions[carbon].mean(axis=0)
        axis = np.linalg.svd(centered[carbon])[2][0]
        if (centered[one.numbers == 1] @ axis).sum() < 0.0:
            axis = -axis  # the end with more hydrogen comes last
        order = carbon[np.argsort(centered[carbon] @ axis)]
        reference = one.labels.charges[order].round(5).tolist()
        profiles[key] = {"structure": one, "order": order, "reference": reference}
    return profiles


def joint(name: str, every: int, n_functions: int, steps: int, rungs: list[str]) -> dict[str, Any]:
    train, test = data(name, every)
    results: dict[str, Any] = {"n_train": len(train), "n_functions": n_functions}
    for rung in rungs:
        begin = time.perf_counter()
        text = JOINT[rung]
        if text is not None:
            q = min(n_functions, CHARGE_FUNCTIONS)
            text = text.format(q=q, n=n_functions, steps=steps)
        settings = settings_of(n_functions, text)
        if rung == "none_joint_e0":  # as all fits beside charges
            settings = replace(settings, e0="joint")
        potential = linpot.run_fit(train, settings=settings).potential
        errors = linpot.evaluate(potential, test)["all"]
        results[rung] = {
            "energy_rmse_meV_per_atom": round(1e3 * errors["energy"]["rmse"], 3),
            "forces_rmse_meV_per_A": round(1e3 * errors["forces"]["rmse"], 2),
        }
        if "charges" in errors:
            results[rung]["charges_rmse_me"] = round(1e3 * errors["charges"]["rmse"], 2)
        print(name, rung, results[rung], f"{time.perf_counter() - begin:.0f} s", flush=True)
    return results


def cost(quick: bool) -> dict[str, Any]:
    """
    Time a step of QEq, its features included: ms, and us per atom.

    The neighbor list is that of the potential around it, with a skin of 0.5 A, as in dynamics.
    """
    results: dict[str, Any] = {}
    for side in (7, 12) if quick else (7, 12, 26):
        structure = water(side)
        model = qeq_of_water()
        moved = [
            replace(structure, positions=structure.positions + step)
            for step in _steps(structure.n_atoms)
        ]
        pairs = find_neighbors(structure, model.cutoff + 0.5)
        cold = _median(partial(model.predict, neighbors=pairs), moved)
        warm = _median(partial(model.for_trajectory().predict, neighbors=pairs), moved)
        results[str(structure.n_atoms)] = {
            "cold_ms": round(cold, 2),
            "warm_ms": round(warm, 2),
            "cold_us_per_atom": round(1e3 * cold / structure.n_atoms, 2),
        }
        print(structure.n_atoms, results[str(structure.n_atoms)], flush=True)
    return results


def iterations(quick: bool) -> dict[str, Any]:
    """Count iterations to a residual of 1e-8, with the screened inverse and the diagonal alone."""
    results: dict[str, Any] = {}
    for side in (5, 7) if quick else (5, 7, 12):
        structure = water(side)
        widths = np.where(structure.numbers == 8, 0.66, 0.31)
        hardness = np.where(structure.numbers == 8, 5.0, 6.0) + self_hardness(widths)
        chi = np.where(structure.numbers == 8, 8.0, 4.0)
        chi = chi + 0.3 * np.random.default_rng(1).normal(size=structure.n_atoms)
        total = CoulombSum(structure, widths=widths, repeats=10)
        energy = ChargeEnergy(total, chi, hardness)
        own = results[str(structure.n_atoms)] = {}
        for name in ("screened", "diagonal"):
            inverse = ScreenedInverse if name == "screened" else _diagonal
            with mock.patch.object(equilibration, "ScreenedInverse", inverse):
                found = equilibration.equilibrate(energy, 0.0, method="iterative")
            own[name] = found.iterations
        print(structure.n_atoms, own, flush=True)
    return results


def _diagonal(structure: Structure, curvature: Floats, widths: Floats | None) -> Any:
    return lambda pulls, threads: pulls / curvature


def _steps(n_atoms: int) -> list[Floats]:
    """Displacements of a smooth trajectory, about a femtosecond apart, A."""
    rng = np.random.default_rng(0)
    size, phase = rng.normal(scale=0.05, size=(n_atoms, 3)), rng.uniform(0, 2 * np.pi, (n_atoms, 3))
    return [size * np.sin(0.1 * step + phase) for step in range(11)]


def _median(work: Any, structures: list[Any]) -> float:
    """Median time of a call, ms, after two that fill caches and memories."""
    times = []
    for one in structures[:2]:
        work(one)
    for one in structures[2:]:
        begin = time.perf_counter()
        work(one)
        times.append(time.perf_counter() - begin)
    return float(1e3 * np.median(times))


def dynamics(every: int) -> dict[str, Any]:
    """Drift of NVE runs: clusters under potentials fitted to them, and molten salt."""
    train, test = data("xtb_nacl", every)
    results: dict[str, Any] = {"n_train": len(train), "n_functions": 80}
    for rung in ("qeq", "self_consistent"):
        text = RUNGS[rung].format(n=40, joint="true") + ",joint_functions=80,joint_steps=8"
        potential = linpot.run_fit(train, settings=settings_of(80, text)).potential
        results[f"cluster, {rung}"] = drift_of(potential, test[0], temperature=300.0)
        print(rung, results[f"cluster, {rung}"], flush=True)
    results["molten salt, qeq"] = drift_of(*molten_salt(), temperature=1200.0)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parts = ("charges", "joint", "iterations", "cost", "dynamics")
    parser.add_argument("--part", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--set", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rung", nargs="+", choices=tuple(JOINT), default=list(JOINT))
    parser.add_argument("--every", type=int, default=1, help="take every n-th training structure")
    parser.add_argument("--functions", type=int, default=250)
    parser.add_argument("--steps", type=int, default=25, help="of joint training, at most")
    parser.add_argument("--quick", action="store_true", help="smaller cells, writes nothing")
    given = parser.parse_args()
    for part in given.part:
        results: dict[str, Any] = {"seed": 0, "every": given.every}
        if part == "charges":
            results |= {s: charges_alone(s, given.every, given.functions) for s in given.set}
        elif part == "joint":
            results |= {
                s: joint(s, given.every, given.functions, given.steps, given.rung)
                for s in given.set
            }
        elif part == "iterations":
            results |= iterations(given.quick)
        elif part == "cost":
            results |= cost(given.quick)
        else:
            results |= dynamics(given.every)
        print(results)
        if not given.quick:
            name = f"charges_qeq_{part}"
            if part in ("charges", "joint") and len(given.set) == 1:
                name += f"_{given.set[0]}"
            print("written:", write_results(name, results))


if __name__ == "__main__":
    main()
