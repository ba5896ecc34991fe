"""
Make linpot's shipped silicon set: LDA energies, forces and stresses from Quantum ESPRESSO.

    python benchmarks/silicon_data.py --work DIR --pseudo-dir DIR [--pw pw.x] [--output DIR]

One SCF per frame; results are cached in the work directory under a hash of the pw.x input, so an
interrupted run goes on where it stopped. Units: eV, A, eV/A, eV/A^3 (stress: tension positive).
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
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
from ase.build import bulk, diamond100, diamond111
from ase.calculators.singlepoint import SinglePointCalculator
from ase.calculators.tersoff import Tersoff, TersoffParameters
from ase.eos import EquationOfState
from ase.io import write
from ase.md.langevin import Langevin
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import ArrayLike

SEED = 20240611
A0 = 5.39  # cubic lattice constant of the reference cell, A
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
SILICON = TersoffParameters(  # J. Tersoff, Phys. Rev. B 38, 9902 (1988)
    m=3, gamma=1, lambda3=0, c=1.0039e5, d=16.217, h=-0.59825, n=0.78734, beta=1.1e-6,
    lambda2=1.73222, B=471.18, R=2.85, D=0.15, lambda1=2.4799, A=1830.8,
)  # fmt: skip


def tersoff() -> Tersoff:
    """Return the classical potential that drives the sampling (never the labels)."""
    return Tersoff({("Si", "Si", "Si"): SILICON})


def diamond(atoms: int, volume: float = 1.0) -> Atoms:
    """Return diamond with 2, 8 or 16 atoms; `volume` is relative to that of `A0`."""
    a = A0 * volume ** (1 / 3)
    cell = bulk("Si", "diamond", a, cubic=atoms == 8)
    return cell.repeat(2) if atoms == 16 else cell


def strained(atoms: Atoms, voigt: ArrayLike, rattle: float = 0.0, seed: int = 0) -> Atoms:
    """Return a copy under tensor strain xx, yy, zz, yz, xz, xy, displaced by `rattle` A."""
    xx, yy, zz, yz, xz, xy = np.asarray(voigt, dtype=float)
    out = atoms.copy()
    strain = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    out.set_cell(atoms.cell[:] @ (np.eye(3) + strain), scale_atoms=True)
    if rattle > 0.0:
        out.rattle(rattle, seed=seed)
    return out


def thermal(atoms: Atoms, kelvin: float, rng: np.random.Generator) -> Atoms:
    """Return one draw from the classical harmonic crystal of Tersoff at `kelvin`."""
    model = diamond(len(atoms), (5.432 / A0) ** 3)
    model.calc = tersoff()
    hessian = np.empty((3 * len(atoms), 3 * len(atoms)))
    for row, (i, x) in enumerate(itertools.product(range(len(atoms)), range(3))):
        sides = []
        for step in (0.01, -0.02):
            model.positions[i, x] += step
            sides.append(model.get_forces().ravel())
        model.positions[i, x] += 0.01
        hessian[row] = (sides[1] - sides[0]) / 0.02
    values, modes = np.linalg.eigh(0.5 * (hessian + hessian.T))
    scale = np.where(values > 0.1, np.sqrt(units.kB * kelvin / np.maximum(values, 0.1)), 0.0)
    out = atoms.copy()
    out.positions += (modes @ (scale * rng.normal(size=len(values)))).reshape(-1, 3)
    return out


def liquid(count: int, atomic_volume: float, seed: int) -> Atoms:
    """Return a box (`atomic_volume` in A^3) melted with Tersoff at 4000 K, then held at 1800 K."""
    side, rng = (count * atomic_volume) ** (1 / 3), np.random.default_rng(seed)
    while True:
        out = Atoms(f"Si{count}", scaled_positions=rng.random((count, 3)), cell=[side] * 3)
        out.pbc, out.calc = True, tersoff()
        for _ in range(100):  # push apart what is closer than 2.1 A
            vectors = out.get_all_distances(mic=True, vector=True)
            norms = np.linalg.norm(vectors, axis=2) + 9.0 * np.eye(count)
            push = np.where(norms < 2.1, (2.15 - norms) / 2 / norms, 0.0)
            out.positions -= 0.6 * (push[:, :, None] * vectors).sum(axis=1)
        if norms.min() > 1.9:
            break
    for kelvin, steps in ((4000, 120), (1800, 80)):
        md = Langevin(out, 2 * units.fs, temperature_K=kelvin, friction=0.05, fixcm=False, rng=rng)
        md.run(steps)
        while out.get_all_distances(mic=True)[np.triu_indices(count, 1)].min() < 2.05:
            md.run(5)
    out.wrap()
    return Atoms(out.symbols, positions=out.positions, cell=out.cell, pbc=True)


def slab(face: str, layers: int, vacuum: float = 7.5) -> Atoms:
    """Return a slab with `vacuum` A between images: "100", "100-2x1" (dimers), "111", "110"."""
    if face == "110":  # x along [001], y along [1-10], z along [110]; two layers a cell
        b = A0 / np.sqrt(2)
        sites = [(0, 0, 0), (0.5, 0.5, 0.5), (0.25, 0, 0.5), (0.75, 0.5, 0)]
        out = Atoms("Si4", scaled_positions=sites, cell=[A0, b, b]).repeat((1, 1, layers // 2))
    elif face == "111":  # without the outermost atoms: one dangling bond an atom on both sides
        out = diamond111("Si", (1, 1, layers + 2), a=A0)
        order = np.argsort(out.positions[:, 2])
        out = out[np.sort(order[1:-1])]
    else:
        out = diamond100("Si", (1, 2 if face == "100-2x1" else 1, layers), a=A0)
        if face == "100-2x1":  # top atoms with their dangling bonds along y: a dimer of 2.35 A
            top = np.argsort(out.positions[:, 2])[-2:]
            top = top[np.argsort(out.positions[top, 1])]
            gap = np.ptp(out.positions[top, 1])
            out.positions[top] += [[0, 0.5 * (gap - 2.35), -0.2], [0, -0.5 * (gap - 2.35), -0.2]]
    out.center(vacuum / 2, axis=2)
    out.pbc = True
    return out


def frames() -> list[Atoms]:
    """Return every structure, with `name`, `config_type` and `split` in info, 8 decimals."""
    rng = np.random.default_rng(SEED)
    out: list[Atoms] = []

    def add(kind: str, atoms: Atoms) -> None:
        number = sum(a.info["config_type"] == kind for a in out)
        kept = Atoms(
            atoms.symbols,
            positions=atoms.positions.round(8),
            cell=atoms.cell[:].round(8),
            pbc=kind != "isolated_atom",
        )
        kept.info = {"name": f"{kind}_{number:02d}", "config_type": kind}
        out.append(kept)

    def draw() -> int:
        return int(rng.integers(2**31))

    add("isolated_atom", Atoms("Si", cell=[10.0] * 3, positions=[[5.0] * 3]))
    for volume in (0.80, 0.85, 0.90, 0.94, 0.97, 1.0, 1.03, 1.06, 1.10, 1.15, 1.20, 1.25):
        add("eos", diamond(2, volume))
    for volume in (0.88, 1.0, 1.12):
        add("eos", diamond(8, volume))
    for scale in (0.97, 1.03):
        a = 4.77 * scale
        cell = 0.5 * a * np.array([[-1, 1, 0.55], [1, -1, 0.55], [1, 1, -0.55]])
        tin = Atoms("Si2", scaled_positions=[(0, 0, 0), (0.75, 0.25, 0.5)], cell=cell)
        add("phases", tin)
        add("phases", bulk("Si", "fcc", 3.83 * scale))
        add("phases", bulk("Si", "bcc", 3.05 * scale))
        hexagonal = [[2.64, 0, 0], [-1.32, 1.32 * 3**0.5, 0], [0, 0, 2.48]]
        add("phases", Atoms("Si", cell=np.array(hexagonal) * scale))
        c = 6.22 * scale
        wurtzite = bulk("Si2", "wurtzite", 3.81 * scale, c=c, u=0.375)
        wurtzite.symbols = "Si4"
        add("phases", wurtzite)
    for xx, shear in ((-0.06, 0), (-0.03, 0), (0.03, 0), (0.06, 0), (0, 0.015), (0, 0.03)):
        add("strain", strained(diamond(8), (0, 0, xx, 0, 0, shear)))
    for size in (0.02, 0.03, 0.04):
        add("strain", strained(diamond(8), rng.uniform(-size, size, 6), 0.02, draw()))
    for kelvin, spread in ((300, 0.03), (900, 0.06), (1500, 0.09)):
        for _ in range(4):
            cell = strained(diamond(8), rng.uniform(-spread / 4, spread / 4, 6))
            cell.set_cell(cell.cell * (1 + rng.uniform(-spread, spread) / 3), scale_atoms=True)
            add(f"rattle_{kelvin}", thermal(cell, kelvin, rng))
    for count, rattle in ((16, 0.03), (16, 0.10), (8, 0.05), (8, 0.12)):
        cell = diamond(count, 1.0 + rng.uniform(-0.03, 0.03))
        near = cell.get_distances(0, range(count), mic=True, vector=True)
        norms = np.linalg.norm(near, axis=1)
        shell = (norms > 0.1) & (norms < 2.6)
        cell.positions[shell] -= near[shell] * (0.15 / norms[shell])[:, None]
        del cell[0]
        cell.rattle(rattle, seed=draw())
        add("vacancy", cell)
    slabs = (("100", 8, 0.05), ("100-2x1", 6, 0.02), ("100-2x1", 6, 0.10))
    for face, layers, rattle in (*slabs, ("111", 8, 0.0), ("111", 8, 0.08), ("110", 6, 0.06)):
        add("surface", strained(slab(face, layers), (0,) * 6, rattle, draw()))
    for number in range(9):
        count = 12 if number == 8 else 8
        add("liquid", liquid(count, rng.uniform(16.5, 20.0), draw()))
    for distance in (1.85, 1.92, 2.0, 2.1):
        cell = diamond(8, rng.uniform(0.92, 1.05))
        cell.rattle(0.05, seed=draw())
        cell.set_distance(0, 1, distance, fix=0.5, mic=True)
        add("close", cell)
    assign_split(out, rng)
    return out


def assign_split(cells: list[Atoms], rng: np.random.Generator) -> None:
    """Set info["split"]: about a fifth of each config_type for test, isolated atoms in train."""
    for kind in sorted({a.info["config_type"] for a in cells}):
        members = [a for a in cells if a.info["config_type"] == kind]
        chosen = rng.permutation(len(members))[: round(0.2 * len(members))]
        for i, atoms in enumerate(members):
            atoms.info["split"] = "test" if i in chosen else "train"


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
