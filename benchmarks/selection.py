"""
Fits to 50 chosen structures against fits to 50 random ones.

The pool is the training set without its labels; test sets are only evaluated. Fits are made twice:
as a user would, with radial functions and repulsion from the distances of the chosen structures,
and with basis and baseline of the fit to the whole pool. Random draws of the second kind are also
made with as many structures as it takes to have the atoms of the D-optimal choice.

    python -m benchmarks.selection [--sets Si,Cu] [--draws 20]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import linpot
from benchmarks.record import data_folder, write_results
from linpot.fitting.reference_energies import find_reference_energies
from linpot.fitting.targets import energies_without

SETS = ("Si", "Cu", "TiAl", "Mo", "Ni")
N = 50
N_FUNCTIONS = 300
CUR_SEEDS = 5
SAME_BASIS = "force_rmse_same_basis"


def paths(name: str) -> tuple[Path, Path]:
    if name == "TiAl":
        folder, prefix = data_folder() / "tial_tutorial", ""
    else:
        folder, prefix = data_folder() / "zuo2020", f"{name}_"
    return folder / f"{prefix}train.extxyz.gz", folder / f"{prefix}test.extxyz.gz"


class Judge:
    """Tests fits to some structures of the pool."""

    def __init__(self, train: linpot.Dataset, test: linpot.Dataset) -> None:
        self._settings = linpot.FitSettings(n_functions=N_FUNCTIONS)
        # each structure is a group with its few rows, which are built once; the limit counts
        # squares, and is not reached
        settings = replace(self._settings, memory_limit=50.0)
        self._train = linpot.Dataset(replace(s, group=str(k)) for k, s in enumerate(train))
        self._test = test
        self._session = linpot.prepare_fit(self._train, settings=settings)

    def __call__(self, indices: list[int]) -> dict[str, float]:
        """Return sizes and test errors of the fit to these structures alone."""
        own = self._train.subset(sorted(indices))
        potential = linpot.run_fit(own, settings=self._settings).potential
        errors = linpot.evaluate(potential, self._test)["all"]
        return self.in_same_basis(indices) | {
            "force_rmse": round(errors["forces"]["rmse"], 5),
            "force_mae": round(errors["forces"]["mae"], 5),
            "energy_rmse": round(errors["energy"]["rmse"], 6),
        }

    def in_same_basis(self, indices: list[int]) -> dict[str, float]:
        """Return sizes and the test error of the fit with basis and baseline of the whole pool."""
        own, session = self._train.subset(sorted(indices)), self._session
        energies = energies_without(list(own), session.baseline)
        basis = session.basis
        e0 = find_reference_energies(list(own), energies, basis.elements, basis.cutoff).values
        others = set(session.groups) - {s.group for s in own}
        potential = session.solve(without_groups=others, e0=e0).potential
        errors = linpot.evaluate(potential, self._test)["all"]
        return {
            "structures": len(own),
            "atoms": own.n_atoms,
            "force_rmse_same_basis": round(errors["forces"]["rmse"], 5),
        }


def measure(name: str, draws: int) -> dict[str, Any]:
    path, test_path = paths(name)
    train, test = linpot.read_dataset(path), linpot.read_dataset(test_path)
    judge = Judge(train, test)
    basis = linpot.basis_for_pool(path, linpot.FitSettings(n_functions=N_FUNCTIONS))
    row: dict[str, Any] = {
        "set": name,
        "pool": len(train),
        "complete": judge(list(range(len(train)))),
    }
    for method in ("d-optimal", "d-optimal-atoms", "fps"):
        selection = linpot.select(basis, path, N, method=method)
        groups = train.subset(selection.indices).groups
        row[method] = judge(selection.indices) | {"groups": groups}
        print(name, method, row[method], flush=True)
    row["cur"] = [
        judge(linpot.select(basis, path, N, method="cur", seed=seed).indices)
        for seed in range(CUR_SEEDS)
    ]
    sizes = np.array([s.n_atoms for s in train])
    row["random"], row["random_same_atoms"] = [], []
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(len(train))
        row["random"].append(judge(order[:N].tolist()))
        enough = int(np.searchsorted(np.cumsum(sizes[order]), row["d-optimal"]["atoms"])) + 1
        row["random_same_atoms"].append(judge.in_same_basis(order[:enough].tolist()))
    for kind, key in (
        ("cur", "force_rmse"),
        ("random", "force_rmse"),
        ("cur", SAME_BASIS),
        ("random", SAME_BASIS),
        ("random_same_atoms", SAME_BASIS),
    ):
        mean = round(float(np.mean([one[key] for one in row[kind]])), 5)
        row[f"{kind}_mean_{key}"] = mean
        print(name, kind, key, mean, flush=True)
    best = row["d-optimal"]["force_rmse"]
    row["d_optimal_over_mean_random"] = round(best / row["random_mean_force_rmse"], 3)
    row["random_draws_beaten"] = sum(one["force_rmse"] > best for one in row["random"])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--draws", type=int, default=20)
    arguments = parser.parse_args()
    rows = [measure(name, arguments.draws) for name in arguments.sets.split(",")]
    document = {"chosen": N, "n_functions": N_FUNCTIONS, "seeds": "0 ..", "sets": rows}
    print(write_results("selection", document))


if __name__ == "__main__":
    main()
