"""
Make linpot's shipped silicon set: LDA energies, forces and stresses from Quantum ESPRESSO.

    python -m benchmarks.silicon_data --work DIR --pseudo-dir DIR [--pw pw.x] [--output DIR]

One SCF per frame; results are cached in the work directory under a hash of the pw.x input, so an
interrupted run goes on where it stopped. Units: eV, A, eV/A, eV/A^3 (stress: tension positive).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.eos import EquationOfState
from ase.io import write
from ase.stress import full_3x3_to_voigt_6_stress

from benchmarks.silicon_structures import SEED, frames, strained

PSEUDO = "Si.pz-vbc.UPF"
CUTOFF_RY, SMEARING_RY, CONVERGENCE_RY = 28.0, 0.01, 1e-9
SPACING, FINE_SPACING, FINE_MAX_ATOMS = 0.26, 0.17, 4  # k-point spacing with 2 pi, 1/A
FINER_MESHES = {"strain_05": [10, 10, 10], "surface_03": [16, 16, 1], "liquid_00": [7, 7, 7]}
FINER_CUTOFF, FINER_CUTOFF_RY = ("rattle_300_00", "surface_03", "close_00"), 42.0
DIFFERENTIATED = ("rattle_300_00", "surface_03")
NOTES = [
    "k_point_convergence: meshes doubled, for the liquid 5 to 7; metallic frames are the least "
    "converged in k points",
    "finite_differences: steps of 0.01 A and 0.005 strain; stress from energies at a fixed cutoff "
    "differs from that of pw.x by the Pulay stress",
    "equation_of_state: Birch-Murnaghan through the primitive eos cells of 0.90 to 1.10 V0",
]


def mesh(atoms: Atoms) -> list[int]:
    """Return the Gamma-centred k-point mesh of a frame; 1 along a vacuum and for an atom."""
    kind = atoms.info["config_type"]
    spacing = FINE_SPACING if len(atoms) <= FINE_MAX_ATOMS else SPACING
    lengths = 2.0 * np.pi * np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    counts = [1] * 3 if kind == "isolated_atom" else [int(np.ceil(b / spacing)) for b in lengths]
    return [*counts[:2], 1] if kind == "surface" else counts


def pw_input(atoms: Atoms, pseudo_dir: Path, counts: list[int], cutoff: float) -> str:
    """Return the text of the pw.x input for one SCF; `cutoff` in Ry."""
    alone = atoms.info["config_type"] == "isolated_atom"
    smeared = f"occupations='smearing', smearing='gaussian', degauss={SMEARING_RY}"
    polarised = f"{smeared}, nspin=2, tot_magnetization=2"
    cell, rows = [
        "\n".join(lead + " ".join(f"{x:.10f}" for x in row) for row in array)
        for lead, array in (("", atoms.cell[:]), ("Si ", atoms.positions))
    ]
    return f"""&control
 calculation='scf', prefix='si', outdir='./scratch', pseudo_dir='{pseudo_dir}',
 tprnfor=.true., tstress=.true., disk_io='none'
/
&system
 ibrav=0, nat={len(atoms)}, ntyp=1, ecutwfc={cutoff}, {polarised if alone else smeared}
/
&electrons
 conv_thr={CONVERGENCE_RY}
