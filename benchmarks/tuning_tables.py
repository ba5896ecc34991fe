"""Tables of docs/decisions.md, from committed results."""

from __future__ import annotations

from typing import Any

from benchmarks.record import load, measured_at, origin


def recipes() -> str:
    """Return what was tried for the defaults."""
    results = load("recipes")
    elements = list(next(iter(results["variants"].values())))
    lines = [
        f"{results['n_functions']} functions. Per element: energy (meV/atom) / forces (eV/A), MAE",
        "with blocked folds, in brackets with random ones. Surface: energy MAE of the silicon",
        "surfaces, blocked. Wild: largest ratio of RMSE to MAE of forces, blocked. Hole: deepest",
        "fall of any dimer on the way in (eV).",
        "",
        "| | " + " | ".join(elements) + " | surface | wild | hole |",
        "|---|" + "---|" * (len(elements) + 3),
    ]
    for name, row in results["variants"].items():
        cells = [f"{_brief(r['blocked'])} ({_brief(r['random'])})" for r in row.values()]
        wild = max(r["blocked"]["forces_rmse"] / r["blocked"]["forces_mae"] for r in row.values())
        hole = max(r["dimer_hole_eV"] for r in row.values())
        surface = 1e3 * row["Si"]["blocked_surface_energy_mae"]
        lines.append(
            f"| {name} | " + " | ".join(cells) + f" | {surface:.1f} | {wild:.1f} | {hole:.2g} |"
        )
    closest = results["closest_in_hot_liquid_A"]
    lines += [
        "",
        "Closest pair in the hot compressed liquid (A) by number of functions: "
        + ", ".join(f"{n}: {d:.2f}" for n, d in closest.items())
        + ".",
        "",
        origin(results),
    ]
    return "\n".join(lines)


def tuning() -> str:
    """Return what tuning found, beside the defaults."""
    results = load("tuning")
    defaults = {
        run["element"]: run["test"] for run in load("zuo2020")["runs"] if run["n_functions"] > 900
    }
    lines = [
        "## What tuning found",
        "",
        "`linpot fit --tune` with 1000 functions (MAE, meV/atom / eV/A) and with 149 (RMSE of",
        "forces, eV/A). Left out: blocks of the training data, by which settings are chosen. Test:",
        "evaluated once, at the end; in brackets the standard error of its mean.",
        "",
        "| | trials, minutes | left out, defaults | left out, tuned | test, defaults | "
        "test, tuned | goal | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, run in results["runs"].items():
        element, size = name.split()
        goal, met = results["goals"][element][size], run["goals_met"]
        told = ", ".join(f"{what.split('_')[0]} {'yes' if m else 'no'}" for what, m in met.items())
        begin, best, test = run["start_left_out"], run["best_left_out"], run["test"]
        effort = f"{run['n_trials']}, {run['seconds_all'] / 60:.1f}"
        if size == "149":
            cells = [f"{d['forces_rmse']:.4f}" for d in (begin, best)] + [
                "",
                _rmse(test),
                f"< {goal}",
            ]
        else:
            cells = [_brief(begin), _brief(best), _brief_of(defaults[element]), _with_error(test)]
            cells.append(f"{goal[0]} / {goal[1]}")
        lines.append(f"| {element} {size} | {effort} | " + " | ".join([*cells, told]) + " |")
    lines += measured_at((name, run["commit"]) for name, run in results["runs"].items())
    return "\n".join([*lines, "", origin(results)])


def _rmse(test: dict[str, Any]) -> str:
    return f"{test['forces']['rmse']:.4f}"


def _with_error(errors: dict[str, Any]) -> str:
    energy = errors["energy"]
    spread = (energy["rmse"] ** 2 - energy["mae"] ** 2) ** 0.5 / energy["n"] ** 0.5
    return f"{1e3 * energy['mae']:.2f} ({1e3 * spread:.2f}) / {errors['forces']['mae']:.4f}"


def decisions() -> str:
    """Return the generated part of docs/decisions.md."""
    return recipes() + "\n\n" + tuning()


def _brief(errors: dict[str, Any]) -> str:
    return f"{1e3 * errors['energy_mae']:.2f} / {errors['forces_mae']:.4f}"


def _brief_of(errors: dict[str, Any]) -> str:
    return f"{1e3 * errors['energy']['mae']:.2f} / {errors['forces']['mae']:.4f}"
