"""
The cells of the shipped silicon set: made here, labelled by `benchmarks.silicon_data`.

A classical potential drives the sampling of thermal, defective and liquid cells; it never labels.
"""

from __future__ import annotations

import itertools

import numpy as np
from ase import Atoms, units
from ase.build import bulk, diamond100, diamond111
from ase.calculators.tersoff import Tersoff, TersoffParameters
from ase.md.langevin import Langevin
from numpy.typing import ArrayLike

SEED = 20240611
A0 = 5.39  # cubic lattice constant of the reference cell, A
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
