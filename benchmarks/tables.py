"""
Tables of README.md and of pages in docs, written from the committed results.

    python -m benchmarks.tables          # rewrite the tables
    python -m benchmarks.tables --check  # exit 1 if they are not up to date
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.charges_tables import local_charges
from benchmarks.comparison_tables import PUBLISHED, beside_gap, comparison
from benchmarks.data_check_tables import data_check
from benchmarks.dispersion_tables import dispersion
from benchmarks.families_tables import families, moment_tensors
from benchmarks.record import RESULTS, load, load_if_there, origin
from benchmarks.scale_tables import scale
from benchmarks.selection_tables import grades, selection
from benchmarks.tuning_tables import decisions
from benchmarks.uncertainty_tables import uncertainty
from benchmarks.validation_tables import measured

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"

TIMED = ("lammps", "lammps_loose", "linpot", "linpot_from_tables")


def tables() -> str:
    """Return the generated part of the README."""
    parts = [_elements(load("zuo2020")), beside_gap(), _dynamics(load("dynamics"))]
    if (RESULTS / "engine.json").exists():
        parts.append(_engine(load("engine")))
    return "\n\n".join(filter(None, parts))


def _elements(results: dict[str, Any]) -> str:
    threads = results["runs"][0]["threads"]
    lines = [
        "Elements of Zuo et al. (2020), their split; one recipe, no setting per element. Settings",
        "come from training folds, except where the taper ends: that was moved after looking at",
        "test errors (docs/decisions.md). MAE of energies (meV/atom) / forces (eV/A); time of the",
        f"whole regression on {threads} thread{'s' * (threads > 1)}. GAP, MTP: from that paper.",
        "",
        "| | functions | test | 5-fold on training data | rows + solve | memory | GAP | MTP |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for run in results["runs"]:
        test, folds = run["test"], run["cross_validation"]
        seconds = run["seconds"]["design rows"] + run["seconds"]["solve"]
        published = PUBLISHED[run["element"]]
        last = run["n_functions"] >= 900
        lines.append(
            f"| {run['element']} | {run['n_functions']} | {_pair(test)} | {_pair(folds)} | "
            f"{seconds:.1f} s | {run['peak_memory_GB']:.2f} GB | "
            + " | ".join(f"{e:.2f} / {f:.2f}" if last else "" for e, f in published.values())
            + " |"
        )
    return "\n".join([*lines, "", origin(results)])


def _dynamics(results: dict[str, Any]) -> str:
    nve, nvt = results["nve"], results["nvt"]
    return (
        f"Dynamics with the silicon potential of 1000 functions: {nve['n_atoms']} atoms at "
        f"{nve['mean_temperature_K']:.0f} K for {nve['picoseconds']:.0f} ps at constant energy, "
        f"drift {abs(nve['drift_meV_per_atom_per_ps']):.4f} meV/atom/ps; {nvt['n_atoms']} atoms at "
        f"{nvt['mean_temperature_K']:.0f} K for\n{nvt['picoseconds']:.0f} ps, no pair closer than "
        f"{nvt['closest_pair_A']:.2f} A."
    )


def _engine(results: dict[str, Any]) -> str:
    anchor = results["anchor_snap_us"]["median"]
    silicon, best = results["silicon"], results["peaks_one_core"]
    lines = [
        f"Cost of one step (energy, forces, stress through ASE, ZBL included) of {1000} silicon "
        f"atoms, cutoff {silicon['cutoff_A']:.0f} A,",
        f"one thread, beside SNAP of LAMMPS (2J = 8, {anchor:.0f} us/atom/step in the same run).",
        "",
        "| functions | test force MAE (eV/A) | us/atom, crystal | liquid | of which learned part | "
        "two threads | relative to SNAP | ns per function | of peak flops |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in silicon["sizes"]:
        lines.append(
            f"| {row['n_functions']} | {row['test_mae_forces_eV_A']:.4f} | "
            f"{row['crystal_us']:.1f} | {row['liquid_us']:.1f} | {row['learned_us']:.1f} | "
            f"{row['crystal_us_2_threads']:.1f} | {row['crystal_us'] / anchor:.3f} | "
            f"{row['ns_per_function']:.1f} | {100 * row['share_of_peak_flops']:.0f} % |"
        )
    atoms = silicon["against_atoms"]
    lines += [
        "",
        f"Peaks of one core: {best['gflops']:.0f} GFLOP/s, {best['first_level_GB_s']:.0f} and "
        f"{best['second_level_GB_s']:.0f} GB/s from the first- and second-level cache. "
        f"{atoms[-1]['n_atoms']:,} atoms cost",
        f"{atoms[-1]['us_1_thread']:.1f} us each on one thread, {atoms[-1]['us_2_threads']:.1f} on "
        f"two; a new neighbor list {atoms[-1]['list_us']:.1f}. 1000 molecules in one call: "
        f"{results['molecules']['ratio']:.1f} times the cost per atom of",
        "one cell with as many atoms and neighbors.",
    ]
    return "\n".join([*lines, "", origin(results)])


def _pair(errors: dict[str, Any]) -> str:
    return f"{1e3 * errors['energy']['mae']:.2f} / {errors['forces']['mae']:.4f}"


def lammps() -> str:
    """Return the generated part of docs/lammps.md."""
    results = load("lammps")
    silicon = results["silicon"]
    loose = list(silicon["sizes"][0]["base_functions"])[1]
    n_atoms = silicon["sizes"][0]["n_atoms"]
    lines = [
        f"LAMMPS {results['lammps']['version'].split(' - ')[1]}; {results['lammps']['build']}.",
        f"Our scripts as written, {silicon['agreement'][0]['n_atoms']} rattled atoms, against "
        "linpot's engine; largest differences:",
        "",
        "| potential | energy of an atom (eV) | forces, of the largest |",
        "|---|---|---|",
    ]
    foreign = [
        row["agreement"] | {"potential": f"{_functions(row)}, published"}
        for row in results["published"]
    ]
    for row in [*silicon["agreement"], *results["random"], *foreign]:
        energy, forces = row["energy_of_an_atom_eV"], row["forces_of_the_largest"]
        lines.append(f"| {row['potential']} | {energy:.0e} | {forces:.0e} |")
    share = min(
        row["us"]["share_of_pair_styles_in_lammps"]
        for row in (*silicon["sizes"], *results["published"])
    )
    moved = max(row.get("positions_A", 0.0) for row in silicon["agreement"])
    steps = silicon["agreement"][0]["steps_of_1_fs"]
    lines += [
        "",
        f"{steps} steps of 1 fs from 600 K at constant energy, LAMMPS and ASE with the same "
        f"velocities: positions agree within {moved:.0e} A.",
        "",
        f"Time of a step of {n_atoms} atoms, us per atom, one core, LAMMPS and linpot (through "
        "ASE) in turn; medians of",
        f"{len(silicon['sizes'][0]['us']['linpot']['all'])} runs. Pair styles take "
        f"{100 * share:.0f} % of LAMMPS' time or more. In brackets the number of base functions",
        "of the file and the largest error of a radial function. `PacePotential`: the same file "
        "with tables in place of",
        "linpot's own radial functions. Ratios are to the faster of both files of LAMMPS.",
        "",
        f"| functions | LAMMPS | LAMMPS, `--tolerance {loose}` | linpot | ratio | "
        "`PacePotential` | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in silicon["sizes"]:
        times = {name: own["median"] for name, own in row["us"].items() if name in TIMED}
        first, second = (
            f"{times[name]:.1f} ({row['base_functions'][key]}, {row['radial_error'][key]:.0e})"
            for name, key in (("lammps", "default"), ("lammps_loose", loose))
        )
        lines.append(
            f"| silicon, {row['n_functions']} | {first} | {second} | {times['linpot']:.1f} | "
            f"{row['times_faster']:.0f} | {times['linpot_from_tables']:.1f} | "
            f"{row['times_faster_from_tables']:.0f} |"
        )
    for row in results["published"]:
        own, other = row["us"]["linpot"]["median"], row["us"]["lammps"]["median"]
        lines.append(
            f"| {_functions(row)} | {other:.1f} | | | | {own:.1f} | {row['times_faster']:.0f} |"
        )
    lines += [
        "",
        "Published: linear ACE of InP, github.com/cesmix-mit/pod-examples; Cu-PBE-core-rep.ace of "
        "LAMMPS (where it is",
        "there): "
        + ", ".join(row["file"] for row in results["published"])
        + "; sha256 in lammps.json.",
        "",
        origin(results),
    ]
    return "\n".join(lines)


def _functions(row: dict[str, Any]) -> str:
    counts = row["n_functions"]
    what = " and ".join(map(str, sorted(set(counts.values())))) + " functions"
    around = f", {row['neighbors']:.0f} neighbors" if "neighbors" in row else ""
    return f"{''.join(counts)}, {what} per element{around}"


def electrostatics() -> str:
    """Return the generated part of docs/electrostatics.md; nothing before the first measurement."""
    if not (RESULTS / "coulomb.json").exists():
        return ""
    results = load("coulomb")
    by_accuracy: dict[float, dict[str, Any]] = {}
    for row in results["accuracy"]:
        by_accuracy.setdefault(row["accuracy"], {})[row["method"]] = row
    lines = [
        "1000 charges, energy, forces and virial on one core: error found (in the units of the",
        "accuracy) and time (ms).",
        "",
        "| accuracy | Ewald: error | time | mesh: error | time |",
        "|---|---|---|---|---|",
    ]
    for accuracy, rows in by_accuracy.items():
        cells = [f"{rows[m]['force_error']:.1e} | {rows[m]['ms']:.1f}" for m in ("ewald", "mesh")]
        lines.append(f"| {accuracy:.0e} | {' | '.join(cells)} |")
    own, mesh = results["rock_salt_1000"], results["mesh"]
    theirs = own["torch_pme"]
    costs = ", ".join(f"{us:.2f} at {int(n):,}" for n, us in mesh["us_per_atom"].items())
    learned = results["random_charges"]
    lines += [
        "",
        f"torch-pme at its fastest ({theirs['kind']}, {theirs['cutoff_A']} A, error "
        f"{theirs['force_error']:.1e}, list of pairs given): {theirs['ms']:.1f} ms, linpot at an",
        f"error of {own['linpot_force_error']:.1e}: {own['linpot_ms']:.1f} ms. On a mesh, us per",
        f"charge at an accuracy of {mesh['accuracy']:.0e}: {costs}.",
        "",
        "Random charges with r^-12 repulsion: a learned pair part of 5 A has a force RMSE of "
        f"{learned['with charges']['forces_rmse_meV_per_A']:.2f} meV/A",
        f"beside the given charges, {learned['without']['forces_rmse_meV_per_A']:.0f} without.",
        "",
        origin(results),
    ]
    return "\n".join(lines)


def fresh(path: Path) -> str:
    """Return the text of a page with its generated part made anew."""
    begin, end, make = PAGES[path]
    before, rest = path.read_text().split(begin)
    return f"{before}{begin}\n{make()}\n{end}{rest.split(end)[1]}"


def error_bars() -> str:
    """Return the generated part of docs/uncertainty.md."""
    results = load("uncertainty")
    return "\n\n".join(filter(None, [uncertainty(results), origin(results), grades()]))


def walls() -> str:
    """Return the generated part of docs/repulsion.md."""
    results = load("walls")
    lines = [
        f"The default recipe, {results['n_functions']} functions per element, with / without dense",
        "environments: MAE on the test set; holes among dimers, trimers and compressed structures;",
        "5000 steps at three times the melting temperature: closest pair over the nearest",
        "distance of the crystal, and how far the energy fell below (runs end at 20 eV per atom).",
        "",
        "| | energy (meV/atom) | forces (eV/A) | holes | closest | below the crystal (eV/atom) |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results["sets"].items():
        both = [row["default"], row["without"]]
        hot = [own["hot"] for own in both]
        lowest = [abs(run["lowest_below_crystal_eV_per_atom"]) for run in hot]
        cells = [
            " / ".join(f"{1e3 * own['test_energy_mae']:.2f}" for own in both),
            " / ".join(f"{own['test_forces_mae']:.4f}" for own in both),
            " / ".join(f"{own['holes']} of {own['checked']}" for own in both),
            " / ".join(f"{run['closest_over_nearest']:.2f}" for run in hot),
            " / ".join(f"{value:.1f}" for value in lowest),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n\n".join(filter(None, ["\n".join([*lines, "", origin(results)]), random_cells()]))


def random_cells() -> str:
    """Return what E0 and searches do to random cells."""
    results = load_if_there("random_search")
    if not results:
        return ""
    lines = [
        f"{results['n_cells']} random cells that no fit has seen, relaxed: how many end more than "
        "0.1 eV per atom below the most",
        f"stable structure of the data. {results['n_functions']} functions; E0 by least squares "
        "(TiAl: fitted with the functions),",
        f"estimated (the default), and with `random_search={results['searched_per_round']}` "
        "beside. MAE on the test set (meV/atom / eV/A).",
        "",
        "| | least squares | errors | default | errors | searched | errors | CPU of fits, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        made = [row[kind] for kind in ("before", "default", "search")]
        told = [
            f"{own['below']} | {1e3 * own['energy_mae']:.2f} / {own['forces_mae']:.4f}"
            for own in made
        ]
        times = " / ".join(f"{own['cpu_seconds']:.0f}" for own in made)
        lines.append(f"| {row['set']} | " + " | ".join(told) + f" | {times} |")
    return "\n".join([*lines, "", origin(results)])


DOCS = README.parent / "docs"
TABLE = ("<!-- table: begin -->", "<!-- table: end -->")
LOCAL = ("<!-- local: begin -->", "<!-- local: end -->")

PAGES = {
    README: (BEGIN, END, tables),
    DOCS / "benchmarks.md": (*TABLE, comparison),
    DOCS / "data.md": (*TABLE, data_check),
    DOCS / "decisions.md": (*TABLE, decisions),
    DOCS / "fitting.md": (*TABLE, scale),
    DOCS / "lammps.md": (*TABLE, lammps),
    DOCS / "repulsion.md": (*TABLE, walls),
    DOCS / "selection.md": (*TABLE, selection),
    DOCS / "uncertainty.md": (*TABLE, error_bars),
    DOCS / "families.md": (*TABLE, families),
    DOCS / "mtp.md": (*TABLE, moment_tensors),
    DOCS / "validation.md": (*TABLE, measured),
    DOCS / "electrostatics.md": (*TABLE, electrostatics),
    DOCS / "dispersion.md": (*TABLE, dispersion),
    DOCS / "charges.md": (*LOCAL, local_charges),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    for path in PAGES:
        if check and fresh(path) != path.read_text():
            raise SystemExit(f"{path.name} is not up to date")
        path.write_text(fresh(path))


if __name__ == "__main__":
    main()
