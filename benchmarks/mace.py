"""
MACE fitted by its own program (package mace-torch), on a CPU.

The number of epochs is what fits into the given time, as one epoch of the same settings took; the
learning rate falls by a factor of a hundred over them.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import linpot
from benchmarks.gap import write_for_gap

SETTINGS = {
    "model": "ScaleShiftMACE",
    "num_channels": 32,
    "max_L": 0,
    "max_ell": 3,
    "correlation": 3,
    "num_interactions": 2,
    "r_max": 5.0,
    "batch_size": 5,
    "lr": 0.01,
    "ema_decay": 0.99,
    "energy_weight": 1000.0,
    "forces_weight": 100.0,
    "valid_fraction": 0.1,
    "seed": 1,
    "default_dtype": "float32",
}
FALL = 0.01  # of the learning rate, over all epochs
NAME = "potential"
_TELLS = "(?:Initial|Epoch [0-9]+):"  # what lines of its log with errors begin with


def fit_mace(
    train: linpot.Dataset, alone: dict[int, float], work: Path, minutes: float, threads: int
) -> dict[str, Any]:
    """
    Train a network in a process of its own; its file is ``mace_file(work)``.

    Parameters
    ----------
    train : Dataset
        A tenth of it, drawn by the seed, is held out and chooses the epoch that is kept.
    alone : dict of int to float
        Energies of isolated atoms by atomic number, eV.
    work : Path
        Folder for its files.
    minutes : float
        Time of training.
    threads : int
        Threads of torch.
    """
    work.mkdir(parents=True, exist_ok=True)
    structures = work / "train.extxyz"
    write_for_gap(train, structures)
    begin = time.perf_counter()
    per_epoch = _run(structures, alone, work / "probe", 1, threads)
    epochs = max(1, int(60 * minutes / per_epoch))
    print(f"{per_epoch:.0f} s an epoch: {epochs} epochs", file=sys.stderr, flush=True)
    _run(structures, alone, work, epochs, threads)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "settings": SETTINGS,
        "learning_rate_falls_to": FALL,
        "minutes": minutes,
        "epochs": epochs,
        "held_out": _validation(work)[-1],
        "seconds": round(time.perf_counter() - begin, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_GB": round(usage.ru_maxrss * 1024 / 1e9, 3),
        "threads": threads,
    }


def mace_file(work: Path) -> Path:
    """Return the file of the network that `fit_mace` left in a folder."""
    return work / f"{NAME}.model"


def mace_model(work: Path, symbols: tuple[str, ...]) -> linpot.CalculatorBaseline:
    """Return that network as an energy model."""
    from mace.calculators import MACECalculator

    linpot.register_calculator(
        "mace", lambda: MACECalculator(model_paths=str(mace_file(work)), device="cpu")
    )
    return linpot.CalculatorBaseline("mace", symbols=symbols)


def _run(structures: Path, alone: dict[int, float], work: Path, epochs: int, threads: int) -> float:
    """Train for a number of epochs; return the time of one, s."""
    program = shutil.which("mace_run_train") or str(
        Path(sys.executable).with_name("mace_run_train")
    )
    if not Path(program).exists():
        raise SystemExit("no `mace_run_train`: install the package mace-torch")
    command = [program, "--device=cpu", f"--name={NAME}", f"--work_dir={work}"]
    command += [f"--train_file={structures}", f"--E0s={alone}", "--ema"]
    command += ["--energy_key=dft_energy", "--forces_key=dft_force"]
    command += ["--scheduler=ExponentialLR", f"--lr_scheduler_gamma={FALL ** (1 / epochs)}"]
    command += [f"--max_num_epochs={epochs}", f"--patience={epochs + 1}"]
    command += [f"--{name}={value}" for name, value in SETTINGS.items()]
    work.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    environment["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    with (work / "output").open("w") as output:
        subprocess.run(
            command, check=True, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    times = re.findall(rf"^(\S+ \S+) INFO: {_TELLS}", (work / "output").read_text(), re.MULTILINE)
    first, last = (datetime.fromisoformat(times[i]) for i in (0, -1))
    return (last - first).total_seconds() / (len(times) - 1)


def _validation(work: Path) -> list[dict[str, float]]:
    """Return errors of the held-out tenth, before training and after each epoch, from the log."""
    pattern = rf"{_TELLS}.*RMSE_E_per_atom= *(\S+) meV, RMSE_F= *(\S+) meV"
    found = re.findall(pattern, (work / "output").read_text())
    return [
        {"energy_rmse_meV_atom": float(energy), "forces_rmse_meV_A": float(forces)}
        for energy, forces in found
    ]
