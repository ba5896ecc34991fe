"""
Learning curves: test errors of linpot and GAP by the number of training structures.

Structures of the training files of Zuo et al. (2020) in one drawn order, of which each fit takes
the first; the test files are the whole ones. linpot takes the default recipe at every size, GAP the
settings of the paper (`benchmarks.gap`). With all structures GAP is the one of `gap.json`.

    pip install quippy-ase
    python -m benchmarks.learning [--elements Si,Mo] [--structures 10,20,50,100]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import linpot
from benchmarks.gap import (
    SETTINGS,
    element_command,
    errors_of,
    run_gap_fit,
    write_for_gap,
    zuo_file,
)
from benchmarks.record import RESULTS, commit, load, write_results

FUNCTIONS = (130, 350, 1000)
SEED = 0


def measure(element: str, counts: list[int]) -> dict[str, Any]:
    """Fit and judge potentials of one element in this process."""
    train, test = (linpot.read_dataset(zuo_file(element, part)) for part in ("train", "test"))
    order = np.random.default_rng(SEED).permutation(len(train)).tolist()
    rows = []
    for count in dict.fromkeys([*counts, len(train)]):
        few = train.subset(order[:count])
        for n_functions in FUNCTIONS:
            begin = time.process_time()
            settings = linpot.FitSettings(n_functions=n_functions, threads=1)
            fitted = linpot.run_fit(few, test=test, settings=settings)
            assert fitted.test is not None
            rows.append(
                {
                    "method": "linpot",
                    "n_train": count,
                    "n_functions": n_functions,
                    "cpu_seconds": round(time.process_time() - begin, 1),
                    "test": errors_of(fitted.test),
                }
            )
            print(element, rows[-1], file=sys.stderr, flush=True)
        rows.append(_gap(element, few, test, whole=count == len(train)))
        print(element, rows[-1], file=sys.stderr, flush=True)
    return {"commit": commit(), "rows": rows}


def _gap(
    element: str, train: linpot.Dataset, test: linpot.Dataset, *, whole: bool
) -> dict[str, Any]:
    """Return a row of GAP, fitted here unless it is the one of `benchmarks.gap`."""
    known = load("gap")["elements"][element]["gap"]
    row: dict[str, Any] = {"method": "GAP", "n_train": len(train)}
    if whole:
        fit = {name: known["fit"][name] for name in ("n_sparse", "cpu_seconds")}
        return {**row, **fit, "test": known["test"]}
    with tempfile.TemporaryDirectory() as scratch:
        structures, target = Path(scratch) / "train.extxyz", Path(scratch) / "gap.xml"
        write_for_gap(train, structures)
        atoms = sum(structure.n_atoms for structure in train)
        row["n_sparse"] = min(known["fit"]["n_sparse"], atoms)
        command = element_command(element, row["n_sparse"], structures, target)
        row["cpu_seconds"] = run_gap_fit(command, Path(scratch) / "log", 1)["cpu_seconds"]
        from quippy.potential import Potential  # reads the number of threads when it is loaded

        name = f"gap {element} {len(train)}"
        linpot.register_calculator(name, lambda: Potential("", param_filename=str(target)))
        model = linpot.CalculatorBaseline(name, symbols=(element,))
        return {**row, "test": errors_of(linpot.evaluate(model, test))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", default="Si,Mo")
    parser.add_argument("--structures", default="10,20,50,100")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    counts = [int(count) for count in options.structures.split(",")]
    if options.one:
        print(json.dumps(measure(options.one, counts)))
        return
    for element in options.elements.split(","):
        command = [sys.executable, "-m", "benchmarks.learning", "--one", element]
        command += ["--structures", options.structures]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        path = RESULTS / "learning.json"
        known = json.loads(path.read_text())["elements"] if path.exists() else {}
        known[element] = json.loads(output.splitlines()[-1])
        ordered = {e: known[e] for e in SETTINGS if e in known}
        results = {"seed": SEED, "elements": ordered}
        print("written:", write_results("learning", results), flush=True)


if __name__ == "__main__":
    main()
