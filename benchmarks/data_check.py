"""
`linpot data check` on public sets as they are, and on copies that are spoilt on purpose.

``python -m benchmarks.data_check [NAME ...]`` writes ``results/data_check.json``; with names, only
these sets (and "spoilt") are run anew and the rest of the file stays. The sets are found through
LINPOT_DATA.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from benchmarks.record import RESULTS, data_folder, write_results
from linpot.curation.check import check_data
from linpot.curation.finding import CheckResult

NAME = "data_check"
Files = tuple[list[str], list[str]]
Spoil = Callable[[Path, Path], Files]

# Training files, test files, and what the descriptions of the sets themselves say of them.
SETS: dict[str, tuple[list[str], list[str], list[str]]] = {
    **{
        f"zuo2020 {element}": (
            [f"zuo2020/{element}_train.extxyz.gz"],
            [f"zuo2020/{element}_test.extxyz.gz"],
            [],
        )
        for element in ("Si", "Mo", "Ni", "Cu")
    },
    "ta_snap": (["ta_snap/train.extxyz.gz"], ["ta_snap/test.extxyz.gz"], []),
    "inp_snap": (["inp_snap/train.extxyz.gz"], ["inp_snap/test.extxyz.gz"], []),
    "agau_vasp": (["agau_vasp/train.extxyz.gz"], ["agau_vasp/test.extxyz.gz"], []),
    "mgo_vasp": (["mgo_vasp/train.extxyz.gz"], ["mgo_vasp/test.extxyz.gz"], ["outliers"]),
    "cu_pace": (["cu_pace/train.extxyz.gz"], ["cu_pace/test.extxyz.gz"], []),
    "si_gap18_subset": (
        ["si_gap18_subset/si_tiny_train.extxyz.gz"],
        ["si_gap18_subset/testing_database.extxyz.gz"],
        [],
    ),
    "tial_tutorial": (["tial_tutorial/train.extxyz.gz"], ["tial_tutorial/test.extxyz.gz"], []),
    "random_charges": (["random_charges/train.extxyz.gz"], ["random_charges/test.extxyz.gz"], []),
    "xtb_nacl": (["xtb_nacl/train.extxyz.gz"], ["xtb_nacl/test.extxyz.gz"], []),
    "4g_carbon_chain": (
        ["4g_carbon_chain/train.extxyz.gz"],
        ["4g_carbon_chain/test.extxyz.gz"],
        [],
    ),
    "water_rpbe_d3": (
        ["water_rpbe_d3/water_train.extxyz.gz"],
        ["water_rpbe_d3/water_test.extxyz.gz"],
        [],
    ),
    "water_rpbe_d3 with n2p2": (
        [
            "water_rpbe_d3/water_train.extxyz.gz",
            "water_rpbe_d3/n2p2_water.extxyz.gz",
            "water_rpbe_d3/n2p2_water_4G_charges.extxyz.gz",
        ],
        ["water_rpbe_d3/water_test.extxyz.gz"],
        ["energy-reference"],
    ),
    "spice_dipeptides": (
        ["spice_dipeptides/train.extxyz.gz", "spice_dipeptides/val.extxyz.gz"],
        ["spice_dipeptides/test.extxyz.gz"],
        [],
    ),
    "3bpa": (
        ["3bpa/iso_atoms.extxyz.gz", "3bpa/train_300K.extxyz.gz"],
        [f"3bpa/proxy_test_{t}K.extxyz.gz" for t in (300, 600, 1200)],
        [],
    ),
    "3bpa mixed": (
        ["3bpa/iso_atoms.extxyz.gz", "3bpa/train_mixedT.extxyz.gz"],
        ["3bpa/train_300K.extxyz.gz"],
        ["overlap"],
    ),
    **{
        f"rmd17 {molecule}": (
            [f"rmd17/{molecule}_train_split01.extxyz.gz"],
            [f"rmd17/{molecule}_test_split01.extxyz.gz"],
            [],
        )
        for molecule in ("aspirin", "azobenzene", "ethanol")
    },
    "ethanol_methanol": (
        [f"ethanol_methanol/{name}.extxyz.gz" for name in ("isolated_atoms", "train_eth_meth")],
        [
            f"ethanol_methanol/{name}.extxyz.gz"
            for name in (
                "test_eth_meth",
                "test_H_removal",
                "test_norm_mode_874",
                "test_norm_mode_3005",
                "test_dimers",
            )
        ],
        [],
    ),
    "ethanol_methanol, both training files": (
        ["ethanol_methanol/train.extxyz.gz", "ethanol_methanol/train_eth_meth.extxyz.gz"],
        [],
        ["duplicates"],
    ),
    "lode_dimers": (
        [f"lode_dimers/{name}_train.extxyz.gz" for name in ("CA_id2", "CC_id0", "PA_id3")],
        [f"lode_dimers/{name}_test.extxyz.gz" for name in ("CA_id2", "CC_id0", "PA_id3")],
        [],
    ),
}


def main() -> None:
    """Run the sets that are named, or all."""
    root, wanted = data_folder(), sys.argv[1:]
    path = RESULTS / f"{NAME}.json"
    old = json.loads(path.read_text()) if wanted and path.exists() else {}
    clean: dict[str, Any] = old.get("as_published", {})
    spoilt: dict[str, Any] = old.get("spoilt", {})
    for name, (train, test, named) in SETS.items():
        if not wanted or name in wanted:
            files = [[str(root / file) for file in own] for own in (train, test)]
            clean[name] = row(*files) | {"named_in_description": named}
            show(name, clean[name])
            write_results(NAME, {"as_published": clean, "spoilt": spoilt})
    if not wanted or "spoilt" in wanted:
        for name, (make, planted) in SPOILT.items():
            with tempfile.TemporaryDirectory() as folder:
                spoilt[name] = row(*make(root, Path(folder))) | {"planted": planted}
            show(name, spoilt[name])
            write_results(NAME, {"as_published": clean, "spoilt": spoilt})


def row(train: list[str], test: list[str]) -> dict[str, Any]:
    """Check files, and say what was found and how long it took."""
    begin, processor = time.perf_counter(), time.process_time()
    result: CheckResult = check_data(train, test=test)
    told = result.as_dict()
    for one in told["findings"] + told["notes"]:
        del one["command"]  # has paths
    return {
        "n_structures": result.n_structures,
        "n_atoms": result.n_atoms,
        "seconds": round(time.perf_counter() - begin, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "findings": told["findings"],
        "notes": told["notes"],
        "stress_undecided": list(result.undecided),
    }


def show(name: str, result: dict[str, Any]) -> None:
    """Print a line per finding."""
    print(f"{name}: {result['n_structures']} structures, {result['processor_seconds']} s")
    for one in result["findings"]:
        print(f"  {one['sure']} {one['kind']}: {one['what']}")
    sys.stdout.flush()


def changed(atoms: Atoms, **results: Any) -> Atoms:
    """Return a copy with other results."""
    made = atoms.copy()
    made.calc = SinglePointCalculator(made, **{**atoms.calc.results, **results})
    return made


def write(folder: Path, name: str, images: list[Atoms]) -> str:
    """Write a copy of data."""
    path = folder / name
    ase.io.write(path, images, format="extxyz")
    return str(path)


def exchanged_silicon(root: Path, folder: Path) -> Files:
    """Exchange yz and xz in all groups but Elastic, as in the published files."""
    order = [0, 1, 2, 4, 3, 5]
    paths = []
    for part in ("train", "test"):
        images = ase.io.read(root / f"zuo2020/Si_{part}.extxyz.gz", ":")
        paths.append(
            write(
                folder,
                f"Si_{part}.extxyz",
                [
                    a
                    if a.info["config_type"] == "Elastic"
                    else changed(a, stress=a.get_stress()[order])
                    for a in images
                ],
            )
        )
    return paths[:1], paths[1:]


def _alloy(root: Path) -> list[Atoms]:
    return list(ase.io.read(root / "agau_vasp/train.extxyz.gz", ":"))


def stress_sign(root: Path, folder: Path) -> Files:
    """Change the sign of the stresses of one group."""
    group = "train-standard-Ag1"
    images = [
        changed(a, stress=-a.get_stress()) if a.info["config_type"] == group else a
        for a in _alloy(root)
    ]
    return [write(folder, "AgAu.extxyz", images)], []


def force_sign(root: Path, folder: Path) -> Files:
    """Change the sign of the forces of one group."""
    group = "train-standard-Au1"
    images = [
        changed(a, forces=-a.get_forces()) if a.info["config_type"] == group else a
        for a in _alloy(root)
    ]
    return [write(folder, "AgAu.extxyz", images)], []


def all_signs(root: Path, folder: Path) -> Files:
    """Change the sign of all forces and of all stresses."""
    images = [changed(a, forces=-a.get_forces(), stress=-a.get_stress()) for a in _alloy(root)]
    return [write(folder, "AgAu.extxyz", images)], []


def copied(root: Path, folder: Path) -> Files:
    """Plant 3 exact duplicates, 3 turned ones with atoms in another order, and 4 overlaps."""
    images = list(ase.io.read(root / "xtb_nacl/train.extxyz.gz", ":"))
    test = list(ase.io.read(root / "xtb_nacl/test.extxyz.gz", ":"))
    rng = np.random.default_rng(0)
    images += [images[k] for k in (5, 100, 400)]
    for k in (7, 250, 500):
        a = images[k]
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        turn *= np.sign(np.linalg.det(turn))
        order = rng.permutation(len(a))
        made = a[order]
        made.positions = a.positions[order] @ turn + rng.normal(size=3)
        made.info = dict(a.info)
        made.calc = SinglePointCalculator(
            made,
            energy=a.get_potential_energy(),
            forces=a.get_forces()[order] @ turn,
        )
        images.append(made)
    test += [images[k] for k in (1, 2, 300, 599)]
    return [write(folder, "train.extxyz", images)], [write(folder, "test.extxyz", test)]


# How copies are spoilt, and the kinds of findings that this asks for.
SPOILT: dict[str, tuple[Spoil, list[str]]] = {
    "zuo2020 Si, yz and xz exchanged but in Elastic": (exchanged_silicon, ["stress-order"]),
    "agau_vasp, sign of stresses of one group": (stress_sign, ["stress-sign"]),
    "agau_vasp, sign of forces of one group": (force_sign, ["force-sign"]),
    "agau_vasp, sign of all forces and stresses": (all_signs, ["force-sign", "stress-sign"]),
    "xtb_nacl, 6 duplicates (3 turned) and 4 overlaps": (copied, ["duplicates", "overlap"]),
}


if __name__ == "__main__":
    main()