/
ATOMIC_SPECIES
Si 28.0855 {PSEUDO}
K_POINTS automatic
{" ".join(map(str, counts))} 0 0 0
CELL_PARAMETERS angstrom
{cell}
ATOMIC_POSITIONS angstrom
{rows}
"""


def parse(text: str, count: int) -> dict[str, Any]:
    """Return energy (eV; the free energy E - TS), forces (eV/A), stress (3x3, eV/A^3) of pw.x."""
    rows = re.findall(r"atom +\d+ type +\d+ +force = +(\S+) +(\S+) +(\S+)", text)[:count]
    block = text[text.index("total   stress") :].splitlines()[1:4]
    stress = np.array([line.split()[:3] for line in block], dtype=float)
    smearing = re.search(r"smearing contrib\. \(-TS\) += +(\S+)", text)
    version = re.search(r"Program PWSCF v\.(\S+)", text)
    return {
        "energy": float(re.findall(r"^! +total energy += +(\S+)", text, re.M)[-1]) * units.Ry,
        "forces": (np.array(rows, dtype=float) * units.Ry / units.Bohr).tolist(),
        "stress": (-0.5 * (stress + stress.T) * units.Ry / units.Bohr**3).tolist(),
        "smearing_energy": float(smearing[1]) * units.Ry if smearing else 0.0,
        "version": version[1] if version else "unknown",
    }


class Runner:
    """
    Run pw.x with a cache.

    Parameters
    ----------
    work : Path
        Directory of the cache and of the scratch files.
    pseudo_dir : Path
        Directory with the pseudopotential.
    pw : str
        The executable.
    """

    def __init__(self, work: Path, pseudo_dir: Path, pw: str) -> None:
        self.work, self.pseudo_dir, self.pw = work, pseudo_dir, pw
        work.mkdir(parents=True, exist_ok=True)

    def __call__(
        self, atoms: Atoms, counts: list[int] | None = None, cutoff: float = CUTOFF_RY
    ) -> dict[str, Any]:
        """Return the parsed result; RuntimeError where the SCF does not converge."""
        counts = counts or mesh(atoms)
        text = pw_input(atoms, self.pseudo_dir, counts, cutoff)
        key = hashlib.sha1(text.replace(str(self.pseudo_dir), "").encode()).hexdigest()[:16]
        cached = self.work / f"{key}.json"
        if cached.exists():
            found: dict[str, Any] = json.loads(cached.read_text())
            return found
        begin = time.perf_counter()
        (self.work / f"{key}.in").write_text(text)
        done = subprocess.run(
            [self.pw, "-in", f"{key}.in"],
            cwd=self.work,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        (self.work / f"{key}.out").write_text(done.stdout + done.stderr)
        shutil.rmtree(self.work / "scratch", ignore_errors=True)
        if "convergence has been achieved" not in done.stdout or "JOB DONE" not in done.stdout:
            raise RuntimeError(f"{atoms.info['name']} did not converge, see {key}.out")
        result = parse(done.stdout, len(atoms))
        seconds = time.perf_counter() - begin
        result |= {"name": atoms.info["name"], "kpoints": counts, "seconds": seconds}
        cached.write_text(json.dumps(result))
        print(
            f"{atoms.info['name']} {result['energy'] / len(atoms):.6f} eV/atom {seconds:.0f} s",
            flush=True,
        )
        return result


def differences(runner: Runner, atoms: Atoms, **changed: Any) -> dict[str, Any]:
    """Return what a finer setting changes: meV/atom, eV/A (rms, largest), GPa (largest)."""
    base, finer = runner(atoms), runner(atoms, **changed)
    force, stress = (np.array(finer[x]) - np.array(base[x]) for x in ("forces", "stress"))
    return {
        "frame": atoms.info["name"],
        "from": {"kpoints": base["kpoints"], "cutoff_ry": CUTOFF_RY},
        "to": {"kpoints": finer["kpoints"], "cutoff_ry": changed.get("cutoff", CUTOFF_RY)},
        "energy_mev_per_atom": 1e3 * (finer["energy"] - base["energy"]) / len(atoms),
        "force_rms_ev_a": float(np.sqrt(np.mean(force**2))),
        "force_max_ev_a": float(np.abs(force).max()),
        "stress_max_gpa": float(np.abs(stress).max() / units.GPa),
    }


def finite_differences(runner: Runner, atoms: Atoms) -> dict[str, Any]:
    """Return one force (eV/A) and one stress component (GPa), from pw.x and from its energies."""
    base, counts, energies = runner(atoms), mesh(atoms), []
    atom, x = np.unravel_index(np.abs(base["forces"]).argmax(), (len(atoms), 3))
    for step in (0.01, -0.01):
        moved = atoms.copy()
        moved.positions[atom, x] += step
        energies.append(runner(moved, counts)["energy"])
    for step in (0.005, -0.005):
        bent = strained(atoms, (step, 0, 0, 0, 0, 0))
        energies.append(runner(bent, counts)["energy"])
    return {
        "frame": atoms.info["name"],
        "force_ev_a": base["forces"][atom][x],
        "force_from_energies_ev_a": (energies[1] - energies[0]) / 0.02,
        "stress_xx_gpa": base["stress"][0][0] / units.GPa,
        "stress_xx_from_energies_gpa": (energies[2] - energies[3])
        / (0.01 * atoms.get_volume() * units.GPa),
    }


def equation_of_state(cells: list[Atoms], results: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return a0 (A), B (GPa) and E0 (eV/atom) of the primitive eos frames, Birch-Murnaghan."""
    near = [a for a in cells if a.info["name"].startswith("eos") and len(a) == 2][2:9]
    energies = [results[a.info["name"]]["energy"] for a in near]
    v0, e0, b = EquationOfState([a.get_volume() for a in near], energies, "birchmurnaghan").fit()
    return {"a0_a": (4 * v0) ** (1 / 3), "bulk_gpa": b / units.GPa, "energy_ev_atom": e0 / 2}


