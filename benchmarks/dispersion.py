"""
Dispersion and delta learning: learning curves with and without, and the cost of the lattice sum.

Liquid water (RPBE-D3; also with fixed charges) and ethanol (rMD17, PBE) against the number of
structures; the difference to GFN1-xTB on ethanol; microseconds per atom of the sum of r^-6 on one
core. Fits have the defaults; the test sets are only evaluated. Needs the packages dftd3 and tblite.
Parts that are left out stay as they were, with the commit that measured them.

    python -m benchmarks.dispersion [--quick] [--only water,charges,ethanol,delta,cost]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

import linpot
from benchmarks.record import RESULTS, commit, data_folder, write_results
from linpot.structures.neighbors import find_neighbors
from linpot.structures.structure import Structure

SEED = 7
SPC_E = {"O": -0.8476, "H": 0.4238}  # e; Berendsen et al., J. Phys. Chem. 91, 6269 (1987)
N_FUNCTIONS = {"water": 300, "ethanol": 300}


class Kept:
    """A model that remembers what it said: D3 of 192 atoms takes longer than a fit."""

    def __init__(self, model: linpot.EnergyModel) -> None:
        self.model = model

    def without(self, data: linpot.Dataset) -> linpot.Dataset:
        """Return the data with the model taken off their labels."""
        structures = []
        for structure in data:
            said = self.model.predict(structure)
            labels = linpot.Labels(
                structure.labels.energy - said.energy, structure.labels.forces - said.forces
            )
            structures.append(structure.with_labels(labels))
        return linpot.Dataset(structures)


def errors(train: linpot.Dataset, test: linpot.Dataset, n_functions: int, baseline: Any) -> dict:
    """Fit, and measure on the test set: meV per atom, meV/A."""
    settings = linpot.FitSettings(n_functions=n_functions, baseline=baseline)
    found = linpot.run_fit(train, test=test, settings=settings).test["all"]
    return {
        f"{name}_{kind}": round(1e3 * found[name][kind], 3)
        for name, kind in product(("energy", "forces"), ("mae", "rmse", "p95"))
    }


def curve(
    name: str,
    train: linpot.Dataset,
    test: linpot.Dataset,
    sizes: tuple[int, ...],
    models: dict[str, linpot.EnergyModel | None],
    baselines: tuple[str, ...] = ("zbl",),
) -> dict[str, Any]:
    """Learning curves on top of each model; the same structures for all."""
    order = np.random.default_rng(SEED).permutation(len(train))
    train = train.subset(order[: max(sizes)])
    results: dict[str, Any] = {}
    for label, model in models.items():
        learn, check = (d if model is None else Kept(model).without(d) for d in (train, test))
        for size, baseline in product(sizes, baselines):
            row = errors(learn[:size], check, N_FUNCTIONS[name], baseline)
            key = label if len(baselines) == 1 else f"{label}, baseline {baseline}"
            results.setdefault(key, {})[str(size)] = row
            print(name, key, size, row, flush=True)
    return results


def water(quick: bool) -> dict[str, Any]:
    train, test = water_data()
    models: dict[str, Any] = {
        "none": None,
        "D3(BJ) of RPBE": linpot.D3("rpbe"),
        "D3(zero) of RPBE": linpot.D3("rpbe", "zero"),
        "C6 of free atoms": linpot.Dispersion.of_free_atoms(["H", "O"]),
    }
    if quick:
        train, test, sizes = train[:4], test[:2], (2,)
    else:
        sizes = (5, 10, 20, 37)
    settings = linpot.FitSettings(n_functions=N_FUNCTIONS["water"])
    fitted = linpot.fit_coefficients(
        train, models["C6 of free atoms"], settings=settings, prior=0.5
    )
    models["C6 fitted to all training data"] = fitted.model
    pairs = ["-".join(pair) for pair in models["C6 of free atoms"].c6]
    c6 = {
        pair: {"free_atoms": round(start, 3), "fitted": round(value, 3), "std": round(std, 3)}
        for pair, start, value, std in zip(
            pairs,
            models["C6 of free atoms"].coefficients,
            fitted.coefficients,
            fitted.std,
            strict=True,
        )
    }
    print("water C6", c6, flush=True)
    return {"c6_eV_A6": c6, "curves": curve("water", train, test, sizes, models)}


def charges(quick: bool) -> dict[str, Any]:
    train, test = water_data()
    clouds = linpot.Coulomb(SPC_E, widths=dict.fromkeys(SPC_E, 0.5))
    models = {"none": None, "charges of SPC/E, clouds of 0.5 A": clouds}
    return curve("water", train, test, (2,) if quick else (5, 10, 20, 37), models)


def water_data() -> tuple[linpot.Dataset, linpot.Dataset]:
    folder = data_folder() / "water_rpbe_d3"
    train = linpot.read_dataset(folder / "water_train.extxyz.gz")
    return train, linpot.read_dataset(folder / "water_test.extxyz.gz")


def ethanol(quick: bool) -> dict[str, Any]:
    train, test = ethanol_data(quick)
    models = {"none": None, "D3(BJ) of PBE": linpot.D3("pbe")}
    return curve("ethanol", train, test, (50,) if quick else (50, 100, 200, 500, 1000), models)


def delta(quick: bool) -> dict[str, Any]:
    train, test = ethanol_data(quick)
    xtb = linpot.CalculatorBaseline("tblite", {"method": "GFN1-xTB"})
    begin = time.perf_counter()
    xtb.predict_many(train[:20])
    milliseconds = 1e3 * (time.perf_counter() - begin) / 20
    models = {"none": None, "GFN1-xTB": xtb}
    sizes = (50,) if quick else (25, 50, 100, 200)
    curves = curve("ethanol", train, test, sizes, models, ("none", "zbl"))
    at_50 = {key: rows["50"]["forces_mae"] for key, rows in curves.items()}
    direct = min(value for key, value in at_50.items() if key.startswith("none"))
    learned = min(value for key, value in at_50.items() if key.startswith("GFN1"))
    return {
        "curves": curves,
        "xtb_milliseconds_per_structure": round(milliseconds, 2),
        "forces_mae_ratio_at_50": round(direct / learned, 2),  # the better baseline of either
    }


def ethanol_data(quick: bool) -> tuple[linpot.Dataset, linpot.Dataset]:
    folder = data_folder() / "rmd17"
    train = linpot.read_dataset(folder / "ethanol_train_split01.extxyz.gz")
    test = linpot.read_dataset(folder / "ethanol_test_split01.extxyz.gz")
    return train, test[:50] if quick else test


def liquid(n: int) -> Structure:
    """Atoms at 0.1 per A^3, two species, on a rattled grid."""
    rng = np.random.default_rng(SEED)
    grid = np.array(list(np.ndindex(n, n, n)), dtype=float)
    step = 10.0 ** (1 / 3)
    positions = (grid + rng.uniform(-0.2, 0.2, size=grid.shape)) * step
    numbers = np.where(np.arange(n**3) % 3 == 1, 8, 1)
    return Structure(numbers, positions, n * step * np.eye(3), (True,) * 3)


def cost(quick: bool) -> dict[str, Any]:
    damping: dict[str, dict[str, Any]] = {
        "none": {"damping": None},
        "becke-johnson": {"damping_radii": 3.0},
        "tang-toennies": {"damping": "tang-toennies", "damping_decays": 3.8},
    }
    results = {}
    for (name, settings), accuracy in product(damping.items(), (1e-6, 1e-8)):
        model = linpot.Dispersion({"H": 6.0, "O": 9.0}, accuracy=accuracy, **settings)
        for n in (6, 10) if quick else (6, 10, 16):
            structure = liquid(n)
            neighbors = find_neighbors(structure, model.cutoff)
            seconds = best(lambda m=model, s=structure, p=neighbors: m.predict(s, p))
            key = f"{name}, accuracy {accuracy:g}, {n**3} atoms"
            results[key] = {
                "us_per_atom": round(1e6 * seconds / n**3, 2),
                "pair_cutoff_A": model.cutoff,
                "pairs_per_atom": round(neighbors.n_pairs / n**3, 1),
            }
            print(key, results[key], flush=True)
    return results


def best(work: Callable[[], Any]) -> float:
    """Return the shortest of five runs after one that compiles, s."""
    work()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


PARTS = {"water": water, "charges": charges, "ethanol": ethanol, "delta": delta, "cost": cost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    parser.add_argument("--only", default=",".join(PARTS))
    chosen = parser.parse_args()
    results = {
        name: {"commit": commit(), "found": PARTS[name](chosen.quick)}
        for name in chosen.only.split(",")
    }
    if chosen.quick:
        print("not written: only a complete run is")
        return
    path = RESULTS / "dispersion.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    parts = {name: before[name] for name in PARTS if name in before} | results
    print(write_results("dispersion", {"seed": SEED, "n_functions": N_FUNCTIONS, **parts}))


if __name__ == "__main__":
    main()
