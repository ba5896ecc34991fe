"""
Elements of Zuo et al. (2020): what tuning makes of the default recipe.

Every element goes through ``linpot fit TRAIN --tune --test TEST`` as anybody would run it, with no
setting of its own; the search sees training data only, the test set is evaluated once at the end.
Written after every run; a run that fails is named at the end and does not stop the others, and
``--missing`` goes on with those that the present commit has not finished.

    python -m benchmarks.tuning [--elements Si,Mo] [--sizes 1000,149] [--minutes 7] [--missing]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import linpot
from benchmarks.record import RESULTS, commit, data_folder, write_results

ELEMENTS = ("Si", "Mo", "Ni", "Cu")
THREADS = 2

# Goals for the test set: MAE in meV/atom and eV/A for 1000 functions, RMSE of forces for 149
GOALS = {
    "Si": {"1000": (1.8, 0.056), "149": 0.146},
    "Mo": {"1000": (2.8, 0.097), "149": 0.244},
    "Cu": {"1000": (0.20, 0.0055), "149": 0.019},
    "Ni": {"1000": (0.27, 0.0138), "149": 0.036},
}


def measure(element: str, n_functions: int, minutes: float, criterion: str) -> dict[str, Any]:
    """Tune, fit and evaluate in this process."""
    folder = data_folder() / "zuo2020"
    train = linpot.read_dataset(folder / f"{element}_train.extxyz.gz")
    test = linpot.read_dataset(folder / f"{element}_test.extxyz.gz")
    begin = time.perf_counter()
    tuned = linpot.tune(
        train,
        n_functions,
        minutes=minutes,
        threads=THREADS,
        criterion=criterion,
        on_trial=_show,
    )
    result = tuned.fit(test=test)
    seconds = time.perf_counter() - begin
    assert result.test is not None
    assert tuned.best.errors is not None
    assert tuned.start.errors is not None
    potential = linpot.learned_part(result.potential)
    return {
        "element": element,
        "n_functions": potential.n_functions[element],
        "minutes": minutes,
        "criterion": criterion,
        "seconds_all": round(seconds, 1),
        "ended": tuned.ended,
        "n_trials": len(tuned.trials),
        "peak_memory_GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 3),
        "start_left_out": _brief(tuned.start.errors),
        "best_left_out": _brief(tuned.best.errors),
        "score": round(tuned.best.score, 4),
        "test": result.test["all"],
        "n_products": sum(program.n_leaves for program in potential.basis.programs),
        "dimers_repulsive": all(d.is_repulsive for d in result.walls.dimers),
        "settings": {
            **tuned.settings.as_dict(),
            "cutoff_A": potential.cutoff,
            "decay": tuned.settings.decay,
            "angular_weight": tuned.settings.angular_weight,
            "pair_weight": tuned.settings.pair_weight,
            "degree_offsets": list(tuned.settings.degree_offsets),
            "choose_from": tuned.settings.choose_from,
        },
        "trials": [
            {
                "change": t.change,
                "left_out": None if t.errors is None else _brief(t.errors),
                "score": round(t.score, 4) if t.errors else None,
                "log_evidence": round(t.log_evidence, 1) if t.errors else None,
                "seconds": round(t.seconds, 1),
                "accepted": t.accepted,
            }
            for t in tuned.trials
        ],
    }


def _brief(errors: dict[str, Any]) -> dict[str, float]:
    return {
        f"{name}_{kind}": round(errors[name][kind], 7)
        for name in errors
        for kind in ("mae", "rmse")
    }


def _show(trial: linpot.Trial) -> None:
    kept = "*" if trial.accepted else " "
    print(f"{trial.seconds:6.1f} s {trial.score:.4f} {kept} {trial.change}", file=sys.stderr)


def goals_met(run: dict[str, Any], size: str) -> dict[str, bool]:
    """Compare a run with the goals of its element and size."""
    test, goal = run["test"], GOALS[run["element"]][size]
    if isinstance(goal, tuple):
        return {
            "energy": 1e3 * test["energy"]["mae"] <= goal[0],
            "forces": test["forces"]["mae"] <= goal[1],
        }
    return {"forces_rmse": test["forces"]["rmse"] < goal}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", default=",".join(ELEMENTS))
    parser.add_argument("--sizes", default="1000,149")
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--by", default="cross-validation", help="criterion of the search")
    parser.add_argument("--one", nargs=2, metavar=("ELEMENT", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        element, size = arguments.one
        print(json.dumps(measure(element, int(size), arguments.minutes, arguments.by)))
        return
    path = RESULTS / "tuning.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else {}
    failed = []
    for size in arguments.sizes.split(","):
        for element in arguments.elements.split(","):
            name = f"{element} {size}"
            if arguments.missing and runs.get(name, {}).get("commit") == commit():
                continue
            command = [sys.executable, "-m", "benchmarks.tuning", "--one", element, size]
            command += ["--minutes", str(arguments.minutes), "--by", arguments.by]
            done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                failed.append(name)
                continue
            run = json.loads(done.stdout.splitlines()[-1])
            run["goals_met"] = goals_met(run, size)
            runs[name] = {**run, "commit": commit()}
            print(_line(run), flush=True)
            write_results("tuning", {"seed": 0, "threads": THREADS, "goals": GOALS, "runs": runs})
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _line(run: dict[str, Any]) -> str:
    test = run["test"]
    return (
        f"{run['element']:2s} {run['n_functions']:5d} functions, {run['n_trials']} trials: test "
        f"{1e3 * test['energy']['mae']:.3f} meV/atom {test['forces']['mae']:.4f} eV/A (RMSE "
        f"{test['forces']['rmse']:.4f}), score {run['score']}, {run['seconds_all']:.0f} s, "
        f"{run['goals_met']}"
    )


if __name__ == "__main__":
    main()