def label(atoms: Atoms, result: dict[str, Any]) -> Atoms:
    """Attach a result to its frame (no stress for the isolated atom)."""
    values = {x: np.array(result[x]).round(8) + 0.0 for x in ("energy", "forces")}
    if atoms.pbc.any():
        values["stress"] = full_3x3_to_voigt_6_stress(np.array(result["stress"])).round(8) + 0
    atoms.info["kpoints"] = " ".join(map(str, result["kpoints"]))
    atoms.calc = SinglePointCalculator(atoms, **values)
    return atoms


def main() -> None:
    """Run what is not cached, then write the two extended XYZ files and the JSON record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="cache and scratch directory")
    parser.add_argument("--pseudo-dir", type=Path, required=True, help=f"where {PSEUDO} is")
    parser.add_argument("--pw", default="pw.x", help="executable of Quantum ESPRESSO's pw.x")
    parser.add_argument("--output", type=Path, default=Path("linpot/io/shipped"))
    options = parser.parse_args()
    runner, cells = Runner(options.work, options.pseudo_dir.resolve(), options.pw), frames()
    results: dict[str, dict[str, Any]] = {}
    for atoms in cells:
        try:
            results[atoms.info["name"]] = runner(atoms)
        except RuntimeError as failure:
            print(f"skipped: {failure}", flush=True)
    by_name = {a.info["name"]: a for a in cells}
    done = [label(a.copy(), results[a.info["name"]]) for a in cells if a.info["name"] in results]
    counts = {}
    for split in ("train", "test"):
        chosen = [a for a in done if a.info["split"] == split]
        counts[split] = dict(Counter(a.info["config_type"] for a in chosen))
        write(options.output / f"silicon_{split}.extxyz", chosen, format="extxyz")
    record = {
        "code": f"Quantum ESPRESSO pw.x {results['eos_05']['version']}",
        "functional": "LDA (Perdew-Zunger)",
        "pseudopotential": PSEUDO,
        "pseudopotential_sha256": hashlib.sha256(
            (runner.pseudo_dir / PSEUDO).read_bytes()
        ).hexdigest(),
        "cutoff_ry": CUTOFF_RY,
        "smearing": f"Gaussian, {SMEARING_RY} Ry; energy is E - TS, consistent with the forces",
        "scf_threshold_ry": CONVERGENCE_RY,
        "kpoints": f"Gamma-centred, n_i = ceil(|b_i| / h) with b_i including 2 pi; h = {SPACING} "
        f"1/A, or {FINE_SPACING} 1/A for cells of {FINE_MAX_ATOMS} atoms or fewer; 1 along the "
        "vacuum of a slab",
        "units": "eV, A, eV/A, eV/A^3; stress positive in tension",
        "seed": SEED,
        "counts": counts,
        "failed": sorted(set(by_name) - set(results)),
        "scf_seconds": round(sum(r["seconds"] for r in results.values())),
        "isolated_atom": "spin polarised (2 Bohr magnetons), Gamma point, the same smearing",
        "smearing_energy_isolated_atom_ev": results["isolated_atom_00"]["smearing_energy"],
        "equation_of_state": equation_of_state(cells, results),
        "k_point_convergence": [
            differences(runner, by_name[name], counts=finer) for name, finer in FINER_MESHES.items()
        ],
        "cutoff_convergence": [
            differences(runner, by_name[name], cutoff=FINER_CUTOFF_RY) for name in FINER_CUTOFF
        ],
        "finite_differences": [finite_differences(runner, by_name[n]) for n in DIFFERENTIATED],
        "notes": NOTES,
    }
    record = json.loads(json.dumps(record), parse_float=lambda x: float(f"{float(x):.8g}"))
    (options.output / "silicon.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
