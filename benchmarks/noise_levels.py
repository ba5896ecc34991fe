"""
Noise levels and priors by evidence against the defaults, elements of Zuo et al. (2020).

Cross-validation on blocks of consecutive frames of the training data; nothing sees the test sets.

    python -m benchmarks.noise_levels [--elements Si,Mo,Cu]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import linpot
from benchmarks.record import data_folder, write_results
from linpot.workflow.noise_levels import CANDIDATES

BELIEFS = (30.0, 100.0, 1000.0, 10_000.0)
N_FUNCTIONS = 350


def blocked_errors(data: linpot.Dataset, settings: linpot.FitSettings) -> dict[str, float]:
    errors = linpot.cross_validate(data, settings=settings, blocked=True)["all"]
    return {
        "energy_mae_meV_per_atom": round(1e3 * errors["energy"]["mae"], 3),
        "energy_rmse_meV_per_atom": round(1e3 * errors["energy"]["rmse"], 3),
        "forces_mae_eV_per_A": round(errors["forces"]["mae"], 5),
        "forces_rmse_eV_per_A": round(errors["forces"]["rmse"], 5),
    }


def measure(element: str) -> dict[str, Any]:
    data = linpot.read_dataset(data_folder() / "zuo2020" / f"{element}_train.extxyz.gz")
    settings = linpot.FitSettings(n_functions=N_FUNCTIONS)
    session = linpot.prepare_fit(data, settings=settings)
    results: dict[str, Any] = {"default weights": blocked_errors(data, settings)}
    for belief in BELIEFS:
        found = linpot.find_noise_levels(session, belief=belief)
        changed = replace(settings, weights=found.weights, prior=found.prior, penalty=found.penalty)
        strengths = found.prior.order_strength
        assert isinstance(strengths, tuple)
        results[f"belief {belief:g}"] = blocked_errors(data, changed) | {
            "order_strength": [round(s, 5) for s in strengths],
            "evaluations": found.n_iter,
        }
    for prior in CANDIDATES:
        found = linpot.find_noise_levels(session, prior=prior)
        changed = replace(settings, weights=found.weights, prior=found.prior, penalty=found.penalty)
        size = prior.power if prior.form == "algebraic" else prior.rate
        row = blocked_errors(data, changed) | {"log_evidence": round(found.log_evidence, 1)}
        results[f"prior {prior.form} {size:g}"] = row
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--elements", default="Si,Mo,Cu")
    results = {}
    for element in parser.parse_args().elements.split(","):
        results[element] = measure(element)
        for name, row in results[element].items():
            print(element, name, row)
    print(write_results("noise_levels", {"n_functions": N_FUNCTIONS, "elements": results}))


if __name__ == "__main__":
    main()
