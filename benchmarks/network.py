"""
Behler-Parrinello networks beside linpot on the elements of Zuo et al. (2020): errors and training.

Symmetry functions, cutoffs and layers are those of the paper, which its published networks state.
The published networks themselves are judged on the same files by the same code: ``LINPOT_NNP``
names a folder with ``<El>/input.nn``, ``scaling.data`` and ``weights.*.data`` (repository
materialsvirtuallab/maml, ``mvl_models/pes/<El>/nnp.2020.01``); they are not part of the project.
Networks are then trained here on energies and forces by Levenberg and Marquardt
(`benchmarks.network_training`), until the error of a held-out tenth of the training structures
stalls or time is up; one that ends beyond 1.5 times the published network's error is excluded from
comparisons and named. One thread, every training in a process of its own.

    pip install torch
    python -m benchmarks.network [--elements Si,Mo,Cu,Ni] [--minutes 120] [--published-only]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import linpot
from benchmarks.gap import errors_of
from benchmarks.record import RESULTS, data_folder, write_results
from benchmarks.symmetry_functions import SymmetryFunctions, grid

BEYOND = 1.5  # of the error of the published network
WIDTHS = [0.01, 0.02, 0.05]  # 1/bohr^2, of radial and angular functions

# cutoff (A), shifts of radial functions (A), nodes of each of two hidden layers
# github.com/materialsvirtuallab/maml, mvl_models/pes/<El>/nnp.2020.01/input.nn
SETTINGS: dict[str, tuple[float, list[float], int]] = {
    "Si": (5.5, [4.0], 24),
    "Mo": (5.2, [0.0, 1.0, 2.0, 3.0, 4.0], 16),
    "Ni": (3.9, [0.0], 24),
    "Cu": (4.1, [3.0], 8),
}


def functions_of(element: str) -> SymmetryFunctions:
    """Return the published symmetry functions of an element."""
    cutoff, shifts, _ = SETTINGS[element]
    return grid(cutoff, WIDTHS, shifts, WIDTHS)


def judge(element: str, network: Any) -> dict[str, Any]:
    """Return test errors of a network."""
    from benchmarks.network_model import NetworkCalculator

    name = f"network {element} {id(network)}"
    linpot.register_calculator(name, lambda: NetworkCalculator(network, functions_of(element)))
    model = linpot.CalculatorBaseline(name, symbols=(element,))
    return errors_of(linpot.evaluate(model, _read(element, "test")))


def published(element: str) -> dict[str, Any]:
    """Judge the published network of an element; nothing where it is not there."""
    from benchmarks.network_model import read_network

    folder = Path(os.environ.get("LINPOT_NNP", ".")) / element
    if not (folder / "input.nn").exists():
        return {}
    network = read_network(folder, functions_of(element))
    return {"n_parameters": network.n_parameters, "test": judge(element, network)}


def trained(element: str, minutes: float) -> dict[str, Any]:
    """Train a network in this process."""
    import torch

    from benchmarks.network_training import Training, train

    torch.set_num_threads(1)
    how, functions = Training(minutes=minutes), functions_of(element)
    begin, cpu = time.perf_counter(), time.process_time()
    network, told = train(_read(element, "train"), functions, SETTINGS[element][2], how)
    return {
        "n_functions": len(functions),
        "training": asdict(how),
        **told,
        "seconds": round(time.perf_counter() - begin, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_memory_GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 3),
        "threads": 1,
        "torch": torch.__version__,
        "test": judge(element, network),
    }


def beyond(own: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """Say which errors of a trained network are beyond those of the published one."""
    return [
        name
        for name in ("energy_mae", "forces_mae")
        if own["test"][name] > BEYOND * known["test"][name]
    ]


def _read(element: str, part: str) -> linpot.Dataset:
    return linpot.read_dataset(data_folder() / "zuo2020" / f"{element}_{part}.extxyz.gz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", default=",".join(SETTINGS))
    parser.add_argument("--minutes", type=float, default=120.0, help="of training, per element")
    parser.add_argument("--published-only", action="store_true")
    parser.add_argument("--quiet-machine", action="store_true", help="nothing else is running")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(trained(options.one, options.minutes)))
        return
    path = RESULTS / "network.json"
    rows = json.loads(path.read_text())["elements"] if path.exists() else {}
    for element in options.elements.split(","):
        row = rows.setdefault(element, {})
        if found := published(element):
            row["published"] = found
            print(element, "published", found, flush=True)
        if not options.published_only:
            command = [sys.executable, "-m", "benchmarks.network", "--one", element]
            command += ["--minutes", str(options.minutes)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                print(element, line, end="", flush=True)
            if process.wait():
                raise SystemExit(f"training for {element} failed")
            row["trained"] = json.loads(lines[-1])
            row["trained"]["other_work_on_the_machine"] = not options.quiet_machine
        if "trained" in row and "published" in row:
            row["trained"]["beyond"] = beyond(row["trained"], row["published"])
        ordered = {e: rows[e] for e in SETTINGS if e in rows}
        print("written:", write_results("network", {"seed": 0, "elements": ordered}))


if __name__ == "__main__":
    main()
