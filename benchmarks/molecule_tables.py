"""Tables of molecules in docs/benchmarks.md; what was not measured is left out."""

from __future__ import annotations

from typing import Any

from benchmarks.record import load_if_there, measured_at, origin


def molecules() -> list[str]:
    """Return one table per benchmark."""
    return [_molecules(), _candidates(), _hotter()]


def _molecules() -> str:
    results = load_if_there("rmd17")
    if not results:
        return ""
    from benchmarks.rmd17 import PUBLISHED as LINEAR_ACE

    lines = [
        "### Molecules (rMD17)",
        "",
        "Split 1 of five; MAE of energies (meV) / forces (meV/A) on its 1000 test structures. The",
        "published figures of linear ACE are means over the five splits.",
        "",
        "| | structures | functions | linpot | linear ACE, *published* | fit: CPU time, memory |",
        "|---|---|---|---|---|---|",
    ]
    for run in results["runs"]:
        energy, forces = LINEAR_ACE[run["molecule"]][run["n_train"]]
        counts = ", ".join(f"{e} {n}" for e, n in run["n_functions"].items())
        lines.append(
            f"| {run['molecule']} | {run['n_train']} | {counts} | "
            f"{run['energy_mae_meV']:.1f} / {run['forces_mae_meV_A']:.1f} | {energy} / {forces} | "
            f"{run['cpu_seconds']:.0f} s, {run['peak_memory_GB']:.1f} GB |"
        )
    lines += measured_at((f"{r['molecule']} {r['n_train']}", r["commit"]) for r in results["runs"])
    return "\n".join([*lines, "", origin(results)])


def _candidates() -> str:
    """Return what choosing functions that differ on the data is worth."""
    results = load_if_there("candidates")
    if not results:
        return ""
    lines = [
        "### Functions that differ on the data",
        "",
        f"The default recipe, and with {results['candidates_per_function']} times as many "
        "candidates (`candidates`). Structures left out of",
        "training data, MAE of energies (meV/atom) / forces (eV/A); CPU time of the fit.",
        "",
        "| | structures | functions | plain | candidates | forces | plain, s | candidates, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        plain, chosen = row["plain"], row["candidates"]
        errors = [f"{1e3 * e['energy_mae']:.2f} / {e['forces_mae']:.4f}" for e in (plain, chosen)]
        ratio = chosen["forces_mae"] / plain["forces_mae"]
        lines.append(
            f"| {row['set']} | {row['n_train']} | {row['n_functions']} | {errors[0]} | {errors[1]} "
            f"| {ratio:.2f} | {plain['cpu_seconds']:.0f} | {chosen['cpu_seconds']:.0f} |"
        )
    return "\n".join([*lines, "", origin(results)])


def _hotter() -> str:
    """3BPA: trained at 300 K, judged up to 1200 K."""
    results = load_if_there("bpa")
    if not results:
        return ""
    kelvin = list(results["runs"][0]["test"])
    lines = [
        "### 3BPA: trained at 300 K",
        "",
        "RMSE of energies (meV) / forces (meV/A) of the whole molecule at each temperature. The "
        "test files are proxies,",
        "cut from the mixed-temperature training file: compare within the table only.",
        "",
        "| | structures | " + " | ".join(f"{t} K" for t in kelvin) + " | fit: CPU time, memory |",
        "|---|---" + "|---" * len(kelvin) + "|---|",
    ]
    notes = []
    for run in results["runs"]:
        name = f"{run['method']}, {_size(run)}"
        if run.get("beyond"):
            name += " (*)"
            notes = [
                "",
                f"(*) {run['method']} at 300 K is beyond 1.5 times the published error of its full "
                f"network in {' and '.join(run['beyond'])}: what {run['minutes']:.0f} minutes of "
                f"one core reach ({run['epochs']} epochs), not what it can.",
            ]
        errors = " | ".join(
            f"{run['test'][t]['energy_rmse_meV']:.1f} / {run['test'][t]['forces_rmse_meV_A']:.1f}"
            for t in kelvin
        )
        lines.append(
            f"| {name} | {run['n_train']} | {errors} | "
            f"{run['cpu_seconds']:.0f} s, {run['peak_memory_GB']:.1f} GB |"
        )
    lines += measured_at(dict.fromkeys((r["method"], r["commit"]) for r in results["runs"]))
    return "\n".join([*lines, *notes, "", origin(results)])


def _size(run: dict[str, Any]) -> str:
    if "recipe" in run:
        return f"{run['recipe']['n_functions']} functions an element"
    if "n_sparse" in run:
        return f"{sum(run['n_sparse'].values())} sparse points"
    return f"{run['settings']['num_channels']} channels"
