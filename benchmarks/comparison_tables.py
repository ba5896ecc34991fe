"""Tables of docs/benchmarks.md from committed results; what was not measured is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.front import Point, three_digits
from benchmarks.learning_tables import learning
from benchmarks.materials_tables import materials
from benchmarks.molecule_tables import molecules
from benchmarks.record import load_if_there, origin

# Test MAE (meV/atom, eV/A): Zuo et al., J. Phys. Chem. A 124, 731 (2020)
PUBLISHED = {
    "Ni": {"GAP": (0.42, 0.02), "MTP": (0.48, 0.01)},
    "Cu": {"GAP": (0.46, 0.01), "MTP": (0.41, 0.01)},
    "Mo": {"GAP": (2.24, 0.09), "MTP": (2.83, 0.09)},
    "Si": {"GAP": (2.91, 0.07), "MTP": (2.21, 0.06)},
}


ROUNDING = 0.005  # half of the last digit of the published errors


def points(element: str) -> list[Point]:
    """Return what was measured of an element, linpot by size, then others."""
    own = list(_gap_run(element)) or list(_elements_run(element))
    return [*own, *_networks(element), *_published_mtp(element), *_families(element)]


def _gap_run(element: str) -> Iterator[Point]:
    run = load_if_there("gap").get("elements", {}).get(element)
    if run is None:
        return
    memory = {
        row["n_functions"]: row["peak_memory_GB"]
        for row in load_if_there("zuo2020").get("runs", [])
        if row["element"] == element
    }
    for row in run["linpot"]:
        made = f"{row['cpu_seconds']:.0f} s"
        if row["n_functions"] in memory:
            made += f", {memory[row['n_functions']]:.2f} GB"
        yield Point(
            "linpot",
            f"linpot, {row['n_functions']} functions",
            1e3 * row["test"]["energy_mae"],
            row["test"]["forces_mae"],
            row["us"],
            run["snap_si_us"],
            made,
        )
    gap = run["gap"]
    fit = gap["fit"]
    yield Point(
        "GAP",
        f"GAP, {fit['n_sparse']} sparse points",
        1e3 * gap["test"]["energy_mae"],
        gap["test"]["forces_mae"],
        gap["us"],
        run["snap_si_us"],
        f"{fit['cpu_seconds']:.0f} s, {fit['peak_memory_GB']:.2f} GB",
    )
    if run["snap_si_us"] and element == "Si" and "snap" in run["published"]:
        yield _published(run, "snap", run["snap_si_us"], "LAMMPS")
    for name, row in run["published"].items():
        yield _published(run, name, row["us"], "linpot")


def _elements_run(element: str) -> Iterator[Point]:
    """Potentials of `benchmarks.zuo2020`, for elements where GAP has not been measured."""
    for row in load_if_there("zuo2020").get("runs", []):
        if row["element"] == element:
            yield Point(
                "linpot",
                f"linpot, {row['n_functions']} functions",
                1e3 * row["test"]["energy"]["mae"],
                row["test"]["forces"]["mae"],
                made=f"{row['peak_memory_GB']:.2f} GB",
            )


def _published(run: dict[str, Any], name: str, us: float, program: str) -> Point:
    row, title = run["published"][name], {"snap": "SNAP", "qsnap": "qSNAP"}[name]
    return Point(
        f"{title} in {program}",
        f"{title}, published file, {row['n_functions']} functions, in {program}",
        1e3 * row["test"]["energy_mae"],
        row["test"]["forces_mae"],
        us,
        run["snap_si_us"],
    )


def _networks(element: str) -> Iterator[Point]:
    """Give published and trained networks; excluded ones stand below the table."""
    rows = load_if_there("network").get("elements", {}).get(element, {})
    if "published" in rows:
        row = rows["published"]
        yield Point(
            "network",
            f"Behler-Parrinello network, published file, {row['n_parameters']} weights",
            1e3 * row["test"]["energy_mae"],
            row["test"]["forces_mae"],
        )
    row = rows.get("trained")
    if row is not None and not row.get("beyond"):
        yield Point(
            "network",
            f"Behler-Parrinello network, trained here, {row['n_parameters']} weights",
            1e3 * row["test"]["energy_mae"],
            row["test"]["forces_mae"],
            made=f"{row['cpu_seconds']:.0f} s, {row['peak_memory_GB']:.2f} GB",
        )


def _training(elements: list[str]) -> Iterator[str]:
    """Say how the training of networks ended, and which are left out."""
    known = load_if_there("network").get("elements", {})
    for element in elements:
        row = known.get(element, {}).get("trained")
        if row is None:
            continue
        end = (
            f"stalled after {row['steps']} steps"
            if row["stalled"]
            else f"stopped at its limit of {row['training']['minutes']:.0f} minutes, "
            f"{row['steps']} steps"
        )
        text = f"* {element}: the network trained here {end}"
        if row.get("beyond"):
            text += (
                f"; at {1e3 * row['test']['energy_mae']:.2f} meV/atom and "
                f"{row['test']['forces_mae']:.4f} eV/A it is beyond 1.5 times the error of the "
                "published network and left out"
            )
        yield f"{text}."


def _published_mtp(element: str) -> Iterator[Point]:
    for row in load_if_there("mtp").get("published", []):
        if row["element"] == element and "test" in row:
            yield Point(
                "MTP in linpot",
                f"MTP, published file, {row['functions']} functions, in linpot",
                row["test"]["energy_mae"],
                row["test"]["forces_mae"],
                row["us_per_atom"],
                row["snap_si_us_per_atom"],
            )


def _families(element: str) -> Iterator[Point]:
    """Other families in linpot; published SNAP stands in the run of GAP, published MTP in mtp."""
    results = load_if_there("families")
    costs = {(row["element"], row["family"]): row for row in results.get("cost", [])}
    for row in results.get("accuracy", []):
        name = row["family"]
        if row["element"] == element and not name.startswith("ace") and "published" not in name:
            cost = costs.get((element, name), {})
            yield Point(
                f"{name.split(' ')[0]} fitted",
                f"{name}, {row['functions']} functions, fitted by linpot",
                1e3 * row["energy_mae"],
                row["forces_mae"],
                cost.get("us_per_atom"),
                cost.get("snap_si_in_lammps_us"),
            )


def beside_gap(sizes: tuple[int, ...] = (1000, 2000)) -> str:
    """Return the short comparison of the README: linpot of some sizes and GAP in one run."""
    measured = load_if_there("gap").get("elements", {})
    if not measured:
        return ""
    lines = [
        "Beside GAP (gap_fit, settings of its publication) in one run; linpot with "
        f"{' and '.join(map(str, sizes))} functions.",
        "MAE of energies (meV/atom) / forces (eV/A); time of a step through ASE on one core, where",
        "one of SNAP Si (2J = 8) in LAMMPS in the same run is 1; CPU time of the fit. Networks,",
        "SNAP and MTP beside them: docs/benchmarks.md.",
        "",
        f"| {''.join(f'| linpot, {n} | step | fit ' for n in sizes)}| GAP | step | fit |",
        "|---" * (3 * len(sizes) + 4) + "|",
    ]
    for element, run in measured.items():
        by_size = {row["n_functions"]: row for row in run["linpot"]}
        gap = {**run["gap"], "cpu_seconds": run["gap"]["fit"]["cpu_seconds"]}
        cells = [
            f"{1e3 * row['test']['energy_mae']:.2f} / {row['test']['forces_mae']:.4f} | "
            f"{row['us'] / run['snap_si_us']:.2g} | {row['cpu_seconds']:.0f} s"
            for row in (*(by_size[n] for n in sizes), gap)
        ]
        lines.append(f"| {element} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", origin(load_if_there("gap"))])


def comparison() -> str:
    """Return the generated part of docs/benchmarks.md."""
    return "\n\n".join(filter(None, [_elements(), learning(), materials(), *molecules()]))


def _elements() -> str:
    gap, own = load_if_there("gap"), load_if_there("zuo2020")
    elements = list(dict.fromkeys(row["element"] for row in own.get("runs", [])))
    if not elements:
        return ""
    measured = gap.get("elements", {})
    lines = [
        "### Elements of Zuo et al. (2020)",
        "",
        "| | potential | energy (meV/atom) | forces (eV/A) | us/atom/step | of SNAP Si | "
        "fit: CPU time, memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for element in elements:
        for point in points(element):
            us = "" if point.us is None else three_digits(point.us)
            cost = "" if point.cost is None else three_digits(point.cost)
            lines.append(
                f"| {element} | {point.label} | {point.energy:.2f} | {point.forces:.4f} | "
                f"{us} | {cost} | {point.made} |"
            )
        for method, (energy, forces) in PUBLISHED[element].items():
            lines.append(
                f"| {element} | {method}, *published errors* | {energy} | {forces} | | | |"
            )
    missing = [element for element in elements if element not in measured]
    if missing:
        lines += ["", f"GAP has not been measured beside linpot for {', '.join(missing)} yet."]
    networks = load_if_there("network")
    if told := list(_training(elements)):
        lines += [
            "",
            "Training ends when the error of a held-out tenth stalls, or time is up:",
        ]
        lines += ["", *told]
    lines += ["", "Published errors have two decimals; smaller differences are not counted:"]
    lines += ["", *_verdicts(elements), *_memory(measured), ""]
    if "Si" in measured:
        lines += ["![Errors against cost for silicon](figures/accuracy_cost.png)", ""]
    return "\n".join([*lines, *(origin(r) for r in (gap, own, networks) if r)])


def _verdicts(elements: list[str]) -> Iterator[str]:
    """Say where the largest potential of linpot loses; its other families are no rivals."""
    for element in elements:
        known = points(element)
        own = [p for p in known if p.method == "linpot"][-1]
        others = [p for p in known if p.method != "linpot" and not p.method.endswith("fitted")]
        rivals = {p.label: (p.energy, p.forces, 0.0) for p in others}
        rivals |= {f"{m} (published errors)": (*e, ROUNDING) for m, e in PUBLISHED[element].items()}
        lost = [
            f"{name} in {what}"
            for name, (energy, forces, slack) in rivals.items()
            for what, theirs, ours in (
                ("energies", energy, own.energy),
                ("forces", forces, own.forces),
            )
            if theirs + slack < ours
        ]
        yield f"* {element}, {own.label.removeprefix('linpot, ')}: " + (
            f"loses to {'; '.join(lost)}." if lost else "nothing in the table is better."
        )


def _memory(measured: dict[str, Any]) -> Iterator[str]:
    """Say where GAP could not be fitted with the settings of the paper."""
    for element, run in measured.items():
        fit = run["gap"]["fit"]
        wanted = fit["published_settings"]["n_sparse"]
        if fit["n_sparse"] != wanted:
            yield (
                f"* GAP of {element} was published with {wanted} sparse points, for which gap_fit "
                f"announces {fit['announced'][0]['announced_GB']:.0f} GB at most; the limit here "
                f"was {fit['memory_limit_GB']:.0f} GB."
            )
